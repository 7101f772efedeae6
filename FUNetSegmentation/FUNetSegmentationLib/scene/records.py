"""What a segmentation node remembers of its predictions, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
class Marks:
    """What the reader said of slices, each with the content that it was said of.

    Attributes:
        slice_axis: axis of the volume's array along which the slices lie.
        by_slice: state and digests by segment ID.
    """

    slice_axis: int
    by_slice: Mapping[int, tuple[SliceState, Mapping[str, str]]]

    def valid(self, content: ContentDigests) -> dict[int, SliceState]:
        """The states of the slices whose content is the one that they were given for."""
        return {
            index: state
            for index, (state, digests) in self.by_slice.items()
            if all(digests.get(key) == text for key, text in content.of_slice(index).items())
        }

    def with_mark(self, index: int, state: SliceState, content: ContentDigests) -> Marks:
        """The marks with one more."""
        return replace(self, by_slice={**self.by_slice, index: (state, content.of_slice(index))})

    def to_json(self) -> dict[str, Any]:
        """The marks as JSON has them; the opposite of :meth:`from_json`."""
        return {
            "slice_axis": self.slice_axis,
            "by_slice": {str(index): list(mark) for index, mark in self.by_slice.items()},
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Marks:
        """Read what :meth:`to_json` wrote."""
        return cls(
            fields["slice_axis"],
            {int(index): (mark[0], mark[1]) for index, mark in fields["by_slice"].items()},
        )
