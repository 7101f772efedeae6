"""Cancel in every phase of every job of the product: below two seconds, and nothing came of it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from leftovers import snapshot
from logic_tools import new_logic, open_runner, pump_until
from panel_scene import write_boxes
from scene_content import scene_content
from scene_nodes import paint, volume_of
from threshold_models import boxes, image, labels_of
from worker_tools import LIMIT_SECONDS

from funet.errors import Cancelled
from funet.images.volumes import read_label_map
from funet.models.active import ACTIVE_NAME
from FUNetSegmentationLib.jobs.runner import JobRunner
from FUNetSegmentationLib.workflow.logic import SegmentationLogic
from FUNetSegmentationLib.workflow.task import Task

pytestmark = pytest.mark.case(12)

LEEWAY_MEGABYTES = 75  # less than the voxels of the large volume alone
_PAGES_PER_MEGABYTE = 2**20 // os.sysconf("SC_PAGE_SIZE")
_QUIETLY = {"waitForCompletion": False}

Start = Callable[[SegmentationLogic, Any, Any, Path], Task]
KINDS: dict[str, Start] = {
    "segment": lambda logic, volume, node, folder: logic.segment(
        volume, "boxes", device="cpu", **_QUIETLY
    ),
    "update": lambda logic, volume, node, folder: logic.update(node, device="cpu", **_QUIETLY),
    "retrain": lambda logic, volume, node, folder: logic.retrain(
        node, steps=6, device="cpu", **_QUIETLY
    ),
    "train": lambda logic, volume, node, folder: logic.trainNewModel(
        volume, node, "New", epochs=2, device="cpu", **_QUIETLY
    ),
    "files": lambda logic, volume, node, folder: logic.segmentFiles(
        [folder / "images"], folder / "out", "boxes", device="cpu", **_QUIETLY
    ),
    "export": lambda logic, volume, node, folder: logic.exportModel(
        "boxes", folder / "out" / "boxes.zip", **_QUIETLY
    ),
    "import": lambda logic, volume, node, folder: logic.importModel(
        folder / "boxes.zip", **_QUIETLY
    ),
    "computer": lambda logic, volume, node, folder: logic.computer(**_QUIETLY),
}


@pytest.fixture
def bench(own_logic: SegmentationLogic, scene: Any, tmp_path: Path) -> tuple[Any, Any]:
    """A volume and a segmentation of it with a corrected slice; files and a model to import."""
    volume_node = volume_of(scene, array=image())
    node = own_logic.segment(volume_node, "boxes", device="cpu")
    paint(node, node.GetSegmentation().GetNthSegmentID(0), volume_node, 0, 4)
    write_boxes(tmp_path / "images", "a.nii.gz", "b.nii.gz")
    own_logic.exportModel("boxes", tmp_path / "boxes.zip")
    (tmp_path / "out").mkdir()
    return volume_node, node


def run(
    logic: SegmentationLogic, start: Callable[[], Task], moment: int | None
) -> tuple[Task, int]:
    """Run a task, and cancel it when it has told of so many changes; never with ``None``.

    Returns:
        The task, and of how many changes it told; it was over in time after the cancel.
    """
    cancelled_at = []
    seen: list[Task] = []

    def cancel(task: Task) -> None:
        cancelled_at.append(time.monotonic())
        task.cancel()

    def count(task: Task) -> None:
        seen.append(task)
        if len(seen) == moment:
            cancel(task)

    logic.onTaskChanged.append(count)
    try:
        task = start()
        if moment == 0:
            cancel(task)
        pump_until(logic._runner, lambda: task.finished)
    finally:
        logic.onTaskChanged.remove(count)
    if task.state == "cancelled":
        assert time.monotonic() - cancelled_at[0] < LIMIT_SECONDS
    return task, len(seen)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_at_any_moment_leaves_nothing(
    own_logic: SegmentationLogic, scene: Any, bench: tuple[Any, Any], tmp_path: Path, kind: str
) -> None:
    def start() -> Task:
        return KINDS[kind](own_logic, *bench, tmp_path)

    def everything() -> Any:
        # Numbers of versions are not used twice; results of files that were finished stay.
        passing = {str(tmp_path / "models" / ACTIVE_NAME)}
        if kind == "files":
            passing |= set(snapshot(tmp_path / "out"))
        files = {path: one for path, one in snapshot(tmp_path).items() if path not in passing}
        in_use = [(info.id, info.active) for info in own_logic.models()]
        return scene_content(scene), files, in_use

    def assert_cancel_leaves_nothing(moment: int) -> None:
        shutil.rmtree(tmp_path / "out")  # what is there is not made again
        (tmp_path / "out").mkdir()
        before = everything()
        task, _count = run(own_logic, start, moment)
        assert (task.state, task.error, task.result) == ("cancelled", "", None)
        with pytest.raises(Cancelled):
            task.wait()
        assert everything() == before

    assert_cancel_leaves_nothing(0)
    whole, count = run(own_logic, start, None)
    assert whole.state == "done", whole.error
    moments = {1, 2, 3, count // 2, count - 2, count - 1}
    for moment in sorted(moments & set(range(1, count))):
        assert_cancel_leaves_nothing(moment)
    for path in (tmp_path / "out").glob("*.nii.gz"):
        np.testing.assert_array_equal(read_label_map(path).array, boxes())


def test_a_cancel_while_pytorch_is_being_loaded_is_in_time(scene: Any, known_models: Path) -> None:
    with open_runner() as runner:
        logic = new_logic(runner, known_models)
        volume_node = volume_of(scene, array=image())
        for seconds in (0.0, 0.3):
            task = logic.segment(volume_node, "boxes", device="cpu", waitForCompletion=False)
            pump_until(runner, lambda: runner.worker_pid is not None)
            time.sleep(seconds)
            assert_cancels(runner, task)


def test_the_memory_of_a_cancelled_job_comes_back(
    logic: SegmentationLogic, runner: JobRunner, scene: Any
) -> None:
    small = volume_of(scene, array=image(), name="small")
    large = volume_of(scene, array=np.zeros((400, 256, 256), np.float32), name="large")
    logic.segment(small, "boxes", device="cpu")
    before, pid = megabytes(runner), runner.worker_pid
    for _ in range(3):
        task = logic.segment(large, "boxes", device="cpu", waitForCompletion=False)
        pump_until(runner, lambda running=task: running.progress.fraction > 0)
        assert megabytes(runner) > before + 100
        assert_cancels(runner, task)
        node = logic.segment(small, "boxes", device="cpu")
        np.testing.assert_array_equal(labels_of(node, small), boxes())
        assert runner.worker_pid == pid
        assert megabytes(runner) < before + LEEWAY_MEGABYTES


def assert_cancels(runner: JobRunner, task: Task) -> None:
    task.cancel()
    assert pump_until(runner, lambda: task.finished) < LIMIT_SECONDS
    assert (task.state, task.error) == ("cancelled", "")


def megabytes(runner: JobRunner) -> float:
    """The memory that the background process uses."""
    pages = Path(f"/proc/{runner.worker_pid}/statm").read_text(encoding="utf-8").split()[1]
    return int(pages) / _PAGES_PER_MEGABYTE
