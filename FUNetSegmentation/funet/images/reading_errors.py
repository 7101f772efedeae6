"""Plain sentences for what ITK and the file system say of an image that cannot be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError
from ..files import read_error
from .decimal_points import decimal_points


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """Turn the exceptions of ITK and of the file system into plain sentences.

    Args:
        path: the image, for the message.

    Raises:
        InputError: for every ``RuntimeError`` and ``OSError`` of the block.
    """
    try:
        with decimal_points():
            yield
    except OSError as error:
        raise read_error(error, path) from error
    except RuntimeError as error:
        reason = str(error).lower()
        if "orthonormal" in reason:
            raise InputError(
                f"{path} has voxel axes that are not perpendicular to each other; resample it onto "
                "a rectangular grid first."
            ) from error
        if "allocate" in reason or "bad_alloc" in reason:
            raise InputError(f"The memory does not hold {path}; crop it.") from error
        raise InputError(
            f"{path} is damaged or not an image; try to open it in 3D Slicer, or copy it again."
        ) from error


def require_reachable(path: Path) -> None:
    """Raise the error of the file system for what may not be asked for, and a closed folder.

    To ITK such a folder is an empty one; and whether asking for the kind of such a path is an
    error depends on the version of Python. What does not exist passes: its reader says so better.

    Raises:
        OSError: if it may not be reached or listed, or its name is too long.
    """
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return
    if stat.S_ISDIR(kind):
        os.scandir(path).close()


def require_utf8(path: str) -> None:
    """Refuse a name that ITK cannot take, over which it would end the whole process.

    Raises:
        InputError: if a byte of the name belongs to no character of UTF-8.
    """
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        readable = path.encode("utf-8", "replace").decode("utf-8")
        raise InputError(f"The name {readable} is not in UTF-8; rename the file.") from error
