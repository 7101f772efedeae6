"""Volumes and models that the measurements of speed share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from slices import disc_slices

from funet.images.segmentations import Segment
from funet.images.volumes import Volume
from funet.models.model import Model
from funet.models.store import ModelStore
from funet.networks import build_network
from funet.runtime import Precision, training_runtime

from phantoms import axial_grid

# Axial slices; its structures lie in one piece.
ONE_PIECE = "midbrain-t1"
_DIFFERENT = 24


def disc_volume(
    count: int, rows: int, columns: int, spacing: tuple[float, float, float] = (0.9, 0.9, 1.0)
) -> tuple[Volume, NDArray[np.uint8]]:
    """Axial slices of 8-bit greys that each show a disc and its core, and their labels.

    Discs of more than a few slices repeat. The spacing is that of the model, so that nothing is
    resampled unless another one is asked for.
    """
    drawn = disc_slices(min(count, _DIFFERENT), sides=(rows, columns))
    order = np.arange(count) % len(drawn)
    greys = np.stack([sample.image for sample in drawn])
    greys = ((greys + 2) * 32).clip(0, 255).astype(np.uint8)
    labels = np.stack([sample.labels for sample in drawn])
    grid = axial_grid((count, rows, columns), spacing)
    return Volume(greys[order].astype(np.float32), grid, "phantom"), labels[order]


def shipped_model(name: str = ONE_PIECE) -> Model:
    """A model that ships."""
    return ModelStore().load(name)


def untrained_model(classes: int, seed: int = 0) -> Model:
    """A network of the usual size with random weights, described as the shipped one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network("funet", in_channels=1, num_classes=classes)
    manifest = replace(
        shipped_model().manifest,
        segments=tuple(Segment(n, f"Structure {n}", (n, 0, 0)) for n in range(1, classes)),
        network=network.config,
        one_piece=False,
    )
    return Model(manifest, network.eval())


def half_precision() -> Precision:
    """The precision that the hardware is fast at; inputs that no model knows may not choose."""
    name = training_runtime(torch.device("cpu"), "auto").precision
    return "bfloat16" if name == "bfloat16" else "float32"
