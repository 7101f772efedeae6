"""The annotated slices that are kept with a model version, for replay."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import FunetError, ModelError
from ..models.layout import FileDigest
from ..models.weights import load_tensors, save_tensors
from ..strict_json import Record, parse_json
from .samples import SliceSample

_MOST_SAMPLES = 100_000


def save_samples(path: Path, samples: Sequence[SliceSample]) -> FileDigest:
    """Write slices exactly (float32 images, uint8 labels), replacing the file at once.

    Raises:
        InputError: if the file cannot be written; an earlier one is untouched.
    """
    tensors: dict[str, Tensor] = {}
    for index, sample in enumerate(samples):
        tensors[f"image.{index}"] = torch.tensor(sample.image, dtype=torch.float32)
        tensors[f"labels.{index}"] = torch.tensor(sample.labels, dtype=torch.uint8)
    origins = [{"subject": s.subject, "slice_index": int(s.slice_index)} for s in samples]
    return save_tensors(path, tensors, {"samples": json.dumps(origins)})


def load_samples(path: Path, expected: FileDigest | None = None) -> tuple[SliceSample, ...]:
    """Read what :func:`save_samples` wrote.

    Args:
        path: the file.
        expected: digest that the file must have, if known.

    Raises:
        ModelError: if the file is missing, malformed, or not the expected one.
    """
    tensors, metadata = load_tensors(path, expected=expected)
    origins = parse_json(metadata.get("samples", ""), f"The list of slices in {path}")
    if not isinstance(origins, list) or len(origins) > _MOST_SAMPLES:
        raise ModelError(f"{path} does not hold annotated slices.")
    if len(tensors) != 2 * len(origins):
        raise ModelError(f"{path} is damaged: it does not hold the slices that it lists.")
    return tuple(_read_sample(tensors, index, o, path) for index, o in enumerate(origins))


def _read_sample(tensors: dict[str, Tensor], index: int, origin: object, path: Path) -> SliceSample:
    record = Record(origin, ("subject", "slice_index"), str(path), f"slice {index}")
    subject = record.raw("subject")
    if not isinstance(subject, str):
        record.refuse("subject", "must be text")
    image = tensors.get(f"image.{index}")
    labels = tensors.get(f"labels.{index}")
    if image is None or labels is None:
        raise ModelError(f"{path} is damaged: slice {index} is missing.")
    if image.dtype != torch.float32 or labels.dtype != torch.uint8:
        raise ModelError(f"{path} is damaged: slice {index} has a wrong element type.")
    if not bool(torch.isfinite(image).all()):
        raise ModelError(f"{path} is damaged: slice {index} holds numbers that are not finite.")
    try:
        return SliceSample(
            image=np.asarray(image.numpy(), dtype=np.float32),
            labels=np.asarray(labels.numpy(), dtype=np.uint8),
            subject=subject,
            slice_index=record.integer("slice_index", 0, 2**31),
        )
    except FunetError as error:
        raise ModelError(f"{path} is damaged: {error}") from error
