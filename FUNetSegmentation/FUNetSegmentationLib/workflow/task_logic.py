"""The part of the logic that runs tasks and looks after the background process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from funet.progress import ProgressCallback

from ..jobs.requirements import Requirement, install, missing, require_installed
from ..jobs.runner import JobRunner
from .task import JobStep, Steps, Task, TaskKind
from .task_queue import TaskQueue


class TaskLogic:
    """Runs tasks one after another in the background process.

    Args:
        runner: the background process; a new one if ``None``.
        modelsFolder: where the user's models are; the usual place if ``None``.

    Attributes:
        onTaskChanged: functions called with a task whenever it changes.
    """

    def __init__(
        self, *, runner: JobRunner | None = None, modelsFolder: str | Path | None = None
    ) -> None:
        self._runner = runner or JobRunner()
        if modelsFolder is not None:
            self.modelsFolder = modelsFolder
        self._queue = TaskQueue(self._runner)
        self.onTaskChanged: list[Callable[[Task], None]] = self._queue.observers

    @property
    def modelsFolder(self) -> Path | None:
        """Where the user's models are; ``None`` for the usual place."""
        return self._runner.models_folder

    @modelsFolder.setter
    def modelsFolder(self, folder: str | Path | None) -> None:
        self._runner.models_folder = Path(folder).expanduser() if folder else None

    @property
    def busy(self) -> bool:
        """Whether a task runs or waits."""
        return self._queue.busy

    @property
    def task(self) -> Task | None:
        """The task that runs, ``None`` if none does."""
        return self._queue.running

    def cancel(self) -> None:
        """Give up the running task and those that wait; each ends within two seconds."""
        self._queue.cancel_all()

    def close(self) -> None:
        """Give up everything and end the background process; a later call starts a new one."""
        self.cancel()
        self._runner.close()

    def computer(
        self, waitForCompletion: bool = True, progressCallback: ProgressCallback | None = None
    ) -> Any:
        """Return what the background process runs on.

        Returns:
            A dictionary with the versions ``python``, ``funet`` and ``torch`` (``None`` where it
            is not installed), and ``devices``, a list of ``{"id", "name"}``.
        """
        return self._run(
            "models", "", _describe_steps, always, waitForCompletion, progressCallback, torch=False
        )

    def missingRequirements(self) -> list[Requirement]:
        """Return the Python packages that must be installed first."""
        return missing()

    def installRequirements(self, progressCallback: ProgressCallback | None = None) -> None:
        """Install what is missing with Slicer's own tools; call it on the main thread.

        Raises:
            Cancelled: if the user declines.
            WorkerError: if something could not be installed.
        """
        install(progressCallback)
        if not self.busy:
            self._runner.close()  # a process that ran before would not see what is new

    def _run(
        self,
        kind: TaskKind,
        title: str,
        work: Callable[[Task], Steps],
        wanted: Callable[[], bool],
        wait: bool,
        on_progress: ProgressCallback | None,
        *,
        torch: bool = True,
    ) -> Any:
        """Queue a task; return its result if ``wait``, else the task itself."""

        def checked(task: Task) -> Steps:
            if torch:
                require_installed()
            return (yield from work(task))

        task = Task(kind, title, checked, wanted=wanted, on_progress=on_progress)
        self._queue.add(task)
        return task.wait() if wait else task


def _describe_steps(_task: Task) -> Steps:
    handle = yield JobStep("describe", {})
    return handle.result


def always() -> bool:
    """Say that a task is wanted whatever becomes of the scene."""
    return True
