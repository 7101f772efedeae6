"""Segmenting from the console: real nodes, the real background process, a model that is known."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from logic_tools import finish, pump_until
from scene_nodes import (
    drawn_phantom,
    make_surfaces_the_source,
    mask_of,
    paint,
    segmentation_of,
    under_bent_space,
    volume_of,
)
from threshold_models import SEGMENTS, boxes, image, labels_of

from funet.errors import Cancelled, InputError, ModelError
from funet.images.segmentations import LabelMap, Segment

from phantoms import axial_grid, oblique_grid


@pytest.fixture
def a_volume(scene):
    return volume_of(scene, array=image())


def ended(logic, task):
    return finish(logic._runner, task)


def test_the_new_node_has_names_colours_and_a_place_under_the_volume(logic, scene, a_volume):
    node = logic.segment(a_volume, model="boxes", device="cpu")
    segmentation = node.GetSegmentation()
    names = [segmentation.GetNthSegment(n).GetName() for n in range(2)]
    assert names == [segment.name for segment in SEGMENTS]
    assert node.GetName() == "brain Boxes axial"
    tree = scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    parent = tree.GetItemParent(tree.GetItemByDataNode(node))
    assert tree.GetItemDataNode(parent) is a_volume


def test_the_fitting_model_is_taken_and_remembered_in_the_scene(logic, scene, a_volume):
    assert logic.fittingModel(a_volume) == "boxes"
    logic.segment(a_volume, device="cpu")
    parameters = scene.GetSingletonNode("FUNetSegmentation", "vtkMRMLScriptedModuleNode")
    assert parameters.GetParameter("model") == "boxes"
    assert parameters.GetParameter("device") == "cpu"


def test_progress_is_told_and_ends_at_one(logic, a_volume):
    seen = []
    logic.segment(a_volume, model="boxes", device="cpu", progressCallback=seen.append)
    assert seen[-1].fraction == 1
    assert all(one.message for one in seen)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"volumeNode": None}, "No volume is chosen"), ({"model": "missing"}, "no model missing")],
)
def test_what_cannot_be_segmented_is_a_sentence(logic, a_volume, change, sentence):
    arguments = {"volumeNode": a_volume, "model": "boxes"} | change
    with pytest.raises((InputError, ModelError), match=sentence):
        logic.segment(**arguments)
    task = logic.segment(**arguments, waitForCompletion=False)
    assert task.state == "failed"
    assert sentence in task.error
    assert not logic.busy


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda logic, _node: logic.segment("MRHead"), "MRHead is not a volume"),
        (lambda logic, _node: logic.review("MRHead"), "MRHead is not a segmentation"),
        (lambda logic, _node: logic.retrain("MRHead", "boxes"), "MRHead is not a segmentation"),
        (lambda logic, _node: logic.rollBack("MRHead"), "MRHead is not a segmentation"),
        (lambda logic, _node: logic.undo("MRHead"), "MRHead is not a segmentation"),
        (lambda logic, node: logic.segment(node, "boxes", node), "brain is not a segmentation"),
        (lambda logic, node: logic.retrain(node, "boxes"), "brain is not a segmentation"),
        (lambda logic, node: logic.trainNewModel("MRHead", node, "new"), "brain is not a segm"),
    ],
)
def test_what_is_not_the_right_node_is_a_sentence(logic, a_volume, ask, sentence):
    with pytest.raises(InputError, match=sentence):
        ask(logic, a_volume)


def test_what_a_lock_holds_back_is_told(logic, a_volume):
    node = logic.segment(a_volume, model="boxes", device="cpu")
    before = labels_of(node, a_volume)
    locked = node.GetSegmentation().GetNthSegment(0)
    locked.SetTag("Segmentation.Status", "completed")
    slicer.util.updateVolumeFromArray(a_volume, np.zeros_like(image()))
    task = ended(logic, logic.segment(a_volume, "boxes", node, "cpu", waitForCompletion=False))
    np.testing.assert_array_equal(labels_of(node, a_volume) == 1, before == 1)
    count = np.count_nonzero(before == 1)
    assert any(note.startswith(f"{count} voxels stay as they were") for note in task.notes)


def test_what_the_user_drew_stays_and_undo_takes_the_prediction_back(logic, scene, a_volume):
    labels = np.zeros_like(boxes())
    labels[2, 3:9, 2:5] = 1
    node, _ids = segmentation_of(scene, a_volume, LabelMap(labels, axial_grid(), SEGMENTS))
    assert logic.segment(a_volume, "boxes", segmentationNode=node, device="cpu") is node
    now = labels_of(node, a_volume)
    np.testing.assert_array_equal(now[2], labels[2])
    np.testing.assert_array_equal(np.delete(now, 2, 0), np.delete(boxes(), 2, 0))
    assert logic.correctedSlices(node) == (2,)
    assert logic.undo(node)
    np.testing.assert_array_equal(labels_of(node, a_volume), labels)


def segment_names(node):
    segmentation = node.GetSegmentation()
    count = segmentation.GetNumberOfSegments()
    return [segmentation.GetNthSegment(n).GetName() for n in range(count)]


def make_surfaces(node):
    node.CreateClosedSurfaceRepresentation()
    make_surfaces_the_source(node)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [(make_surfaces, "made of surfaces"), (under_bent_space, "bends space")],
)
def test_a_segmentation_that_cannot_be_written_is_refused_at_once(logic, scene, spoil, sentence):
    volume_node, node, _ids = drawn_phantom(scene)
    before = segment_names(node)
    spoil(node)
    task = logic.segment(volume_node, "boxes", node, "cpu", waitForCompletion=False)
    assert (task.state, task.progress.fraction) == ("failed", 0)
    assert sentence in task.error
    task = logic.update(node, "boxes", "cpu", waitForCompletion=False)
    assert (task.state, task.progress.fraction) == ("done", 1)
    assert sentence in task.notes[0]
    assert segment_names(node) == before


def test_a_mask_of_a_volume_in_bent_space_is_refused_at_once(logic, scene):
    volume_node, node, _ids = drawn_phantom(scene)
    other = volume_of(scene, array=image(), name="other")
    under_bent_space(other)
    editor = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.SetAndObserveSegmentationNode(node)
    editor.SetAndObserveSourceVolumeNode(other)
    editor.SetSourceVolumeIntensityMask(True)
    logic.editorNode = lambda: editor
    task = logic.segment(volume_node, "boxes", node, "cpu", waitForCompletion=False)
    sentence = "The Segment Editor masks by the intensities of other"
    assert (task.state, task.error[: len(sentence)]) == ("failed", sentence)
    assert logic.update(node, "boxes", "cpu") == [node]
    editor.SetSourceVolumeIntensityMask(False)
    assert logic.segment(volume_node, "boxes", node, "cpu") is node


def test_undo_of_a_first_prediction_takes_its_new_segments_away(logic, scene, a_volume):
    tumour = (boxes() == 1).astype(np.uint8)
    labels = LabelMap(tumour, axial_grid(), (Segment(1, "Tumour", (200, 0, 0)),))
    node, ids = segmentation_of(scene, a_volume, labels)
    drawn, corrected = mask_of(node, ids[1], a_volume), logic.correctedSlices(node)
    logic.segment(a_volume, "boxes", segmentationNode=node, device="cpu")
    predicted = labels_of(node, a_volume)
    assert segment_names(node) == ["Tumour", *(segment.name for segment in SEGMENTS)]
    assert logic.undo(node)
    assert segment_names(node) == ["Tumour"]
    np.testing.assert_array_equal(mask_of(node, ids[1], a_volume), drawn)
    assert logic.correctedSlices(node) == corrected
    logic.segment(a_volume, "boxes", segmentationNode=node, device="cpu")
    np.testing.assert_array_equal(labels_of(node, a_volume), predicted)
    assert logic.correctedSlices(node) == ()


def test_segments_of_others_are_left_alone_and_protect_nothing(logic, scene):
    volume_node, node, ids = drawn_phantom(scene)
    volume_node = volume_of(scene, array=image())
    before = mask_of(node, ids[3], volume_node)
    logic.segment(volume_node, "boxes", segmentationNode=node, device="cpu")
    np.testing.assert_array_equal(mask_of(node, ids[3], volume_node), before)
    np.testing.assert_array_equal(labels_of(node, volume_node), boxes())


def test_what_the_user_edits_in_mid_job_is_protected(logic, scene, a_volume):
    node = logic.segment(a_volume, "boxes", device="cpu")
    ids = node.GetSegmentation()
    task = logic.segment(
        a_volume, "boxes", segmentationNode=node, device="cpu", waitForCompletion=False
    )
    paint(node, ids.GetNthSegmentID(0), a_volume, 0, 5, erase=True)
    edited = labels_of(node, a_volume)[5]
    assert ended(logic, task).state == "done"
    np.testing.assert_array_equal(labels_of(node, a_volume)[5], edited)
    assert logic.correctedSlices(node) == (5,)


def test_slices_corrected_in_another_plane_are_not_lost(logic, a_volume):
    node = logic.segment(a_volume, "boxes-coronal", device="cpu")
    paint(node, node.GetSegmentation().GetNthSegmentID(0), a_volume, 1, 4)
    before = labels_of(node, a_volume)
    with pytest.raises(InputError, match="coronal plane, and this model works in the axial plane"):
        logic.segment(a_volume, "boxes", segmentationNode=node, device="cpu")
    np.testing.assert_array_equal(labels_of(node, a_volume), before)


def test_a_prediction_that_was_not_touched_can_change_its_plane(logic, a_volume):
    node = logic.segment(a_volume, "boxes-coronal", device="cpu")
    logic.segment(a_volume, "boxes", segmentationNode=node, device="cpu")
    assert logic.correctedSlices(node) == ()
    assert len(logic.review(node)) == 11


def test_two_calls_at_once_run_one_after_the_other(logic, scene, a_volume):
    other = volume_of(scene, oblique_grid(), image(oblique_grid()), name="other")
    first = logic.segment(a_volume, "boxes", device="cpu", waitForCompletion=False)
    second = logic.segment(other, "boxes", device="cpu", waitForCompletion=False)
    assert (first.state, second.state) == ("running", "queued")
    assert logic.task is first
    assert second.wait() is second.result
    assert first.state == "done"
    np.testing.assert_array_equal(labels_of(first.result, a_volume), boxes())


def test_cancel_ends_the_running_and_the_queued_task(logic, runner, scene, a_volume):
    big = volume_of(scene, array=np.zeros((300, 256, 256), np.float32))
    tasks = [logic.segment(big, "boxes", waitForCompletion=False) for _ in range(2)]
    nodes = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    pump_until(runner, lambda: tasks[0].progress.fraction > 0)
    logic.cancel()
    assert pump_until(runner, lambda: not logic.busy) < 2
    assert [task.state for task in tasks] == ["cancelled", "cancelled"]
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == nodes
    with pytest.raises(Cancelled):
        tasks[0].wait()
    assert logic.segment(a_volume, "boxes", device="cpu") is not None


def test_a_callback_that_fails_ends_the_task_and_nothing_else(logic, a_volume):
    def fail(progress):
        raise ZeroDivisionError("in the caller's code")

    task = logic.segment(
        a_volume, "boxes", device="cpu", waitForCompletion=False, progressCallback=fail
    )
    assert ended(logic, task).state == "failed"
    assert "failed unexpectedly (ZeroDivisionError)" in task.error
    assert "in the caller's code" in task.detail


def test_observers_see_every_change_and_cannot_break_the_work(logic, a_volume, caplog):
    seen = []

    def watch(task):
        seen.append((task.kind, task.state))
        raise RuntimeError("a broken display")

    logic.onTaskChanged.append(watch)
    logic.segment(a_volume, "boxes", device="cpu")
    logic.onTaskChanged.remove(watch)
    assert seen[0] == ("segment", "running")
    assert seen[-1] == ("segment", "done")


def test_accepting_marking_and_unmarking(logic, a_volume):
    node = logic.segment(a_volume, "boxes", device="cpu")
    logic.acceptSlice(node, 3)
    logic.markSlice(node, 7)
    assert (logic.acceptedSlices(node), logic.correctedSlices(node)) == ((3,), (7,))
    listed = logic.review(node)
    assert [item.sliceIndex for item in listed[-2:]] != []
    assert {item.sliceIndex for item in listed[-2:]} == {3, 7}
    doubts = [item.doubt for item in listed[:-2]]
    assert doubts == sorted(doubts, reverse=True)
    logic.unmarkSlice(node, 7)
    assert logic.correctedSlices(node) == ()
    with pytest.raises(InputError, match="its slices are 0 to 10"):
        logic.acceptSlice(node, 11)


def test_the_worker_says_what_it_runs_on(logic):
    assert logic.computer()["devices"][0]["id"] == "cpu"
