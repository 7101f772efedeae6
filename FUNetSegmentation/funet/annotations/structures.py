"""What the values in label files mean, brought into line for one model.

A model's structures have the values 1, 2, … without gaps. Label files may have any values, may name
them (``.seg.nrrd``) or not, and two files may number the same structures differently: structures
are told apart by their names where files have names, and by their values where not. Those values
are not always the model's, so they are kept with it for the label files to come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..images.segmentations import IGNORE_LABEL, MAX_LABEL, Segment, default_color
from ..images.volumes import read_label_map
from ..strict_json import shown
from .gathering import GatheredCase
from .samples import SliceSample, class_counts


@dataclass(frozen=True)
class Structures:
    """Samples whose labels are the values of these structures.

    Attributes:
        segments: the structures; their values are 1, 2, ….
        samples: all annotated slices, in the order of the cases.
        notes: what the user should know, as plain sentences.
        sides: longest side of each volume that the samples come from, mm, where it is known.
        label_values: values of the structures in the files, in their order; empty if the files do
            not agree on them, or there are no files.
    """

    segments: tuple[Segment, ...]
    samples: tuple[SliceSample, ...]
    notes: tuple[str, ...] = ()
    sides: tuple[float, ...] = ()
    label_values: tuple[int, ...] = ()


def parse_structures(text: str) -> dict[int, str]:
    """Read names of label values, such as ``"1=Midbrain, 2=Substantia nigra"``.

    Raises:
        InputError: if the text is of another form, or a value or a name occurs twice.
    """
    names: dict[int, str] = {}
    for part in text.split(","):
        value, _, name = (word.strip() for word in part.partition("="))
        if not (value.isascii() and value.isdigit() and 1 <= int(value) <= MAX_LABEL and name):
            raise InputError(
                f"'{shown(part.strip())}' does not name a structure; write the label value and the "
                'name, as in "1=Midbrain,2=Substantia nigra".'
            )
        if int(value) in names or name.casefold() in map(str.casefold, names.values()):
            raise InputError(
                f"'{shown(part.strip())}' repeats a label value or a name; use different ones."
            )
        names[int(value)] = name
    return names


def learn_structures(
    cases: Sequence[GatheredCase], names: Mapping[int, str] | None = None
) -> Structures:
    """Find out which structures the cases show, for a new model.

    Only what is drawn in an annotated slice counts. The values of the model follow the order of
    the values in the files.

    Args:
        cases: the annotated slices of all cases.
        names: names of the values in files that have none; ``"Structure 1"`` and so on if
            ``None``.

    Raises:
        InputError: if nothing is drawn, a value has no name among those given or several, or a
            given name is not drawn at all.
    """
    names = dict(names or {})
    tables = [_named_values(case, names or _names_of_others(cases)) for case in cases]
    lowest: dict[str, int] = {}
    example: dict[str, Segment] = {}
    for table in tables:
        for value, segment in table.items():
            lowest[_key(segment)] = min(value, lowest.get(_key(segment), value))
            example.setdefault(_key(segment), segment)
    if not example:
        raise InputError("No annotated slice shows a structure; draw one in at least one slice.")
    missing = [name for name in names.values() if name.casefold() not in example]
    if missing:
        raise InputError(f"No annotated slice shows {missing[0]}; draw it in at least one slice.")
    keys = sorted(example, key=lambda key: (lowest[key], key))
    segments = tuple(replace(example[key], value=number) for number, key in enumerate(keys, 1))
    samples = _renumbered(cases, tables, segments)
    notes = (*_notes(cases), *_naming_notes(tables, segments, names))
    return Structures(segments, samples, notes, _sides(cases), _label_values(cases, tables, keys))


def _label_values(
    cases: Sequence[GatheredCase], tables: Sequence[Mapping[int, Segment]], keys: Sequence[str]
) -> tuple[int, ...]:
    """The values that files without names give to structures, as far as there are such files."""
    unnamed: dict[str, set[int]] = {}
    named: dict[str, set[int]] = {}
    for case, table in zip(cases, tables, strict=True):
        found = named if case.segments else unnamed
        for value, segment in table.items():
            found.setdefault(_key(segment), set()).add(value)
    values = [value for key in keys for value in unnamed.get(key) or named[key]]
    return tuple(values) if len(set(values)) == len(values) == len(keys) else ()


def _key(segment: Segment) -> str:
    return segment.name.casefold()


def match_structures(
    cases: Sequence[GatheredCase],
    segments: Sequence[Segment],
    model: str,
    label_values: Sequence[int] = (),
) -> Structures:
    """Give the labels of all cases the values that a model uses.

    Files that name their structures are matched by name, capital letters or not; the others by
    value.

    Args:
        cases: the annotated slices of all cases.
        segments: the structures of the model; their values are 1, 2, ….
        model: name of the model, for messages.
        label_values: values of these structures in files without names, see
            :func:`~funet.models.label_values.label_values_of`; the model's if empty.

    Raises:
        InputError: if a slice shows a structure that the model does not know.
    """
    known = _known_values(segments, label_values)
    tables = [_named_values(case, known, model) for case in cases]
    samples = _renumbered(cases, tables, segments, model)
    return Structures(tuple(segments), samples, _notes(cases), _sides(cases))


def _known_values(segments: Sequence[Segment], label_values: Sequence[int]) -> dict[int, str]:
    own = [segment.value for segment in segments]
    names = [segment.name for segment in segments]
    return dict(zip(label_values or own, names, strict=True))


def _named_values(
    case: GatheredCase, names: Mapping[int, str], model: str | None = None
) -> dict[int, Segment]:
    """The structure behind every value that the samples of a case show."""
    named = {segment.value: segment for segment in case.segments}
    table: dict[int, Segment] = {}
    for value in class_counts(case.samples):
        if value == 0:
            continue
        if value in named:
            table[value] = named[value]
        elif value in names:
            table[value] = Segment(value, names[value], default_color(value))
        elif names:
            where = f"the model {model} knows" if model else "are named"
            raise InputError(
                f"{case.labels} holds the label value {value}, but only "
                f"{', '.join(f'{v} ({n})' for v, n in sorted(names.items()))} {where}; "
                "name it, or erase it."
            )
        else:
            table[value] = Segment(value, f"Structure {value}", default_color(value))
    _require_different_names(case.labels, table)
    return table


def _require_different_names(labels: Path, table: Mapping[int, Segment]) -> None:
    seen: dict[str, int] = {}
    for value, segment in table.items():
        other = seen.setdefault(_key(segment), value)
        if other != value:
            raise InputError(
                f"{labels} has two segments called {segment.name}; rename or merge them."
            )


def _names_of_others(cases: Sequence[GatheredCase]) -> dict[int, str]:
    """Names that files give to values, for the files that give none."""
    names: dict[int, str] = {}
    for case in cases:
        for segment in case.segments:
            other = names.setdefault(segment.value, segment.name)
            unnamed = any(not one.segments for one in cases)
            if other.casefold() != _key(segment) and unnamed:
                raise InputError(
                    f"The label value {segment.value} is called {other} in one file and "
                    f"{segment.name} in {case.labels}, and other files name nothing; give all "
                    "files as .seg.nrrd with names."
                )
    return names


def _renumbered(
    cases: Sequence[GatheredCase],
    tables: Sequence[Mapping[int, Segment]],
    segments: Sequence[Segment],
    model: str | None = None,
) -> tuple[SliceSample, ...]:
    new_value = {_key(segment): segment.value for segment in segments}
    samples = []
    for case, table in zip(cases, tables, strict=True):
        values: NDArray[np.uint8] = np.zeros(256, np.uint8)
        values[IGNORE_LABEL] = IGNORE_LABEL
        for value, segment in table.items():
            if _key(segment) not in new_value:
                raise InputError(
                    f"{case.labels} shows {segment.name}, which the model {model} does not know; "
                    f"it knows {', '.join(one.name for one in segments)}."
                )
            values[value] = new_value[_key(segment)]
        samples += [replace(sample, labels=values[sample.labels]) for sample in case.samples]
    return tuple(samples)


def _notes(cases: Sequence[GatheredCase]) -> tuple[str, ...]:
    return tuple(note for case in cases for note in case.notes)


def _sides(cases: Sequence[GatheredCase]) -> tuple[float, ...]:
    return tuple(case.largest_side for case in cases if case.largest_side is not None)


def _naming_notes(
    tables: Sequence[Mapping[int, Segment]],
    segments: Sequence[Segment],
    names: Mapping[int, str],
) -> tuple[str, ...]:
    notes = []
    new_value = {_key(segment): segment.value for segment in segments}
    changed = {
        f"{value} ({segment.name}) becomes {new_value[_key(segment)]}"
        for table in tables
        for value, segment in table.items()
        if new_value[_key(segment)] != value
    }
    if changed:
        notes.append(f"The label values were renumbered: {', '.join(sorted(changed))}.")
    invented = [s.name for s in segments if s.name.startswith("Structure ")]
    if invented and not names:
        notes.append(f"The label files name no structures; they are called {', '.join(invented)}.")
    return tuple(notes)


def require_model_labels(
    path: Path, segments: Sequence[Segment], model: str, label_values: Sequence[int] = ()
) -> None:
    """Refuse reference labels that belong to another task than a model.

    They are understood as those of :func:`match_structures` are.

    Args:
        path: the label map.
        segments: the structures of the model.
        model: name of the model, for the message.
        label_values: as for :func:`match_structures`.

    Raises:
        InputError: if the file cannot be read, or shows a structure that the model does not know.
    """
    label_map = read_label_map(path)
    known = _known_values(segments, label_values)
    named = {segment.value: segment for segment in label_map.segments}
    names = {_key(segment) for segment in segments}
    shown_values = [value for value in np.unique(label_map.array).tolist() if value]
    for value in shown_values:
        name = named[value].name if value in named else known.get(value, "")
        if name.casefold() not in names:
            text = f"{value} ({name})" if name else str(value)
            raise InputError(
                f"{path} holds the label {text}, but the model {model} knows only "
                f"{', '.join(f'{v} ({n})' for v, n in known.items())}; use a model of this task."
            )
    _require_different_names(path, {v: named[v] for v in shown_values if v in named})
