"""Files and folders that appear whole or not at all, and reading that cannot be tricked.

A reader, a crash or a full disk never meets half of what is written here: the content goes to a
temporary name beside the target, is flushed to the disk, and takes its place by one rename.
"""

from __future__ import annotations

import errno
import glob
import os
import platform
import re
import secrets
import shutil
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import InputError, ModelError

TEMPORARY_PREFIX = ".tmp-"

# Begins with the computer and the process that write it, so that others can tell whether they still
# do: folders may be shared by many computers, which do not know each other's processes.
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_TEMPORARY_NAME = re.compile(rf"\.tmp-{_HOST}-([0-9a-f]{{1,8}})-[0-9a-f]{{8}}-.*", re.DOTALL)
_KEPT_OF_NAME = 40

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; links, folders, pipes and devices are refused.

    Raises:
        ModelError: if there is no such file, it is not a regular one, or it cannot be read.
    """
    # O_NONBLOCK: opening a pipe must not hang; O_NOFOLLOW: a link could point anywhere.
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        if path.is_symlink():
            raise ModelError(f"{path} is a link; put the file itself in its place.")
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        raise ModelError(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {_reason(error)}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ModelError(f"{path} is not a regular file.")
    return os.fdopen(descriptor, "rb")


def read_small_file(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file of at most ``limit`` bytes.

    Raises:
        ModelError: if the file is larger, missing, not regular, or cannot be read.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ModelError(f"{path} is larger than the {limit} bytes allowed for it.")
    return data


def require_writable(folder: Path) -> None:
    """Check, before work starts, that files can be written into a folder (which may not exist).

    Nothing is left behind and no folder is created.

    Raises:
        InputError: naming the folder that is read-only, or the file that stands in the way.
    """
    existing = folder.absolute()
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise InputError(f"{existing} is not a folder; choose another place to write to.")
    probe = _temporary_sibling(existing / "probe")
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        probe.unlink(missing_ok=True)  # another process may have cleared it as a leftover
    except OSError as error:
        raise write_error(error, existing) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block succeeds.

    The folder is created if needed. The temporary path keeps the suffix of ``path``, for writers
    that choose a format by it. If the block raises, ``path`` stays as it was and the temporary
    file is removed.

    Raises:
        InputError: if the folder cannot be written to or the disk is full.
    """
    temporary = _temporary_sibling(path)
    with _cleaned_up(temporary, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans_of(path)
        yield temporary
        _sync_file(temporary)
        temporary.replace(path)
        _sync_folder(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a new temporary folder that becomes ``path`` when the block succeeds.

    Raises:
        ModelError: if ``path`` exists already; folders are never replaced.
        InputError: if the folder cannot be written to or the disk is full; nothing is left.
    """
    if os.path.lexists(path):
        raise ModelError(f"{path} exists already; choose another name or delete it first.")
    temporary = _temporary_sibling(path)
    with _cleaned_up(temporary, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans_of(path)
        temporary.mkdir()
        yield temporary
        for entry in temporary.iterdir():
            _sync_file(entry)
        _sync_folder(temporary)
        temporary.rename(path)
        _sync_folder(path.parent)


def remove_folder(path: Path) -> None:
    """Delete a folder; whoever looks meanwhile sees all of it or none of it.

    Raises:
        InputError: if it cannot be deleted.
    """
    doomed = _temporary_sibling(path)
    try:
        path.rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise InputError(f"{path} cannot be deleted: {_reason(error)}.") from error


def remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left in a folder; call it only while nobody else writes there.

    What cannot be deleted stays; it does no harm and the next call tries again.
    """
    for entry in folder.glob(f"{TEMPORARY_PREFIX}*"):
        _discard(entry)


def file_error(error: OSError) -> InputError:
    """Return the error that tells the user which file or folder the system refused, and why."""
    if not isinstance(error.filename, str | bytes):
        return InputError(f"The work could not be done: {_reason(error)}.")
    return InputError(f"{os.fsdecode(error.filename)} cannot be used: {_reason(error)}.")


def read_error(error: OSError, path: Path) -> InputError:
    """Return the error that tells the user why a file or folder could not be read."""
    return InputError(f"{path} cannot be read: {_reason(error)}.")


def write_error(error: OSError, path: Path) -> InputError:
    """Return the error that tells the user why a file or folder could not be written."""
    folder = path if os.path.isdir(path) else path.parent  # Path.is_dir refuses long names
    if folder.name.startswith(TEMPORARY_PREFIX):  # of no meaning to the user
        folder = folder.parent
    if error.errno in _DISK_FULL:
        return InputError(
            f"The disk that holds {folder} is full, so {path.name} was not written; free some "
            "space and try again."
        )
    if error.errno in _READ_ONLY:
        return InputError(
            f"The folder {folder} cannot be written to ({_reason(error)}); choose another folder "
            "or change its permissions."
        )
    if error.errno == errno.ENAMETOOLONG:
        return InputError(f"{folder / path.name} cannot be written; choose a shorter name.")
    place = path if path.is_dir() else folder / path.name
    return InputError(f"{place} cannot be written: {_reason(error)}.")


def _temporary_sibling(path: Path) -> Path:
    name = path.name[-_KEPT_OF_NAME:]
    unique = f"{_HOST}-{os.getpid():x}-{secrets.token_hex(4)}"
    return path.with_name(f"{TEMPORARY_PREFIX}{unique}-{name}")


def _remove_orphans_of(path: Path) -> None:
    """Delete what killed processes of this computer left while they wrote this file or folder."""
    name = glob.escape(path.name[-_KEPT_OF_NAME:])
    for entry in path.parent.glob(f"{TEMPORARY_PREFIX}*-{name}"):
        match = _TEMPORARY_NAME.fullmatch(entry.name)
        if match is not None and not _may_run(int(match[1], 16)):
            _discard(entry)


def _may_run(process: int) -> bool:
    if os.name != "posix":  # there, signal 0 would not only ask
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user
        return True
    return True


@contextmanager
def _cleaned_up(temporary: Path, target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _discard(temporary)
        raise write_error(error, target) from error
    except BaseException:
        _discard(temporary)
        raise


def _discard(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError:  # still open elsewhere (Windows); remove_leftovers tries again later
        return


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    if os.name == "nt":  # Windows cannot open folders, and journals their renames
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
