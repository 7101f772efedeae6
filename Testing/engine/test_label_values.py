"""Label files whose values have gaps mean the same to a model in every later round."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Shell, image, one_sentence
from studies import subject_grid, two_structures, write_labels, write_study
from tiny_models import tiny_manifest

from funet.images.segmentations import Segment
from funet.images.volumes import read_label_map
from funet.models.label_values import label_values_of, label_values_record
from funet.models.model import load_model, load_samples_of

STUDY_VALUES = np.array([0, 2, 3], np.uint8)


@pytest.mark.parametrize("values", [(), (1,), (1, 2, 3)])
def test_values_without_gaps_need_no_record(values: tuple[int, ...]) -> None:
    assert label_values_record(values) == {}


@pytest.mark.parametrize("values", [[2, 3], [2, 1], [254, 7]])
def test_other_values_are_recorded_in_the_order_of_the_structures(values: list[int]) -> None:
    record = label_values_record(values)
    assert record == {"label_values": values}
    assert label_values_of(tiny_manifest(training=record)) == tuple(values)


@pytest.mark.parametrize(
    "value", [None, "23", {}, [], [2], [2, 3, 4], [2, 2], [0, 1], [1, 255], [True, 2], ["2", "3"]]
)
def test_a_record_that_makes_no_sense_is_none(value: object) -> None:
    assert label_values_of(tiny_manifest(training={"label_values": value})) == (1, 2)


@pytest.fixture(scope="module")
def gaps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose label files have no names, and the values 2 and 3."""
    folder = write_study(tmp_path_factory.mktemp("gaps"), 2)
    for path in (folder / "labels").iterdir():
        labels = read_label_map(path)
        write_labels(path, STUDY_VALUES[labels.array], labels.geometry)
    return folder


def named_study(folder: Path) -> Path:
    """The same study with names, and other values."""
    for path in (write_study(folder, 2) / "labels").iterdir():
        labels = read_label_map(path)
        segments = (Segment(1, "Structure 2", (1, 1, 1)), Segment(2, "Structure 3", (2, 2, 2)))
        named = path.with_name(path.name.replace(".nii.gz", ".seg.nrrd"))
        write_labels(named, labels.array, labels.geometry, segments)
        path.unlink()
    return folder


def evaluated(shell: Shell, model: object, study: Path) -> str:
    words = ("--images", study / "images", "--labels", study / "labels")
    assert shell("evaluate", "--model", model, *words) == 0
    return shell.out


def test_the_values_that_taught_a_model_are_those_of_every_later_round(
    shell: Shell, gaps: Path, tmp_path: Path
) -> None:
    both = ("--images", gaps / "images", "--labels", gaps / "labels")
    words = (*both, "--annotated", "all", "--epochs", 12, "--device", "cpu", "--name", "Gaps")
    assert shell("train", *words, "--output", tmp_path / "gaps") == 0
    assert load_model(tmp_path / "gaps").manifest.training["label_values"] == [2, 3]
    scores = evaluated(shell, tmp_path / "gaps", gaps)
    assert scores == evaluated(shell, tmp_path / "gaps", named_study(tmp_path / "named"))
    assert scores.count("| 2 | 0 |") == 2, "cases and misses of both structures"

    assert shell("models", "import", tmp_path / "gaps") == 0
    assert shell("models", "show", "gaps") == 0
    assert "label_values: 2, 3" in shell.out
    case = ("--case", image(gaps, 0), gaps / "labels" / "sub-00.nii.gz", "5,6")
    assert shell("finetune", "--model", "gaps", *case, "--steps", 1, "--device", "cpu") == 0
    second = load_model(shell.store / "gaps.v2")
    assert second.manifest.training["label_values"] == [2, 3]
    learned = [one.labels for one in load_samples_of(second) if "[" in one.subject]
    reference = two_structures(subject_grid(0))
    assert [np.bincount(one.ravel()).tolist() for one in learned] == [
        np.bincount(reference[index].ravel()).tolist() for index in (5, 6)
    ]

    assert shell("models", "export", "gaps.v2", tmp_path / "v2.zip") == 0
    other = ("--store", tmp_path / "other")
    assert shell("models", "import", tmp_path / "v2.zip", *other) == 0
    assert shell("models", "show", "gaps.v2", *other) == 0
    assert "label_values: 2, 3" in shell.out


def test_a_label_map_with_the_values_of_the_model_is_refused(
    shell: Shell, gaps: Path, tmp_path: Path
) -> None:
    both = ("--images", gaps / "images", "--labels", gaps / "labels")
    words = (*both, "--epochs", 1, "--device", "cpu", "--name", "Gaps")
    assert shell("train", *words, "--output", tmp_path / "gaps") == 0
    usual = write_study(tmp_path / "usual", 1)
    both = ("--images", usual / "images", "--labels", usual / "labels")
    for command in ("finetune", "evaluate"):
        assert shell(command, "--model", tmp_path / "gaps", *both) == 2
        assert "2 (Structure 2), 3 (Structure 3)" in one_sentence(shell.err)
