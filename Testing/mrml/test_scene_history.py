"""Which slices were corrected, and what is remembered of predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from review_cases import DOUBT, FIRST, SECOND, Case, new_case, slice_of
from scene_nodes import (
    draw,
    drawn_phantom,
    ijk_to_ras,
    paint,
    set_labelmap,
    volume_of,
)

from funet.errors import InputError
from FUNetSegmentationLib.scene.editing import UndoStore
from FUNetSegmentationLib.scene.history import ReviewHistory
from FUNetSegmentationLib.scene.structures import ensure_segments

from phantoms import SEGMENTS, axial_grid, oblique_grid, phantom_labels


def test_a_new_segmentation_knows_its_volume_and_nothing_else(case: Case) -> None:
    assert case.history.volume_node is case.volume
    assert case.history.model is None
    assert case.history.doubt == ()
    assert case.history.states() == {}


def test_a_prediction_is_remembered(predicted: Case) -> None:
    history = predicted.history
    assert history.model == "m-1"
    assert history.doubt == DOUBT
    assert history.slice_axis == 0
    assert history.plane == "axial"
    assert list(history.segment_ids) == [1, 2, 3]
    assert history.changed_slices() == () == history.protected()
    assert history.states() == {}


@pytest.mark.parametrize("value", [1, 2, 3])
def test_an_edited_slice_is_corrected(predicted: Case, value: int) -> None:
    predicted.paint(6, value)
    assert predicted.history.changed_slices() == (6,)
    assert predicted.history.states() == {6: "corrected"}
    assert predicted.history.corrected() == (6,) == predicted.history.protected()
    assert predicted.history.accepted() == ()


@pytest.mark.parametrize("axis", [1, 2])
def test_slices_of_other_planes_are_found(case: Case, axis: int) -> None:
    case.predict(axis=axis)
    case.paint(12, axis=axis)
    assert case.history.states() == {12: "corrected"}
    assert case.history.slice_axis == axis


def test_an_edit_that_was_taken_back_by_hand_is_none(predicted: Case) -> None:
    predicted.paint(6)
    draw(predicted.node, predicted.volume, predicted.history.segment_ids, FIRST)
    assert predicted.history.states() == {}


def test_erasing_the_only_slice_of_a_false_positive_is_a_correction(case: Case) -> None:
    labels = np.zeros_like(FIRST)
    labels[5, 3:6, 4:9] = 2
    case.predict(labels)
    case.paint(5, 2, erase=True)
    assert case.history.model == "m-1"
    assert case.history.states() == {5: "corrected"}


def test_drawing_where_nothing_was_predicted_is_a_correction(case: Case) -> None:
    case.predict(np.zeros_like(FIRST))
    assert case.history.states() == {}
    case.paint(10)
    assert case.history.states() == {10: "corrected"}


def test_hiding_renaming_and_colouring_are_no_corrections(predicted: Case) -> None:
    ids = predicted.history.segment_ids
    segment = predicted.node.GetSegmentation().GetSegment(ids[1])
    segment.SetName("something else")
    segment.SetColor(1, 1, 1)
    predicted.node.GetDisplayNode().SetSegmentVisibility(ids[2], False)
    assert predicted.history.states() == {}


def test_segments_of_others_are_no_corrections(predicted: Case) -> None:
    other = predicted.node.GetSegmentation().AddEmptySegment("x", "Tumour")
    paint(predicted.node, other, predicted.volume, 0, 3)
    assert predicted.history.states() == {}


def test_a_removed_structure_is_no_correction_of_every_slice(predicted: Case) -> None:
    predicted.node.GetSegmentation().RemoveSegment(predicted.history.segment_ids[1])
    assert predicted.history.states() == {}
    predicted.paint(6, 2)
    assert predicted.history.states() == {6: "corrected"}


def test_accepting_marking_and_unmarking(predicted: Case) -> None:
    predicted.history.set_state(2, "accepted")
    predicted.history.set_state(9, "corrected")
    assert predicted.history.states() == {2: "accepted", 9: "corrected"}
    assert predicted.history.accepted() == (2,)
    assert predicted.history.protected() == (2, 9)
    assert predicted.history.changed_slices() == ()
    predicted.history.set_state(2, "predicted")
    predicted.history.set_state(9, "predicted")
    assert predicted.history.states() == {}


def test_accepting_an_edited_slice(predicted: Case) -> None:
    predicted.paint(6)
    predicted.history.set_state(6, "accepted")
    assert predicted.history.states() == {6: "accepted"}


def test_an_accepted_slice_that_is_edited_again_is_corrected(predicted: Case) -> None:
    predicted.history.set_state(6, "accepted")
    predicted.paint(6)
    assert predicted.history.states() == {6: "corrected"}
    predicted.undo.undo(predicted.node)
    assert predicted.history.states() == {6: "accepted"}


def test_unmarking_a_corrected_slice_makes_its_content_the_predicted_one(predicted: Case) -> None:
    predicted.paint(6)
    predicted.paint(7)
    predicted.history.set_state(6, "predicted")
    assert predicted.history.states() == {7: "corrected"}
    predicted.paint(6, 2)
    assert predicted.history.states() == {6: "corrected", 7: "corrected"}


def test_an_unmarked_slice_is_predicted_anew(predicted: Case) -> None:
    predicted.paint(6)
    predicted.history.set_state(6, "predicted")
    predicted.predict(SECOND, "m-2")
    assert predicted.history.states() == {}
    predicted.paint(6)
    assert predicted.history.states() == {6: "corrected"}


def test_what_numpy_counts_with_names_a_slice(predicted: Case) -> None:
    predicted.history.set_state(np.flatnonzero(FIRST.any(axis=(1, 2)))[0], "accepted")
    assert predicted.history.accepted() == (int(np.flatnonzero(FIRST.any(axis=(1, 2)))[0]),)


@pytest.mark.parametrize(
    ("index", "state"),
    [(-1, "accepted"), (11, "accepted"), (3, "good"), ("3", "accepted"), (3.5, "accepted")],
)
def test_what_is_no_slice_or_state_is_refused(predicted: Case, index: Any, state: Any) -> None:
    with pytest.raises(InputError, match=rf"Slice {index} of s cannot be {state}.*0 to 10"):
        predicted.history.set_state(index, state)
    assert predicted.history.states() == {}


def test_an_update_keeps_corrected_and_accepted_slices(predicted: Case) -> None:
    predicted.paint(6)
    predicted.history.set_state(3, "accepted")
    kept = [slice_of(predicted, index) for index in (3, 6)]
    predicted.predict(SECOND, "m-2")
    assert predicted.history.model == "m-2"
    assert predicted.history.states() == {3: "accepted", 6: "corrected"}
    for index, before in zip((3, 6), kept, strict=True):
        np.testing.assert_array_equal(slice_of(predicted, index), before)
    np.testing.assert_array_equal(slice_of(predicted, 5), SECOND[5])
    predicted.predict(FIRST, "m-3")
    assert predicted.history.states() == {3: "accepted", 6: "corrected"}


def test_an_erased_false_positive_stays_corrected_through_updates(case: Case) -> None:
    labels = np.zeros_like(FIRST)
    labels[5, 3:6, 4:9] = 2
    case.predict(labels)
    case.paint(5, 2, erase=True)
    case.predict(labels, "m-2")
    assert case.history.states() == {5: "corrected"}
    assert not slice_of(case, 5).any()


def test_a_copied_node_knows_what_the_first_knew(scene: Any, predicted: Case) -> None:
    predicted.paint(6)
    predicted.history.set_state(2, "accepted")
    copy = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "copy")
    copy.Copy(predicted.node)
    history = ReviewHistory(copy)
    assert history.model == "m-1"
    assert history.doubt == DOUBT
    assert history.volume_node is predicted.volume
    assert history.states() == {2: "accepted", 6: "corrected"}
    paint(copy, history.segment_ids[1], predicted.volume, 0, 7)
    assert ReviewHistory(copy).states() == {2: "accepted", 6: "corrected", 7: "corrected"}
    assert predicted.history.states() == {2: "accepted", 6: "corrected"}


def test_every_drawn_slice_of_a_segmentation_drawn_by_hand_is_corrected(scene: Any) -> None:
    _, node, ids = drawn_phantom(scene)
    drawn = tuple(np.flatnonzero(FIRST.any(axis=(1, 2))).tolist())
    history = ReviewHistory(node)
    assert history.model is None
    assert history.segment_ids == {1: ids[1], 2: ids[2], 3: ids[3]}
    assert history.slice_axis == 0  # the thickest slices of the phantom are the axial ones
    assert history.plane == "axial"
    assert history.corrected() == drawn == history.changed_slices()
    history.set_state(drawn[0], "accepted")
    history.set_state(drawn[1], "predicted")
    assert ReviewHistory(node).states() == {
        drawn[0]: "accepted",
        **dict.fromkeys(drawn[2:], "corrected"),
    }


def test_slices_of_a_drawing_are_counted_as_chosen(scene: Any) -> None:
    volume_node, node, _ = drawn_phantom(scene)
    history = ReviewHistory(node)
    history.use_slices(volume_node=volume_node, slice_axis=2)
    assert history.slice_axis == 2
    assert history.plane == "sagittal"
    assert history.corrected() == tuple(np.flatnonzero(FIRST.any(axis=(0, 1))).tolist())


def test_a_drawing_is_protected_from_the_first_prediction(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    labels = np.zeros_like(FIRST)
    labels[4:7, 3:9, 4:12] = 1
    draw(node, volume_node, ids, labels)
    case = Case(volume=volume_node, node=node, undo=UndoStore())
    case.predict(SECOND)
    assert case.history.states() == dict.fromkeys((4, 5, 6), "corrected")
    np.testing.assert_array_equal(slice_of(case, 5), labels[5])
    np.testing.assert_array_equal(slice_of(case, 8), SECOND[8])
    case.undo.undo(node)
    assert case.history.model is None
    assert case.history.states() == dict.fromkeys((4, 5, 6), "corrected")


def test_marks_of_another_plane_do_not_count(predicted: Case) -> None:
    predicted.history.set_state(3, "accepted")
    predicted.history.set_state(0, "accepted")  # empty, as slice 0 of the other plane is
    predicted.undo.undo(predicted.node)
    predicted.predict(SECOND, "m-2", axis=1)
    assert predicted.history.states() == {}
    predicted.history.set_state(12, "accepted")
    assert predicted.history.states() == {12: "accepted"}


def predict_another_structure(case: Case) -> None:
    """Record that another model found nothing of a structure of its own."""
    other = ensure_segments(case.node, [SEGMENTS[0].__class__(1, "Hippocampus", (1, 2, 3))])
    case.history.record_prediction(
        model="h-1",
        plane="axial",
        slice_axis=0,
        doubt=DOUBT,
        segment_ids=other,
        volume_node=case.volume,
        protected_slices=(),
    )


def test_another_models_structures_have_marks_of_their_own(predicted: Case) -> None:
    predicted.history.set_state(3, "accepted")
    predict_another_structure(predicted)
    assert predicted.history.model == "h-1"
    assert predicted.history.states() == {}


def test_a_prediction_is_remembered_however_often_another_model_predicts(predicted: Case) -> None:
    predicted.paint(6)
    own = ReviewHistory(predicted.node, predicted.history.segment_ids.values())
    for _ in range(25):
        predict_another_structure(predicted)
    assert own.model == "m-1"
    assert own.states() == {6: "corrected"}


def test_a_segment_that_is_added_to_a_drawing_leaves_what_was_said_of_its_slices(
    scene: Any,
) -> None:
    volume, node, _ = drawn_phantom(scene)
    history = ReviewHistory(node)
    first, second, *rest = history.corrected()
    history.set_state(0, "accepted")  # empty
    history.set_state(first, "accepted")
    history.set_state(second, "predicted")
    said = {0: "accepted", first: "accepted", **dict.fromkeys(rest, "corrected")}
    assert history.states() == said
    added = node.GetSegmentation().AddEmptySegment("new")
    assert history.states() == said
    paint(node, added, volume, 0, second)
    assert history.states() == {**said, second: "corrected"}


def test_a_history_that_is_kept_sees_what_is_written_and_undone_later(predicted: Case) -> None:
    history = predicted.history
    assert history.model == "m-1"
    predicted.predict(SECOND, "m-2")
    assert history.model == "m-2"
    predicted.undo.undo(predicted.node)
    assert history.model == "m-1"


def test_a_finer_grid_is_no_correction(predicted: Case) -> None:
    ids = predicted.history.segment_ids
    finer = ijk_to_ras(predicted.volume) @ np.diag([0.5, 0.5, 0.5, 1.0])
    finer[:, 3] = ijk_to_ras(predicted.volume) @ [-0.25, -0.25, -0.25, 1]
    for value, segment_id in ids.items():
        mask = (value == FIRST).repeat(2, 0).repeat(2, 1).repeat(2, 2)
        set_labelmap(predicted.node, segment_id, mask, finer, list(ids.values()))
    image = predicted.node.GetSegmentation().GetSegment(ids[1]).GetRepresentation("Binary labelmap")
    assert image.GetSpacing()[0] == pytest.approx(0.55)
    assert predicted.history.states() == {}


def test_a_volume_of_another_size_is_said(scene: Any, predicted: Case) -> None:
    other = volume_of(scene, axial_grid((9, 14, 17)))
    predicted.volume.SetAndObserveImageData(other.GetImageData())
    with pytest.raises(InputError, match="brain has another size"):
        predicted.history.states()


def test_a_volume_that_is_gone_is_said(scene: Any, predicted: Case) -> None:
    scene.RemoveNode(predicted.volume)
    assert predicted.history.volume_node is None
    assert predicted.history.model == "m-1"
    assert predicted.history.plane is None
    with pytest.raises(InputError, match="volume of the segmentation s is not in the scene"):
        predicted.history.states()


def test_an_oblique_volume_is_counted_along_its_own_axis(scene: Any) -> None:
    case = new_case(volume_of(scene, oblique_grid()))
    case.predict(phantom_labels(oblique_grid()).array)
    case.paint(4)
    assert case.history.states() == {4: "corrected"}


def test_a_volume_is_no_segmentation(scene: Any) -> None:
    with pytest.raises(InputError, match="not a segmentation"):
        ReviewHistory(volume_of(scene))
