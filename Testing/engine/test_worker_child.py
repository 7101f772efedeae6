"""The worker's process alone, started and spoken to by hand, without a client."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from worker_tools import LIMIT_SECONDS, TEST_ENVIRONMENT, TEST_JOBS

from funet.worker.folders import create_private_folder
from funet.worker.protocol import (
    AliveEvent,
    CancelledEvent,
    CancelRequest,
    Event,
    JobRequest,
    LogEvent,
    ResultEvent,
    StopRequest,
    encode,
    parse_event,
)
from funet.worker.server import EXIT_FORCED
from funet.worker.transport import worker_environment


class SpokenTo:
    """A child with its pipes, and all the events it has sent but heartbeats."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.events: list[Event] = []

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def listen_for(self, kind: type | None) -> None:
        """Read events until one of the kind; with ``None`` until the child ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = parse_event(line)
            if not isinstance(event, AliveEvent):
                self.events.append(event)
            if kind is not None and isinstance(event, kind):
                return

    def hang_up(self) -> tuple[int, float]:
        """Close its input: its exit code, and how long it took to end."""
        assert self.process.stdin is not None
        began = time.monotonic()
        self.process.stdin.close()
        self.listen_for(None)
        return self.process.wait(10), time.monotonic() - began

    def heard(self) -> list[tuple[str, str | None]]:
        """Type and job of each event."""
        return [(type(event).__name__, getattr(event, "id", None)) for event in self.events]


@pytest.fixture
def child(tmp_path: Path) -> Iterator[SpokenTo]:
    folder = create_private_folder(tmp_path)
    command = [sys.executable, "-u", "-m", "funet.worker", "--folder", str(folder)]
    with subprocess.Popen(
        [*command, "--jobs", TEST_JOBS],
        env=worker_environment(TEST_ENVIRONMENT),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield SpokenTo(process)
        process.kill()
    assert not folder.exists()


def test_a_malformed_request_is_refused_and_the_next_one_is_heard(child: SpokenTo) -> None:
    garbage = b'garbage\n{"type": "job"}\n' + b"x" * (3 << 20) + b"\n"
    child.send(garbage + encode(JobRequest("a", "count", {"steps": 0})))
    child.listen_for(ResultEvent)
    assert child.heard()[:4] == [("ReadyEvent", None)] + [("LogEvent", None)] * 3
    assert child.heard()[-1] == ("ResultEvent", "a")
    assert child.hang_up()[0] == 0


def test_a_queue_in_the_child_runs_in_order_and_its_jobs_can_be_cancelled(child: SpokenTo) -> None:
    requests = [JobRequest(name, "finish_after_cancel", {}) for name in ("a", "b", "c")]
    child.send(b"".join(map(encode, requests)))
    child.listen_for(LogEvent)
    child.send(encode(CancelRequest("b")) + encode(CancelRequest("nobody")))
    child.listen_for(CancelledEvent)
    child.send(encode(CancelRequest("a")))
    child.listen_for(ResultEvent)
    child.listen_for(LogEvent)
    child.send(encode(StopRequest()))
    child.listen_for(None)
    assert child.heard() == [
        ("ReadyEvent", None),
        ("LogEvent", "a"),
        ("CancelledEvent", "b"),
        ("ResultEvent", "a"),
        ("LogEvent", "c"),
        ("ResultEvent", "c"),
    ]


def test_closing_the_input_ends_a_deaf_job_in_time(child: SpokenTo) -> None:
    child.send(encode(JobRequest("a", "sleep_fending_off", {})))
    child.listen_for(LogEvent)
    code, seconds = child.hang_up()
    assert code == EXIT_FORCED
    assert seconds < LIMIT_SECONDS


def test_a_folder_that_is_not_its_own_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    command = [sys.executable, "-u", "-m", "funet.worker", "--folder", str(tmp_path)]
    done = subprocess.run(
        command, env=worker_environment(), input=b"", capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"cannot be the worker's temporary folder" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_an_interpreter_blocked_for_good_ends_itself(tmp_path: Path) -> None:
    """Even with the parent dead, no Python thread of the child could notice."""
    folder = create_private_folder(tmp_path)
    script = (
        "import pathlib, worker_jobs; from funet.worker.server import Server;"
        f"Server(worker_jobs.JOBS, pathlib.Path({str(folder)!r}), 0, 1, deadman=0.5).serve()"
    )
    environment = worker_environment(TEST_ENVIRONMENT)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write(encode(JobRequest("a", "hold_interpreter", {})))
        child.stdin.flush()
        assert child.wait(10) == 1
        assert b"hold_interpreter" in child.stderr.read()
