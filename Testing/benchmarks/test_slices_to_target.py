"""Readers who correct slices until a volume is good enough, on real volumes."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slices_to_target
from learners import InRounds, Lesson, ours
from simulated_reader import World, order_of, read_subject, whole_dice
from slices_to_target import correct_until
from slices_to_target_report import table_of
from trial_models import with_one_view

from funet.annotations.samples import samples_from_volume
from funet.models.model import load_samples_of
from funet.models.store import ModelStore
from funet.networks import UNet
from funet.training.finetuning import FineTuneConfig

MODEL, SUBJECT = "hippocampus-t1", "hippocampus_001"


@pytest.fixture(scope="module")
def world(shared_data: Path) -> World:
    """A volume as another scanner would have made it."""
    base = with_one_view(ModelStore().load(MODEL))
    subject = read_subject(shared_data / "hippocampus", SUBJECT, "scanner")
    return World(base, base, subject, [], [], (), 0)


@pytest.mark.parametrize("order", slices_to_target.ORDERS)
def test_a_reader_who_never_retrains_stops_at_the_first_slice_that_is_enough(
    world: World, order: str
) -> None:
    target = 0.8
    rng = np.random.default_rng(0)
    slices = order_of(order, world.subject, world.before, [], rng)
    reached = [whole_dice(world, world.before, slices[:k]) >= target for k in range(len(slices))]
    effort = correct_until(world, order, None, target, per_round=3)
    assert 0 < effort.slices == reached.index(True)
    assert effort.rounds == effort.seconds == 0


def test_a_reader_who_sees_the_structure_skips_slices_without_it(world: World) -> None:
    slices = order_of(
        "sequential by eye", world.subject, world.before, [3], np.random.default_rng(0)
    )
    axis = world.before.slice_axis
    shown = np.moveaxis(world.subject.reference.array, axis, 0).any((1, 2))
    assert sorted([3, *slices]) == list(range(len(shown)))
    assert [shown[index] for index in slices] == sorted(shown[slices].tolist(), reverse=True)


def test_a_reader_retrains_after_every_round_until_the_volume_is_good_enough(world: World) -> None:
    drawn: list[int] = []

    def nothing(lesson: Lesson) -> UNet:
        drawn.append(len(lesson.corrections))
        return lesson.base.network

    with_it = correct_until(world, "sequential", nothing, 0.8, per_round=2)
    assert drawn == [2 * (index + 1) for index in range(with_it.rounds)]
    assert with_it.slices - drawn[-1] in (1, 2)
    assert with_it.seconds > 0
    # A network that learned nothing saves no slice.
    assert with_it.slices == correct_until(world, "sequential", None, 0.8, per_round=2).slices


def test_a_volume_that_is_good_enough_needs_no_correction(world: World) -> None:
    assert correct_until(world, "worklist", None, 0.1, per_round=3).slices == 0


def run(data: Path, folder: Path, *more: str) -> dict[str, Any]:
    """Simulate one subject, with a target that is soon reached."""
    words = ["--change", "scanner", "--model", MODEL, "--data", str(data / "hippocampus")]
    size = ["--subjects", "1", "--target", "0.85", "--output", str(folder)]
    assert slices_to_target.main([*words, *size, *more]) == 0
    path = folder / f"slices_to_target_{MODEL}_scanner.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


@pytest.mark.usefixtures("one_view")
def test_what_is_recorded_is_told_and_not_repeated(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = FineTuneConfig(steps=4, device="cpu")
    readers = [
        replace(reader, learner=partial(InRounds, quick)) if "," in reader.name else reader
        for reader in slices_to_target.READERS
    ]
    monkeypatch.setattr(slices_to_target, "READERS", readers)
    monkeypatch.setattr(slices_to_target, "ours", partial(ours, steps=4))
    record = run(shared_data, tmp_path)
    told = [(one["order"], one["retrains"]) for one in record["records"]]
    assert len(set(told)) == len(told) == 2 * len(slices_to_target.ORDERS) + 1
    assert run(shared_data, tmp_path) == record
    stem = tmp_path / f"slices_to_target_{MODEL}_scanner"
    assert "reaches 0.85; with Retrain after every 3" in stem.with_suffix(".md").read_text("utf-8")
    assert stem.with_suffix(".png").stat().st_size > 10_000


def test_over_rounds_the_version_before_stays_unless_it_is_beaten(world: World) -> None:
    axis = world.before.slice_axis
    shown = np.flatnonzero(np.moveaxis(world.subject.reference.array, axis, 0).any((1, 2)))

    def lesson(count: int) -> Lesson:
        slices = shown[:: len(shown) // 8][:count].tolist()
        preprocessing = world.base.manifest.preprocessing
        samples = samples_from_volume(
            world.subject.volume, world.subject.reference, preprocessing, annotated=slices
        )
        return Lesson(world.base, samples, load_samples_of(world.base), 0)

    learner = InRounds(FineTuneConfig(steps=20, device="cpu"))
    first = learner(lesson(3))  # too few to be judged
    assert first is not world.base.network
    learner.config = replace(learner.config, learning_rate=1e-9)  # as good as the base
    assert learner(lesson(8)) is first


def test_the_table_compares_with_the_sequential_order() -> None:
    slices = {
        ("worklist", True): (2, 4),
        ("worklist", False): (6, 6),
        ("sequential", True): (5, 7),
        ("sequential", False): (12, 12),
    }
    records = [
        {"order": order, "retrains": retrains, "subject": subject, "seed": seed}
        | {"slices": count, "rounds": 1, "seconds": 10.0}
        for (order, retrains), counts in slices.items()
        for subject, count in zip("ab", counts, strict=True)
        for seed in (0, 1)
    ]
    first, second, *_ = table_of(records).rows
    assert first == ("worklist", "yes", "3.0±1.4", "3.0", "25%", "50%", "–", "10")
    assert second[:6] == ("worklist", "no", "6.0±0.0", "6.0", "50%", "50%")
    assert second[7] == "–"
