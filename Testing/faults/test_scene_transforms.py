"""Volumes under transforms: image and segmentation stay together in the world, or it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from numpy.typing import NDArray
from scene_content import scene_content
from scene_nodes import (
    as_array,
    ijk_to_ras,
    own_labelmap,
    paint,
    turned,
    under,
    under_bent_space,
    volume_of,
)
from sentences import assert_plain
from threshold_models import PLANES, boxes, image, labels_of

from funet.errors import InputError
from FUNetSegmentationLib.scene.volumes import snapshot
from FUNetSegmentationLib.workflow.logic import SegmentationLogic

from phantoms import all_storages, axial_grid, oblique_grid

_SHEAR = np.eye(4) + np.eye(4, k=1) * [0, 0.3, 0, 0]
_MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])
_QUARTER = np.array([[0, 0, 1.0, 5], [1, 0, 0, -3], [0, 1, 0, 11], [0, 0, 0, 1]])
_ZOOM = np.diag([1.5, 1.0, 0.8, 1.0])


@pytest.fixture
def a_volume(scene: Any) -> Any:
    return volume_of(scene, array=image())


def in_world(node: Any, indices: NDArray[Any], to_local: NDArray[Any]) -> NDArray[np.float64]:
    """World positions of voxels (i, j, k) of a node or of an image of it."""
    to_world = vtk.vtkMatrix4x4()
    parent = node.GetParentTransformNode()
    if parent is not None:
        parent.GetMatrixTransformToWorld(to_world)
    points = np.column_stack([indices, np.ones(len(indices))])
    return (as_array(to_world) @ to_local @ points.T).T[:, :3]


def positions_of_segment(node: Any, number: int) -> NDArray[np.float64]:
    segment_id = node.GetSegmentation().GetNthSegmentID(number)
    picture = node.GetSegmentation().GetSegment(segment_id).GetRepresentation("Binary labelmap")
    lattice = vtk.vtkMatrix4x4()
    picture.GetImageToWorldMatrix(lattice)
    start = picture.GetExtent()[4::-2]
    filled = np.argwhere(own_labelmap(node, segment_id)) + start
    return in_world(node, filled[:, ::-1], as_array(lattice))


def positions_of_box(volume_node: Any, value: int) -> NDArray[np.float64]:
    """Where the voxels are that are bright, by what the volume says of itself."""
    array = slicer.util.arrayFromVolume(volume_node)
    ramp = image() - 100.0 * boxes()
    bright = np.argwhere(np.rint((array - ramp) / 100) == value)
    return in_world(volume_node, bright[:, ::-1], ijk_to_ras(volume_node))


def as_set(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points[np.lexsort(np.round(points, 3).T)]


@pytest.mark.case(22)
@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize(
    "matrix",
    [turned(), _QUARTER, _MIRROR, _ZOOM],
    ids=["turned", "quarter turn", "mirror", "zoom"],
)
def test_under_a_linear_transform_the_boxes_are_found_where_they_are_in_the_world(
    logic: SegmentationLogic, a_volume: Any, matrix: NDArray[Any], plane: str
) -> None:
    under(matrix, a_volume)
    node = logic.segment(a_volume, model=f"boxes-{plane}", device="cpu")
    np.testing.assert_array_equal(labels_of(node, a_volume), boxes())
    for value in (1, 2):
        found, there = positions_of_segment(node, value - 1), positions_of_box(a_volume, value)
        np.testing.assert_allclose(as_set(found), as_set(there), atol=1e-3)


@pytest.mark.case(22)
def test_the_plane_is_that_of_the_world(logic: SegmentationLogic, a_volume: Any) -> None:
    under(_QUARTER, a_volume)
    node = logic.segment(a_volume, model="boxes-axial", device="cpu")
    axis = snapshot(a_volume).geometry.voxel_axes()[2]
    assert len(logic.review(node)) == image().shape[2 - axis] == 14


@pytest.mark.case(22)
@pytest.mark.parametrize("matrix", [turned(), turned(0, (0.4, 0, 0))], ids=["turned", "shifted"])
def test_a_volume_that_was_moved_away_from_its_segmentation_is_refused(
    logic: SegmentationLogic, scene: Any, a_volume: Any, matrix: NDArray[Any]
) -> None:
    node = logic.segment(a_volume, model="boxes", device="cpu")
    under(matrix, a_volume)
    before = scene_content(scene)
    with pytest.raises(InputError, match="was moved away from its segmentation") as caught:
        logic.segment(a_volume, model="boxes", segmentationNode=node, device="cpu")
    assert_plain(str(caught.value))
    assert scene_content(scene) == before
    node.SetAndObserveTransformNodeID(a_volume.GetTransformNodeID())
    assert logic.segment(a_volume, model="boxes", segmentationNode=node, device="cpu") is node


@pytest.mark.case(21)
@pytest.mark.parametrize("bend", [under_bent_space, lambda *nodes: under(_SHEAR, *nodes)])
def test_under_a_transform_that_bends_or_shears_the_labels_follow_the_voxels(
    logic: SegmentationLogic, a_volume: Any, bend: Any
) -> None:
    bend(a_volume)
    node = logic.segment(a_volume, model="boxes", device="cpu")
    assert node.GetTransformNodeID() == a_volume.GetTransformNodeID()
    np.testing.assert_array_equal(labels_of(node, a_volume), boxes())


@pytest.fixture
def bent_apart(logic: SegmentationLogic, a_volume: Any) -> Iterator[Any]:
    """A segmentation whose volume went under a grid transform alone, with one slice corrected."""
    node = logic.segment(a_volume, model="boxes", device="cpu")
    paint(node, node.GetSegmentation().GetNthSegmentID(0), a_volume, 0, 4)
    under_bent_space(a_volume)
    return node


@pytest.mark.case(21)
@pytest.mark.parametrize("what", ["segment", "review", "retrain", "update"])
def test_bent_space_between_image_and_segmentation_is_refused_and_nothing_changes(
    logic: SegmentationLogic, scene: Any, a_volume: Any, bent_apart: Any, what: str
) -> None:
    before = scene_content(scene)
    calls = {
        "segment": lambda: logic.segment(a_volume, "boxes", segmentationNode=bent_apart),
        "review": lambda: logic.review(bent_apart),
        "retrain": lambda: logic.retrain(bent_apart, device="cpu"),
        "update": lambda: logic.update(bent_apart, device="cpu"),
    }
    if what == "update":
        task = logic.update(bent_apart, device="cpu", waitForCompletion=False)
        task.wait()
        (note,) = task.notes
        _name, said = note.split(" was not updated: ")
    else:
        with pytest.raises(InputError) as caught:
            calls[what]()
        said = str(caught.value)
    assert "lies a transform that bends space" in said
    assert_plain(said)
    assert scene_content(scene) == before
    bent_apart.SetAndObserveTransformNodeID(a_volume.GetTransformNodeID())
    assert logic.correctedSlices(bent_apart) == (4,)


@pytest.mark.case(21)
def test_a_volume_whose_own_axes_are_not_perpendicular_is_refused(
    logic: SegmentationLogic, scene: Any, a_volume: Any
) -> None:
    a_volume.SetIToRASDirection(1.0, 0.3, 0.0)
    before = scene_content(scene)
    with pytest.raises(InputError, match="not perpendicular") as caught:
        logic.segment(a_volume, model="boxes", device="cpu")
    assert_plain(str(caught.value))
    assert scene_content(scene) == before


@pytest.mark.case(18, 20)
@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize(
    "grid",
    [oblique_grid(), *list(all_storages(axial_grid()))[13:37:23]],
    ids=["oblique", "another order", "left-handed"],
)
def test_in_the_scene_the_labels_of_any_orientation_come_out_exactly(
    logic: SegmentationLogic, scene: Any, grid: Any, plane: str
) -> None:
    volume_node = volume_of(scene, grid, image(grid))
    node = logic.segment(volume_node, model=f"boxes-{plane}", device="cpu")
    np.testing.assert_array_equal(labels_of(node, volume_node), boxes(grid))
