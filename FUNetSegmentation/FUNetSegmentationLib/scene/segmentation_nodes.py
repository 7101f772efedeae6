"""Segmentation nodes: making one for a volume, and what versions of 3D Slicer name differently."""

from __future__ import annotations

from typing import Any

import slicer

from funet.errors import InputError

from ..translation import tr as _
from .lattices import Matrix
from .volumes import called, is_a, transform_between, voxel_matrix

BINARY_LABELMAP = "Binary labelmap"
REFERENCE_GEOMETRY = "Reference image geometry"


def create_segmentation(volume_node: Any, name: str) -> Any:
    """Make an empty segmentation node for a volume.

    It has the grid and the parent transform of the volume, lies under it in the subject hierarchy,
    and is shown.

    Args:
        volume_node: a volume in a scene.
        name: name of the new node; a number is added if the scene has a node of that name.
    """
    scene = volume_node.GetScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    parent = _item_of(hierarchy, volume_node)
    hierarchy.SetItemParent(_item_of(hierarchy, node), parent)
    return node


def _item_of(hierarchy: Any, node: Any) -> int:
    # The application gives every node an item at once; a scene without it does not.
    item = hierarchy.GetItemByDataNode(node)
    return item or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)


def alive(node: Any) -> bool:
    """Whether a node is still in a scene."""
    if not is_a(node, "vtkMRMLNode") or node.GetScene() is None:
        return False
    return bool(node.GetScene().GetNodeByID(node.GetID()) is node)


def existing_segments(segmentation_node: Any) -> dict[str, Any]:
    """The segments of a node by their IDs, in their order.

    Raises:
        InputError: if there is no segmentation.
    """
    if segmentation_node is None:
        raise InputError(_("No segmentation is chosen; choose one."))
    if not is_a(segmentation_node, "vtkMRMLSegmentationNode"):
        raise InputError(
            _("{name} is not a segmentation; choose a segmentation.").format(
                name=called(segmentation_node)
            )
        )
    segmentation = segmentation_node.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    return {segment_id: segmentation.GetSegment(segment_id) for segment_id in ids}


def is_labelmap(segmentation_node: Any) -> bool:
    """Whether the segments are kept as voxels, not as surfaces."""
    segmentation = segmentation_node.GetSegmentation()
    # "Master" became "source" in Slicer 5.4.
    name = getattr(segmentation, "GetSourceRepresentationName", None)
    return (name or segmentation.GetMasterRepresentationName)() == BINARY_LABELMAP


def place_of(volume_node: Any, segmentation_node: Any) -> Matrix:
    """The matrix from array indices (i, j, k) of a volume to RAS mm of a segmentation node.

    Raises:
        InputError: if a transform that bends space lies between them.
    """
    matrix = transform_between(
        volume_node.GetParentTransformNode(), segmentation_node.GetParentTransformNode()
    )
    if matrix is None:
        raise InputError(
            _(
                "Between the volume {volume} and the segmentation {segmentation} lies a transform "
                "that bends space; put both under the same transform, or harden it."
            ).format(volume=volume_node.GetName(), segmentation=segmentation_node.GetName())
        )
    return matrix @ voxel_matrix(volume_node)
