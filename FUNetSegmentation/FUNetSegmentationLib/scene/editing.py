"""What of a segmentation may be changed now, and how to take a change back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from funet.errors import InputError

from ..translation import tr as _
from .lattices import (
    Box,
    Matrix,
    blank_image,
    image_array,
    oriented_image,
    resampled,
)
from .segmentation_nodes import existing_segments, place_of
from .volumes import transform_between, voxel_box, voxel_matrix, voxels

_MOST_UNDO_STATES = 10


def is_locked(segment: Any) -> bool:
    """Whether a segment must stay as it is: it is locked, or its status is "Completed"."""
    has_lock = getattr(segment, "GetLocked", None)  # not in every version of 3D Slicer
    if has_lock is not None and has_lock():
        return True
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    return bool(logic.GetSegmentStatus(segment) == logic.Completed)


def require_readable_mask(segmentation_node: Any, volume_node: Any, editor_node: Any) -> None:
    """Refuse a mask of which nobody can say where it lies in the volume.

    Args:
        segmentation_node, volume_node, editor_node: as for :func:`editable_voxels`.

    Raises:
        InputError: if it is of the intensities of another volume, and a transform that bends space
            lies between the two.
    """
    if _edits(editor_node, segmentation_node) and editor_node.GetSourceVolumeIntensityMask():
        _way_between(volume_node, editor_node.GetSourceVolumeNode() or volume_node)


def editable_voxels(
    segmentation_node: Any,
    segment_id: str,
    volume_node: Any,
    editor_node: Any = None,
    box: Box | None = None,
) -> NDArray[np.bool_] | None:
    """Which voxels the masking of the Segment Editor lets a segment change in.

    Args:
        segmentation_node: the node.
        segment_id: the segment to change.
        volume_node: the volume on whose grid the answer is.
        editor_node: the settings of the Segment Editor; they count if it edits this node.
        box: a part of the volume; all of it if ``None``.

    Returns:
        Array bool (K, J, I) of the box; ``None`` if nothing is masked.

    Raises:
        InputError: as :func:`require_readable_mask`.
    """
    if not _edits(editor_node, segmentation_node):
        return None
    box = box or voxel_box(volume_node)
    masks = [
        _allowed_by_segments(segmentation_node, segment_id, volume_node, editor_node, box),
        _allowed_by_intensity(volume_node, editor_node, box),
    ]
    present = [mask for mask in masks if mask is not None]
    return np.logical_and.reduce(present) if present else None


def _edits(editor_node: Any, segmentation_node: Any) -> bool:
    return editor_node is not None and editor_node.GetSegmentationNode() is segmentation_node


def _allowed_by_segments(
    segmentation_node: Any, segment_id: str, volume_node: Any, editor_node: Any, box: Box
) -> NDArray[np.bool_] | None:
    mode = editor_node.GetMaskMode()
    if mode == slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere:
        return None
    grid = blank_image(box, place_of(volume_node, segmentation_node))
    grid.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    forbidden = slicer.vtkOrientedImageData()
    # By position: the names of the arguments are not the same in all versions.
    segmentation_node.GenerateEditMask(
        forbidden, mode, grid, segment_id, editor_node.GetMaskSegmentID() or ""
    )
    return image_array(forbidden) == 0


def _allowed_by_intensity(volume_node: Any, editor_node: Any, box: Box) -> NDArray[np.bool_] | None:
    source = editor_node.GetSourceVolumeNode() or volume_node
    if not editor_node.GetSourceVolumeIntensityMask():
        return None
    low, high = editor_node.GetSourceVolumeIntensityMaskRange()
    if source is volume_node:
        values = voxels(volume_node)[box.slices_in(voxel_box(volume_node))]
    else:
        values = _values_of_another(source, volume_node, box)
    return (values >= low) & (values <= high)


def _values_of_another(source: Any, volume_node: Any, box: Box) -> NDArray[Any]:
    to_source = _way_between(volume_node, source)
    image = oriented_image(voxels(source), (0, 0, 0), voxel_matrix(source))
    return resampled(image, to_source @ voxel_matrix(volume_node), box)


def _way_between(volume_node: Any, source: Any) -> Matrix:
    matrix = transform_between(
        volume_node.GetParentTransformNode(), source.GetParentTransformNode()
    )
    if matrix is None:
        raise InputError(
            _(
                "The Segment Editor masks by the intensities of {source}, and a transform that "
                "bends space lies between it and {volume}; take the mask away, or harden the "
                "transform."
            ).format(source=source.GetName(), volume=volume_node.GetName())
        )
    return matrix


class UndoStore:
    """Keeps states of segmentation nodes so that a change by the program can be taken back.

    Args:
        saver: saves the state for the Segment Editor's Undo if its widget edits the node, and says
            whether it did; then nothing is kept here. Can be set later.
    """

    def __init__(self, saver: Callable[[Any], bool] | None = None) -> None:
        self.saver = saver
        self._histories: dict[str, Any] = {}

    def save(self, segmentation_node: Any) -> None:
        """Remember the node as it is, just before it is changed."""
        if self.saver is None or not self.saver(segmentation_node):
            self._history(segmentation_node).SaveState()

    def undo(self, segmentation_node: Any) -> bool:
        """Take the last change back; whether there was one that is kept here.

        Raises:
            InputError: if there is no segmentation.
        """
        existing_segments(segmentation_node)
        history = self._history(segmentation_node)
        return bool(history.IsRestorePreviousStateAvailable() and history.RestorePreviousState())

    def _history(self, segmentation_node: Any) -> Any:
        segmentation = segmentation_node.GetSegmentation()
        history = self._histories.get(segmentation_node.GetID())
        if history is None or history.GetSegmentation() is not segmentation:
            history = slicer.vtkSegmentationHistory()
            history.SetMaximumNumberOfStates(_MOST_UNDO_STATES)
            history.SetSegmentation(segmentation)
            self._histories[segmentation_node.GetID()] = history
        return history
