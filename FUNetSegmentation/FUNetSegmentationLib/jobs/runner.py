"""One background process, and jobs in it one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from funet.progress import ProgressCallback
from funet.worker.client import PUMP_SECONDS, Patience, WorkerClient
from funet.worker.handle import JobHandle
from funet.worker.transport import SubprocessTransport, Transport

from .interpreter import python_executable, worker_variables


class Ticker(Protocol):
    """Calls a function regularly on this thread, as an event loop can."""

    def start(self, call: Callable[[], object]) -> None:
        """Begin calling, unless it has begun."""

    def stop(self) -> None:
        """Stop calling."""


class JobRunner:
    """Runs the engine's jobs in a process that starts with the first of them.

    Args:
        transport: how to run the process; ``None`` takes Qt where it is there (inside 3D Slicer),
            else ``subprocess``.
        models_folder: where the user's models lie; ``None`` for the usual place.
        ticker: what drives the client while nobody waits; chosen together with the transport.
        patience: seconds to wait for a process that does not do as it is told.
    """

    def __init__(
        self,
        transport: Transport | None = None,
        models_folder: Path | None = None,
        *,
        ticker: Ticker | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.models_folder = models_folder
        self._transport = transport
        self._ticker = ticker
        self._patience = patience
        self._client: WorkerClient | None = None

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return self._client is not None and not self._client.idle

    @property
    def worker_pid(self) -> int | None:
        """Process id of the background process, ``None`` while none is ready."""
        return self._client.worker_pid if self._client is not None else None

    def submit(
        self,
        job: str,
        arguments: Mapping[str, Any],
        *,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        on_progress: ProgressCallback | None = None,
        on_metric: Callable[[dict[str, Any]], None] | None = None,
        on_log: Callable[[str], None] | None = None,
        on_done: Callable[[JobHandle], None] | None = None,
    ) -> JobHandle:
        """Run a job after those submitted before it.

        Args:
            job: its name.
            arguments: whatever JSON can carry; the folder of the models is added as ``store``.
            arrays: by the names under which the job takes them; taken as they are now.
            on_progress, on_metric, on_log: called for each event of the job.
            on_done: called once, when the job is over.

        Returns:
            A handle that follows the job; a failure to start shows there, not here.

        Raises:
            WorkerError: if arguments or arrays cannot be sent.
        """
        client = self._opened_client()
        store = {} if self.models_folder is None else {"store": str(self.models_folder)}
        handle = client.submit(
            job,
            {**store, **arguments},
            arrays=arrays,
            on_progress=on_progress,
            on_metric=on_metric,
            on_log=on_log,
            on_done=on_done,
        )
        if self._ticker is not None:
            self._ticker.start(self._tick)
        return handle

    def pump(self, timeout: float = PUMP_SECONDS) -> None:
        """Wait up to ``timeout`` seconds for news of the jobs and handle them."""
        if self._client is not None:
            self._client.pump(timeout)

    def wait(self, handle: JobHandle) -> dict[str, Any]:
        """Drive the process until a job is over, and return its result.

        Raises:
            Cancelled: if it was cancelled.
            FunetError: if it failed.
        """
        while not handle.finished:
            self.pump()
        assert self._client is not None  # who has a handle has submitted
        return self._client.wait(handle)

    def close(self) -> None:
        """Give up all jobs and end the process; the next job starts a new one."""
        if self._ticker is not None:
            self._ticker.stop()
        try:
            if self._client is not None:
                self._client.close()
        finally:
            self._client = None

    def _opened_client(self) -> WorkerClient:
        if self._transport is None:
            self._transport, self._ticker = _usual_driving()
        if self._client is None:
            self._client = WorkerClient(self._transport, patience=self._patience)
        return self._client

    def _tick(self) -> None:
        if self._client is not None:
            self._client.tick()
        if not self.busy and self._ticker is not None:
            self._ticker.stop()


def _usual_driving() -> tuple[Transport, Ticker | None]:
    python, variables = python_executable(), worker_variables()
    try:
        from .qt_transport import QProcessTransport, QtTicker
    except ImportError:  # no Qt: a script or a test
        return SubprocessTransport(python, variables), None
    return QProcessTransport(python, variables), QtTicker()
