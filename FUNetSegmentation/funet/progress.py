"""Progress with a time left, and cancelling: what every long call of the engine shares."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .errors import Cancelled


@dataclass(frozen=True)
class Progress:
    """How far a job has come.

    Attributes:
        fraction: share of the work that is done, in [0, 1].
        message: what is being done, in a few words for the user.
        seconds_left: estimated time left in seconds, ``None`` while it is not known yet.
    """

    fraction: float
    message: str
    seconds_left: float | None = None


ProgressCallback = Callable[[Progress], None]


class CancelToken:
    """A request to stop, set from any thread and checked by the job between batches."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the job to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the job has been asked to stop."""
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise :class:`~funet.errors.Cancelled` once the job has been asked to stop."""
        if self._event.is_set():
            raise Cancelled


class ProgressReporter:
    """Turns "n of total done" into :class:`Progress` with a time left, and checks for a cancel.

    Args:
        callback: receives every :class:`Progress`; ``None`` reports to nobody.
        cancel: checked at every report; ``None`` cannot be cancelled.
        start, stop: the part of the whole job, in [0, 1], that this reporter covers.
    """

    def __init__(
        self,
        callback: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
        *,
        start: float = 0.0,
        stop: float = 1.0,
    ) -> None:
        self._callback = callback
        self._cancel = cancel
        self._start = start
        self._stop = stop
        self._began = time.monotonic()

    def report(self, done: float, total: float, message: str) -> None:
        """Report that ``done`` of ``total`` units are finished.

        Raises:
            Cancelled: if a cancel was requested.
        """
        if self._cancel is not None:
            self._cancel.raise_if_cancelled()
        if self._callback is None:
            return
        share = min(max(done / total, 0.0), 1.0) if total > 0 else 1.0
        left = (time.monotonic() - self._began) * (1.0 - share) / share if share > 0 else None
        fraction = self._start + (self._stop - self._start) * share
        self._callback(Progress(fraction, message, left))
