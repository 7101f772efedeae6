"""Shared by the tests of the worker: a client on a real child process, facts on processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from funet.worker.client import Patience, WorkerClient
from funet.worker.handle import JobHandle
from funet.worker.transport import SubprocessTransport

HERE = Path(__file__).resolve().parent
TEST_ENVIRONMENT = {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
TEST_JOBS = "worker_jobs:JOBS"
LIMIT_SECONDS = 2.0
IMPATIENT = Patience(cancel=0.3, terminate=0.2, hang=1.2)


@contextmanager
def open_client(
    temporary: Path,
    *,
    patience: Patience | None = None,
    python: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[WorkerClient]:
    """A client that offers the jobs for tests; afterwards nothing of it may be left."""
    settings = {**TEST_ENVIRONMENT, **(environment or {})}
    transport = (
        SubprocessTransport(environment=settings)
        if python is None
        else SubprocessTransport(python, settings)
    )
    client = WorkerClient(transport, jobs=TEST_JOBS, patience=patience, temporary=temporary)
    try:
        with client:
            yield client
    finally:
        assert list(temporary.glob("funet-*")) == []
        assert transport.pid is None or is_gone(transport.pid)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has collected yet has."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"


def seconds_until(condition: Callable[[], bool], limit: float = 10.0) -> float:
    """How long it takes until the condition holds; fails at the limit."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit, "the condition never held"
        time.sleep(0.01)
    return time.monotonic() - began


def pump_until(client: WorkerClient, condition: Callable[[], bool], limit: float = 10.0) -> None:
    """Drive the client until the condition holds."""
    give_up = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < give_up, "the condition never held"
        client.pump(0.01)


def started(client: WorkerClient, job: str, **arguments: object) -> JobHandle:
    """A job that has said something, so that it certainly runs."""
    logs: list[str] = []
    handle = client.submit(job, arguments, on_log=logs.append)
    pump_until(client, lambda: bool(logs))
    return handle


def seconds_to_end(client: WorkerClient, handle: JobHandle) -> float:
    """Drive the client until the job is over; how long that took."""
    began = time.monotonic()
    pump_until(client, lambda: handle.finished)
    return time.monotonic() - began


def assert_works(client: WorkerClient) -> None:
    """The next job runs, whatever became of those before it."""
    assert client.wait(client.submit("count", {"steps": 3}), 10) == {"steps": 3}


def output_of(arguments: list[str], environment: Mapping[str, str]) -> str:
    """What a Python process prints."""
    return subprocess.run(
        [sys.executable, *arguments], env=environment, check=True, capture_output=True, text=True
    ).stdout
