"""Undo and Redo of predictions, and what is remembered with them."""

from __future__ import annotations

import numpy as np
import slicer
from review_cases import FIRST, SECOND, Case
from scene_nodes import draw


def test_undo_of_an_update_brings_model_doubt_and_states_back(predicted: Case) -> None:
    predicted.paint(6)
    predicted.predict(SECOND, "m-2")
    assert predicted.undo.undo(predicted.node)
    assert predicted.history.model == "m-1"
    assert predicted.history.states() == {6: "corrected"}
    assert predicted.undo.undo(predicted.node)
    assert predicted.history.states() == {}


def test_undo_is_told_from_an_edit_with_the_same_result(predicted: Case) -> None:
    """The update changes one slice; the reader draws what was there before."""
    update = FIRST.copy()
    update[7] = SECOND[7]
    predicted.predict(update, "m-2")
    predicted.undo.save(predicted.node)
    draw(predicted.node, predicted.volume, predicted.history.segment_ids, FIRST)
    assert predicted.history.model == "m-2"
    assert predicted.history.states() == {7: "corrected"}
    predicted.undo.undo(predicted.node)
    assert predicted.history.states() == {}
    predicted.undo.undo(predicted.node)
    assert predicted.history.model == "m-1"


def test_undo_of_the_first_prediction_leaves_nothing(predicted: Case) -> None:
    predicted.undo.undo(predicted.node)
    assert predicted.history.model is None
    assert predicted.history.doubt == ()
    assert predicted.history.states() == {}
    predicted.predict(SECOND, "m-2")
    assert predicted.history.model == "m-2"
    assert predicted.history.states() == {}


def test_after_undo_another_update_takes_the_place_of_the_first(predicted: Case) -> None:
    predicted.predict(SECOND, "m-2")
    predicted.undo.undo(predicted.node)
    predicted.predict(np.roll(FIRST, 2, axis=2), "m-3")
    assert predicted.history.model == "m-3"
    predicted.undo.undo(predicted.node)
    assert predicted.history.model == "m-1"


def test_many_predictions_do_not_fill_the_scene(predicted: Case) -> None:
    sizes = []
    for number in range(2, 40):
        predicted.predict((FIRST, SECOND)[number % 2], f"m-{number}")
        names = predicted.node.GetAttributeNames()
        sizes.append(sum(len(predicted.node.GetAttribute(name)) for name in names))
    assert predicted.history.model == "m-39"
    assert predicted.history.states() == {}
    assert sizes[-1] < 1.1 * sizes[20] < 60_000
    predicted.undo.undo(predicted.node)
    assert predicted.history.model == "m-38"


def test_the_editors_history_restores_the_records(predicted: Case) -> None:
    """The Segment Editor keeps its states in the same class, outside of our store."""
    editor = slicer.vtkSegmentationHistory()
    editor.SetSegmentation(predicted.node.GetSegmentation())
    editor.SaveState()
    predicted.paint(6)
    editor.SaveState()
    predicted.predict(SECOND, "m-2")
    for model, states in (("m-1", {6: "corrected"}), ("m-1", {})):
        assert editor.RestorePreviousState()
        assert (predicted.history.model, predicted.history.states()) == (model, states)
    for model in ("m-1", "m-2"):
        assert editor.RestoreNextState()
        assert (predicted.history.model, predicted.history.states()) == (model, {6: "corrected"})
