"""The slice that the user looks at is updated at once, before the rest of the volume."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funet.errors import InputError
from funet.models.manifest import Manifest
from funet.worker.handle import JobHandle

from ..scene.history import ReviewHistory
from ..scene.structures import segments_of_model
from ..scene.volumes import voxel_box
from ..scene.writing import write_prediction
from .applying import Desk
from .judged import judged_slices


class FirstSlice:
    """Writes the first slice of a prediction as soon as it is known.

    Args:
        segmentation_node, volume_node: where it belongs.
        model: what predicts it.
        axis: axis of the volume's (K, J, I) array along which the slices lie.
        desk: masks and undo.

    Attributes:
        shown: whether it was written; the state before it is then saved for Undo.
    """

    def __init__(
        self, segmentation_node: Any, volume_node: Any, model: Manifest, axis: int, desk: Desk
    ) -> None:
        self.shown = False
        self._node = segmentation_node
        self._volume_node = volume_node
        self._model = model
        self._axis = axis
        self._desk = desk

    def show(self, handle: JobHandle, values: dict[str, Any]) -> None:
        """Take a metric event of the job that names the slice and its labels.

        What is shown counts as predicted from then on, so that only what the user changes after
        that is a correction.
        """
        index, plane = int(values["slice"]), handle.take_array(values["labels"])
        # What is wrong, the whole prediction will tell.
        with suppress(InputError):
            self._write(index, plane)

    def _write(self, index: int, plane: NDArray[np.uint8]) -> None:
        ids = segments_of_model(self._node, self._model.segments)
        shape = voxel_box(self._volume_node).shape
        if None in ids.values() or plane.shape != tuple(np.delete(shape, self._axis)):
            return
        history = ReviewHistory(self._node, [one for one in ids.values() if one])
        protected = judged_slices(self._node, ids, self._volume_node, self._axis)
        if index in protected or history.slice_axis != self._axis:
            return
        labels = np.zeros(shape, np.uint8)
        np.moveaxis(labels, self._axis, 0)[index] = plane
        self._desk.undo.save(self._node)
        self.shown = True
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
