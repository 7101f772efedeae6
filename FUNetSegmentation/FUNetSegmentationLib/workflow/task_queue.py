"""Tasks one after another."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from ..jobs.runner import JobRunner
from .task import Task

_LOG = logging.getLogger(__name__)


class TaskQueue:
    """Runs tasks one after another.

    Attributes:
        runner: runs their jobs.
        running: the task that runs now.
        observers: called with a task whenever it changes.
    """

    def __init__(self, runner: JobRunner) -> None:
        self.runner = runner
        self.running: Task | None = None
        self.observers: list[Callable[[Task], None]] = []
        self._waiting: deque[Task] = deque()

    @property
    def busy(self) -> bool:
        """Whether a task runs or waits."""
        return self.running is not None or bool(self._waiting)

    def add(self, task: Task) -> Task:
        """Run a task after those added before it."""
        self._waiting.append(task)
        if self.running is None:
            self._begin_next()
        else:
            task.join(self)
        return task

    def pump(self) -> None:
        """Wait a moment for news of the jobs and handle them."""
        self.runner.pump()

    def cancel_all(self) -> None:
        """Cancel the running task and those that wait."""
        for task in (*self._waiting, *([self.running] if self.running else [])):
            task.cancel()

    def finished(self, task: Task) -> None:
        """Go on with the next task; called by the task that has ended."""
        if task in self._waiting:
            self._waiting.remove(task)
        if task is self.running:
            self.running = None
            self._begin_next()

    def tell(self, task: Task) -> None:
        """Tell the observers of a change."""
        for observer in tuple(self.observers):
            try:
                observer(task)
            except Exception:  # noqa: BLE001 (a display that fails must not end what it shows)
                _LOG.exception("An observer of %s failed", task.title)

    def _begin_next(self) -> None:
        while self.running is None and self._waiting:
            task = self.running = self._waiting.popleft()
            task.begin(self)
