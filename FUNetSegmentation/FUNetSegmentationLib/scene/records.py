"""What a segmentation node remembers of its predictions, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from funet.images.geometry import SliceAxis
from funet.prediction.review import SliceState

from .labels import ContentDigests


@dataclass(frozen=True)
class Record:
    """A prediction.

    Attributes:
        number: later predictions have greater ones.
        model: ID of the model.
        plane: the anatomical plane of the slices.
        slice_axis: axis of the volume's array along which the slices lie.
        doubt: of every slice.
        segment_ids: the segment of each label value.
        predicted: what was predicted, by segment and slice.
        place: the matrix from indices of the volume to RAS mm of the segmentation, row by row.
    """

    number: int
    model: str
    plane: SliceAxis
    slice_axis: int
    doubt: tuple[float, ...]
    segment_ids: Mapping[int, str]
    predicted: ContentDigests
    place: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """The record as JSON has it; the opposite of :meth:`from_json`."""
        return {
            "number": self.number,
            "model": self.model,
            "plane": self.plane,
            "slice_axis": self.slice_axis,
            "doubt": self.doubt,
            "segment_ids": {str(value): one for value, one in self.segment_ids.items()},
            "predicted": self.predicted.by_segment,
            "place": self.place,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Record:
        """Read what :meth:`to_json` wrote."""
        return cls(
            number=fields["number"],
            model=fields["model"],
            plane=fields["plane"],
            slice_axis=fields["slice_axis"],
            doubt=tuple(fields["doubt"]),
            segment_ids={int(value): one for value, one in fields["segment_ids"].items()},
            predicted=ContentDigests(
                {segment_id: tuple(texts) for segment_id, texts in fields["predicted"].items()}
            ),
            place=tuple(fields["place"]),
        )


@dataclass(frozen=True)
class Mark:
    """What the reader said of a slice.

    Attributes:
        slice_axis: axis of the volume's array along which the slices lie.
        index: the slice.
        state: what it is.
        digests: the content that this was said of, by segment ID.
    """

    slice_axis: int
    index: int
    state: SliceState
    digests: Mapping[str, str]

    def replaces(self, other: Mark) -> bool:
        """Whether the other one was said of the same slice of the same segments."""
        same_slice = (self.slice_axis, self.index) == (other.slice_axis, other.index)
        return same_slice and self.digests.keys() == other.digests.keys()


@dataclass(frozen=True)
class Marks:
    """All that the reader said of slices, in that order.

    Attributes:
        said: one mark for each slice of each set of segments.
    """

    said: tuple[Mark, ...] = ()

    def valid(self, slice_axis: int, content: ContentDigests) -> dict[int, SliceState]:
        """The states of the slices whose content is the one that they were given for."""
        return {
            mark.index: mark.state
            for mark in self.said
            if mark.slice_axis == slice_axis and content.shows(mark.index, mark.digests)
        }

    def with_mark(self, mark: Mark) -> Marks:
        """The marks with one more, instead of what was said before of the same."""
        return Marks((*(one for one in self.said if not mark.replaces(one)), mark))

    def to_json(self) -> list[list[Any]]:
        """The marks as JSON has them; the opposite of :meth:`from_json`."""
        return [[mark.slice_axis, mark.index, mark.state, mark.digests] for mark in self.said]

    @classmethod
    def from_json(cls, rows: Iterable[Sequence[Any]]) -> Marks:
        """Read what :meth:`to_json` wrote."""
        return cls(tuple(Mark(*row) for row in rows))
