"""Tilted stacks show what lies in another plane, whatever the shape of the voxels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from funet.images.geometry import SliceOrder
from funet.images.tilting import rotated, tilt, tilts_about

from phantoms import axial_grid

SPACING = np.array([2.0, 1.0, 0.5])
SHAPE = (21, 41, 81)
SIDES = tuple(float(side) for side in SPACING * SHAPE)


def blob(offset: tuple[float, float, float]) -> torch.Tensor:
    """A soft ball of 3 mm whose middle lies so many mm from that of the stack."""
    axes = [
        (np.arange(count) - (count - 1) / 2) * mm for count, mm in zip(SHAPE, SPACING, strict=True)
    ]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    distance = np.linalg.norm(places - np.array(offset), axis=-1)
    return torch.from_numpy(np.exp(-((distance / 3) ** 2)))[None]


def middle(stack: torch.Tensor) -> np.ndarray:
    """Offset in mm of the centre of mass from the middle of the stack."""
    weights = stack[0].numpy()
    places = np.indices(weights.shape).reshape(3, -1)
    centre = (places * weights.ravel()).sum(1) / weights.sum()
    return (centre - (np.array(weights.shape) - 1) / 2) * SPACING


@pytest.mark.parametrize("degrees", [(20.0, 0.0), (0.0, -35.0), (15.0, 10.0)])
def test_what_lies_at_an_offset_is_found_where_the_rotation_says(degrees):
    rotation = tilt(*degrees)
    offset = (5.0, -4.0, 6.0)
    moved = rotated(blob(offset), rotation, SIDES)
    np.testing.assert_allclose(middle(moved), rotation.T @ offset, atol=0.1)


def test_a_tilt_leaves_the_line_alone_about_which_it_turns():
    assert np.allclose(tilt(30.0, 0.0) @ [0, 0, 1], [0, 0, 1])
    assert np.allclose(tilt(0.0, 30.0) @ [0, 1, 0], [0, 1, 0])


def test_the_transposed_rotation_undoes_a_rotation():
    stack, rotation = blob((3.0, 5.0, -4.0)), tilt(12.0, 18.0)
    back = rotated(rotated(stack, rotation, SIDES), rotation.T, SIDES)
    assert (back - stack).abs().max() < 0.2  # what trilinear interpolation blurs
    assert (stack - rotated(stack, rotation, SIDES)).abs().max() > 0.3


def test_volumes_are_tilted_to_all_four_sides_by_every_angle():
    tilts = tilts_about([10.0, 20.0])
    normals = {tuple(np.round(rotation @ [1, 0, 0], 3)) for rotation in tilts}
    assert len(tilts) == len(normals) == 8
    mirrored = {(one, -rows, -columns) for one, rows, columns in normals}
    assert mirrored == {tuple(np.array(one) + 0.0) for one in normals}
    assert tilts_about([]) == ()


def test_the_sides_of_a_stack_reach_from_border_to_border():
    order = SliceOrder.from_geometry(axial_grid(spacing=(1.0, 2.0, 4.0)), "axial")
    assert order.sides == tuple(n * mm for n, mm in zip(order.shape, (4.0, 2.0, 1.0), strict=True))
