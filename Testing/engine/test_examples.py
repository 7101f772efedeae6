"""Example slices: the same for every system and size, stored, read with care, and drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.image import imread
from slices import disc_slice, disc_slices
from torch import nn

from funet.annotations.samples import SliceSample
from funet.comparison.example_figure import (
    ExampleColumn,
    collect_examples,
    draw_examples,
    write_example_figure,
)
from funet.comparison.examples import (
    example_slices,
    predict_examples,
    read_examples,
    write_examples,
)
from funet.comparison.experiment import Plan, run_plan
from funet.comparison.runs import Run, run_path
from funet.comparison.splits import split_slices
from funet.comparison.systems import System
from funet.errors import InputError
from funet.evaluation.metrics import dice
from funet.training.presets import TrainingConfig

STRUCTURES = ("Disc", "Core")
ORANGE, BLUE = (230, 159, 0), (86, 180, 233)


def study(subjects: int = 8) -> list[SliceSample]:
    return [s for number in range(subjects) for s in disc_slices(2, f"subject{number}")]


def thresholds(name: str, low: float = 0.75) -> System:
    """A network that knows the discs from the start, and cannot learn."""

    def network(classes: int) -> nn.Module:
        layer = nn.Conv2d(1, classes, 1)
        layer.weight.data = torch.tensor([0.0, 1.0, 2.0]).view(3, 1, 1, 1)
        layer.bias.data = torch.tensor([0.0, -low, -low - 2.25])
        return layer

    return System(name, network, lambda: NoLoss())


class NoLoss(nn.Module):
    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (logits * 0).sum()


def plan(*systems: System, **changes: object) -> Plan:
    config = TrainingConfig(epochs=1, steps_per_epoch=1, device="cpu", precision="float32")
    settings = {"sizes": (4, 6), "seeds": (3, 4), "validation": 2, "split_seed": 0}
    return Plan(systems=systems, config=config, **(settings | changes))


def do(a_plan: Plan, folder: Path, samples: list[SliceSample] | None = None) -> list[Run]:
    found = run_plan(a_plan, samples or study(), len(STRUCTURES), folder)
    return [result for result in found if isinstance(result, Run)]


def names(samples: tuple[SliceSample, ...]) -> list[tuple[str, int]]:
    return [(sample.subject, sample.slice_index) for sample in samples]


# -- which slices, and their labels -------------------------------------------------------------


def test_of_each_of_the_last_subjects_the_slice_with_most_labels_is_an_example():
    samples = [disc_slice(f"s{number}", index) for number in range(5) for index in range(3)]
    emptied = [replace(s, labels=s.labels * (s.slice_index == 1)) for s in samples]
    assert names(example_slices(emptied)) == [("s2", 1), ("s3", 1), ("s4", 1)]
    ignored = [replace(s, labels=np.where(s.labels, 255, 0).astype(np.uint8)) for s in samples[:2]]
    assert names(example_slices([*ignored, samples[2]])) == [("s0", 2)]


@pytest.mark.parametrize("seed", range(3))
def test_the_examples_are_the_same_for_every_number_of_training_images(seed):
    shown = [
        names(example_slices(split_slices(study(), size, 2, seed).test)) for size in (1, 2, 4, 7)
    ]
    assert len({subject for subject, _ in shown[0]}) == 3
    assert all(one == shown[0] for one in shown)


def test_a_run_stores_the_labels_that_its_dice_comes_from(tmp_path):
    a_plan = plan(thresholds("good"), sizes=(4,))
    (run, _) = do(a_plan, tmp_path)
    examples = example_slices(split_slices(study(), 4, 2, 0).test)
    labels = read_examples(run_path(tmp_path, "good", 4, 3), examples)
    scores = {(image.subject, image.slice): image.dice for image in run.images}
    assert len(labels) == 3
    for sample, found in zip(examples, labels, strict=True):
        expected = scores[sample.subject, sample.slice_index]
        assert tuple(dice(found, sample.labels, value) for value in (1, 2)) == expected
        assert 0.5 < min(expected) <= 1


def test_labels_survive_their_file_and_nothing_stored_is_nothing_read(tmp_path):
    samples = study(4)
    examples = example_slices(samples)
    network = thresholds("good").network(3)
    labels = predict_examples(network, samples)
    assert read_examples(tmp_path / "run.json", examples) == []
    write_examples(tmp_path / "run.json", labels)
    again = read_examples(tmp_path / "run.json", examples)
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]
    assert [one.dtype for one in again] == [np.uint8] * 3
    assert all(np.array_equal(a, b) for a, b in zip(labels, again, strict=True))


def changed(data: bytes) -> bytes:
    """The same with other content of the first array, whose checksum is now wrong."""
    middle = len(data) // 6
    return data[:middle] + bytes(255 - byte for byte in data[middle : middle + 8]) + data[middle:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no archive",
        lambda data: data[: len(data) // 2],
        changed,
        lambda data: b"\x93NUMPY\x01\x00",
    ],
)
def test_damaged_labels_are_refused(tmp_path, damage):
    samples = study(4)
    write_examples(tmp_path / "run.json", [sample.labels for sample in example_slices(samples)])
    stored = tmp_path / "run.npz"
    stored.write_bytes(damage(stored.read_bytes()))
    with pytest.raises(InputError, match=r"run\.npz are damaged; delete them"):
        read_examples(tmp_path / "run.json", example_slices(samples))


def test_labels_that_are_one_array_and_no_archive_are_refused(tmp_path):
    with (tmp_path / "run.npz").open("wb") as file:
        np.save(file, np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="are damaged"):
        read_examples(tmp_path / "run.json", example_slices(study(4)))


@pytest.mark.parametrize(
    "other",
    [
        lambda labels: labels[:2],
        lambda labels: [*labels[:2], labels[2][1:]],
        lambda labels: [*labels[:2], labels[2].astype(np.float32)],
    ],
)
def test_labels_of_other_slices_are_refused(tmp_path, other):
    examples = example_slices(study(4))
    write_examples(tmp_path / "run.json", other([sample.labels for sample in examples]))
    with pytest.raises(InputError, match="show other slices"):
        read_examples(tmp_path / "run.json", examples)


# -- the figure ---------------------------------------------------------------------------------


@pytest.fixture
def drawn(monkeypatch) -> dict[str, list[Any]]:
    """What is written below and above pictures, and the sizes of the images."""
    seen: dict[str, list[Any]] = {"below": [], "above": [], "sizes": []}

    def keep(method: str, key: str, what: Any) -> None:
        real = getattr(Axes, method)

        def spy(self: Axes, first: Any, *arguments: Any, **options: Any) -> Any:
            seen[key].append(what(first))
            return real(self, first, *arguments, **options)

        monkeypatch.setattr(Axes, method, spy)

    keep("set_xlabel", "below", lambda text: text)
    keep("set_title", "above", lambda text: text)
    keep("imshow", "sizes", lambda image: image.shape[:2])
    return seen


def pixels_of(path: Path, colour: tuple[int, int, int]) -> int:
    return int((np.abs(imread(path)[..., :3] * 255 - colour).max(-1) < 3).sum())


def test_every_system_and_size_has_a_column_of_the_first_seed(tmp_path):
    a_plan = plan(thresholds("good"), thresholds("poor", 2.0))
    do(a_plan, tmp_path)
    slices, columns = collect_examples(a_plan, study(), tmp_path)
    assert len(slices) == 3
    assert [(column.system, column.size) for column in columns] == [
        *(("good", 4), ("poor", 4), ("good", 6), ("poor", 6))
    ]
    for column in columns:
        stored = read_examples(run_path(tmp_path, column.system, column.size, 3), slices)
        assert list(column.labels) == names(slices)
        assert all(map(np.array_equal, column.labels.values(), stored))


def test_the_figure_shows_labels_and_says_their_dice(tmp_path, drawn):
    a_plan = plan(thresholds("good"), thresholds("poor", 2.0))
    runs = do(a_plan, tmp_path)
    path = tmp_path / "examples.png"
    assert write_example_figure(path, a_plan, study(), STRUCTURES, tmp_path)
    assert drawn["above"] == ["image", "reference", "good", "poor", "good", "poor"]
    slices, _ = collect_examples(a_plan, study(), tmp_path)
    expected = []
    for place in names(slices):
        for run in runs:
            if run.seed == 3:
                scores = {(image.subject, image.slice): image.dice for image in run.images}
                expected.append("{:.2f}   {:.2f}".format(*scores[place]))
    assert drawn["below"] == expected
    assert len(set(expected)) > 3
    assert min(pixels_of(path, ORANGE), pixels_of(path, BLUE)) > 100


def test_a_run_without_stored_labels_is_left_blank(tmp_path, drawn):
    a_plan = plan(thresholds("good"), thresholds("poor", 2.0), sizes=(4,))
    do(a_plan, tmp_path)
    run_path(tmp_path, "good", 4, 3).with_suffix(".npz").unlink()
    path = tmp_path / "examples.png"
    assert write_example_figure(path, a_plan, study(), STRUCTURES, tmp_path)
    assert drawn["above"] == ["image", "reference", "good", "poor"]
    assert len(drawn["below"]) == 3


def test_nothing_is_drawn_where_nothing_is_stored_and_an_old_picture_goes(tmp_path):
    a_plan = plan(thresholds("good"), sizes=(4,))
    do(a_plan, tmp_path)
    path = tmp_path / "examples.png"
    assert write_example_figure(path, a_plan, study(), STRUCTURES, tmp_path)
    for stored in tmp_path.glob("*.npz"):
        stored.unlink()
    assert not write_example_figure(path, a_plan, study(), STRUCTURES, tmp_path)
    assert not path.exists()


def test_more_columns_than_can_be_seen_are_not_drawn(tmp_path):
    first = plan(thresholds("system0"), sizes=(4,), seeds=(3,))
    do(first, tmp_path)
    path = tmp_path / "examples.png"
    for count, shown in ((9, True), (10, False)):
        many = replace(first, systems=tuple(thresholds(f"system{n}") for n in range(count)))
        assert write_example_figure(path, many, study(), STRUCTURES, tmp_path) is shown
        assert path.exists() is shown


def test_the_part_that_is_shown_holds_all_labels_right_and_wrong(tmp_path, drawn):
    labels = np.zeros((100, 120), np.uint8)
    labels[40:50, 30:36] = 1
    sample = SliceSample(np.zeros((100, 120), np.float32), labels, "s", 0)
    near, far = labels.copy(), labels.copy()
    far[45, 90] = 2
    for predicted, side in ((near, 10 + 16), (far, 61 + 16)):
        drawn["sizes"].clear()
        column = ExampleColumn("funet", 50, {("s", 0): predicted})
        draw_examples([sample], [column], STRUCTURES, tmp_path / "one.png")
        assert set(drawn["sizes"]) == {(side, side)}


def test_a_slice_without_labels_is_shown_whole(tmp_path, drawn):
    nothing = np.zeros((20, 30), np.uint8)
    sample = SliceSample(np.zeros((20, 30), np.float32), nothing, "s", 0)
    column = ExampleColumn("funet", 50, {("s", 0): nothing})
    draw_examples([sample], [column], STRUCTURES, tmp_path / "one.png", aspect=1.5)
    assert set(drawn["sizes"]) == {(20, 30)}
    assert drawn["below"] == ["–   –"]
