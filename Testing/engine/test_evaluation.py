"""Evaluation: files in, the right partner, the right names, the right numbers out."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from funet.errors import Cancelled, InputError
from funet.evaluation.metrics import StructureScore, surface_distances
from funet.evaluation.scoring import (
    CaseScore,
    Evaluation,
    evaluate_pair,
    evaluate_pairs,
    pair_files,
)
from funet.images.geometry import Geometry
from funet.images.segmentations import LabelMap, Segment
from funet.images.volumes import read_label_map, write_label_map
from funet.progress import CancelToken, Progress

GRID = Geometry(
    shape=(6, 10, 12),
    spacing=(0.5, 1.0, 3.0),
    origin=(-12.0, 4.0, 100.0),
    direction=(1, 0, 0, 0, 1, 0, 0, 0, 1),
)
MIDBRAIN = Segment(1, "Midbrain", (10, 200, 30))
NIGRA = Segment(2, "Substantia nigra", (200, 30, 10))


def labels() -> NDArray[np.uint8]:
    """A midbrain of 96 voxels with a substantia nigra of 8 voxels in it."""
    array = np.zeros(GRID.shape, np.uint8)
    array[1:5, 2:8, 3:7] = 1
    array[2:4, 4:6, 4:6] = 2
    return array


def write(
    path: Path,
    array: NDArray[np.uint8],
    segments: tuple[Segment, ...] = (),
    grid: Geometry = GRID,
) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_label_map(path, LabelMap(array, grid, segments))
    return path


@pytest.fixture
def two_pairs(tmp_path: Path) -> list[tuple[Path, Path]]:
    """A perfect prediction, and one that misses the substantia nigra and shifts the midbrain."""
    shifted = np.roll(np.where(labels() == 2, 1, labels()), 1, axis=2).astype(np.uint8)
    return [
        (
            write(tmp_path / "out" / "a_m.seg.nrrd", labels(), (MIDBRAIN, NIGRA)),
            write(tmp_path / "ref" / "a.nii.gz", labels()),
        ),
        (
            write(tmp_path / "out" / "b_m.seg.nrrd", shifted, (MIDBRAIN, NIGRA)),
            write(tmp_path / "ref" / "b.nii.gz", labels()),
        ),
    ]


def test_every_structure_of_every_case_has_a_row(two_pairs: list[tuple[Path, Path]]) -> None:
    evaluation = evaluate_pairs(two_pairs)
    assert [(row.case, row.structure, row.score.value) for row in evaluation.rows] == [
        ("a", "Midbrain", 1),
        ("a", "Substantia nigra", 2),
        ("b", "Midbrain", 1),
        ("b", "Substantia nigra", 2),
    ]
    assert evaluation.structures == ("Midbrain", "Substantia nigra")


def test_the_scores_are_those_of_the_arrays_in_millimetres(
    two_pairs: list[tuple[Path, Path]],
) -> None:
    """The shift is by one column, and a voxel has 0.5 × 1 × 3 mm³."""
    good, _, shifted, missed = (row.score for row in evaluate_pairs(two_pairs).rows)
    assert (good.dice, good.hd95, good.assd) == (1.0, 0.0, 0.0)
    overlap = 4 * 6 * 3 - 8
    assert shifted.dice == pytest.approx(2 * overlap / (96 + 88))
    midbrains = [read_label_map(path).array == 1 for path in two_pairs[1]]
    assert (shifted.hd95, shifted.assd) == surface_distances(*midbrains, (3.0, 1.0, 0.5))
    assert shifted.prediction_ml == pytest.approx(96 * 1.5 / 1000)
    assert shifted.reference_ml == pytest.approx(88 * 1.5 / 1000)
    assert missed.missed and missed.dice == 0.0 and math.isnan(missed.hd95)


def test_the_summary_counts_missed_structures(two_pairs: list[tuple[Path, Path]]) -> None:
    evaluation = evaluate_pairs(two_pairs)
    summary = evaluation.summary("Substantia nigra")
    assert (summary.mean, summary.count, summary.missed) == (0.5, 2, 1)
    distances = evaluation.summary("Substantia nigra", "hd95")
    assert (distances.mean, distances.count) == (0.0, 1)
    row = evaluation.summary_table().rows[1]
    assert row[:4] == ("Substantia nigra", "0.5000±0.71", "0.5000±0.71", "0.00")
    assert row[-2:] == (2, 1)


def test_the_case_table_has_every_number_and_says_what_was_missed(
    two_pairs: list[tuple[Path, Path]],
) -> None:
    rows = list(csv.DictReader(io.StringIO(evaluate_pairs(two_pairs).case_table().to_csv())))
    assert [row["case"] for row in rows] == ["a", "a", "b", "b"]
    assert float(rows[0]["Dice"]) == 1.0
    assert float(rows[0]["reference (mL)"]) == pytest.approx(88 * 1.5 / 1000)
    assert [row["remark"] for row in rows] == ["", "", "", "missed"]
    assert rows[3]["HD95 (mm)"] == ""


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_single_slice_is_measured_in_its_plane(tmp_path: Path, axis: int) -> None:
    square = np.zeros((20, 20), np.uint8)
    square[4:12, 4:12] = 1
    shifted = np.roll(square, 2, axis=1)
    planes = [np.expand_dims(one, axis) for one in (shifted, square)]
    grid = dataclasses.replace(GRID, shape=planes[0].shape, spacing=(0.5, 0.5, 0.5))
    files = [write(tmp_path / f"{n}.nii.gz", one, grid=grid) for n, one in enumerate(planes)]
    (row,) = evaluate_pair(files[0], files[1])
    distances = surface_distances(shifted > 0, square > 0, (0.5, 0.5))
    assert (row.score.hd95, row.score.assd) == pytest.approx(distances)
    assert row.score.hd95 == pytest.approx(1.0)
    assert math.isnan(row.score.reference_ml)


def test_a_reference_that_slicer_cut_to_its_content_is_put_back(tmp_path: Path) -> None:
    whole = write(tmp_path / "a_model.nii.gz", labels(), (MIDBRAIN, NIGRA))
    first = np.array([3, 2, 1])  # the voxel I, J, K where the content begins
    part = labels()[1:5, 2:8, 3:7]
    origin = tuple(np.array(GRID.origin) + first * GRID.spacing)
    grid = dataclasses.replace(GRID, shape=part.shape, origin=origin)
    cut = write(tmp_path / "a.seg.nrrd", part, (MIDBRAIN, NIGRA), grid)
    for pair in ((whole, cut), (cut, whole)):
        assert [row.score.dice for row in evaluate_pair(*pair)] == [1.0, 1.0]


def test_distances_can_be_left_out(two_pairs: list[tuple[Path, Path]]) -> None:
    rows = evaluate_pairs(two_pairs, surface=False).rows
    assert all(math.isnan(row.score.hd95) for row in rows)


def test_values_without_a_name_are_called_by_their_number(tmp_path: Path) -> None:
    pair = [write(tmp_path / name / "a.nii.gz", labels()) for name in ("out", "ref")]
    rows = evaluate_pair(pair[0], pair[1])
    assert [row.structure for row in rows] == ["label 1", "label 2"]


def test_a_structure_that_is_named_and_absent_from_both_counts_nowhere(tmp_path: Path) -> None:
    only_midbrain = np.minimum(labels(), 1)
    pair = [
        write(tmp_path / name / "a.seg.nrrd", only_midbrain, (MIDBRAIN, NIGRA))
        for name in ("out", "ref")
    ]
    evaluation = Evaluation(evaluate_pair(pair[0], pair[1]))
    assert evaluation.summary("Midbrain").count == 1
    assert evaluation.summary("Substantia nigra").count == 0
    assert evaluation.structures == ("Midbrain", "Substantia nigra")


def test_a_structure_is_one_however_its_name_is_spelt(tmp_path: Path) -> None:
    other = dataclasses.replace(MIDBRAIN, name="MIDBRAIN")
    rows = []
    for case, segment in (("a", MIDBRAIN), ("b", other)):
        files = [
            write(tmp_path / name / f"{case}.seg.nrrd", np.minimum(labels(), 1), (segment,))
            for name in ("out", "ref")
        ]
        rows += evaluate_pair(files[0], files[1])
    evaluation = Evaluation(tuple(rows))
    assert [name.casefold() for name in evaluation.structures] == ["midbrain"]
    assert evaluation.summary("Midbrain").count == 2


def test_segments_that_overlap_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_overlapping(path: Path) -> LabelMap:
        return dataclasses.replace(read_label_map(path), overlapping_voxels=32)

    monkeypatch.setattr("funet.evaluation.scoring.read_label_map", read_overlapping)
    files = [write(tmp_path / name / "a.nii.gz", labels()) for name in ("out", "ref")]
    notes: list[str] = []
    evaluate_pair(files[0], files[1], on_note=notes.append)
    assert [
        f"32 voxels of {file} belong to several segments" in note
        for file, note in zip(files, notes, strict=True)
    ] == [True, True]


def test_different_grids_are_refused_in_a_sentence_that_names_both_files(tmp_path: Path) -> None:
    moved = dataclasses.replace(GRID, origin=(-12.0, 4.0, 101.0))
    prediction = write(tmp_path / "out" / "a.nii.gz", labels(), grid=moved)
    reference = write(tmp_path / "ref" / "a.nii.gz", labels())
    with pytest.raises(InputError, match="different grids") as caught:
        evaluate_pair(prediction, reference)
    assert str(prediction) in str(caught.value) and str(reference) in str(caught.value)


def test_nothing_to_score_is_said_in_a_sentence(tmp_path: Path) -> None:
    empty = [write(tmp_path / n / "a.nii.gz", np.zeros_like(labels())) for n in ("out", "ref")]
    for pairs in ([], [(empty[0], empty[1])]):
        with pytest.raises(InputError, match="nothing to score"):
            evaluate_pairs(pairs)


def test_progress_is_told_case_by_case(two_pairs: list[tuple[Path, Path]]) -> None:
    seen: list[Progress] = []
    evaluate_pairs(two_pairs, surface=False, on_progress=seen.append)
    assert [progress.fraction for progress in seen] == [0.0, 0.5, 1.0]
    assert [progress.message for progress in seen] == ["Scoring a", "Scoring b", "Scored"]


def test_a_cancel_stops_before_the_next_case(two_pairs: list[tuple[Path, Path]]) -> None:
    token = CancelToken()
    seen: list[Progress] = []

    def cancel_at_once(progress: Progress) -> None:
        seen.append(progress)
        token.cancel()

    with pytest.raises(Cancelled):
        evaluate_pairs(two_pairs, surface=False, on_progress=cancel_at_once, cancel=token)
    assert len(seen) == 1


def paths(*names: str) -> list[Path]:
    return [Path(name) for name in names]


def test_predictions_find_their_references_by_stem() -> None:
    pairing = pair_files(
        paths("out/a_m-t1.nii.gz", "out/a_2_m-t1.nii.gz", "out/c.seg.nrrd", "out/x_m-t1.nii.gz"),
        paths("ref/a.nii.gz", "ref/a_2.nii.gz", "ref/c.nii.gz", "ref/d.nii.gz"),
    )
    assert pairing.pairs == (
        (Path("out/a_m-t1.nii.gz"), Path("ref/a.nii.gz")),
        (Path("out/a_2_m-t1.nii.gz"), Path("ref/a_2.nii.gz")),
        (Path("out/c.seg.nrrd"), Path("ref/c.nii.gz")),
    )
    assert pairing.lone_predictions == (Path("out/x_m-t1.nii.gz"),)
    assert pairing.lone_references == (Path("ref/d.nii.gz"),)


def test_a_stem_that_only_begins_alike_is_no_partner() -> None:
    pairing = pair_files(paths("out/sub-10.nii.gz"), paths("ref/sub-1.nii.gz"))
    assert pairing.pairs == ()


def test_with_a_model_other_models_are_left_over() -> None:
    predictions = paths("out/a_old.nii.gz", "out/a_new.nii.gz", "out/a_b_new.nii.gz")
    pairing = pair_files(predictions, paths("ref/a.nii.gz"), model="new")
    assert pairing.pairs == ((Path("out/a_new.nii.gz"), Path("ref/a.nii.gz")),)
    assert pairing.lone_predictions == (predictions[0], predictions[2])


@pytest.mark.parametrize(
    ("predictions", "references", "sentence"),
    [
        (("a_old.nii", "a_new.nii"), ("a.nii",), "Both a_old.nii and a_new.nii are predictions"),
        (("a.nii", "a.seg.nrrd"), ("a.nii",), "Both a.nii and a.seg.nrrd are predictions"),
        (("a_m.nii", "b_2_m.nii"), ("a.nii", "b.nii"), r"several models \(2_m, m\)"),
        (("a.nii",), ("x/a.nii", "x/a.seg.nrrd"), "could both be the reference"),
    ],
)
def test_unclear_names_are_refused(
    predictions: tuple[str, ...], references: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        pair_files(paths(*predictions), paths(*references))


def test_structures_come_in_the_order_of_their_values() -> None:
    nothing = (math.nan,) * 4
    score = StructureScore(2, *nothing, 0.0, 0.0, 0, 0)
    rows = (
        CaseScore("a", "z", dataclasses.replace(score, value=1)),
        CaseScore("a", "a", score),
        CaseScore("b", "z", dataclasses.replace(score, value=1)),
    )
    assert Evaluation(rows).structures == ("z", "a")


def test_a_label_file_of_the_shared_data_agrees_with_itself(shared_data: Path) -> None:
    label = sorted((shared_data / "hippocampus" / "labels").glob("*.nii.gz"))[0]
    rows = evaluate_pair(label, label)
    assert [row.score.value for row in rows] == [1, 2]
    assert all((row.score.dice, row.score.hd95) == (1.0, 0.0) for row in rows)
