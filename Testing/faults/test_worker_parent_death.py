"""A killed parent takes its worker with it, in whatever phase that is, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from worker_tools import HERE, LIMIT_SECONDS, TEST_ENVIRONMENT, is_gone, seconds_until

from funet.worker.folders import create_private_folder
from funet.worker.transport import worker_environment

pytestmark = pytest.mark.case(11)


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
