"""Grids of images by their headers alone, without reading a voxel."""

from __future__ import annotations

import os
from pathlib import Path

import SimpleITK as sitk

from ..errors import InputError
from .geometry import Geometry
from .reading_errors import plain_errors, require_utf8


def read_grid(path: Path) -> Geometry | None:
    """Return the grid of an image file; ``None`` for a folder and what is not 3-D.

    Raises:
        InputError: if the header cannot be read.
    """
    require_utf8(os.fspath(path))
    if path.is_dir():
        return None
    reader = sitk.ImageFileReader()
    reader.SetFileName(os.fspath(path))
    with plain_errors(path):
        reader.ReadImageInformation()
    return grid_of(reader) if reader.GetDimension() == 3 else None


def grid_of(image: sitk.Image | sitk.ImageFileReader) -> Geometry:
    """Return the grid of a 3-D image, or of one whose header was read.

    Raises:
        InputError: see :class:`Geometry`.
    """
    columns, rows, slices = image.GetSize()
    return Geometry(
        shape=(slices, rows, columns),
        spacing=image.GetSpacing(),
        origin=image.GetOrigin(),
        direction=image.GetDirection(),
    )


def on_different_grids(one: Path, other: Path) -> bool:
    """Whether the headers of two images say that they cannot belong together."""
    try:
        grids = read_grid(one), read_grid(other)
    except InputError:  # whoever reads them whole says better what is wrong
        return False
    return grids[0] is not None and grids[1] is not None and not grids[0].matches(grids[1])
