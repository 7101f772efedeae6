"""What a transport promises, held by the one on QProcess and the one on subprocess alike."""

from __future__ import annotations

import importlib
import itertools
import os
import signal
import statistics
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any

import host
import pytest

from funet.errors import WorkerError
from funet.worker.client import WorkerClient
from funet.worker.transport import SubprocessTransport

TRANSPORTS = ("subprocess", "qprocess")


class Child:
    """A transport with one child, and what was heard of it."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.output, self.log = bytearray(), bytearray()
        self.ends: list[int | None] = []

    def run(self, code: str, *arguments: str) -> Child:
        self.transport.start(
            ["-u", "-c", textwrap.dedent(code), *arguments],
            on_output=self.output.extend,
            on_log=self.log.extend,
            on_end=self.ends.append,
        )
        return self

    def pump_until(self, condition: Callable[[], object], limit: float = 20.0) -> None:
        give_up = time.monotonic() + limit
        while not condition():
            assert time.monotonic() < give_up, (bytes(self.output), bytes(self.log), self.ends)
            self.transport.pump(0.02)

    def to_the_end(self) -> int | None:
        self.pump_until(lambda: self.ends)
        return self.ends[0]


@pytest.fixture(scope="module", params=TRANSPORTS)
def make_transport(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    if request.param == "subprocess":
        yield SubprocessTransport
        return
    host.install("5.2.2")
    module = importlib.import_module("FUNetSegmentationLib.jobs.qt_transport")
    yield module.QProcessTransport
    host.uninstall()


@pytest.fixture
def child(make_transport: Callable[..., Any]) -> Iterator[Child]:
    child = Child(make_transport(sys.executable, {"GREETING": "Grüße, 世界"}))
    yield child
    child.transport.kill()
    child.pump_until(lambda: child.ends or not child.transport.alive)


def test_what_is_written_comes_back_and_closing_the_input_ends_the_child(child):
    child.run("import sys; sys.stdout.write(sys.stdin.read().upper())")
    assert child.transport.alive
    assert child.transport.pid not in (None, os.getpid())
    child.transport.write("é 中\n".encode())
    child.transport.write(b"two")
    child.transport.close_input()
    assert child.to_the_end() == 0
    assert child.output.decode().split() == ["É", "中", "TWO"]
    assert not child.transport.alive


def test_output_and_log_are_kept_apart_and_complete_when_the_end_is_told(child):
    child.run("""
        import sys
        sys.stderr.write("to the log")
        sys.stdout.write("to the parent")
        sys.exit(3)
    """)
    assert child.to_the_end() == 3
    assert (bytes(child.output), bytes(child.log)) == (b"to the parent", b"to the log")


def test_the_environment_reaches_the_child_with_the_engine_on_its_path(child):
    child.run("import os, funet; print(os.environ['GREETING'], os.environ['PYTHONUTF8'])")
    assert child.to_the_end() == 0
    assert child.output.decode().split() == ["Grüße,", "世界", "1"]


def test_large_output_and_large_input_arrive_whole(child):
    child.run("""
        import sys
        data = sys.stdin.buffer.read()
        sys.stderr.write("x" * 300_000)
        sys.stdout.buffer.write(data * 2)
    """)
    data = bytes(range(256)) * 4000
    child.transport.write(data)
    child.transport.close_input()
    assert child.to_the_end() == 0
    assert bytes(child.output) == data * 2
    assert len(child.log) == 300_000


@pytest.mark.skipif(sys.platform == "win32", reason="signals are told by POSIX systems only")
@pytest.mark.parametrize("how", ["terminate", "kill", "itself"])
def test_a_signal_is_a_negative_number(child, how):
    code = {"itself": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"}
    child.run(code.get(how, "import time; print('up'); time.sleep(60)"))
    if how != "itself":
        child.pump_until(lambda: child.output)
        getattr(child.transport, how)()
    expected = {"terminate": signal.SIGTERM, "kill": signal.SIGKILL, "itself": signal.SIGSEGV}
    assert child.to_the_end() == -expected[how]


def test_the_end_is_told_once_and_later_calls_do_nothing(child):
    child.run("")
    child.to_the_end()
    child.transport.write(b"too late")
    child.transport.close_input()
    child.transport.terminate()
    child.transport.kill()
    child.transport.pump(0.05)
    assert child.ends == [0]


def test_another_child_can_follow(child):
    child.run("print(1)").to_the_end()
    first = child.transport.pid
    child.ends.clear()
    child.run("print(2)").to_the_end()
    assert child.output.split() == [b"1", b"2"]
    assert child.transport.pid != first


def test_a_python_that_does_not_exist_is_told_one_way_or_the_other(make_transport, tmp_path):
    child = Child(make_transport(tmp_path / "no python"))
    refused = ""
    try:
        child.run("")
    except WorkerError as error:
        refused = str(error)
    if refused:
        assert "could not start" in refused
        assert child.ends == []
    else:
        assert child.to_the_end() is None
    assert not child.transport.alive


def test_nothing_works_before_the_first_start_and_nothing_fails(make_transport):
    transport = make_transport(sys.executable)
    transport.write(b"x")
    transport.close_input()
    transport.kill()
    transport.pump(0.01)
    assert (transport.pid, transport.alive) == (None, False)


def test_a_callback_may_pump_and_hear_more(child):
    heard: list[bytes] = []

    def on_output(data: bytes) -> None:
        heard.append(data)
        if data.startswith(b"one"):
            child.transport.write(b"!")
            child.pump_until(lambda: any(b"two" in part for part in heard))

    child.transport.start(
        ["-u", "-c", "import sys; print('one'); sys.stdin.read(1); print('two')"],
        on_output=on_output,
        on_log=child.log.extend,
        on_end=child.ends.append,
    )
    assert child.to_the_end() == 0
    assert b"".join(heard).split() == [b"one", b"two"]


def test_the_worker_runs_on_it(make_transport, tmp_path):
    transport = make_transport(sys.executable, {"OMP_NUM_THREADS": "1"})
    with WorkerClient(transport, temporary=tmp_path) as client:
        handle = client.submit("describe")
        assert client.wait(handle, 60)["torch"]
        assert client.worker_pid == transport.pid
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_cannot_start_is_a_sentence(make_transport, tmp_path):
    transport = make_transport(tmp_path / "no python")
    with (
        WorkerClient(transport, temporary=tmp_path) as client,
        pytest.raises(WorkerError, match="could not start"),
    ):
        client.wait(client.submit("describe"), 20)


@pytest.fixture
def driven_runner() -> Iterator[Any]:
    """A runner as it is inside Slicer, driven by the event loop alone."""
    host.install("5.2.2")
    runner = importlib.import_module("FUNetSegmentationLib.jobs.runner").JobRunner()
    yield runner
    runner.close()
    host.uninstall()


def test_inside_slicer_the_event_loop_drives_the_jobs(driven_runner):
    ended: list[Any] = []
    driven_runner.submit("describe", {}, on_done=ended.append)
    assert driven_runner.busy
    give_up = time.monotonic() + 60
    while not ended:
        assert time.monotonic() < give_up
        host.spin(0.05)
    assert ended[0].result["torch"]
    assert not driven_runner.busy


@pytest.mark.alone
def test_inside_slicer_waiting_keeps_the_user_interface_alive(driven_runner):
    qt = importlib.import_module("qt")
    ticks: list[float] = []
    timer = qt.QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(10)
    driven_runner.wait(driven_runner.submit("describe", {}))
    timer.stop()
    gaps = [later - earlier for earlier, later in itertools.pairwise(ticks)]
    assert statistics.median(gaps) < 0.05  # single ones are as long as others use the machine
