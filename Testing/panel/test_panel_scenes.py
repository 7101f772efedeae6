"""The panel and its Segment Editor while scenes are loaded, and after the module is reloaded."""

from __future__ import annotations

from pathlib import Path

import host
import pytest
import slicer
from panel_scene import add_boxes
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
