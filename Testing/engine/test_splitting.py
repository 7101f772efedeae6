"""Validation slices are of other subjects if possible, and never the only ones of a kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from slices import disc_slices

from funet.annotations.samples import SliceSample, class_counts
from funet.annotations.splitting import split_validation


def study(subjects: int, slices: int = 3) -> list[SliceSample]:
    return [one for n in range(subjects) for one in disc_slices(slices, f"s{n}")]


def only_background(sample: SliceSample) -> SliceSample:
    return replace(sample, labels=np.zeros_like(sample.labels))


def without_core(sample: SliceSample) -> SliceSample:
    return replace(sample, labels=np.where(sample.labels == 2, 1, sample.labels).astype(np.uint8))


def test_whole_subjects_are_held_out() -> None:
    samples = study(10)
    split = split_validation(samples, 0.2, seed=0)
    learned, held = ({s.subject for s in part} for part in (split.training, split.validation))
    assert len(held) == 2
    assert not learned & held
    assert len(split.training) + len(split.validation) == len(samples)
    assert split.note == ""


def test_the_seed_decides_and_repeats() -> None:
    samples = study(10)
    held = [{s.subject for s in split_validation(samples, 0.2, n).validation} for n in (1, 1, 2)]
    assert held[0] == held[1] != held[2]


def test_slices_of_a_single_subject_are_split_with_a_note() -> None:
    split = split_validation(study(1, 10), 0.2, seed=0)
    assert len(split.validation) == 2
    assert "one subject" in split.note


@pytest.mark.parametrize("empty", [0, 5])
def test_fewer_than_three_slices_that_show_something_all_teach(empty: int) -> None:
    samples = study(1, 2) + [only_background(s) for s in study(1, empty)]
    split = split_validation(samples, 0.5, seed=0)
    assert split.training == tuple(samples)
    assert split.validation == ()
    assert "no validation" in split.note


def test_no_share_is_no_validation_and_nothing_to_say() -> None:
    split = split_validation(study(5), 0.0, seed=0)
    assert (len(split.training), split.validation, split.note) == (15, (), "")


@pytest.mark.parametrize("seed", range(6))
def test_a_structure_that_one_subject_shows_alone_is_learned(seed: int) -> None:
    samples = study(1) + [without_core(s) for s in study(4)[3:]]
    split = split_validation(samples, 0.5, seed)
    assert class_counts(split.training).keys() == {0, 1, 2}
    assert "s0" in {sample.subject for sample in split.training}


@pytest.mark.parametrize("seed", range(4))
def test_slices_that_show_nothing_do_not_judge_alone(seed: int) -> None:
    samples = study(1, 3) + [only_background(s) for s in study(1, 12)]
    split = split_validation(samples, 0.3, seed)
    assert all(sample.shows_structure for sample in split.validation)
    assert split.validation


def test_where_every_slice_is_the_only_one_of_its_kind_none_is_held_out() -> None:
    samples = [
        replace(one, labels=np.full_like(one.labels, value))
        for value, one in enumerate(disc_slices(3), 1)
    ]
    split = split_validation(samples, 0.4, seed=0)
    assert split.validation == ()
    assert "could be spared" in split.note
