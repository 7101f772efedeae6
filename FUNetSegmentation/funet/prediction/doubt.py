"""How much each predicted slice is worth a look, from the network's own probabilities."""

from __future__ import annotations

from collections.abc import Mapping

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


def mistrust(errors: NDArray[np.float64], labelled: int) -> float:
    """Return how little a model knows of an image, from 0 (it is at home) to 1 (it is lost).

    It rises while the expected errors rise from 0.1 to 0.3 of the labelled pixels.

    Args:
        errors: expected wrong pixels of each slice, as the straight slices show them.
        labelled: pixels that are labelled as a structure in these.
    """
    share = errors.sum() / max(labelled, 1)
    return float(np.clip((share - _BELIEVED) / (_LOST - _BELIEVED), 0, 1))


def spread_doubt(
    errors: NDArray[np.float64], lost: float, shown: Mapping[int, bool] | None = None
) -> NDArray[np.float64]:
    """Return the doubt of each slice, spread over the stack where the model knows little of it.

    A model that knows the image finds its own errors, and the doubt stays the expected number of
    wrong pixels. On an image unlike any that it learned from, the numbers tell little: they are
    often highest in neighbours, of which one would teach what all of them do, or at the ends of
    the stack, which show nothing. So each number goes the share ``lost`` of the way to their mean,
    and slices are taken in falling order; at d slices from the nearest one taken or known, or from
    the ends, the doubt is less by the share ``lost`` / (1 + (d / 3)²). Where nothing is known, this
    takes the middle first, then the middles of both halves, and so on.

    A known slice that shows nothing is an end, if all known slices that show something lie on one
    side of it: on the other side the doubt is less by the share ``lost``.

    Args:
        errors: expected wrong pixels of each slice in the order of the stack, (slices,).
        lost: how little the model knows of the image, see :func:`mistrust`.
        shown: whether a slice shows a structure, of each slice that is known, by its index.

    Returns:
        (slices,), at least 0.
    """
    if not lost:
        return errors.copy()
    shown = shown or {}
    count = len(errors)
    places = np.arange(count)
    # By how much a slice counts less at 0, 1, … slices from one taken.
    near = lost / (1 + (places / _NEIGHBOURS) ** 2)
    even = errors + lost * (errors.mean() - errors)
    low, high = _ends(shown, count)
    doubt: NDArray[np.float64] = even * (1 - near[np.minimum(places - low, high - places).clip(0)])
    waiting = np.ones(count, bool)

    def at_most(place: int) -> NDArray[np.float64]:
        least: NDArray[np.float64] = np.minimum(doubt, even * (1 - near[np.abs(places - place)]))
        return least

    for known in shown:
        waiting[known] = False
        doubt = at_most(known)
    while waiting.any():
        taken = int(np.where(waiting, doubt, -np.inf).argmax())
        waiting[taken] = False
        doubt[waiting] = at_most(taken)[waiting]
    return doubt


def _ends(shown: Mapping[int, bool], count: int) -> tuple[int, int]:
    """Return the slices between which structures lie, as far as that is known."""
    with_any = [place for place, any_shown in shown.items() if any_shown]
    if not with_any:
        return 0, count - 1
    return (
        max((place for place in shown if place < min(with_any)), default=0),
        min((place for place in shown if place > max(with_any)), default=count - 1),
    )
