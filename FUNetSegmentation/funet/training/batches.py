"""Random batches of slices: which samples, which part of them, on which common size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..annotations.samples import SliceSample
from ..images.segmentations import IGNORE_LABEL
from ..side_by_side import CoreThreads

# A crop is centred on a labelled pixel this often, so that small structures are seen.
_FOREGROUND_SHARE = 0.67


class BatchSource:
    """Draws batches from samples held in memory; the same seed and step give the same batch.

    Args:
        samples: at least one.
        batch_size: images in a batch.
        crop: longest side of a patch in pixels; larger slices are cropped at random, mostly
            around a labelled pixel. ``None`` never crops.
        weights: how often each sample is drawn, relative to the others; ``None`` takes every
            sample once in each pass, in random order.
        seed: seed of the order and of the crops.
    """

    def __init__(
        self,
        samples: Sequence[SliceSample],
        *,
        batch_size: int,
        crop: int | None,
        weights: Sequence[float] | None,
        seed: int,
    ) -> None:
        self._samples = samples
        self._batch_size = batch_size
        self._seed = seed
        self._weights = None if weights is None else np.asarray(weights) / np.sum(weights)
        self._sides = common_sides(samples, crop)

    @property
    def steps_per_pass(self) -> int:
        """Batches that show every sample about once, at least one."""
        return max(1, round(len(self._samples) / self._batch_size))

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return images, float32 (N, 1, rows, columns), and labels, uint8 (N, rows, columns)."""
        rng = np.random.default_rng([self._seed, step])
        patches = [patch(self._samples[i], self._sides, rng) for i in self._indices(step, rng)]
        images = np.stack([image for image, _ in patches])[:, None]
        return torch.from_numpy(images), torch.from_numpy(np.stack([label for _, label in patches]))

    def _indices(self, step: int, rng: np.random.Generator) -> list[int]:
        count = len(self._samples)
        if self._weights is not None:
            return [int(i) for i in rng.choice(count, self._batch_size, p=self._weights)]
        # The samples form an endless row of permutations, of which every step takes its part.
        first = step * self._batch_size
        positions = range(first, first + self._batch_size)
        passes = {position // count for position in positions}
        orders = {n: np.random.default_rng([self._seed, 1, n]).permutation(count) for n in passes}
        return [int(orders[position // count][position % count]) for position in positions]


class BatchesAhead:
    """Makes the batch of the next step in the background while the one before is learned.

    Args:
        make: returns the batch of a step, and depends on nothing else.
        steps: batches of the whole training; none is made beyond them.
    """

    def __init__(self, make: Callable[[int], tuple[Tensor, Tensor]], steps: int) -> None:
        self._make = make
        self._steps = steps
        # One core at most: the others belong to the network.
        self._thread = CoreThreads(1, 1, "batches")
        self._next: tuple[int, Future[tuple[Tensor, Tensor]]] | None = None

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step, and begin with that of the step after it, if there is one."""
        if self._next is None or self._next[0] != step:
            self._next = step, self._thread.submit(self._make, step)
        made = self._next[1].result()
        following = step + 1
        if following < self._steps:
            self._next = following, self._thread.submit(self._make, following)
        return made

    def close(self) -> None:
        """End the background thread once it has finished what it is doing."""
        self._thread.shutdown(cancel_futures=True)


def common_sides(samples: Sequence[SliceSample], crop: int | None) -> tuple[int, int]:
    """Return the rows and columns that hold the largest sample, or ``crop`` where that is less."""
    sides = [max(sample.image.shape[axis] for sample in samples) for axis in (0, 1)]
    rows, columns = (min(side, crop or side) for side in sides)
    return rows, columns


def patch(
    sample: SliceSample, sides: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cut a patch of ``sides`` out of a sample, or pad it; padded pixels are ignored."""
    start = _corner(sample.labels, sides, rng)
    window = tuple(slice(s, s + side) for s, side in zip(start, sides, strict=True))
    image, labels = sample.image[window], sample.labels[window]
    gaps = [(0, side - have) for side, have in zip(sides, image.shape, strict=True)]
    if not any(after for _, after in gaps):
        return image, labels
    background = float(image.min())
    return (
        np.pad(image, gaps, constant_values=background),
        np.pad(labels, gaps, constant_values=IGNORE_LABEL),
    )


def _corner(
    labels: NDArray[np.uint8], sides: tuple[int, int], rng: np.random.Generator
) -> list[int]:
    room = [max(0, have - side) for have, side in zip(labels.shape, sides, strict=True)]
    if not any(room):
        return [0, 0]
    structures = [value for value in np.unique(labels) if value not in (0, IGNORE_LABEL)]
    if structures and rng.random() < _FOREGROUND_SHARE:
        # Structures are equally likely whatever their size, so that small ones are seen as often.
        pixels = np.flatnonzero(labels == rng.choice(structures))
        centre = np.unravel_index(int(rng.choice(pixels)), labels.shape)
        jitter = [rng.integers(-side // 4, side // 4 + 1) for side in sides]
        corner = [int(c) + j - s // 2 for c, j, s in zip(centre, jitter, sides, strict=True)]
        return [int(np.clip(c, 0, r)) for c, r in zip(corner, room, strict=True)]
    return [int(rng.integers(0, r + 1)) for r in room]
