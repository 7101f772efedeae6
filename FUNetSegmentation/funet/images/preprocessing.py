"""From a volume to the slices that a network sees, and back.

Nothing here depends on how a file stores its voxels: the same patient in the same place gives the
same slices, whatever the order and direction of the axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from .geometry import MAX_VOXELS, Geometry, SliceOrder
from .preprocessing_settings import Preprocessing
from .segmentations import LabelMap
from .volumes import Volume

MAX_SIDE = 4096

# Intensities are judged by at most this many voxels: exact for small volumes, and for large ones
# within a thousandth of a deviation.
_SAMPLE_SIZE = 2**20
_SLICES_AT_ONCE = 16
_PERCENTILES = (0.5, 99.5)
_BACKGROUND_SHARE = 0.01
_LARGEST_INTENSITY = 1e38


@dataclass(frozen=True, eq=False)
class PreparedVolume:
    """Slices ready for a network.

    Attributes:
        slices: float32 (slices, rows, columns), normalised, resampled, finite.
        order: how the stack lies in the volume; its shape is the one before resampling.
        original_shape: (rows, columns) before resampling.
        replaced_voxels: how many voxels were NaN or infinite and became background.
    """

    slices: NDArray[np.float32]
    order: SliceOrder
    original_shape: tuple[int, int]
    replaced_voxels: int


def prepare_volume(volume: Volume, preprocessing: Preprocessing) -> PreparedVolume:
    """Turn a volume into normalised slices on the model's pixel grid.

    NaN and infinite voxels get the lowest finite value of the volume, which is background in every
    modality; they do not count in the normalisation. A constant volume or slice becomes zeros.

    Raises:
        InputError: if no voxel is finite or the slices would be too large.
    """
    order = SliceOrder.from_geometry(volume.geometry, preprocessing.slice_axis)
    size = _resampled_size(order, preprocessing)
    stack = order.to_stack(volume.array).astype(np.float32, order="C")  # a copy, changed in place
    finite = np.isfinite(stack)
    replaced = stack.size - int(np.count_nonzero(finite))
    if replaced == stack.size:
        raise InputError(
            f"The volume {volume.name} has no voxel with a finite value; use another image."
        )
    sample = _finite_sample(stack, finite)
    if replaced:
        stack[~finite] = stack.min(where=finite, initial=np.inf)
    del finite  # its memory is needed below
    if preprocessing.intensity == "slice":
        _scale_slices(stack)
    else:
        _standardise(stack, sample)
    return PreparedVolume(
        slices=_resized(torch.from_numpy(stack), size).numpy(),
        order=order,
        original_shape=order.shape[1:],
        replaced_voxels=replaced,
    )


def prepare_labels(
    labels: LabelMap | NDArray[np.uint8], geometry: Geometry, preprocessing: Preprocessing
) -> NDArray[np.uint8]:
    """Turn labels into slices on the same pixel grid as those of :func:`prepare_volume`.

    Where the size changes, every pixel takes the label that covers most of it (each label's mask
    is resampled like an image); the label of ignored pixels takes part like any other.

    Args:
        labels: (K, J, I), 0 is background.
        geometry: the grid of the volume.
        preprocessing: as for the volume.

    Returns:
        uint8 (slices, rows, columns), in memory of its own.

    Raises:
        InputError: if the labels do not lie on the grid, or the slices would be too large.
    """
    if isinstance(labels, LabelMap):
        if not labels.geometry.matches(geometry):
            raise InputError(
                "The labels lie on another grid than the volume; resample them onto it first."
            )
        labels = labels.array
    order = SliceOrder.from_geometry(geometry, preprocessing.slice_axis)
    size = _resampled_size(order, preprocessing)
    stack = order.to_stack(labels)
    if size == order.shape[1:]:
        return stack.copy(order="C")
    resampled = np.zeros((len(stack), *size), np.uint8)
    for plane, resampled_plane in zip(stack, resampled, strict=True):
        _resample_labels(plane, resampled_plane)
    return resampled


def restore_stack(stack: NDArray[np.uint8], prepared: PreparedVolume) -> NDArray[np.uint8]:
    """Bring labels of slices back into the order of the volume's voxels.

    Args:
        stack: (slices, rows, columns) with the original number of rows and columns.
        prepared: what the slices were made of.

    Returns:
        The labels (K, J, I), contiguous.

    Raises:
        InputError: if the stack has another shape.
    """
    return np.ascontiguousarray(prepared.order.from_stack(stack))


def resample_slices(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample images to another number of pixels over the same field of view.

    Bilinear; where the image shrinks, every pixel averages what it covers. The outer borders of the
    images stay in place (not the centres of their outer pixels).

    Args:
        images: (N, C, rows, columns), floating point.
        size: new (rows, columns).

    Returns:
        (N, C, *size); the same tensor if the size does not change.
    """
    if images.shape[2:] == size:
        return images
    shrinks = size[0] < images.shape[2] or size[1] < images.shape[3]
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=shrinks)


