"""The pictures of the midbrain model show the slices that the rules name, and its failures."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import midbrain_pictures as benchmark
import numpy as np
import pytest
from matplotlib.image import imread
from midbrain_heads import Head, Reference
from midbrain_pictures import chosen_slices, look, slice_dice
from midbrain_pictures_report import draw, write_report
from numpy.typing import NDArray
from studies import subject_volume, write_image, write_labels

from funet.images.geometry import Geometry
from funet.images.segmentations import LabelMap
from funet.images.volumes import Volume
from funet.models.locations import default_shipped_folder
from funet.models.manifest import Manifest, read_manifest
from funet.prediction.inference import Prediction

from phantoms import phantom_labels

MANIFEST = read_manifest(default_shipped_folder() / "midbrain-t1")
NAMES = ["Midbrain", "Substantia nigra"]


def touching(grid: Geometry) -> NDArray[np.uint8]:
    """One box of the phantom, of which the inner slices hold a second structure."""
    labels = (phantom_labels(grid).array == 1).astype(np.uint8)
    shown = np.flatnonzero(labels.any((1, 2)))
    columns = np.flatnonzero(labels.any((0, 1)))
    labels[shown[1] : shown[-1], :, columns[1] : columns[3]] *= 2
    return labels


class Oracle:
    """Stands in for a model: the phantom's structures, with mistakes made on purpose."""

    def __init__(self, *mistakes: tuple[tuple[slice, slice, slice], int]) -> None:
        self.mistakes = mistakes

    def predict(self, volume: Volume) -> Prediction:
        labels = touching(volume.geometry)
        for where, value in self.mistakes:
            labels[where] = value
        count = volume.geometry.shape[0]
        return Prediction(
            label_map=LabelMap(labels, volume.geometry, MANIFEST.segments),
            doubt=np.arange(count, dtype=float),
            slice_axis=0,
            probabilities=None,
            notes=(),
        )


def write_head(folder: Path) -> Head:
    volume = subject_volume(0)
    image = write_image(folder / "images" / "head.nii.gz", volume)
    labels = write_labels(
        folder / "labels" / "head.nii.gz", touching(volume.geometry), volume.geometry
    )
    reference = Reference(labels, {1: 1, 2: 2})
    return Head(image, reference, reference)


def looked(head: Head, *mistakes: tuple[tuple[slice, slice, slice], int]) -> benchmark.Look:
    return look(head, "phantom", Oracle(*mistakes), MANIFEST)


# Eight voxels far from the box.
CORNER = (slice(-2, None),) * 3


def test_a_perfect_prediction_has_perfect_numbers(tmp_path: Path) -> None:
    record = looked(write_head(tmp_path)).record
    assert record["dice"] == dict.fromkeys(NAMES, 1.0)
    assert record["predicted_ml"] == record["reference_ml"]
    assert (record["voxels_outside"], record["voxels_left_out"]) == (0, 0)
    assert all(one["wrong_pixels"] == 0 for one in record["slices"])


def test_what_lies_apart_is_counted_as_a_piece_and_left_out(tmp_path: Path) -> None:
    head = write_head(tmp_path)
    right, wrong = looked(head).record, looked(head, (CORNER, 1)).record
    assert wrong["pieces"] == right["pieces"] + 1
    assert wrong["voxels_left_out"] == right["voxels_left_out"] + 8
    assert wrong["dice"] == right["dice"]


def test_a_head_without_a_reference_has_volumes_only(tmp_path: Path) -> None:
    head = replace(write_head(tmp_path), reference=None, place=None)
    record = looked(head).record
    assert record["dice"] == record["reference_ml"] == dict.fromkeys(NAMES)
    assert all(value > 0 for value in record["predicted_ml"].values())
    assert record["within"].startswith("40 mm from the centre")


def test_finding_nothing_is_shown_too(tmp_path: Path) -> None:
    everywhere = (slice(None),) * 3
    head = write_head(tmp_path)
    with_reference = looked(head, (everywhere, 0))
    assert with_reference.record["dice"] == dict.fromkeys(NAMES, 0.0)
    without = looked(replace(head, reference=None, place=None), (everywhere, 0))
    assert without.record["farthest_mm"] is None
    draw(tmp_path / "nothing.png", [with_reference.row, without.row], MANIFEST.segments)
    assert imread(tmp_path / "nothing.png").std() > 0


