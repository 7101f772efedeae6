"""Which segment of a segmentation node is which structure of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import vtk

from funet.images.segmentations import (
    Code,
    Segment,
    default_color,
    format_terminology,
    parse_terminology,
)

from .labels import labelmap_of
from .lattices import image_array
from .segmentation_nodes import existing_segments

# JSON: the segment ID of every structure that a model has written here, by its name in lower case.
_ATTRIBUTE = "FUNetSegmentation.Structures"

_TERMINOLOGY = "TerminologyEntry"

# What 3D Slicer says of every segment of which nobody has said anything: "Tissue".
_ANYTHING = ("SCT", "85756007")


def segments_of_model(segmentation_node: Any, segments: Sequence[Segment]) -> dict[int, str | None]:
    """Find the segments that show the structures of a model.

    A structure is the segment that was once made for it, however it is called now; else the one
    with its name, capital letters or not; else the only one with its term of the terminology, if
    no other structure has that.

    Args:
        segmentation_node: the node.
        segments: the structures of the model.

    Returns:
        The segment ID of every label value, ``None`` where there is none.

    Raises:
        InputError: if there is no segmentation.
    """
    existing = existing_segments(segmentation_node)
    remembered = _remembered(segmentation_node)
    found: dict[int, str | None] = {segment.value: None for segment in segments}
    free = dict(existing)

    def take(value: int, candidates: Sequence[str]) -> None:
        if found[value] is None and candidates:
            found[value] = candidates[0]
            free.pop(candidates[0])

    for one in segments:
        segment_id = remembered.get(one.name.casefold(), "")
        take(one.value, [segment_id] if segment_id in free else [])
    for one in segments:
        name = one.name.casefold()
        take(one.value, [key for key, segment in free.items() if _name(segment, key) == name])
    terms = [_code(one.terminology) for one in segments]
    for one, term in zip(segments, terms, strict=True):
        if term is None or terms.count(term) > 1:
            continue  # the parts of an organ: what is drawn may be the whole of it
        same = [key for key, segment in free.items() if _code(_term(segment)) == term]
        take(one.value, same if len(same) == 1 else [])
    return found


def without_segment(found: Mapping[int, str | None], segments: Sequence[Segment]) -> list[str]:
    """The names of the structures for which :func:`segments_of_model` has found no segment."""
    return [segment.name for segment in segments if found[segment.value] is None]


def ensure_segments(segmentation_node: Any, segments: Sequence[Segment]) -> dict[int, str]:
    """Find the segments of a model's structures, and add those that are missing.

    New segments have the name, colour and terminology of the structure. Segments that exist stay
    as they are.

    Args:
        segmentation_node: the node.
        segments: the structures of the model.

    Returns:
        The segment ID of every label value.
    """
    remembered = _remembered(segmentation_node)
    result: dict[int, str] = {}
    for one in segments:
        # Looked up one by one: a segment added for one structure is not the next one's.
        segment_id = segments_of_model(segmentation_node, segments)[one.value]
        result[one.value] = segment_id or _add(segmentation_node, one, remembered)
        remembered[one.name.casefold()] = result[one.value]
        _remember(segmentation_node, remembered)
    return result


def new_structures(names: Sequence[str]) -> tuple[Segment, ...]:
    """Structures 1, 2, … of these names, each in a colour of its own."""
    return tuple(
        Segment(value, name, default_color(value)) for value, name in enumerate(names, start=1)
    )


def drawn_segments(segmentation_node: Any) -> list[tuple[str, Segment]]:
    """Every segment in which something is drawn, as the structures 1, 2, … of a new model.

    Args:
        segmentation_node: the node.

    Returns:
        For each its segment ID and what it shows, in the order of the node.

    Raises:
        InputError: if there is no segmentation.
    """
    drawn = [
        (segment_id, segment)
        for segment_id, segment in existing_segments(segmentation_node).items()
        if _is_drawn(segmentation_node, segment_id)
    ]
    return [
        (segment_id, _described(segment, number, segment_id))
        for number, (segment_id, segment) in enumerate(drawn, start=1)
    ]


def tag(segment: Any, name: str) -> str:
    """A text that is stored with a segment, empty if there is none."""
    text = vtk.reference("")
    return str(text.get()) if segment.GetTag(name, text) else ""


def _is_drawn(segmentation_node: Any, segment_id: str) -> bool:
    image, value = labelmap_of(segmentation_node, segment_id)
    if image is None or image.GetPointData().GetScalars() is None or image.IsEmpty():
        return False
    return bool((image_array(image) == value).any())


def _described(segment: Any, number: int, segment_id: str) -> Segment:
    red, green, blue = (round(255 * min(max(part, 0.0), 1.0)) for part in segment.GetColor())
    return Segment(
        value=number,
        name=segment.GetName() or segment_id,
        color=(red, green, blue),
        terminology=_term(segment),
    )


def _name(segment: Any, segment_id: str) -> str:
    return str(segment.GetName() or segment_id).casefold()


def _code(term: Code | None) -> tuple[str, str] | None:
    return None if term is None else (term.scheme, term.value)


def _term(segment: Any) -> Code | None:
    code = parse_terminology(tag(segment, _TERMINOLOGY))
    return None if code and (code.scheme, code.value) == _ANYTHING else code


def _add(segmentation_node: Any, one: Segment, remembered: Mapping[str, str]) -> str:
    segmentation = segmentation_node.GetSegmentation()
    # The ID that it had before an Undo removed it, so that what is stored about it holds again.
    wanted = remembered.get(one.name.casefold()) or f"Segment_{one.value}"
    color = [part / 255 for part in one.color]
    segment_id = segmentation.AddEmptySegment(
        segmentation.GenerateUniqueSegmentID(wanted), one.name, color
    )
    segment = segmentation.GetSegment(segment_id)
    segment.NameAutoGeneratedOff()
    segment.ColorAutoGeneratedOff()
    if one.terminology is not None:
        segment.SetTag(_TERMINOLOGY, format_terminology(one.terminology))
    return str(segment_id)


def _remembered(segmentation_node: Any) -> dict[str, str]:
    text = segmentation_node.GetAttribute(_ATTRIBUTE)
    return dict(json.loads(text)) if text else {}


def _remember(segmentation_node: Any, structures: Mapping[str, str]) -> None:
    segmentation_node.SetAttribute(_ATTRIBUTE, json.dumps(structures))
