"""Arrays cross between the two processes as ``.npy`` files in the private folder of a job."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WorkerError
from .protocol import is_safe_name


def put_array(folder: Path, array: NDArray[Any], name: str | None = None) -> str:
    """Write an array for the other process.

    Args:
        folder: the private folder of the job.
        array: any shape, any dtype except object.
        name: what to call it; ``None`` makes up a name that is free.

    Returns:
        The name by which the other side takes it.

    Raises:
        WorkerError: for a name that is not a plain one, an object array, or a full disk.
    """
    name = name if name is not None else uuid.uuid4().hex
    check_array(name, array)
    path = folder / f"{name}.npy"
    try:
        with path.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise WorkerError(
            f"An array of {array.nbytes} bytes could not be written to {path} "
            f"({error.strerror or error}); free some space there."
        ) from error
    return name


def take_array(folder: Path, name: str) -> NDArray[Any]:
    """Read an array that the other process put, and remove its file.

    Args:
        folder: the private folder of the job.
        name: what :func:`put_array` returned.

    Returns:
        The array, in memory of its own.

    Raises:
        WorkerError: for a name that is not a plain one, or a file that is missing or damaged.
    """
    _check_name(name)
    path = folder / f"{name}.npy"
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise WorkerError(f"The array {path} is missing or damaged; run the job again.") from error
    path.unlink(missing_ok=True)
    return array


def check_array(name: str, array: NDArray[Any]) -> None:
    """Refuse what :func:`put_array` could not write.

    Raises:
        WorkerError: for a name that is not a plain one, or an array of Python objects, which only
            a pickle could carry.
    """
    _check_name(name)
    if array.dtype.hasobject:
        raise WorkerError(f"An array of type {array.dtype} cannot be sent; only numbers can.")


def _check_name(name: str) -> None:
    if not is_safe_name(name):
        raise WorkerError(
            f"{name!r} cannot name an array; use up to 64 letters, digits, '_' and '-'."
        )
