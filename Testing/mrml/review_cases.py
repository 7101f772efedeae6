"""A volume under review: predicted, painted on, predicted again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scene_nodes import paint

from FUNetSegmentationLib.scene.editing import UndoStore
from FUNetSegmentationLib.scene.history import ReviewHistory
from FUNetSegmentationLib.scene.labels import read_labels
from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation
from FUNetSegmentationLib.scene.structures import ensure_segments
from FUNetSegmentationLib.scene.writing import write_prediction

from phantoms import SEGMENTS, axial_grid, phantom_labels

FIRST = phantom_labels(axial_grid()).array
SECOND = np.roll(FIRST, 1, axis=1)
DOUBT = tuple(float(index) for index in range(11))


class Case(SimpleNamespace):
    """A volume, its segmentation, and what the logic does with them."""

    @property
    def history(self) -> ReviewHistory:
        return ReviewHistory(self.node)

    def predict(self, labels: NDArray[Any] = FIRST, model: str = "m-1", axis: int = 0) -> None:
        """Write a prediction as the logic does when a job has finished."""
        protected = self.history.protected()
        self.undo.save(self.node)
        ids = ensure_segments(self.node, SEGMENTS)
        write_prediction(self.node, labels, ids, self.volume, protected_slices=protected, axis=axis)
        self.history.record_prediction(
            model=model,
            plane=("axial", "coronal", "sagittal")[axis],
            slice_axis=axis,
            doubt=DOUBT[: labels.shape[axis]] + (0.0,) * (labels.shape[axis] - 11),
            segment_ids=ids,
            volume_node=self.volume,
            protected_slices=protected,
        )

    def paint(self, index: int, value: int = 1, *, erase: bool = False, axis: int = 0) -> None:
        """Edit a slice by hand, with an Undo state before, as the Segment Editor does."""
        self.undo.save(self.node)
        paint(self.node, self.history.segment_ids[value], self.volume, axis, index, erase=erase)


def new_case(volume_node: Any, name: str = "s") -> Case:
    """A new segmentation of a volume."""
    return Case(volume=volume_node, node=create_segmentation(volume_node, name), undo=UndoStore())


def slice_of(case: Case, index: int) -> NDArray[Any]:
    return read_labels(case.node, case.history.segment_ids, case.volume).labels[index]
