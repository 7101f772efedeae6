"""Turning a stack of slices about its middle, so that other planes become its slices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Rotation = NDArray[np.float64]
"""3×3 matrix that turns offsets in mm along (slices, rows, columns)."""


def tilt(rows_degrees: float, columns_degrees: float) -> Rotation:
    """Return the rotation by which slices are tilted out of their plane.

    Args:
        rows_degrees: tilt towards the direction in which rows follow each other.
        columns_degrees: tilt towards the direction in which columns follow each other.
    """
    return _turn(0, 1, rows_degrees) @ _turn(0, 2, columns_degrees)


def tilts_about(degrees: Sequence[float]) -> tuple[Rotation, ...]:
    """Return the tilts by each of some angles, towards rows and columns, to either side."""
    return tuple(
        tilt(sign * angle, 0.0) if towards_rows else tilt(0.0, sign * angle)
        for angle in degrees
        for towards_rows in (True, False)
        for sign in (1, -1)
    )


def rotated(stack: Tensor, rotation: Rotation, sides: Sequence[float]) -> Tensor:
    """Return what a stack shows after a rotation about its middle, on the same grid.

    The transposed rotation undoes it, but for what the interpolation (trilinear) blurs. What comes
    from outside the stack repeats its outermost voxels.

    Args:
        stack: (channels, slices, rows, columns), floating point.
        rotation: from offsets in the result to offsets in the stack.
        sides: mm from end to end along slices, rows and columns.
    """
    # affine_grid measures from -1 to 1 along each axis, the last axis first.
    scale = np.asarray(sides, dtype=np.float64)
    matrix = (rotation * scale / scale[:, None])[::-1, ::-1].copy()
    theta = torch.from_numpy(np.c_[matrix, np.zeros(3)]).to(stack)[None]
    grid = F.affine_grid(theta, [1, *stack.shape], align_corners=False)
    return F.grid_sample(stack[None], grid, padding_mode="border", align_corners=False)[0]


def _turn(first: int, second: int, degrees: float) -> Rotation:
    angle = math.radians(degrees)
    rotation = np.eye(3)
    rotation[[first, second], [first, second]] = math.cos(angle)
    rotation[first, second], rotation[second, first] = -math.sin(angle), math.sin(angle)
    return rotation
