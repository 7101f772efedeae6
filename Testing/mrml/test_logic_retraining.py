"""Retraining from the console: what is learned, what is kept, what is predicted again."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from logic_tools import pump_until
from scene_nodes import draw, mask_of, paint, segmentation_of, slice_view, volume_of
from threshold_models import SEGMENTS, boxes, image, labels_of

from funet.errors import InputError, ModelError
from funet.images.segmentations import LabelMap
from funet.models.store import ModelStore
from FUNetSegmentationLib.scene.history import ReviewHistory
from FUNetSegmentationLib.scene.views import jump_to_slice

from phantoms import axial_grid

FEW_STEPS = {"steps": 2, "device": "cpu"}


@pytest.fixture
def a_volume(scene):
    return volume_of(scene, array=image())


@pytest.fixture
def a_prediction(own_logic, a_volume):
    return own_logic.segment(a_volume, "boxes", device="cpu")


def segment_id(node, number=0):
    return node.GetSegmentation().GetNthSegmentID(number)


def correct(node, volume_node, *slices):
    for index in slices:
        paint(node, segment_id(node), volume_node, 0, index)


def predict_nothing(node, volume_node):
    """Replace what the model predicted, as if it had found nothing."""
    ids = {1: segment_id(node, 0), 2: segment_id(node, 1)}
    history = ReviewHistory(node)
    draw(node, volume_node, ids, np.zeros_like(boxes()))
    history.record_prediction(
        model="boxes",
        plane="axial",
        slice_axis=0,
        doubt=history.doubt,
        segment_ids=ids,
        volume_node=volume_node,
        protected_slices=(),
    )


def test_the_corrected_slices_teach_a_new_version_which_predicts_the_others(
    own_logic, a_volume, a_prediction
):
    correct(a_prediction, a_volume, 4)
    corrected = labels_of(a_prediction, a_volume)[4]
    metrics, progress = [], []
    result = own_logic.retrain(
        [a_prediction],
        **FEW_STEPS,
        metricCallback=metrics.append,
        progressCallback=progress.append,
    )
    assert (result.model, result.kept, result.learned, result.heldOut) == ("boxes.v2", True, 1, 0)
    assert "too few" in result.reason
    assert result.diceBefore is None
    assert {"step", "loss"} <= metrics[0].keys()
    assert [one.fraction for one in progress] == sorted(one.fraction for one in progress)
    history = ReviewHistory(a_prediction)
    assert history.model == "boxes.v2"
    assert own_logic.correctedSlices(a_prediction) == (4,)
    now = labels_of(a_prediction, a_volume)
    np.testing.assert_array_equal(now[4], corrected)
    np.testing.assert_array_equal(np.delete(now, 4, 0), np.delete(boxes(), 4, 0))


def test_accepted_slices_teach_too_and_enough_slices_are_compared(
    own_logic, a_volume, a_prediction
):
    for index in (3, 4, 5, 6):
        own_logic.acceptSlice(a_prediction, index)
    result = own_logic.retrain(a_prediction, **FEW_STEPS)
    assert (result.kept, result.model, result.heldOut) == (False, "boxes", 1)
    assert result.diceBefore == {"Large box": 1.0, "Small box": 1.0}
    assert result.diceAfter.keys() == result.diceBefore.keys()
    assert "not better" in result.reason
    assert ReviewHistory(a_prediction).model == "boxes"


def test_the_versions_can_be_rolled_back_and_the_slices_follow(own_logic, a_volume, a_prediction):
    correct(a_prediction, a_volume, 4)
    own_logic.retrain(a_prediction, **FEW_STEPS)
    info = own_logic.rollBack(a_prediction, device="cpu")
    assert (info.id, info.active) == ("boxes", True)
    assert ReviewHistory(a_prediction).model == "boxes"
    assert own_logic.correctedSlices(a_prediction) == (4,)
    with pytest.raises(ModelError, match="first version"):
        own_logic.rollBack(a_prediction)


def test_undo_takes_the_update_back_with_model_and_states(own_logic, a_volume, a_prediction):
    correct(a_prediction, a_volume, 4)
    before = labels_of(a_prediction, a_volume)
    own_logic.retrain(a_prediction, **FEW_STEPS)
    assert own_logic.undo(a_prediction)
    np.testing.assert_array_equal(labels_of(a_prediction, a_volume), before)
    assert ReviewHistory(a_prediction).model == "boxes"
    assert own_logic.correctedSlices(a_prediction) == (4,)


def test_a_trial_does_not_shorten_later_retrainings(own_logic, scene, a_volume, a_prediction):
    correct(a_prediction, a_volume, 4)
    own_logic.retrain(a_prediction, seed=7, **FEW_STEPS)
    kept = scene.GetSingletonNode("FUNetSegmentation", "vtkMRMLScriptedModuleNode")
    assert kept.GetParameter("device") == "cpu"
    assert not kept.GetParameter("steps")
    assert not kept.GetParameter("seed")


def test_without_update_the_segmentation_stays(own_logic, a_volume, a_prediction):
    correct(a_prediction, a_volume, 4)
    result = own_logic.retrain(a_prediction, **FEW_STEPS, update=False)
    assert result.kept
    assert ReviewHistory(a_prediction).model == "boxes"
    own_logic.update(a_prediction, result.model, device="cpu")
    assert ReviewHistory(a_prediction).model == result.model


def test_the_visible_slice_is_updated_first_and_undo_takes_both_parts_back(
    own_logic, scene, a_volume, a_prediction
):
    slice_view(scene, "Axial")
    jump_to_slice(a_volume, 0, 5)
    predict_nothing(a_prediction, a_volume)
    correct(a_prediction, a_volume, 2)
    seen = []
    own_logic.onTaskChanged.append(lambda task: seen.append(labels_of(a_prediction, a_volume)))
    own_logic.update(a_prediction, device="cpu")
    steps = [labels[5].any() for labels in seen]
    halfway = seen[steps.index(True)]
    np.testing.assert_array_equal(halfway[5], boxes()[5])
    assert not np.delete(halfway, (2, 5), 0).any()
    np.testing.assert_array_equal(
        np.delete(labels_of(a_prediction, a_volume), 2, 0), np.delete(boxes(), 2, 0)
    )
    assert own_logic.correctedSlices(a_prediction) == (2,)
    assert own_logic.undo(a_prediction)
    assert not np.delete(labels_of(a_prediction, a_volume), 2, 0).any()
    assert own_logic.correctedSlices(a_prediction) == (2,)


@pytest.mark.parametrize("painted", [False, True])
def test_undo_takes_back_an_update_but_not_the_stroke_before_it(
    own_logic, scene, a_volume, a_prediction, painted
):
    slice_view(scene, "Axial")
    jump_to_slice(a_volume, 0, 5)
    predict_nothing(a_prediction, a_volume)
    editor = slicer.vtkSegmentationHistory()  # as the Segment Editor keeps its states
    editor.SetSegmentation(a_prediction.GetSegmentation())
    own_logic.undoSaver = lambda _node: bool(editor.SaveState())
    states = [labels_of(a_prediction, a_volume)]
    records = len(ReviewHistory(a_prediction)._records())

    def paint_after_the_first_slice(task):
        if painted and len(states) == 1 and len(ReviewHistory(a_prediction)._records()) > records:
            states.append(labels_of(a_prediction, a_volume))
            editor.SaveState()
            correct(a_prediction, a_volume, 6)
            states.append(labels_of(a_prediction, a_volume))

    own_logic.onTaskChanged.append(paint_after_the_first_slice)
    own_logic.update(a_prediction, device="cpu")
    assert len(states) == (3 if painted else 1)
    for state in reversed(states):
        assert editor.RestorePreviousState()
        np.testing.assert_array_equal(labels_of(a_prediction, a_volume), state)
    assert not editor.IsRestorePreviousStateAvailable()


def test_what_is_edited_between_the_first_slice_and_the_rest_stays(
    own_logic, scene, a_volume, a_prediction
):
    slice_view(scene, "Axial")
    jump_to_slice(a_volume, 0, 5)
    edited = []

    def edit_after_the_first_slice(task):
        if not edited and len(ReviewHistory(a_prediction)._records()) == 2:
            correct(a_prediction, a_volume, 5, 6)
            edited.append(labels_of(a_prediction, a_volume))

    own_logic.onTaskChanged.append(edit_after_the_first_slice)
    own_logic.update(a_prediction, device="cpu")
    assert own_logic.correctedSlices(a_prediction) == (5, 6)
    now = labels_of(a_prediction, a_volume)
    np.testing.assert_array_equal(now[[5, 6]], edited[0][[5, 6]])


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("what", ["retrain", "rollBack"])
def test_a_cancel_after_the_first_slice_leaves_nothing_but_what_was_drawn_since(
    own_logic, runner, scene, a_volume, a_prediction, what, edited
):
    slice_view(scene, "Axial")
    jump_to_slice(a_volume, 0, 5)
    predict_nothing(a_prediction, a_volume)
    own_logic.acceptSlice(a_prediction, 2)
    if what == "rollBack":
        own_logic.retrain(a_prediction, **FEW_STEPS, update=False)
    in_use = next(one.id for one in own_logic.models() if one.active and one.family == "boxes")
    before, drawn = labels_of(a_prediction, a_volume), []
    records = len(ReviewHistory(a_prediction)._records())

    def cancel_after_the_first_slice(task):
        if not drawn and len(ReviewHistory(a_prediction)._records()) > records:
            if edited:
                correct(a_prediction, a_volume, 5)
            drawn.append(labels_of(a_prediction, a_volume))
            task.cancel()

    own_logic.onTaskChanged.append(cancel_after_the_first_slice)
    options = {"device": "cpu", "waitForCompletion": False}
    if what == "retrain":
        options["steps"] = 2
    task = getattr(own_logic, what)(a_prediction, **options)
    pump_until(runner, lambda: task.finished)
    assert drawn, "the first slice was never shown"
    assert drawn[0][5].any() or what == "retrain"
    assert task.state == "cancelled"
    assert own_logic.model(in_use).active
    assert ReviewHistory(a_prediction).model == "boxes"
    if edited:
        before[5] = drawn[0][5]
    np.testing.assert_array_equal(labels_of(a_prediction, a_volume), before)
    expected = {2: "accepted", 5: "corrected"} if edited else {2: "accepted"}
    assert ReviewHistory(a_prediction).states() == expected


def test_a_drawing_by_hand_teaches_the_model_that_fits(own_logic, scene, a_volume):
    labels = np.zeros_like(boxes())
    labels[[4, 6]] = boxes()[[4, 6]]
    node, _ids = segmentation_of(scene, a_volume, LabelMap(labels, axial_grid(), SEGMENTS))
    result = own_logic.retrain(node, **FEW_STEPS, update=False)
    assert (result.learned, result.model) == (2, "boxes.v2")


def test_the_slices_can_be_named(own_logic, a_volume, a_prediction):
    result = own_logic.retrain(a_prediction, **FEW_STEPS, slices=[3, 5, 7], update=False)
    assert result.learned == 3
    record = ModelStore(own_logic.modelsFolder).list()
    newest = next(one for one in record if one.id == result.model)
    ((subject, count),) = newest.training["subjects"].items()
    assert (subject.split(" [")[0], count) == ("brain", 3)


def test_a_subject_is_known_by_its_voxels(own_logic, scene, a_volume):
    def subjects(volume_node):
        node, _ids = segmentation_of(scene, volume_node, LabelMap(boxes(), axial_grid(), SEGMENTS))
        result = own_logic.retrain(node, **FEW_STEPS, slices=[5], model="boxes", update=False)
        return set(
            ModelStore(own_logic.modelsFolder).load(result.model).manifest.training["subjects"]
        )

    first = subjects(a_volume)
    assert subjects(volume_of(scene, array=image(), name=a_volume.GetName())) == first
    assert subjects(volume_of(scene, array=image() + 3, name=a_volume.GetName())) != first


def test_several_segmentations_teach_together_and_are_all_updated(own_logic, scene, a_volume):
    other = volume_of(scene, array=image() + 3)
    nodes = [own_logic.segment(one, "boxes", device="cpu") for one in (a_volume, other)]
    for node, volume_node in zip(nodes, (a_volume, other), strict=True):
        correct(node, volume_node, 4)
    result = own_logic.retrain(nodes, **FEW_STEPS)
    assert result.learned == 2
    assert {ReviewHistory(node).model for node in nodes} == {result.model}


def test_nothing_to_learn_from_is_a_sentence(own_logic, a_prediction):
    with pytest.raises(InputError, match="correct or accept at least one slice"):
        own_logic.retrain(a_prediction)
    with pytest.raises(InputError, match="No segmentation is chosen"):
        own_logic.retrain([])


def test_a_structure_without_a_segment_is_refused_by_name(own_logic, a_volume, a_prediction):
    correct(a_prediction, a_volume, 4)
    a_prediction.GetSegmentation().RemoveSegment(segment_id(a_prediction, 1))
    with pytest.raises(InputError, match="has no segment Small box"):
        own_logic.retrain(a_prediction)


def test_a_volume_that_is_gone_is_named(own_logic, scene, a_volume, a_prediction):
    correct(a_prediction, a_volume, 4)
    scene.RemoveNode(a_volume)
    with pytest.raises(InputError, match=r"The volume of .* is not in the scene"):
        own_logic.retrain(a_prediction)


def test_overlapping_voxels_teach_nothing_and_are_counted(own_logic, a_volume, a_prediction):
    correct(a_prediction, a_volume, 4)
    paint(a_prediction, segment_id(a_prediction, 1), a_volume, 0, 4)
    both = [mask_of(a_prediction, segment_id(a_prediction, n), a_volume) for n in range(2)]
    count = np.count_nonzero(both[0] & both[1])
    assert count
    result = own_logic.retrain(a_prediction, **FEW_STEPS, update=False)
    assert f"{count} voxels of" in " ".join(result.notes)


def test_cancelling_in_mid_job_leaves_models_and_segmentation(
    own_logic, runner, a_volume, a_prediction
):
    correct(a_prediction, a_volume, 4)
    before = labels_of(a_prediction, a_volume)
    task = own_logic.retrain(a_prediction, steps=100_000, device="cpu", waitForCompletion=False)
    pump_until(runner, lambda: task.progress.fraction > 0)
    task.cancel()
    assert pump_until(runner, lambda: task.finished) < 2
    assert task.state == "cancelled"
    assert own_logic.model("boxes").active
    np.testing.assert_array_equal(labels_of(a_prediction, a_volume), before)


def test_corrections_survive_saving_and_loading_the_scene(
    own_logic, scene, a_volume, a_prediction, tmp_path
):
    correct(a_prediction, a_volume, 4)
    own_logic.acceptSlice(a_prediction, 6)
    own_logic.retrain(a_prediction, **FEW_STEPS)
    folder = tmp_path / "saved"
    folder.mkdir()
    assert scene.SaveSceneToSlicerDataBundleDirectory(str(folder), None)
    scene.Clear(0)
    scene.SetURL(str(next(folder.glob("*.mrml"))))
    assert scene.Connect()
    node = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert own_logic.correctedSlices(node) == (4,)
    assert own_logic.acceptedSlices(node) == (6,)
    assert own_logic.retrain(node, **FEW_STEPS).model == "boxes.v3"


def test_the_editor_saves_the_state_where_it_edits(own_logic, a_volume, a_prediction):
    saved = []

    def saver(node):
        saved.append(labels_of(node, a_volume))
        return True

    own_logic.undoSaver = saver
    correct(a_prediction, a_volume, 4)
    before = labels_of(a_prediction, a_volume)
    own_logic.update(a_prediction, device="cpu")
    np.testing.assert_array_equal(saved, [before])
    assert not own_logic.undo(a_prediction)


def test_a_segmentation_that_cannot_be_updated_does_not_spoil_the_retraining(
    own_logic, scene, a_volume, a_prediction
):
    slice_view(scene, "Axial")
    jump_to_slice(a_volume, 0, 5)
    correct(a_prediction, a_volume, 4)

    def make_surfaces(progress):
        a_prediction.CreateClosedSurfaceRepresentation()
        set_source = getattr(a_prediction.GetSegmentation(), "SetSourceRepresentationName", None)
        (set_source or a_prediction.GetSegmentation().SetMasterRepresentationName)("Closed surface")

    result = own_logic.retrain(a_prediction, **FEW_STEPS, progressCallback=make_surfaces)
    assert result.kept
    assert "was not updated: The segmentation" in " ".join(result.notes)


def test_a_prediction_that_was_saved_without_its_scene_is_told(
    own_logic, scene, a_volume, a_prediction
):
    assert not ReviewHistory(a_prediction).forgotten
    for name in ("FUNetSegmentation.Records", "FUNetSegmentation.Marks"):
        a_prediction.RemoveAttribute(name)  # as in a file of the segmentation alone
    assert ReviewHistory(a_prediction).forgotten
    result = own_logic.retrain(a_prediction, "boxes", **FEW_STEPS, update=False)
    assert any("saved without its scene" in note for note in result.notes)
