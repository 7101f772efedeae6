"""Builds skull, face and neck around brain-extracted images, so that a model meets whole heads.

The surroundings come from whole-head label maps (SynthSeg, Apache-2.0): every tissue outside the
brain gets a random grey value and texture, in the way of B. Billot et al., *SynthSeg*, Medical
Image Analysis 2023; the brain itself keeps its real voxels.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from smooth_fields import enlarged

from funet.images.geometry import Geometry, SliceOrder
from funet.images.segmentations import LabelMap
from funet.images.volumes import Volume, read_volume

_FIRST_OUTSIDE = 500  # SynthSeg's labels from here on lie outside the brain
# mm added around the brain towards (below, above), (behind, front), (left, right) of the patient.
_MARGINS = {"inferior": 70.0, "superior": 15.0, "side": 25.0}


@dataclass(frozen=True)
class HeadMap:
    """A whole-head label map with axes towards superior, anterior, left (K, J, I order)."""

    labels: NDArray[np.int16]
    spacing: tuple[float, float, float]

    @property
    def brain(self) -> NDArray[np.bool_]:
        """Where the brain and the fluid around it lie."""
        return (self.labels > 0) & (self.labels < _FIRST_OUTSIDE)


@functools.cache
def read_head_map(path: Path) -> HeadMap:
    """Read a SynthSeg label map, once, in the storage order of :class:`HeadMap`."""
    volume = read_volume(path)
    array, spacing = _in_patient_order(volume.array, volume.geometry)
    return HeadMap(array.astype(np.int16), spacing)


def with_head(
    volume: Volume, label_map: LabelMap, head: HeadMap, generator: np.random.Generator
) -> tuple[Volume, LabelMap]:
    """Return a brain-extracted image inside a generated head, and its labels on the same grid.

    Args:
        volume: zero outside the brain.
        label_map: labels on its grid.
        head: where the surroundings come from; its brain is stretched onto that of the image.
        generator: the source of every random number.
    """
    image, spacing = _in_patient_order(volume.array, volume.geometry)
    labels, _ = _in_patient_order(label_map.array, volume.geometry)
    padding = _padding(spacing)
    image = np.pad(image, padding)
    labels = np.pad(labels, padding)
    brain = ndimage.binary_fill_holes(image > 0)
    tissue = _stretched(head, brain)
    surroundings = _painted(tissue, float(np.median(image[brain])), generator)
    image = np.where(brain, image, surroundings)
    image *= _bias(image.shape, generator)
    geometry = Geometry(
        shape=image.shape,
        spacing=(spacing[2], spacing[1], spacing[0]),
        origin=(0.0, 0.0, 0.0),
        direction=(1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0),
    )
    whole = Volume(image.astype(np.float32), geometry, volume.name)
    return whole, LabelMap(labels, geometry, label_map.segments)


def _in_patient_order(array: NDArray, geometry: Geometry) -> tuple[NDArray, tuple[float, ...]]:
    """Bring (K, J, I) of any orientation to axes towards superior, anterior, left."""
    order = SliceOrder.from_geometry(geometry, "axial")
    front_last = np.flip(order.to_stack(array), 1)  # rows of a stack run to the back
    return np.ascontiguousarray(front_last), order.spacing


def _padding(spacing: tuple[float, ...]) -> list[tuple[int, int]]:
    below, above, side = (_MARGINS[name] for name in ("inferior", "superior", "side"))
    millimetres = ((below, above), (side, side), (side, side))
    return [
        (round(before / mm), round(after / mm))
        for (before, after), mm in zip(millimetres, spacing, strict=True)
    ]


def _stretched(head: HeadMap, brain: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Return the head's tissues on the image's grid, the box of its brain on that of the image."""
    source, target = _box(head.brain), _box(brain)
    scale = (source[:, 1] - source[:, 0]) / (target[:, 1] - target[:, 0])
    offset = source[:, 0] - scale * target[:, 0]
    return ndimage.affine_transform(head.labels, scale, offset, brain.shape, order=0, cval=0)


def _box(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    indices = np.nonzero(mask)
    return np.array([(axis.min(), axis.max() + 1) for axis in indices])


def _painted(
    tissue: NDArray[np.int16], typical: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Return grey values for everything outside the brain; ``typical`` is the brain's median."""
    image = np.zeros(tissue.shape, np.float32)
    for value in np.unique(tissue):
        if value == 0:
            mean = typical * generator.uniform(0.0, 0.06)
        elif value < _FIRST_OUTSIDE:  # what the two brains do not share: fluid
            mean = typical * generator.uniform(0.1, 0.4)
        else:
            mean = typical * generator.uniform(0.05, 2.0)
        image[tissue == value] = mean
    texture = ndimage.gaussian_filter(generator.normal(size=tissue.shape), 1.0)
    image *= 1.0 + generator.uniform(0.2, 1.2) * texture.astype(np.float32)
    image = ndimage.gaussian_filter(image, generator.uniform(0.4, 1.0))
    noise = generator.normal(size=image.shape) * typical * generator.uniform(0.0, 0.05)
    return np.abs(image + noise).astype(np.float32)


def _bias(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float32]:
    """Return a smooth field as of a receive coil, strongest on one side."""
    coarse = generator.normal(0.0, generator.uniform(0.0, 0.5), (4, 4, 4))
    return np.exp(enlarged(coarse, shape)).astype(np.float32)
