"""What a person has said of a volume already, which a prediction makes use of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funet.images.geometry import Geometry
from funet.images.known_labels import known_only_in
from funet.models.manifest import Manifest

from ..scene.labels import read_labels
from ..scene.structures import segments_of_model
from ..scene.volumes import slice_axis_of
from .judged import judged_slices


def known_labels(
    segmentation_node: Any,
    volume_node: Any,
    grid: Geometry,
    model: Manifest,
    slices: Iterable[int] | None = None,
) -> NDArray[np.uint8] | None:
    """Return the labels of the slices that are corrected, accepted, or drawn by hand.

    They tell the worklist where there is nothing more to see, and models whose structures follow
    one another at which slice one gives way to the next.

    Args:
        segmentation_node: the node.
        volume_node: the volume that is to be predicted.
        grid: that of the volume.
        model: what predicts it.
        slices: which of these to return; all if ``None``.

    Returns:
        uint8 (K, J, I) on the grid of the volume, 255 in all other slices; ``None`` if there are
        no such slices, or not all structures have a segment.

    Raises:
        InputError: if the slices were judged on another volume or in another plane.
    """
    ids = segments_of_model(segmentation_node, model.segments)
    axis = slice_axis_of(grid, model.preprocessing.slice_axis)
    judged = judged_slices(segmentation_node, ids, volume_node, axis)
    if slices is not None:
        judged = sorted(set(judged) & set(slices))
    if not judged or None in ids.values():
        return None
    drawn = read_labels(segmentation_node, ids, volume_node).labels
    return known_only_in(drawn, judged, axis)
