"""Which volume and segmentation are chosen, and what is said of those that are not any more."""

from __future__ import annotations

from typing import Any

import host
import pytest
import slicer
from panel_scene import add_boxes, correct
from panel_tools import Desk
from PySide6 import QtCore, QtTest
from scene_nodes import draw
from threshold_models import OTHER_SEGMENTS, boxes

from FUNetSegmentationLib.scene.history import ReviewHistory


@pytest.fixture(autouse=True)
def _attribute_style() -> None:
    host.use_attribute_style(__name__)


def loaded_drawing(volume: Any) -> Any:
    """A segmentation as from a file: it has a geometry, but no volume that it belongs to."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "from a file")
    node.CreateDefaultDisplayNodes()
    ids = {value: node.GetSegmentation().AddEmptySegment() for value in (1, 2)}
    draw(node, volume, ids, boxes())
    node.SetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole(), None)
    return node


def test_a_drawing_without_a_volume_goes_along_until_something_ties_it(desk: Desk) -> None:
    first, second, third = (add_boxes(name) for name in ("first", "second", "third"))
    drawing = loaded_drawing(first)
    desk.choose(first, drawing)
    assert ReviewHistory(drawing).volume_node is first
    desk.choose(second)
    assert desk.segmentation is drawing
    assert ReviewHistory(drawing).volume_node is second
    role = drawing.GetReferenceImageGeometryReferenceRole()
    assert drawing.GetNodeReference(role) is None, "its geometry was replaced"
    desk.logic.acceptSlice(drawing, 5)
    desk.choose(third)
    assert desk.segmentation is None
    desk.choose(segmentation_node=drawing)
    assert desk.parameters.inputVolume is second


def test_who_has_gone_on_to_another_volume_is_not_called_back(desk: Desk) -> None:
    first, second = add_boxes("first"), add_boxes("second")
    desk.choose(first)
    desk.press("segmentButton")
    desk.choose(second)
    desk.wait_until(lambda: not desk.logic.busy)
    assert desk.status.startswith("first Boxes axial is ready")
    assert desk.parameters.inputVolume is second
    assert desk.segmentation is None


def test_what_a_retraining_brought_is_shown_with_its_own_segmentation_only(
    segmented: Desk,
) -> None:
    desk = segmented
    other = add_boxes("another")
    desk.parameters.steps = 2
    desk.press("retrainButton")
    desk.choose(other)
    desk.wait_until(lambda: not desk.logic.busy)
    assert desk.status.startswith("Retrained: The new version is kept")
    assert desk.ui.retrainResultLabel.isHidden()
    assert not desk.ui.keepButton.enabled
    assert desk.parameters.inputVolume is other


def test_the_views_follow_the_list_by_keys_but_not_a_row_that_moves(
    segmented: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, table = segmented, segmented.ui.reviewTable
    visited: list[int] = []
    monkeypatch.setattr(
        "FUNetSegmentationLib.panel.review_section.jump_to_slice",
        lambda _volume, _axis, index: visited.append(index),
    )
    desk.choose_slice(2)
    row = table.currentRow()
    table.setFocus()
    QtTest.QTest.keyClick(table, QtCore.Qt.Key_Down)
    host.spin()
    assert table.currentRow() == row + 1
    chosen = int(table.item(row + 1, 0).text().split()[0]) - 1
    assert visited[-1] == chosen != 2
    desk.press("acceptSliceButton")
    assert desk.logic.acceptedSlices(desk.segmentation) == (chosen,)
    count = len(visited)
    desk.press_and_wait("segmentButton")  # other doubts, perhaps in another order
    correct(desk.segmentation, desk.parameters.inputVolume, 1)
    assert len(visited) == count, "the view was taken away from where the user is"


def test_no_row_is_chosen_in_the_list_of_another_segmentation(segmented: Desk) -> None:
    desk, first = segmented, segmented.parameters.inputVolume
    other = add_boxes("another")
    desk.choose(other)
    desk.press_and_wait("segmentButton")
    desk.choose(first)
    desk.choose_slice(2)
    assert desk.ui.acceptSliceButton.enabled
    desk.choose(other)
    assert desk.ui.reviewTable.currentRow() == -1
    assert not desk.ui.acceptSliceButton.enabled


def test_another_model_shows_the_slices_that_it_predicted(segmented: Desk) -> None:
    desk = segmented
    desk.add_cores()
    assert "1 corrected" in desk.ui.reviewSummaryLabel.text
    for model, summary in (("cores", "0 corrected"), ("boxes", "1 corrected")):
        desk.choose_model(model)
        if model == "cores":
            desk.press_and_wait("segmentButton")
        assert summary in desk.ui.reviewSummaryLabel.text
    assert desk.ui.retrainButton.enabled


def test_the_editor_keeps_its_settings_while_a_scene_is_closed_from_another_module(
    segmented: Desk,
) -> None:
    volume = segmented.parameters.inputVolume
    correct(segmented.segmentation, volume, 6)
    segmented.widget.parent.exit()
    slicer.mrmlScene.Clear(0)
    host.spin()
    # Slicer 5.2 looks into it at the end of every batch, whichever module is open.
    assert segmented.ui.segmentEditorWidget.mrmlSegmentEditorNode() is not None


def test_an_earlier_version_that_was_chosen_stays_chosen_after_segment(segmented: Desk) -> None:
    desk = segmented
    desk.parameters.steps = 2
    desk.press_and_wait("retrainButton")
    desk.choose(add_boxes("old contrast"))
    desk.choose_model("boxes")
    assert not desk.ui.rollBackButton.enabled
    desk.press_and_wait("segmentButton")
    assert ReviewHistory(desk.segmentation).model == "boxes"
    assert desk.parameters.model == "boxes"


def test_a_version_that_is_not_in_use_cannot_be_rolled_back(segmented: Desk) -> None:
    desk = segmented
    desk.parameters.steps = 2
    desk.press_and_wait("retrainButton")
    assert desk.ui.rollBackButton.enabled
    desk.press_and_wait("rollBackButton")
    desk.choose_model("boxes.v2")
    assert "not in use" in desk.ui.rollBackButton.toolTip


def test_a_choice_and_a_result_outlast_a_visit_to_another_module(segmented: Desk) -> None:
    desk = segmented
    desk.add_cores()
    desk.parameters.steps = 2
    desk.press_and_wait("retrainButton")
    desk.widget.parent.exit()
    desk.widget.parent.enter()
    host.spin(0.05)
    assert not desk.ui.retrainResultLabel.isHidden()
    assert desk.ui.keepButton.enabled
    assert "1 corrected" in desk.ui.reviewSummaryLabel.text
    desk.choose(add_boxes("second"))
    desk.choose_model("cores")
    desk.widget.parent.exit()
    desk.widget.parent.enter()
    desk.choose(add_boxes("third"))
    assert desk.parameters.model == "cores"


def test_a_model_without_a_segment_here_learns_only_once_it_has_one(segmented: Desk) -> None:
    desk = segmented
    desk.add_cores()
    desk.choose_model("cores")
    assert "has no segment Large core" in desk.ui.retrainButton.toolTip
    assert "“Cores” cannot learn" in desk.ui.retrainStateLabel.text
    desk.press_and_wait("segmentButton")
    desk.choose_slice(3)
    desk.press("acceptSliceButton")
    assert desk.ui.retrainButton.enabled
    assert "1 slice will teach “Cores”" in desk.ui.retrainStateLabel.text


def test_a_segment_that_is_renamed_is_known_to_the_model_at_once(segmented: Desk) -> None:
    desk = segmented
    desk.add_cores()
    desk.choose_model("cores")
    segmentation = desk.segmentation.GetSegmentation()
    for number, structure in enumerate(OTHER_SEGMENTS):
        assert not desk.ui.retrainButton.enabled
        segmentation.AddEmptySegment(f"drawn-{number}", "anything")
        host.spin(0.4)
        segmentation.GetSegment(f"drawn-{number}").SetName(structure.name)
        host.spin(0.4)
    assert desk.ui.retrainButton.enabled


def test_a_result_goes_when_another_model_is_chosen(segmented: Desk) -> None:
    desk = segmented
    desk.add_cores()
    desk.parameters.steps = 2
    desk.press_and_wait("retrainButton")
    assert desk.ui.keepButton.enabled
    desk.choose_model("cores")
    assert desk.ui.retrainResultLabel.isHidden()
    assert not desk.ui.keepButton.enabled
