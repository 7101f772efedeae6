"""Slice views: what they show and where they jump."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scene_nodes import as_array, slice_view, turned, under, under_bent_space, volume_of

from funet.errors import InputError
from funet.images.geometry import Geometry
from funet.prediction.review import slice_positions
from FUNetSegmentationLib.scene.views import jump_to_slice, slice_centre, visible_slice
from FUNetSegmentationLib.scene.volumes import slice_axis_of, snapshot

from phantoms import all_storages, axial_grid, oblique_grid

PLANES = ("axial", "coronal", "sagittal")
STORAGES = list(all_storages(axial_grid()))[::5]


@pytest.fixture
def views(scene: Any) -> SimpleNamespace:
    """Red, green and yellow, as in the application's first layout."""
    names = ("Axial", "Coronal", "Sagittal")
    return SimpleNamespace(**{name.lower(): slice_view(scene, name) for name in names})


def _plane(view: Any) -> NDArray[np.float64]:
    return as_array(view.GetSliceToRAS())


def _shows(view: Any, points: NDArray[Any]) -> bool:
    plane = _plane(view)
    return bool(np.abs((points - plane[:3, 3]) @ plane[:3, 2]).max() < 1e-3)


def _slice_in_world(node: Any, axis: int, index: int) -> NDArray[np.float64]:
    """Corners of a slice in world RAS, by way of the LPS geometry that the engine uses."""
    geometry = snapshot(node).geometry
    corners = np.stack(np.meshgrid(*[(0.0, n - 1.0) for n in geometry.shape[::-1]]), -1)
    corners = corners.reshape(-1, 3)
    corners[:, 2 - axis] = index
    lps = np.c_[corners, np.ones(len(corners))] @ geometry.affine[:3].T
    return lps * [-1, -1, 1]


def _straight(scene: Any) -> Any:
    return volume_of(scene, axial_grid())


def _oblique(scene: Any) -> Any:
    return volume_of(scene, oblique_grid())


def _transformed(scene: Any) -> Any:
    node = volume_of(scene, axial_grid())
    under(turned(), node)
    return node


@pytest.mark.parametrize("make", [_straight, _oblique, _transformed])
@pytest.mark.parametrize("plane", PLANES)
def test_the_view_of_the_plane_shows_the_whole_slice(
    scene: Any, views: SimpleNamespace, make: Callable[[Any], Any], plane: str
) -> None:
    node = make(scene)
    axis = slice_axis_of(snapshot(node).geometry, plane)
    for index in (0, 7):
        jump_to_slice(node, axis, index)
        assert _shows(getattr(views, plane), _slice_in_world(node, axis, index))
        assert visible_slice(node, axis) == index


@pytest.mark.parametrize("grid", STORAGES)
@pytest.mark.parametrize("plane", PLANES)
def test_slices_are_found_however_the_file_is_stored(
    scene: Any, views: SimpleNamespace, grid: Geometry, plane: str
) -> None:
    node = volume_of(scene, grid)
    axis = slice_axis_of(grid, plane)
    jump_to_slice(node, axis, 3)
    view = getattr(views, plane)
    assert visible_slice(node, axis) == 3
    place = _plane(view)[("sagittal", "coronal", "axial").index(plane), 3]
    assert place == pytest.approx(slice_positions(grid, plane)[3], abs=1e-3)


def test_straight_volumes_do_not_turn_the_views(scene: Any, views: SimpleNamespace) -> None:
    before = [_plane(view)[:3, :3] for view in vars(views).values()]
    jump_to_slice(_straight(scene), 0, 4)
    for view, axes in zip(vars(views).values(), before, strict=True):
        np.testing.assert_array_equal(_plane(view)[:3, :3], axes)
    assert views.axial.GetOrientation() == "Axial"


def test_a_tilt_that_nobody_sees_turns_nothing(scene: Any, views: SimpleNamespace) -> None:
    node = _straight(scene)
    under(turned(0.3, (0, 0, 0)), node)
    jump_to_slice(node, 0, 4)
    assert views.axial.GetOrientation() == "Axial"
    assert visible_slice(node, 0) == 4


