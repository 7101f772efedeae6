"""Connected pieces of label maps."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray


def largest_piece(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a label map without the voxels that are apart from its largest piece.

    Args:
        labels: (K, J, I), 0 background. All structures count as one: a piece is a set of voxels
            that touch at faces, edges or corners, whatever their labels.

    Returns:
        A new array; of pieces of the same size, the first in memory stays.
    """
    shown = labels != 0
    if not shown.any():
        return labels.copy()
    box = tuple(_range_of(shown.any(axis)) for axis in ((1, 2), (0, 2), (0, 1)))
    image = sitk.GetImageFromArray(shown[box].astype(np.uint8))
    fully_connected = True
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(image, fully_connected))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    result = np.zeros_like(labels)
    result[box] = np.where(pieces == sizes.argmax(), labels[box], 0)
    return result


def _range_of(shown: NDArray[np.bool_]) -> slice:
    (indices,) = np.nonzero(shown)
    return slice(int(indices[0]), int(indices[-1]) + 1)
