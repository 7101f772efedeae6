"""The Segment Editor inside the panel."""

from __future__ import annotations

from typing import Any

import slicer

_TAG = "FUNetSegmentation"
_MODULES_TAG = "SegmentEditor"  # of the node that Slicer's own module Segment Editor uses
_NODE_CLASS = "vtkMRMLSegmentEditorNode"


class EmbeddedEditor:
    """Keeps the Segment Editor on the chosen segmentation and volume.

    Args:
        widget: a ``qMRMLSegmentEditorWidget``.
    """

    def __init__(self, widget: Any) -> None:
        self._widget = widget
        self._entered = False

    @property
    def node(self) -> Any:
        """The node with the settings of the editor, such as its masks."""
        return self._widget.mrmlSegmentEditorNode()

    @property
    def node_in_use(self) -> Any:
        """The node with the settings that the user draws with: those of the module that is open.

        While the panel is not, that is Slicer's own Segment Editor, if it edits the same.
        """
        other = slicer.mrmlScene.GetSingletonNode(_MODULES_TAG, _NODE_CLASS)
        if self._entered or other is None:
            return self.node
        edits_same = other.GetSegmentationNode() is self._widget.segmentationNode()
        return other if edits_same else self.node

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
            Whether this editor, or that of Slicer's own module, edits the segmentation and did so.
        """
        widgets = [
            widget
            for widget in (self._widget, _widget_of_module())
            if widget is not None
            and widget.mrmlSegmentEditorNode() is not None
            and widget.segmentationNode() is segmentation_node
        ]
        for widget in widgets:
            widget.saveStateForUndo()
        return bool(widgets)

    def enter(self) -> None:
        """Take the keyboard shortcuts of the Segment Editor, and show what it is on."""
        self._entered = True
        self._widget.installKeyboardShortcuts()
        self._widget.updateWidgetFromMRML()

    def leave(self) -> None:
        """Put the tool down and give the keyboard shortcuts back."""
        self._entered = False
        self._widget.setActiveEffect(None)
        self._widget.uninstallKeyboardShortcuts()
        self._widget.removeViewObservations()

    def let_go(self) -> None:
        """Forget the scene that is being closed."""
        self._widget.setSegmentationNode(None)
        self._widget.removeViewObservations()


def _widget_of_module() -> Any:
    """The editor of Slicer's own module; ``None`` as long as that was never opened."""
    panel = getattr(slicer.modules, "SegmentEditorWidget", None)
    return getattr(panel, "editor", None)


def _editor_node(scene: Any) -> Any:
    node = scene.GetSingletonNode(_TAG, _NODE_CLASS)
    if node is None:
        node = scene.CreateNodeByClass(_NODE_CLASS)
        node.UnRegister(None)  # the scene made it with a reference of its own
        node.SetSingletonTag(_TAG)
        node = scene.AddNode(node)
    return node
