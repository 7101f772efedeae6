"""Label maps, what their values mean, and how 3D Slicer writes that down in ``.seg.nrrd`` files.

Such a file is an NRRD image with text fields in its header. Every segment has a label value in one
layer; segments that overlap need several layers, which are the components of vector voxels.
"""

from __future__ import annotations

import colorsys
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .geometry import Geometry

MAX_LABEL = 254
# The label of pixels that nobody judged: they count neither in losses nor in metrics.
IGNORE_LABEL = 255

# Values in Slicer's files are 16-bit at most in practice; this bounds the look-up tables.
_MAX_STORED_VALUE = 65535
_FIELD = re.compile(r"Segment(\d{1,5})_(?:ID|Name|LabelValue)")
_GOLDEN_TURN = 0.618034
_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
_CATEGORY = "SCT^123037004^Anatomical Structure"
_NO_REGION = "Anatomic codes - DICOM master list~^^~^^"


@dataclass(frozen=True)
class Code:
    """A term of a medical vocabulary, for instance ("SCT", "61962009", "Midbrain").

    Attributes:
        scheme: short name of the vocabulary; "SCT" is SNOMED CT.
        value: the code.
        meaning: the term in words.
    """

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Segment:
    """What one label value means.

    Attributes:
        value: the label value, 1 to 254.
        name: what people see.
        color: red, green and blue, 0 to 255.
        terminology: the structure in a medical vocabulary, if it is known.

    Raises:
        InputError: if the value or the colour is out of range.
    """

    value: int
    name: str
    color: tuple[int, int, int]
    terminology: Code | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Segment:
        """Return the structure of which :func:`dataclasses.asdict`, perhaps as JSON, is given."""
        red, green, blue = fields["color"]
        code = fields.get("terminology")
        return cls(
            value=int(fields["value"]),
            name=str(fields["name"]),
            color=(int(red), int(green), int(blue)),
            terminology=Code(**code) if code else None,
        )

    def __post_init__(self) -> None:
        if not 1 <= self.value <= MAX_LABEL:
            raise InputError(
                f"The label value of {self.name} must be from 1 to {MAX_LABEL}, not {self.value}."
            )
        if len(self.color) != 3 or not all(0 <= part <= 255 for part in self.color):
            raise InputError(
                f"The colour of {self.name} must be three numbers from 0 to 255, not {self.color}."
            )


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label for every voxel.

    Attributes:
        array: uint8 (K, J, I), 0 is background, at most 254.
        geometry: the grid.
        segments: what the values mean, one for each value that is named; empty if none is.
        overlapping_voxels: how many voxels more than one segment claimed in the file that this was
            read from; the later segment has them.

    Raises:
        InputError: if the array does not fit the grid or two segments have the same value.
    """

    array: NDArray[np.uint8]
    geometry: Geometry
    segments: tuple[Segment, ...] = ()
    overlapping_voxels: int = 0

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape or self.array.dtype != np.uint8:
            raise InputError(
                f"A label map must be uint8 of shape {self.geometry.shape}, not {self.array.dtype} "
                f"of shape {self.array.shape}."
            )
        counts = Counter(segment.value for segment in self.segments)
        if shared := [value for value, count in counts.items() if count > 1]:
            raise InputError(f"Two segments have the label value {shared[0]}; use different ones.")


def overlap_note(label_map: LabelMap, path: Path) -> str:
    """What the user should know of voxels that several segments of a file claim; may be empty."""
    if not label_map.overlapping_voxels:
        return ""
    return (
        f"{label_map.overlapping_voxels} voxels of {path} belong to several segments; the last of "
        "them has them."
    )


def default_color(value: int) -> tuple[int, int, int]:
    """A colour for a label value without one; neighbouring values differ clearly."""
    red, green, blue = colorsys.hsv_to_rgb(value * _GOLDEN_TURN % 1, 0.75, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


@dataclass(frozen=True)
class StoredSegment:
    """A segment as a ``.seg.nrrd`` file describes it.

    Attributes:
        layer: index of the voxel component that holds it.
        stored_value: its label value in that layer; other layers may use the same.
        name, color, terminology: as in :class:`Segment`; the colour is ``None`` if none is given.
    """

    layer: int
    stored_value: int
    name: str
    color: tuple[int, int, int] | None
    terminology: Code | None


def stored_segments(header: Mapping[str, str]) -> tuple[StoredSegment, ...]:
    """Read the segments from the text fields of a ``.seg.nrrd`` file.

    Args:
        header: the fields; those that do not describe segments are ignored.

    Returns:
        The segments in the order of the file; empty if the file describes none.

    Raises:
        InputError: if a label value or a layer is not a number in range.
    """
    numbers = {int(match[1]) for key in header if (match := _FIELD.fullmatch(key))}
    return tuple(_stored_segment(header, number) for number in sorted(numbers))


def _stored_segment(header: Mapping[str, str], number: int) -> StoredSegment:
    def field(name: str, default: str = "") -> str:
        return header.get(f"Segment{number}_{name}", default).strip()

    tags = dict(tag.split(":", 1) for tag in field("Tags").split("|") if ":" in tag)
    return StoredSegment(
        # The defaults are those of Slicer up to 4.10, which gave every segment its own layer.
        layer=_whole_number(field("Layer", str(number)), 0, f"layer of segment {number}"),
        stored_value=_whole_number(field("LabelValue", "1"), 1, f"value of segment {number}"),
        name=field("Name") or field("ID") or f"Segment {number + 1}",
        color=_parse_color(field("Color")),
        terminology=parse_terminology(tags.get("TerminologyEntry", "")),
    )


def _whole_number(text: str, low: int, what: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= _MAX_STORED_VALUE:
        raise InputError(
            f"The {what} must be a whole number from {low} to {_MAX_STORED_VALUE}, not {text!r}."
        )
    return int(text)


def _parse_color(text: str) -> tuple[int, int, int] | None:
    try:
        red, green, blue = (round(min(max(float(part), 0.0), 1.0) * 255) for part in text.split())
    except ValueError:  # a damaged colour is no reason to refuse somebody's work
        return None
    return red, green, blue


def parse_terminology(text: str) -> Code | None:
    """The type in a terminology entry of 3D Slicer, ``None`` if it names none.

    Args:
        text: "context~category~type~modifier~region context~region~region modifier", where a term
            is "scheme^value^meaning".
    """
    parts = text.split("~")
    term = parts[2].split("^") if len(parts) > 2 else []
    if len(term) != 3 or not all(term):
        return None
    return Code(*term)


def format_terminology(code: Code) -> str:
    """The terminology entry of 3D Slicer for a structure: the inverse of parsing.

    Characters that separate the parts of an entry become spaces.
    """
    scheme, value, meaning = (
        re.sub(r"[~^|\s]+", " ", part).strip() for part in (code.scheme, code.value, code.meaning)
    )
    return f"{_CONTEXT}~{_CATEGORY}~{scheme}^{value}^{meaning}~^^~{_NO_REGION}"


def flatten_layers(
    layers: NDArray[Any], stored: Sequence[StoredSegment]
) -> tuple[NDArray[np.uint8], tuple[Segment, ...], int]:
    """Merge the layers of a ``.seg.nrrd`` file into one label map.

    Label values stay as they are where they are unique and at most 254; otherwise all segments
    are numbered from 1 in their order. Voxels that no segment claims become background, as they
    are in 3D Slicer.

    Args:
        layers: integers (K, J, I, layers).
        stored: at least one segment.

    Returns:
        The labels uint8 (K, J, I), the segments, and how many voxels more than one claimed.

    Raises:
        InputError: if there are too many segments, or one is in a layer that does not exist.
    """
    if len(stored) > MAX_LABEL:
        raise InputError(f"The file has {len(stored)} segments; at most {MAX_LABEL} can be used.")
    if missing := [one for one in stored if one.layer >= layers.shape[-1]]:
        raise InputError(
            f"The segment {missing[0].name} is in layer {missing[0].layer}, but the file has only "
            f"{layers.shape[-1]}."
        )
    segments = _numbered(stored)
    values = np.array([0, *(segment.value for segment in segments)], np.uint8)
    tables = _look_up_tables(stored)
    labels = np.zeros(layers.shape[:-1], np.uint8)
    overlapping = 0
    for plane, plane_labels in zip(layers, labels, strict=True):  # keeps temporary arrays small
        rank, claims = np.zeros((2, *plane_labels.shape), np.uint8)
        for layer, (ranks, counts) in tables.items():
            voxels = plane[..., layer]
            voxels = np.where((voxels >= 0) & (voxels <= _MAX_STORED_VALUE), voxels, 0)
            np.maximum(rank, ranks[voxels], out=rank)  # the later segment wins
            claims += counts[voxels]
        plane_labels[...] = values[rank]
        overlapping += int((claims > 1).sum())
    return labels, segments, overlapping


def _look_up_tables(
    stored: Sequence[StoredSegment],
) -> dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """For each layer, the last segment (from 1) with a stored value, and how many have it."""
    tables: dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {}
    for number, one in enumerate(stored, 1):
        if one.layer not in tables:
            size = _MAX_STORED_VALUE + 1
            tables[one.layer] = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        ranks, counts = tables[one.layer]
        ranks[one.stored_value] = number
        counts[one.stored_value] += 1
    return tables


def _numbered(stored: Sequence[StoredSegment]) -> tuple[Segment, ...]:
    values = [one.stored_value for one in stored]
    if len(set(values)) < len(values) or max(values) > MAX_LABEL:
        values = list(range(1, len(stored) + 1))
    return tuple(
        Segment(value, one.name, one.color or default_color(value), one.terminology)
        for value, one in zip(values, stored, strict=True)
    )


def segmentation_header(label_map: LabelMap) -> dict[str, str]:
    """The text fields of a ``.seg.nrrd`` file, as 3D Slicer writes them.

    Label values without a segment get one, so that none of their voxels is invisible.
    """
    grid = label_map.geometry
    named = {segment.value for segment in label_map.segments}
    found = {int(value) for plane in label_map.array for value in np.unique(plane)}
    unnamed = sorted(found - named - {0})
    extent = " ".join(f"0 {count - 1}" for count in reversed(grid.shape))
    header = {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
        "Segmentation_ConversionParameters": _reference_geometry(grid),
    }
    segments = [
        *label_map.segments,
        *(Segment(value, f"Segment {value}", default_color(value)) for value in unnamed),
    ]
    for number, segment in enumerate(segments):
        fields = {
            "ID": f"Segment_{segment.value}",
            "Name": segment.name,
            "NameAutoGenerated": "0",
            "Color": " ".join(f"{part / 255:.6g}" for part in segment.color),
            "ColorAutoGenerated": "0",
            # Slicer cuts a layer to the extent of its first segment, so all have the whole image.
            "Extent": extent,
            "LabelValue": str(segment.value),
            "Layer": "0",
        }
        if segment.terminology is not None:
            fields["Tags"] = f"TerminologyEntry:{format_terminology(segment.terminology)}|"
        header |= {f"Segment{number}_{key}": value for key, value in fields.items()}
    return header


def _reference_geometry(grid: Geometry) -> str:
    """The conversion parameter that holds the IJK to RAS matrix and the extent of the grid."""
    ijk_to_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine
    extent = [end for count in reversed(grid.shape) for end in (0, count - 1)]
    numbers = [*(repr(float(number)) for number in ijk_to_ras.ravel()), *map(str, extent)]
    return f"Reference image geometry|{';'.join(numbers)};|Geometry of the volume.&"
