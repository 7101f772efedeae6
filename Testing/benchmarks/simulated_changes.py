"""Another scanner and another contrast, simulated on volumes of the first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Training"))

from smooth_fields import enlarged

from funet.images.volumes import Volume

Floats = NDArray[np.float32]


def changed(volume: Volume, change: str, seed: int) -> Volume:
    """Return a volume as another machine or sequence might have made it.

    Args:
        volume: the image.
        change: one of :data:`CHANGES`.
        seed: seed of the coil field and of the noise; every volume gets its own.
    """
    rng = np.random.default_rng([seed, *volume.name.encode()])
    low, high = np.percentile(volume.array, (0.5, 99.5))
    scaled = ((volume.array - low) / (high - low)).clip(0, 1).astype(np.float32)
    return Volume(CHANGES[change](scaled, rng), volume.geometry, volume.name)


def _same(image: Floats, rng: np.random.Generator) -> Floats:
    del rng
    return image


def _other_scanner(image: Floats, rng: np.random.Generator) -> Floats:
    """Flatter tissue contrast, a strong coil field, less resolution and more noise."""
    image = ndimage.gaussian_filter(image**0.5, 0.8)
    coarse = rng.normal(0.0, 0.35, (3, 3, 3))
    field = np.exp(enlarged(coarse, image.shape)).astype(np.float32)
    return _noisy(image * field, rng)


def _other_contrast(image: Floats, rng: np.random.Generator) -> Floats:
    """Dark where it was bright, as T2-weighted images are beside T1-weighted ones."""
    return _noisy(1 - image, rng)


def _noisy(image: Floats, rng: np.random.Generator) -> Floats:
    return (image + rng.normal(0.0, 0.04, image.shape)).astype(np.float32)


CHANGES: Mapping[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "none": _same,
    "scanner": _other_scanner,
    "contrast": _other_contrast,
}
