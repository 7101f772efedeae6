"""How likely each predicted slice is wrong, from the network's own probabilities."""

from __future__ import annotations

from torch import Tensor


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
