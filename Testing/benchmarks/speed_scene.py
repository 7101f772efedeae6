"""A scene with a volume, and the logic of the module with its background process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import slicer
import torch
from numpy.typing import NDArray
from scene_nodes import new_scene, volume_of
from speed_inputs import ONE_PIECE, disc_volume

from funet.worker.transport import SubprocessTransport
from FUNetSegmentationLib.jobs.runner import JobRunner
from FUNetSegmentationLib.scene.history import ReviewHistory
from FUNetSegmentationLib.scene.labels import read_labels
from FUNetSegmentationLib.scene.writing import draw_slices
from FUNetSegmentationLib.workflow.logic import SegmentationLogic


@dataclass
class Bench:
    """A scene with one volume.

    Attributes:
        scene, volume_node: of the volume.
        truth: its true labels, uint8 (slices, rows, columns).
        logic: as a script uses it.
        runner: its background process, which starts with the first job.
    """

    scene: Any
    volume_node: Any
    truth: NDArray[np.uint8]
    logic: SegmentationLogic
    runner: JobRunner

    def segment(self) -> Any:
        """Press Segment: a new segmentation node, once it is written."""
        return self.logic.segment(self.volume_node, model=ONE_PIECE, device="cpu")

    def correct(self, node: Any, slices: Sequence[int]) -> None:
        """Replace slices of a segmentation by the truth, as with the Segment Editor."""
        draw_slices(node, self.truth, ReviewHistory(node).segment_ids, self.volume_node, 0, slices)

    def retrain(self, node: Any, slices: Sequence[int], steps: int | None) -> float:
        """Press Retrain; how long it takes until the visible slice is updated."""
        history = ReviewHistory(node)
        before = history.model
        began = time.perf_counter()
        task = self.logic.retrain(
            node, model=ONE_PIECE, slices=slices, steps=steps, device="cpu", waitForCompletion=False
        )
        shown = None
        while not task.finished:
            self.runner.pump(0.01)
            if shown is None and history.model != before:
                shown = time.perf_counter() - began
        task.wait()  # raises what went wrong
        assert shown is not None, "the visible slice was not updated"
        return shown

    def labels(self, node: Any) -> NDArray[np.uint8]:
        """What a segmentation shows, uint8 (slices, rows, columns)."""
        return read_labels(node, ReviewHistory(node).segment_ids, self.volume_node).labels


@contextmanager
def bench(
    count: int, rows: int, columns: int, spacing: tuple[float, float, float] = (0.9, 0.9, 1.0)
) -> Iterator[Bench]:
    """A volume of discs in a new scene; its background process and models go when it closes."""
    volume, truth = disc_volume(count, rows, columns, spacing)
    scene = slicer.mrmlScene = new_scene()
    node = volume_of(scene, volume.geometry, volume.array.astype(np.int16))
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(torch.get_num_threads()))}
    runner = JobRunner(SubprocessTransport(environment=threads))
    try:
        with TemporaryDirectory() as models:
            logic = SegmentationLogic(runner=runner, modelsFolder=Path(models))
            logic.visibleSlice = lambda _volume_node, _axis: count // 2
            yield Bench(scene, node, truth, logic, runner)
            runner.close()
    finally:
        runner.close()
        scene.Clear(1)
        del slicer.mrmlScene
