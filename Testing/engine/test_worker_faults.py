"""Crashes, hangs, garbage and deaths on either side of the worker: all noticed, nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from worker_tools import (
    HERE,
    TEST_ENVIRONMENT,
    TEST_JOBS,
    is_gone,
    open_client,
    pump_until,
    seconds_to_end,
    seconds_until,
)

from funet.errors import WorkerError
from funet.worker.child import LOG_BYTES
from funet.worker.client import Patience, WorkerClient
from funet.worker.folders import create_private_folder
from funet.worker.handle import JobHandle, JobState
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

LIMIT_SECONDS = 2.0
QUICK = Patience(cancel=0.3, terminate=0.2)
IMPATIENT = Patience(cancel=0.3, terminate=0.2, hang=1.2)


@pytest.fixture(scope="module")
def shared_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerClient]:
    with open_client(tmp_path_factory.mktemp("faults"), patience=QUICK) as client:
        yield client


@pytest.fixture
def client(shared_client: WorkerClient) -> Iterator[WorkerClient]:
    """One client for all tests: each shows that it has outlived the faults before."""
    yield shared_client
    assert shared_client.idle


@pytest.fixture
def impatient_client(tmp_path: Path) -> Iterator[WorkerClient]:
    with open_client(tmp_path, patience=IMPATIENT) as client:
        yield client


def started(client: WorkerClient, job: str, **arguments: object) -> JobHandle:
    logs: list[str] = []
    handle = client.submit(job, arguments, on_log=logs.append)
    pump_until(client, lambda: bool(logs))
    return handle


def assert_works(client: WorkerClient) -> None:
    assert client.wait(client.submit("count", {"steps": 3}), 10) == {"steps": 3}


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
    handle = client.submit("leave", {"code": 1, "text": "z" * 1_000_000 + "end\n"})
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


# --- the child hangs -----------------------------------------------------------------------------


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


# --- the parent dies -----------------------------------------------------------------------------


def run_parent(*arguments: str) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A parent that has started a worker, and the process ids that it names."""
    command = [sys.executable, str(HERE / "worker_parent.py"), *arguments]
    environment = worker_environment(TEST_ENVIRONMENT)
    parent = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        return parent, [int(pid) for pid in parent.stdout.readline().split()]


@pytest.mark.parametrize("phase", ["starting", "idle", "sleep_fending_off"])
def test_a_child_whose_parent_is_killed_ends_and_cleans_up(tmp_path: Path, phase: str) -> None:
    parent, (child,) = run_parent(str(tmp_path), phase)
    assert not is_gone(child)
    assert len(list(tmp_path.glob("funet-*"))) == 1
    parent.kill()
    parent.wait()
    seconds_until(lambda: is_gone(child), LIMIT_SECONDS)
    assert list(tmp_path.iterdir()) == []


def test_a_child_notices_the_death_though_another_process_holds_the_pipe(tmp_path: Path) -> None:
    folder = create_private_folder(tmp_path)
    parent, (child, holder) = run_parent(str(folder))
    try:
        parent.kill()
        parent.wait()
        seconds_until(lambda: is_gone(child), LIMIT_SECONDS)
        assert not folder.exists()
        assert not is_gone(holder)
    finally:
        with suppress(ProcessLookupError):
            os.kill(holder, signal.SIGKILL)


# --- the child alone, spoken to by hand ----------------------------------------------------------


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
