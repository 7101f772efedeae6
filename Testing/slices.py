"""Annotated slices that are quickly made and quickly learned, for tests of learning."""

from __future__ import annotations

import numpy as np

from funet.annotations.samples import SliceSample


def disc_slice(
    subject: str = "phantom", index: int = 0, *, sides: tuple[int, int] = (48, 40), seed: int = 0
) -> SliceSample:
    """A bright disc (1) with a brighter core (2) somewhere on a noisy background."""
    rng = np.random.default_rng([seed, index, *subject.encode()])
    rows, columns = np.indices(sides)
    centre = [rng.uniform(0.35, 0.65) * side for side in sides]
    radius = rng.uniform(0.2, 0.3) * min(sides)
    distance = np.hypot(rows - centre[0], columns - centre[1])
    labels = np.where(distance < 0.45 * radius, 2, np.where(distance < radius, 1, 0))
    image = np.choose(labels, [0.0, 1.5, 3.0]) + rng.normal(0, 0.3, sides)
    return SliceSample(image.astype(np.float32), labels.astype(np.uint8), subject, index)


def disc_slices(count: int, subject: str = "phantom", **options: object) -> list[SliceSample]:
    """So many different slices of one subject."""
    return [disc_slice(subject, index, **options) for index in range(count)]  # type: ignore[arg-type]
