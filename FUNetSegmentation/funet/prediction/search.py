"""Which slices of a volume to predict, where a model's structures lie in one piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Slices of the first pass lie so far apart: a piece that is thinner could be overlooked.
_STEP_MM = 6.0
# Of all slices, those that structures are expected in; only for the time left.
_EXPECTED_SHARE = 0.2


def search_step(spacing: float) -> int:
    """How many slices to go on at a time in the first pass, at least 1.

    Args:
        spacing: distance of two slices in mm.
    """
    return max(1, int(_STEP_MM / spacing))


class SliceSearch:
    """Chooses slices until the pieces that the first pass met are known from end to end.

    The first pass takes every ``step``-th slice. From each slice that shows a structure, the search
    goes on to its neighbours until slices without any close the piece off: what is left out cannot
    be connected to what was found. Where the first pass shows nothing, all slices follow.

    Args:
        count: slices of the volume.
        step: distance of the slices of the first pass; 1 takes all slices in their order.
    """

    def __init__(self, count: int, step: int) -> None:
        self._first_pass = np.arange(count) % step == step // 2 % count
        self._known = np.zeros(count, bool)
        self._shown = np.zeros(count, bool)
        self._step = step

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which slices are predicted."""
        return self._known

    @property
    def expected(self) -> int:
        """About how many slices will have been predicted in the end."""
        count = len(self._known)
        share = 1.0 if self._step == 1 else _EXPECTED_SHARE
        return min(count, int(self._first_pass.sum()) + round(share * count))

    def next(self, most: int) -> NDArray[np.intp]:
        """The slices to predict next, at most ``most``; none when the search is over."""
        unknown = ~self._known
        wanted = self._first_pass & unknown
        if not wanted.any() and self._shown.any():
            reach = max(1, min(most // 2, self._step))
            open_ends = unknown & _around(self._shown, 1)
            wanted = unknown & _around(open_ends, reach - 1)
        elif not wanted.any():
            wanted = unknown
        return np.flatnonzero(wanted)[:most]

    def learn(self, slices: NDArray[np.intp], shown: NDArray[np.bool_]) -> None:
        """Take in which of some predicted slices show a structure."""
        self._known[slices] = True
        self._shown[slices] = shown


def _around(chosen: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Which slices lie at most ``reach`` from a chosen one."""
    near = chosen.copy()
    for distance in range(1, min(reach, len(chosen) - 1) + 1):
        near[distance:] |= chosen[:-distance]
        near[:-distance] |= chosen[distance:]
    return near
