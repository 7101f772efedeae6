"""Which voxels a prediction may change: what locks, masks and protected slices leave of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from .labels import Region
from .lattices import Box

# In the array of a change: leave the voxel as it is. Other numbers are label values plus one.
KEEP = 0


class Change:
    """Which voxels of a part of the volume get which label.

    Args:
        box: the part; outside of it nothing is drawn and nothing will be.
        labels: the prediction there.
        ids: the segment of each label value.
        before: where these segments, and the locked ones, are now.
    """

    def __init__(
        self,
        box: Box,
        labels: NDArray[np.uint8],
        ids: Mapping[int, str],
        before: Mapping[str, Region],
    ) -> None:
        self.box = box
        self._labels = labels
        self._ids = ids
        self._before = before
        self._differs = {one: self._mask(one) != (labels == value) for value, one in ids.items()}
        self._may_change = np.zeros(box.shape, bool)
        self._kept = np.zeros(box.shape, bool)

    def allow_slices(self, indices: Iterable[int], axis: int) -> None:
        """Let these slices of the volume change."""
        first = self.box.start[axis]
        inside = [index - first for index in indices if 0 <= index - first < self.box.shape[axis]]
        np.moveaxis(self._may_change, axis, 0)[inside] = True

    def respect_locks(self, locked: Iterable[str]) -> None:
        """Keep the voxels of locked segments, and those that the prediction gives to them."""
        for segment_id in locked:
            self._keep(self._mask(segment_id))
            self._keep(self._differs.get(segment_id, np.zeros(self.box.shape, bool)))

    def respect_mask(self, segment_id: str, editable: NDArray[np.bool_] | None) -> None:
        """Keep the voxels in which a segment would have to change but must not."""
        if editable is not None:
            self._keep(self._differs[segment_id] & ~editable)

    def code(self) -> NDArray[np.uint8]:
        """Label value plus one where the voxel may change, else :data:`KEEP`."""
        return np.where(self._may_change, self._labels + 1, KEEP).astype(np.uint8)

    @property
    def changed_voxels(self) -> int:
        """How many voxels get another label."""
        return int(np.count_nonzero(self._anything_differs & self._may_change))

    @property
    def kept_voxels(self) -> int:
        """How many voxels would have got one."""
        return int(np.count_nonzero(self._anything_differs & self._kept))

    @property
    def _anything_differs(self) -> NDArray[np.bool_]:
        return np.logical_or.reduce([np.zeros(self.box.shape, bool), *self._differs.values()])

    def _keep(self, where: NDArray[np.bool_]) -> None:
        self._kept |= where & self._may_change
        self._may_change &= ~where

    def _mask(self, segment_id: str) -> NDArray[np.bool_]:
        region = self._before[segment_id]
        mask = np.zeros(self.box.shape, bool)
        common = region.box.intersection(self.box)
        if not common.empty:
            mask[common.slices_in(self.box)] = region.mask[common.slices_in(region.box)]
        return mask
