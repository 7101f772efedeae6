"""The slice that the user looks at is updated at once, before the rest of the volume."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funet.errors import InputError
from funet.models.manifest import Manifest
from funet.worker.handle import JobHandle

from ..scene.history import ReviewHistory
from ..scene.labels import ContentDigests, content_digests, read_labels
from ..scene.segmentation_nodes import alive, existing_segments
from ..scene.structures import segments_of_model
from ..scene.volumes import voxel_box
from ..scene.writing import draw_slices, write_prediction
from .applying import Desk
from .judged import judged_slices


@dataclass(frozen=True, eq=False)
class _Before:
    """What a slice was before it was written.

    Attributes:
        index: the slice.
        labels: uint8 (K, J, I) of the whole volume.
        segment_ids: the segment of each label value.
        predictions: which prediction each segment went back to.
    """

    index: int
    labels: NDArray[np.uint8]
    segment_ids: Mapping[int, str]
    predictions: Mapping[str, int | None]


class FirstSlice:
    """Writes the first slice of a prediction as soon as it is known.

    Args:
        segmentation_node, volume_node: where it belongs.
        model: what predicts it.
        axis: axis of the volume's (K, J, I) array along which the slices lie.
        desk: masks and undo.
    """

    def __init__(
        self, segmentation_node: Any, volume_node: Any, model: Manifest, axis: int, desk: Desk
    ) -> None:
        self._before: _Before | None = None
        self._written: ContentDigests | None = None  # the node once it was written
        self._node = segmentation_node
        self._volume_node = volume_node
        self._model = model
        self._axis = axis
        self._desk = desk

    @property
    def undoable(self) -> bool:
        """Whether the state saved before it was written is still the one that Undo is to give back.

        What the user has drawn since would go with it, so that a state of its own is needed then.
        """
        with suppress(InputError):  # what is wrong, the rest of the prediction will tell
            return self._written is not None and self._content() == self._written
        return False

    def _content(self) -> ContentDigests:
        segments = existing_segments(self._node)
        return content_digests(self._node, segments, self._volume_node, self._axis)

    def show(self, handle: JobHandle, values: dict[str, Any]) -> None:
        """Take a metric event of the job that names the slice and its labels.

        What is shown counts as predicted from then on, so that only what the user changes after
        that is a correction.
        """
        index, plane = int(values["slice"]), handle.take_array(values["labels"])
        # What is wrong, the whole prediction will tell.
        with suppress(InputError):
            self._write(index, plane)

    def take_back(self) -> None:
        """Let the slice be as it was, since the rest does not come; what was drawn since stays."""
        before, self._before = self._before, None
        if before is None or not (alive(self._node) and alive(self._volume_node)):
            return
        with suppress(InputError):  # the reason why the rest does not come counts
            if before.index not in self._judged(before.segment_ids):
                draw_slices(
                    self._node,
                    before.labels,
                    before.segment_ids,
                    self._volume_node,
                    self._axis,
                    [before.index],
                )
        ReviewHistory(self._node).return_to(before.predictions)

    def _judged(self, segment_ids: Mapping[int, str]) -> tuple[int, ...]:
        return judged_slices(self._node, segment_ids, self._volume_node, self._axis)

    def _write(self, index: int, plane: NDArray[np.uint8]) -> None:
        found = segments_of_model(self._node, self._model.segments)
        ids = {value: one for value, one in found.items() if one is not None}
        shape = voxel_box(self._volume_node).shape
        if len(ids) < len(found) or plane.shape != tuple(np.delete(shape, self._axis)):
            return
        history = ReviewHistory(self._node, ids.values())
        protected = self._judged(ids)
        if index in protected or history.slice_axis != self._axis:
            return
        before = _Before(
            index,
            read_labels(self._node, ids, self._volume_node).labels,
            ids,
            history.predictions_of(ids.values()),
        )
        labels = np.zeros(shape, np.uint8)
        np.moveaxis(labels, self._axis, 0)[index] = plane
        self._desk.undo.save(self._node)
        self._before = before
        write_prediction(
            self._node,
            labels,
            ids,
            self._volume_node,
            protected_slices=protected,
            axis=self._axis,
            editor_node=self._desk.editor_node(),
            only_slices=[index],
        )
        history.record_prediction(
            model=self._model.id,
            plane=self._model.preprocessing.slice_axis,
            slice_axis=self._axis,
            doubt=history.doubt or [0.0] * shape[self._axis],
            segment_ids=ids,
            volume_node=self._volume_node,
            protected_slices=[other for other in range(shape[self._axis]) if other != index],
        )
        self._written = self._content()
