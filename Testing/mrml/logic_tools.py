"""Shared by the tests of the logic: one background process, and looking at tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from funet.worker.client import Patience
from funet.worker.transport import SubprocessTransport
from FUNetSegmentationLib.jobs.runner import JobRunner
from FUNetSegmentationLib.workflow.logic import SegmentationLogic
from FUNetSegmentationLib.workflow.task import Task

ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


@contextmanager
def open_runner() -> Iterator[JobRunner]:
    """A runner on a real child process, as outside of the application."""
    runner = JobRunner(SubprocessTransport(environment=ENVIRONMENT), patience=Patience(cancel=0.5))
    try:
        yield runner
    finally:
        runner.close()


def new_logic(runner: JobRunner, models: Path) -> SegmentationLogic:
    """A logic with models of its own."""
    return SegmentationLogic(runner=runner, modelsFolder=models)


def pump_until(runner: JobRunner, condition: Callable[[], bool], limit: float = 30.0) -> float:
    """Drive the jobs until the condition holds; how long that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit, "the condition never held"
        runner.pump(0.01)
    return time.monotonic() - began


def finish(runner: JobRunner, task: Task) -> Task:
    """Drive the jobs until a task is over, as an event loop does."""
    pump_until(runner, lambda: task.finished)
    return task
