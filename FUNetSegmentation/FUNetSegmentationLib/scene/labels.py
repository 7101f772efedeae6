"""What is drawn in a segmentation node, on the grid of a volume."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from funet.errors import InputError
from funet.images.segmentations import IGNORE_LABEL

from ..translation import tr as _
from .lattices import (
    NO_BOX,
    Box,
    Matrix,
    box_of_content,
    image_array,
    image_box,
    image_matrix,
    mapped_box,
    resampled,
    whole_voxels_apart,
)
from .segmentation_nodes import (
    BINARY_LABELMAP,
    existing_segments,
    is_labelmap,
    place_of,
)
from .volumes import voxel_box


@dataclass(frozen=True, eq=False)
class Region:
    """Where one segment is, on the grid of a volume.

    Attributes:
        box: the part of the volume that the mask covers.
        mask: whether a voxel of the box belongs to the segment, bool (K, J, I).
    """

    box: Box
    mask: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LabelReading:
    """What the structures of a model look like in a segmentation node.

    Attributes:
        labels: uint8 (K, J, I) on the grid of the volume; 0 is background, 255 is claimed by more
            than one structure.
        overlapping_voxels: how many voxels are 255.
    """

    labels: NDArray[np.uint8]
    overlapping_voxels: int


def read_labels(
    segmentation_node: Any, segment_ids: Mapping[int, str | None], volume_node: Any
) -> LabelReading:
    """Merge segments into a label map.

    Hidden segments count as well. Where the node has another grid than the volume, a voxel of the
    volume has what lies at its centre.

    Args:
        segmentation_node: the node.
        segment_ids: ID of the segment of each label value; ``None`` if it has none.
        volume_node: the volume whose grid is wanted.

    Raises:
        InputError: if a segment does not exist, or a transform that bends space lies between the
            nodes.
    """
    wanted = {value: one for value, one in segment_ids.items() if one is not None}
    segments = existing_segments(segmentation_node)
    if missing := [one for one in wanted.values() if one not in segments]:
        raise InputError(
            _("The segmentation {name} has no segment {segment} any more; add it again.").format(
                name=segmentation_node.GetName(), segment=missing[0]
            )
        )
    whole = voxel_box(volume_node)
    labels = np.zeros(whole.shape, np.uint8)
    regions = segment_regions(segmentation_node, wanted.values(), volume_node)
    for value, segment_id in wanted.items():
        region = regions[segment_id]
        part = labels[region.box.slices_in(whole)]
        # What more than one structure claims teaches nothing.
        part[region.mask] = np.where(part[region.mask] == 0, value, IGNORE_LABEL)
    return LabelReading(labels, int(np.count_nonzero(labels == IGNORE_LABEL)))


def segment_regions(
    segmentation_node: Any,
    segment_ids: Iterable[str],
    volume_node: Any,
    place: Matrix | None = None,
) -> dict[str, Region]:
    """Where segments are, on the grid of a volume.

    Args:
        segmentation_node: the node.
        segment_ids: segments that exist.
        volume_node: the volume.
        place: where to take the volume to be; where it is if ``None``. See :func:`place_of`.

    Raises:
        InputError: as :func:`read_labels`.
    """
    matrix = place_of(volume_node, segmentation_node) if place is None else place
    whole = voxel_box(volume_node)
    layers: dict[Any, tuple[Box, NDArray[Any]]] = {}  # segments often share one image
    regions = {}
    for segment_id in segment_ids:
        image, value = labelmap_of(segmentation_node, segment_id)
        if image not in layers:
            layers[image] = _on_grid(image, matrix, whole)
        box, voxels = layers[image]
        mask = voxels == value
        inner = box_of_content(mask, box.start)
        regions[segment_id] = Region(inner, mask[inner.slices_in(box)])
    return regions


def reach(segmentation_node: Any, segment_ids: Iterable[str], volume_node: Any) -> Box:
    """The part of a volume in which these segments may have voxels, even between its own.

    Raises:
        InputError: as :func:`read_labels`.
    """
    matrix = place_of(volume_node, segmentation_node)
    boxes = [NO_BOX]
    for image in {labelmap_of(segmentation_node, one)[0] for one in segment_ids}:
        if image is not None and not image_box(image).empty:
            to_volume = np.linalg.inv(matrix) @ image_matrix(image)
            boxes.append(mapped_box(image_box(image), to_volume))
    return functools.reduce(Box.union, boxes).intersection(voxel_box(volume_node))


def on_voxels_of(segmentation_node: Any, segment_ids: Iterable[str], volume_node: Any) -> bool:
    """Whether the voxels of these segments are voxels of the volume, as far as both reach.

    Segments that do not exist are left out.

    Raises:
        InputError: as :func:`read_labels`.
    """
    matrix = place_of(volume_node, segmentation_node)
    present = set(existing_segments(segmentation_node)).intersection(segment_ids)
    images = {labelmap_of(segmentation_node, segment_id)[0] for segment_id in present}
    whole = voxel_box(volume_node)
    return all(
        whole_voxels_apart(np.linalg.inv(image_matrix(image)) @ matrix, whole) is not None
        for image in images
        if image is not None and not image_box(image).empty
    )


def labelmap_of(segmentation_node: Any, segment_id: str) -> tuple[Any, int]:
    """Where the voxels of a segment are kept.

    Returns:
        The vtkOrientedImageData, or a copy made from a surface; and the number that stands for the
        segment in it.
    """
    segment = segmentation_node.GetSegmentation().GetSegment(segment_id)
    if is_labelmap(segmentation_node):
        return segment.GetRepresentation(BINARY_LABELMAP), segment.GetLabelValue()
    image, with_parent_transform = slicer.vtkOrientedImageData(), False
    slicer.vtkSlicerSegmentationsModuleLogic.GetSegmentBinaryLabelmapRepresentation(
        segmentation_node, segment_id, image, with_parent_transform
    )
    return image, 1


def _on_grid(image: Any, matrix: Matrix, whole: Box) -> tuple[Box, NDArray[Any]]:
    """The part of an image that lies inside a grid, and where that is on the grid."""
    filled = NO_BOX if image is None else image_box(image)
    if filled.empty or image.GetPointData().GetScalars() is None:
        return NO_BOX, np.zeros(NO_BOX.shape, np.uint8)
    to_image = np.linalg.inv(image_matrix(image)) @ matrix
    offset = whole_voxels_apart(to_image, whole)
    if offset is None:
        box = mapped_box(filled, np.linalg.inv(to_image)).intersection(whole)
        return box, np.zeros(box.shape, np.uint8) if box.empty else resampled(image, matrix, box)
    box = filled.moved([-by for by in offset]).intersection(whole)
    return box, image_array(image)[box.moved(offset).slices_in(filled)]


@dataclass(frozen=True)
class ContentDigests:
    """A short digest of every slice of every structure: equal digests mean equal content.

    Attributes:
        by_segment: for each segment ID one text for each slice; empty where nothing is drawn.
    """

    by_segment: Mapping[str, tuple[str, ...]]

    def of_slice(self, index: int) -> dict[str, str]:
        """The digests of one slice by segment ID."""
        return {segment_id: texts[index] for segment_id, texts in self.by_segment.items()}

    def shows(self, index: int, digests: Mapping[str, str]) -> bool:
        """Whether a slice has these digests.

        Segments that are not known here do not count, but one at least must be. One that is not
        among the digests came later, and must be empty here.
        """
        return not digests.keys().isdisjoint(self.by_segment) and all(
            index < len(texts) and digests.get(segment_id, "") == texts[index]
            for segment_id, texts in self.by_segment.items()
        )

    def differing(self, other: ContentDigests) -> tuple[int, ...]:
        """Indices of the slices that differ in a segment which both know."""
        found: set[int] = set()
        for segment_id, texts in self.by_segment.items():
            pairs = zip(texts, other.by_segment.get(segment_id, texts), strict=True)
            found |= {index for index, (one, two) in enumerate(pairs) if one != two}
        return tuple(sorted(found))

    def replaced(self, indices: Iterable[int], other: ContentDigests) -> ContentDigests:
        """The digests with some slices of another content; segments that it lacks are empty."""
        taken = set(indices)
        return ContentDigests(
            {
                segment_id: tuple(
                    other.by_segment.get(segment_id, ("",) * len(texts))[index]
                    if index in taken
                    else text
                    for index, text in enumerate(texts)
                )
                for segment_id, texts in self.by_segment.items()
            }
        )

    def drawn(self) -> tuple[int, ...]:
        """Indices of the slices in which something is drawn."""
        columns = zip(*self.by_segment.values(), strict=True)
        return tuple(index for index, texts in enumerate(columns) if any(texts))


def content_digests(
    segmentation_node: Any,
    segment_ids: Iterable[str],
    volume_node: Any,
    axis: int,
    place: Matrix | None = None,
) -> ContentDigests:
    """Digest what is drawn, whatever tool drew it.

    Args:
        segmentation_node: the node.
        segment_ids: the segments; those that do not exist are left out.
        volume_node: the volume on whose grid the slices lie.
        axis: axis of the (K, J, I) array along which they lie.
        place: as for :func:`segment_regions`.

    Raises:
        InputError: as :func:`read_labels`.
    """
    segments = existing_segments(segmentation_node)
    present = [segment_id for segment_id in segment_ids if segment_id in segments]
    count = voxel_box(volume_node).shape[axis]
    regions = segment_regions(segmentation_node, present, volume_node, place)
    return ContentDigests(
        {segment_id: _digests(region, axis, count) for segment_id, region in regions.items()}
    )


def _digests(region: Region, axis: int, count: int) -> tuple[str, ...]:
    texts = [""] * count
    start = region.box.start
    first = start[axis]
    for index, plane in enumerate(np.moveaxis(region.mask, axis, 0)):
        rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
        if not rows.size:
            continue
        row, column = (one for other, one in enumerate(start) if other != axis)
        bounds = (row + rows[0], row + rows[-1], column + columns[0], column + columns[-1])
        tight = plane[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        digest = hashlib.blake2b(repr([int(one) for one in bounds]).encode(), digest_size=6)
        digest.update(np.packbits(tight).tobytes())
        texts[first + index] = base64.b64encode(digest.digest()).decode()
    return tuple(texts)
