"""How predictions reach the scene without touching what the user made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funet.images.geometry import SliceAxis
from funet.images.segmentations import Segment
from funet.worker.handle import JobHandle

from ..scene.editing import UndoStore
from ..scene.history import ReviewHistory
from ..scene.structures import ensure_segments, segments_of_model
from ..scene.volumes import VolumeSnapshot
from ..scene.writing import WritingReport, require_writable, write_prediction
from ..translation import tr as _
from .job_data import changed_since
from .judged import judged_slices


@dataclass(frozen=True)
class Desk:
    """What writing into a segmentation depends on besides its node.

    Attributes:
        undo: saves the state before a prediction is written.
        editor_node: returns the Segment Editor's node, whose masks apply; ``None`` without one.
        visible_slice: returns the slice that the user looks at, given volume node and slice axis.
    """

    undo: UndoStore
    editor_node: Callable[[], Any]
    visible_slice: Callable[[Any, int], int | None]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a "segment" job came to.

    Attributes:
        volume: the image that it was given.
        model: id of the model.
        labels: uint8 (K, J, I) on the volume's grid.
        segments: what the values mean.
        doubt: of each slice.
        plane, slice_axis: in which the slices lie: the anatomical plane, and the array's axis.
        notes: sentences for the user.
    """

    volume: VolumeSnapshot
    model: str
    labels: NDArray[np.uint8]
    segments: tuple[Segment, ...]
    doubt: tuple[float, ...]
    plane: SliceAxis
    slice_axis: int
    notes: tuple[str, ...]

    @classmethod
    def of(cls, handle: JobHandle, volume: VolumeSnapshot) -> Prediction:
        """Take the result of a finished job."""
        result = handle.result or {}
        return cls(
            volume=volume,
            model=str(result["model"]),
            labels=handle.take_array(result["labels"]),
            segments=tuple(Segment.from_dict(fields) for fields in result["segments"]),
            doubt=tuple(float(value) for value in result["doubt"]),
            plane=result["plane"],
            slice_axis=int(result["slice_axis"]),
            notes=tuple(result["notes"]),
        )


def apply_prediction(
    prediction: Prediction,
    *,
    volume_node: Any,
    segmentation_node: Any,
    desk: Desk,
    save_undo: bool = True,
) -> list[str]:
    """Write a prediction, and remember it as the one that corrections are told from.

    What is corrected or accepted now, that is also what the user did while the job ran, stays.

    Args:
        prediction: what to write.
        volume_node, segmentation_node: where it belongs.
        desk: masks and undo.
        save_undo: whether to make it a step that Undo takes back.

    Returns:
        Notes for the user, as plain sentences.

    Raises:
        InputError: if the volume has another size now, slices were judged elsewhere, or the
            segmentation cannot be written any more.
    """
    notes = [changed_since(volume_node, prediction.volume), *prediction.notes]
    axis = prediction.slice_axis
    # Before missing segments are added: one that was removed is no correction of every slice.
    present = segments_of_model(segmentation_node, prediction.segments)
    protected = judged_slices(segmentation_node, present, volume_node, axis)
    require_writable(segmentation_node, volume_node, desk.editor_node())
    if save_undo:  # before segments are added, which Undo then takes away
        desk.undo.save(segmentation_node)
    ids = ensure_segments(segmentation_node, prediction.segments)
    report = write_prediction(
        segmentation_node,
        prediction.labels,
        ids,
        volume_node,
        protected_slices=protected,
        axis=axis,
        editor_node=desk.editor_node(),
    )
    ReviewHistory(segmentation_node, ids.values()).record_prediction(
        model=prediction.model,
        plane=prediction.plane,
        slice_axis=axis,
        doubt=prediction.doubt,
        segment_ids=ids,
        volume_node=volume_node,
        protected_slices=protected,
    )
    return [note for note in (*notes, _kept(report)) if note]


def _kept(report: WritingReport) -> str:
    if not report.kept_voxels:
        return ""
    return _(
        "{count} voxels stay as they were, because segments are locked (completed) or the Segment "
        "Editor has a mask; unlock them or take the mask away, and segment again."
    ).format(count=report.kept_voxels)
