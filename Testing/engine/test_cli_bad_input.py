"""Bad input of the funet command: one plain sentence, exit code 2, nothing written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import NAMES, Shell, image, labels, one_sentence, train_words
from studies import (
    MODEL_SEGMENTS,
    content,
    subject_grid,
    subject_volume,
    two_structures,
    write_image,
    write_labels,
    write_subject,
)


def a_text_file(folder: Path) -> None:
    image(folder, 0).write_text("this is no image")


def a_missing_image(folder: Path) -> None:
    image(folder, 0).unlink()


def labels_of_another_grid(folder: Path) -> None:
    grid = subject_grid(0)
    other = replace(grid, shape=(11, 14, 16))
    write_labels(labels(folder, 0), np.ones(other.shape, np.uint8), other)


def labels_elsewhere(folder: Path) -> None:
    grid = subject_grid(0)
    write_labels(labels(folder, 0), two_structures(grid), replace(grid, origin=(0.0, 0.0, 0.0)))


def empty_labels(folder: Path) -> None:
    grid = subject_grid(0)
    write_labels(labels(folder, 0), np.zeros(grid.shape, np.uint8), grid)


def an_unknown_structure(folder: Path) -> None:
    grid = subject_grid(0)
    write_labels(labels(folder, 0), np.full(grid.shape, 3, np.uint8), grid)


def another_named_structure(folder: Path) -> None:
    grid = subject_grid(0)
    named = (replace(MODEL_SEGMENTS[0], name="Liver"), MODEL_SEGMENTS[1])
    labels(folder, 0).unlink()
    write_labels(folder / "labels" / "sub-00.seg.nrrd", two_structures(grid), grid, named)


def empty_folders(folder: Path) -> None:
    image(folder, 0).unlink()
    labels(folder, 0).unlink()


def no_numbers(folder: Path) -> None:
    volume = subject_volume(0)
    image(folder, 0).unlink()
    nothing = np.full(volume.geometry.shape, np.nan, np.float32)
    write_image(folder / "images" / "sub-00.nrrd", replace(volume, array=nothing))


def commands(folder: Path, model: Path) -> dict[str, list[object]]:
    case = [next((folder / "images").glob("*"), image(folder, 0))]
    case += [next((folder / "labels").glob("*"), labels(folder, 0)), "all"]
    folders = ["--images", folder / "images", "--labels", folder / "labels"]
    return {
        "segment": ["segment", "--model", model, case[0], "--output", folder / "out"],
        "segment folder": [
            *("segment", "--model", model, folder / "images", "--output", folder / "out")
        ],
        "train": ["train", "--case", *case, "--output", folder / "out", "--name", "n"],
        "train folder": ["train", *folders, "--output", folder / "out", "--name", "n"],
        "finetune": ["finetune", "--model", model, "--case", *case, "--output", folder / "out"],
        "finetune store": ["finetune", "--model", model, *folders, "--store", folder / "store"],
        "review": ["review", "--model", model, case[0], "--csv", folder / "out.csv"],
        "evaluate": ["evaluate", "--model", model, *folders, "--output", folder / "out"],
    }


EVERY = list(commands(Path(), Path()))
WITH_LABELS = ["train", "finetune", "evaluate"]
FOLDERS = ["train folder", "finetune store"]
BAD_INPUTS = [
    (a_text_file, "is damaged or not an image", EVERY),
    (a_missing_image, "There is no", [name for name in EVERY if name != "evaluate"]),
    (labels_of_another_grid, "different grids", WITH_LABELS + FOLDERS),
    (labels_elsewhere, "different grids", WITH_LABELS),
    (empty_labels, "annotated", [*FOLDERS]),
    (an_unknown_structure, "3", ["finetune", "finetune store", "evaluate"]),
    (another_named_structure, "Liver", ["finetune", "evaluate"]),
    (empty_folders, "There is no", EVERY),
    (no_numbers, "no voxel with a finite value", ["segment", "review", *WITH_LABELS]),
]


@pytest.mark.parametrize(
    ("spoil", "complaint", "command"),
    [(spoil, complaint, name) for spoil, complaint, names in BAD_INPUTS for name in names],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    shell: Shell,
    tmp_path: Path,
    boxes_model: Path,
    spoil: Callable[[Path], None],
    complaint: str,
    command: str,
) -> None:
    folder = tmp_path / "work"
    write_subject(folder, 0)
    spoil(folder)
    before = content(folder)
    assert shell(*commands(folder, boxes_model)[command]) == 2
    assert complaint in one_sentence(shell.err)
    assert shell.out == ""
    assert content(folder) == before
    assert not shell.store.exists()


@pytest.mark.parametrize("command", ["segment", "finetune", "review"])
def test_an_unknown_or_damaged_model_is_one_sentence(
    shell: Shell, tmp_path: Path, boxes_model: Path, command: str
) -> None:
    folder = tmp_path / "work"
    write_subject(folder, 0)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in boxes_model.iterdir():
        (damaged / path.name).write_bytes(
            path.read_bytes()[: -7 if "weights" in path.name else None]
        )
    before = content(folder)
    for name, complaint in (("nobody", "There is no model nobody"), (damaged, "is damaged")):
        assert shell(*commands(folder, Path(str(name)))[command]) == 2
        assert complaint in one_sentence(shell.err)
    assert content(folder) == before


def test_voxels_that_are_not_numbers_are_noted_and_the_work_is_done(
    shell: Shell, tmp_path: Path, boxes_model: Path
) -> None:
    folder = tmp_path / "work"
    write_subject(folder, 0)
    volume = subject_volume(0)
    array = volume.array.copy()
    array[0, 0, :3] = np.nan
    image(folder, 0).unlink()
    write_image(folder / "images" / "sub-00.nrrd", replace(volume, array=array))
    for command in ("segment", "review", "evaluate"):
        assert shell(*commands(folder, boxes_model)[command]) == 0
        assert "3 voxels of" in shell.err
    (folder / "out").rename(folder / "moved")
    assert shell(*commands(folder, boxes_model)["train"], "--epochs", 1, "--device", "cpu") == 0
    assert "3 voxels of" in shell.err


def test_an_output_that_exists_is_not_touched(
    shell: Shell, study: Path, boxes_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    assert shell(*train_words(study, tmp_path / "out")) == 2
    assert "exists already" in one_sentence(shell.err)
    words = ["--case", image(study, 0), labels(study, 0), "5", "--output", tmp_path / "out"]
    assert shell("finetune", "--model", boxes_model, *words) == 2
    assert content(tmp_path / "out") == {"precious": b""}


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "--labels", "x"],
        ["evaluate", "--labels", "x", "--model", "m"],
        ["evaluate", "--labels", "x", "--images", "i", "--predictions", "p"],
        ["evaluate", "--labels", "x", "--model", "m", "--images", "i", "--structures", NAMES],
        ["train", "--output", "o", "--name", "n"],
        ["train", "--output", "o", "--name", "n", "--images", "i"],
        ["train", "--output", "o", "--name", "n", "--network", "unet", "--beta", "2"],
        ["train", "--output", "o", "--name", "n", "--structures", "Large"],
        ["train", "--output", "o", "--name", "n", "--case", "i", "l", "every"],
        ["finetune", "--model", "m"],
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    shell: Shell, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shell(*words) == 2
    one_sentence(shell.err)
    assert content(tmp_path) == {}


def test_one_reference_that_cannot_be_read_leaves_the_other_scores(
    shell: Shell, study: Path, boxes_model: Path, tmp_path: Path
) -> None:
    references = shutil.copytree(study / "labels", tmp_path / "labels")
    broken = sorted(references.iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:100])
    words = ["--images", study / "images", "--labels", references]
    assert shell("evaluate", "--model", boxes_model, *words) == 1
    assert shell.out.count("| 3 | 0 |") == 2  # cases and misses of both structures
    assert broken.name in shell.err


def test_a_program_is_told_which_case_could_not_be_scored(
    shell: Shell, tmp_path: Path, boxes_model: Path
) -> None:
    write_subject(tmp_path, 0)
    write_subject(tmp_path, 1)
    labels_of_another_grid(tmp_path)
    words = ["--images", tmp_path / "images", "--labels", tmp_path / "labels", "--json"]
    assert shell("evaluate", "--model", boxes_model, *words) == 1
    (failed,) = shell.objects("failed")
    assert str(labels(tmp_path, 0)) in failed["message"]
    assert shell.objects("result")[0]["failed"] == 1
