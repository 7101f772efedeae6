"""Volume nodes as arrays with a place in the patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from image_files import save_volume
from scene_nodes import (
    LPS_TO_RAS,
    image_data,
    turned,
    under,
    under_bent_space,
    volume_of,
    with_components,
    without_image,
    without_voxels,
)

from funet.errors import InputError
from funet.images.geometry import Geometry, SliceOrder
from funet.images.volumes import read_volume
from funet.prediction.review import slice_positions
from FUNetSegmentationLib.scene.volumes import (
    acquisition_axis,
    plane_of,
    slice_axis_of,
    snapshot,
)

from phantoms import all_storages, axial_grid, oblique_grid, phantom_volume, stored_otherwise

STORAGES = [*all_storages(axial_grid()), oblique_grid(), oblique_grid(-65.0)]


@pytest.mark.parametrize("grid", STORAGES)
def test_a_node_has_the_geometry_and_voxels_of_its_grid(scene: Any, grid: Geometry) -> None:
    taken = snapshot(volume_of(scene, grid, name="head"))
    assert taken.name == "head"
    assert taken.geometry.matches(grid)
    np.testing.assert_array_equal(taken.array, phantom_volume(grid).array)


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
@pytest.mark.parametrize("grid", [axial_grid(), oblique_grid(), *STORAGES[1:48:6]])
def test_a_loaded_file_is_where_the_engine_reads_it(
    scene: Any, tmp_path: Path, grid: Geometry, suffix: str
) -> None:
    path = save_volume(tmp_path / f"head{suffix}", grid)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    taken, read = snapshot(node), read_volume(path)
    # Slicer mirrors the storage of left-handed files; the patient stays where he is.
    right_handed = np.linalg.det(read.geometry.affine[:3, :3]) > 0
    assert taken.geometry.matches(read.geometry) == right_handed
    for plane in ("axial", "coronal", "sagittal"):
        mine = SliceOrder.from_geometry(taken.geometry, plane)
        theirs = SliceOrder.from_geometry(read.geometry, plane)
        np.testing.assert_array_equal(mine.to_stack(taken.array), theirs.to_stack(read.array))
        np.testing.assert_allclose(
            sorted(slice_positions(taken.geometry, plane)),
            sorted(slice_positions(read.geometry, plane)),
            atol=1e-3,
        )


def test_the_scalar_type_is_the_nodes_own_and_the_view_is_read_only(scene: Any) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    taken = snapshot(volume_of(scene, axial_grid((2, 3, 4)), array))
    assert taken.array.dtype == np.int16
    with pytest.raises(ValueError, match="read-only"):
        taken.array[0, 0, 0] = 1


def test_an_image_that_does_not_begin_at_zero_keeps_its_place(scene: Any) -> None:
    grid = axial_grid()
    node = volume_of(scene, grid)
    image = node.GetImageData()
    image.SetExtent(5, 5 + 16, -2, -2 + 13, 1, 1 + 10)
    moved = snapshot(node).geometry
    np.testing.assert_allclose(moved.origin, (grid.affine @ [5, -2, 1, 1])[:3], atol=1e-9)


def test_a_rigid_parent_transform_moves_the_volume(scene: Any) -> None:
    node = volume_of(scene, oblique_grid())
    matrix = turned()
    under(matrix, node)
    expected = LPS_TO_RAS @ matrix @ LPS_TO_RAS @ oblique_grid().affine
    np.testing.assert_allclose(snapshot(node).geometry.affine, expected, atol=1e-6)


def test_transforms_above_each_other_are_all_applied(scene: Any) -> None:
    node = volume_of(scene, axial_grid())
    inner = under(turned(20), node)
    under(turned(50, (1, 2, 3)), inner)
    both = turned(50, (1, 2, 3)) @ turned(20)
    expected = LPS_TO_RAS @ both @ LPS_TO_RAS @ axial_grid().affine
    np.testing.assert_allclose(snapshot(node).geometry.affine, expected, atol=1e-6)


def test_a_transform_can_turn_the_planes(scene: Any) -> None:
    node = volume_of(scene, axial_grid())
    under(np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]), node)
    geometry = snapshot(node).geometry
    assert slice_axis_of(geometry, "coronal") == 0
    assert slice_axis_of(geometry, "axial") == 1


def test_scaling_changes_the_spacing(scene: Any) -> None:
    node = volume_of(scene, axial_grid())
    under(np.diag([2.0, 1.0, 0.5, 1.0]), node)
    np.testing.assert_allclose(snapshot(node).geometry.spacing, (2.2, 1.9, 1.05))


def test_under_a_shear_the_volume_has_its_own_geometry(scene: Any) -> None:
    node = volume_of(scene, axial_grid())
    shear = np.eye(4)
    shear[0, 1] = 0.3
    under(shear, node)
    assert snapshot(node).geometry.matches(axial_grid())


def test_in_bent_space_the_volume_has_its_own_geometry(scene: Any) -> None:
    node = volume_of(scene, oblique_grid())
    under_bent_space(node)
    assert snapshot(node).geometry.matches(oblique_grid())


def test_modified_tells_of_voxels_and_place_only(scene: Any) -> None:
    node = volume_of(scene, axial_grid())
    first = snapshot(node).modified
    node.SetName("other")
    node.CreateDefaultDisplayNodes()
    assert snapshot(node).modified == first
    node.GetImageData().GetPointData().GetScalars().Modified()
    second = snapshot(node).modified
    assert second != first
    node.SetOrigin(1, 2, 3)
    third = snapshot(node).modified
    assert third != second
    under(turned(), node)
    assert snapshot(node).modified != third


def test_planes_and_axes_belong_together() -> None:
    for grid in STORAGES:
        for plane in ("axial", "coronal", "sagittal"):
            axis = slice_axis_of(grid, plane)
            assert axis == SliceOrder.from_geometry(grid, plane).axis
            assert plane_of(grid, axis) == plane


def test_slices_are_acquired_where_they_are_thickest() -> None:
    grid = axial_grid(spacing=(1.0, 3.0, 1.0))
    assert plane_of(grid, acquisition_axis(grid)) == "coronal"
    turned_storage = stored_otherwise(grid, (2, 1, 0), (True, False, True))
    assert plane_of(turned_storage, acquisition_axis(turned_storage)) == "coronal"
    cube = stored_otherwise(axial_grid(spacing=(1, 1, 1)), (1, 2, 0), (False, False, True))
    assert plane_of(cube, acquisition_axis(cube)) == "axial"


def _sheared(scene: Any) -> Any:
    node = volume_of(scene, axial_grid(), name="thing")
    node.SetIToRASDirection(1.0, 0.3, 0.0)
    return node


def _no_volume(scene: Any) -> Any:
    return scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "thing")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (without_image, "no voxels"),
        (without_voxels, "no voxels"),
        (with_components(3), "3 values per voxel"),
        (_sheared, "perpendicular"),
        (_no_volume, "not a volume"),
    ],
)
def test_what_cannot_be_used_is_named(scene: Any, make: Any, words: str) -> None:
    with pytest.raises(InputError, match=f"thing.*{words}|{words}.*thing"):
        snapshot(make(scene))


def test_no_volume_is_said_plainly() -> None:
    with pytest.raises(InputError, match="choose one"):
        snapshot(None)


def test_the_snapshot_outlives_the_node(scene: Any) -> None:
    node = volume_of(scene, axial_grid())
    taken = snapshot(node)
    scene.RemoveNode(node)
    del node
    np.testing.assert_array_equal(taken.array, phantom_volume(axial_grid()).array)


def test_a_labelmap_volume_is_a_volume(scene: Any) -> None:
    node = slicer.vtkMRMLLabelMapVolumeNode()
    scene.AddNode(node)
    node.SetAndObserveImageData(image_data(np.zeros((2, 3, 4), np.uint8)))
    assert snapshot(node).array.shape == (2, 3, 4)
