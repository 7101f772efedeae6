"""A small slice of the simulations of corrections, on real volumes, so that they cannot rot."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import corrections
import from_nothing
import numpy as np
import own_models
import pytest
import torch
from corrections_report import groups_of, table_of, write_report
from learners import InRounds, Lesson, decoder_only, head_only, ours
from simulated_changes import CHANGES, changed
from simulated_reader import World, read_subject
from simulated_reader import simulate as simulate_reader
from trial_models import with_one_view

from funet.annotations.samples import samples_from_volume
from funet.loss_config import LossConfig
from funet.models.model import load_samples_of
from funet.models.store import ModelStore
from funet.networks import UNet
from funet.training.finetuning import FineTuneConfig
from funet.training.presets import training_preset

MODEL = "hippocampus-t1"


def simulate(shared_data: Path, folder: Path, *more: str) -> dict[str, Any]:
    """Run one arm on two subjects, with a ceiling that hardly learned anything."""
    size = ["--subjects", "2", "--seeds", "1", "--counts", "1,2", "--arms", "ours, worklist"]
    quick = ["--training", "1", "--ceiling-steps", "2", "--cache", str(folder / "cache")]
    place = ["--data", str(shared_data / "hippocampus"), "--output", str(folder)]
    what = ["--experiment", "corrections", "--change", "contrast", "--model", MODEL]
    assert corrections.main([*what, *size, *quick, *place, *more]) == 0
    path = folder / f"corrections_{MODEL}_contrast.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


@pytest.mark.usefixtures("one_view")
def test_corrected_slices_teach_a_new_contrast_and_a_second_run_repeats_nothing(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = FineTuneConfig(steps=30, device="cpu")
    monkeypatch.setattr(corrections, "InRounds", partial(InRounds, quick))
    record = simulate(shared_data, tmp_path, "--arms", "ours, worklist, kept")
    rounds = record["records"]
    assert [(one["subject"], one["corrected"]) for one in rounds] == [
        (subject, count) for subject in sorted({o["subject"] for o in rounds}) for count in (1, 2)
    ]
    assert max(one["same_before"] for one in rounds) < 0.2
    assert np.mean([one["same_after"] for one in rounds]) > 0.2
    assert (tmp_path / f"corrections_{MODEL}_contrast.png").stat().st_size > 10_000
    assert simulate(shared_data, tmp_path, "--arms", "ours, worklist, kept") == record


def test_a_reader_by_eye_draws_slices_spread_over_the_structure(shared_data: Path) -> None:
    base = with_one_view(ModelStore().load(MODEL))
    subject = read_subject(shared_data / "hippocampus", "hippocampus_001", "contrast")
    world = World(base, base, subject, [subject], [subject], (), 0)
    drawn: list[set[int]] = []

    def note_slices(lesson: Lesson) -> UNet:
        drawn.append({sample.slice_index for sample in lesson.corrections})
        return base.network

    simulate_reader(world, "by eye", "by eye", note_slices, (1, 3))
    shown = subject.reference.array.any((0, 1)).nonzero()[0]
    middle, count = int(shown[len(shown) // 2]), len(shown)
    assert drawn[0] == {middle}
    before, _, after = sorted(drawn[1])
    assert abs(before - shown[count // 4]) <= 1
    assert abs(after - shown[3 * count // 4]) <= 1


def test_a_ceiling_is_shown_the_corrected_slices_as_the_model_is(shared_data: Path) -> None:
    base = with_one_view(ModelStore().load(MODEL))
    subject = read_subject(shared_data / "hippocampus", "hippocampus_001", "scanner")
    # As if the corrected slice showed the structure that comes first wherever there is any.
    drawn = replace(subject.reference, array=np.minimum(subject.reference.array, 1))
    other = replace(subject, reference=drawn)
    world = World(base, base, other, [other], [other], (), 0)
    shown = np.flatnonzero(np.moveaxis(drawn.array, world.before.slice_axis, 0).any((1, 2)))
    middle = int(shown[len(shown) // 2])
    assert world.best([middle]) is world.best((middle,))
    first = [np.count_nonzero(world.best(told).label_map.array == 1) for told in ([], [middle])]
    assert first[0] < first[1]


def test_only_who_learns_in_rounds_is_new_for_every_volume() -> None:
    made = {
        arm.name: arm.learner() is arm.learner() for arm in corrections.arms("corrections", (3,))
    }
    assert [name for name, same in made.items() if not same] == [
        "ours, worklist, kept only if better"
    ]


@pytest.fixture(scope="module")
def lesson(shared_data: Path) -> Lesson:
    """One corrected slice."""
    base = with_one_view(ModelStore().load(MODEL))
    subject = read_subject(shared_data / "hippocampus", "hippocampus_001", "scanner")
    samples = samples_from_volume(
        subject.volume, subject.reference, base.manifest.preprocessing, annotated=[15]
    )
    return Lesson(base, samples, load_samples_of(base), 0)


def changed_parts(lesson: Lesson, network: UNet) -> set[str]:
    """Names of the parts of the network that have learned something."""
    learned = dict(network.named_parameters())
    return {
        name.partition(".")[0]
        for name, tensor in lesson.base.network.named_parameters()
        if not torch.equal(tensor, learned[name])
    }


def test_only_what_is_not_held_learns(lesson: Lesson) -> None:
    assert "encoder" in changed_parts(lesson, ours(lesson, steps=2))
    assert changed_parts(lesson, head_only(lesson)) == {"head"}
    assert "encoder" not in changed_parts(lesson, decoder_only(lesson))


@pytest.mark.parametrize(
    "options",
    [
        {"changes": {"loss": LossConfig("cross_entropy", dice_weight=1.0)}},
        {"changes": {"schedule": "cosine"}},
        {"changes": {"freeze_statistics": False}},
        {"averaging": None},
        {"augmentation": None},
    ],
    ids=str,
)
def test_a_part_of_the_ablation_makes_a_difference(lesson: Lesson, options: Any) -> None:
    whole, without = ours(lesson, steps=3), ours(lesson, steps=3, **options)
    assert not torch.equal(whole.head.weight, without.head.weight)


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_changed_volume_keeps_its_grid_and_depends_on_the_seed(
    shared_data: Path, change: str
) -> None:
    volume = read_subject(shared_data / "hippocampus", "hippocampus_001").volume
    first, again, other = (changed(volume, change, seed) for seed in (0, 0, 1))
    assert first.geometry == volume.geometry
    assert np.isfinite(first.array).all()
    assert np.array_equal(first.array, again.array)
    assert np.array_equal(first.array, other.array) == (change == "none")


@pytest.mark.usefixtures("one_view")
def test_a_new_structure_is_learned_from_three_slices(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(training_preset("practice"), epochs=6, least_steps=1)
    monkeypatch.setattr(from_nothing, "ways", lambda: {"practice": config})
    words = ["--like", MODEL, "--data", str(shared_data / "hippocampus"), "--output", str(tmp_path)]
    assert from_nothing.main([*words, "--subjects", "1", "--seeds", "1", "--counts", "3"]) == 0
    text = (tmp_path / "from_nothing_hippocampus.json").read_text(encoding="utf-8")
    (found,) = json.loads(text)["records"]
    assert found["slices"] == 3
    assert 0 <= found["same"] <= 1
    assert "| practice | 3 |" in (tmp_path / "from_nothing_hippocampus.md").read_text("utf-8")


@pytest.mark.usefixtures("one_view")
def test_a_model_of_ones_own_learns_the_corrections_of_another_volume(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(training_preset("practice"), epochs=6, least_steps=1)
    monkeypatch.setattr(own_models, "ways", lambda: {"practice": config})
    quick = partial(ours, steps=25)

    def going_back(lesson: Lesson) -> UNet:
        return quick(replace(lesson, replay_is_all=False))

    arms = {"ours": quick, "ours, weights going back": going_back}
    monkeypatch.setattr(own_models, "ARMS", arms)
    words = ["--like", MODEL, "--data", str(shared_data / "hippocampus"), "--output", str(tmp_path)]
    assert own_models.main([*words, "--subjects", "2", "--seeds", "1", "--counts", "1"]) == 0
    path = tmp_path / "own_models_hippocampus.json"
    found = json.loads(path.read_text(encoding="utf-8"))["records"]
    assert [one["arm"] for one in found] == [*arms] * 2
    assert np.mean([one["same_after"] - one["same_before"] for one in found]) > 0.1
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "each taught by 5 slices of one volume" in text


def test_the_table_says_what_was_recorded(tmp_path: Path) -> None:
    scores = {
        f"{where}_{when}": value
        for where in ("same", "others")
        for when, value in (("before", 0.2), ("after", 0.5), ("ceiling", 0.8))
    }
    rest = {"whole_after": 0.6, "base_before": 0.9, "base_after": 0.88, "seconds": 3.0}
    records = [
        {"arm": "ours", "subject": subject, "seed": seed, "corrected": 3, **scores, **rest}
        for subject in ("a", "b")
        for seed in (0, 1)
    ]
    (row,) = table_of(groups_of(records)).rows
    assert row[:3] == ("ours", 3, "0.200")
    assert row[5] == row[7] == "50 %"
    assert row[8:] == ("+0.020", "3.0")
    head = {"model": "m", "data": "d", "change": "contrast", "seeds": [0, 1]}
    head["experiment"] = "corrections"
    write_report(head | {"records": records}, tmp_path / "result")
    assert "2 subjects × 2 seeds" in (tmp_path / "result.md").read_text(encoding="utf-8")
