"""A few test slices and what each run makes of them, for a figure of images beside the numbers."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..annotations.samples import SliceSample
from ..errors import InputError
from ..files import atomic_file
from ..images.segmentations import IGNORE_LABEL

_COUNT = 3
# What numpy raises for a file that is cut, empty, changed, or no archive at all.
_DAMAGE = (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error)


def example_slices(test: Sequence[SliceSample]) -> tuple[SliceSample, ...]:
    """Return one slice of each of the last subjects of a test group, with the most labelled pixels.

    The test groups of all training sizes end with the same subjects, so the slices are the same.
    """
    by_subject: dict[str, list[SliceSample]] = {}
    for sample in test:
        by_subject.setdefault(sample.subject, []).append(sample)
    last = list(by_subject.values())[-_COUNT:]
    return tuple(max(slices, key=_labelled_pixels) for slices in last)


def predict_examples(network: nn.Module, test: Sequence[SliceSample]) -> list[NDArray[np.uint8]]:
    """Return the labels of the example slices, each uint8 (rows, columns).

    Args:
        network: on the CPU and in evaluation mode.
        test: the test group.
    """
    return [predict_slice(network, sample) for sample in example_slices(test)]


@torch.inference_mode()
def predict_slice(network: nn.Module, sample: SliceSample) -> NDArray[np.uint8]:
    """Return the labels, uint8 (rows, columns), of one slice.

    Args:
        network: on the CPU and in evaluation mode.
        sample: the slice.
    """
    logits = network(torch.from_numpy(sample.image)[None, None])
    labels: NDArray[np.uint8] = logits.argmax(1)[0].to(torch.uint8).numpy()
    return labels


def write_examples(run_path: Path, labels: Sequence[NDArray[np.uint8]]) -> None:
    """Store the labels of the example slices beside the result of their run.

    Raises:
        InputError: if the file cannot be written.
    """
    with atomic_file(_path(run_path)) as temporary:
        np.savez_compressed(temporary, *labels)


def read_examples(run_path: Path, examples: Sequence[SliceSample]) -> list[NDArray[np.uint8]]:
    """Return the stored labels of the example slices; none if none are stored.

    Args:
        run_path: file of the run.
        examples: the example slices.

    Raises:
        InputError: if the file is damaged or belongs to other slices.
    """
    path = _path(run_path)
    if not path.exists():
        return []
    try:
        # Opened here, because numpy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            labels = [stored[name] for name in stored.files]
    except _DAMAGE as error:
        raise InputError(f"The stored pictures {path} are damaged; delete them.") from error
    if [(one.dtype, one.shape) for one in labels] != [
        (np.dtype(np.uint8), sample.labels.shape) for sample in examples
    ]:
        raise InputError(f"The stored pictures {path} show other slices; delete them.")
    return labels


def _path(run_path: Path) -> Path:
    return run_path.with_suffix(".npz")


def _labelled_pixels(sample: SliceSample) -> int:
    return int(np.count_nonzero((sample.labels > 0) & (sample.labels != IGNORE_LABEL)))
