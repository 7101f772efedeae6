"""How a cancel ends a job, queued, running or deaf to it, and how closing the client ends all."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from worker_tools import is_gone, open_client, pump_until, seconds_to_end, started

from funet.errors import Cancelled, WorkerError
from funet.progress import Progress
from funet.worker.client import WorkerClient
from funet.worker.handle import JobHandle, JobState

pytestmark = pytest.mark.case(12)


def assert_cancelled(client: WorkerClient, handle: JobHandle, limit: float = 2.0) -> None:
    assert seconds_to_end(client, handle) < limit
    assert handle.state is JobState.CANCELLED
    assert handle.error is None
    assert handle.result is None
    assert handle.folder is None or not handle.folder.exists()
    with pytest.raises(Cancelled):
        client.wait(handle)


def test_a_running_job_is_cancelled_between_batches_and_the_worker_stays(
    client: WorkerClient,
) -> None:
    progress: list[Progress] = []
    handle = client.submit("count", {"steps": 1000, "seconds": 0.02}, on_progress=progress.append)
    pump_until(client, lambda: len(progress) > 2)
    pid = client.worker_pid
    handle.cancel()
    assert_cancelled(client, handle)
    client.wait(client.submit("count", {"steps": 1}), 10)
    assert client.worker_pid == pid


def test_a_queued_job_is_cancelled_at_once_and_never_runs(client: WorkerClient) -> None:
    running = client.submit("count", {"steps": 5, "seconds": 0.05})
    done: list[JobHandle] = []
    queued = client.submit("count", {"steps": 1}, on_done=done.append)
    last = client.submit("count", {"steps": 2})
    queued.cancel()
    assert done == [queued]
    assert_cancelled(client, queued)
    assert client.wait(running, 10) == {"steps": 5}
    assert client.wait(last, 10) == {"steps": 2}
    assert done == [queued]


def test_a_job_is_cancelled_while_the_worker_still_starts(tmp_path: Path) -> None:
    with open_client(tmp_path) as client:
        handle = client.submit("count", {"steps": 1000, "seconds": 0.02})
        handle.cancel()
        assert_cancelled(client, handle)


def test_a_job_that_never_looks_is_terminated(client: WorkerClient) -> None:
    handle = started(client, "sleep_deaf")
    pid = client.worker_pid
    handle.cancel()
    assert_cancelled(client, handle)
    pump_until(client, lambda: pid is None or is_gone(pid), 2)
    assert client.wait(client.submit("count", {"steps": 1}), 10) == {"steps": 1}
    assert client.worker_pid != pid


def test_a_job_that_refuses_to_be_terminated_is_killed(client: WorkerClient) -> None:
    handle = started(client, "sleep_fending_off")
    handle.cancel()
    assert_cancelled(client, handle)


def test_a_job_that_blocks_the_whole_interpreter_is_killed(client: WorkerClient) -> None:
    handle = started(client, "hold_interpreter")
    handle.cancel()
    assert_cancelled(client, handle)


def test_the_usual_patience_ends_a_deaf_job_within_two_seconds(tmp_path: Path) -> None:
    with open_client(tmp_path) as client:
        handle = started(client, "sleep_fending_off")
        handle.cancel()
        assert_cancelled(client, handle)


def test_a_result_that_comes_after_the_cancel_is_not_shown(client: WorkerClient) -> None:
    handle = started(client, "finish_after_cancel")
    pid = client.worker_pid
    handle.cancel()
    assert_cancelled(client, handle)
    client.wait(client.submit("count", {"steps": 1}), 10)
    assert client.worker_pid == pid


def test_a_cancel_of_a_finished_job_changes_nothing(client: WorkerClient) -> None:
    handle = client.submit("count", {"steps": 1})
    client.wait(handle, 10)
    handle.cancel()
    assert handle.state is JobState.DONE
    assert client.wait(handle) == {"steps": 1}


def test_a_second_cancel_does_not_hurry_the_worker_s_end(client: WorkerClient) -> None:
    handle = started(client, "finish_after_cancel")
    pid = client.worker_pid
    handle.cancel()
    handle.cancel()
    assert_cancelled(client, handle)
    client.wait(client.submit("count", {"steps": 1}), 10)
    assert client.worker_pid == pid


def test_the_next_job_waits_for_a_new_worker_when_the_old_one_is_being_killed(
    client: WorkerClient,
) -> None:
    first = started(client, "sleep_fending_off")
    second = client.submit("count", {"steps": 2})
    first.cancel()
    assert client.wait(second, 10) == {"steps": 2}
    assert first.state is JobState.CANCELLED


def test_closing_cancels_everything_and_further_jobs_are_refused(tmp_path: Path) -> None:
    with open_client(tmp_path) as client:
        running = started(client, "sleep_deaf")
        queued = client.submit("count", {"steps": 1})
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 2.0
        assert running.state is queued.state is JobState.CANCELLED
        with pytest.raises(WorkerError, match="closed"):
            client.submit("count", {"steps": 1})


def test_a_callback_that_raises_while_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    def refuse(_: JobHandle) -> None:
        raise RuntimeError("no")

    with open_client(tmp_path) as client:
        client.submit("count", {"steps": 1000, "seconds": 0.01}, on_done=refuse)
        pump_until(client, lambda: client.worker_pid is not None)
        with pytest.raises(RuntimeError, match="no"):
            client.close()
