"""Run is pressed twice: in the panel the second click finds nothing, elsewhere it waits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import host
import numpy as np
import pytest
import slicer
from logic_tools import finish, new_logic
from panel_scene import add_boxes
from panel_tools import Desk
from scene_nodes import paint, volume_of
from threshold_models import boxes, image, labels_of, publish

from funet.models.store import ModelStore
from FUNetSegmentationLib.jobs.runner import JobRunner

pytestmark = pytest.mark.case(17)


def test_two_retrainings_at_once_run_one_after_the_other_and_both_are_kept(
    runner: JobRunner, scene: object, tmp_path: Path, untouched: Callable[..., None]
) -> None:
    publish(tmp_path)
    untouched(tmp_path / "boxes")
    logic, store = new_logic(runner, tmp_path), ModelStore(tmp_path, tmp_path / "none")
    volume = volume_of(scene, array=image())
    node = logic.segment(volume, "boxes", device="cpu")
    paint(node, node.GetSegmentation().GetNthSegmentID(0), volume, 0, 4)
    tasks = [
        logic.retrain(node, steps=2, seed=seed, device="cpu", waitForCompletion=False)
        for seed in (0, 1)
    ]
    assert [task.state for task in tasks] == ["running", "queued"]
    assert [finish(runner, task).state for task in tasks] == ["done", "done"]
    assert [task.result.model for task in tasks] == ["boxes.v2", "boxes.v3"]
    line = [manifest.id for manifest in store.lineage("boxes.v3")]
    assert line == ["boxes.v3", "boxes.v2", "boxes"]
    for name in line:
        store.load(name)
    assert store.active("boxes").id == "boxes.v3"


def test_a_second_click_in_the_panel_starts_nothing(desk: Desk) -> None:
    host.use_attribute_style(__name__)
    volume = add_boxes()
    host.spin(0.05)
    desk.choose(volume)
    desk.ui.segmentButton.click()
    desk.ui.segmentButton.click()  # before the first click has come anywhere
    host.spin()
    assert not desk.ui.segmentButton.enabled
    assert "is running" in desk.ui.segmentButton.toolTip
    desk.ui.segmentButton.click()
    desk.wait_until(lambda: not desk.logic.busy)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    np.testing.assert_array_equal(labels_of(desk.segmentation, volume), boxes())
    assert desk.ui.segmentButton.enabled
