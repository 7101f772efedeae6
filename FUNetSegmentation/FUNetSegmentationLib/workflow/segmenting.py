"""Segmenting a volume, and predicting segmentations again with a newer model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funet.errors import FunetError
from funet.models.manifest import Manifest
from funet.worker.handle import JobHandle

from ..scene.history import ReviewHistory
from ..scene.segmentation_nodes import alive, create_segmentation
from ..scene.volumes import VolumeSnapshot, slice_axis_of, snapshot
from ..scene.writing import require_writable
from ..translation import tr as _
from .applying import Desk, Prediction, apply_prediction
from .first_slice import FirstSlice
from .job_data import describe_volume
from .known_slices import known_labels
from .task import JobStep, Steps, Task


def segment_steps(
    task: Task,
    *,
    volume_node: Any,
    segmentation_node: Any | None,
    model: Manifest,
    device: str,
    desk: Desk,
) -> Steps:
    """Segment a volume; the result is the segmentation node, a new one if none is given.

    Raises:
        InputError: if the volume cannot be segmented, or the segmentation cannot be written.
    """
    volume = snapshot(volume_node)
    target, known = segmentation_node, None
    if target is not None:
        require_writable(target, volume_node, desk.editor_node())  # now, not when the work is done
        known = known_labels(target, volume_node, volume.geometry, model)
    handle = yield _segment_job(volume, model, device, known=known)
    if target is None:
        target = create_segmentation(volume_node, f"{volume.name} {model.name}")
    notes = apply_prediction(
        Prediction.of(handle, volume),
        volume_node=volume_node,
        segmentation_node=target,
        desk=desk,
        save_undo=segmentation_node is not None,
    )
    task.take_notes(notes)
    return target


def predict_steps(
    _task: Task,
    segmentation_node: Any,
    model: Manifest,
    device: str,
    slices: Iterable[int] | None = None,
) -> Steps:
    """Predict the volume of a segmentation without writing anything.

    Args:
        segmentation_node: with the volume that it was made on.
        model: the description of the model to use.
        device: where to compute.
        slices: those of the corrected and accepted ones to rely on; all if ``None``.

    Returns:
        By way of the task an :class:`~.applying.Prediction`.
    """
    volume_node = ReviewHistory(segmentation_node).volume_node
    volume = snapshot(volume_node)
    known = known_labels(segmentation_node, volume_node, volume.geometry, model, slices)
    handle = yield _segment_job(volume, model, device, known=known)
    return Prediction.of(handle, volume)


def update_steps(
    task: Task,
    segmentation_nodes: Sequence[Any],
    *,
    model: Manifest,
    device: str,
    desk: Desk,
    start: float = 0.0,
) -> Steps:
    """Predict segmentations again, the visible slice of each first; untouched slices change.

    A segmentation that left the scene is skipped; of one that fails, a note tells.

    Args:
        task: takes the notes.
        segmentation_nodes: each with the volume that it was made on.
        model: the description of the model to use.
        device: where to compute.
        desk: undo, masks and the visible slice.
        start: the share of the task that is done before.
    """
    width = (1.0 - start) / max(1, len(segmentation_nodes))
    for number, node in enumerate(segmentation_nodes):
        volume_node = ReviewHistory(node).volume_node if alive(node) else None
        if not alive(volume_node):
            continue
        begin = start + number * width
        try:
            yield from _update_one(
                task, node, volume_node, model, device, desk, (begin, begin + width)
            )
        except FunetError as error:
            task.note(
                _("{name} was not updated: {reason}").format(name=node.GetName(), reason=error)
            )


def _update_one(
    task: Task,
    node: Any,
    volume_node: Any,
    model: Manifest,
    device: str,
    desk: Desk,
    part: tuple[float, float],
) -> Steps:
    volume = snapshot(volume_node)
    require_writable(node, volume_node, desk.editor_node())
    axis = slice_axis_of(volume.geometry, model.preprocessing.slice_axis)
    first = FirstSlice(node, volume_node, model, axis, desk)
    try:
        handle = yield _segment_job(
            volume,
            model,
            device,
            known=known_labels(node, volume_node, volume.geometry, model),
            first_slice=desk.visible_slice(volume_node, axis),
            on_metric=first.show,
            part=part,
        )
    except Exception:
        first.take_back()
        raise
    if alive(node) and alive(volume_node):
        notes = apply_prediction(
            Prediction.of(handle, volume),
            volume_node=volume_node,
            segmentation_node=node,
            desk=desk,
            save_undo=not first.undoable,
        )
        task.take_notes(notes)


def _segment_job(
    volume: VolumeSnapshot,
    model: Manifest,
    device: str,
    *,
    known: NDArray[np.uint8] | None = None,
    first_slice: int | None = None,
    on_metric: Callable[[JobHandle, dict[str, Any]], None] | None = None,
    part: tuple[float, float] = (0.0, 1.0),
) -> JobStep:
    arrays: dict[str, NDArray[Any]] = {"volume": volume.array}
    if known is not None:
        arrays["known"] = known
    return JobStep(
        "segment",
        {
            "model": model.id,
            "device": device,
            "volume": describe_volume(volume),
            "first_slice": first_slice,
            "known": known is not None,
        },
        arrays,
        on_metric=on_metric,
        start=part[0],
        stop=part[1],
    )
