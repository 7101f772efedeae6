"""Hangs of the worker, also behind a launcher: noticed, ended, and the next job works."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from worker_tools import (
    IMPATIENT,
    LIMIT_SECONDS,
    assert_works,
    is_gone,
    open_client,
    seconds_to_end,
    seconds_until,
    started,
)

from funet.errors import WorkerError
from funet.worker.client import Patience, WorkerClient
from funet.worker.handle import JobState

pytestmark = pytest.mark.case(11)


@pytest.fixture
def impatient_client(tmp_path: Path) -> Iterator[WorkerClient]:
    with open_client(tmp_path, patience=IMPATIENT) as client:
        yield client


def test_a_stopped_child_is_noticed_killed_and_replaced(impatient_client: WorkerClient) -> None:
    client = impatient_client
    handle = started(client, "sleep_deaf")
    pid = client.worker_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    assert seconds_to_end(client, handle) < IMPATIENT.hang + LIMIT_SECONDS
    with pytest.raises(WorkerError, match=r"stopped answering for 1\.2 seconds during the job"):
        client.wait(handle)
    assert is_gone(pid)
    assert_works(client)


def test_a_job_that_blocks_the_interpreter_is_noticed(impatient_client: WorkerClient) -> None:
    client = impatient_client
    handle = started(client, "hold_interpreter")
    with pytest.raises(WorkerError, match="stopped answering"):
        client.wait(handle, 10)


def test_a_child_that_is_not_heard_because_the_parent_is_busy_lives_on(tmp_path: Path) -> None:
    with open_client(tmp_path, patience=Patience(hang=1.2)) as client:
        handle = started(client, "sleep_deaf", seconds=1.6)
        time.sleep(1.5)
        assert client.wait(handle, 10) == {}


def test_a_stopped_child_is_closed_all_the_same(tmp_path: Path) -> None:
    patience = Patience(close=0.3, terminate=0.2)
    with open_client(tmp_path, patience=patience) as client:
        started(client, "sleep_deaf")
        assert client.worker_pid is not None
        os.kill(client.worker_pid, signal.SIGSTOP)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < LIMIT_SECONDS


def test_a_stopped_child_that_does_not_read_does_not_block_its_parent(
    impatient_client: WorkerClient,
) -> None:
    client = impatient_client
    assert_works(client)
    assert client.worker_pid is not None
    os.kill(client.worker_pid, signal.SIGSTOP)
    began = time.monotonic()
    handle = client.submit("count", {"steps": 1, "ballast": "x" * 900_000})
    assert time.monotonic() - began < 0.5
    with pytest.raises(WorkerError, match="stopped answering"):
        client.wait(handle, 10)


def test_ctrl_c_is_left_to_the_parent(client: WorkerClient) -> None:
    handle = started(client, "sleep_deaf", seconds=0.5)
    assert client.worker_pid is not None
    os.kill(client.worker_pid, signal.SIGINT)
    os.kill(client.worker_pid, signal.SIGHUP)
    assert client.wait(handle, 10) == {}


# --- a launcher in between, as PythonSlicer is one ----------------------------------------------


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    """Starts Python and waits for it, instead of becoming it."""
    script = tmp_path / "launcher"
    script.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n')
    script.chmod(0o755)
    return script


def test_behind_a_launcher_a_job_works_and_a_hang_leaves_no_orphan(
    tmp_path: Path, launcher: Path
) -> None:
    with open_client(tmp_path, python=launcher, patience=IMPATIENT) as client:
        assert_works(client)
        handle = started(client, "sleep_deaf")
        pid = client.worker_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(WorkerError, match="stopped answering"):
            client.wait(handle, 10)
        seconds_until(lambda: is_gone(pid), LIMIT_SECONDS)


def test_behind_a_launcher_a_cancel_leaves_no_orphan(tmp_path: Path, launcher: Path) -> None:
    with open_client(tmp_path, python=launcher, patience=IMPATIENT) as client:
        handle = started(client, "sleep_fending_off")
        pid = client.worker_pid
        assert pid is not None
        handle.cancel()
        assert seconds_to_end(client, handle) < LIMIT_SECONDS
        assert handle.state is JobState.CANCELLED
        seconds_until(lambda: is_gone(pid), LIMIT_SECONDS)
