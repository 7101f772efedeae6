"""Slices that are kept with a model, so that a retraining can repeat what it learned before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..annotations.samples import SliceSample

# 5 bytes a pixel: about 160 MB, more than any replay needs.
_MOST_KEPT_PIXELS = 2**25


def kept_for_replay(
    corrections: Sequence[SliceSample], others: Sequence[SliceSample]
) -> tuple[SliceSample, ...]:
    """Return the slices to keep with a model, at most about 160 MB.

    Where that does not hold all, corrections go first, then slices that show a structure, and
    among these a random choice.
    """
    rng = np.random.default_rng(0)
    ranked = sorted(
        (
            (index >= len(corrections), not sample.shows_structure, rng.random(), index, sample)
            for index, sample in enumerate((*corrections, *others))
        ),
        key=lambda entry: entry[:3],
    )
    pixels = np.cumsum([entry[-1].labels.size for entry in ranked])
    chosen = ranked[: int(np.searchsorted(pixels, _MOST_KEPT_PIXELS, side="right"))]
    return tuple(sample for *_, sample in sorted(chosen, key=lambda entry: entry[3]))


@dataclass(frozen=True)
class Memory:
    """What a model has been taught before, and what it has not.

    Attributes:
        new: corrected slices that the version has not learned as they are now.
        earlier: corrected slices that it has learned, in whatever round.
        replay: slices that taught the first version of the model's line.
    """

    new: tuple[SliceSample, ...]
    earlier: tuple[SliceSample, ...]
    replay: tuple[SliceSample, ...]


def recall(
    kept: Sequence[SliceSample], root: Sequence[SliceSample], corrections: Sequence[SliceSample]
) -> Memory:
    """Tell new corrections, earlier ones, and what the first version learned from each other.

    A slice is only in one of them, and every corrected slice is new or an earlier one, because
    somebody who corrects some more slices of a volume brings those of the last round along.

    Of a slice that was annotated several times (it is known by its pixels), the last labels count.

    Args:
        kept: slices kept with the version to be retrained.
        root: slices kept with the first version of its line.
        corrections: slices that are corrected now.
    """
    first_labels = {_digest(sample, with_labels=True) for sample in root}
    earlier = [s for s in kept if _digest(s, with_labels=True) not in first_labels]
    learned = first_labels.union(_digest(sample, with_labels=True) for sample in earlier)
    new = [s for s in corrections if _digest(s, with_labels=True) not in learned]
    earlier = [*_without(earlier, corrections), *_without(corrections, new)]
    replay = _without(root, (*corrections, *earlier))
    return Memory(tuple(new), tuple(earlier), tuple(replay))


def _without(samples: Sequence[SliceSample], newer: Sequence[SliceSample]) -> list[SliceSample]:
    images = {_digest(sample) for sample in newer}
    return [sample for sample in samples if _digest(sample) not in images]


def _digest(sample: SliceSample, *, with_labels: bool = False) -> bytes:
    digest = hashlib.sha256(repr(sample.image.shape).encode())
    digest.update(np.ascontiguousarray(sample.image).tobytes())
    if with_labels:
        digest.update(np.ascontiguousarray(sample.labels).tobytes())
    return digest.digest()