def test_the_slices_are_those_of_the_rules() -> None:
    reference = np.zeros((6, 4, 4), np.uint8)
    reference[1:5, :2] = 1
    reference[2, 2, 0] = reference[3, 2, :3] = 2
    predicted = reference.copy()
    predicted[4] = 0  # missed
    predicted[2, 2, 0] = 0  # of two structures, one is missed
    doubt = np.array([0, 1, 5, 2, 3, 0.5])
    assert chosen_slices(predicted, reference, doubt, (1, 2)) == {
        2: "worst of those with SN",
        3: "largest SN",
        4: "worst Dice",
    }
    assert slice_dice(predicted[2], reference[2], (1, 2)) == pytest.approx(0.5)
    assert slice_dice(predicted[4], reference[4], (1, 2)) == 0
    assert math.isnan(slice_dice(predicted[0], reference[0], (1, 2)))
    assert chosen_slices(predicted, None, doubt, (1, 2)) == {
        1: "a quarter up",
        2: "most doubt",
        3: "three quarters up",
    }


@pytest.fixture
def report(tmp_path: Path) -> tuple[dict, Path]:
    """The record of a picture of two heads, one of them without a reference."""
    head = write_head(tmp_path)
    looks = [looked(head, (CORNER, 2)), looked(replace(head, reference=None, place=None))]
    record = {
        "command": "python x.py",
        "date": "2026-01-01T00:00:00Z",
        "seconds": 1.5,
        "seed": 0,
        "precision": "float32",
        "model": "midbrain-t1",
        "machine": {"cpu": "a CPU", "threads": 1},
        "heads": [one.record for one in looks],
    }
    stem = tmp_path / "out" / "pictures"
    draw(stem.with_suffix(".png"), [one.row for one in looks], MANIFEST.segments)
    return record, stem


def test_the_report_is_made_from_the_json_alone(report: tuple[dict, Path]) -> None:
    record, stem = report
    write_report(json.loads(json.dumps(record, allow_nan=False)), stem)
    text = stem.with_suffix(".md").read_text(encoding="utf-8")
    assert "![Predictions and references on the heads](pictures.png)" in text
    assert "| head | phantom | head | 1.000 | 1.000 |" in text
    assert "| head | phantom | – | – | – |" in text
    for head in record["heads"]:
        for one in head["slices"]:
            assert f"| {one['index']} | {one['why']} |" in text
    assert "`python x.py`, seed 0, float32, 2026-01-01T00:00:00Z, 1.5 s on a CPU" in text


def test_the_picture_has_a_row_for_each_head(report: tuple[dict, Path]) -> None:
    picture = imread(report[1].with_suffix(".png"))[..., :3]
    assert (picture[0, 0] == 1).all()  # white stays white
    orange = np.abs(picture - np.array([240, 150, 30]) / 255).max(2) < 0.25
    assert orange[: len(orange) // 2].any()
    assert orange[len(orange) // 2 : -40].any()


def test_the_committed_table_is_that_of_the_committed_record(tmp_path: Path) -> None:
    stem = benchmark.ROOT / "Resources" / "Results" / "midbrain_pictures"
    record = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    write_report(record, tmp_path / stem.name)
    assert (tmp_path / f"{stem.name}.md").read_bytes() == stem.with_suffix(".md").read_bytes()
    assert stem.with_suffix(".png").stat().st_size < 600_000


def test_the_command_line_looks_at_the_heads_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one head that a stand-in for the model segments; the real ones take minutes."""
    head = write_head(tmp_path)

    def one_look(data: Path, _: object, manifest: Manifest, count: int | None, more: list):
        assert (data, count, more) == (tmp_path, 1, [("another one", Path("some/head.nii"))])
        yield look(head, "phantom", Oracle(), manifest)

    monkeypatch.setattr(benchmark, "looks", one_look)
    words = ["--data", str(tmp_path), "--heads", "1", "--output", str(tmp_path / "results")]
    words += ["--more", "another one=some/head.nii"]
    assert benchmark.main(words) == 0
    record = json.loads((tmp_path / "results" / "midbrain_pictures.json").read_text("utf-8"))
    assert {"command", "date", "seconds", "seed", "versions", "machine"} <= record.keys()
    assert str(tmp_path) not in record["command"]
    assert [one["head"] for one in record["heads"]] == ["head"]
    assert (tmp_path / "results" / "midbrain_pictures.md").is_file()
    assert imread(tmp_path / "results" / "midbrain_pictures.png").std() > 0
