"""One user action: a chain of jobs, followed from its start to its end."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from funet.errors import Cancelled, FunetError, WorkerError
from funet.progress import Progress, ProgressCallback
from funet.worker.handle import JobHandle, JobState

from ..translation import tr as _

if TYPE_CHECKING:
    from .task_queue import TaskQueue

TaskKind = Literal["segment", "retrain", "train", "batch", "models"]
TaskState = Literal["queued", "running", "done", "failed", "cancelled", "discarded"]

_FINAL_STATES = frozenset({"done", "failed", "cancelled", "discarded"})
_LOG = logging.getLogger(__name__)


class Discarded(Exception):
    """What a task was for has left the scene: its result is of no use, and that is no error."""


@dataclass(frozen=True)
class JobStep:
    """One job of a task.

    Attributes:
        job, arguments, arrays: as for :meth:`~..jobs.runner.JobRunner.submit`.
        on_metric: called with the handle of the job and the values of each metric event.
        start, stop: the part of the task's progress, in [0, 1], that the job covers.
    """

    job: str
    arguments: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    on_metric: Callable[[JobHandle, dict[str, Any]], None] | None = None
    start: float = 0.0
    stop: float = 1.0


Steps = Generator[JobStep, JobHandle, Any]
"""A workflow: it yields jobs, is sent their handles when they are done, and returns the result.

A job that failed is raised where it was yielded. Everything between two jobs runs on the thread
that drives the runner, so that it may touch the scene.
"""


class Task:
    """One user action, perhaps several jobs.

    Attributes:
        kind, title: what it is, for the program and for the user.
        state: where it is; ``"discarded"`` when the nodes that it was for have left the scene.
        result: what it came to, once it is done.
        error: one sentence for the user, once it has failed.
        exception: the error itself.
        detail: what a developer wants to know of an unforeseen error.
        notes: what the user should know besides, as plain sentences.
        progress: how far it has come.
    """

    def __init__(
        self,
        kind: TaskKind,
        title: str,
        work: Callable[[Task], Steps],
        *,
        wanted: Callable[[], bool] = lambda: True,
        on_progress: ProgressCallback | None = None,
    ) -> None:
        self.kind = kind
        self.title = title
        self.state: TaskState = "queued"
        self.result: Any = None
        self.error = ""
        self.exception: FunetError | None = None
        self.detail = ""
        self.notes: list[str] = []
        self.progress = Progress(0.0, title)
        self._work = work
        self._wanted = wanted
        self._on_progress = on_progress
        self._queue: TaskQueue | None = None  # set when it is added to one
        self._steps: Steps | None = None
        self._step: JobStep | None = None
        self._handle: JobHandle | None = None
        self._interruption: Exception | None = None  # why the running job was given up

    @property
    def finished(self) -> bool:
        """Whether the state is final."""
        return self.state in _FINAL_STATES

    def cancel(self) -> None:
        """Give the task up; it ends within two seconds. Without effect on a finished one."""
        if self.finished:
            return
        if self.state == "queued":
            self._finish("cancelled")
        else:
            self._interrupt(Cancelled())

    def wait(self) -> Any:
        """Drive the jobs until the task is over.

        Returns:
            Its result; ``None`` if it was discarded.

        Raises:
            FunetError: if it failed.
            Cancelled: if it was cancelled.
        """
        assert self._queue is not None  # tasks are made by the logic, which queues them
        try:
            while not self.finished:
                self._queue.pump()
        except KeyboardInterrupt:  # Ctrl+C in the console
            self.cancel()
            while not self.finished:
                self._queue.pump()
            raise
        if self.exception is not None:
            raise self.exception
        if self.state == "cancelled":
            raise Cancelled
        return self.result

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text and text not in self.notes:
            self.notes.append(text)

    def take_notes(self, texts: Iterable[str]) -> None:
        """Add several notes."""
        for text in texts:
            self.note(text)

    def begin(self, queue: TaskQueue) -> None:
        """Start the first job; called by the queue."""
        self._queue = queue
        self.state = "running"
        self._steps = self._work(self)
        self._changed()
        self._advance(lambda: next(self._steps))

    def join(self, queue: TaskQueue) -> None:
        """Wait for other tasks; called by the queue."""
        self._queue = queue
        self._changed()

    def _advance(self, resume: Callable[[], JobStep]) -> None:
        """Run the workflow up to its next job, and submit that."""
        try:
            step = resume()
            if self._interruption is not None:  # cancelled by something that the workflow called
                raise self._interruption
            self._submit(step)
        except StopIteration as end:
            self.result = end.value
            self._finish("done")
        except Exception as error:  # noqa: BLE001 (the boundary to the event loop)
            self._end_with(error)

    def _submit(self, step: JobStep) -> None:
        assert self._queue is not None
        self._step = step
        self._handle = self._queue.runner.submit(
            step.job,
            step.arguments,
            arrays=step.arrays,
            on_progress=self._on_job_progress,
            on_metric=self._on_job_metric,
            on_log=self._guarded(self.note),
            on_done=self._on_job_done,
        )

    def _on_job_progress(self, progress: Progress) -> None:
        def show() -> None:
            assert self._step is not None
            width = self._step.stop - self._step.start
            whole = replace(progress, fraction=self._step.start + width * progress.fraction)
            self.progress = whole
            if self._on_progress is not None:
                self._on_progress(whole)
            self._changed()

        self._guarded(show)()

    def _on_job_metric(self, values: dict[str, Any]) -> None:
        step = self._step
        if step is not None and step.on_metric is not None:
            self._guarded(step.on_metric)(self._handle, values)

    def _guarded(self, call: Callable[..., None]) -> Callable[..., None]:
        """Return a function that ends the task instead of raising."""

        def guarded(*arguments: Any) -> None:
            if self._interruption is not None:
                return
            try:
                if not self._wanted():
                    raise Discarded
                call(*arguments)
            except Exception as error:  # noqa: BLE001 (the boundary to the event loop)
                self._interrupt(error)

        return guarded

    def _interrupt(self, reason: Exception) -> None:
        """Give the running job up; the task ends for this reason when the job has ended."""
        if self._interruption is None:
            self._interruption = reason
        if self._handle is not None:
            self._handle.cancel()

    def _on_job_done(self, handle: JobHandle) -> None:
        steps, reason = self._steps, self._interruption
        assert steps is not None
        if reason is None and handle.state is JobState.CANCELLED:
            reason = Cancelled()
        if reason is None and handle.error is not None:
            self.detail, reason = handle.detail, handle.error
        if not self._wanted():
            reason = Discarded()
        if reason is not None:
            self._advance(lambda: steps.throw(reason))
        else:
            self._advance(lambda: steps.send(handle))

    def _end_with(self, error: Exception) -> None:
        if isinstance(error, Discarded):
            self._finish("discarded")
        elif isinstance(error, Cancelled):
            self._finish("cancelled")
        else:
            if isinstance(error, FunetError):
                self.exception = error
            else:
                self.detail = "".join(traceback.format_exception(error))
                _LOG.error("%s", self.detail)
                self.exception = WorkerError(
                    _("{title} failed unexpectedly ({kind}); see the log for details.").format(
                        title=self.title, kind=type(error).__name__
                    )
                )
                self.exception.__cause__ = error
            self.error = str(self.exception)
            self._finish("failed")

    def _finish(self, state: TaskState) -> None:
        self.state = state
        if state == "done":
            self.progress = Progress(1.0, self.progress.message, 0.0)
        self._changed()
        if self._queue is not None:
            self._queue.finished(self)

    def _changed(self) -> None:
        if self._queue is not None:
            self._queue.tell(self)
