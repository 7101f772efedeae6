"""Predictions written into a segmentation node, around everything that must stay as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from funet.errors import InputError

from ..translation import tr as _
from .changes import KEEP, Change
from .editing import editable_voxels, is_locked, require_readable_mask
from .labels import labelmap_of, reach, segment_regions
from .lattices import (
    NO_BOX,
    Box,
    Matrix,
    box_of_content,
    box_of_shape,
    image_array,
    image_box,
    image_matrix,
    mapped_box,
    oriented_image,
    resampled,
    whole_voxels_apart,
)
from .segmentation_nodes import (
    REFERENCE_GEOMETRY,
    existing_segments,
    is_labelmap,
    place_of,
)
from .volumes import voxel_box


@dataclass(frozen=True)
class WritingReport:
    """What writing a prediction did.

    Attributes:
        changed_voxels: voxels of the volume that belong to another structure now.
        kept_voxels: voxels in slices that may change which a lock or a mask kept as they were.
    """

    changed_voxels: int
    kept_voxels: int


def require_writable(segmentation_node: Any, volume_node: Any, editor_node: Any = None) -> None:
    """Refuse a segmentation that no prediction of a volume can be written into.

    Args:
        segmentation_node: the node.
        volume_node: the volume.
        editor_node: the settings of the Segment Editor, if it is in use.

    Raises:
        InputError: if there is no segmentation, it keeps surfaces, or a transform that bends space
            lies between the nodes, or between the volume and that which the Segment Editor masks
            by.
    """
    existing_segments(segmentation_node)
    if not is_labelmap(segmentation_node):
        raise InputError(
            _(
                "The segmentation {name} is made of surfaces; make Binary labelmap its source in "
                "the module Segmentations, or choose another segmentation."
            ).format(name=segmentation_node.GetName())
        )
    place_of(volume_node, segmentation_node)
    require_readable_mask(segmentation_node, volume_node, editor_node)


def write_prediction(
    segmentation_node: Any,
    labels: NDArray[np.uint8],
    segment_ids: Mapping[int, str],
    volume_node: Any,
    *,
    protected_slices: Iterable[int],
    axis: int,
    editor_node: Any = None,
    only_slices: Iterable[int] | None = None,
) -> WritingReport:
    """Replace what the structures of a model look like.

    Protected slices, locked segments with all their voxels, and what the masking of the Segment
    Editor excludes stay as they are. A voxel changes only if every structure that gains or loses
    it may change there. Other segments are never touched; structures may overlap them. Where the
    node has a finer or shifted grid, it keeps it.

    Args:
        segmentation_node: the node; save its state for Undo before.
        labels: uint8 (K, J, I) on the grid of the volume; 0 is background.
        segment_ids: the segment of each label value.
        volume_node: the volume.
        protected_slices: indices of slices that must not change.
        axis: axis of the array along which the slices lie.
        editor_node: the settings of the Segment Editor, if it is in use.
        only_slices: the slices to write; all if ``None``.

    Raises:
        InputError: if the node keeps surfaces, the labels have another shape, or a transform that
            bends space lies between the nodes.
    """
    require_writable(segmentation_node, volume_node, editor_node)
    if labels.shape != voxel_box(volume_node).shape:
        raise InputError(
            _(
                "The volume {name} has another size than when it was segmented; segment it again."
            ).format(name=volume_node.GetName())
        )
    segments = existing_segments(segmentation_node)
    locked = {segment_id for segment_id, segment in segments.items() if is_locked(segment)}
    ids = {value: one for value, one in segment_ids.items() if one in segments}
    before = segment_regions(segmentation_node, {*ids.values(), *locked}, volume_node)
    box = box_of_content(labels).union(reach(segmentation_node, ids.values(), volume_node))
    change = Change(box, labels[box.slices_in(voxel_box(volume_node))], ids, before)
    change.allow_slices(
        set(range(labels.shape[axis]) if only_slices is None else only_slices)
        - set(protected_slices),
        axis,
    )
    change.respect_locks(locked)
    for segment_id in set(ids.values()) - locked:
        change.respect_mask(
            segment_id,
            editable_voxels(segmentation_node, segment_id, volume_node, editor_node, box),
        )
    for value, segment_id in ids.items():
        if segment_id not in locked:
            _write(segmentation_node, ids, value, volume_node, change)
    return WritingReport(change.changed_voxels, change.kept_voxels)


def draw_slices(
    segmentation_node: Any,
    labels: NDArray[np.uint8],
    segment_ids: Mapping[int, str],
    volume_node: Any,
    axis: int,
    slices: Iterable[int],
) -> None:
    """Make some slices look like labels, as a reader would with the Segment Editor.

    Args:
        segmentation_node, labels, segment_ids, volume_node, axis: as for :func:`write_prediction`.
        slices: the slices to draw, whatever became of them before.

    Raises:
        InputError: as :func:`write_prediction`.
    """
    write_prediction(
        segmentation_node,
        labels,
        segment_ids,
        volume_node,
        protected_slices=(),
        axis=axis,
        only_slices=slices,
    )


def _write(
    segmentation_node: Any,
    segment_ids: Mapping[int, str],
    value: int,
    volume_node: Any,
    change: Change,
) -> None:
    image, number = labelmap_of(segmentation_node, segment_ids[value])
    to_node = place_of(volume_node, segmentation_node)
    lattice = _lattice_of(segmentation_node, image, to_node)
    box, code = _on_lattice(change, to_node, lattice)
    filled = NO_BOX if _is_empty(image) else image_box(image)
    around = filled.union(box)
    old = np.zeros(around.shape, bool)
    if not filled.empty:
        old[filled.slices_in(around)] = image_array(image) == number
    new = old.copy()
    part = new[box.slices_in(around)]
    part[...] = np.where(code == KEEP, part, code == value + 1)
    if np.array_equal(old, new):
        return
    inner = box_of_content(new, around.start)
    if inner.empty:  # an image needs a voxel
        inner = box_of_shape((1, 1, 1)).moved(around.start)
    content = new[inner.slices_in(around)].astype(np.uint8)
    _set_labelmap(
        segmentation_node, segment_ids, value, oriented_image(content, inner.start, lattice)
    )


def _set_labelmap(
    segmentation_node: Any, segment_ids: Mapping[int, str], value: int, image: Any
) -> None:
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    of_all_segments = False
    # A segment that shares an image with others than these moves to an image of its own where it
    # would take voxels from them; surfaces that are shown are made again.
    written = logic.SetBinaryLabelmapToSegment(
        image,
        segmentation_node,
        segment_ids[value],
        logic.MODE_REPLACE,
        image.GetExtent(),
        of_all_segments,
        list(segment_ids.values()),
    )
    if not written:
        raise InputError(
            _("The segment {segment} of {name} cannot be written; remove it and try again.").format(
                segment=segment_ids[value], name=segmentation_node.GetName()
            )
        )


def _is_empty(image: Any) -> bool:
    return image is None or image.IsEmpty() or image.GetPointData().GetScalars() is None


def _lattice_of(segmentation_node: Any, image: Any, to_node: Matrix) -> Matrix:
    """The lattice of a segment: its image's, else the node's reference geometry, else the grid."""
    if not _is_empty(image):
        return image_matrix(image)
    text = segmentation_node.GetSegmentation().GetConversionParameter(REFERENCE_GEOMETRY)
    numbers = [float(number) for number in (text or "").split(";") if number]
    return np.array(numbers[:16]).reshape(4, 4) if len(numbers) >= 16 else to_node


def _on_lattice(change: Change, to_node: Matrix, lattice: Matrix) -> tuple[Box, NDArray[np.uint8]]:
    """The code of a change, and the box that it fills, on a lattice of the node."""
    to_lattice = np.linalg.inv(lattice) @ to_node
    offset = whole_voxels_apart(to_lattice, change.box)
    if offset is not None or change.box.empty:
        return change.box.moved(offset or (0, 0, 0)), change.code()
    box = mapped_box(change.box, to_lattice)
    return box, resampled(oriented_image(change.code(), change.box.start, to_node), lattice, box)
