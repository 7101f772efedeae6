"""Retraining learns from corrections, starts from the base, and is kept only where better."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from slices import disc_slices

from funet.annotations.samples import SliceSample, class_counts
from funet.cli import main
from funet.errors import Cancelled, InputError, TrainingError
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import Segment
from funet.loss_config import LossConfig
from funet.models.manifest import Manifest
from funet.models.model import Model
from funet.networks import build_network
from funet.progress import CancelToken
from funet.training.events import EpochFinished, StepFinished
from funet.training.finetuning import FineTuneConfig, FineTuningFinished, fine_tune, split_held_out
from funet.training.loop import train
from funet.training.presets import TrainingConfig

QUICK = FineTuneConfig(steps=60, batch_size=4, learning_rate=5e-3, augmentation=None, device="cpu")


@pytest.fixture(scope="module")
def base() -> Model:
    torch.manual_seed(0)
    network = build_network("funet", in_channels=1, num_classes=3, features=8, depth=3)
    config = TrainingConfig(
        epochs=10, steps_per_epoch=12, learning_rate=1e-2, device="cpu", precision="float32"
    )
    list(train(network, disc_slices(8, "base"), config=config))
    manifest = Manifest(
        id="discs",
        family="discs",
        name="Discs",
        segments=(Segment(1, "Disc", (255, 0, 0)), Segment(2, "Core", (0, 255, 0))),
        preprocessing=Preprocessing(),
        network=network.config,
        loss=LossConfig(),
        created="2026-01-01T00:00:00Z",
    )
    return Model(manifest, network)


def inverted(samples: list[SliceSample]) -> list[SliceSample]:
    """The same discs as another scanner might show them: bright is dark."""
    return [replace(sample, image=-sample.image) for sample in samples]


def finish(*arguments, **options) -> FineTuningFinished:
    *_, last = fine_tune(*arguments, **options)
    assert isinstance(last, FineTuningFinished)
    return last


def test_a_retraining_on_another_contrast_is_better_and_kept(base):
    result = finish(base, inverted(disc_slices(6, "new")), config=QUICK)
    assert result.kept
    assert np.nanmean(result.dice_after) > np.nanmean(result.dice_before) + 0.1
    assert (result.learned, result.held_out) == (6, 2)
    assert "is kept: mean Dice" in result.reason
    assert result.reason.endswith(" on 2 corrected slices held out, which it then learned, too.")


def test_a_version_that_proved_better_is_made_again_from_all_slices(base):
    corrections = inverted(disc_slices(6, "new"))
    result = finish(base, corrections, config=QUICK)
    of_all = finish(base, corrections, config=replace(QUICK, least_for_held_out=100))
    assert same_weights(result.network, of_all.network)
    assert result.distance == of_all.distance
    of_some = finish(base, corrections, config=replace(QUICK, learn_held_out=False))
    assert not same_weights(result.network, of_some.network)
    assert (result.dice_before, result.dice_after) == (of_some.dice_before, of_some.dice_after)
    assert (of_some.learned, of_some.held_out) == (4, 2)


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.alone
def test_both_trainings_share_one_progress_and_the_time_that_there_is(base):
    corrections = inverted(disc_slices(6, "new"))
    steps = [e for e in fine_tune(base, corrections, config=QUICK) if isinstance(e, StepFinished)]
    fractions = [step.fraction for step in steps]
    assert len(steps) == 2 * QUICK.steps
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert steps[-1].seconds_left == 0
    assert steps[0].seconds_left > steps[60].seconds_left > 0
    hasty = replace(QUICK, max_seconds=1e-6)  # an epoch is finished whatever the time
    steps = [e for e in fine_tune(base, corrections, config=hasty) if isinstance(e, StepFinished)]
    assert 10 <= len(steps) <= 20


def test_the_base_is_left_as_it_was(base):
    before = copy.deepcopy(base.network.state_dict())
    finish(base, disc_slices(4, "new"), config=QUICK)
    assert all(torch.equal(before[n], t) for n, t in base.network.state_dict().items())


def test_the_dice_of_held_out_slices_is_told_after_every_epoch(base):
    config = replace(QUICK, distances=(1.0, 1.0))  # going back would come after the last epoch
    events = list(fine_tune(base, inverted(disc_slices(8, "corrected")), config=config))
    told = [e.validation_dice for e in events if isinstance(e, EpochFinished)]
    assert QUICK.steps is not None
    told, after = told[: QUICK.steps // 10], told[QUICK.steps // 10 :]
    assert after == [None] * len(told)  # nothing is held out while all are learned
    assert told[-1] == pytest.approx(events[-1].dice_after, abs=0.05)  # bfloat16 against float32


def test_a_version_that_is_not_better_is_not_kept(base):
    wrong = [replace(s, labels=np.roll(s.labels, 17, 0)) for s in disc_slices(5, "new")]
    corrections = [*wrong, *disc_slices(3, "right")]
    config = replace(QUICK, held_out_share=0.4, seed=_seed_that_holds_out("right", corrections))
    result = finish(base, corrections, config=config)
    assert not result.kept
    assert result.reason.startswith("The old version is kept, because")
    assert (result.learned, result.held_out) == (5, 3)


def test_the_loss_decides_where_neither_version_finds_what_is_held_out(base):
    timid = replace(QUICK, steps=10, learning_rate=3e-4, learn_held_out=False)
    result = finish(base, inverted(disc_slices(6, "new")), config=timid)
    assert np.nanmax(result.dice_before) == np.nanmax(result.dice_after) == 0
    assert result.kept
    before, after = map(float, re.findall(r"loss (\S+) before and (\S+) after,", result.reason)[0])
    assert after < before


def _seed_that_holds_out(subject: str, corrections: list[SliceSample]) -> int:
    for seed in range(1000):
        _, held_out = split_held_out(corrections, 0.4, 4, seed)
        if {sample.subject for sample in held_out} == {subject}:
            return seed
    raise AssertionError("no seed holds out these slices")


def test_too_few_corrections_are_all_learned_and_no_number_is_given(base):
    result = finish(base, disc_slices(3, "new"), config=QUICK)
    assert result.kept
    assert result.dice_before is None
    assert result.dice_after is None
    assert "without a comparison" in result.reason
    assert (result.learned, result.held_out) == (3, 0)


def test_held_out_slices_are_not_learned():
    corrections = disc_slices(8)
    learn, held_out = split_held_out(corrections, 0.25, 4, seed=1)
    assert len(held_out) == 2
    assert {s.slice_index for s in learn} | {s.slice_index for s in held_out} == set(range(8))
    assert not {s.slice_index for s in learn} & {s.slice_index for s in held_out}


def test_empty_slices_cannot_judge():
    empty = [replace(s, labels=np.zeros_like(s.labels)) for s in disc_slices(6)]
    corrections = [*empty, *disc_slices(2, "shown")]
    _, held_out = split_held_out(corrections, 0.5, 4, seed=0)
    assert [sample.subject for sample in held_out] == ["shown"]


def test_no_structure_is_judged_that_no_slice_teaches():
    corrections = [
        replace(s, labels=np.where(s.labels > 0, 1 + (i == 2), 0).astype(np.uint8))
        for i, s in enumerate(disc_slices(4))
    ]
    for seed in range(20):
        learn, held_out = split_held_out(corrections, 0.5, 4, seed)
        assert class_counts(learn).keys() == {0, 1, 2}
        assert len(held_out) == 2
    earlier = corrections[2:3]
    judged = {
        sample.slice_index
        for seed in range(20)
        for sample in split_held_out(corrections, 0.25, 4, seed, earlier)[1]
    }
    assert judged == {0, 1, 2, 3}


def test_replay_keeps_what_the_base_knew(base):
    config = replace(QUICK, steps=80, replay_share=0.5, least_for_held_out=100)
    corrections = inverted(disc_slices(3, "new"))
    alone = finish(base, corrections, config=config)
    replayed = finish(base, corrections, replay=disc_slices(8, "base"), config=config)
    test = disc_slices(6, "test")
    assert mean_dice(replayed.network, test) > mean_dice(alone.network, test) + 0.02


def mean_dice(network: torch.nn.Module, samples: list[SliceSample]) -> float:
    from funet.comparison.experiment import dice_per_slice

    return float(np.nanmean(dice_per_slice(network, samples, 2)))


def test_the_same_corrections_give_the_same_version(base):
    result = finish(base, disc_slices(3, "new"), config=replace(QUICK, steps=10))
    again = finish(base, disc_slices(3, "new"), config=replace(QUICK, steps=10))
    for first, second in zip(result.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(first, second)


def test_no_correction_is_refused(base):
    with pytest.raises(TrainingError, match="correct at least one"):
        next(fine_tune(base, []))


def test_a_label_that_the_model_does_not_know_is_refused(base):
    sample = disc_slices(1)[0]
    strange = replace(sample, labels=np.where(sample.labels == 2, 7, sample.labels))
    with pytest.raises(InputError, match="value 7"):
        next(fine_tune(base, [strange]))


def test_a_cancel_ends_the_retraining(base):
    cancel = CancelToken()
    events = fine_tune(base, disc_slices(4), config=QUICK, cancel=cancel)
    next(events)
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(events)


FORGIVING = replace(QUICK, distances=(0.3, 0.3), dice_to_keep=0.0)


@pytest.mark.parametrize("replay", [(), disc_slices(3, "base")], ids=["alone", "with replay"])
def test_the_weights_go_back_as_far_as_the_settings_say(base: Model, replay) -> None:
    corrections = inverted(disc_slices(3, "new"))
    back = finish(base, corrections, replay=replay, config=FORGIVING)
    assert back.distance == 0.3
    stay = finish(base, corrections, replay=replay, config=replace(QUICK, distances=(1.0, 1.0)))
    assert stay.distance == 1.0


@pytest.mark.parametrize(("longest", "crop"), [(48, 64), (256, 128), (1024, 160)])
def test_patches_are_half_as_long_as_the_slices_within_bounds(longest: int, crop: int) -> None:
    assert FineTuneConfig().training(LossConfig(), longest).crop == crop
    assert FineTuneConfig(crop=None).training(LossConfig(), longest).crop is None


@pytest.mark.parametrize(("steps", "distance"), [(20, 1.0), (10, 0.3)], ids=["all", "some"])
def test_the_weights_stay_where_all_that_taught_the_base_is_repeated(
    base: Model, steps: int, distance: float
) -> None:
    config = replace(FORGIVING, steps=steps)  # repeats two slices a step
    replay = disc_slices(30, "base")
    corrections = inverted(disc_slices(3, "new"))
    assert finish(base, corrections, replay=replay, config=config).distance == 0.3
    whole = finish(base, corrections, replay=replay, replay_is_all=True, config=config)
    assert whole.distance == distance


@pytest.mark.parametrize(
    ("longest", "steps"), [(1, 120), (50, 80), (64, 50), (128, 50), (256, 100), (1024, 120)]
)
def test_small_and_large_slices_take_more_steps_within_bounds(longest: int, steps: int) -> None:
    assert FineTuneConfig().batches(longest) == steps
    assert FineTuneConfig(steps=30).batches(longest) == 30


def learned_batches(config: FineTuneConfig, longest: int) -> int:
    training = config.training(LossConfig(), longest)
    assert training.steps_per_epoch is not None
    return training.epochs * training.steps_per_epoch


def test_by_default_every_size_of_slices_is_learned_in_epochs_of_ten_batches() -> None:
    config = FineTuneConfig()
    for longest in range(16, 513):
        steps = config.batches(longest)
        assert steps == min(
            round(50 * max(1, longest / 128, (64 / longest) ** 2) / 10) * 10, 120
        ), longest
        training = config.training(LossConfig(), longest)
        assert (training.epochs, training.steps_per_epoch) == (steps // 10, 10)


def test_no_fewer_batches_are_learned_than_were_asked_for() -> None:
    for steps in range(1, 1001):
        learned = learned_batches(FineTuneConfig(steps=steps), 64)
        assert steps <= learned <= steps + 4
        if steps % 10 == 0 or steps <= 16:
            assert learned == steps
    assert [learned_batches(FineTuneConfig(steps=n), 64) for n in (19, 25, 99)] == [20, 25, 99]


def test_the_command_line_tells_the_number_of_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["finetune", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    least, most = (FineTuneConfig().batches(longest) for longest in (128, 10_000))
    assert f"(default: {least} to {most}, by the size of the slices)" in told
