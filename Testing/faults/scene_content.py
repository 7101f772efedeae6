"""Everything in a scene, to see that a fault changed nothing of it."""

from __future__ import annotations

from typing import Any

from scene_nodes import own_labelmap
from vtk.util import numpy_support

from FUNetSegmentationLib.scene.structures import tag

_RECORD = "FUNetSegmentation.Record"


def scene_content(scene: Any) -> dict[str, bytes]:
    """What every node says of itself and all voxels, but the settings that the panel remembers."""
    found: dict[str, bytes] = {}
    for number in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(number)
        if node.IsA("vtkMRMLScriptedModuleNode"):
            continue
        found[node.GetID()] = _attributes(node)
        picture = node.GetImageData() if node.IsA("vtkMRMLVolumeNode") else None
        scalars = None if picture is None else picture.GetPointData().GetScalars()
        if scalars is not None:
            found[f"{node.GetID()} voxels"] = numpy_support.vtk_to_numpy(scalars).tobytes()
        if node.IsA("vtkMRMLSegmentationNode"):
            found.update(_segments(node))
    return found


def _attributes(node: Any) -> bytes:
    names = list(node.GetAttributeNames())
    own = [node.GetClassName(), node.GetName()]
    if node.IsA("vtkMRMLTransformableNode"):
        own.append(node.GetTransformNodeID())
    if node.IsA("vtkMRMLVolumeNode"):
        own += [node.GetOrigin(), node.GetSpacing()]
    return repr([*own, *((name, node.GetAttribute(name)) for name in names)]).encode()


def _segments(node: Any) -> dict[str, bytes]:
    segmentation = node.GetSegmentation()
    found = {}
    for number in range(segmentation.GetNumberOfSegments()):
        segment_id = segmentation.GetNthSegmentID(number)
        segment = segmentation.GetSegment(segment_id)
        image = segment.GetRepresentation("Binary labelmap")
        what = (segment.GetName(), segment.GetColor(), image.GetExtent(), tag(segment, _RECORD))
        key = f"{node.GetID()} {number} {segment_id}"
        found[key] = repr(what).encode() + own_labelmap(node, segment_id).tobytes()
    return found
