"""Kept predictions and slice states of a segmentation node, stored in the scene.

A record is kept of every prediction: model, doubt, and digests of what was written. Its number
stands in a tag of every segment that it wrote. Undo and Redo bring tags back together with voxels,
and files keep them, so the tags always tell which record the present content goes back to. Two
models may write side by side; the node remembers whose slices are reviewed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsIndex, get_args

import numpy as np

from funet.errors import InputError
from funet.images.geometry import SliceAxis
from funet.prediction.review import SliceState

from ..translation import tr as _
from .labels import ContentDigests, content_digests, on_voxels_of
from .lattices import Matrix, whole_voxels_apart
from .records import Mark, Marks, Record
from .segmentation_nodes import existing_segments, place_of
from .structures import tag
from .volumes import acquisition_axis, plane_of, snapshot, voxel_box

_VOLUME_ROLE = "FUNetSegmentation.volume"
_RECORDS = "FUNetSegmentation.Records"
_MARKS = "FUNetSegmentation.Marks"
_SLICES = "FUNetSegmentation.SliceAxis"
_REVIEWED = "FUNetSegmentation.Reviewed"
_TAG = "FUNetSegmentation.Record"
_MOST_RECORDS = 20


class ReviewHistory:
    """What is known about the slices of one segmentation node.

    All of it is kept in the node, so it may be made anew whenever it is needed. One that is kept
    sees what is written later, and reads again only what has changed. Slices are indices along
    :attr:`slice_axis` of the volume's (K, J, I) array.

    Args:
        segmentation_node: the node.
        segment_ids: only the latest prediction of one of these segments counts; if ``None``, that
            of the segments that are reviewed.

    Raises:
        InputError: if it is not a segmentation.
    """

    def __init__(self, segmentation_node: Any, segment_ids: Iterable[str] | None = None) -> None:
        existing_segments(segmentation_node)
        self._node = segmentation_node
        self._own = None if segment_ids is None else frozenset(segment_ids)
        self._read: tuple[str, tuple[Record, ...]] = ("", ())  # with the text that they stand in

    @property
    def volume_node(self) -> Any:
        """The volume that was segmented, else the one that the segmentation was made for."""
        for role in (_VOLUME_ROLE, self._node.GetReferenceImageGeometryReferenceRole()):
            node = self._node.GetNodeReference(role)
            if node is not None:
                return node
        return None

    @property
    def settled(self) -> bool:
        """Whether its volume is more than a guess: it was predicted, marked, or made for it."""
        made_for = self._node.GetReferenceImageGeometryReferenceRole()
        return (
            self._current() is not None
            or self._node.GetAttribute(_MARKS) is not None
            or self._node.GetNodeReference(made_for) is not None
        )

    @property
    def model(self) -> str | None:
        """ID of the model whose prediction is shown; ``None`` if none is."""
        record = self._current()
        return record.model if record else None

    @property
    def doubt(self) -> tuple[float, ...]:
        """The doubt of every slice of the prediction; empty if there is none."""
        record = self._current()
        return record.doubt if record else ()

    @property
    def slice_axis(self) -> int | None:
        """Axis of the volume's array along which slices are counted.

        That of the prediction; else the one that :meth:`use_slices` chose; else the direction of
        the thickest slices. ``None`` if there is no volume either.
        """
        record = self._current()
        if record:
            return record.slice_axis
        chosen = self._node.GetAttribute(_SLICES)
        if chosen:
            return int(chosen)
        volume_node = self.volume_node
        return None if volume_node is None else acquisition_axis(snapshot(volume_node).geometry)

    @property
    def judged_plane(self) -> SliceAxis | None:
        """The anatomical plane in which slices were predicted or marked; ``None`` if neither."""
        said = self._current() is not None or bool(self._marks().said)
        return self.plane if said else None

    @property
    def forgotten(self) -> bool:
        """Whether segments were predicted, but nothing else is known of that any more.

        So it is where a segmentation was saved without its scene.
        """
        return not set(self._numbers().values()) <= {one.number for one in self._records()}

    @property
    def plane(self) -> SliceAxis | None:
        """The anatomical plane of the slices; ``None`` if there is no volume."""
        axis, volume_node = self.slice_axis, self.volume_node
        if axis is None or volume_node is None:
            return None
        record = self._current()
        return record.plane if record else plane_of(snapshot(volume_node).geometry, axis)

    @property
    def segment_ids(self) -> dict[int, str]:
        """The segment of each label value of the prediction; without one, all segments from 1."""
        record = self._current()
        if record:
            return dict(record.segment_ids)
        return dict(enumerate(existing_segments(self._node), start=1))

    def predicted_together(self, segment_ids: Iterable[str]) -> list[frozenset[str]]:
        """Return which of some segments go back to the same prediction; others are left out."""
        numbers, known = self._numbers(), {one.number for one in self._records()}
        groups: dict[int, set[str]] = {}
        for segment_id in segment_ids:
            if numbers.get(segment_id) in known:
                groups.setdefault(numbers[segment_id], set()).add(segment_id)
        return [frozenset(group) for group in groups.values()]

    def review(self, segment_ids: Iterable[str]) -> None:
        """Review the slices of these segments from now on, if a model has predicted any of them."""
        chosen = sorted(segment_ids)
        if self.predicted_together(chosen):
            self._node.SetAttribute(_REVIEWED, json.dumps(chosen))

    def guess_volume(self, volume_node: Any) -> None:
        """Take a volume as the one that was drawn on, until something shows which it is."""
        self._node.SetNodeReferenceID(_VOLUME_ROLE, volume_node.GetID())

    def use_slices(self, *, volume_node: Any, slice_axis: int) -> None:
        """Choose how the slices of a segmentation drawn by hand are counted.

        Args:
            volume_node: the volume on which it was drawn.
            slice_axis: axis of the volume's array.
        """
        self._node.SetNodeReferenceID(_VOLUME_ROLE, volume_node.GetID())
        self._node.SetAttribute(_SLICES, str(slice_axis))

    def record_prediction(
        self,
        *,
        model: str,
        plane: SliceAxis,
        slice_axis: int,
        doubt: Sequence[float],
        segment_ids: Mapping[int, str],
        volume_node: Any,
        protected_slices: Iterable[int],
    ) -> None:
        """Remember what has just been written, so that later changes to it are found.

        Args:
            model: ID of the model.
            plane: the anatomical plane of the slices.
            slice_axis: axis of the volume's array along which the slices lie.
            doubt: of every slice.
            segment_ids: the segment of each label value.
            volume_node: the volume.
            protected_slices: the slices that were not written; they go on differing from what was
                predicted there before.
        """
        current = self._current()
        self.use_slices(volume_node=volume_node, slice_axis=slice_axis)
        written = content_digests(self._node, segment_ids.values(), volume_node, slice_axis)
        same_slices = current if current and current.slice_axis == slice_axis else None
        records = self._records()
        number = 1 + max((one.number for one in records), default=0)
        record = Record(
            number=number,
            model=model,
            plane=plane,
            slice_axis=slice_axis,
            doubt=tuple(round(float(value), 4) for value in doubt),
            segment_ids=dict(segment_ids),
            predicted=written.replaced(
                protected_slices, same_slices.predicted if same_slices else ContentDigests({})
            ),
            place=tuple(place_of(volume_node, self._node).ravel().tolist()),
        )
        segments = existing_segments(self._node)
        for segment_id in segment_ids.values():
            segments[segment_id].SetTag(_TAG, str(number))
        self._keep([*records, record])
        self.review(segment_ids.values())

    def predictions_of(self, segment_ids: Iterable[str]) -> dict[str, int | None]:
        """Which prediction each of some segments goes back to, for :meth:`return_to`."""
        numbers = self._numbers()
        return {segment_id: numbers.get(segment_id) for segment_id in segment_ids}

    def return_to(self, predictions: Mapping[str, int | None]) -> None:
        """Let segments go back to earlier predictions, of which their content is again."""
        segments = existing_segments(self._node)
        for segment_id in predictions.keys() & segments.keys():
            number = predictions[segment_id]
            if number is None:
                segments[segment_id].RemoveTag(_TAG)
            else:
                segments[segment_id].SetTag(_TAG, str(number))

    def changed_slices(self) -> tuple[int, ...]:
        """The slices that differ from the kept prediction, whatever they are marked as.

        It does not matter which tool changed them. Without a prediction these are all slices in
        which something is drawn.

        Raises:
            InputError: if the volume is gone, or lies under another transform that bends space.
        """
        return self._changed(self._content())

    def states(self) -> dict[int, SliceState]:
        """The slices that are not merely predicted.

        A slice is what it was marked as for as long as its content stays what it was then; other
        slices that differ from the prediction are corrected.

        Raises:
            InputError: as :meth:`changed_slices`.
        """
        content = self._content()
        states: dict[int, SliceState] = dict.fromkeys(self._changed(content), "corrected")
        states |= self._marks().valid(self._axis, content)
        return {index: state for index, state in sorted(states.items()) if state != "predicted"}

    def set_state(self, slice_index: int, state: SliceState) -> None:
        """Mark a slice.

        Args:
            slice_index: the slice.
            state: "corrected" or "accepted"; with "predicted" its present content counts as
                predicted.

        Raises:
            InputError: if there is no such slice or state, or as :meth:`changed_slices`.
        """
        content, axis = self._content(), self._axis
        count = voxel_box(self.volume_node).shape[axis]
        # What NumPy counts with is no number for JSON.
        index = int(slice_index) if isinstance(slice_index, SupportsIndex) else -1
        if state not in get_args(SliceState) or not 0 <= index < count:
            raise InputError(
                _("Slice {index} of {name} cannot be {state}; its slices are 0 to {last}.").format(
                    index=slice_index, name=self._node.GetName(), state=state, last=count - 1
                )
            )
        mark = Mark(axis, index, state, content.of_slice(index))
        self._node.SetAttribute(_MARKS, json.dumps(self._marks().with_mark(mark).to_json()))

    def corrected(self) -> tuple[int, ...]:
        """The slices in the state "corrected"."""
        return tuple(index for index, state in self.states().items() if state == "corrected")

    def accepted(self) -> tuple[int, ...]:
        """The slices in the state "accepted"."""
        return tuple(index for index, state in self.states().items() if state == "accepted")

    def protected(self) -> tuple[int, ...]:
        """The slices that a new prediction must not change: corrected or accepted."""
        return tuple(self.states())

    def _changed(self, content: ContentDigests) -> tuple[int, ...]:
        record = self._current()
        return content.differing(record.predicted) if record else content.drawn()

    @property
    def _axis(self) -> int:
        """The slice axis, where there is a volume; :meth:`_content` sees to that."""
        axis = self.slice_axis
        assert axis is not None
        return axis

    def _content(self) -> ContentDigests:
        volume_node, axis = self.volume_node, self.slice_axis
        if volume_node is None or axis is None:
            raise InputError(
                _(
                    "The volume of the segmentation {name} is not in the scene; load it and choose "
                    "it, or make the segmentation again."
                ).format(name=self._node.GetName())
            )
        record = self._current()
        ids = self.segment_ids.values()
        if record:
            self._require_in_place(record, volume_node)
            # What a later prediction has written is judged by that.
            numbers = self._numbers()
            ids = [one for one in ids if numbers.get(one, record.number) == record.number]
        return content_digests(self._node, ids, volume_node, axis)

    def _require_in_place(self, record: Record, volume_node: Any) -> None:
        """Refuse a volume that is not where it was: every slice would look corrected."""
        whole = voxel_box(volume_node)
        if whole.shape[record.slice_axis] != len(record.doubt):
            raise InputError(
                _(
                    "The volume {volume} has another size than when {name} was predicted; "
                    "segment it into a new segmentation."
                ).format(volume=volume_node.GetName(), name=self._node.GetName())
            )
        then, now = np.array(record.place).reshape(4, 4), place_of(volume_node, self._node)
        apart = whole_voxels_apart(np.linalg.inv(then) @ now, whole)
        if apart == (0, 0, 0):
            return
        # A hardened transform moves both, so that the drawing still lies on the volume's voxels.
        together = on_voxels_of(self._node, record.segment_ids.values(), volume_node)
        if not together or (apart and self._stayed_behind(record, volume_node, then)):
            raise InputError(
                _(
                    "The volume {volume} was moved away from its segmentation {name}; move it back "
                    "or put both under the same transform."
                ).format(volume=volume_node.GetName(), name=self._node.GetName())
            )

    def _stayed_behind(self, record: Record, volume_node: Any, then: Matrix) -> bool:
        """Whether the drawing fits the prediction better where the volume was then."""
        changed_then, changed_now = (
            content_digests(
                self._node, record.segment_ids.values(), volume_node, record.slice_axis, place
            ).differing(record.predicted)
            for place in (then, None)
        )
        return len(changed_then) < len(changed_now)

    def _current(self) -> Record | None:
        """The record that the present content goes back to."""
        numbers = self._numbers()
        if self._own is not None:
            wanted = [numbers[one] for one in self._own if one in numbers]
        else:
            reviewed = json.loads(self._node.GetAttribute(_REVIEWED) or "[]")
            wanted = [numbers[one] for one in reviewed if one in numbers] or [*numbers.values()]
        latest = max(wanted, default=0)
        return next((one for one in self._records() if one.number == latest), None)

    def _numbers(self) -> dict[str, int]:
        """The number of the record that each predicted segment goes back to."""
        tags = {key: tag(one, _TAG) for key, one in existing_segments(self._node).items()}
        return {segment_id: int(text) for segment_id, text in tags.items() if text.isdecimal()}

    def _records(self) -> tuple[Record, ...]:
        text = self._node.GetAttribute(_RECORDS) or ""
        if text != self._read[0]:
            self._read = text, tuple(map(Record.from_json, json.loads(text or "[]")))
        return self._read[1]

    def _keep(self, records: Sequence[Record]) -> None:
        """Store the latest records, and those that the content of some segment goes back to."""
        needed = set(self._numbers().values()) | {one.number for one in records[-_MOST_RECORDS:]}
        kept = [one.to_json() for one in records if one.number in needed]
        self._node.SetAttribute(_RECORDS, json.dumps(kept))

    def _marks(self) -> Marks:
        text = self._node.GetAttribute(_MARKS)
        return Marks.from_json(json.loads(text)) if text else Marks()
