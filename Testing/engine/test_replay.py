"""What a version remembers: corrections of all rounds first, and the last word on every slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from slices import disc_slices

import funet.training.replay
from funet.annotations.samples import SliceSample
from funet.training.replay import kept_for_replay, recall


def same(first: tuple[SliceSample, ...], second: list[SliceSample]) -> bool:
    return len(first) == len(second) and all(a is b for a, b in zip(first, second, strict=True))


def corrected(sample: SliceSample) -> SliceSample:
    return replace(sample, labels=np.ones_like(sample.labels))


def test_everything_is_kept_in_order_where_it_fits() -> None:
    corrections, others = disc_slices(2, "a"), disc_slices(3, "b")
    assert same(kept_for_replay(corrections, others), [*corrections, *others])


def test_where_not_all_fits_corrections_go_first_and_then_what_shows_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corrections, others = disc_slices(2, "a"), disc_slices(4, "b")
    empty = [replace(s, labels=np.zeros_like(s.labels)) for s in disc_slices(3, "c")]
    size = corrections[0].labels.size
    monkeypatch.setattr(funet.training.replay, "_MOST_KEPT_PIXELS", 6 * size)
    assert same(kept_for_replay(corrections, [*empty, *others]), [*corrections, *others])
    monkeypatch.setattr(funet.training.replay, "_MOST_KEPT_PIXELS", 4 * size)
    kept = kept_for_replay(corrections, [*empty, *others])
    assert same(kept[:2], corrections)
    assert [sample.subject for sample in kept[2:]] == ["b", "b"]


def test_the_first_round_remembers_what_the_first_version_learned() -> None:
    root = disc_slices(3, "root")
    corrections = disc_slices(2, "new")
    memory = recall(root, root, corrections)
    assert same(memory.new, corrections)
    assert memory.earlier == ()
    assert same(memory.replay, root)


def test_a_later_round_tells_earlier_corrections_from_the_first_versions_slices() -> None:
    root, first_round = disc_slices(3, "root"), disc_slices(2, "first")
    memory = recall([*first_round, *root], root, disc_slices(2, "second"))
    assert same(memory.earlier, first_round)
    assert same(memory.replay, root)


def test_corrected_slices_that_the_version_has_learned_are_not_new() -> None:
    root, first_round, second_round = (disc_slices(3, name) for name in ("root", "first", "second"))
    memory = recall([*first_round, *root], root, [*first_round[1:], *second_round, root[0]])
    assert same(memory.new, second_round)
    assert same(memory.earlier, [*first_round, root[0]])
    assert same(memory.replay, root[1:])


def test_a_shipped_model_without_slices_remembers_corrections_only() -> None:
    first_round = disc_slices(2, "first")
    memory = recall(first_round, (), disc_slices(1, "second"))
    assert same(memory.earlier, first_round)
    assert memory.replay == ()


def test_of_a_slice_that_is_corrected_again_only_the_last_labels_count() -> None:
    root, first_round = disc_slices(3, "root"), disc_slices(2, "first")
    again = [corrected(first_round[0]), corrected(root[1])]
    memory = recall([*first_round, *root], root, again)
    assert same(memory.new, again)
    assert same(memory.earlier, first_round[1:])
    assert same(memory.replay, [root[0], root[2]])


def test_a_slice_of_the_first_version_that_was_corrected_earlier_stays_corrected() -> None:
    root = disc_slices(3, "root")
    fixed = corrected(root[0])
    memory = recall([fixed, *root[1:]], root, disc_slices(1, "second"))
    assert same(memory.earlier, [fixed])
    assert same(memory.replay, root[1:])