def test_turning_keeps_left_and_right_and_up(scene: Any, views: SimpleNamespace) -> None:
    before = _plane(views.axial)
    jump_to_slice(_oblique(scene), 0, 4)
    after = _plane(views.axial)
    cosines = np.diag(before[:3, :3].T @ after[:3, :3])
    assert (cosines > 0.8).all() and (cosines < 0.9999).any()
    np.testing.assert_allclose(after[:3, :3].T @ after[:3, :3], np.eye(3), atol=1e-9)
    assert np.linalg.det(before[:3, :3]) == pytest.approx(np.linalg.det(after[:3, :3]))


def test_a_turned_view_turns_back_for_a_straight_volume(scene: Any, views: SimpleNamespace) -> None:
    before = _plane(views.axial)[:3, :3]
    jump_to_slice(_oblique(scene), 0, 4)
    jump_to_slice(_straight(scene), 0, 4)
    np.testing.assert_allclose(_plane(views.axial)[:3, :3], before, atol=1e-9)


def test_the_other_views_stay(scene: Any, views: SimpleNamespace) -> None:
    node = _straight(scene)
    before = [view.GetSliceOffset() for view in (views.coronal, views.sagittal)]
    jump_to_slice(node, 0, 4)
    assert [view.GetSliceOffset() for view in (views.coronal, views.sagittal)] == before
    assert _plane(views.axial)[2, 3] == pytest.approx(slice_centre(node, 0, 4)[2])


def test_every_view_of_the_plane_jumps(scene: Any, views: SimpleNamespace) -> None:
    second = slice_view(scene, "Axial")
    node = _oblique(scene)
    jump_to_slice(node, 0, 9)
    assert _shows(second, _slice_in_world(node, 0, 9))
    assert _shows(views.axial, _slice_in_world(node, 0, 9))


def test_the_visible_slice_follows_the_view(scene: Any, views: SimpleNamespace) -> None:
    node = _straight(scene)
    positions = slice_positions(axial_grid(), "axial")
    views.axial.SetSliceOffset(positions[8] + 0.9)
    assert visible_slice(node, 0) == 8
    views.axial.SetSliceOffset(positions[8] + 1.2)
    assert visible_slice(node, 0) == 9
    views.axial.SetSliceOffset(positions[10] + 1.2)
    assert visible_slice(node, 0) is None
    views.axial.SetSliceOffset(positions[0] - 1.2)
    assert visible_slice(node, 0) is None


def test_without_a_view_of_the_plane_nothing_is_visible(scene: Any) -> None:
    node = _straight(scene)
    assert visible_slice(node, 0) is None
    jump_to_slice(node, 0, 4)
    slice_view(scene, "Sagittal")
    assert visible_slice(node, 0) is None
    jump_to_slice(node, 0, 4)


def test_an_oblique_view_shows_the_slice_that_it_cuts_in_the_middle(
    scene: Any, views: SimpleNamespace
) -> None:
    node = _oblique(scene)
    centre = slice_centre(node, 0, 6)
    views.axial.JumpSliceByOffsetting(*centre)
    assert visible_slice(node, 0) == 6


def test_bent_space_leaves_the_views(scene: Any, views: SimpleNamespace) -> None:
    node = _straight(scene)
    under_bent_space(node)
    before = [_plane(view) for view in vars(views).values()]
    jump_to_slice(node, 0, 4)
    np.testing.assert_array_equal([_plane(view) for view in vars(views).values()], before)
    assert visible_slice(node, 0) is None


@pytest.mark.parametrize("index", [-1, 11])
def test_a_slice_that_does_not_exist_is_named(scene: Any, index: int) -> None:
    with pytest.raises(InputError, match=f"brain has no slice {index}; it has slices 0 to 10"):
        jump_to_slice(_straight(scene), 0, index)


def test_the_centre_is_in_the_world(scene: Any) -> None:
    node = _transformed(scene)
    corners = _slice_in_world(node, 1, 5)
    np.testing.assert_allclose(slice_centre(node, 1, 5), corners.mean(axis=0), atol=1e-6)
