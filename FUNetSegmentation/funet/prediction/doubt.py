"""How much each predicted slice is worth a look, from the network's own probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

# Expected errors per labelled pixel. Below the first the doubt of each slice can be believed, and
# above the second the model knows so little that slices which look alike are not worth two looks.
_BELIEVED, _LOST = 0.1, 0.3
# Slices within which neighbours look alike.
_NEIGHBOURS = 3.0


def expected_errors(probabilities: Tensor) -> Tensor:
    """Return how many pixels of each slice are expected to be labelled wrongly.

    Were the probabilities calibrated, 1 − max p would be the chance that a pixel's label is
    wrong, and its sum the expected number of wrong pixels.

    Args:
        probabilities: (N, classes, rows, columns), in [0, 1], summing to 1 over the classes.

    Returns:
        (N,), at least 0.
    """
    return (1 - probabilities.amax(1)).flatten(1).sum(1)


def spread_doubt(errors: NDArray[np.float64], labelled: int) -> NDArray[np.float64]:
    """Return the doubt of each slice, which counts less near a more doubtful one.

    A model that knows the image finds its own errors, and the doubt stays the expected number of
    wrong pixels. On an image unlike any that it learned from, the numbers tell little and are
    highest in a few neighbours, of which one would teach what all of them do. So the slices are
    taken in falling order, and what is left of the doubt of the others falls by
    t · exp(−d² / 2·3²) at d slices from the nearest one taken; t rises from 0 to 1 while the
    expected errors rise from 0.1 to 0.3 of the labelled pixels.

    Args:
        errors: expected wrong pixels of each slice in the order of the stack, (slices,).
        labelled: pixels of the stack that are labelled as a structure.

    Returns:
        (slices,), between 0 and ``errors``.
    """
    mistrust = (errors.sum() / max(labelled, 1) - _BELIEVED) / (_LOST - _BELIEVED)
    share = float(np.clip(mistrust, 0, 1))
    doubt, waiting, places = errors.copy(), np.ones(len(errors), bool), np.arange(len(errors))
    for _ in range(len(errors) if share else 0):
        taken = int(np.where(waiting, doubt, -np.inf).argmax())
        waiting[taken] = False
        near = np.exp(-(((places - taken) / _NEIGHBOURS) ** 2) / 2)
        doubt[waiting] = np.minimum(doubt, errors * (1 - share * near))[waiting]
    return doubt
