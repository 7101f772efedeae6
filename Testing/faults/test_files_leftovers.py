"""What processes left that were killed together with their parents is cleared by the next start."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from funet.worker.folders import STALE_SECONDS, create_private_folder, touch


def aged(path: Path, seconds: float) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


@pytest.mark.case(11)
def test_a_start_removes_the_folders_that_nobody_touched_for_long(tmp_path: Path) -> None:
    stale, used = (create_private_folder(tmp_path) for _ in range(2))
    for folder in (stale, used):
        (folder / "job").mkdir()
        (folder / "job" / "volume.npy").write_bytes(b"voxels")
        aged(folder, STALE_SECONDS + 60)
    touch(used)  # as a living worker does twice a second
    new = create_private_folder(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {used.name, new.name}
    assert (used / "job" / "volume.npy").is_file()


@pytest.mark.case(11)
def test_a_start_removes_nothing_that_is_not_a_worker_s(
    tmp_path: Path, untouched: Callable[..., None]
) -> None:
    """Somebody may have named a folder of results like ours, or linked one."""
    elsewhere = create_private_folder(tmp_path)
    tmp_path = tmp_path / "temporary"
    precious = tmp_path / "funet-my_model"
    precious.mkdir(parents=True)
    (precious / "model.json").write_text("{}", encoding="utf-8")
    (tmp_path / "funet-notes").write_text("notes", encoding="utf-8")
    (tmp_path / "funet-link").symlink_to(elsewhere)
    for path in (precious, tmp_path / "funet-notes", elsewhere):
        aged(path, 100 * STALE_SECONDS)
    untouched(precious, tmp_path / "funet-notes", tmp_path / "funet-link", elsewhere)
    create_private_folder(tmp_path)
