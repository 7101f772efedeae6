"""Crashes and garbage of the worker: all noticed, nothing left, and the next job works."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from worker_tools import (
    HERE,
    IMPATIENT,
    LIMIT_SECONDS,
    assert_works,
    is_gone,
    open_client,
    pump_until,
    seconds_to_end,
    seconds_until,
    started,
)

from funet.errors import WorkerError
from funet.worker.child import LOG_BYTES
from funet.worker.client import WorkerClient
from funet.worker.handle import JobState

pytestmark = pytest.mark.case(10)


# --- the child dies ------------------------------------------------------------------------------


def test_a_segmentation_fault_is_named_in_time_and_the_next_job_works(client: WorkerClient) -> None:
    handle = started(client, "segfault")
    assert seconds_to_end(client, handle) < LIMIT_SECONDS
    with pytest.raises(WorkerError, match=r"signal 11 \(SIGSEGV\) during the job 'segfault'"):
        client.wait(handle)
    assert "Segmentation fault" in str(handle.error)
    assert "worker_jobs.py" in handle.detail
    assert_works(client)


def test_an_exit_is_reported_with_its_code_and_the_last_words(client: WorkerClient) -> None:
    with pytest.raises(WorkerError, match=r"exit code 1 during .*ends with: the last words"):
        client.wait(client.submit("leave", {"code": 1}), 10)
    assert_works(client)


def test_an_exit_with_code_zero_in_mid_job_is_an_error_too(client: WorkerClient) -> None:
    with pytest.raises(WorkerError, match="ended with exit code 0"):
        client.wait(client.submit("leave", {"code": 0}), 10)


def test_of_a_log_line_of_5_mb_only_the_end_is_kept(client: WorkerClient) -> None:
    text = {"text": "z", "times": 5 << 20, "end": "end\n"}
    handle = client.submit("leave", {"code": 1, **text})
    with pytest.raises(WorkerError) as caught:
        client.wait(handle, 10)
    assert len(str(caught.value)) < 500
    assert "zend)" in str(caught.value)
    assert len(handle.detail) <= LOG_BYTES


def test_a_kill_from_outside_is_noticed_in_time(client: WorkerClient) -> None:
    handle = started(client, "sleep_deaf")
    assert client.worker_pid is not None
    os.kill(client.worker_pid, signal.SIGKILL)
    assert seconds_to_end(client, handle) < LIMIT_SECONDS
    with pytest.raises(WorkerError, match="SIGKILL"):
        client.wait(handle)
    assert handle.folder is not None
    assert not handle.folder.parent.exists()


def test_a_crash_ends_only_the_job_that_ran(client: WorkerClient) -> None:
    crashing = client.submit("leave", {"code": 1})
    following = [client.submit("count", {"steps": steps}) for steps in (1, 2)]
    assert [client.wait(handle, 10) for handle in following] == [{"steps": 1}, {"steps": 2}]
    assert crashing.state is JobState.FAILED


def test_a_death_between_jobs_is_not_an_error(client: WorkerClient) -> None:
    assert_works(client)
    pid = client.worker_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    pump_until(client, lambda: client.worker_pid is None, LIMIT_SECONDS)
    assert_works(client)


def test_a_death_while_nobody_looks_does_not_cost_the_next_job(client: WorkerClient) -> None:
    assert_works(client)
    pid = client.worker_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    seconds_until(lambda: is_gone(pid))
    time.sleep(0.1)
    assert_works(client)
    assert client.worker_pid != pid


@pytest.mark.parametrize("interpreter", ["missing", "not a program", "a folder"])
def test_an_interpreter_that_cannot_run_is_named(tmp_path: Path, interpreter: str) -> None:
    (tmp_path / "not a program").write_text("text")
    (tmp_path / "a folder").mkdir()
    with open_client(tmp_path, python=tmp_path / interpreter) as client:
        handle = client.submit("count", {"steps": 1})
        assert not handle.finished
        with pytest.raises(WorkerError, match=f"could not start: .*{interpreter} cannot be run"):
            client.wait(handle, 10)


def test_an_interpreter_that_gives_up_is_reported_for_each_job(tmp_path: Path) -> None:
    with open_client(tmp_path, python="/bin/false") as client:
        for handle in [client.submit("count", {"steps": 1}) for _ in range(2)]:
            with pytest.raises(WorkerError, match="exit code 1 before it was ready"):
                client.wait(handle, 10)


def test_jobs_that_cannot_be_imported_are_named_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "worker_jobs.py").write_text("import no_such_module")
    with open_client(tmp_path, environment={"PYTHONPATH": str(tmp_path)}) as client:
        handle = client.submit("count")
        with pytest.raises(WorkerError, match=r"exit code 2 before .*No module named 'no_such"):
            client.wait(handle, 10)


def test_a_temporary_folder_that_cannot_be_made_is_an_error_of_the_job(tmp_path: Path) -> None:
    with open_client(tmp_path / "missing") as client:
        handle = client.submit("count", {"steps": 1})
        with pytest.raises(WorkerError, match="No temporary folder could be created"):
            client.wait(handle, 10)


# --- the child talks nonsense --------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        [{"text": "\xff\xfe\x00 garbage\n"}],
        [{"text": "\n", "times": 1000}],
        [{"text": '{"type": "resul\n'}],
        [{"text": '{"type": "result", "id": "another", "value": {"stale": 1}}\n'}],
        [{"text": '{"type": "alive"}\n', "times": 10_000}],
        [{"text": "x", "times": 5 << 20}, {"text": "\n"}],
        [{"text": "x\n", "times": 50_000}],
    ],
    ids=["bytes", "blank", "half a line", "stale", "heartbeats", "5 MB line", "many lines"],
)
def test_garbage_on_the_output_is_passed_over(client: WorkerClient, parts: object) -> None:
    handle = client.submit("write_into_the_pipe", {"parts": parts})
    assert client.wait(handle, 20) == {"done": True}
    assert_works(client)


def test_garbage_at_the_start_of_the_interpreter_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('welcome to the institute')")
    path = os.pathsep.join([str(tmp_path), str(HERE)])
    with open_client(tmp_path, environment={"PYTHONPATH": path}) as client:
        assert_works(client)


def test_a_program_that_is_no_worker_is_given_up_on(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.write_text("#!/bin/sh\nwhile true; do echo hello; sleep 0.1; done\n")
    stranger.chmod(0o755)
    with open_client(tmp_path, python=stranger, patience=IMPATIENT) as client:
        handle = client.submit("count", {"steps": 1})
        with pytest.raises(WorkerError, match=r"stopped answering for 1\.2 seconds before .*hello"):
            client.wait(handle, 10)


def test_the_module_in_the_current_folder_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    with open_client(tmp_path) as client:
        assert_works(client)
