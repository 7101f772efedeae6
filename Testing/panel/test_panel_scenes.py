"""The panel's Segment Editor beside loaded scenes, a reloaded module, and Slicer's own editor."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import host
import pytest
import slicer
from panel_scene import CORRECTED, add_boxes, labels_of
from panel_tools import Desk
from PySide6 import QtGui


@pytest.fixture(autouse=True)
def _attribute_style() -> None:
    host.use_attribute_style(__name__)


def load_again(folder: Path) -> None:
    """Save the scene of the application, and open it in place of what is there."""
    scene = slicer.mrmlScene
    path = folder / "scene.mrb"
    assert scene.WriteToMRB(str(path))
    scene.SetURL(scene.UnpackSlicerDataBundle(str(path), str(folder)))
    assert scene.Connect()


def test_the_editor_is_on_the_chosen_segmentation_after_a_scene_is_loaded(
    desk: Desk, tmp_path: Path
) -> None:
    from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation

    volume = add_boxes()
    for name in "AB":
        create_segmentation(volume, name).GetSegmentation().AddEmptySegment()
    desk.choose(volume, slicer.util.getNode("B"))
    load_again(tmp_path)
    host.spin(0.05)
    second = slicer.util.getNode("B")
    assert second is not None
    assert desk.parameters.segmentation is second
    assert desk.ui.segmentEditorWidget.segmentationNode() is second
    assert desk.ui.segmentEditorWidget.sourceVolumeNode() is desk.parameters.inputVolume


def test_a_reloaded_panel_is_as_alive_as_before(desk: Desk) -> None:
    desk.widget = again = host.reload_module(desk.widget)
    keys = again.ui.reviewTable.findChildren(QtGui.QShortcut)
    assert keys and all(shortcut.enabled for shortcut in keys)
    slicer.mrmlScene.Clear(0)
    volume = add_boxes()
    host.spin(0.05)
    assert again.ui.inputVolumeSelector.currentNode() is volume
    assert again.ui.segmentButton.enabled


def test_a_panel_that_is_reloaded_behind_another_module_stays_quiet(desk: Desk) -> None:
    desk.widget.parent.exit()
    desk.widget = host.reload_module(desk.widget)
    add_boxes()
    host.spin(0.05)
    assert desk.parameters.inputVolume is None


@pytest.fixture
def editor_module(segmented: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Slicer's own module Segment Editor, opened on the segmentation of the panel."""
    node = slicer.vtkMRMLSegmentEditorNode()
    node.SetSingletonTag("SegmentEditor")
    editor = slicer.qMRMLSegmentEditorWidget()
    editor.setMRMLScene(slicer.mrmlScene)
    editor.setMRMLSegmentEditorNode(slicer.mrmlScene.AddNode(node))
    panel = types.SimpleNamespace(editor=editor)
    monkeypatch.setattr(slicer.modules, "SegmentEditorWidget", panel, raising=False)
    segmented.widget.parent.exit()
    editor.setSegmentationNode(segmented.segmentation)
    yield editor
    editor.setMRMLScene(None)
    editor.setMRMLSegmentEditorNode(None)
    editor.deleteLater()


def erase_a_slice(desk: Desk, index: int) -> None:
    """Let a slice be empty, and count as predicted."""
    from scene_nodes import paint

    from FUNetSegmentationLib.scene.segmentation_nodes import existing_segments

    node, volume = desk.segmentation, desk.ui.inputVolumeSelector.currentNode()
    for segment_id in existing_segments(node):
        paint(node, segment_id, volume, 0, index, erase=True)
    desk.logic.setSliceState(node, index, "predicted")


def test_an_update_can_be_undone_in_slicers_own_editor(segmented: Desk, editor_module: Any) -> None:
    node, volume = segmented.segmentation, segmented.ui.inputVolumeSelector.currentNode()
    erase_a_slice(segmented, CORRECTED - 1)
    before = labels_of(node, volume)
    segmented.logic.update(node, device="cpu")
    assert (labels_of(node, volume) != before).any()
    editor_module.undo()
    assert (labels_of(node, volume) == before).all()


def test_an_update_respects_the_masks_of_slicers_own_editor(
    segmented: Desk, editor_module: Any
) -> None:
    node, volume = segmented.segmentation, segmented.ui.inputVolumeSelector.currentNode()
    erase_a_slice(segmented, CORRECTED - 1)
    before = labels_of(node, volume)
    settings = editor_module.mrmlSegmentEditorNode()
    settings.SetSourceVolumeIntensityMask(True)
    settings.SetSourceVolumeIntensityMaskRange(1e6, 2e6)  # nothing is that bright
    segmented.logic.update(node, device="cpu")
    assert (labels_of(node, volume) == before).all()
    segmented.widget.parent.enter()  # now those of the panel count, which masks nothing
    segmented.logic.update(node, device="cpu")
    assert (labels_of(node, volume) != before).any()
