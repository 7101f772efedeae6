"""Follows whatever runs: the progress bar, Cancel, and what a task has to say at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..translation import tr as _
from .context import PanelContext
from .first_use import FirstUse
from .progress_bar import ProgressDisplay

if TYPE_CHECKING:
    from ..workflow.task import Task

Begin = Callable[[], "Task"]
Done = Callable[["Task"], None]


class TaskFollower:
    """Starts tasks for the sections and shows how they go.

    Args:
        context: of the panel.
        progress: the progress bar.
        first_use: asks for what has to be installed.

    Attributes:
        running: title of the task that the user waits for, which may wait for another one; empty
            if there is none.
        background: whether a task runs that the user did not ask for.
        ended: called whenever a task of the user is over, whatever came of it.
    """

    def __init__(
        self, context: PanelContext, progress: ProgressDisplay, first_use: FirstUse
    ) -> None:
        self.running = ""
        self.background = False
        self.ended: Callable[[], None] = _nothing
        self._starting = False
        self._known: dict[Task, bool] = {}  # whether the user asked for it
        self._context = context
        self._progress = progress
        self._first_use = first_use
        self._done: dict[Task, Done] = {}
        context.logic.onTaskChanged.append(self._on_changed)
        context.ui.cancelButton.clicked.connect(self._on_cancel)

    def close(self) -> None:
        """Follow no more."""
        observers = self._context.logic.onTaskChanged
        if self._on_changed in observers:
            observers.remove(self._on_changed)

    def start(self, begin: Begin, done: Done | None = None) -> None:
        """Begin a task once all that it needs is installed.

        Args:
            begin: returns the task.
            done: called with it when it has succeeded.
        """
        if self._first_use.asks_for_packages(lambda: self.start(begin, done)):
            return
        self._context.status.clear()
        self._starting = True
        try:
            with self._context.telling_errors():
                task = begin()
                if done is not None:
                    self.when_done(task, done)
        finally:
            self._starting = False

    def when_done(self, task: Task, done: Done) -> None:
        """Call a function with a task when it has succeeded; never if it does not."""
        if not task.finished:
            self._done[task] = done
        elif task.state == "done":
            done(task)

    def _on_changed(self, task: Task) -> None:
        if task not in self._known:
            self._known[task] = self._starting and bool(task.title)
        asked_for = self._known[task]
        if task.finished:
            self._on_finished(task, asked_for=asked_for)
            return
        if task.state == "running" and task.title:
            self._progress.show(task.title, task.progress)
        if self._take_stock():
            self._context.refresh()

    def _take_stock(self) -> bool:
        """See what runs or waits for its turn; whether that has changed."""
        before = self.running, self.background
        asked_for = [task.title for task, by_user in self._known.items() if by_user]
        self.running = asked_for[0] if asked_for else ""
        self.background = not asked_for and any(task.title for task in self._known)
        return before != (self.running, self.background)

    def _on_finished(self, task: Task, *, asked_for: bool) -> None:
        del self._known[task]
        self._take_stock()
        self._progress.rest()
        if asked_for:
            self._tell(task)
            self.ended()
        self._settle(task)
        self._context.refresh()

    def _settle(self, task: Task) -> None:
        """Tell who started the task that it is done; once."""
        done = self._done.pop(task, None)
        if done is not None and task.state == "done":
            done(task)

    def _tell(self, task: Task) -> None:
        status = self._context.status
        if task.state == "failed":
            status.say(task.error, task.notes, role="bad")
        elif task.state == "cancelled":
            status.say(_("{task}: cancelled.").format(task=task.title), role="warn")
        elif task.state == "discarded":
            status.clear()
        elif task.notes:
            status.say(_("{task}: done.").format(task=task.title), task.notes, role="warn")

    def _on_cancel(self, *_args: object) -> None:
        self._context.logic.cancel()


def _nothing() -> None:
    return
