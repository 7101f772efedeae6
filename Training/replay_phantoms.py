"""Slices for a shipped model to repeat while it learns corrections: averages of several subjects.

A model that learns a few slices of a new scanner forgets some of what it knew, unless it repeats
slices of its own training. Images of subjects are not ours to ship; averages of three of them show
the same anatomy and contrast, but nobody's head.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from funet.annotations.samples import SliceSample

SUBJECTS = 3  # in each average
LEVELS = (0.1, 0.9)  # of the slices that show a structure, from the first to the last


def phantom_slices(
    samples: Sequence[SliceSample], count: int, crop: int | None = None
) -> tuple[SliceSample, ...]:
    """Average slices of several subjects, laid over each other at the middle of their labels.

    Each phantom takes its three subjects and its level at random, always the same ones. The
    average has the mean and the spread of intensities of the slices that it is made of; a pixel
    takes the label that most of them have there.

    Args:
        samples: slices of single subjects with complete labels, in the order of the slices; if
            fewer than three subjects show a structure, as in a trial, all of these are averaged.
        count: number of phantoms.
        crop: longest side in pixels; ``None`` for that of the smallest slice.

    Returns:
        The phantoms; each is named after the subjects that it is made of.
    """
    shown: dict[str, list[SliceSample]] = {}
    for sample in samples:
        if sample.shows_structure:
            shown.setdefault(sample.subject, []).append(sample)
    rng = np.random.default_rng(0)
    together = min(SUBJECTS, len(shown))
    phantoms = []
    for index in range(count):
        names = sorted(rng.choice(sorted(shown), together, replace=False).tolist())
        level = rng.uniform(*LEVELS)
        chosen = [shown[name][int(level * (len(shown[name]) - 1))] for name in names]
        phantoms.append(_average(chosen, index, crop))
    return tuple(phantoms)


def _average(slices: Sequence[SliceSample], index: int, crop: int | None) -> SliceSample:
    sides = np.min([one.image.shape for one in slices], axis=0)
    shape = np.minimum(sides, crop or sides)
    images = np.array([_centred(one.image, one.labels, shape, "nearest") for one in slices])
    labels = np.array([_centred(one.labels, one.labels, shape, "constant") for one in slices])
    values = np.arange(labels.max() + 1, dtype=np.uint8)
    votes = np.array([(labels == value).sum(0) for value in values])
    mean = images.mean(0)
    spread = images.std((1, 2)).mean() / mean.std()
    return SliceSample(
        image=((mean - mean.mean()) * spread + images.mean()).astype(np.float32),
        labels=votes.argmax(0).astype(np.uint8),
        subject=" + ".join(one.subject for one in slices),
        slice_index=index,
    )


def _centred(
    array: NDArray[np.generic], labels: NDArray[np.uint8], shape: NDArray[np.int64], beyond: str
) -> NDArray[np.generic]:
    """Cut out a part of a slice with the middle of its labels in its own middle."""
    middle = np.argwhere(labels > 0).mean(0).round().astype(int)
    first = middle - shape // 2
    # Whole pixels, so that nothing is interpolated.
    moved = ndimage.shift(array, -first, order=0, mode=beyond)
    part: NDArray[np.generic] = moved[: shape[0], : shape[1]]
    return part
