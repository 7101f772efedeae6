"""Volumes in every position, from file to file: the labels lie exactly on what they show."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import image_files
import numpy as np
import pytest
import SimpleITK as sitk
from sentences import assert_plain
from threshold_models import PLANES, boxes, image, publish

from funet.images.geometry import Geometry
from funet.models.store import ModelStore
from funet.prediction.inference import Predictor
from funet.prediction.segmenting import FileOutcome, segment_files

from phantoms import all_storages, axial_grid, oblique_grid

_STORAGES = list(all_storages(axial_grid()))


def thick_grid(axis: int) -> Geometry:
    """Voxels of 0.5×0.5×10 mm whose long side runs along I, J or K; no slice is in the middle."""
    spacing, shape, origin = [0.5] * 3, [44] * 3, [-11.2] * 3
    spacing[axis], shape[axis], origin[axis] = 10.0, 4, -15.4
    return Geometry(tuple(shape[::-1]), tuple(spacing), tuple(origin), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def left_handed(grid: Geometry) -> bool:
    return bool(np.linalg.det(np.array(grid.direction).reshape(3, 3)) < 0)


_SUFFIXES = dict(zip(PLANES, ("nii.gz", "nrrd", "seg.nrrd"), strict=True))
# The grids and the planes in which they are cut: with 48 of them, each in one.
GRIDS = [
    *(pytest.param(oblique_grid(d), PLANES, marks=pytest.mark.case(18)) for d in (30, -30)),
    *(pytest.param(thick_grid(axis), PLANES, marks=pytest.mark.case(19)) for axis in range(3)),
    *(
        pytest.param(grid, (PLANES[number % 3],), marks=pytest.mark.case(20))
        for number, grid in enumerate(_STORAGES)
    ),
]


@pytest.fixture(scope="module")
def predictors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictor]:
    """A model for each plane, which labels boxes exactly."""
    folder = tmp_path_factory.mktemp("models")
    for plane in PLANES:
        publish(folder, plane, f"boxes-{plane}")
    store = ModelStore(folder)
    return {plane: Predictor(store.load(f"boxes-{plane}"), device="cpu") for plane in PLANES}


def segmented(path: Path, predictor: Predictor, suffix: str) -> FileOutcome:
    (outcome,) = segment_files([path], predictor, path.parent / "out", suffix=suffix)
    return outcome


@pytest.mark.case(18, 19, 20)
def test_the_phantom_looks_different_in_every_mirror() -> None:
    for grid in (oblique_grid(30), *(thick_grid(axis) for axis in range(3)), axial_grid()):
        labels = boxes(grid)
        assert np.unique(labels).tolist() == [0, 1, 2]
        for count in (1, 2, 3):
            for axes in itertools.combinations(range(3), count):
                assert not np.array_equal(np.flip(labels, axes), labels)
    assert sum(map(left_handed, _STORAGES)) == 24


@pytest.mark.parametrize(("grid", "planes"), GRIDS)
def test_exactly_the_labels_come_out_on_the_same_voxels(
    predictors: dict[str, Predictor],
    grid: Geometry,
    planes: tuple[str, ...],
    tmp_path: Path,
    untouched: Callable[..., None],
) -> None:
    path = image_files.save(tmp_path / "x.nii.gz", image(grid), grid)
    untouched(path)
    given = sitk.ReadImage(str(path))
    for plane in planes:
        outcome = segmented(path, predictors[plane], _SUFFIXES[plane])
        assert outcome.status == "done", outcome.message
        made = sitk.ReadImage(str(outcome.output))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(made), boxes(grid))
        assert made.GetSize() == given.GetSize()
        for corner in itertools.product(*((0, count - 1) for count in given.GetSize())):
            there, here = (one.TransformIndexToPhysicalPoint(corner) for one in (made, given))
            assert there == pytest.approx(here, abs=1e-4)


@pytest.mark.case(21)
@pytest.mark.parametrize("make", [image_files.sheared_nifti, image_files.sheared_nrrd])
def test_axes_that_are_not_perpendicular_are_refused(
    predictors: dict[str, Predictor], make: Callable[[Path], Path], tmp_path: Path
) -> None:
    outcome = segmented(make(tmp_path), predictors["axial"], "nrrd")
    assert (outcome.status, outcome.output) == ("failed", None)
    assert "not perpendicular" in outcome.message
    assert_plain(outcome.message)
    assert not (tmp_path / "out").exists()
