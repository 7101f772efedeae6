"""Structures are told apart by name where files have names, and by value where not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from studies import subject_grid, two_structures, write_labels

from funet.annotations.gathering import GatheredCase
from funet.annotations.samples import SliceSample
from funet.annotations.structures import (
    learn_structures,
    match_structures,
    parse_structures,
    require_model_labels,
)
from funet.errors import InputError
from funet.images.segmentations import IGNORE_LABEL, Code, Segment

MODEL = (Segment(1, "Large", (1, 1, 1)), Segment(2, "Small", (2, 2, 2)))

SWAPPED = (Segment(1, "small", (1, 1, 1)), Segment(2, "LARGE", (2, 2, 2)))


def case(*values: int, names: dict[int, str] | None = None, file: str = "a") -> GatheredCase:
    """A case whose one slice shows these values, and background."""
    labels = np.array([[0, *values]], np.uint8)
    sample = SliceSample(np.zeros(labels.shape, np.float32), labels, file, 0)
    segments = tuple(
        Segment(value, name, (value, 0, 0), Code("SCT", str(value), name))
        for value, name in (names or {}).items()
    )
    return GatheredCase(Path(f"{file}.nrrd"), (sample,), segments, ())


def named(structures: object) -> dict[int, str]:
    return {segment.value: segment.name for segment in structures.segments}


def values(structures: object) -> list[list[int]]:
    return [sample.labels[0].tolist() for sample in structures.samples]


def test_names_of_values_are_read() -> None:
    names = parse_structures(" 1=Midbrain, 2 = Substantia nigra")
    assert names == {1: "Midbrain", 2: "Substantia nigra"}


@pytest.mark.parametrize(
    "text", ["", "Midbrain", "1=", "=a", "0=a", "255=a", "x=a", "1=a,1=b", "1=a,2=A", "1=a,", "²=a"]
)
def test_names_that_cannot_be_understood_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_structures(text)


def test_values_without_names_keep_their_number_as_name() -> None:
    learned = learn_structures([case(1, 2)])
    assert named(learned) == {1: "Structure 1", 2: "Structure 2"}
    assert values(learned) == [[0, 1, 2]]
    assert any("name no structures" in note for note in learned.notes)


def test_the_sizes_of_the_volumes_are_passed_on_where_they_are_known() -> None:
    cases = [replace(case(1, 2), largest_side=180.0), case(1, 2), replace(case(2), largest_side=9)]
    assert learn_structures(cases).sides == match_structures(cases, MODEL, "m").sides == (180, 9)


def test_gaps_in_the_values_are_closed_with_a_note() -> None:
    learned = learn_structures([case(7, 2, IGNORE_LABEL)], {2: "A", 7: "B"})
    assert named(learned) == {1: "A", 2: "B"}
    assert values(learned) == [[0, 2, 1, IGNORE_LABEL]]
    assert learned.notes == ("The label values were renumbered: 2 (A) becomes 1, 7 (B) becomes 2.",)


@pytest.mark.parametrize(
    ("cases", "names", "label_values"),
    [
        ([case(1, 2)], None, (1, 2)),
        ([case(7, 2)], {2: "A", 7: "B"}, (2, 7)),
        ([case(3, file="a"), case(2, file="b")], None, (2, 3)),
        ([case(4, names={4: "A"}), case(6, names={6: "B"})], None, (4, 6)),
        # What files without names say counts, whatever those with names have.
        ([case(5, names={5: "A"}), case(2, 3, file="b")], {2: "A", 3: "B"}, (2, 3)),
        # Files that do not agree say nothing.
        ([case(1, 2, names={1: "A", 2: "B"}), case(1, 2, names={1: "B", 2: "A"})], None, ()),
        ([case(1, names={1: "A"}), case(1, names={1: "B"})], None, ()),
    ],
)
def test_the_values_that_files_give_to_structures_are_kept(
    cases: list[GatheredCase], names: dict[int, str] | None, label_values: tuple[int, ...]
) -> None:
    assert learn_structures(cases, names).label_values == label_values


def test_files_without_names_use_the_values_that_taught_the_model() -> None:
    plain = case(3, 2, IGNORE_LABEL)
    assert values(match_structures([plain], MODEL, "m", (2, 3))) == [[0, 2, 1, IGNORE_LABEL]]
    own = case(1, 2, names={1: "Large", 2: "Small"})
    assert values(match_structures([own], MODEL, "m", (2, 3))) == [[0, 1, 2]]
    with pytest.raises(InputError, match=r"value 1, but only 2 \(Large\), 3 \(Small\) the model m"):
        match_structures([case(1, 2)], MODEL, "m", (2, 3))


def test_one_structure_is_enough() -> None:
    assert named(learn_structures([case(1)])) == {1: "Structure 1"}


def test_files_that_number_the_same_names_differently_agree_by_name() -> None:
    learned = learn_structures(
        [
            case(1, 2, names={1: "Nigra", 2: "Midbrain"}, file="a"),
            case(1, 2, names={1: "midbrain", 2: "nigra"}, file="b"),
        ]
    )
    assert named(learned) == {1: "Midbrain", 2: "Nigra"}
    assert values(learned) == [[0, 2, 1], [0, 1, 2]]
    assert learned.segments[0].terminology == Code("SCT", "2", "Midbrain")


def test_a_name_that_is_not_drawn_is_no_structure() -> None:
    assert named(learn_structures([case(2, names={1: "A", 2: "B"})])) == {1: "B"}


def test_a_file_without_names_takes_those_of_the_others() -> None:
    learned = learn_structures([case(1, names={1: "A"}), case(1, file="b")])
    assert named(learned) == {1: "A"}


@pytest.mark.parametrize(
    ("cases", "names", "complaint"),
    [
        ([case()], None, "No annotated slice shows a structure"),
        ([case(1)], {1: "A", 2: "B"}, "No annotated slice shows B"),
        ([case(1, 3)], {1: "A"}, r"a\.nrrd holds the label value 3, but only 1 \(A\) are named"),
        ([case(1, 2, names={1: "A", 2: "a"})], None, "two segments called"),
        (
            [case(1, names={1: "A"}), case(1, names={1: "B"}, file="b"), case(1, file="c")],
            None,
            "is called A in one file and B in b.nrrd",
        ),
    ],
)
def test_what_is_unclear_is_refused(
    cases: list[GatheredCase], names: dict[int, str] | None, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        learn_structures(cases, names)


def test_named_files_are_matched_to_a_model_by_name() -> None:
    matched = match_structures([case(5, 1, names={5: "large", 1: "SMALL"})], MODEL, "m")
    assert values(matched) == [[0, 1, 2]]
    assert matched.segments == MODEL


def test_files_without_names_use_the_values_of_the_model() -> None:
    assert values(match_structures([case(2, 1, IGNORE_LABEL)], MODEL, "m")) == [
        [0, 2, 1, IGNORE_LABEL]
    ]


def test_background_alone_is_a_correction_too() -> None:
    assert values(match_structures([case()], MODEL, "m")) == [[0]]


@pytest.mark.parametrize(
    ("stranger", "complaint"),
    [
        (case(3), r"label value 3, but only 1 \(Large\), 2 \(Small\) the model m knows"),
        (case(1, names={1: "Liver"}), "shows Liver, which the model m does not know"),
    ],
)
def test_labels_of_another_task_are_refused(stranger: GatheredCase, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        match_structures([stranger], MODEL, "m")


@pytest.mark.parametrize("names", [(), MODEL, MODEL[:1], SWAPPED, SWAPPED[1:]])
def test_reference_labels_of_the_models_task_are_accepted(
    tmp_path: Path, names: tuple[Segment, ...]
) -> None:
    grid = subject_grid(0)
    array = two_structures(grid)
    if len(names) == 1:
        array[array != names[0].value] = 0
    path = write_labels(tmp_path / "a.seg.nrrd", array, grid, names)
    if not names:
        path = write_labels(tmp_path / "a.nii.gz", array, grid)
    require_model_labels(path, MODEL, "m")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (3, ()),
        (1, (Segment(1, "Liver", (1, 1, 1)),)),
        (2, (Segment(2, "Small one", (1, 1, 1)),)),
    ],
)
def test_reference_labels_of_another_task_are_refused(
    tmp_path: Path, value: int, names: tuple[Segment, ...]
) -> None:
    grid = subject_grid(0)
    array = np.full(grid.shape, value, np.uint8)
    suffix = "seg.nrrd" if names else "nii.gz"
    path = write_labels(tmp_path / f"a.{suffix}", array, grid, names)
    with pytest.raises(InputError, match=f"holds the label {value}.*use a model of this task"):
        require_model_labels(path, MODEL, "m")


def test_reference_labels_without_names_have_the_values_that_taught_the_model(
    tmp_path: Path,
) -> None:
    grid = subject_grid(0)
    array = two_structures(grid)
    path = write_labels(tmp_path / "a.nii.gz", array + (array > 0), grid)
    require_model_labels(path, MODEL, "m", (2, 3))
    with pytest.raises(InputError, match=r"the label 3, but .* only 1 \(Large\), 2 \(Small\)"):
        require_model_labels(path, MODEL, "m")


def test_reference_labels_with_two_segments_of_one_name_are_refused(tmp_path: Path) -> None:
    grid = subject_grid(0)
    names = (MODEL[0], replace(MODEL[0], value=2, name="large"))
    path = write_labels(tmp_path / "a.seg.nrrd", two_structures(grid), grid, names)
    with pytest.raises(InputError, match="two segments called large"):
        require_model_labels(path, MODEL, "m")