def _resampled_size(order: SliceOrder, preprocessing: Preprocessing) -> tuple[int, int]:
    _, rows, columns = order.shape
    if preprocessing.spacing is None:
        return rows, columns
    new_rows, new_columns = (
        max(1, round(count * own / wanted))
        for count, own, wanted in zip(
            (rows, columns), order.spacing[1:], preprocessing.spacing, strict=True
        )
    )
    if (
        max(new_rows, new_columns) > MAX_SIDE
        or order.shape[0] * new_rows * new_columns > MAX_VOXELS
    ):
        raise InputError(
            f"Slices of {rows}×{columns} pixels would become {new_rows}×{new_columns} at the "
            f"model's spacing of {preprocessing.spacing} mm; crop the volume or check its spacing "
            f"{order.spacing[1:]}."
        )
    return new_rows, new_columns


def _resized(stack: Tensor, size: tuple[int, int]) -> Tensor:
    if stack.shape[1:] == size:
        return stack
    resized = stack.new_empty((len(stack), *size))
    # A few slices at a time: what lies between the two sizes takes memory, too.
    for first in range(0, len(stack), _SLICES_AT_ONCE):
        part = slice(first, first + _SLICES_AT_ONCE)
        resized[part] = resample_slices(stack[part, None], size)[:, 0]
    return resized


def _finite_sample(stack: NDArray[np.float32], finite: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Finite voxels spread evenly over the stack: all of them if they are few."""
    stride = -(-stack.size // _SAMPLE_SIZE)
    # A stride with a factor in common with a side would visit the same rows or columns only.
    while any(math.gcd(stride, side) > 1 for side in stack.shape) and stride > 1:
        stride += 1
    sample = stack.ravel()[::stride]
    sample = sample[np.isfinite(sample)]
    return (sample if sample.size else stack[finite]).astype(np.float64)


def _scale_slices(stack: NDArray[np.float32]) -> None:
    """Scale every slice to [0, 1]; standardising it first, as the paper does, changes nothing."""
    for plane in stack:
        low, high = float(plane.min()), float(plane.max())
        plane[...] = (plane.astype(np.float64) - low) / (high - low) if high > low else 0


def _standardise(stack: NDArray[np.float32], sample: NDArray[np.float64]) -> None:
    """Clip to percentiles, then subtract the mean and divide by the deviation, in place.

    The figures leave the background out: the most frequent value, if at least a hundredth of the
    voxels have it, as in images that were cut out or masked. It is safer than the lowest value,
    which may be that of a single stray voxel.
    """
    values, counts = np.unique(sample, return_counts=True)
    most_frequent = counts.argmax()
    has_background = counts[most_frequent] >= _BACKGROUND_SHARE * sample.size
    foreground = sample[sample != values[most_frequent]] if has_background else sample
    for voxels in (foreground, sample):  # an image of two values has a constant foreground
        if voxels.size == 0:
            continue
        low, high = np.percentile(voxels, _PERCENTILES).clip(
            -_LARGEST_INTENSITY, _LARGEST_INTENSITY
        )
        if high > low:
            clipped = voxels.clip(low, high)
            np.clip(stack, np.float32(low), np.float32(high), out=stack)
            stack -= np.float32(clipped.mean())
            stack /= np.float32(clipped.std())
            return
    stack.fill(0)


def _resample_labels(plane: NDArray[np.uint8], resampled: NDArray[np.uint8]) -> None:
    """Give every pixel of ``resampled`` the label that covers most of it."""
    best = torch.full((1, 1, *resampled.shape), -1.0)
    labels = torch.from_numpy(resampled)[None, None]
    for value in np.unique(plane):
        mask = torch.from_numpy((plane == value).astype(np.float32))[None, None]
        share = resample_slices(mask, resampled.shape)
        labels[share > best] = int(value)
        best = torch.maximum(best, share)
