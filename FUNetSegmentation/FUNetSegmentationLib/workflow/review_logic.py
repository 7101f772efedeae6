"""The part of the logic that says what became of the slices of a segmentation."""

from __future__ import annotations

from typing import Any

from ..scene.history import ReviewHistory
from ..scene.structures import segments_of_model, without_segment
from .models import ModelShelf
from .results import ReviewSlice
from .reviewing import review_model, review_slices


class ReviewLogic:
    """Reads and sets the states of slices, which are kept in the scene."""

    _shelf: ModelShelf  # of the logic that this is a part of

    def review(self, segmentationNode: Any, model: str | None = None) -> list[ReviewSlice]:
        """Return the slices, the most doubtful first; corrected and accepted ones last.

        Args:
            segmentationNode: the segmentation.
            model: id of a version of the model whose slices are reviewed from now on, if it has
                predicted any; those of the model that predicted last, or that was named last, if
                ``None``.
        """
        if model:
            review_model(segmentationNode, self._shelf.manifest(model))
        return review_slices(segmentationNode)

    def missingStructures(self, segmentationNode: Any, model: str) -> list[str]:
        """Return the structures of a model that have no segment in a segmentation.

        While there are any, nothing drawn there can teach the model.
        """
        segments = self._shelf.manifest(model).segments
        return without_segment(segments_of_model(segmentationNode, segments), segments)

    def correctedSlices(self, segmentationNode: Any) -> tuple[int, ...]:
        """Return the slices that differ from the prediction or were marked as corrected."""
        return ReviewHistory(segmentationNode).corrected()

    def acceptedSlices(self, segmentationNode: Any) -> tuple[int, ...]:
        """Return the slices that were accepted as they are."""
        return ReviewHistory(segmentationNode).accepted()

    def setSliceState(self, segmentationNode: Any, sliceIndex: int, state: str) -> None:
        """Make a slice ``"predicted"``, ``"corrected"`` or ``"accepted"``.

        Corrected and accepted slices teach, and no prediction changes them.
        """
        ReviewHistory(segmentationNode).set_state(sliceIndex, state)

    def acceptSlice(self, segmentationNode: Any, sliceIndex: int) -> None:
        """Say that a slice is right as it is."""
        self.setSliceState(segmentationNode, sliceIndex, "accepted")

    def markSlice(self, segmentationNode: Any, sliceIndex: int) -> None:
        """Say that a slice was corrected, even where it looks like the prediction."""
        self.setSliceState(segmentationNode, sliceIndex, "corrected")

    def unmarkSlice(self, segmentationNode: Any, sliceIndex: int) -> None:
        """Take a mark back: the slice counts as predicted as it is now."""
        self.setSliceState(segmentationNode, sliceIndex, "predicted")
