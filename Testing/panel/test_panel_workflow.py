"""A day at the panel: real widgets, the real background process, a tiny model, a real scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import host
import numpy as np
import pytest
import slicer
from panel_scene import add_boxes, boxes, correct, labels_of, write_boxes
from panel_tools import Desk
from threshold_models import publish

CORRECTED = 4


@pytest.fixture(autouse=True)
def _attribute_style() -> None:
    host.use_attribute_style(__name__)


def test_a_volume_that_is_loaded_while_the_panel_is_open_is_chosen(desk: Desk) -> None:
    assert desk.parameters.inputVolume is None
    assert not desk.ui.segmentButton.enabled
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "without voxels")
    label_map = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    slicer.util.updateVolumeFromArray(label_map, boxes())
    volume = add_boxes()
    host.spin(0.05)
    assert desk.parameters.inputVolume is volume
    assert desk.ui.segmentButton.enabled
    add_boxes()
    host.spin(0.05)
    assert desk.parameters.inputVolume is volume, "the choice of the user is not changed"


@pytest.mark.parametrize("version", ["5.2.2", "5.10"])
def test_segment_correct_accept_retrain_roll_back(
    open_panel: Callable[..., Desk], version: str
) -> None:
    desk = open_panel(version)
    host.use_attribute_style(__name__)
    ui = desk.ui
    volume = add_boxes()
    host.spin(0.05)
    desk.choose(volume)
    assert ui.modelSelector.currentText == "Boxes axial", "the model that fits is not chosen"

    said = desk.press_and_wait("segmentButton")
    node = desk.segmentation
    assert node is not None
    assert node.GetName() in said
    assert node is desk.parameters.segmentation
    predicted = labels_of(node, volume)
    assert (predicted == boxes()).all()
    assert ui.segmentEditorWidget.segmentationNode() is node
    assert ui.segmentEditorWidget.sourceVolumeNode() is volume
    assert len(desk.rows()) == len(predicted)
    assert not ui.retrainButton.enabled

    correct(node, volume, CORRECTED)
    assert "1 corrected" in ui.reviewSummaryLabel.text
    assert ui.retrainButton.enabled
    desk.choose_slice(2)
    desk.press("acceptSliceButton")
    assert desk.logic.acceptedSlices(node) == (2,)
    assert "1 accepted" in ui.reviewSummaryLabel.text
    ui.reviewFilter.currentText = "Accepted"
    assert [row[2] for row in desk.rows() if "Accepted" in row[2]] == ["● Accepted"]
    ui.reviewFilter.currentText = "To review"
    corrected = labels_of(node, volume)

    desk.parameters.steps = 2
    desk.press_and_wait("retrainButton")
    assert ui.modelSelector.currentText == "Boxes axial, version 2"
    assert desk.parameters.model == "boxes.v2"
    assert "It learned from 2 slices." in ui.retrainResultLabel.text
    assert not ui.plotFrame.isHidden()
    now = labels_of(node, volume)
    assert (now[[2, CORRECTED]] == corrected[[2, CORRECTED]]).all(), "a judged slice was changed"

    ui.segmentEditorWidget.undo()
    assert (labels_of(node, volume) == corrected).all(), "one Undo does not take the update back"
    ui.segmentEditorWidget.redo()
    host.spin(0.4)

    said = desk.press_and_wait("rollBackButton")
    assert "version 1" in said
    assert ui.modelSelector.currentText == "Boxes axial"
    others = [k for k in range(len(predicted)) if k not in (2, CORRECTED)]
    assert (labels_of(node, volume)[others] == predicted[others]).all()
    assert not ui.rollBackButton.enabled


def test_the_panel_tells_that_other_slices_follow_a_corrected_one(
    models: Path, open_panel: Callable[..., Desk]
) -> None:
    publish(models, family="in-turn", successive="sagittal")
    desk = open_panel()
    host.use_attribute_style(__name__)
    volume = add_boxes()
    host.spin(0.05)
    desk.choose(volume)
    hint = "press Segment, and all other slices follow"
    for model, told in (("boxes", False), ("in-turn", True)):
        desk.ui.modelSelector.currentIndex = desk.ui.modelSelector.findData(model)
        desk.ui.modelSelector.activated.emit(desk.ui.modelSelector.currentIndex)
        desk.press_and_wait("segmentButton")
        assert hint not in desk.ui.retrainStateLabel.text
        correct(desk.segmentation, volume, CORRECTED)
        assert "1 slice will teach" in desk.ui.retrainStateLabel.text
        assert (hint in desk.ui.retrainStateLabel.text) == told
        desk.parameters.segmentation = None


def test_nothing_found_is_said_with_what_to_do(desk: Desk) -> None:
    volume = add_boxes("another contrast")
    slicer.util.updateVolumeFromArray(volume, np.zeros_like(slicer.util.arrayFromVolume(volume)))
    host.spin(0.05)
    desk.choose(volume)
    said = desk.press_and_wait("segmentButton")
    assert not labels_of(desk.segmentation, volume).any()
    assert "is ready.\nNo structure was found in another contrast; if it shows one, draw it" in said


def test_batch_shows_each_file_and_skips_what_is_done(desk: Desk, tmp_path: Path) -> None:
    write_boxes(tmp_path / "in", "a é 中.nii.gz", "b.nii.gz")
    (tmp_path / "in" / "bad.nii.gz").write_bytes(b"no image")
    desk.ui.batchInputPathEdit.currentPath = str(tmp_path / "in")
    assert not desk.ui.batchButton.enabled
    desk.ui.batchOutputPathEdit.currentPath = str(tmp_path / "out")
    desk.ui.modelSelector.currentIndex = desk.ui.modelSelector.findData("boxes")
    said = desk.press_and_wait("batchButton")
    assert said.startswith("2 segmented, 0 skipped, 1 failed.")
    assert sorted(row[0] for row in desk.rows("batchTable")) == [
        "a é 中.nii.gz", "b.nii.gz", "bad.nii.gz",
    ]  # fmt: skip
    assert len(list((tmp_path / "out").glob("*_boxes.nii.gz"))) == 2
    said = desk.press_and_wait("batchButton")
    assert said.startswith("0 segmented, 2 skipped, 1 failed.")
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


@pytest.mark.parametrize("name", ["batchInput", "batchOutput"])
def test_an_emptied_path_of_many_files_stays_empty(desk: Desk, name: str) -> None:
    edit = getattr(desk.ui, f"{name}PathEdit")
    edit.currentPath = "/data"
    edit.currentPath = ""
    assert getattr(desk.parameters, name) == ""
    desk.parameters.seed = 3
    host.spin()
    assert edit.currentPath == ""
    desk.check_buttons()


def test_a_new_model_from_drawn_slices(desk: Desk) -> None:
    from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation

    volume = add_boxes()
    node = create_segmentation(volume, "drawing")
    node.GetSegmentation().AddEmptySegment("nucleus", "Red nucleus")
    host.spin(0.05)
    desk.choose(volume, node)
    assert "Red nucleus" in desk.ui.newModelStateLabel.text
    assert not desk.ui.trainButton.enabled
    correct(node, volume, 2, 3, 4, 5)
    assert "4 corrected" in desk.ui.reviewSummaryLabel.text
    desk.ui.newModelNameEdit.text = "Red"
    desk.ui.newModelNameEdit.cursorPosition = 1
    desk.parameters.seed = 3
    host.spin()
    assert desk.ui.newModelNameEdit.cursorPosition == 1, "who types in the middle stays there"
    desk.ui.newModelNameEdit.text = "Red nucleus"
    assert desk.parameters.newModelName == "Red nucleus"
    desk.parameters.epochs = 1
    said = desk.press_and_wait("trainButton")
    assert said.startswith("The new model “Red nucleus” is ready"), said
    assert desk.ui.modelSelector.currentText == "Red nucleus"


def test_an_error_is_said_in_the_panel(desk: Desk) -> None:
    volume = add_boxes()
    host.spin(0.05)
    desk.choose(volume)
    voxels = slicer.util.arrayFromVolume(volume)
    voxels[:] = np.nan
    slicer.util.arrayFromVolumeModified(volume)
    said = desk.press_and_wait("segmentButton")
    assert said
    assert desk.segmentation is None
    assert desk.ui.segmentButton.enabled


def test_another_volume_brings_its_own_segmentation_back(desk: Desk) -> None:
    one, other = add_boxes("one"), add_boxes("other")
    host.spin(0.05)
    desk.choose(one)
    desk.press_and_wait("segmentButton")
    first = desk.segmentation
    desk.choose(other)
    assert desk.segmentation is None
    assert desk.rows() == []
    desk.choose(one)
    assert desk.segmentation is first
    assert desk.rows()
    desk.choose(other)
    desk.choose(segmentation_node=first)
    assert desk.ui.inputVolumeSelector.currentNode() is one
