"""The files in the folder of a model version: their names, their limits, their digests."""

from __future__ import annotations

from dataclasses import dataclass

MANIFEST_NAME = "model.json"
WEIGHTS_NAME = "weights.safetensors"
SAMPLES_NAME = "samples.safetensors"

MAX_MANIFEST_BYTES = 2**20
MAX_TENSOR_FILE_BYTES = 2**31 - 1


@dataclass(frozen=True)
class FileDigest:
    """Identity of a file: its SHA-256 as 64 hexadecimal digits and its size in bytes."""

    sha256: str
    size: int
