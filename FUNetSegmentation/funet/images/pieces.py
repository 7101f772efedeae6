"""Connected pieces of label maps."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

# A structure of less than this share of the largest piece counts less: it may be noise.
_NOISE = 0.01


def main_piece(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a label map without the voxels that are apart from its main piece.

    That is the piece which holds the largest shares of the structures, all of which count alike:
    by voxels alone, a stray piece of a large structure would win against the one that holds the
    small structures, too. Of a single structure, it is the largest piece.

    Args:
        labels: (K, J, I), 0 background. All structures count as one: a piece is a set of voxels
            that touch at faces, edges or corners, whatever their labels.

    Returns:
        A new array; of equal pieces, the first in memory stays.
    """
    shown = labels != 0
    if not shown.any():
        return labels.copy()
    box = tuple(_range_of(shown.any(axis)) for axis in ((1, 2), (0, 2), (0, 1)))
    image = sitk.GetImageFromArray(shown[box].astype(np.uint8))
    fully_connected = True
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(image, fully_connected))
    result = np.zeros_like(labels)
    result[box] = np.where(pieces == _main_of(pieces, labels[box]), labels[box], 0)
    return result


def _main_of(pieces: NDArray[np.uint32], labels: NDArray[np.uint8]) -> int:
    """Number of the main piece; pieces are numbered from 1."""
    sizes = np.bincount(pieces.ravel())[1:]
    noise = _NOISE * sizes.max()
    shares = np.zeros(len(sizes) + 1)
    for value in np.unique(labels[labels != 0]):
        voxels = np.bincount(pieces[labels == value], minlength=len(shares))
        shares += voxels / (voxels.sum() + noise)
    return int(shares.argmax())


def _range_of(shown: NDArray[np.bool_]) -> slice:
    (indices,) = np.nonzero(shown)
    return slice(int(indices[0]), int(indices[-1]) + 1)
