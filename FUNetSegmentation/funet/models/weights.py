"""Tensors on disk: safetensors only, and every file is checked before that library sees it."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..files import atomic_file, open_regular
from ..strict_json import JsonObject, Record, parse_json, shown
from .layout import MAX_TENSOR_FILE_BYTES, FileDigest

MAX_HEADER_BYTES = 16 * 2**20

_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
# The library writes several metadata keys in random order; one key keeps files reproducible.
_METADATA_KEY = "funet"


@dataclass(frozen=True)
class TensorSpec:
    """Element type and shape of one tensor."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} {list(self.shape)}"


@dataclass(frozen=True)
class TensorHeader:
    """What the header of a tensor file promises, already checked against the file's size."""

    tensors: dict[str, TensorSpec]
    metadata: dict[str, str]


def read_header(path: Path) -> TensorHeader:
    """Read and check the header of a safetensors file; no tensor is read.

    The header must be bounded, strict UTF-8 JSON without duplicate keys, and its tensors must
    fill the rest of the file exactly: no hole, no overlap, nothing left over.

    Raises:
        ModelError: if the file is missing or anything about the header is wrong.
    """
    with open_regular(path) as file:
        return _read_header(file, path)[0]


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> FileDigest:
    """Write tensors and texts to a file, at once and reproducibly: same content, same bytes.

    Args:
        path: the file, replaced if it exists.
        tensors: by name; of any device and memory layout.
        metadata: texts by name.

    Raises:
        InputError: if the file cannot be written; an earlier one is untouched.
    """
    copies = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    packed = {_METADATA_KEY: json.dumps(dict(metadata), sort_keys=True)} if metadata else None
    data = safetensors.torch.save(copies, packed)
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)
    return FileDigest(hashlib.sha256(data).hexdigest(), len(data))


