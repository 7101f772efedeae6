"""Faults as somebody at the panel meets them: one sentence, nothing lost, and work goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import host
import numpy as np
import pytest
import slicer
from impatience import little_patience
from panel_scene import CORRECTED, add_boxes, boxes, correct, labels_of
from panel_tools import Desk
from scene_content import scene_content
from sentences import assert_plain


@pytest.fixture(autouse=True)
def _attribute_style() -> None:
    host.use_attribute_style(__name__)


@pytest.mark.case(10, 11)
def test_a_worker_that_dies_or_hangs_during_a_retraining_is_said_in_the_panel(
    segmented: Desk, models: Path, untouched: Callable[..., None]
) -> None:
    untouched(models)
    _loses_its_worker(segmented, signal.SIGSEGV, "was ended by signal 11 (SIGSEGV)")
    _loses_its_worker(segmented, signal.SIGSTOP, "stopped answering")
    segmented.press_and_wait("segmentButton")
    labels = labels_of(segmented.segmentation, segmented.ui.inputVolumeSelector.currentNode())
    np.testing.assert_array_equal(np.delete(labels, CORRECTED, 0), np.delete(boxes(), CORRECTED, 0))


def _loses_its_worker(desk: Desk, signal_: int, words: str) -> None:
    before = scene_content(slicer.mrmlScene)
    desk.parameters.steps = 100000
    desk.press("retrainButton")
    desk.wait_until(lambda: "left" in desk.ui.progressBar.format)
    with little_patience(desk.logic._runner):
        os.kill(desk.logic._runner.worker_pid, signal_)
        desk.wait_until(lambda: not desk.logic.busy)
    said, *_notes = desk.status.splitlines()
    assert words in said
    assert_plain(said)
    assert desk.ui.progressBar.format == "Ready"
    after = scene_content(slicer.mrmlScene)
    assert {key: after.get(key) for key in before} == before
    desk.check_buttons()
    assert desk.ui.retrainButton.enabled


@pytest.mark.case(15)
def test_a_scene_closed_in_mid_job_resets_the_panel_and_leaves_no_error(segmented: Desk) -> None:
    segmented.parameters.steps = 100000
    segmented.press("retrainButton")
    segmented.wait_until(lambda: "left" in segmented.ui.progressBar.format)
    slicer.mrmlScene.Clear(0)
    segmented.wait_until(lambda: not segmented.logic.busy)
    assert segmented.status == ""
    assert segmented.rows() == []
    assert segmented.ui.plotFrame.isHidden()
    assert segmented.ui.progressBar.format == "Ready"
    segmented.check_buttons()

    volume = add_boxes("next patient")
    host.spin(0.05)
    segmented.choose(volume)
    segmented.press_and_wait("segmentButton")
    assert segmented.segmentation is not None


@pytest.mark.case(15)
def test_a_volume_deleted_in_mid_job_is_no_error(desk: Desk) -> None:
    volume = add_boxes()
    host.spin(0.05)
    desk.choose(volume)
    desk.press("segmentButton")
    slicer.mrmlScene.RemoveNode(volume)
    desk.wait_until(lambda: not desk.logic.busy)
    assert desk.status == ""
    assert desk.segmentation is None
    desk.check_buttons()


@pytest.mark.case(12)
def test_cancel_ends_a_retraining_and_leaves_everything_as_it_was(desk: Desk) -> None:
    volume = add_boxes()
    host.spin(0.05)
    desk.choose(volume)
    desk.press_and_wait("segmentButton")
    correct(desk.segmentation, volume, CORRECTED)
    before = labels_of(desk.segmentation, volume)
    desk.parameters.steps = 100000
    desk.press("retrainButton")
    desk.wait_until(lambda: "left" in desk.ui.progressBar.format)
    assert not desk.ui.segmentButton.enabled
    assert "Retraining" in desk.ui.segmentButton.toolTip
    said = desk.press_and_wait("cancelButton")
    assert "cancelled" in said
    assert desk.ui.progressBar.format == "Ready"
    assert desk.ui.modelSelector.currentText == "Boxes axial"
    assert (labels_of(desk.segmentation, volume) == before).all()
    assert desk.ui.retrainButton.enabled
