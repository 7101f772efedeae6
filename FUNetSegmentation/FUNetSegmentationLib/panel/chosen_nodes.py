"""Keeps volume and segmentation together: who changes one gets the other that belongs to it."""

from __future__ import annotations

from typing import Any

import slicer

from ..scene.history import ReviewHistory
from ..scene.segmentation_nodes import alive
from .context import PanelContext

_VOLUME = "vtkMRMLScalarVolumeNode"


class ChosenNodes:
    """The volume and the segmentation that the parameters name.

    Args:
        context: of the panel.

    Attributes:
        volume, segmentation: the nodes, or ``None``.
    """

    def __init__(self, context: PanelContext) -> None:
        self.volume: Any = None
        self.segmentation: Any = None
        self._context = context

    def take_over(self) -> bool:
        """Take the nodes of the scene as they are; whether one is another than before."""
        before = self.volume, self.segmentation
        self.volume, self.segmentation = self._context.chosen
        self._tie()
        return before != (self.volume, self.segmentation)

    def choose_volume(self) -> None:
        """If no volume is chosen, choose the first of the scene."""
        parameters = self._context.parameters
        if parameters is not None and parameters.inputVolume is None:
            parameters.inputVolume = _first_volume(slicer.mrmlScene)

    def update(self) -> bool:
        """Notice that the user or a task chose others; whether one has changed."""
        context = self._context
        if context.volume is self.volume and context.segmentation is self.segmentation:
            return False
        if context.segmentation is not self.segmentation:
            self._follow_segmentation()
        else:
            self._follow_volume()
        self.take_over()
        return True

    def _follow_segmentation(self) -> None:
        node = self._context.segmentation
        own = ReviewHistory(node).volume_node if alive(node) else None
        if own is not None:
            self._context.parameters.inputVolume = own

    def _follow_volume(self) -> None:
        volume, node = self._context.volume, self._context.segmentation
        if volume is None:
            return
        if alive(node):
            history = ReviewHistory(node)
            if not history.settled or history.volume_node in (None, volume):
                return
        self._context.parameters.segmentation = _segmentation_of(volume)

    def _tie(self) -> None:
        """Give a segmentation that belongs to no volume yet to the chosen one."""
        if not (alive(self.segmentation) and alive(self.volume)):
            return
        history = ReviewHistory(self.segmentation)
        if history.settled and history.volume_node is not None:
            return
        if self.segmentation.GetSegmentation().GetNumberOfSegments():
            history.guess_volume(self.volume)  # the drawing has a geometry of its own
        else:
            self.segmentation.SetReferenceImageGeometryParameterFromVolumeNode(self.volume)


def _first_volume(scene: Any) -> Any:
    volumes = (
        node
        for node in _nodes(scene, _VOLUME)
        # Label maps are volumes, too, and what a reader is still filling has no voxels yet.
        if node.GetClassName() == _VOLUME and node.GetImageData() and not node.GetHideFromEditors()
    )
    return next(volumes, None)


def _nodes(scene: Any, kind: str) -> list[Any]:
    count = scene.GetNumberOfNodesByClass(kind)
    return [scene.GetNthNodeByClass(n, kind) for n in range(count)]


def _segmentation_of(volume_node: Any) -> Any:
    scene = volume_node.GetScene()
    if scene is None:
        return None
    nodes = _nodes(scene, "vtkMRMLSegmentationNode")
    own = [node for node in nodes if ReviewHistory(node).volume_node is volume_node]
    return own[-1] if own else None
