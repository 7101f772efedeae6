"""Damage in image files that ITK does not report.

ITK fills what is missing of a NIfTI file with zeros, ignores the checksums of compressed files,
puts 1 mm where a NIfTI header has no usable spacing, chooses one of two geometries that disagree,
and reads NaN as zero. A segmentation of such an image would look fine and be wrong, so files are
checked here before ITK reads them.
"""

from __future__ import annotations

import itertools
import math
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

_CHUNK = 2**16
_GZIP_MAGIC = b"\x1f\x8b"
_ANY_ZLIB_FORMAT = 47
_LONGEST_HEADER = 2**20
_NIFTI_HEADER_BYTES = 348  # of version 1; ITK does not read version 2
_NIFTI_SINGLE_FILE = b"n+1\0"
_NIFTI_MAGIC = (_NIFTI_SINGLE_FILE, b"ni1\0")
_NIFTI_SCANNER = 1  # the code of a place in the scanner
_NIFTI_KINDS = {  # by the code of the voxel type
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
# The two geometries of a NIfTI header are stored with different roundings; half a voxel apart,
# they are different places.
_SAME_PLACE = 0.5
_DATA_FIELD = re.compile(r"^(?:data ?file:|ElementDataFile *=)\s*(.+?)\s*$", re.I | re.M)
_COMPRESSED_FIELD = re.compile(r"^(?:encoding: *gz|CompressedData *= *True)", re.I | re.M)
_TEXT_FIELD = re.compile(r"^(?:encoding: *(?:te?xt|ascii|hex)|BinaryData *= *False)", re.I | re.M)


def require_whole(path: Path, *, values: int = 0, kind: str = "") -> NDArray[np.bool_] | None:
    """Refuse an image file that is cut short, damaged, lacks its voxel spacing, or has two places.

    NIfTI, NRRD and MetaImage files are checked; other formats pass.

    Args:
        path: the file.
        values: how many numbers its header claims: ITK takes memory for them before it looks
            whether they are there, and does not always say if they are not.
        kind: of the numbers in ITK's words, for instance "16-bit signed integer".

    Returns:
        Which voxels of a NIfTI file are NaN or infinite, in the order of the file; ``None`` if all
        are finite, as whole numbers always are, and for other formats, whose NaN ITK reads as NaN.

    Raises:
        InputError: naming the file and what is wrong with it.
    """
    name = path.name.lower().removesuffix(".gz")
    try:
        if name.endswith((".nii", ".hdr", ".img")):
            return _check_nifti(path)
        if name.endswith((".nrrd", ".nhdr", ".mha", ".mhd")):
            bits = re.search(r"(\d+)-bit", kind)
            _check_voxels(path, values, int(bits[1]) // 8 if bits else 1)
    except OSError as error:
        raise InputError(f"{path} could not be read: {error.strerror or error}.") from error
    except (EOFError, zlib.error) as error:
        raise _damaged(path) from error
    return None


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged or was cut short; copy or download it again.")


@dataclass(frozen=True)
class _NiftiHeader:
    """What matters here.

    Attributes:
        order: of the bytes, ``"<"`` or ``">"``.
        dimensions: voxels along each dimension.
        kind: type of the voxels as numpy names it, with the order of the bytes; ``None`` for one
            that is not a number.
        voxel_bytes: of all voxels together.
        spacing: mm along the first three dimensions.
        offset: first byte of the voxels.
        start: the header itself.
    """

    order: str
    dimensions: tuple[int, ...]
    kind: np.dtype[Any] | None
    voxel_bytes: int
    spacing: tuple[float, ...]
    offset: float
    start: bytes

    @property
    def is_nifti(self) -> bool:
        """Whether it is not the header of the older format, Analyze."""
        return self.start[344:348] in _NIFTI_MAGIC

    @property
    def codes(self) -> tuple[int, int]:
        """What qform and sform are; 0 is nothing."""
        qform, sform = struct.unpack_from(f"{self.order}2h", self.start, 252)
        return qform, sform

    @property
    def places(self) -> tuple[NDArray[np.float64], ...]:
        """The 3×4 matrices from indices to mm that the header calls valid: qform, then sform."""
        if not self.is_nifti:  # other things stand there
            return ()
        qform, sform = self.codes
        return (
            *((_qform(self.start, self.order),) if qform > 0 else ()),
            *((_sform(self.start, self.order),) if sform > 0 else ()),
        )


def _check_nifti(path: Path) -> NDArray[np.bool_] | None:
    header_path, data_path = _nifti_pair(path)
    header = _read_nifti_header(header_path)
    single = header_path.name.lower().removesuffix(".gz").endswith(".nii")
    if header is None or (single and not header.is_nifti):  # which ITK reads all the same
        raise _damaged(header_path)
    if unusable := [mm for mm in header.spacing if not math.isfinite(mm) or mm == 0]:
        raise InputError(
            f"{path} has a voxel spacing of {unusable[0]} mm in its header; correct the header "
            "before use."
        )
    _require_one_place(path, header)
    if not math.isfinite(header.offset):
        raise _damaged(data_path)
    size, pieces = _size_and_not_finite(data_path, header)
    if size < header.offset + header.voxel_bytes:
        raise _damaged(data_path)
    if not pieces:
        return None
    not_finite = np.zeros(math.prod(header.dimensions), bool)
    for first, count, bits in pieces:
        not_finite[first : first + count] = np.unpackbits(bits, count=count)
    return not_finite


def _require_one_place(path: Path, header: _NiftiHeader) -> None:
    places = header.places
    if len(places) < 2:
        return
    qform, sform = places
    ends = [(0, count - 1) for count in (*header.dimensions, 1, 1, 1)[:3]]
    corners = np.array([(*corner, 1) for corner in itertools.product(*ends)])
    apart = float(np.linalg.norm(corners @ (qform - sform).T, axis=1).max())
    if not apart <= _SAME_PLACE * min(map(abs, header.spacing)):  # NaN is nowhere
        # Of two, ITK and with it 3D Slicer take the sform only where it is that of the scanner.
        in_scanner = header.codes[1] == _NIFTI_SCANNER
        shown, other = ("sform", "qform") if in_scanner else ("qform", "sform")
        raise InputError(
            f"The header of {path} puts the image in two places that are {apart:.3g} mm apart "
            f"(qform and sform); 3D Slicer shows the {shown}: open it there and, if it lies right, "
            f"save it and use that file, or else copy the {other} to the {shown} first, for "
            f"instance with fslorient -copy{other}2{shown}."
        )


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
            code, bits = struct.unpack_from(f"{order}2h", start, 70)
            kind = np.dtype(order + _NIFTI_KINDS[code]) if code in _NIFTI_KINDS else None
            # ITK goes by the type alone, and reads no voxels from within the header.
            value_bytes = bits // 8 if kind is None else kind.itemsize
            least = _NIFTI_HEADER_BYTES if start[344:348] == _NIFTI_SINGLE_FILE else 0
            _, *spacing = struct.unpack_from(f"{order}8f", start, 76)
            (offset,) = struct.unpack_from(f"{order}f", start, 108)
            return _NiftiHeader(
                order=order,
                dimensions=tuple(sizes[:count]),
                kind=kind,
                voxel_bytes=math.prod(sizes[:count]) * value_bytes,
                spacing=tuple(spacing[: min(count, 3)]),
                offset=max(offset, least),
                start=start,
            )
    return None


def _content_start(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        start = file.read(_CHUNK)
    if start.startswith(_GZIP_MAGIC):
        return zlib.decompressobj(_ANY_ZLIB_FORMAT).decompress(start, count)
    return start[:count]


def _qform(start: bytes, order: str) -> NDArray[np.float64]:
    mirror, *spacing = struct.unpack_from(f"{order}4f", start, 76)
    b, c, d, *origin = struct.unpack_from(f"{order}6f", start, 256)
    a = math.sqrt(max(0.0, 1 - b * b - c * c - d * d))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    axes = rotation * [spacing[0], spacing[1], -spacing[2] if mirror < 0 else spacing[2]]
    return np.column_stack([axes, origin])


def _sform(start: bytes, order: str) -> NDArray[np.float64]:
    return np.array(struct.unpack_from(f"{order}12f", start, 280)).reshape(3, 4)


def _size_and_not_finite(
    path: Path, header: _NiftiHeader
) -> tuple[int, list[tuple[int, int, NDArray[np.uint8]]]]:
    """The size of the content of a file with voxels, and which are NaN or infinite, in one pass.

    Returns:
        The size in bytes, and of each piece with such voxels its first voxel, its number of voxels,
        and a bit for each: until the size is known, no memory is taken for what a header claims.
    """
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP_MAGIC
    if header.kind is None or header.kind.kind != "f":
        return _inflated_size(path, 0) if zipped else path.stat().st_size, []
    first, last = int(header.offset), int(header.offset) + header.voxel_bytes
    size, seen, rest = 0, 0, b""
    pieces = []
    for piece in _inflated(path, 0) if zipped else _plain(path):
        rest += piece[max(0, first - size) : max(0, last - size)]
        size += len(piece)
        count = len(rest) // header.kind.itemsize
        finite = np.isfinite(np.frombuffer(rest, header.kind, count))
        if not finite.all():
            pieces.append((seen, count, np.packbits(~finite)))
        seen += count
        rest = rest[count * header.kind.itemsize :]
    return size, pieces


def _plain(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def _check_voxels(path: Path, values: int, value_bytes: int) -> None:
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
    source, data = path, _DATA_FIELD.search(header)
    if data is not None and data[1] != "LOCAL":
        source, offset = path.parent / data[1], 0
        if not source.is_file():  # a list of files: left to ITK
            return
    if _COMPRESSED_FIELD.search(header):
        size = _inflated_size(source, offset)
    else:
        size = source.stat().st_size - offset
    if size < values * (1 if _TEXT_FIELD.search(header) else value_bytes):
        raise EOFError


def _inflated_size(path: Path, offset: int) -> int:
    return sum(map(len, _inflated(path, offset)))


def _inflated(path: Path, offset: int) -> Iterator[bytes]:
    """What is compressed in a file from ``offset`` on, piece by piece, its checksums verified.

    Raises:
        EOFError: if the end is missing.
        zlib.error: if it is damaged.
    """
    stream = zlib.decompressobj(_ANY_ZLIB_FORMAT)
    with path.open("rb") as file:
        file.seek(offset)
        pending = file.read(_CHUNK)
        while pending:
            yield stream.decompress(pending)
            pending = stream.unused_data
            if len(pending) < len(_GZIP_MAGIC):
                pending += file.read(_CHUNK)
            if stream.eof:
                if not pending.startswith(_GZIP_MAGIC):  # what follows is not compressed
                    return
                stream = zlib.decompressobj(_ANY_ZLIB_FORMAT)
    if not stream.eof:
        raise EOFError
