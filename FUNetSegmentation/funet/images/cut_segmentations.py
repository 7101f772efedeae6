"""Segmentation files that 3D Slicer cut to their content, back on the grid of a whole image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .geometry import Geometry
from .segmentations import LabelMap
from .volumes import resample_label_map

# Corners of two grids may be this far from the same lattice of voxels, in voxels.
_LATTICE_TOLERANCE = 1e-3


def uncut(label_map: LabelMap, whole: Geometry, path: Path) -> LabelMap:
    """Bring a ``.seg.nrrd`` segmentation back onto the grid that it was cut out of.

    Args:
        label_map: the segmentation as it was read.
        whole: the grid of its image.
        path: the file.

    Returns:
        The segmentation on the whole grid; as it is if it was not cut out of that grid.
    """
    is_segmentation = path.name.lower().endswith(".seg.nrrd")
    if is_segmentation and _share_voxels(label_map.geometry, whole):
        return resample_label_map(label_map, whole)
    return label_map


def _share_voxels(part: Geometry, whole: Geometry) -> bool:
    """Whether all voxels of one grid are voxels of another one, too."""
    to_whole = np.linalg.solve(whole.affine, part.affine)
    last = np.array(part.shape[::-1]) - 1
    start = to_whole[:3, 3]
    stop = (to_whole @ [*last, 1])[:3]
    inside = (start >= -0.5).all() and (stop <= np.array(whole.shape[::-1]) - 0.5).all()
    return bool(
        inside
        and np.abs(to_whole[:3, :3] - np.eye(3)).max() * (last.max() + 1) < _LATTICE_TOLERANCE
        and np.abs(start - start.round()).max() < _LATTICE_TOLERANCE
    )
