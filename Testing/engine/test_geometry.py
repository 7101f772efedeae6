from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from funet.errors import InputError
from funet.images.geometry import SLICE_AXES, Geometry, SliceOrder, are_stacked_evenly

from phantoms import (
    all_storages,
    axial_grid,
    oblique_grid,
    phantom_labels,
    phantom_volume,
    positions,
    stored_otherwise,
)

GRIDS = [*all_storages(axial_grid()), *all_storages(oblique_grid())]
STRAIGHT = (1, 0, 0, 0, 1, 0, 0, 0, 1)

# The LPS axis that slices, rows and columns follow, and the direction: radiological convention.
CONVENTION = {
    "axial": ((2, +1), (1, +1), (0, +1)),
    "coronal": ((1, +1), (2, -1), (0, +1)),
    "sagittal": ((0, +1), (2, -1), (1, +1)),
}


@pytest.mark.parametrize("axis", SLICE_AXES)
@pytest.mark.parametrize("grid", GRIDS)
def test_going_to_a_stack_and_back_is_exact(grid, axis):
    order = SliceOrder.from_geometry(grid, axis)
    array = np.arange(math.prod(grid.shape), dtype=np.int32).reshape(grid.shape)
    stack = order.to_stack(array)
    assert stack.shape == order.shape
    assert np.shares_memory(stack, array)
    np.testing.assert_array_equal(order.from_stack(stack), array)


@pytest.mark.parametrize("axis", SLICE_AXES)
@pytest.mark.parametrize("grid", GRIDS)
def test_slices_rows_and_columns_run_as_radiologists_expect(grid, axis):
    order = SliceOrder.from_geometry(grid, axis)
    points = positions(grid)
    for stack_axis, (world, sign) in enumerate(CONVENTION[axis]):
        step = np.diff(order.to_stack(points[..., world]), axis=stack_axis)
        assert np.all(step * sign > 0)
        moved = [np.diff(order.to_stack(points[..., w]), axis=stack_axis) for w in range(3)]
        length = np.sqrt(sum(one**2 for one in moved))
        np.testing.assert_allclose(length, order.spacing[stack_axis])
        assert np.all(np.abs(step) > 0.8 * length)  # of the three LPS axes, this is the nearest


@pytest.mark.parametrize("base", [axial_grid(), oblique_grid()], ids=["straight", "oblique"])
@pytest.mark.parametrize("axis", SLICE_AXES)
def test_the_same_patient_gives_the_same_stack_however_it_is_stored(base, axis):
    expected = SliceOrder.from_geometry(base, axis)
    image = expected.to_stack(phantom_volume(base).array)
    for grid in all_storages(base):
        order = SliceOrder.from_geometry(grid, axis)
        assert order.spacing == pytest.approx(expected.spacing)
        np.testing.assert_array_equal(order.to_stack(phantom_volume(grid).array), image)


def test_the_phantom_shows_every_mirrored_or_swapped_axis():
    grid = axial_grid((12, 12, 12), (1.9, 1.9, 1.9))
    array = phantom_volume(grid).array
    seen = {
        array.transpose(2 - np.array(axes))[tuple(slice(None, None, -1 if f else 1) for f in flips)]
        .copy()
        .tobytes()
        for axes in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
        for flips in np.ndindex(2, 2, 2)
    }
    assert len(seen) == 48
    assert set(np.unique(phantom_labels(grid).array)) == {0, 1, 2, 3}


def test_an_axial_slice_has_the_patients_right_on_the_left_and_the_front_on_top():
    grid = stored_otherwise(axial_grid(), (2, 0, 1), (True, True, False))
    array = np.zeros(grid.shape, np.uint8)
    points = positions(grid).reshape(-1, 3)
    right_front_foot = np.argmin(points @ [1.0, 1.0, 1.0])
    array.ravel()[right_front_foot] = 1
    stack = SliceOrder.from_geometry(grid, "axial").to_stack(array)
    assert np.argwhere(stack).tolist() == [[0, 0, 0]]
    stack = SliceOrder.from_geometry(grid, "coronal").to_stack(array)
    assert np.argwhere(stack).tolist() == [[0, stack.shape[1] - 1, 0]]
    stack = SliceOrder.from_geometry(grid, "sagittal").to_stack(array)
    assert np.argwhere(stack).tolist() == [[0, stack.shape[1] - 1, 0]]


@pytest.mark.parametrize("grid", GRIDS[::5])
def test_indices_along_the_volumes_own_slice_axis_name_the_same_slices(grid):
    array = phantom_volume(grid).array
    for axis in SLICE_AXES:
        order = SliceOrder.from_geometry(grid, axis)
        stack = order.to_stack(array)
        for index in range(len(stack)):
            own = order.volume_index(index)
            assert order.stack_index(own) == index
            own_slice = np.take(array, own, axis=order.axis)
            assert sorted(own_slice.ravel()) == sorted(stack[index].ravel())


def test_noise_in_a_direction_of_45_degrees_does_not_change_the_axes():
    half = math.sqrt(0.5)
    found = set()
    for noise in (-1e-9, 0, 1e-9):
        direction = (1, 0, 0, 0, half + noise, -half, 0, half, half + noise)
        found.add(replace(axial_grid(), direction=direction).voxel_axes())
    assert found == {(0, 1, 2)}


