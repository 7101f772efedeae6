"""Annotated cases are read from real files; what does not fit is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from studies import (
    subject_grid,
    subject_volume,
    two_structures,
    write_image,
    write_labels,
    write_study,
    write_subject,
)

from funet.annotations.gathering import Case, gather_cases
from funet.errors import Cancelled, InputError
from funet.images.geometry import Geometry
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import Segment
from funet.progress import CancelToken, Progress

AXIAL = Preprocessing()


def moved(
    grid: Geometry, voxels: tuple[float, float, float], shape: tuple[int, int, int]
) -> Geometry:
    """A grid of another shape that begins at a voxel (i, j, k) of this one."""
    origin = (grid.affine @ [*voxels, 1])[:3]
    return replace(grid, shape=shape, origin=tuple(origin.tolist()))


def test_the_annotated_slices_of_all_cases_are_read(tmp_path: Path) -> None:
    write_study(tmp_path, 2)
    cases = [
        Case(tmp_path / "images" / f"sub-{n:02}.nii.gz", tmp_path / "labels" / f"sub-{n:02}.nii.gz")
        for n in range(2)
    ]
    seen: list[Progress] = []
    first, second = gather_cases(cases, AXIAL, on_progress=seen.append)
    drawn = np.flatnonzero(two_structures(subject_grid(0)).any((1, 2))).tolist()
    assert [sample.slice_index for sample in first.samples] == drawn
    assert {sample.subject for sample in second.samples} == {"sub-01"}
    assert first.largest_side == pytest.approx(subject_grid(0).largest_side)
    assert [progress.fraction for progress in seen] == [0, 0.5, 1]


def test_images_can_be_told_apart_by_their_voxels(tmp_path: Path) -> None:
    image, labels = write_subject(tmp_path / "a", 0)
    write_subject(tmp_path / "b", 1)
    other = (tmp_path / "b" / "images" / "sub-01.nii.gz").rename(tmp_path / image.name)
    other_labels = tmp_path / "b" / "labels" / "sub-01.nii.gz"
    rounds = [[Case(image, labels)], [Case(other, other_labels)], [Case(image, labels)]]
    first, second, third = (
        gather_cases(cases, AXIAL, by_voxels=True)[0].samples[0].subject for cases in rounds
    )
    assert first.startswith("sub-00 [")
    assert first != second
    assert first == third


def test_chosen_slices_count_even_if_empty(tmp_path: Path) -> None:
    image, labels = write_subject(tmp_path, 0)
    (case,) = gather_cases([Case(image, labels, (0, 5))], AXIAL)
    assert [sample.slice_index for sample in case.samples] == [0, 5]
    assert not case.samples[0].shows_structure


def test_a_segmentation_that_was_cut_to_its_content_is_put_back(tmp_path: Path) -> None:
    volume = subject_volume(0)
    grid, whole = volume.geometry, two_structures(volume.geometry)
    part = whole[2:10, 1:13, 1:16]
    assert part.sum() == whole.sum()
    cut = moved(grid, (1, 1, 2), part.shape)
    image = write_image(tmp_path / "a.nii.gz", volume)
    segments = (Segment(1, "Large", (1, 2, 3)), Segment(2, "Small", (3, 2, 1)))
    small = write_labels(tmp_path / "cut.seg.nrrd", part, cut, segments)
    full = write_labels(tmp_path / "full.seg.nrrd", whole, grid, segments)
    of_cut, of_whole = gather_cases([Case(image, small), Case(image, full)], AXIAL)
    assert of_cut.segments == segments
    assert len(of_cut.samples) == len(of_whole.samples) > 3
    for one, other in zip(of_cut.samples, of_whole.samples, strict=True):
        assert np.array_equal(one.labels, other.labels)


@pytest.mark.parametrize(
    ("name", "start", "shape"),
    [
        ("a.nii.gz", (0, 0, 1), (10, 14, 17)),  # only segmentations of 3D Slicer are cut
        ("a.seg.nrrd", (0.5, 0, 0), (11, 14, 16)),  # between the voxels
        ("a.seg.nrrd", (-1, 0, 0), (11, 14, 17)),  # sticks out
        ("a.seg.nrrd", (1, 0, 0), (11, 14, 17)),
    ],
)
def test_labels_on_another_grid_are_refused(
    tmp_path: Path, name: str, start: tuple[float, float, float], shape: tuple[int, int, int]
) -> None:
    volume = subject_volume(0)
    image = write_image(tmp_path / "image.nii.gz", volume)
    grid = moved(volume.geometry, start, shape)
    labels = write_labels(tmp_path / name, np.ones(shape, np.uint8), grid)
    with pytest.raises(InputError, match="different grids"):
        gather_cases([Case(image, labels)], AXIAL)


def test_labels_of_other_voxel_sizes_are_refused(tmp_path: Path) -> None:
    volume = subject_volume(0)
    image = write_image(tmp_path / "image.nii.gz", volume)
    grid = replace(volume.geometry, shape=(5, 7, 8), spacing=(2.2, 3.8, 4.2))
    labels = write_labels(tmp_path / "a.seg.nrrd", np.ones(grid.shape, np.uint8), grid)
    with pytest.raises(InputError, match="different grids"):
        gather_cases([Case(image, labels)], AXIAL)


def test_an_empty_label_map_is_refused(tmp_path: Path) -> None:
    volume = subject_volume(0)
    image = write_image(tmp_path / "image.nii.gz", volume)
    grid = volume.geometry
    labels = write_labels(tmp_path / "labels.nii.gz", np.zeros(grid.shape, np.uint8), grid)
    with pytest.raises(InputError, match="No slice of image is annotated"):
        gather_cases([Case(image, labels)], AXIAL)


def test_voxels_that_are_not_numbers_are_noted(tmp_path: Path) -> None:
    volume = subject_volume(0)
    array = volume.array.copy()
    array[5, 5, :2] = np.inf
    image = write_image(tmp_path / "a.mha", replace(volume, array=array))
    grid = volume.geometry
    labels = write_labels(tmp_path / "a.nrrd", two_structures(grid), grid)
    (case,) = gather_cases([Case(image, labels)], AXIAL)
    assert len(case.notes) == 1
    assert case.notes[0].startswith("2 voxels of")
    assert all(np.isfinite(sample.image).all() for sample in case.samples)


def test_a_cancel_stops_before_the_next_case(tmp_path: Path) -> None:
    image, labels = write_subject(tmp_path, 0)
    cancel = CancelToken()

    def stop(progress: Progress) -> None:
        cancel.cancel()

    with pytest.raises(Cancelled):
        gather_cases([Case(image, labels)] * 2, AXIAL, on_progress=stop, cancel=cancel)
