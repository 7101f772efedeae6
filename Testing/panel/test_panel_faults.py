"""What happens around the panel: missing packages, scenes that close, modules that reload."""

from __future__ import annotations

import itertools
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import host
import pytest
import slicer
from panel_scene import CORRECTED, add_boxes, correct, labels_of, write_boxes
from panel_tools import Desk, opened

LONGEST_GAP = 0.1  # seconds that the user interface may stand still
TICK_MS = 10
ATTEMPTS = 5  # other programs may hold the processor for a while


@pytest.fixture(autouse=True)
def _attribute_style() -> None:
    host.use_attribute_style(__name__)


@pytest.fixture
def extension_without_torch(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The extension PyTorch, in an application that has no torch yet."""
    from FUNetSegmentationLib.jobs import requirements

    extension = types.ModuleType("PyTorchUtils")
    extension.installed, extension.answers, extension.asked = False, True, []

    class PyTorchUtilsLogic:
        def installTorch(self, **options: Any) -> object:  # noqa: N802 (the extension's name)
            extension.asked.append(options)
            extension.installed = extension.answers
            return object() if extension.answers else None

    extension.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    monkeypatch.setattr(
        requirements.Requirement, "satisfied", property(lambda _self: extension.installed)
    )
    desk.widget.parent.exit()
    desk.widget.parent.enter()
    return extension


def test_first_use_installs_after_one_click_and_goes_on(
    desk: Desk, extension_without_torch: types.ModuleType
) -> None:
    ui = desk.ui
    assert not ui.requirementsFrame.isHidden()
    assert "PyTorch" in ui.requirementsLabel.text
    volume = add_boxes()
    host.spin(0.05)
    desk.choose(volume)
    desk.press("segmentButton")
    assert not desk.logic.busy
    assert ui.installButton.text == "Install and go on"

    extension_without_torch.answers = False
    desk.press("installButton")
    assert desk.status == "Nothing was installed."
    assert not ui.requirementsFrame.isHidden()

    extension_without_torch.answers = True
    desk.press_and_wait("installButton")
    assert extension_without_torch.asked[-1]["askConfirmation"]
    assert ui.requirementsFrame.isHidden()
    assert desk.segmentation is not None, "the job did not go on"


def test_the_first_training_has_a_plot_too(
    segmented: Desk, extension_without_torch: types.ModuleType
) -> None:
    segmented.parameters.steps = 2
    segmented.press("retrainButton")
    assert segmented.ui.plotFrame.isHidden()
    segmented.press_and_wait("installButton")
    assert not segmented.ui.plotFrame.isHidden()


def test_without_the_extension_the_panel_says_what_to_install(
    desk: Desk, extension_without_torch: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    desk.press("installButton")
    assert "Extensions Manager" in desk.status
    assert not desk.ui.requirementsFrame.isHidden()


@pytest.mark.alone
def test_the_user_interface_answers_while_a_retraining_runs(
    segmented: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    segmented.parameters.steps = 60
    gaps = []
    while len(gaps) < ATTEMPTS and min(gaps, default=1.0) >= LONGEST_GAP:
        gaps.append(_longest_gap(lambda: segmented.press_and_wait("retrainButton")))
    with capsys.disabled():
        shown = ", ".join(f"{1000 * gap:.0f}" for gap in gaps)
        sys.stdout.write(f"\nlongest gap between ticks while a retraining ran: {shown} ms\n")
    (plot,) = segmented.ui.plotFrame.findChildren(slicer.qMRMLPlotWidget)
    assert plot.mrmlPlotViewNode() is not None
    assert min(gaps) < LONGEST_GAP


def _longest_gap(act: Callable[[], object]) -> float:
    """The longest time, in seconds, for which the event loop stood still."""
    import qt

    ticks: list[float] = []
    timer = qt.QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(TICK_MS)
    act()
    timer.stop()
    return max(later - earlier for earlier, later in itertools.pairwise(ticks))


def test_leaving_the_module_and_coming_back_finds_the_same_state(segmented: Desk) -> None:
    node, rows = segmented.segmentation, segmented.rows()
    segmented.widget.parent.exit()
    correct(node, segmented.ui.inputVolumeSelector.currentNode(), 2)  # with another module
    segmented.widget.parent.enter()
    assert segmented.segmentation is node
    assert "2 corrected" in segmented.ui.reviewSummaryLabel.text
    assert len(segmented.rows()) == len(rows) - 1
    segmented.check_buttons()


def close_scene_while_it_runs(desk: Desk, button: str) -> str:
    """What the panel says at the end of a task for which the scene plays no part."""
    desk.press(button)
    slicer.mrmlScene.Clear(0)
    host.spin()
    assert desk.ui.cancelButton.enabled
    desk.wait_until(lambda: not desk.logic.busy)
    desk.check_buttons()
    return desk.status


def test_closing_the_scene_lets_a_new_model_be_trained_and_chosen(segmented: Desk) -> None:
    segmented.parameters.epochs = 1
    segmented.ui.newModelNameEdit.text = "Mine"
    said = close_scene_while_it_runs(segmented, "trainButton")
    assert said.startswith("The new model “Mine” is ready"), said
    assert segmented.ui.modelSelector.currentText == "Mine"
    assert segmented.ui.plotFrame.isHidden()


def test_closing_the_scene_keeps_the_results_of_many_files(desk: Desk, tmp_path: Path) -> None:
    write_boxes(tmp_path / "in", "a.nii.gz", "b.nii.gz")
    desk.ui.batchCollapsibleButton.collapsed = False
    desk.ui.batchInputPathEdit.currentPath = str(tmp_path / "in")
    desk.ui.batchOutputPathEdit.currentPath = str(tmp_path / "out")
    desk.ui.modelSelector.currentIndex = desk.ui.modelSelector.findData("boxes")
    said = close_scene_while_it_runs(desk, "batchButton")
    assert said.startswith("2 segmented, 0 skipped, 0 failed.")
    assert not desk.ui.batchTable.isHidden()
    assert sorted(row[0] for row in desk.rows("batchTable")) == ["a.nii.gz", "b.nii.gz"]


def test_closing_the_panel_ends_the_background_process_and_opening_it_again_works(
    models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened("5.10", models, monkeypatch) as desk:
        host.use_attribute_style(__name__)
        volume = add_boxes()
        host.spin(0.05)
        desk.choose(volume)
        desk.press_and_wait("segmentButton")
        pid = desk.logic._runner.worker_pid
        node = desk.segmentation
        host.close_module(desk.widget)
        assert not _alive(pid)
        desk.widget = again = host.open_module()
        assert again.ui.segmentationSelector.currentNode() is node
        assert not again.ui.reviewTable.isHidden()
        assert again.ui.reviewTable.rowCount == len(labels_of(node, volume))
        hidden = [
            slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLTableNode")
            for n in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode"))
        ]
        assert not hidden, "the plot of the closed panel is still in the scene"


def test_live_learning_refreshes_the_untouched_slices_in_the_background(
    segmented: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmented.widget.panel._live.learning, "_quiet_seconds", 0.2)
    node = segmented.segmentation
    volume = segmented.ui.inputVolumeSelector.currentNode()
    segmented.parameters.steps = 2
    segmented.choose_slice(1)  # the corrected slice is left
    drawn = labels_of(node, volume)[CORRECTED]
    segmented.ui.liveLearningCheckBox.checked = True
    segmented.wait_until(lambda: segmented.ui.modelSelector.currentText.endswith("version 2"))
    segmented.wait_until(lambda: "refreshed" in segmented.ui.liveStateLabel.text)
    assert (labels_of(node, volume)[CORRECTED] == drawn).all()
    segmented.check_buttons()
    segmented.ui.liveLearningCheckBox.checked = False
    assert segmented.ui.liveStateLabel.isHidden()


def test_live_learning_teaches_the_chosen_model(
    segmented: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = segmented
    desk.add_cores()
    desk.choose_model("cores")
    monkeypatch.setattr(desk.widget.panel._live.learning, "_quiet_seconds", 0.2)
    desk.parameters.steps = 2
    desk.choose_slice(1)
    desk.ui.liveLearningCheckBox.checked = True
    desk.wait_until(lambda: "has no segment Large core" in desk.ui.liveStateLabel.text)
    assert not any(one.id == "boxes.v2" for one in desk.logic.models())
    desk.ui.liveLearningCheckBox.checked = False


def test_what_waits_for_live_learning_is_shown_as_running(
    segmented: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = segmented
    learning = desk.widget.panel._live.learning
    monkeypatch.setattr(learning, "_quiet_seconds", 0.2)
    desk.parameters.steps = 100_000
    desk.choose_slice(1)
    desk.ui.liveLearningCheckBox.checked = True
    desk.wait_until(lambda: "left" in desk.ui.progressBar.format)
    desk.press("retrainButton")
    assert not desk.ui.segmentButton.enabled
    assert not desk.ui.retrainButton.enabled
    assert not desk.ui.plotFrame.isHidden()
    desk.wait_until(lambda: learning.state != "learning" and "left" in desk.ui.progressBar.format)
    assert not desk.ui.plotFrame.isHidden()
    assert not desk.ui.retrainButton.enabled
    desk.ui.liveLearningCheckBox.checked = False
    desk.press_and_wait("cancelButton")
    assert desk.ui.retrainButton.enabled


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
