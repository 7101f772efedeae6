"""Private temporary folders: created with a short path, removed even while in use."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from ..errors import WorkerError

FOLDER_PREFIX = "funet-"
"""How the name of every private folder begins; no other folder is ever removed."""

STALE_SECONDS = 3600.0
"""A folder that nobody has touched for so long belongs to processes that were killed."""

# Whoever has named a folder of results "funet-..." keeps it: ours hold this file.
_MARK = ".private-folder-of-a-worker"
_RETRY_SECONDS = 0.02


def create_private_folder(parent: Path | None = None) -> Path:
    """A new empty folder that only this user may read; stale ones beside it are removed.

    Args:
        parent: where; ``None`` for the system's temporary folder.

    Raises:
        WorkerError: when it cannot be created.
    """
    _remove_stale(parent or Path(tempfile.gettempdir()))
    try:
        folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=parent))
        (folder / _MARK).touch()
        return folder
    except OSError as error:
        where = parent or tempfile.gettempdir()
        raise WorkerError(
            f"No temporary folder could be created in {where} ({error.strerror}); free some space "
            "there or set TMPDIR to another folder."
        ) from error


def touch(path: Path) -> None:
    """Show that a private folder is in use."""
    with suppress(OSError):  # it is being removed
        os.utime(path)


def _remove_stale(parent: Path) -> None:
    """Remove what this user's processes left that were killed together with their parents."""
    newest = time.time() - STALE_SECONDS
    for path in parent.glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError):  # of another user, or just being removed
            facts = path.lstat()
            old = stat.S_ISDIR(facts.st_mode) and facts.st_mtime < newest
            ours = not hasattr(os, "getuid") or facts.st_uid == os.getuid()
            if old and ours and (path / _MARK).is_file():
                shutil.rmtree(path, ignore_errors=True)


def checked_private_folder(path: Path) -> Path:
    """``path`` itself, once it is certain that it may be removed at the end.

    Raises:
        WorkerError: when it is no folder, or not one that :func:`create_private_folder` named.
    """
    if path.is_symlink() or not path.is_dir() or not path.name.startswith(FOLDER_PREFIX):
        raise WorkerError(
            f"{path} cannot be the worker's temporary folder: it must be an existing folder whose "
            f"name begins with {FOLDER_PREFIX!r}, as everything in it is removed at the end."
        )
    return path


def remove_folder(path: Path, patience: float = 0.5) -> None:
    """Remove a folder with all that it holds; try again for ``patience`` seconds, then let it be.

    A process that is ending may still write into it, and Windows keeps a file for a moment after
    its last user is gone, so one attempt is not enough.
    """
    give_up = time.monotonic() + patience
    while True:
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists() or time.monotonic() >= give_up:
            return
        time.sleep(_RETRY_SECONDS)
