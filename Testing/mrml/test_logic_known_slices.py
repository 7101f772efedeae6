"""One corrected slice shows where structures that follow one another meet in all the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scene_nodes import draw, volume_of
from threshold_models import boxes, image, labels_of, publish

from funet.images.known_labels import known_slices
from funet.models.manifest import read_manifest
from FUNetSegmentationLib.scene.history import ReviewHistory
from FUNetSegmentationLib.scene.volumes import snapshot
from FUNetSegmentationLib.workflow.known_slices import known_labels
from FUNetSegmentationLib.workflow.logic import SegmentationLogic

MODEL = "in-turn"
CORRECTED = 6
WIDER = 3  # columns by which the correction moves the border


@pytest.fixture
def in_turn(own_logic: SegmentationLogic, tmp_path: Any) -> SegmentationLogic:
    """A logic with a model of axial slices that parts the boxes at a sagittal one."""
    publish(tmp_path / "models", family=MODEL, successive="sagittal")
    return own_logic


@pytest.fixture
def a_volume(scene: Any) -> Any:
    return volume_of(scene, array=image())


def moved_border() -> np.ndarray:
    """The boxes, with the border a few columns farther into the second."""
    labels = boxes()
    first = int(np.flatnonzero((labels == 2).any((0, 1)))[0])
    labels[:, :, : first + WIDER][labels[:, :, : first + WIDER] == 2] = 1
    return labels


def correct(node: Any, volume: Any) -> None:
    labels = labels_of(node, volume)
    labels[CORRECTED] = moved_border()[CORRECTED]
    ids = ReviewHistory(node).segment_ids
    draw(node, volume, ids, labels)


def segment_again(logic: SegmentationLogic, node: Any, volume: Any) -> None:
    logic.segment(volume, MODEL, segmentationNode=node, device="cpu")


def update(logic: SegmentationLogic, node: Any, _volume: Any) -> None:
    logic.update(node, MODEL, device="cpu")


def predict_and_write(logic: SegmentationLogic, node: Any, _volume: Any) -> None:
    logic.writePrediction(node, logic.predict(node, MODEL, device="cpu"))


@pytest.mark.parametrize("again", [segment_again, update, predict_and_write])
def test_the_other_slices_follow_a_corrected_one(
    in_turn: SegmentationLogic, a_volume: Any, again: Callable[..., None]
) -> None:
    node = in_turn.segment(a_volume, MODEL, device="cpu")
    np.testing.assert_array_equal(labels_of(node, a_volume), boxes())
    correct(node, a_volume)
    again(in_turn, node, a_volume)
    np.testing.assert_array_equal(labels_of(node, a_volume), moved_border())
    assert in_turn.correctedSlices(node) == (CORRECTED,)


def test_a_prediction_relies_on_the_slices_that_it_is_told(in_turn: Any, a_volume: Any) -> None:
    node = in_turn.segment(a_volume, MODEL, device="cpu")
    correct(node, a_volume)
    before = labels_of(node, a_volume)
    in_turn.writePrediction(node, in_turn.predict(node, MODEL, device="cpu", slices=[2]))
    np.testing.assert_array_equal(labels_of(node, a_volume), before)
    in_turn.writePrediction(node, in_turn.predict(node, MODEL, device="cpu", slices=[CORRECTED]))
    np.testing.assert_array_equal(labels_of(node, a_volume), moved_border())


def test_a_slice_that_was_corrected_elsewhere_does_not_hold_the_border(
    in_turn: Any, a_volume: Any
) -> None:
    node = in_turn.segment(a_volume, MODEL, device="cpu")
    correct(node, a_volume)
    touched = labels_of(node, a_volume)
    for index in (CORRECTED - 1, CORRECTED + 1):
        row, column = np.argwhere(touched[index] == 1)[0]
        touched[index, row, column] = 0
    draw(node, a_volume, ReviewHistory(node).segment_ids, touched)
    segment_again(in_turn, node, a_volume)
    others = np.delete(np.arange(len(touched)), [CORRECTED - 1, CORRECTED, CORRECTED + 1])
    np.testing.assert_array_equal(labels_of(node, a_volume)[others], moved_border()[others])


def test_with_another_model_they_stay_as_they_were(own_logic: Any, a_volume: Any) -> None:
    node = own_logic.segment(a_volume, "boxes", device="cpu")
    correct(node, a_volume)
    segment = own_logic.segment(a_volume, "boxes", segmentationNode=node, device="cpu")
    others = np.delete(labels_of(segment, a_volume), CORRECTED, 0)
    np.testing.assert_array_equal(others, np.delete(boxes(), CORRECTED, 0))


def test_every_model_is_told_of_the_judged_slices(
    own_logic: Any, a_volume: Any, tmp_path: Any
) -> None:
    """Its worklist then knows what they show."""
    node = own_logic.segment(a_volume, "boxes", device="cpu")
    grid, model = snapshot(a_volume).geometry, read_manifest(tmp_path / "models" / "boxes")
    assert known_labels(node, a_volume, grid, model) is None
    correct(node, a_volume)
    own_logic.acceptSlice(node, 0)
    known = known_labels(node, a_volume, grid, model)
    assert known is not None
    assert known_slices(known, 0) == {0: False, CORRECTED: True}
    np.testing.assert_array_equal(known[CORRECTED], moved_border()[CORRECTED])


def test_a_missing_segment_is_no_correction(in_turn: Any, a_volume: Any) -> None:
    node = in_turn.segment(a_volume, MODEL, device="cpu")
    correct(node, a_volume)
    node.GetSegmentation().RemoveSegment(ReviewHistory(node).segment_ids[2])
    segment_again(in_turn, node, a_volume)
    others = np.delete(labels_of(node, a_volume), CORRECTED, 0)
    np.testing.assert_array_equal(others, np.delete(boxes(), CORRECTED, 0))
