"""Measuring the shipped models again finds their numbers, and finds a wrong one."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import check_models
import numpy as np
import pytest
import train_midbrain
from check_models import Check, compare
from midbrain_heads import Head, Reference, placement, subject, templates
from split import read_split
from studies import write_labels

from funet.images.geometry import Geometry
from funet.images.segmentations import LabelMap
from funet.models.manifest import MetricRecord, read_manifest

METRIC = MetricRecord("ten subjects", "Midbrain", "Dice", 0.8, 0.03, 10)


def check_model(data: Path, models: Path, model: str, *more: str) -> int:
    words = ["--data", str(data), "--models", str(models), "--model", model, *more]
    return check_models.main(words)


def copy_with(folder: Path, model: str, structure: str, added: float) -> Path:
    """A folder with a copy of a shipped model, one number of whose description is another."""
    shutil.copytree(check_models.MODELS / model, folder / model)
    path = folder / model / "model.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    changed = [metric for metric in record["metrics"] if metric["structure"] == structure]
    changed[-1]["mean"] += added
    path.write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_a_changed_number_of_the_hippocampus_model_is_found_and_the_other_agrees(
    shared_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All of its test subjects: they take seconds, so that no number can be wrong."""
    caplog.set_level("INFO")
    changed = copy_with(tmp_path, "hippocampus-t1", "Posterior hippocampus", 0.005)
    assert check_model(shared_data, changed, "hippocampus-t1") == 1
    everyone = len(read_split("hippocampus").test)
    rows = [line for line in caplog.text.splitlines() if f"| {everyone} of {everyone} |" in line]
    assert [row.split(" | ")[1] for row in rows] == [
        "Anterior hippocampus",
        "Posterior hippocampus",
    ]
    assert rows[0].endswith("| yes |")
    assert rows[1].endswith("| NO |")
    assert "| -0.0050 |" in rows[1]


def test_some_numbers_of_the_midbrain_model_are_found_again(
    shared_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One head of each group, with everything in its place."""
    caplog.set_level("INFO")
    code = check_model(shared_data, check_models.MODELS, "midbrain-t1", "--subjects", "1")
    groups = check_models.tested_groups(train_midbrain.RECIPE, 1)
    assert code == 0, caplog.text
    assert f"0 voxels outside the region, in {len(groups)} heads." in caplog.text


def test_all_numbers_must_be_those_of_the_description() -> None:
    assert Check(METRIC, 10, 0.8019).agrees
    assert Check(METRIC, 10, 0.7981).agrees
    assert not Check(METRIC, 10, 0.803).agrees
    assert not Check(METRIC, 10, 0.797).agrees
    assert not Check(METRIC, 11, 0.8).agrees
    assert not Check(METRIC, 0, math.nan).agrees


@pytest.mark.parametrize("count", [1, 3, 9, 10])
def test_the_mean_of_some_may_differ_by_what_the_deviation_allows(count: int) -> None:
    """The bound is reached, and not more, where those measured are all alike and all others too."""
    values = np.array([1.0] * count + [0.0] * (10 - count))
    metric = replace(METRIC, mean=values.mean(), deviation=values.std())
    apart = abs(values[:count].mean() - values.mean())
    assert Check(metric, count, 1.0).allowed == pytest.approx(apart + check_models.TOLERANCE)


def test_scores_are_compared_by_group_and_structure() -> None:
    manifest = read_manifest(check_models.MODELS / "midbrain-t1")
    scores = {"a": {"Midbrain": 0.7, "Substantia nigra": 0.1}, "b": {"Midbrain": 0.9}}
    metrics = (METRIC, replace(METRIC, data="others"), replace(METRIC, name="HD95"))
    checks = compare(replace(manifest, metrics=metrics), scores, {"ten subjects": ["a", "b"]})
    assert [(check.metric.data, check.count) for check in checks] == [
        ("ten subjects", 2),
        ("others", 0),
    ]
    assert checks[0].mean == pytest.approx(0.8)
    assert not checks[1].agrees


def test_a_number_that_the_description_lacks_is_found() -> None:
    manifest = replace(read_manifest(check_models.MODELS / "midbrain-t1"), metrics=(METRIC,))
    assert check_models.unknown_to(manifest, {"ten subjects": ["a"]}) == (
        "ten subjects, Substantia nigra",
    )


def grid(spacing: float = 2.0, side: int = 40) -> Geometry:
    return Geometry(
        (side,) * 3, (spacing,) * 3, (5.0, -3.0, 1.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)
    )


def labels_at(geometry: Geometry, *indices: tuple[int, int, int]) -> LabelMap:
    array = np.zeros(geometry.shape, np.uint8)
    for index in indices:
        array[index] = 1
    return LabelMap(array, geometry)


def test_voxels_far_from_the_reference_are_counted(tmp_path: Path) -> None:
    # The reference lies on a finer grid of the same place.
    reference = labels_at(grid(1.0, 80), (20, 20, 20))
    path = write_labels(tmp_path / "atlas.nii.gz", reference.array, reference.geometry)
    predicted = labels_at(grid(), (10, 10, 10), (10, 10, 15), (10, 16, 10), (17, 10, 10))
    found = placement(predicted, Reference(path, {1: 1}))
    assert (found.outside, found.farthest) == (2, pytest.approx(14))
    assert not found.is_right
    assert found.measured_from == "atlas"
    assert placement(labels_at(grid(), (10, 10, 10)), Reference(path, {1: 1})).is_right


def test_without_a_reference_the_prediction_must_be_in_one_place() -> None:
    together = labels_at(grid(), (10, 10, 10), (10, 10, 30))
    assert placement(together, None).is_right
    apart = labels_at(grid(), (0, 0, 0), (39, 39, 39))
    assert placement(apart, None).outside == 2


def test_finding_nothing_is_not_right() -> None:
    found = placement(labels_at(grid()), None)
    assert found.outside == 0
    assert not found.is_right


def test_a_reference_is_read_with_the_values_of_the_model(tmp_path: Path) -> None:
    array = np.zeros(grid().shape, np.uint8)
    array[0, 0, :3] = (1, 2, 3)
    path = write_labels(tmp_path / "atlas.nii.gz", array, grid())
    assert Reference(path, {1: 2, 2: 1}).read().array[0, 0, :4].tolist() == [2, 1, 0, 0]


def test_heads_without_labels_are_known(shared_data: Path) -> None:
    assert subject(shared_data, "ds002748_sub-27").reference is None
    assert subject(shared_data, "ds002748_sub-01").reference is not None


def test_an_atlas_fits_the_template_that_it_is_compared_with(shared_data: Path) -> None:
    """The substantia nigra of every atlas lies in the brain of its template, and in the middle."""
    scored: list[Head] = [head for head in templates(shared_data) if head.reference is not None]
    assert len(scored) == 2
    for head in scored:
        assert head.reference is not None
        labels = check_models.read_label_map(head.reference.path)
        middle = np.argwhere(head.reference.read().array == 2).mean(0)[::-1]
        place = labels.geometry.affine @ (*middle, 1)
        assert np.abs(place[:3] - (0, 16, -14)).max() < 4, head.name  # LPS mm of MNI space
        assert placement(head.reference.read(), head.place).is_right
