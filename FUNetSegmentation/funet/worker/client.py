"""The parent's side: submit jobs, follow them, and outlive whatever the child does."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import errors as funet_errors
from ..errors import Cancelled, FunetError, WorkerError
from ..progress import ProgressCallback
from .arrays import check_array, put_array
from .child import Child, Stage
from .folders import create_private_folder, remove_folder
from .handle import JobCallbacks, JobHandle, JobState
from .protocol import (
    CancelledEvent,
    CancelRequest,
    ErrorEvent,
    Event,
    JobRequest,
    JsonObject,
    LogEvent,
    ProtocolError,
    ReadyEvent,
    ResultEvent,
    encode,
    parse_event,
)
from .registry import DEFAULT_JOBS
from .transport import Transport

PUMP_SECONDS = 0.05
_QUOTED_BYTES = 500


@dataclass(frozen=True)
class Patience:
    """Seconds that the client waits before it goes further.

    Attributes:
        cancel: from a cancel to the end of the job, before the child is terminated.
        terminate: from there to its end, before it is killed.
        kill: from there to its end, before it is given up for lost.
        close: from closing the input to its end, before it is terminated.
        hang: without a heartbeat, before it is killed.
    """

    cancel: float = 1.0
    terminate: float = 0.4
    kill: float = 2.0
    close: float = 1.8
    hang: float = 30.0


class WorkerClient:
    """Runs jobs one after another in a child process that starts with the first of them.

    Everything happens on the thread that drives the client, so that callbacks may touch whatever
    that thread may touch. Drive it with :meth:`wait` or :meth:`pump`; under an event loop that
    delivers the transport's callbacks by itself, call :meth:`tick` a few times a second instead.
    A child that dies ends only the job it was running; the next job gets a new child.

    Args:
        transport: how to run a child; for this client alone.
        jobs: what the child offers, as ``"module:attribute"``.
        patience: how long to wait for what.
        temporary: where to create private folders; ``None`` for the system's temporary folder.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        jobs: str = DEFAULT_JOBS,
        patience: Patience | None = None,
        temporary: Path | None = None,
    ) -> None:
        self._transport = transport
        self._jobs = jobs
        self._patience = patience or Patience()
        self._temporary = temporary
        self._child: Child | None = None
        self._queue: deque[_Submission] = deque()
        self._running: JobHandle | None = None
        self._unsent: WorkerError | None = None  # why the running job never reached a child
        self._closed = False

    def __enter__(self) -> WorkerClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def idle(self) -> bool:
        """Whether no job is running or queued."""
        return self._running is None and not self._queue

    @property
    def worker_pid(self) -> int | None:
        """Process id that the child announced; ``None`` while none is ready."""
        return self._child.pid if self._child is not None else None

    def submit(
        self,
        job: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        on_progress: ProgressCallback | None = None,
        on_metric: Callable[[JsonObject], None] | None = None,
        on_log: Callable[[str], None] | None = None,
        on_done: Callable[[JobHandle], None] | None = None,
    ) -> JobHandle:
        """Run a job after those submitted before it.

        Args:
            job: its name.
            arguments: whatever JSON can carry; taken as they are now.
            arrays: by the names under which the job takes them from its folder; taken as they are
                now.
            on_progress, on_metric, on_log: called for each event of the job.
            on_done: called once with the handle, when its state is final.

        Returns:
            A handle that follows the job; a failure to start shows there, not here.

        Raises:
            ProtocolError: when the arguments cannot be sent.
            WorkerError: when the client is closed or an array cannot be sent.
        """
        if self._closed:
            raise WorkerError("This worker is closed; open a new one.")
        request = JobRequest(uuid.uuid4().hex, job, dict(arguments or {}))
        line = encode(request)
        for name, array in (arrays or {}).items():
            check_array(name, array)
        callbacks = JobCallbacks(on_progress, on_metric, on_log, on_done)
        handle = JobHandle(request, callbacks, self._cancel)
        self._queue.append(_Submission(handle, line, dict(arrays or {})))
        self._begin_next()
        if handle.state is JobState.QUEUED:  # written later: keep what the caller may change
            copies = {name: np.array(array) for name, array in (arrays or {}).items()}
            self._queue[-1] = _Submission(handle, line, copies)
        return handle

    def wait(self, handle: JobHandle, timeout: float | None = None) -> JsonObject:
        """Drive the client until the job ends.

        Args:
            handle: what :meth:`submit` returned.
            timeout: seconds; ``None`` waits as long as it takes.

        Returns:
            The result of the job.

        Raises:
            Cancelled: when it was cancelled.
            FunetError: when it failed: the class that the job raised, or
                :class:`~funet.errors.WorkerError` for an unforeseen error or a death of the child.
            WorkerError: at the timeout; the job goes on.
        """
        give_up = None if timeout is None else time.monotonic() + timeout
        while not handle.finished:
            if give_up is not None and time.monotonic() >= give_up:
                raise WorkerError(
                    f"The job {handle.request.job!r} is not done after {timeout:g} seconds."
                )
            self.pump()
        if handle.error is not None:
            raise handle.error
        if handle.result is None:
            raise Cancelled
        return handle.result

    def pump(self, timeout: float = PUMP_SECONDS) -> None:
        """Wait up to ``timeout`` seconds for events, handle them, and look at the clock."""
        self._transport.pump(timeout)
        self.tick()

    def tick(self) -> None:
        """Do what time demands: notice a hang, force an overdue end, begin the next job."""
        child = self._child
        if child is not None:
            child.tick()
            self._handle_lines(child)
        if child is not None and child is self._child:
            if child.silence > self._patience.hang and child.stage < Stage.KILLING:
                child.reason = f"stopped answering for {self._patience.hang:g} seconds"
                self._kill(child)
            elif child.overdue():
                self._force(child)
        if self._unsent is not None and self._running is not None:
            error, self._unsent = self._unsent, None
            self._finish(self._running, JobState.FAILED, error=error)
        self._begin_next()

    def close(self) -> None:
        """Give up all jobs, end the child, remove its folder; again is without effect."""
        if self._closed:
            return
        self._closed = True
        if self._running is not None:
            self._running.cancel_requested = True
        child = self._child
        if child is not None and child.stage < Stage.CLOSING:
            self._transport.close_input()
            child.move_to(Stage.CLOSING, self._patience.close)
        try:
            while self._queue:
                self._queue[0].handle.cancel()
            while self._child is not None or self._running is not None:
                self.pump()
        finally:
            if self._child is not None:  # a callback raised: no more patience
                self._kill(self._child)
            while self._child is not None:
                self.pump()

    def _cancel(self, handle: JobHandle) -> None:
        handle.cancel_requested = True
        if handle is self._running:
            child = self._child
            if child is not None and child.stage is Stage.RUNNING:
                self._transport.write(encode(CancelRequest(handle.id)))
                child.move_to(Stage.CANCELLING, self._patience.cancel)
            return
        self._queue = deque(entry for entry in self._queue if entry.handle is not handle)
        handle.settle(JobState.CANCELLED)

    def _begin_next(self) -> None:
        if self._running is not None or not self._queue or self._closed:
            return
        child = self._child
        if child is not None and child.stage is not Stage.RUNNING:
            return  # its end will bring us here again
        if child is not None and not self._transport.alive:  # it died while nobody looked
            remove_folder(child.folder)
            child = self._child = None
        entry = self._queue.popleft()
        handle = self._running = entry.handle
        handle.state = JobState.RUNNING
        try:
            child = child or self._start_child()
            handle.folder = child.folder / handle.id
            if entry.arrays:
                _write_arrays(handle.folder, entry.arrays)
            self._transport.write(entry.line)
        except WorkerError as error:
            self._unsent = error  # told at the next tick, when the submitter has its handle

    def _start_child(self) -> Child:
        child = Child(create_private_folder(self._temporary))
        command = ("-u", "-m", "funet.worker", "--folder", str(child.folder), "--jobs", self._jobs)
        try:
            self._transport.start(
                command,
                on_output=lambda data: self._receive(child, data),
                on_log=child.log.add,
                on_end=lambda exit_code: self._ended(child, exit_code),
            )
        except WorkerError:
            remove_folder(child.folder)
            raise
        self._child = child
        return child

    def _receive(self, child: Child, data: bytes) -> None:
        if child is self._child:
            child.lines.extend(child.reader.feed(data))
            self._handle_lines(child)

    def _handle_lines(self, child: Child) -> None:
        """Handle what has arrived; a callback that raises leaves the rest for the next time."""
        while child.lines and child is self._child:
            line = child.lines.popleft()
            try:
                event = parse_event(line)
            except ProtocolError:
                child.log.add(line[:_QUOTED_BYTES] + b"\n")
                continue
            child.heard()
            self._handle(child, event)

    def _handle(self, child: Child, event: Event) -> None:
        handle = self._running
        if isinstance(event, ReadyEvent):
            child.pid = event.pid
        elif isinstance(event, LogEvent) and event.id is None:
            child.log.add(event.text.encode(errors="replace") + b"\n")
        elif handle is None or getattr(event, "id", None) != handle.id:
            return  # a heartbeat, or a late word about a job that is over
        elif isinstance(event, ResultEvent):
            self._finish(handle, JobState.DONE, result=event.value)
        elif isinstance(event, ErrorEvent):
            self._finish(handle, JobState.FAILED, error=_error_of(event), detail=event.detail)
        elif isinstance(event, CancelledEvent):
            self._finish(handle, JobState.CANCELLED)
        else:
            handle.tell(event)

    def _finish(
        self,
        handle: JobHandle,
        state: JobState,
        *,
        result: JsonObject | None = None,
        error: FunetError | None = None,
        detail: str = "",
    ) -> None:
        """The running job is over; nothing of a cancelled one is shown, whatever came of it."""
        self._running = None
        if self._child is not None:
            self._child.calm()
        if handle.cancel_requested:
            state, result, error = JobState.CANCELLED, None, None
        if state is not JobState.DONE and handle.folder is not None:
            remove_folder(handle.folder)
        try:
            handle.settle(state, result, error, detail)
        finally:
            self._begin_next()

    def _force(self, child: Child) -> None:
        """The child has had its time: go one step further."""
        if child.stage < Stage.TERMINATING:
            self._transport.terminate()
            child.move_to(Stage.TERMINATING, self._patience.terminate)
        elif child.stage is Stage.TERMINATING:
            self._kill(child)
        else:
            self._ended(child, None)

    def _kill(self, child: Child) -> None:
        child.kill_behind(self._transport.pid)
        self._transport.kill()
        child.move_to(Stage.KILLING, self._patience.kill)

    def _ended(self, child: Child, exit_code: int | None) -> None:
        if child is not self._child:
            return
        try:
            self._handle_lines(child)
        finally:
            self._child = None
            remove_folder(child.folder)
            handle = self._running
            if handle is not None:
                error = WorkerError(child.obituary(exit_code, handle.request.job))
                self._finish(handle, JobState.FAILED, error=error, detail=child.log.text())
            else:
                self._begin_next()


@dataclass(frozen=True)
class _Submission:
    handle: JobHandle
    line: bytes
    arrays: Mapping[str, NDArray[Any]]


def _write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    try:
        folder.mkdir()
    except OSError as error:
        raise WorkerError(
            f"The folder {folder} could not be created ({error.strerror}); free some space there."
        ) from error
    for name, array in arrays.items():
        put_array(folder, array, name)


def _error_of(event: ErrorEvent) -> FunetError:
    """The error as the job raised it; one that nobody foresaw becomes a :class:`WorkerError`."""
    kind = getattr(funet_errors, event.category, None)
    if isinstance(kind, type) and issubclass(kind, FunetError):
        return kind(event.message)
    return WorkerError(event.message)
