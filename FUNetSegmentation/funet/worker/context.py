"""What a job is, and what it is given to report and to notice a cancel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..progress import CancelToken, Progress
from .protocol import Event, LogEvent, MetricEvent, ProgressEvent


class JobContext:
    """The one thing a job talks to; its methods may be called from any thread of the job.

    Attributes:
        cancel: check it between batches (``context.cancel.raise_if_cancelled()``); a job that
            does not stop within a second of a cancel is killed together with the worker.
    """

    def __init__(
        self, job_id: str, folder: Path, cancel: CancelToken, emit: Callable[[Event], None]
    ) -> None:
        self.cancel = cancel
        self._id = job_id
        self._folder = folder
        self._emit = emit

    @property
    def folder(self) -> Path:
        """Private folder of this job for arrays and temporary files.

        When the job fails or is cancelled, the parent removes it; when it succeeds, its arrays wait
        there for the parent, so remove all other files before returning.
        """
        self._folder.mkdir(exist_ok=True)
        return self._folder

    def progress(self, progress: Progress) -> None:
        """Report how far the job has come; fits :class:`~funet.progress.ProgressReporter`."""
        fraction = min(max(0.0, progress.fraction), 1.0)  # in this order, NaN becomes 0
        left = progress.seconds_left
        if left is not None:
            left = max(left, 0.0)  # in this order, NaN stays and is sent as None
        self._emit(ProgressEvent(self._id, fraction, progress.message, left))

    def metric(self, **values: object) -> None:
        """Report named numbers or texts for a live plot, for instance ``loss=0.3, epoch=2``."""
        self._emit(MetricEvent(self._id, values))

    def log(self, text: str) -> None:
        """Report a line for the log; it is cut when very long."""
        self._emit(LogEvent(self._id, text))


Job = Callable[[dict[str, Any], JobContext], dict[str, Any]]
"""A job takes its arguments and a context, and returns a result that JSON can carry.

It raises :class:`~funet.errors.FunetError` with a sentence for the user, or lets
:class:`~funet.errors.Cancelled` through; whatever else it raises is reported with its traceback.
"""
