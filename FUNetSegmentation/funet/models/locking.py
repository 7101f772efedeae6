"""One process at a time changes a store of models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ModelError

_LOCK_NAME = ".lock"
_LOCK_SECONDS = 60.0


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder while the block runs.

    Args:
        folder: of the store; it exists.

    Raises:
        ModelError: if another process stays in it for too long, or the package filelock is
            missing.
    """
    try:
        # Needed to change models only: they can be listed before it is installed.
        from filelock import FileLock, Timeout
    except ModuleNotFoundError as error:
        raise ModelError(
            f"The models in {folder} cannot be changed without the Python package filelock; "
            "install the required packages first."
        ) from error
    lock = FileLock(folder / _LOCK_NAME)
    try:
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout as error:
        raise ModelError(
            f"Another program has been changing the models in {folder} for more than "
            f"{_LOCK_SECONDS:.0f} seconds; try again when it is done."
        ) from error
    try:
        yield
    finally:
        lock.release()
