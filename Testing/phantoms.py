"""Phantoms of which no two sides look alike, on grids of any orientation.

They are defined in the patient's space, so the same patient can be stored in any way. A mirrored,
swapped or shifted axis shows as a different picture.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from funet.images.geometry import Geometry
from funet.images.segmentations import Code, LabelMap, Segment
from funet.images.volumes import Volume

# Boxes in LPS mm: ((from, to) towards left, posterior, superior). The ends lie between the voxels
# of the grids below, so that rounding decides nothing.
_BOXES: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((-8.3, -1.3), (-11.7, 2.7), (-7.1, 4.9)),
    2: ((1.7, 5.3), (-3.7, 9.1), (-2.9, 8.3)),
    3: ((-2.3, 8.9), (4.3, 7.9), (-8.9, -4.1)),
}

SEGMENTS = (
    Segment(1, "Midbrain", (40, 120, 200), Code("SCT", "61962009", "Midbrain")),
    Segment(2, "Substantia nigra", (200, 30, 60), Code("SCT", "70007007", "Substantia nigra")),
    Segment(3, "Hörnchen 3", (0, 255, 1)),
)


def axial_grid(
    shape: tuple[int, int, int] = (11, 14, 17), spacing: Sequence[float] = (1.1, 1.9, 2.1)
) -> Geometry:
    """A grid around the origin whose axes I, J, K run towards left, posterior, superior."""
    return Geometry(
        shape=shape,
        spacing=(spacing[0], spacing[1], spacing[2]),
        origin=tuple(-mm * (n - 1) / 2 for mm, n in zip(spacing, reversed(shape), strict=True)),
        direction=(1, 0, 0, 0, 1, 0, 0, 0, 1),
    )


def stored_otherwise(grid: Geometry, axes: Sequence[int], flips: Sequence[bool]) -> Geometry:
    """The same voxels in another order.

    Args:
        grid: any grid.
        axes: which of the voxel axes I, J, K (0, 1, 2) become the new I, J, K.
        flips: whether the new axes run backwards.
    """
    counts = grid.shape[::-1]
    directions = np.array(grid.direction).reshape(3, 3)
    start = np.zeros(3)
    for axis, flip in zip(axes, flips, strict=True):
        start[axis] = counts[axis] - 1 if flip else 0
    signs = np.where(flips, -1, 1)
    return Geometry(
        shape=tuple(counts[axis] for axis in reversed(axes)),
        spacing=tuple(grid.spacing[axis] for axis in axes),
        origin=tuple((grid.affine @ [*start, 1])[:3]),
        direction=tuple((directions[:, list(axes)] * signs).ravel()),
    )


def all_storages(grid: Geometry) -> Iterator[Geometry]:
    """All 48 ways to store the voxels of a grid."""
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            yield stored_otherwise(grid, axes, flips)


def oblique_grid(degrees: float = 30.0) -> Geometry:
    """The axial grid, turned about the left-right axis and then a little about the others."""
    turned = np.eye(3)
    for axis, angle in ((0, degrees), (1, 7.0), (2, -11.0)):
        cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        rotation = np.eye(3)
        others = [one for one in range(3) if one != axis]
        rotation[np.ix_(others, others)] = [[cosine, -sine], [sine, cosine]]
        turned = rotation @ turned
    grid = axial_grid()
    return Geometry(
        grid.shape, grid.spacing, tuple(turned @ grid.origin), tuple(turned.ravel().tolist())
    )


def positions(grid: Geometry) -> NDArray[np.float64]:
    """The LPS position of every voxel, (K, J, I, 3)."""
    k, j, i = np.indices(grid.shape)
    return np.stack([i, j, k, np.ones_like(i)], -1) @ grid.affine[:3].T


def phantom_labels(grid: Geometry) -> LabelMap:
    """Three boxes of different sizes in different corners."""
    points = positions(grid)
    array = np.zeros(grid.shape, np.uint8)
    for value, box in _BOXES.items():
        inside = [
            (low < points[..., a]) & (points[..., a] < high) for a, (low, high) in enumerate(box)
        ]
        array[np.logical_and.reduce(inside)] = value
    return LabelMap(array, grid, SEGMENTS)


def phantom_volume(grid: Geometry, name: str = "phantom") -> Volume:
    """The boxes in different greys, under a ramp that is steeper along some axes than others."""
    ramp = positions(grid) @ [1.0, 0.3, -0.1]
    array = 100.0 * phantom_labels(grid).array + np.round(ramp, 3)
    return Volume(array.astype(np.float32), grid, name)
