"""How the panel writes times, doubts and scores."""

from __future__ import annotations

import pytest

from FUNetSegmentationLib.panel.texts import (
    bar,
    dice_change,
    dice_number,
    doubt_number,
    slices,
    time_left,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (-1.0, ""),
        (0.2, "almost done"),
        (12.3, "about 12 s left"),
        (99.4, "about 99 s left"),
        (180.0, "about 3 min left"),
        (7200.0, "about 2 h left"),
    ],
)
def test_time_left(seconds: float | None, text: str) -> None:
    assert time_left(seconds) == text


def test_bars_grow_by_eighths_of_a_character_and_stay_within_the_cell() -> None:
    assert bar(0.0) == ""
    assert bar(0.5, 4) == "██"
    assert bar(1.0, 4) == bar(7.0, 4) == "████"
    assert bar(1 / 32, 4) == "▏"


def test_doubts_are_short() -> None:
    assert [doubt_number(one) for one in (None, 0.0, 3.14, 9.96, 123.4)] == [
        "–", "0.0", "3.1", "10", "123",
    ]  # fmt: skip


def test_dice_scores_and_their_change() -> None:
    assert (dice_number(None), dice_number(0.91234)) == ("–", "0.912")
    assert dice_change(0.8, 0.903) == "+0.103"
    assert dice_change(0.9, 0.8) == "−0.100"
    assert dice_change(None, 0.8) == "–"


def test_one_slice_and_several() -> None:
    assert [slices(one) for one in (0, 1, 2)] == ["0 slices", "1 slice", "2 slices"]
