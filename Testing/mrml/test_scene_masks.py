"""Masking of the Segment Editor, locks, and Undo."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import slicer
from scene_nodes import (
    draw,
    drawn_phantom,
    ijk_to_ras,
    segmentation_of,
    set_labelmap,
    turned,
    under,
    volume_of,
)

from FUNetSegmentationLib.scene.editing import UndoStore, editable_voxels, is_locked
from FUNetSegmentationLib.scene.labels import read_labels
from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation
from FUNetSegmentationLib.scene.structures import ensure_segments
from FUNetSegmentationLib.scene.writing import write_prediction

from phantoms import SEGMENTS, axial_grid, phantom_labels, phantom_volume

MODES = slicer.vtkMRMLSegmentationNode
OLD = phantom_labels(axial_grid()).array
NEW = np.roll(OLD, 2, axis=1)
REGION = np.zeros(OLD.shape, bool)
REGION[3:9, 2:9, 1:12] = True


@pytest.fixture
def drawn(scene: Any) -> SimpleNamespace:
    """The phantom with a segment "region" of somebody else, and the Segment Editor on it."""
    volume_node, node, ids = drawn_phantom(scene)
    region = node.GetSegmentation().AddEmptySegment("region", "Region")
    set_labelmap(node, region, REGION, ijk_to_ras(volume_node))
    editor = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.SetAndObserveSegmentationNode(node)
    editor.SetAndObserveSourceVolumeNode(volume_node)
    return SimpleNamespace(volume=volume_node, node=node, ids=ids, region=region, editor=editor)


def _editable(drawn: SimpleNamespace, value: int = 1) -> Any:
    return editable_voxels(drawn.node, drawn.ids[value], drawn.volume, drawn.editor)


def _written(drawn: SimpleNamespace) -> tuple[Any, Any]:
    report = write_prediction(
        drawn.node, NEW, drawn.ids, drawn.volume, protected_slices=(), axis=0,
        editor_node=drawn.editor,
    )  # fmt: skip
    return read_labels(drawn.node, drawn.ids, drawn.volume).labels, report


def test_without_masking_everything_may_change(drawn: SimpleNamespace) -> None:
    assert _editable(drawn) is None
    assert editable_voxels(drawn.node, drawn.ids[1], drawn.volume) is None
    np.testing.assert_array_equal(_written(drawn)[0], NEW)


def test_inside_a_single_segment(drawn: SimpleNamespace) -> None:
    drawn.editor.SetMaskMode(MODES.EditAllowedInsideSingleSegment)
    drawn.editor.SetMaskSegmentID(drawn.region)
    np.testing.assert_array_equal(_editable(drawn), REGION)
    labels, report = _written(drawn)
    np.testing.assert_array_equal(labels, np.where(REGION, NEW, OLD))
    assert report.changed_voxels == ((OLD != NEW) & REGION).sum() > 0
    assert report.kept_voxels == ((OLD != NEW) & ~REGION).sum() > 0


def test_outside_all_segments(drawn: SimpleNamespace) -> None:
    drawn.editor.SetMaskMode(MODES.EditAllowedOutsideAllSegments)
    for value in (1, 2):
        others = REGION | ((OLD > 0) & (value != OLD))
        np.testing.assert_array_equal(_editable(drawn, value), ~others)
    labels, _ = _written(drawn)
    # A voxel that would go from one structure to another stays: it lies inside another segment.
    free = ~REGION & ((OLD == 0) | (NEW == 0) | (OLD == NEW))
    assert ((OLD > 0) & (NEW > 0) & (OLD != NEW) & ~REGION).any()
    np.testing.assert_array_equal(labels, np.where(free, NEW, OLD))


def test_outside_visible_segments(drawn: SimpleNamespace) -> None:
    drawn.editor.SetMaskMode(MODES.EditAllowedOutsideVisibleSegments)
    display = drawn.node.GetDisplayNode()
    for segment_id in (drawn.ids[2], drawn.ids[3]):
        display.SetSegmentVisibility(segment_id, False)
    np.testing.assert_array_equal(_editable(drawn), ~REGION)
    display.SetSegmentVisibility(drawn.region, False)
    assert _editable(drawn).all()


def test_inside_all_and_inside_visible_segments(drawn: SimpleNamespace) -> None:
    drawn.editor.SetMaskMode(MODES.EditAllowedInsideAllSegments)
    np.testing.assert_array_equal(_editable(drawn), REGION | (OLD > 0))
    drawn.editor.SetMaskMode(MODES.EditAllowedInsideVisibleSegments)
    drawn.node.GetDisplayNode().SetSegmentVisibility(drawn.region, False)
    np.testing.assert_array_equal(_editable(drawn), OLD > 0)


def test_only_a_range_of_intensities(drawn: SimpleNamespace) -> None:
    drawn.editor.SetSourceVolumeIntensityMask(True)
    drawn.editor.SetSourceVolumeIntensityMaskRange(-5.0, 150.0)
    values = phantom_volume(axial_grid()).array
    allowed = (values >= -5) & (values <= 150)
    np.testing.assert_array_equal(_editable(drawn), allowed)
    labels, _ = _written(drawn)
    np.testing.assert_array_equal(labels, np.where(allowed, NEW, OLD))


def test_intensities_and_segments_together(drawn: SimpleNamespace) -> None:
    drawn.editor.SetMaskMode(MODES.EditAllowedInsideSingleSegment)
    drawn.editor.SetMaskSegmentID(drawn.region)
    drawn.editor.SetSourceVolumeIntensityMask(True)
    drawn.editor.SetSourceVolumeIntensityMaskRange(-5.0, 150.0)
    values = phantom_volume(axial_grid()).array
    np.testing.assert_array_equal(_editable(drawn), REGION & (values >= -5) & (values <= 150))


def test_intensities_of_another_volume_are_taken_where_it_lies(
    scene: Any, drawn: SimpleNamespace
) -> None:
    array = np.zeros((11, 14, 17), np.int16)
    array[4, 5, 6] = 7
    other = volume_of(scene, axial_grid(), array, "other")
    matrix = np.eye(4)
    matrix[:3, 3] = ijk_to_ras(drawn.volume)[:3, :3] @ [2, 1, 3]  # three slices up, and so on
    under(matrix, other)
    drawn.editor.SetAndObserveSourceVolumeNode(other)
    drawn.editor.SetSourceVolumeIntensityMask(True)
    drawn.editor.SetSourceVolumeIntensityMaskRange(6.0, 8.0)
    assert np.argwhere(_editable(drawn)).tolist() == [[7, 6, 8]]


def test_masks_hold_under_parent_transforms_and_in_parts(drawn: SimpleNamespace) -> None:
    under(turned(), drawn.volume, drawn.node)
    drawn.editor.SetMaskMode(MODES.EditAllowedInsideSingleSegment)
    drawn.editor.SetMaskSegmentID(drawn.region)
    np.testing.assert_array_equal(_editable(drawn), REGION)
    np.testing.assert_array_equal(_written(drawn)[0], np.where(REGION, NEW, OLD))


def test_the_editor_masks_the_node_that_it_edits(scene: Any, drawn: SimpleNamespace) -> None:
    drawn.editor.SetMaskMode(MODES.EditAllowedInsideSingleSegment)
    drawn.editor.SetMaskSegmentID(drawn.region)
    other, _ = segmentation_of(scene, drawn.volume, phantom_labels(axial_grid()), "other")
    drawn.editor.SetAndObserveSegmentationNode(other)
    assert _editable(drawn) is None
    drawn.editor.SetAndObserveSegmentationNode(None)
    assert _editable(drawn) is None


def test_a_segment_is_locked_by_its_status_or_by_its_lock() -> None:
    segment = slicer.vtkSegment()
    assert not is_locked(segment)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(segment, logic.Completed)
    assert is_locked(segment)
    logic.SetSegmentStatus(segment, logic.InProgress)
    assert not is_locked(segment)

    class WithLock(slicer.vtkSegment):  # as in versions that have one
        locked = True

        def GetLocked(self) -> bool:  # noqa: N802
            return self.locked

    segment = WithLock()
    assert is_locked(segment)
    segment.locked = False
    assert not is_locked(segment)


def test_undo_takes_a_prediction_back(drawn: SimpleNamespace) -> None:
    undo = UndoStore()
    assert not undo.undo(drawn.node)
    undo.save(drawn.node)
    _written(drawn)
    assert undo.undo(drawn.node)
    labels = read_labels(drawn.node, drawn.ids, drawn.volume).labels
    np.testing.assert_array_equal(labels, OLD)
    assert not undo.undo(drawn.node)


def test_undo_takes_the_segments_of_a_first_prediction_away(scene: Any) -> None:
    volume_node = volume_of(scene)
    node = create_segmentation(volume_node, "s")
    undo = UndoStore()
    undo.save(node)
    ids = ensure_segments(node, SEGMENTS)
    draw(node, volume_node, ids, OLD)
    assert undo.undo(node)
    assert node.GetSegmentation().GetNumberOfSegments() == 0


def test_nodes_are_undone_apart(scene: Any, drawn: SimpleNamespace) -> None:
    other, other_ids = segmentation_of(scene, drawn.volume, phantom_labels(axial_grid()), "other")
    undo = UndoStore()
    undo.save(drawn.node)
    undo.save(other)
    draw(other, drawn.volume, other_ids, NEW)
    draw(drawn.node, drawn.volume, drawn.ids, NEW)
    assert undo.undo(drawn.node)
    np.testing.assert_array_equal(read_labels(other, other_ids, drawn.volume).labels, NEW)
    assert not undo.undo(drawn.node)
    assert undo.undo(other)


def test_the_widget_keeps_the_states_of_the_node_that_it_edits(drawn: SimpleNamespace) -> None:
    asked = []

    def saver(node: Any) -> bool:
        asked.append(node)
        return node is drawn.node

    undo = UndoStore(saver)
    undo.save(drawn.node)
    draw(drawn.node, drawn.volume, drawn.ids, NEW)
    assert asked == [drawn.node]
    assert not undo.undo(drawn.node)
    undo.saver = lambda _node: False
    undo.save(drawn.node)
    draw(drawn.node, drawn.volume, drawn.ids, OLD)
    assert undo.undo(drawn.node)


def test_a_closed_scene_leaves_no_states_behind(scene: Any, drawn: SimpleNamespace) -> None:
    undo = UndoStore()
    undo.save(drawn.node)
    draw(drawn.node, drawn.volume, drawn.ids, NEW)
    node_id = drawn.node.GetID()
    scene.Clear(0)
    _, node, _ = drawn_phantom(scene)
    assert node.GetID() == node_id
    assert not undo.undo(node)
