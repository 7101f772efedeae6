"""Model versions as single files, to hand from one person to another."""

from __future__ import annotations

import os
import stat
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError, ModelError
from ..files import atomic_file, open_regular, write_error
from ..progress import CancelToken
from ..strict_json import shown
from .layout import MANIFEST_NAME, MAX_MANIFEST_BYTES, SAMPLES_NAME, WEIGHTS_NAME
from .manifest import Manifest, dump_manifest, read_manifest
from .model import load_model, load_samples_of
from .store import ModelStore

_NAMES = (MANIFEST_NAME, WEIGHTS_NAME, SAMPLES_NAME)
_CHUNK = 2**20
_DIRECTORY_LIMIT = 4096
# Numbers that were learned hardly compress; only what is made to fill a disk shrinks this much.
_MOST_COMPRESSION = 100
_EPOCH = (1980, 1, 1, 0, 0, 0)
# What zipfile raises on files that are no archives, or archives of a kind that we never write.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


@dataclass(frozen=True)
class ImportedModel:
    """A model that came from an archive.

    Attributes:
        manifest: its description in the store.
        note: one sentence for the user, saying also if the id had to change.
    """

    manifest: Manifest
    note: str


def export_model(
    folder: Path,
    zip_path: Path,
    *,
    include_samples: bool = False,
    cancel: CancelToken | None = None,
) -> None:
    """Write a model version to one file.

    The slices kept for replay are the user's own images, so they stay out unless asked for.
    The same model gives the same bytes.

    Args:
        folder: the folder of the model.
        zip_path: the file, ending in ``.zip``; replaced if it exists.
        include_samples: whether to add the slices kept for replay.
        cancel: checked before the file takes its place.

    Raises:
        Cancelled: if it was; an earlier file is untouched.
        ModelError: if the model is damaged.
        InputError: if the file does not end in ``.zip`` or cannot be written; an earlier one is
            untouched.
    """
    if zip_path.suffix.lower() != ".zip":  # it could be the user's image that it would replace
        raise InputError(f"{zip_path} does not end in .zip; models are exported as such archives.")
    model = load_model(folder)
    manifest = model.manifest
    names = [WEIGHTS_NAME]
    if include_samples and load_samples_of(model):
        names.append(SAMPLES_NAME)
    else:
        manifest = replace(manifest, samples_sha256="", samples_bytes=0)
    try:
        with atomic_file(zip_path) as temporary:
            with zipfile.ZipFile(temporary, "w", allowZip64=False) as archive:
                archive.writestr(zipfile.ZipInfo(MANIFEST_NAME, _EPOCH), dump_manifest(manifest))
                for name in names:
                    _add(archive, folder / name)
            if cancel is not None:
                cancel.raise_if_cancelled()
    except zipfile.LargeZipFile as error:
        raise ModelError(
            f"The model {manifest.id} is too large for one file; export it without its samples."
        ) from error


def import_model(
    zip_path: Path, store: ModelStore, *, temporary: Path | None = None
) -> ImportedModel:
    """Add a model from a file that :func:`export_model` wrote, perhaps on another computer.

    The file is not trusted: it may hold only the files of a model, each no larger than the
    description says, and the model is loaded with all checks before it enters the store.

    Args:
        zip_path: the file.
        store: where the model goes.
        temporary: an existing folder to unpack it in; ``None`` for the system's temporary folder.

    Raises:
        ModelError: if the file is missing, is no such archive, or the model in it is damaged.
        InputError: if the store cannot be written.
    """
    store.require_writable()
    known = {manifest.id for manifest in store.list()}
    try:
        with tempfile.TemporaryDirectory(prefix="funet-import-", dir=temporary) as folder:
            manifest, adopted = _import_through(Path(folder), zip_path, store)
    except OSError as error:
        place = temporary or Path(tempfile.gettempdir())
        raise write_error(error, place / zip_path.name) from error
    note = f"The model {adopted.id} was imported."
    if adopted.id in known:
        note = f"The model {adopted.id} was there already."
    elif adopted.id != manifest.id:
        note = f"The model {manifest.id} was imported as {adopted.id}, since that id was taken."
    return ImportedModel(adopted, note)


def _add(archive: zipfile.ZipFile, path: Path) -> None:
    with (
        open_regular(path) as source,
        archive.open(zipfile.ZipInfo(path.name, _EPOCH), "w") as target,
    ):
        while chunk := source.read(_CHUNK):
            target.write(chunk)


def _import_through(folder: Path, zip_path: Path, store: ModelStore) -> tuple[Manifest, Manifest]:
    """Return the description in the archive and the one in the store."""
    try:
        manifest = _extract(zip_path, folder)
        return manifest, store.adopt(folder)
    except ModelError as error:
        # The temporary folder is gone by the time that the user reads this.
        reason = str(error).replace(f"{folder}{os.sep}", "")
        raise ModelError(f"{zip_path} cannot be imported: {reason}") from error


def _extract(zip_path: Path, folder: Path) -> Manifest:
    """Write the files of an archive into a folder, within the limits of its description."""
    with open_regular(zip_path) as file:
        try:
            _check_directory(file)
            with zipfile.ZipFile(file) as archive:
                entries = _checked_entries(archive)
                _copy(archive, entries[MANIFEST_NAME], folder, MAX_MANIFEST_BYTES)
                manifest = read_manifest(folder)
                _copy(archive, entries[WEIGHTS_NAME], folder, manifest.weights_bytes)
                if SAMPLES_NAME in entries:
                    _copy(archive, entries[SAMPLES_NAME], folder, manifest.samples_bytes)
        except _UNREADABLE as error:
            raise ModelError(
                f"It is damaged or no archive of a model ({shown(str(error), 120)})."
            ) from error
    return manifest


def _check_directory(file: BinaryIO) -> None:
    """Refuse a long list of entries before zipfile reads all of it into memory."""
    size = file.seek(0, 2)
    file.seek(max(size - 42, 0))
    tail = file.read()
    end = tail[-22:]
    if end[:4] != b"PK\x05\x06" or end[20:] != b"\0\0" or tail[:4] == b"PK\x06\x07":
        raise ModelError("It is no archive of a model.")
    count = int.from_bytes(end[10:12], "little")
    length = int.from_bytes(end[12:16], "little")
    offset = int.from_bytes(end[16:20], "little")
    if offset + length + 22 != size:
        raise ModelError("It is damaged.")
    if count > len(_NAMES) or length > _DIRECTORY_LIMIT:
        raise ModelError("It holds more than the files of a model.")


def _checked_entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        # orig_filename: what zipfile shows as the filename ends at the first NUL.
        if entry.orig_filename not in _NAMES or kind not in (0, stat.S_IFREG):
            raise ModelError(f"{shown(entry.orig_filename)} does not belong in it.")
        if entry.orig_filename in entries:
            raise ModelError(f"It holds {entry.filename} twice.")
        entries[entry.orig_filename] = entry
    for name in (MANIFEST_NAME, WEIGHTS_NAME):
        if name not in entries:
            raise ModelError(f"It lacks {name}.")
    return entries


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, limit: int) -> None:
    """Unpack one entry, counting the bytes that really come out."""
    too_large = ModelError(f"{entry.filename} is larger than the {limit} bytes it may have.")
    if entry.file_size > limit:
        raise too_large
    if entry.file_size > MAX_MANIFEST_BYTES + _MOST_COMPRESSION * entry.compress_size:
        raise ModelError(f"{entry.filename} is compressed too strongly to be what it should be.")
    written = 0
    with archive.open(entry) as source, (folder / entry.filename).open("wb") as target:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > limit:
                raise too_large
            target.write(chunk)
