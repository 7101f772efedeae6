"""A submitted job as its submitter sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import FunetError, WorkerError
from ..progress import Progress, ProgressCallback
from .arrays import take_array
from .protocol import Event, JobRequest, JsonObject, LogEvent, MetricEvent, ProgressEvent


class JobState(Enum):
    """Where a job is; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL_STATES = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True)
class JobCallbacks:
    """What the submitter wants to hear; all on the thread that drives the client."""

    on_progress: ProgressCallback | None = None
    on_metric: Callable[[JsonObject], None] | None = None
    on_log: Callable[[str], None] | None = None
    on_done: Callable[[JobHandle], None] | None = None


class JobHandle:
    """A submitted job.

    Attributes:
        request: what was asked for.
        callbacks: who is told.
        state: where it is.
        result: what the job returned, once it is done.
        error: why it failed, once it has; its text is a sentence for the user.
        detail: a traceback or the end of the worker's log, for an expandable "details".
        folder: private folder of the job, once it runs.
        cancel_requested: whether :meth:`cancel` was called.
    """

    def __init__(
        self,
        request: JobRequest,
        callbacks: JobCallbacks,
        cancel: Callable[[JobHandle], None],
    ) -> None:
        self.request = request
        self.callbacks = callbacks
        self.state = JobState.QUEUED
        self.result: JsonObject | None = None
        self.error: FunetError | None = None
        self.detail = ""
        self.folder: Path | None = None
        self.cancel_requested = False
        self._cancel = cancel

    @property
    def id(self) -> str:
        """Unique name of the submission."""
        return self.request.id

    @property
    def finished(self) -> bool:
        """Whether the state is final."""
        return self.state in FINAL_STATES

    def cancel(self) -> None:
        """Give the job up, whatever it is doing; it ends as cancelled within two seconds.

        Once called, the job ends as cancelled even where its result was already on the way.
        Without effect on a finished job.
        """
        if not self.finished:
            self._cancel(self)

    def tell(self, event: Event) -> None:
        """Hand an event of the running job to its submitter; called by the client."""
        callbacks = self.callbacks
        if isinstance(event, ProgressEvent) and callbacks.on_progress is not None:
            callbacks.on_progress(Progress(event.fraction, event.message, event.seconds_left))
        elif isinstance(event, MetricEvent) and callbacks.on_metric is not None:
            callbacks.on_metric(event.values)
        elif isinstance(event, LogEvent) and callbacks.on_log is not None:
            callbacks.on_log(event.text)

    def settle(
        self,
        state: JobState,
        result: JsonObject | None = None,
        error: FunetError | None = None,
        detail: str = "",
    ) -> None:
        """Enter a final state and tell the submitter; called by the client, once."""
        self.state, self.result, self.error, self.detail = state, result, error, detail
        if self.callbacks.on_done is not None:
            self.callbacks.on_done(self)

    def take_array(self, name: str) -> NDArray[Any]:
        """Read and remove an array that the job left; call it from a callback or after ``wait``.

        Raises:
            WorkerError: when there is none of that name any more.
        """
        if self.folder is None:
            raise WorkerError(f"The job {self.request.job!r} has not run; it left no arrays.")
        return take_array(self.folder, name)
