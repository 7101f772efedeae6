"""Private temporary folders: created with a short path, removed even while in use."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from ..errors import WorkerError

FOLDER_PREFIX = "funet-"
"""How the name of every private folder begins; no other folder is ever removed."""

_RETRY_SECONDS = 0.02


def create_private_folder(parent: Path | None = None) -> Path:
    """A new empty folder that only this user may read.

    Args:
        parent: where; ``None`` for the system's temporary folder.

    Raises:
        WorkerError: when it cannot be created.
    """
    try:
        return Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=parent))
    except OSError as error:
        where = parent or tempfile.gettempdir()
        raise WorkerError(
            f"No temporary folder could be created in {where} ({error.strerror}); free some space "
            "there or set TMPDIR to another folder."
        ) from error


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
