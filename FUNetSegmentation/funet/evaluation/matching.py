"""Which structure of a prediction is which of its reference.

Two files may number the same structures differently, so structures are told apart by their names
where files have names, capital letters or not, and by their values where not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..images.segmentations import IGNORE_LABEL, LabelMap, Segment

_BY_VALUE = (
    "Only the {named} name their structures, so these were matched with the {others} by their "
    "label values."
)


@dataclass(frozen=True, eq=False)
class MatchedLabels:
    """A prediction and its reference whose values mean the same.

    Attributes:
        predicted, expected: the labels.
        names: of the structures to score, by value.
        note: what the user should know, as a plain sentence; empty if there is nothing.
    """

    predicted: NDArray[np.integer]
    expected: NDArray[np.integer]
    names: dict[int, str]
    note: str = ""


def match_labels(
    predicted: LabelMap, expected: LabelMap, files: tuple[Path, Path]
) -> MatchedLabels:
    """Match all structures that a prediction or its reference shows or names.

    Args:
        predicted, expected: the labels of both.
        files: their files, for messages.

    Returns:
        Labels with the values of the reference; what only the prediction has gets a value that is
        free, its own if possible.

    Raises:
        InputError: if a file has two structures of one name, or both have names of their own for
            what may be the same structure.
    """
    if not (predicted.segments and expected.segments):
        return _matched_by_value(predicted, expected)
    ours, theirs = _names_of(predicted, files[0]), _names_of(expected, files[1])
    if (value := _contradiction(ours, theirs)) is not None:
        raise InputError(
            f"Label {value} is {ours[value]} in {files[0]} and {theirs[value]} in {files[1]}; "
            "if they are the same structure, give it one name."
        )
    if not _folded(ours) & _folded(theirs):
        raise InputError(
            f"{files[0]} names {', '.join(ours.values())}, but {files[1]} names "
            f"{', '.join(theirs.values())}; give the structures that belong together one name."
        )
    number = {name.casefold(): value for value, name in theirs.items()}
    names = dict(theirs)
    for value, name in ours.items():
        if name.casefold() not in number:
            new = next(n for n in (value, *range(1, 512)) if n not in names and n != IGNORE_LABEL)
            number[name.casefold()], names[new] = new, name
    table = {value: number[name.casefold()] for value, name in ours.items()}
    return MatchedLabels(
        _renumbered(predicted.array, table), expected.array, dict(sorted(names.items()))
    )


def match_to_segments(
    label_map: LabelMap,
    file: Path,
    segments: Sequence[Segment],
    label_values: Sequence[int] = (),
) -> NDArray[np.integer]:
    """Return labels with the values of given structures; all else becomes background.

    Args:
        label_map: the labels.
        file: where they come from, for messages.
        segments: the structures.
        label_values: values of the structures in a file without names; their own if empty.

    Raises:
        InputError: if the file has two structures of one name, or names none of those given, or
            has another name for what may be one of them.
    """
    wanted = {segment.value: segment.name for segment in segments}
    if not label_map.segments:
        return _renumbered(label_map.array, dict(zip(label_values or wanted, wanted, strict=True)))
    named = _names_of(label_map, file)
    shown = {int(v): named[v] for v in np.unique(label_map.array).tolist() if v in named}
    strange = _contradiction(shown, wanted) is not None
    if strange or (shown and not _folded(named) & _folded(wanted)):
        raise InputError(
            f"{file} names {_listed(named)}, but the structures to score are {_listed(wanted)}; "
            "call them as the file does."
        )
    number = {name.casefold(): value for value, name in wanted.items()}
    table = {value: number.get(name.casefold(), 0) for value, name in named.items()}
    return _renumbered(label_map.array, table)


def _matched_by_value(predicted: LabelMap, expected: LabelMap) -> MatchedLabels:
    used = np.union1d(np.unique(predicted.array), np.unique(expected.array))
    names = {int(value): f"label {value}" for value in used if value}
    names |= {segment.value: segment.name for segment in (*predicted.segments, *expected.segments)}
    note = ""
    if predicted.segments:
        note = _BY_VALUE.format(named="predictions", others="references")
    elif expected.segments:
        note = _BY_VALUE.format(named="references", others="predictions")
    return MatchedLabels(predicted.array, expected.array, dict(sorted(names.items())), note)


def _names_of(label_map: LabelMap, file: Path) -> dict[int, str]:
    names = {segment.value: segment.name for segment in label_map.segments}
    if len(_folded(names)) < len(names):
        raise InputError(f"{file} has two segments of one name; rename or merge them.")
    return names


def _folded(names: Mapping[int, str]) -> set[str]:
    return {name.casefold() for name in names.values()}


def _contradiction(one: Mapping[int, str], other: Mapping[int, str]) -> int | None:
    """A value for which each side has a name that the other does not know at all."""
    for value in one.keys() & other.keys():
        strange = one[value].casefold() not in _folded(other)
        if strange and other[value].casefold() not in _folded(one):
            return value
    return None


def _listed(names: Mapping[int, str]) -> str:
    return ", ".join(f"{value} ({name})" for value, name in sorted(names.items()))


def _renumbered(array: NDArray[np.integer], table: Mapping[int, int]) -> NDArray[np.integer]:
    values = np.zeros(256, np.min_scalar_type(max(table.values(), default=0)))
    for old, new in table.items():
        values[old] = new
    renumbered: NDArray[np.integer] = values[array]
    return renumbered
