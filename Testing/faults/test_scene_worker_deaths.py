"""The background process dies or hangs while it works for the scene: nothing of that changes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from impatience import little_patience
from logic_tools import finish, new_logic, pump_until
from panel_scene import write_boxes
from scene_content import scene_content
from scene_nodes import paint, volume_of
from sentences import assert_plain
from threshold_models import boxes, image, labels_of, publish

from funet.errors import WorkerError
from FUNetSegmentationLib.jobs.runner import JobRunner
from FUNetSegmentationLib.workflow.logic import SegmentationLogic
from FUNetSegmentationLib.workflow.task import Task

CORRECTED = 4
# Loading PyTorch again takes a while, so not every signal in every kind of task; the panel is
# shown the others.
DEATHS = [
    pytest.param("files", signal.SIGKILL, "(SIGKILL)", marks=pytest.mark.case(10)),
    pytest.param("train", signal.SIGSTOP, "stopped answering", marks=pytest.mark.case(11)),
]


@pytest.fixture
def desk_of(scene: Any, runner: JobRunner, tmp_path: Path) -> tuple[SegmentationLogic, Any, Any]:
    """A logic with one model, a volume, and a segmentation of it with one corrected slice."""
    publish(tmp_path / "models")
    logic = new_logic(runner, tmp_path / "models")
    volume_node = volume_of(scene, array=image())
    node = logic.segment(volume_node, "boxes", device="cpu")
    paint(node, node.GetSegmentation().GetNthSegmentID(0), volume_node, 0, CORRECTED)
    return logic, volume_node, node


def start(kind: str, logic: SegmentationLogic, volume_node: Any, node: Any, folder: Path) -> Task:
    if kind == "files":
        write_boxes(folder, "a.nii.gz")
        return logic.segmentFiles(
            [folder], folder / "out", "boxes", device="cpu", waitForCompletion=False
        )
    return logic.trainNewModel(
        volume_node, node, "New", epochs=10_000, device="cpu", waitForCompletion=False
    )


@pytest.mark.parametrize(("kind", "signal_", "words"), DEATHS)
def test_the_scene_and_the_models_stay_and_the_next_job_works(
    desk_of: Any,
    runner: JobRunner,
    scene: Any,
    tmp_path: Path,
    untouched: Callable[..., None],
    kind: str,
    signal_: int,
    words: str,
) -> None:
    logic, volume_node, node = desk_of
    untouched(tmp_path / "models")
    before = scene_content(scene)
    task = start(kind, logic, volume_node, node, tmp_path / "files")
    if kind == "train":
        pump_until(runner, lambda: task.progress.fraction > 0)
    with little_patience(runner):
        os.kill(runner.worker_pid, signal_)
        assert finish(runner, task).state == "failed"
    assert words in task.error
    assert_plain(task.error)
    assert task.result is None
    assert scene_content(scene) == before
    assert not (tmp_path / "files" / "out").exists()
    with pytest.raises(WorkerError):
        task.wait()
    logic.segment(volume_node, "boxes", segmentationNode=node, device="cpu")
    np.testing.assert_array_equal(
        np.delete(labels_of(node, volume_node), CORRECTED, 0), np.delete(boxes(), CORRECTED, 0)
    )
