"""Damage in image files that ITK does not report.

ITK fills what is missing of a NIfTI file with zeros, ignores the checksums of compressed files, and
puts 1 mm where a NIfTI header has no usable spacing. A segmentation of such an image would look
fine and be wrong, so files are checked here before ITK reads them.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

_CHUNK = 2**16
_GZIP_MAGIC = b"\x1f\x8b"
_ANY_ZLIB_FORMAT = 47
_LONGEST_HEADER = 2**20
_NIFTI_HEADER_BYTES = 348  # of version 1; ITK does not read version 2
_DATA_FIELD = re.compile(r"^(?:data ?file:|ElementDataFile *=)\s*(.+?)\s*$", re.I | re.M)
_COMPRESSED_FIELD = re.compile(r"^(?:encoding: *gz|CompressedData *= *True)", re.I | re.M)


def require_whole(path: Path) -> None:
    """Refuse an image file that is cut short, damaged, or lacks its voxel spacing.

    NIfTI files, and the compressed voxels of NRRD and MetaImage files, are checked; other formats
    pass.

    Raises:
        InputError: naming the file and what is wrong with it.
    """
    name = path.name.lower().removesuffix(".gz")
    try:
        if name.endswith((".nii", ".hdr", ".img")):
            _check_nifti(path)
        elif name.endswith((".nrrd", ".nhdr", ".mha", ".mhd")):
            _check_compressed_voxels(path)
    except OSError as error:
        raise InputError(f"{path} could not be read: {error.strerror or error}.") from error
    except (EOFError, zlib.error) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged or was cut short; copy or download it again.")


@dataclass(frozen=True)
class _NiftiHeader:
    """What matters here: voxels along each dimension, bits per voxel, mm, first byte of voxels."""

    dimensions: tuple[int, ...]
    bits: int
    spacing: tuple[float, ...]
    offset: float


def _check_nifti(path: Path) -> None:
    header_path, data_path = _nifti_pair(path)
    header = _read_nifti_header(header_path)
    if header is None:  # not NIfTI after all: ITK will say so
        return
    if unusable := [mm for mm in header.spacing if not math.isfinite(mm) or mm == 0]:
        raise InputError(
            f"{path} has a voxel spacing of {unusable[0]} mm in its header; correct the header "
            "before use."
        )
    voxel_bytes = math.prod(header.dimensions) * header.bits // 8
    if not math.isfinite(header.offset) or _content_size(data_path) < header.offset + voxel_bytes:
        raise _damaged(data_path)


def _nifti_pair(path: Path) -> tuple[Path, Path]:
    """The files with the header and with the voxels; the same one for ``.nii``."""
    match = re.fullmatch(r"(.*)\.(?:hdr|img)(\.gz)?", path.name, re.I)
    if match is None:
        return path, path
    stem, zipped = match[1], match[2] or ""
    header, data = (path.with_name(f"{stem}.{kind}{zipped}") for kind in ("hdr", "img"))
    return (header, data) if header.is_file() and data.is_file() else (path, path)


def _read_nifti_header(path: Path) -> _NiftiHeader | None:
    start = _content_start(path, _NIFTI_HEADER_BYTES)
    if len(start) < _NIFTI_HEADER_BYTES:
        return None
    for order in "<>":
        if struct.unpack_from(f"{order}i", start)[0] == _NIFTI_HEADER_BYTES:
            count, *sizes = struct.unpack_from(f"{order}8h", start, 40)
            (bits,) = struct.unpack_from(f"{order}h", start, 72)
            _, *spacing = struct.unpack_from(f"{order}8f", start, 76)
            (offset,) = struct.unpack_from(f"{order}f", start, 108)
            return _NiftiHeader(tuple(sizes[:count]), bits, tuple(spacing[: min(count, 3)]), offset)
    return None


def _content_start(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        start = file.read(_CHUNK)
    if start.startswith(_GZIP_MAGIC):
        return zlib.decompressobj(_ANY_ZLIB_FORMAT).decompress(start, count)
    return start[:count]


def _content_size(path: Path) -> int:
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP_MAGIC
    return _inflated_size(path, 0) if zipped else path.stat().st_size


def _check_compressed_voxels(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEADER)
    if start.startswith(b"NRRD"):
        end = re.search(rb"\r?\n\r?\n", start)
    else:
        end = re.search(rb"^ElementDataFile *=.*\n", start, re.M)
    if end is None:  # a detached NRRD header may end without an empty line
        header, offset = start.decode("latin-1"), 0
    else:
        header, offset = start[: end.end()].decode("latin-1"), end.end()
    if not _COMPRESSED_FIELD.search(header):
        return
    data = _DATA_FIELD.search(header)
    if data is None or data[1] == "LOCAL":
        _inflated_size(path, offset)
    elif (voxels := path.parent / data[1]).is_file():  # not so for lists of files: left to ITK
        _inflated_size(voxels, 0)


def _inflated_size(path: Path, offset: int) -> int:
    """The size of what is compressed in a file from ``offset`` on, its checksums verified.

    Raises:
        EOFError: if the end is missing.
        zlib.error: if it is damaged.
    """
    size = 0
    stream = zlib.decompressobj(_ANY_ZLIB_FORMAT)
    with path.open("rb") as file:
        file.seek(offset)
        pending = file.read(_CHUNK)
        while pending:
            size += len(stream.decompress(pending))
            pending = stream.unused_data
            if len(pending) < len(_GZIP_MAGIC):
                pending += file.read(_CHUNK)
            if stream.eof:
                if not pending.startswith(_GZIP_MAGIC):  # what follows is not compressed
                    return size
                stream = zlib.decompressobj(_ANY_ZLIB_FORMAT)
    if not stream.eof:
        raise EOFError
    return size
