"""Labels of which somebody is certain in a part of a volume, and which are 255 elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .segmentations import IGNORE_LABEL


def require_known(known: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    """Check that known labels are those of a volume.

    Raises:
        InputError: if they have another shape.
    """
    if known.shape != shape:
        raise InputError(
            f"Labels of {known.shape} voxels do not belong to a volume of {shape}; use labels on "
            "its grid."
        )


def known_only_in(labels: NDArray[np.uint8], slices: Sequence[int], axis: int) -> NDArray[np.uint8]:
    """Return labels that are known in some slices only.

    Args:
        labels: (K, J, I).
        slices: indices of the slices that are certain.
        axis: along which they lie.
    """
    known = np.full_like(labels, IGNORE_LABEL)
    np.moveaxis(known, axis, 0)[list(slices)] = np.moveaxis(labels, axis, 0)[list(slices)]
    return known


def known_slices(known: NDArray[np.uint8], axis: int) -> dict[int, bool]:
    """Return which slices are known as a whole, and of each whether it shows a structure.

    Args:
        known: (K, J, I), see :func:`known_only_in`.
        axis: along which the slices lie.
    """
    slices = np.moveaxis(known, axis, 0)
    places = (slices != IGNORE_LABEL).all((1, 2)).nonzero()[0]
    return {int(place): bool(slices[place].any()) for place in places}
