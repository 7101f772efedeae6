"""Of several pieces only the main one stays, with all its labels."""

from __future__ import annotations

import numpy as np
import pytest

from funet.images.pieces import main_piece


def two_boxes() -> np.ndarray:
    labels = np.zeros((8, 9, 10), np.uint8)
    labels[1:4, 1:5, 2:5] = 1
    labels[3, 4, 4] = 2
    labels[6:8, 7:9, 8:10] = 2
    return labels


def test_the_smaller_piece_goes_and_the_larger_keeps_its_labels() -> None:
    expected = two_boxes()
    expected[6:] = 0
    np.testing.assert_array_equal(main_piece(two_boxes()), expected)


def test_structures_that_touch_are_one_piece() -> None:
    labels = np.zeros((3, 3, 3), np.uint8)
    labels[0, 0, 0], labels[1, 1, 1], labels[2, 2, 2] = 1, 2, 3  # at corners only
    np.testing.assert_array_equal(main_piece(labels), labels)


def test_a_lonely_structure_goes_even_where_it_is_the_only_one_of_its_label() -> None:
    labels = two_boxes()
    labels[labels == 2] = 0
    labels[7, 8, 9] = 2
    assert set(np.unique(main_piece(labels))) == {0, 1}


def test_the_piece_that_holds_the_small_structure_stays_though_another_is_larger() -> None:
    labels = np.zeros((20, 20, 30), np.uint8)
    labels[:, :, :10] = 1  # a stray piece of the large structure, and a trace of the small one
    labels[:2, 0, 0] = 2
    labels[5:15, 5:15, 20:] = 1
    labels[7:13, 7:13, 22:28] = 2
    expected = labels.copy()
    expected[:, :, :10] = 0
    np.testing.assert_array_equal(main_piece(labels), expected)


def test_a_trace_of_a_small_structure_does_not_outweigh_the_large_one() -> None:
    labels = np.zeros((20, 20, 30), np.uint8)
    labels[:, :, :10] = 1
    labels[0, 0, 20:28] = 2  # all that there is of it
    assert main_piece(labels).sum() == (labels == 1).sum()


@pytest.mark.parametrize("shape", [(1, 5, 5), (4, 1, 3), (2, 2, 2)])
def test_an_empty_map_stays_empty_and_the_argument_as_it_was(shape: tuple[int, ...]) -> None:
    labels = np.zeros(shape, np.uint8)
    result = main_piece(labels)
    assert result is not labels
    assert not result.any()


def test_the_argument_is_left_alone() -> None:
    labels = two_boxes()
    main_piece(labels)
    np.testing.assert_array_equal(labels, two_boxes())
