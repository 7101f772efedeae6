"""A structure is scored against the one of the same name, whatever values two files give it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import Shell, one_sentence
from numpy.typing import NDArray
from studies import MODEL_SEGMENTS, subject_grid, two_structures, write_labels, write_study

from funet.errors import InputError
from funet.evaluation.scoring import evaluate_pair
from funet.images.segmentations import Segment

GRID = subject_grid(0)
LARGE, SMALL = MODEL_SEGMENTS
OTHER_VALUES = (replace(SMALL, value=1, name="SMALL"), replace(LARGE, value=2, name="large"))
ARRAY = two_structures(GRID)
SWAPPED = np.array([0, 2, 1], np.uint8)[ARRAY]


def write(folder: Path, array: NDArray[np.uint8], segments: tuple[Segment, ...] = ()) -> Path:
    return write_labels(
        folder / f"a{'.seg.nrrd' if segments else '.nii.gz'}", array, GRID, segments
    )


def dice(prediction: Path, reference: Path, **options: object) -> dict[str, float]:
    rows = evaluate_pair(prediction, reference, surface=False, **options)
    return {row.structure: round(row.score.dice, 3) for row in rows}


def test_two_files_that_name_their_structures_agree_by_name(tmp_path: Path) -> None:
    prediction = write(tmp_path / "out", SWAPPED, OTHER_VALUES)
    reference = write(tmp_path / "ref", ARRAY, MODEL_SEGMENTS)
    assert dice(prediction, reference) == {"Large": 1, "Small": 1}
    rows = evaluate_pair(prediction, reference, surface=False)
    assert [row.score.value for row in rows] == [1, 2], "the values of the reference"


def test_what_only_one_file_names_is_missed_by_the_other(tmp_path: Path) -> None:
    extra = np.where(ARRAY == 0, 0, ARRAY)
    extra[0, 0, :4] = 1
    extra[0, 1, :4] = 7
    mine = (Segment(7, "Large", (1, 1, 1)), Segment(1, "Liver", (1, 1, 1)), SMALL)
    array = np.array([0, 7, 2, 0, 0, 0, 0, 1], np.uint8)[extra]
    prediction = write(tmp_path / "out", array, mine)
    reference = write(tmp_path / "ref", ARRAY, MODEL_SEGMENTS)
    scores = dice(prediction, reference)
    assert scores["Small"] == 1
    assert 0.9 < scores["Large"] < 1
    assert scores["Liver"] == 0
    assert list(scores)[:2] == ["Large", "Small"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (
            (LARGE, replace(SMALL, name="Nigra")),
            r"Label 2 is Nigra in .* and Small in .* give it one name",
        ),
        (
            (replace(LARGE, name="Liver", value=8), replace(SMALL, name="Nigra", value=9)),
            "names Liver, Nigra, but .* names Large, Small",
        ),
        ((LARGE, replace(SMALL, name="LARGE")), "has two segments of one name"),
    ],
)
def test_names_that_may_mean_the_same_are_refused(
    tmp_path: Path, names: tuple[Segment, ...], sentence: str
) -> None:
    values = np.array([0, *(segment.value for segment in names)], np.uint8)
    prediction = write(tmp_path / "out", values[ARRAY], names)
    reference = write(tmp_path / "ref", ARRAY, MODEL_SEGMENTS)
    with pytest.raises(InputError, match=sentence):
        dice(prediction, reference)


@pytest.mark.parametrize("named", ["predictions", "references"])
def test_where_one_file_names_nothing_the_values_count_and_the_user_is_told(
    tmp_path: Path, named: str
) -> None:
    files = [write(tmp_path / "named", ARRAY, MODEL_SEGMENTS), write(tmp_path / "plain", ARRAY)]
    files = files if named == "predictions" else files[::-1]
    notes: list[str] = []
    assert dice(*files, on_note=notes.append) == {"Large": 1, "Small": 1}
    assert len(notes) == 1
    assert notes[0].startswith(f"Only the {named} name their structures")
    for same in files:
        assert dice(same, same, on_note=notes.append)
    assert len(notes) == 1


def test_chosen_structures_are_known_by_name_in_one_file_and_by_value_in_the_other(
    tmp_path: Path,
) -> None:
    drawn = write(tmp_path / "drawn", SWAPPED, OTHER_VALUES)
    plain = write(tmp_path / "plain", ARRAY)
    for pair in ((drawn, plain), (plain, drawn), (drawn, drawn), (plain, plain)):
        assert dice(*pair, segments=MODEL_SEGMENTS) == {"Large": 1, "Small": 1}
        assert dice(*pair, segments=[SMALL]) == {"Small": 1}


@pytest.mark.parametrize("name", ["Nigra", "Liver"])
def test_a_structure_that_a_file_calls_otherwise_is_not_taken_for_missing(
    tmp_path: Path, name: str
) -> None:
    drawn = write(tmp_path / "drawn", ARRAY, MODEL_SEGMENTS)
    chosen = [replace(SMALL, name=name)]
    with pytest.raises(InputError, match=r"names 1 \(Large\), 2 \(Small\), but the structures to"):
        dice(drawn, drawn, segments=chosen)


def test_the_command_scores_references_that_number_the_models_structures_differently(
    shell: Shell, boxes_model: Path, tmp_path: Path
) -> None:
    study = write_study(tmp_path, 1)
    plain = ("evaluate", "--model", boxes_model, "--images", study / "images", "--labels")
    assert shell(*plain, study / "labels") == 0
    expected = shell.out
    name = tmp_path / "other" / "sub-00.seg.nrrd"
    write_labels(name, SWAPPED, GRID, OTHER_VALUES)
    assert shell(*plain, name.parent) == 0
    assert shell.out == expected

    assert shell("evaluate", "--predictions", name.parent, "--labels", study / "labels") == 0
    assert "Only the predictions name their structures" in one_line(shell.err)
    words = ("--structures", "1=Large,2=Small")
    assert (
        shell("evaluate", "--predictions", name.parent, "--labels", study / "labels", *words) == 0
    )
    assert shell.err == ""
    assert shell.out.count("1.0000") == 4
    words = ("--structures", "1=Liver")
    assert (
        shell("evaluate", "--predictions", name.parent, "--labels", study / "labels", *words) == 2
    )
    assert "call them as the file does" in one_sentence(shell.err)


def one_line(text: str) -> str:
    (line,) = text.splitlines()
    return line
