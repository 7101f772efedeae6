"""The structures in the description of a model: written, and read strictly."""

from __future__ import annotations

from dataclasses import asdict

from ..images.segmentations import Code, Segment
from ..strict_json import JsonObject, Record

LONGEST_NAME = 200
MOST_SEGMENTS = 254


def read_segments(record: Record, source: str, count: int) -> tuple[Segment, ...]:
    """Return the structures of a description, checked.

    Args:
        record: the description.
        source: the file, for messages.
        count: how many structures the network knows.

    Raises:
        ModelError: if one is wrong, their values are not 1 to ``count``, or a name comes twice.
    """
    segments = tuple(
        _segment(item, source, f"segments[{index}]")
        for index, item in enumerate(record.items("segments", MOST_SEGMENTS))
    )
    if [segment.value for segment in segments] != list(range(1, count + 1)):
        record.refuse("segments", f"must have the values 1 to {count} in order, as the network has")
    if len({segment.name for segment in segments}) < count:
        record.refuse("segments", "must have different names")
    return segments


def segment_to_json(segment: Segment) -> JsonObject:
    """Return a structure as descriptions hold it."""
    return {
        "value": segment.value,
        "name": segment.name,
        "color": list(segment.color),
        "terminology": None if segment.terminology is None else asdict(segment.terminology),
    }


def _segment(item: object, source: str, path: str) -> Segment:
    record = Record(item, ("value", "name", "color", "terminology"), source, path)
    color = record.items("color", 3)
    parts = [part for part in color if type(part) is int and 0 <= part <= 255]
    if len(parts) != 3 or len(color) != 3:
        record.refuse("color", "must be three whole numbers from 0 to 255")
    code = record.raw("terminology")
    return Segment(
        value=record.integer("value", 1, MOST_SEGMENTS),
        name=record.text("name", LONGEST_NAME),
        color=(parts[0], parts[1], parts[2]),
        terminology=None if code is None else _code(code, source, f"{path}.terminology"),
    )


def _code(item: object, source: str, path: str) -> Code:
    record = Record(item, ("scheme", "value", "meaning"), source, path)
    return Code(
        scheme=record.text("scheme", 64),
        value=record.text("value", 64),
        meaning=record.text("meaning", LONGEST_NAME),
    )
