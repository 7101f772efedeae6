"""The worklist of a segmentation."""

from __future__ import annotations

from typing import Any

from funet.models.manifest import Manifest
from funet.prediction.review import slice_positions, worklist

from ..scene.history import ReviewHistory
from ..scene.structures import segments_of_model
from ..scene.volumes import snapshot
from .results import ReviewSlice


def review_model(segmentation_node: Any, model: Manifest) -> None:
    """Review the slices of a model from now on, if a version of it has predicted any.

    Raises:
        InputError: if it is no segmentation.
    """
    found = segments_of_model(segmentation_node, model.segments).values()
    ReviewHistory(segmentation_node).review([one for one in found if one is not None])


def review_slices(segmentation_node: Any) -> list[ReviewSlice]:
    """Return the slices of a segmentation, the most doubtful first, judged ones last.

    Of a segmentation that was drawn by hand these are the drawn and accepted slices, in order.

    Raises:
        InputError: if it is no segmentation, or its volume is gone.
    """
    history = ReviewHistory(segmentation_node)
    states, doubt, plane = history.states(), history.doubt, history.plane
    if plane is None:
        return []
    positions = slice_positions(snapshot(history.volume_node).geometry, plane)
    if not doubt:
        return [
            ReviewSlice(index, None, state, positions[index]) for index, state in states.items()
        ]
    return [
        ReviewSlice(item.slice_index, item.doubt, item.state, positions[item.slice_index])
        for item in worklist(doubt, states)
    ]
