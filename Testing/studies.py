"""Folders of images and label maps as a researcher has them, small enough for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from funet.images.geometry import Geometry
from funet.images.segmentations import LabelMap, Segment
from funet.images.volumes import Volume, write_label_map

from phantoms import axial_grid, phantom_labels, phantom_volume

MODEL_SEGMENTS = (Segment(1, "Large", (40, 120, 200)), Segment(2, "Small", (200, 30, 60)))


def subject_grid(number: int) -> Geometry:
    """A grid that is a little elsewhere in every subject."""
    grid = axial_grid()
    shift = [0.7 * number, -0.9 * number, 0.0]
    origin = tuple(float(o + s) for o, s in zip(grid.origin, shift, strict=True))
    return replace(grid, origin=origin)


def two_structures(grid: Geometry) -> NDArray[np.uint8]:
    """The phantom's first two boxes; the third is background that looks like a structure."""
    labels = phantom_labels(grid).array
    return np.where(labels == 3, 0, labels).astype(np.uint8)


def subject_volume(number: int, grid: Geometry | None = None) -> Volume:
    """The noisy image of one subject."""
    grid = grid or subject_grid(number)
    volume = phantom_volume(grid, f"sub-{number:02}")
    noise = np.random.default_rng(number).normal(0, 5, grid.shape)
    return replace(volume, array=(volume.array + noise).astype(np.float32))


def write_image(path: Path, volume: Volume) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.geometry.spacing)
    image.SetOrigin(volume.geometry.origin)
    image.SetDirection(volume.geometry.direction)
    sitk.WriteImage(image, str(path))
    return path


def write_labels(
    path: Path, array: NDArray[np.uint8], grid: Geometry, segments: tuple[Segment, ...] = ()
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_label_map(path, LabelMap(array, grid, segments))
    return path


def write_subject(folder: Path, number: int) -> tuple[Path, Path]:
    """Write ``images/sub-NN.nii.gz`` and ``labels/sub-NN.nii.gz``."""
    volume = subject_volume(number)
    name = f"{volume.name}.nii.gz"
    image = write_image(folder / "images" / name, volume)
    grid = volume.geometry
    return image, write_labels(folder / "labels" / name, two_structures(grid), grid)


def write_study(folder: Path, subjects: int = 4) -> Path:
    for number in range(subjects):
        write_subject(folder, number)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, to see whether something was written."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"folder"
        for path in sorted(folder.rglob("*"))
    }
