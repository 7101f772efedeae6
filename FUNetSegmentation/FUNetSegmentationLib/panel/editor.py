"""The Segment Editor inside the panel."""

from __future__ import annotations

from typing import Any

import slicer

_TAG = "FUNetSegmentation"
_NODE_CLASS = "vtkMRMLSegmentEditorNode"


class EmbeddedEditor:
    """Keeps the Segment Editor on the chosen segmentation and volume.

    Args:
        widget: a ``qMRMLSegmentEditorWidget``.
    """

    def __init__(self, widget: Any) -> None:
        self._widget = widget

    @property
    def node(self) -> Any:
        """The node with the settings of the editor, such as its masks."""
        return self._widget.mrmlSegmentEditorNode()

    def edit(self, segmentation_node: Any, volume_node: Any) -> None:
        """Edit a segmentation on a volume; ``None`` for none."""
        if self.node is None:
            self._widget.setMRMLSegmentEditorNode(_editor_node(slicer.mrmlScene))
        if self._widget.segmentationNode() is not segmentation_node:
            self._widget.setSegmentationNode(segmentation_node)
        if segmentation_node is not None and self._widget.sourceVolumeNode() is not volume_node:
            self._widget.setSourceVolumeNode(volume_node)

    def save_state(self, segmentation_node: Any) -> bool:
        """Make the present state of a segmentation one that Undo goes back to.

        Returns:
            Whether the editor edits this segmentation, and did so.
        """
        if self.node is None or self._widget.segmentationNode() is not segmentation_node:
            return False
        self._widget.saveStateForUndo()
        return True

    def enter(self) -> None:
        """Take the keyboard shortcuts of the Segment Editor, and show what it is on."""
        self._widget.installKeyboardShortcuts()
        self._widget.updateWidgetFromMRML()

    def leave(self) -> None:
        """Put the tool down and give the keyboard shortcuts back."""
        self._widget.setActiveEffect(None)
        self._widget.uninstallKeyboardShortcuts()
        self._widget.removeViewObservations()

    def let_go(self) -> None:
        """Forget the scene that is being closed."""
        self._widget.setSegmentationNode(None)
        self._widget.removeViewObservations()


def _editor_node(scene: Any) -> Any:
    node = scene.GetSingletonNode(_TAG, _NODE_CLASS)
    if node is None:
        node = scene.CreateNodeByClass(_NODE_CLASS)
        node.UnRegister(None)  # the scene made it with a reference of its own
        node.SetSingletonTag(_TAG)
        node = scene.AddNode(node)
    return node
