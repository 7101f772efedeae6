"""What a test may have left behind: processes, temporary files, changed files."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path

_SECONDS_TO_END = 2.0
_OTHERS = ("torchinductor_", "FUNetSegmentationTests-")  # PyTorch, the application of the panel


def files_in(folder: Path) -> set[str]:
    """Everything below a folder, as paths relative to it, but what others keep there."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {path for path in found if not path.startswith(_OTHERS)}


def processes_with(setting: str) -> dict[int, str]:
    """Command lines, by process id, of the other living processes that inherited a setting.

    An orphan belongs to another parent, but keeps the environment that it was started with.

    Args:
        setting: ``"NAME=value"`` as it stands in the environment.
    """
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it has just ended, or is of another user
            continue
        if command and os.fsencode(setting) in environment:
            found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def left_running(setting: str, known: set[int]) -> dict[int, str]:
    """The processes of :func:`processes_with` that do not end soon, but for the known ones."""
    give_up = time.monotonic() + _SECONDS_TO_END
    while True:
        left = {pid: line for pid, line in processes_with(setting).items() if pid not in known}
        if not left or time.monotonic() > give_up:
            return left
        time.sleep(0.02)


def snapshot(path: Path) -> dict[str, str]:
    """A digest of a file, or of all that lies in a folder; the lock of a store does not count."""
    if not os.path.lexists(path):
        return {}
    paths = [path, *(sorted(path.rglob("*")) if path.is_dir() else ())]
    return {str(one): _digest(one) for one in paths if one.name != ".lock"}


def _digest(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"link to {path.readlink()}"
    if not stat.S_ISREG(mode):
        return f"no file, {mode:o}"
    return hashlib.sha256(path.read_bytes()).hexdigest()