def load_tensors(
    path: Path, *, expected: FileDigest | None = None, limit: int = MAX_TENSOR_FILE_BYTES
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what :func:`save_tensors` wrote.

    Args:
        path: the file.
        expected: digest that the file must have, if known.
        limit: most bytes that the file may have.

    Returns:
        The tensors by name, on the CPU, and the metadata.

    Raises:
        ModelError: if the file is missing, too large, malformed, or not the expected one.
    """
    with open_regular(path) as file:
        _check_size(file, path, expected, limit)
        header, start = _read_header(file, path)
        data = _read_rest(file, path, start, expected)
    return _deserialise(data, path), _unpack_metadata(header.metadata, path)


def save_weights(path: Path, network: nn.Module) -> FileDigest:
    """Write the parameters and buffers of a network.

    Raises:
        ModelError: if one of them is not finite; nothing is written.
        InputError: if the file cannot be written.
    """
    state: dict[str, Tensor] = network.state_dict()
    _require_finite(state, "the network to be saved")
    return save_tensors(path, state)


def load_weights(path: Path, network: nn.Module, expected: FileDigest) -> None:
    """Fill a network with stored weights; its own tensors may lie on the "meta" device.

    Names, shapes and element types are compared before any tensor is read, so the memory taken
    is bounded by the size of the network.

    Args:
        path: the file.
        network: left on the CPU with the stored weights; undefined after an error.
        expected: digest that the file must have.

    Raises:
        ModelError: if the file is missing, malformed, not the expected one, has not exactly the
            network's tensors (the first wrong one is named), or holds a number that is not finite.
    """
    wanted = {
        name: TensorSpec(tensor.dtype, tuple(tensor.shape))
        for name, tensor in network.state_dict().items()
    }
    with open_regular(path) as file:
        _check_size(file, path, expected, MAX_TENSOR_FILE_BYTES)
        header, start = _read_header(file, path)
        _compare(header.tensors, wanted, path)
        data = _read_rest(file, path, start, expected)
    state = _deserialise(data, path)
    _require_finite(state, str(path))
    # Copied into memory of torch's own, whose alignment the fast kernels rely on.
    network.to_empty(device="cpu")
    network.load_state_dict(state)


def _check_size(file: BinaryIO, path: Path, expected: FileDigest | None, limit: int) -> None:
    size = os.fstat(file.fileno()).st_size
    if expected is not None and size != expected.size:
        raise ModelError(
            f"{path} is damaged: it has {size} bytes instead of {expected.size}; get the model "
            "again."
        )
    if size > limit:
        raise ModelError(f"{path} has {size} bytes, more than the {limit} that are allowed.")


def _read_rest(file: BinaryIO, path: Path, start: bytes, expected: FileDigest | None) -> bytes:
    """Return the whole file, whose first bytes are ``start``, after comparing its hash."""
    data = start + file.read()
    if expected is not None and hashlib.sha256(data).hexdigest() != expected.sha256:
        raise ModelError(
            f"{path} is damaged or was changed: its SHA-256 is not the one in the model's "
            "description; get the model again."
        )
    return data


def _deserialise(data: bytes, path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} is damaged: {shown(str(error), 200)}.") from error
    return tensors


def _compare(found: Mapping[str, TensorSpec], wanted: Mapping[str, TensorSpec], path: Path) -> None:
    advice = "the weights belong to another network"
    for name, spec in wanted.items():
        if name not in found:
            raise ModelError(f"{path} lacks the tensor {name}; {advice}.")
        if found[name] != spec:
            raise ModelError(
                f"The tensor {name} in {path} is {found[name]} instead of {spec}; {advice}."
            )
    for name in found:
        if name not in wanted:
            raise ModelError(f"{path} holds an unknown tensor {shown(name)}; {advice}.")


def _require_finite(state: Mapping[str, Tensor], place: str) -> None:
    for name, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"The tensor {name} in {place} holds numbers that are not finite.")


def _unpack_metadata(metadata: dict[str, str], path: Path) -> dict[str, str]:
    if _METADATA_KEY not in metadata:
        return metadata
    unpacked = parse_json(metadata[_METADATA_KEY], f"The metadata of {path}")
    if not isinstance(unpacked, dict) or not all(isinstance(v, str) for v in unpacked.values()):
        raise ModelError(f"The metadata of {path} is damaged: it is not a list of texts.")
    return unpacked


def _read_header(file: BinaryIO, path: Path) -> tuple[TensorHeader, bytes]:
    """Return the checked header and the bytes that it was read from."""
    size = os.fstat(file.fileno()).st_size
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or not 2 <= length <= size - 8:
        raise ModelError(f"{path} is damaged: it does not begin as a safetensors file does.")
    if length > MAX_HEADER_BYTES:
        raise ModelError(f"{path} is refused: its header of {length} bytes is too long.")
    text = file.read(length)
    if len(text) < length or not text.startswith(b"{"):
        raise ModelError(f"{path} is damaged: it does not begin as a safetensors file does.")
    content = parse_json(text, f"The header of {path}")
    if not isinstance(content, dict):
        raise ModelError(f"{path} is damaged: its header is not an object.")
    metadata = _read_metadata(content.pop("__metadata__", {}), path)
    tensors = _read_entries(content, size - 8 - length, path)
    return TensorHeader(tensors, metadata), prefix + text


def _read_metadata(value: object, path: Path) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ModelError(f"{path} is damaged: its metadata are not texts.")
    return value


def _read_entries(content: JsonObject, available: int, path: Path) -> dict[str, TensorSpec]:
    """Check that the tensors fill ``available`` bytes one after the other."""
    tensors: dict[str, TensorSpec] = {}
    spans: list[tuple[int, int, str]] = []
    for name, value in content.items():
        record = Record(value, ("dtype", "shape", "data_offsets"), str(path), shown(name))
        spec = _read_spec(record)
        begin, end = _whole_numbers(record, "data_offsets", 2)[:2]
        if end - begin != math.prod(spec.shape) * spec.dtype.itemsize:
            record.refuse("data_offsets", f"do not fit {spec}")
        tensors[name] = spec
        spans.append((begin, end, name))
    position = 0
    for begin, end, name in sorted(spans):
        if begin != position:
            raise ModelError(f"{path} is damaged: a hole or an overlap before {shown(name)}.")
        position = end
    if position != available:
        raise ModelError(
            f"{path} is damaged: its tensors need {position} bytes, but it has {available}."
        )
    return tensors


def _read_spec(record: Record) -> TensorSpec:
    dtype = record.raw("dtype")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        record.refuse("dtype", f"is {shown(dtype)}, which is not supported")
    return TensorSpec(_DTYPES[dtype], tuple(_whole_numbers(record, "shape", 8)))


def _whole_numbers(record: Record, key: str, most: int) -> list[int]:
    numbers = record.items(key, most)
    good = [n for n in numbers if type(n) is int and 0 <= n < 2**48]
    if len(good) != len(numbers) or (key == "data_offsets" and len(good) != 2):
        record.refuse(key, "must be whole numbers that are not negative")
    return good
