"""The child's side: jobs run one after another in the main thread, helpers watch around it."""

from __future__ import annotations

import faulthandler
import gc
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from .. import __version__
from ..errors import Cancelled, FunetError
from ..progress import CancelToken
from .context import Job, JobContext
from .folders import remove_folder, touch
from .protocol import (
    AliveEvent,
    CancelledEvent,
    CancelRequest,
    ErrorEvent,
    Event,
    JobRequest,
    LineReader,
    LogEvent,
    ProtocolError,
    ReadyEvent,
    ResultEvent,
    encode,
    parse_request,
)

HEARTBEAT_SECONDS = 0.5
WATCH_SECONDS = 0.25
EXIT_GRACE_SECONDS = 1.0
"""How long a job may go on after the parent has gone; with the cleaning up, under two seconds."""

DEADMAN_SECONDS = 300.0
"""A process whose Python is blocked for so long ends itself: no thread of it could do that."""

EXIT_FORCED = 3
_READ_BYTES = 1 << 16


@dataclass(frozen=True)
class _Entry:
    request: JobRequest
    cancel: CancelToken = field(default_factory=CancelToken)


class Server:
    """Serves one parent until it closes the input, asks for a stop, or dies.

    Args:
        jobs: what can be run, by name.
        folder: private folder of the process, removed at the end.
        source: file descriptor of the requests.
        sink: file descriptor of the events.
        deadman: seconds after which a blocked interpreter ends itself.
    """

    def __init__(
        self,
        jobs: Mapping[str, Job],
        folder: Path,
        source: int,
        sink: int,
        *,
        deadman: float = DEADMAN_SECONDS,
    ) -> None:
        self._jobs = jobs
        self._folder = folder
        self._source = source
        self._sink = sink
        self._deadman = deadman
        self._parent = os.getppid()  # now: by the time of the first check it may be dead
        self._write_lock = threading.Lock()
        self._changed = threading.Condition()
        self._queue: deque[_Entry] = deque()
        self._running: _Entry | None = None
        self._stopping = threading.Event()

    def serve(self) -> NoReturn:
        """Run jobs until told to stop, then end the process."""
        self._emit(ReadyEvent(__version__, os.getpid()))
        for helper in (self._read_requests, self._beat, self._watch, self._end_late_job):
            threading.Thread(target=helper, daemon=True, name=helper.__name__).start()
        while (entry := self._next()) is not None:
            self._emit(self._outcome(entry))
            with self._changed:
                self._running = None
            gc.collect()  # a failed job's frames hold its arrays in cycles
        self._exit(0)

    def _next(self) -> _Entry | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping.is_set())
            if self._stopping.is_set():
                return None
            self._running = self._queue.popleft()
            return self._running

    def _outcome(self, entry: _Entry) -> Event:
        """Run one job; whatever happens in it becomes its last event."""
        request = entry.request
        try:
            entry.cancel.raise_if_cancelled()
            folder = self._folder / request.id
            context = JobContext(request.id, folder, entry.cancel, self._emit)
            result = ResultEvent(request.id, self._job(request.job)(request.arguments, context))
            encode(result)  # a result that cannot be sent is an error of the job
            return result
        except Cancelled:
            return CancelledEvent(request.id)
        except FunetError as error:
            return ErrorEvent(request.id, _category(error), str(error), "")
        except MemoryError:
            text = f"The job {request.job!r} ran out of memory; close other programs and try again."
            return ErrorEvent(request.id, "", text, traceback.format_exc())
        except BaseException as error:  # noqa: BLE001 - the process boundary: no job may end it
            reason = traceback.format_exception_only(error)[-1].strip()
            text = (
                f"The job {request.job!r} failed with an unexpected error ({reason}); "
                "the log has the details."
            )
            return ErrorEvent(request.id, "", text, traceback.format_exc())

    def _job(self, name: str) -> Job:
        if name not in self._jobs:
            raise ProtocolError(
                f"There is no job {name!r}; the worker offers {', '.join(sorted(self._jobs))}."
            )
        return self._jobs[name]

    def _emit(self, event: Event) -> None:
        line = memoryview(encode(event))
        try:
            with self._write_lock:
                while line:
                    line = line[os.write(self._sink, line) :]
        except OSError:  # nobody listens any more
            self._stop()

    def _read_requests(self) -> None:
        reader = LineReader()
        try:
            while data := os.read(self._source, _READ_BYTES):
                for line in reader.feed(data):
                    self._handle(line)
        finally:  # the parent closed the input or died; deaf, the worker is of no use either
            self._stop()

    def _handle(self, line: bytes) -> None:
        try:
            request = parse_request(line)
        except ProtocolError as error:
            self._emit(LogEvent(None, f"A request was refused: {error}"))
            return
        if isinstance(request, JobRequest):
            with self._changed:
                self._queue.append(_Entry(request))
                self._changed.notify_all()
        elif isinstance(request, CancelRequest):
            self._cancel(request.id)
        else:
            self._stop()

    def _cancel(self, job_id: str) -> None:
        with self._changed:
            if self._running is not None and self._running.request.id == job_id:
                self._running.cancel.cancel()
            queued = [entry for entry in self._queue if entry.request.id == job_id]
            for entry in queued:
                self._queue.remove(entry)
        for entry in queued:
            self._emit(CancelledEvent(entry.request.id))

    def _stop(self) -> None:
        with self._changed:
            self._stopping.set()
            if self._running is not None:
                self._running.cancel.cancel()
            self._changed.notify_all()

    def _beat(self) -> None:
        while True:
            self._emit(AliveEvent())
            touch(self._folder)
            time.sleep(HEARTBEAT_SECONDS)

    def _watch(self) -> None:
        """Watch for what nothing else shows.

        The parent may have died while another process holds the pipe open, and a library may
        never give the interpreter lock back; the timer for that runs outside Python.
        """
        while os.name != "posix" or os.getppid() == self._parent:
            faulthandler.dump_traceback_later(self._deadman, exit=True)
            time.sleep(WATCH_SECONDS)
        self._stop()

    def _end_late_job(self) -> None:
        self._stopping.wait()
        time.sleep(EXIT_GRACE_SECONDS)
        self._exit(EXIT_FORCED)

    def _exit(self, code: int) -> NoReturn:
        remove_folder(self._folder)
        # Not sys.exit: threads and exit handlers of libraries could keep the process for ever.
        os._exit(code)


def _category(error: FunetError) -> str:
    """Name of the nearest class of ``error`` that :mod:`funet.errors` defines."""
    names = (
        kind.__name__ for kind in type(error).__mro__ if kind.__module__ == FunetError.__module__
    )
    return next(names)