def test_the_affine_agrees_with_itk():
    grid = oblique_grid()
    image = sitk.Image(list(grid.shape[::-1]), sitk.sitkUInt8)
    image.SetOrigin(grid.origin)
    image.SetSpacing(grid.spacing)
    image.SetDirection(grid.direction)
    for index in [(0, 0, 0), (3, 5, 7), (16, 13, 10)]:
        expected = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((grid.affine @ [*index, 1])[:3], expected, atol=1e-9)


def test_grids_match_within_a_tolerance_at_their_corners():
    grid = oblique_grid()
    assert grid.matches(grid)
    voxel = min(grid.spacing)
    shifted = replace(grid, origin=(grid.origin[0] + 0.04 * voxel, *grid.origin[1:]))
    assert grid.matches(shifted)
    assert not grid.matches(shifted, tolerance=0.03)
    assert grid.distance_to(shifted) == pytest.approx(0.04 * voxel)
    assert grid.distance_to(replace(grid, shape=(3, 4, 5))) == math.inf
    # Too little for the spacing or direction alone to show, enough at the far corner.
    assert not grid.matches(replace(grid, spacing=(grid.spacing[0] * 1.005, *grid.spacing[1:])))
    assert not grid.matches(oblique_grid(30.2))
    long = axial_grid((2, 3, 500), (1, 1, 1))
    assert not long.matches(replace(long, spacing=(1.0002, 1, 1)))
    assert long.matches(replace(long, spacing=(1, 1, 1.0002)))
    assert not grid.matches(axial_grid())
    assert not grid.matches(axial_grid((14, 11, 17)))


def test_the_same_voxels_stored_otherwise_do_not_match():
    grid = axial_grid((8, 8, 8), (1, 1, 1))
    matching = [other for other in all_storages(grid) if grid.matches(other)]
    assert len(matching) == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("shape", (3, 0, 4), "no voxels"),
        ("shape", (3, 4), "no voxels"),
        ("spacing", (1, 0, 1), "positive"),
        ("spacing", (1, -1, 1), "positive"),
        ("spacing", (1, math.nan, 1), "numbers"),
        ("spacing", (1, 1), "3 numbers"),
        ("origin", (0, math.inf, 0), "numbers"),
        ("direction", (1, 0.3, 0, 0, 1, 0, 0, 0, 1), "perpendicular"),
        ("direction", (0,) * 9, "perpendicular"),
        ("direction", (2, 0, 0, 0, 1, 0, 0, 0, 1), "perpendicular"),
        ("direction", (math.nan,) * 9, "numbers"),
    ],
)
def test_an_impossible_grid_is_refused(field, value, words):
    with pytest.raises(InputError, match=words):
        replace(axial_grid(), **{field: value})


def test_the_largest_side_is_that_of_the_box_of_voxels_however_it_is_stored():
    assert {round(grid.largest_side, 9) for grid in all_storages(axial_grid())} == {26.6}


def test_a_left_handed_grid_is_possible():
    assert replace(axial_grid(), direction=(-1, 0, 0, 0, 1, 0, 0, 0, 1)).voxel_axes() == (0, 1, 2)


def test_a_grid_read_from_json_lists_equals_the_original():
    grid = oblique_grid()
    assert Geometry(*(list(part) for part in vars(grid).values())) == grid


def test_an_unknown_slice_axis_is_refused():
    with pytest.raises(InputError, match="transversal"):
        SliceOrder.from_geometry(axial_grid(), "transversal")


@pytest.mark.parametrize("shape", [(11, 14), (14, 11, 17), (11, 14, 17, 1)])
def test_arrays_of_another_shape_are_refused(shape):
    order = SliceOrder.from_geometry(axial_grid(), "axial")
    with pytest.raises(InputError, match="grid of the volume"):
        order.to_stack(np.zeros(shape))
    with pytest.raises(InputError, match="grid of the volume"):
        order.from_stack(np.zeros(shape))


@pytest.mark.parametrize(
    ("origins", "even"),
    [
        ([(0, 0, 0)], True),
        ([(1, 2, 3), (1, 2, 5.5), (1, 2, 8)], True),
        ([(0, 0, 8), (0, 0, 5.5), (0, 0, 3)], True),
        ([(0, 0, 0), (0, 0, 2.5), (0, 0, 7.5), (0, 0, 10)], False),
        ([(0, 0, 0), (0, 0, 2.5), (0, 0, 2.5)], False),
        ([(0, 0, 0), (0, 0, 0)], False),
        ([(0, 0, 0), (0, 0.3, 2.5), (0, 0.6, 5)], False),
    ],
)
def test_missing_repeated_and_slanted_slices_are_seen(origins, even):
    assert are_stacked_evenly(origins, [STRAIGHT] * len(origins)) is even


def test_slices_of_different_directions_do_not_stack():
    tilted = (1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8)
    assert not are_stacked_evenly([(0, 0, 0), (0, 0, 1)], [STRAIGHT, tilted])
