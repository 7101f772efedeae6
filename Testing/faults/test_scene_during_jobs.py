"""What happens in the scene while a job runs: applied rightly or discarded, and never a crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from logic_tools import finish, new_logic, pump_until
from scene_content import scene_content
from scene_nodes import paint, volume_of
from sentences import assert_plain
from threshold_models import boxes, image, labels_of, publish

from FUNetSegmentationLib.jobs.runner import JobRunner
from FUNetSegmentationLib.workflow.logic import SegmentationLogic
from FUNetSegmentationLib.workflow.task import Task

CORRECTED = 4
ENDLESS = {"steps": 100_000, "device": "cpu"}
FEW_STEPS = {"steps": 2, "device": "cpu"}
BACKGROUND = {"waitForCompletion": False}


@pytest.fixture
def a_volume(scene: Any) -> Any:
    return volume_of(scene, array=image())


@pytest.fixture
def a_prediction(own_logic: SegmentationLogic, a_volume: Any) -> Any:
    """A segmentation with one corrected slice."""
    node = own_logic.segment(a_volume, "boxes", device="cpu")
    paint(node, node.GetSegmentation().GetNthSegmentID(0), a_volume, 0, CORRECTED)
    return node


def start(
    logic: SegmentationLogic, kind: str, volume_node: Any, node: Any, **settings: Any
) -> Task:
    """A task of a kind that goes on until it is ended, or with ``steps`` until it is done."""
    if kind == "segment":
        return logic.segment(
            volume_node, "boxes", segmentationNode=node, device="cpu", **BACKGROUND
        )
    if kind == "update":
        return logic.update(node, device="cpu", **BACKGROUND)
    if kind == "train":
        epochs = settings.get("steps", 10_000)
        return logic.trainNewModel(
            volume_node, node, "Boxes again", epochs=epochs, device="cpu", **BACKGROUND
        )
    return logic.retrain(node, **{**ENDLESS, **settings}, **BACKGROUND)


EVENTS: dict[str, Callable[[Any, Any, Any], object]] = {
    "scene closed": lambda scene, volume_node, node: scene.Clear(0),
    "volume deleted": lambda scene, volume_node, node: scene.RemoveNode(volume_node),
    "segmentation deleted": lambda scene, volume_node, node: scene.RemoveNode(node),
}


@pytest.mark.case(15)
@pytest.mark.parametrize("kind", ["segment", "update", "retrain"])
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
def test_a_result_without_a_place_is_discarded_without_an_error(
    own_logic: SegmentationLogic,
    runner: JobRunner,
    scene: Any,
    a_volume: Any,
    a_prediction: Any,
    kind: str,
    event: Any,
    untouched: Callable[..., None],
) -> None:
    untouched(own_logic.modelsFolder)
    task = start(own_logic, kind, a_volume, a_prediction)
    if kind == "retrain":
        pump_until(runner, lambda: task.progress.fraction > 0)
    event(scene, a_volume, a_prediction)
    left = scene_content(scene)
    finish(runner, task)
    # An update goes on with the segmentations that are left, here with none.
    none_left = kind == "update" and event is EVENTS["volume deleted"]
    assert task.state == ("done" if none_left else "discarded")
    assert task.error == ""
    assert scene_content(scene) == left
    another = volume_of(scene, array=image())
    node = own_logic.segment(another, "boxes", device="cpu")
    np.testing.assert_array_equal(labels_of(node, another), boxes())


@pytest.mark.case(15)
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
def test_a_new_model_needs_no_place_in_the_scene(
    own_logic: SegmentationLogic,
    runner: JobRunner,
    scene: Any,
    a_volume: Any,
    a_prediction: Any,
    event: Any,
) -> None:
    task = start(own_logic, "train", a_volume, a_prediction, steps=1)
    event(scene, a_volume, a_prediction)
    left = scene_content(scene)
    assert finish(runner, task).state == "done", task.error
    assert not [note for note in task.notes if "was changed" in note]
    assert task.result.id in [one.id for one in own_logic.models()]
    assert scene_content(scene) == left


def assert_predicted(segmentation_node: Any, volume_node: Any) -> None:
    """All slices but the corrected one show the boxes as they are."""
    labels = labels_of(segmentation_node, volume_node)
    np.testing.assert_array_equal(np.delete(labels, CORRECTED, 0), np.delete(boxes(), CORRECTED, 0))


@pytest.mark.case(15)
@pytest.mark.parametrize("kind", ["segment", "update", "retrain"])
def test_what_was_renamed_during_a_job_gets_its_result(
    own_logic: SegmentationLogic,
    runner: JobRunner,
    a_volume: Any,
    a_prediction: Any,
    kind: str,
) -> None:
    task = start(own_logic, kind, a_volume, a_prediction, **FEW_STEPS)
    a_volume.SetName("Ich heiße anders")
    a_prediction.SetName("另一个名字")
    segments = a_prediction.GetSegmentation()
    segments.GetNthSegment(0).SetName("Small box")  # the name of the other one
    segments.GetNthSegment(1).SetName("🧠")
    assert finish(runner, task).state == "done", task.error
    assert_predicted(a_prediction, a_volume)
    names = [segments.GetNthSegment(number).GetName() for number in range(2)]
    assert names == ["Small box", "🧠"]
    assert segments.GetNumberOfSegments() == 2
    assert own_logic.correctedSlices(a_prediction) == (CORRECTED,)


@pytest.mark.case(15)
def test_a_segment_that_was_removed_during_a_job_is_made_again(
    own_logic: SegmentationLogic, runner: JobRunner, a_volume: Any, a_prediction: Any
) -> None:
    task = start(own_logic, "segment", a_volume, a_prediction)
    segments = a_prediction.GetSegmentation()
    segments.RemoveSegment(segments.GetNthSegmentID(1))
    assert finish(runner, task).state == "done"
    assert_predicted(a_prediction, a_volume)


def darken(volume_node: Any) -> None:
    """Change all voxels, as a filter does that writes into the volume."""
    scalars = volume_node.GetImageData().GetPointData().GetScalars()
    scalars.Fill(0)
    scalars.Modified()
    volume_node.GetImageData().Modified()


@pytest.mark.case(16)
@pytest.mark.parametrize("kind", ["segment", "retrain", "train"])
def test_the_volume_as_it_was_at_the_start_counts_and_the_user_is_told(
    own_logic: SegmentationLogic,
    runner: JobRunner,
    a_volume: Any,
    a_prediction: Any,
    kind: str,
) -> None:
    settings = {"steps": 2, "update": False} if kind == "retrain" else {"steps": 1}
    task = start(own_logic, kind, a_volume, a_prediction, **settings)
    darken(a_volume)
    assert finish(runner, task).state == "done", task.error
    (said,) = [note for note in task.notes if "was changed meanwhile" in note]
    assert a_volume.GetName() in said
    if kind == "segment":
        assert_predicted(a_prediction, a_volume)


@pytest.mark.case(16)
def test_a_retraining_learns_from_the_volume_as_it_was(
    own_logic: SegmentationLogic,
    runner: JobRunner,
    scene: Any,
    a_volume: Any,
    a_prediction: Any,
    tmp_path: Path,
) -> None:
    twin = publish_twin(tmp_path / "twin", runner)
    settings = {"steps": 2, "seed": 0, "update": False}
    undisturbed = finish(runner, start(twin, "retrain", a_volume, a_prediction, **settings))
    task = start(own_logic, "retrain", a_volume, a_prediction, **settings)
    darken(a_volume)
    finish(runner, task)
    weights = [
        (logic.modelsFolder / one.result.model / "weights.safetensors").read_bytes()
        for logic, one in ((own_logic, task), (twin, undisturbed))
    ]
    assert weights[0] == weights[1]


def publish_twin(folder: Path, runner: JobRunner) -> SegmentationLogic:
    publish(folder)
    return new_logic(runner, folder)


@pytest.mark.case(16)
def test_a_volume_that_gets_another_size_is_a_sentence_and_changes_nothing(
    own_logic: SegmentationLogic, runner: JobRunner, scene: Any, a_volume: Any, a_prediction: Any
) -> None:
    task = start(own_logic, "segment", a_volume, a_prediction)
    other = volume_of(scene, array=image()[:5], name="other")
    a_volume.SetAndObserveImageData(other.GetImageData())
    before = scene_content(scene)
    assert finish(runner, task).state == "failed"
    assert "size of brain changed" in task.error
    assert_plain(task.error)
    assert scene_content(scene) == before
