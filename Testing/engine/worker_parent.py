"""A parent process for the tests to kill: starts a worker, says which, and goes on for ever."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from worker_tools import TEST_ENVIRONMENT, TEST_JOBS, WorkerClient, pump_until

from funet.worker.transport import SubprocessTransport


def main() -> None:
    temporary, phase = Path(sys.argv[1]), sys.argv[2]
    transport = SubprocessTransport(environment=TEST_ENVIRONMENT)
    client = WorkerClient(transport, jobs=TEST_JOBS, temporary=temporary)
    logs: list[str] = []
    if phase == "starting":
        client.submit("sleep_deaf")
    elif phase == "idle":
        client.wait(client.submit("count", {"steps": 1}))
    else:
        client.submit(phase, on_log=logs.append)
        pump_until(client, lambda: bool(logs))
    sys.stdout.write(f"{transport.pid}\n")
    sys.stdout.flush()
    time.sleep(60)


def hold_the_pipe() -> None:
    """Like ``main``, but another process keeps the worker's standard input open."""
    command = [sys.executable, "-u", "-m", "funet.worker", "--folder", sys.argv[1]]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdout.readline()
    holder = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        pass_fds=[worker.stdin.fileno(), worker.stdout.fileno()],
    )
    sys.stdout.write(f"{worker.pid} {holder.pid}\n")
    sys.stdout.flush()
    time.sleep(60)


if __name__ == "__main__":
    main() if len(sys.argv) > 2 else hold_the_pipe()
