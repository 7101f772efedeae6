"""Notices that somebody draws or renames, with whatever tool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer

_CALM_MS = 300  # a stroke of the brush is many changes
_EVENTS = (
    "SourceRepresentationModified",
    "MasterRepresentationModified",  # its name before Slicer 5.4
    "SegmentAdded",
    "SegmentRemoved",
    "SegmentModified",  # such as its name, by which a model knows it
)


class CorrectionWatcher:
    """Calls a function when the drawing in a segmentation node has changed and come to rest.

    Args:
        changed: called without arguments.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._node: Any = None
        self._tags: list[int] = []
        self._timer = qt.QTimer()
        self._timer.interval = _CALM_MS
        self._timer.timeout.connect(self._on_calm)

    def watch(self, segmentation_node: Any) -> None:
        """Watch this node and no other; ``None`` watches none."""
        if segmentation_node is self._node:
            return
        self._timer.stop()
        if self._node is not None:
            for tag in self._tags:
                self._node.RemoveObserver(tag)
        self._node, self._tags = segmentation_node, []
        if segmentation_node is not None:
            kinds = [getattr(slicer.vtkSegmentation, name, None) for name in _EVENTS]
            self._tags = [
                segmentation_node.AddObserver(kind, self._on_changed)
                for kind in kinds
                if kind is not None
            ]

    def _on_changed(self, *_args: object) -> None:
        self._timer.start()

    def _on_calm(self, *_args: object) -> None:
        self._timer.stop()
        self._changed()
