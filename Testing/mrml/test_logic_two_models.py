"""Two models in one segmentation: what one has predicted is no drawing for the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from logic_tools import pump_until
from scene_nodes import paint, volume_of
from threshold_models import OTHER_SEGMENTS, image, labels_of, publish

from funet.errors import InputError
from FUNetSegmentationLib.scene.history import ReviewHistory
from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation
from FUNetSegmentationLib.workflow.logic import SegmentationLogic

FEW_STEPS = {"steps": 2, "device": "cpu"}


@pytest.fixture
def two_models(own_logic: SegmentationLogic) -> SegmentationLogic:
    """A logic with a second model, of other structures in other slices."""
    assert own_logic.modelsFolder is not None
    publish(own_logic.modelsFolder, "sagittal", "cores", OTHER_SEGMENTS)
    return own_logic


@pytest.fixture
def volume(scene: Any) -> Any:
    return volume_of(scene, array=image())


def segment_id(node: Any, name: str) -> str:
    return str(node.GetSegmentation().GetSegmentIdBySegmentName(name))


def test_nothing_that_either_predicted_teaches_the_other_or_is_kept(
    two_models: SegmentationLogic, volume: Any
) -> None:
    node = two_models.segment(volume, "boxes", device="cpu")
    two_models.segment(volume, "cores", node, device="cpu")
    for model in ("boxes", "cores"):
        with pytest.raises(InputError, match="nothing to learn from"):
            two_models.retrain(node, model, **FEW_STEPS)
        assert {item.state for item in two_models.review(node, model)} == {"predicted"}
    assert labels_of(node, volume).any()
    slicer.util.updateVolumeFromArray(volume, np.zeros_like(image()))
    two_models.segment(volume, "boxes", node, device="cpu")
    assert not labels_of(node, volume).any(), "an untouched prediction was kept"


def test_each_has_its_own_corrections_and_accepted_slices(
    two_models: SegmentationLogic, volume: Any
) -> None:
    node = two_models.segment(volume, "boxes", device="cpu")
    paint(node, segment_id(node, "Large box"), volume, 0, 4)
    two_models.acceptSlice(node, 6)
    two_models.segment(volume, "cores", node, device="cpu")
    assert ReviewHistory(node).model == "cores"
    two_models.acceptSlice(node, 6)
    two_models.acceptSlice(node, 7)
    assert two_models.acceptedSlices(node) == (6, 7)

    two_models.review(node, "boxes")
    assert ReviewHistory(node).model == "boxes"
    assert two_models.correctedSlices(node) == (4,)
    assert two_models.acceptedSlices(node) == (6,)
    result = two_models.retrain(node, **FEW_STEPS)
    assert (result.model, result.learned) == ("boxes.v2", 2)
    assert two_models.retrain(node, "cores", **FEW_STEPS).learned == 2


def test_undo_of_the_second_model_leaves_the_first_one_in_review(
    two_models: SegmentationLogic, volume: Any
) -> None:
    node = two_models.segment(volume, "boxes", device="cpu")
    two_models.acceptSlice(node, 6)
    two_models.segment(volume, "cores", node, device="cpu")
    assert two_models.undo(node)
    assert ReviewHistory(node).model == "boxes"
    assert two_models.acceptedSlices(node) == (6,)


def test_a_model_that_predicted_nothing_here_is_not_reviewed(
    two_models: SegmentationLogic, volume: Any
) -> None:
    node = two_models.segment(volume, "boxes", device="cpu")
    assert two_models.review(node, "cores") == two_models.review(node)
    assert ReviewHistory(node).model == "boxes"


def test_rolling_back_one_leaves_the_segmentations_of_the_other(
    two_models: SegmentationLogic, volume: Any
) -> None:
    node = two_models.segment(volume, "boxes", device="cpu")
    two_models.acceptSlice(node, 6)
    two_models.retrain(node, **FEW_STEPS)
    other = two_models.segment(volume, "cores", device="cpu")
    drawn = create_segmentation(volume, "drawn")
    two_models.rollBack([other, drawn, node], "boxes", device="cpu")
    assert ReviewHistory(node).model == "boxes"
    assert ReviewHistory(other).model == "cores"
    names = {
        one.GetSegmentation().GetNthSegment(n).GetName()
        for one in (other, drawn)
        for n in range(one.GetSegmentation().GetNumberOfSegments())
    }
    assert "Large box" not in names


def test_a_roll_back_that_is_cancelled_leaves_the_version_in_use(
    own_logic: SegmentationLogic, runner: Any, volume: Any
) -> None:
    node = own_logic.segment(volume, "boxes", device="cpu")
    own_logic.acceptSlice(node, 6)
    own_logic.retrain(node, **FEW_STEPS)
    task = own_logic.rollBack(node, device="cpu", waitForCompletion=False)
    pump_until(runner, lambda: task.state == "running")
    task.cancel()
    pump_until(runner, lambda: task.finished)
    assert task.state == "cancelled"
    assert own_logic.model("boxes.v2").active
    assert ReviewHistory(node).model == "boxes.v2"
    own_logic.rollBack(node, device="cpu")
    assert own_logic.model("boxes").active


def test_a_version_that_comes_when_another_model_is_chosen_leaves_the_choice(
    two_models: SegmentationLogic, scene: Any, volume: Any
) -> None:
    node = two_models.segment(volume, "boxes", device="cpu")
    two_models.acceptSlice(node, 6)
    parameters = scene.GetSingletonNode("FUNetSegmentation", "vtkMRMLScriptedModuleNode")
    two_models.retrain(
        node,
        **FEW_STEPS,
        progressCallback=lambda _progress: parameters.SetParameter("model", "cores"),
    )
    assert parameters.GetParameter("model") == "cores"
    two_models.acceptSlice(node, 7)
    parameters.SetParameter("model", "boxes")
    assert two_models.retrain(node, **FEW_STEPS).model == parameters.GetParameter("model")
