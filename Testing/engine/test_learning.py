"""From annotated slices to models: trained, described, resumed, and corrected over rounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from slices import disc_slices
from tiny_models import same_weights

from funet.annotations.samples import SliceSample
from funet.annotations.structures import Structures
from funet.errors import Cancelled, InputError, ModelError
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import Segment
from funet.losses import build_loss
from funet.models.model import Model, load_model, load_samples_of, save_model
from funet.models.store import ModelStore
from funet.progress import CancelToken
from funet.runtime import Runtime
from funet.training.checkpoints import data_digest
from funet.training.events import EpochFinished, Note, StepFinished
from funet.training.finetuning import FineTuneConfig
from funet.training.learning import (
    ModelPlan,
    ModelRetrained,
    ModelTrained,
    fine_tune_model,
    train_model,
)
from funet.training.presets import TrainingConfig
from funet.training.validation import score_slices

SEGMENTS = (Segment(1, "Disc", (255, 0, 0)), Segment(2, "Core", (0, 255, 0)))
CONFIG = TrainingConfig(
    epochs=3, steps_per_epoch=6, learning_rate=5e-3, batch_size=4, device="cpu", precision="float32"
)
CPU = Runtime(torch.device("cpu"))
QUICK = FineTuneConfig(steps=10, batch_size=4, learning_rate=2e-3, augmentation=None, device="cpu")


def plan(**changes: object) -> ModelPlan:
    fields = {"name": "Two Discs", "network": "funet", "command": "funet train"} | changes
    return ModelPlan(**{"preprocessing": Preprocessing(), "config": CONFIG} | fields)


def study(subjects: int = 3, slices: int = 4) -> list[SliceSample]:
    return [one for n in range(subjects) for one in disc_slices(slices, f"s{n}", sides=(32, 28))]


def structures(samples: Iterable[SliceSample], *notes: str) -> Structures:
    return Structures(SEGMENTS, tuple(samples), notes)


def run(*arguments: object, **options: object) -> ModelTrained:
    *_, last = train_model(*arguments, **options)
    assert isinstance(last, ModelTrained)
    return last


def retrain(*arguments: object, **options: object) -> ModelRetrained:
    *_, last = fine_tune_model(*arguments, **{"config": QUICK} | options)
    assert isinstance(last, ModelRetrained)
    return last


@pytest.fixture(scope="module")
def trained() -> ModelTrained:
    return run(structures(study()), plan())


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store", tmp_path / "shipped")


def test_the_description_tells_how_the_model_came_about(trained: ModelTrained) -> None:
    manifest = trained.model.manifest
    assert (manifest.id, manifest.name) == ("two-discs", "Two Discs")
    assert manifest.segments == SEGMENTS
    assert manifest.network == trained.model.network.config
    assert manifest.training["samples"] == 12
    assert manifest.training["subjects"] == {"s0": 4, "s1": 4, "s2": 4}
    assert manifest.training["data_sha256"] == data_digest(study())
    assert manifest.training["command"] == "funet train"
    assert manifest.training["best_epoch"] == trained.finished.best_epoch
    assert manifest.training["versions"]["torch"] == torch.__version__


def test_the_validation_dice_of_the_best_epoch_is_recorded(trained: ModelTrained) -> None:
    records = trained.model.manifest.metrics
    assert [record.structure for record in records] == ["Disc", "Core"]
    assert records[0].data == "4 validation slices of 1 subject"
    mean = np.mean([record.mean for record in records])
    assert mean == pytest.approx(trained.finished.best_score)


def test_the_model_and_its_slices_can_be_saved_and_loaded(
    trained: ModelTrained, tmp_path: Path
) -> None:
    model = trained.model
    save_model(tmp_path / "model", model.manifest, model.network, trained.samples)
    loaded = load_model(tmp_path / "model")
    assert same_weights(loaded.network, model.network)
    assert data_digest(load_samples_of(loaded)) == data_digest(study())


def test_the_same_seed_gives_the_same_model_and_leaves_the_callers_numbers_alone(
    trained: ModelTrained,
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    again = run(structures(study()), plan())
    assert torch.equal(torch.rand(3), expected)
    assert same_weights(again.model.network, trained.model.network)


def test_notes_come_before_the_training() -> None:
    events = train_model(structures(study(1, 2), "first"), plan())
    first, second, third = (next(events) for _ in range(3))
    assert first == Note("first")
    assert isinstance(second, Note) and "no validation" in second.text
    assert isinstance(third, StepFinished)


def test_without_validation_nothing_is_measured() -> None:
    last = run(structures(study()), plan(validation_share=0.0, config=replace(CONFIG, epochs=1)))
    assert last.model.manifest.metrics == ()
    assert last.finished.best_score is None


def test_few_slices_are_all_learned_once_one_part_has_measured_the_model(
    trained: ModelTrained,
) -> None:
    *events, last = train_model(structures(study()), plan(learn_held_out=True))
    all_at_once = run(structures(study()), plan(validation_share=0.0))
    assert same_weights(last.model.network, all_at_once.model.network)
    before, after = trained.model.manifest.metrics, last.model.manifest.metrics
    assert [record.mean for record in after] == [record.mean for record in before]
    measured_on = {record.data for record in after}
    assert measured_on == {"4 validation slices of 1 subject, which it then learned, too"}
    epochs = [(one.epoch, one.epochs) for one in events if isinstance(one, EpochFinished)]
    assert epochs == [(n, 6) for n in range(1, 7)]


def test_many_slices_are_not_learned_again() -> None:
    short = replace(CONFIG, epochs=1, steps_per_epoch=1)
    events = list(train_model(structures(study(3, 17)), plan(config=short, learn_held_out=True)))
    assert sum(isinstance(event, EpochFinished) for event in events) == 1


def test_a_training_killed_while_all_slices_are_learned_goes_on_to_the_same_weights(
    tmp_path: Path,
) -> None:
    checkpoint = tmp_path / "state.safetensors"
    events = train_model(structures(study()), plan(learn_held_out=True), checkpoint=checkpoint)
    for event in events:
        if isinstance(event, StepFinished) and event.epoch == 5:
            break
    events.close()
    *earlier, last = train_model(
        structures(study()), plan(learn_held_out=True), checkpoint=checkpoint
    )
    assert Note("Resumed after epoch 3 of 3.") in earlier
    whole = run(structures(study()), plan(learn_held_out=True))
    assert same_weights(last.model.network, whole.model.network)
    assert last.model.manifest.metrics == whole.model.manifest.metrics


def test_the_time_limit_is_that_of_both_parts() -> None:
    long = replace(CONFIG, epochs=1000, max_seconds=4.0)
    events = train_model(structures(study()), plan(config=long, learn_held_out=True))
    first = next(event for event in events if isinstance(event, StepFinished))
    events.close()
    assert 3 < first.seconds_left < 5


def test_names_that_no_model_can_have_are_refused_before_the_training() -> None:
    twice = Structures((SEGMENTS[0], replace(SEGMENTS[0], value=2)), tuple(study()))
    with pytest.raises(ModelError, match="different names"):
        next(train_model(twice, plan()))
    with pytest.raises(ModelError, match="name"):
        next(train_model(structures(study()), plan(name=" ")))


def test_a_share_that_leaves_nothing_to_learn_is_refused() -> None:
    with pytest.raises(InputError, match="from 0 to"):
        plan(validation_share=1.0)


def test_a_training_that_was_killed_goes_on_to_the_same_weights(
    trained: ModelTrained, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "state.safetensors"
    events = train_model(structures(study()), plan(), checkpoint=checkpoint, checkpoint_seconds=0)
    for event in events:
        if isinstance(event, StepFinished) and event.epoch == 2:
            break
    events.close()
    assert checkpoint.exists()
    *earlier, last = train_model(structures(study()), plan(), checkpoint=checkpoint)
    assert Note("Resumed after epoch 1 of 3.") in earlier
    assert sum(isinstance(event, EpochFinished) for event in earlier) == 2
    assert same_weights(last.model.network, trained.model.network)
    assert last.model.manifest.metrics == trained.model.manifest.metrics


def test_a_cancel_ends_the_training_within_a_batch() -> None:
    cancel = CancelToken()
    events = train_model(structures(study()), plan(), cancel=cancel)
    next(event for event in events if isinstance(event, StepFinished))
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(events)


def test_a_retraining_makes_the_next_version(trained: ModelTrained) -> None:
    corrections = disc_slices(6, "new", sides=(32, 28))
    last = retrain(trained.model, structures(corrections), command="funet finetune")
    manifest = last.model.manifest
    assert (manifest.id, manifest.parent) == ("two-discs.v2", "two-discs")
    assert manifest.training["samples"] == 6
    assert manifest.training["held_out"] == last.finished.held_out > 0
    assert manifest.training["reason"] == last.finished.reason
    assert [record.mean for record in manifest.metrics] == list(last.finished.dice_after)
    measured_on = {record.data for record in manifest.metrics}
    assert measured_on == {"2 corrected slices held out until it was measured"}
    config = replace(QUICK, learn_held_out=False)
    manifest = retrain(trained.model, structures(corrections), config=config).model.manifest
    assert {record.data for record in manifest.metrics} == {"2 corrected slices held out"}
    assert not same_weights(last.model.network, trained.model.network)


def test_too_few_corrections_to_hold_some_out_give_a_version_without_numbers(
    trained: ModelTrained,
) -> None:
    last = retrain(trained.model, structures(disc_slices(1, "new", sides=(32, 28))))
    assert last.finished.kept
    assert last.model.manifest.metrics == ()


def test_every_version_tells_the_size_of_the_volumes_that_it_is_made_for() -> None:
    short = replace(CONFIG, epochs=1, steps_per_epoch=1)
    model = run(replace(structures(study()), sides=(180.2, 170.0)), plan(config=short)).model
    assert model.manifest.training["extent_mm"] == [170, 181]
    corrections = structures(disc_slices(1, "new", sides=(32, 28)))
    assert retrain(model, corrections).model.manifest.training["extent_mm"] == [170, 181]
    larger = retrain(model, replace(corrections, sides=(256.0,)))
    assert larger.model.manifest.training["extent_mm"] == [170, 256]


def test_a_model_that_keeps_no_slices_says_so(trained: ModelTrained) -> None:
    corrections = structures(disc_slices(1, "new", sides=(32, 28)))
    events = list(fine_tune_model(trained.model, corrections, config=QUICK))
    assert any(isinstance(event, Note) and "keeps no slices" in event.text for event in events)


@pytest.mark.parametrize("kept", ["all", "some"])
def test_only_a_model_that_keeps_all_that_taught_it_may_go_all_the_way(
    trained: ModelTrained, store: ModelStore, kept: str
) -> None:
    samples = trained.samples if kept == "all" else trained.samples[1:]
    first = published(store, replace(trained, samples=samples))
    corrections = structures(disc_slices(2, "new", sides=(32, 28)))
    config = replace(QUICK, distances=(0.3, 0.3), dice_to_keep=0.0)
    last = retrain(first, corrections, config=config)
    assert last.finished.distance == (1.0 if kept == "all" else 0.3)


def test_a_version_that_learned_other_images_says_what_it_may_have_forgotten(
    store: ModelStore,
) -> None:
    able = run(structures(study()), plan(config=replace(CONFIG, epochs=12)))
    first = published(store, replace(able, samples=able.samples[1:]))
    alike = disc_slices(2, "new", sides=(32, 28))
    inverted = [replace(sample, image=-sample.image) for sample in alike]
    config = replace(QUICK, steps=40)

    def warned(corrections: list[SliceSample]) -> bool:
        events = fine_tune_model(first, structures(corrections), config=config)
        return any(isinstance(event, Note) and "knew little" in event.text for event in events)

    assert not warned(alike)
    assert warned(inverted)


def test_structures_stay_successive_only_while_the_corrections_show_them_so(
    trained: ModelTrained,
) -> None:
    manifest = replace(trained.model.manifest, successive="coronal")  # parted at rows
    model = replace(trained.model, manifest=manifest)
    one_in_the_other = disc_slices(2, "new", sides=(32, 28))
    halves = np.arange(32)[:, None] // 16 + 1
    parted = [
        replace(sample, labels=np.where(sample.labels > 0, halves, 0).astype(np.uint8))
        for sample in one_in_the_other
    ]

    def told(corrections: list[SliceSample]) -> tuple[str | None, bool]:
        *events, last = fine_tune_model(model, structures(corrections), config=QUICK)
        assert isinstance(last, ModelRetrained)
        said = any(isinstance(one, Note) and "at coronal slices" in one.text for one in events)
        return last.model.manifest.successive, said

    assert told(parted) == ("coronal", False)
    assert told(one_in_the_other) == (None, True)


def published(store: ModelStore, result: ModelTrained | ModelRetrained) -> Model:
    manifest = store.publish(result.model.manifest, result.model.network, result.samples)
    return store.load(manifest.id)


def test_every_round_starts_from_the_first_version_and_learns_all_corrections(
    trained: ModelTrained, store: ModelStore
) -> None:
    first = published(store, trained)
    one, two = (disc_slices(1, name, sides=(32, 28)) for name in ("one", "two"))
    second = published(store, retrain(first, structures(one), root=store.root_of(first)))
    last = retrain(second, structures(two), root=store.root_of(second))
    third = published(store, last)
    assert [manifest.id for manifest in store.lineage(third.manifest.id)] == [
        "two-discs.v3",
        "two-discs.v2",
        "two-discs",
    ]
    assert third.manifest.training["started_from"] == "two-discs"
    assert third.manifest.training["subjects"] == {"one": 1, "two": 1}
    assert third.manifest.training["replayed"] == len(study())
    assert data_digest(load_samples_of(third)) == data_digest([*two, *one, *study()])
    at_once = retrain(first, structures([*two, *one]))
    assert same_weights(at_once.model.network, third.network)


def test_slices_that_the_current_version_has_learned_do_not_judge_the_next(
    trained: ModelTrained, store: ModelStore
) -> None:
    first = published(store, trained)
    one, two = (disc_slices(3, name, sides=(32, 28)) for name in ("one", "two"))
    second = published(store, retrain(first, structures(one)))

    def score(sample: SliceSample) -> tuple[float, ...]:
        loss = build_loss(second.manifest.loss)
        return score_slices(second.network, [sample], loss=loss, runtime=CPU).dice

    assert not set(map(score, one)) & set(map(score, two)), "the scores do not tell them apart"
    for seed in range(4):
        config = replace(QUICK, seed=seed)
        both = structures([*one, *two])
        finished = retrain(second, both, root=first, config=config).finished
        assert finished.held_out == 1
        assert finished.dice_before in set(map(score, two))


def test_a_round_without_a_new_slice_is_not_compared(
    trained: ModelTrained, store: ModelStore
) -> None:
    first = published(store, trained)
    corrections = structures(disc_slices(5, "one", sides=(32, 28)))
    second = published(store, retrain(first, corrections))
    finished = retrain(second, corrections, root=first).finished
    assert (finished.kept, finished.learned, finished.held_out) == (True, 5, 0)
    assert "without a comparison" in finished.reason


def test_a_version_that_came_without_its_slices_goes_on_from_its_own_weights(
    trained: ModelTrained, store: ModelStore
) -> None:
    first = published(store, trained)
    one, two = (disc_slices(1, name, sides=(32, 28)) for name in ("one", "two"))
    second = published(store, replace(retrain(first, structures(one)), samples=()))
    assert second.manifest.samples is None
    assert store.root_of(second).manifest.id == second.manifest.id
    third = published(store, retrain(second, structures(two), root=store.root_of(second)))
    assert third.manifest.training["started_from"] == second.manifest.id
    assert store.root_of(third).manifest.id == second.manifest.id, "it would lose the first slice"


def test_a_model_outside_the_store_is_its_own_root(
    trained: ModelTrained, store: ModelStore
) -> None:
    assert store.root_of(trained.model) is trained.model
    published(store, trained)
    stranger = replace(trained.model.manifest, weights_sha256="0" * 64, weights_bytes=1)
    model = Model(stranger, trained.model.network)
    assert store.root_of(model) is model


def test_the_current_version_is_the_one_to_beat(trained: ModelTrained) -> None:
    corrections = structures(disc_slices(6, "new", sides=(32, 28)))
    current = retrain(trained.model, corrections).model
    against_current = retrain(current, corrections, root=trained.model).finished
    assert against_current.dice_before == retrain(current, corrections).finished.dice_before
    assert against_current.dice_before != retrain(trained.model, corrections).finished.dice_before
