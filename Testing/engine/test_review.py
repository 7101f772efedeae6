"""The worklist puts doubtful slices first and finished ones last; doubt follows the errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from funet.errors import InputError
from funet.images.geometry import SliceOrder
from funet.prediction.doubt import expected_errors, mistrust, spread_doubt
from funet.prediction.review import slice_positions, worklist

from phantoms import all_storages, axial_grid, oblique_grid


def test_the_most_doubtful_slice_comes_first():
    assert [item.slice_index for item in worklist([0.1, 5.0, 2.0])] == [1, 2, 0]


def test_corrected_and_accepted_slices_come_last():
    items = worklist([9.0, 5.0, 2.0], {0: "corrected", 1: "accepted"})
    assert [(item.slice_index, item.state) for item in items] == [
        (2, "predicted"),
        (0, "corrected"),
        (1, "accepted"),
    ]


def test_equal_doubt_keeps_the_order_of_the_slices():
    assert [item.slice_index for item in worklist([1.0, 1.0, 1.0])] == [0, 1, 2]


@pytest.mark.parametrize("states", [{3: "accepted"}, {-1: "accepted"}, {0: "finished"}])
def test_a_state_that_cannot_be_is_refused(states):
    with pytest.raises(InputError, match="cannot have the state"):
        worklist([1.0, 1.0, 1.0], states)


def test_doubt_is_the_expected_number_of_wrong_pixels():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 3, 200, 200, generator=generator)
    probabilities = logits.softmax(1)
    # The truth is drawn from the probabilities: they are calibrated by construction.
    flat = probabilities.permute(0, 2, 3, 1).reshape(-1, 3)
    truth = torch.multinomial(flat, 1, generator=generator).view(2, 200, 200)
    wrong = (probabilities.argmax(1) != truth).flatten(1).sum(1)
    doubt = expected_errors(probabilities)
    assert ((doubt - wrong).abs() < 0.02 * 200 * 200).all()


def test_doubt_is_left_alone_where_the_model_knows_the_image():
    errors = np.array([1.0, 9.0, 8.0, 7.0, 1.0, 0.5])
    assert mistrust(errors, labelled=300) == 0
    assert spread_doubt(errors, lost=0.0).tolist() == errors.tolist()


def test_mistrust_rises_with_the_expected_share_of_wrong_pixels():
    errors = np.full(10, 10.0)
    assert [mistrust(errors, labelled) for labelled in (0, 1, 330, 1000, 5000)] == [1, 1, 1, 0, 0]
    assert mistrust(errors, labelled=500) == pytest.approx(0.5)
    assert mistrust(np.zeros(10), labelled=0) == 0


def test_where_the_model_knows_nothing_the_stack_is_halved_again_and_again():
    errors = np.zeros(31)
    errors[[0, 1, 2, 30]] = 9.0  # at the ends, where nothing is seen
    order = [item.slice_index for item in worklist(spread_doubt(errors, lost=1.0).tolist())]
    assert order[0] == 15
    assert set(order[1:3]) == {7, 22}
    assert set(order[3:7]) == {3, 11, 18, 26}


def test_where_the_model_knows_a_little_its_numbers_still_count():
    errors = np.full(30, 1.0)
    errors[[9, 10, 11]] = 9.0, 10.0, 8.0
    errors[20] = 5.0
    order = [item.slice_index for item in worklist(spread_doubt(errors, lost=0.5).tolist())]
    assert order[0] == 10
    assert order.index(20) < order.index(11)


def test_the_less_the_model_knows_the_less_a_neighbour_counts():
    errors = np.full(20, 5.0)
    errors[9] = 6.0
    ratios = []
    for lost in (0.0, 0.25, 0.5, 0.75, 1.0):
        doubt = spread_doubt(errors, lost)
        assert (doubt >= 0).all()
        assert doubt.argmax() == 9
        ratios.append(doubt[10] / doubt[9])
    assert ratios[0] == 5 / 6
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[4] < 0.2


def test_slices_beyond_a_known_one_that_shows_nothing_come_last():
    doubt = spread_doubt(np.ones(30), 1.0, {14: True, 18: True, 5: False, 25: False})
    order = [item.slice_index for item in worklist(doubt.tolist())]
    inside = {*range(6, 14), *range(15, 18), *range(19, 25)}
    assert set(order[: len(inside)]) == inside
    assert order[0] in (9, 10)  # halfway between two that are known


@pytest.mark.parametrize(
    ("shown", "worth_a_look"),
    [
        ({8: True, 14: False}, False),
        ({8: True, 14: False, 20: True}, True),
        ({14: False, 20: True, 28: False}, True),
        ({14: False}, True),
    ],
)
def test_an_end_is_where_known_slices_show_nothing_any_more(shown, worth_a_look):
    doubt = spread_doubt(np.ones(30), 1.0, shown)
    assert (doubt[24] > 0) == worth_a_look


@pytest.mark.parametrize("lost", [0.25, 1.0])
def test_neighbours_of_a_known_slice_can_wait(lost):
    errors = np.full(30, 5.0)
    alone, known = spread_doubt(errors, lost), spread_doubt(errors, lost, {20: True})
    assert known[19] == known[21] == pytest.approx(5 * (1 - lost / (1 + 1 / 9)))
    assert known[19] < alone[19]
    assert known.argmax() in range(9, 13)


def test_known_slices_change_no_doubt_where_the_model_knows_the_image():
    errors = np.array([1.0, 9.0, 8.0, 7.0, 1.0, 0.5])
    assert spread_doubt(errors, 0.0, {1: True, 3: False}).tolist() == errors.tolist()


def test_volumes_of_one_slice_have_its_doubt():
    assert spread_doubt(np.array([3.0]), lost=0.0).tolist() == [3.0]
    assert spread_doubt(np.array([3.0]), lost=1.0).shape == (1,)


def test_an_empty_prediction_without_doubt_stays_so():
    assert spread_doubt(np.zeros(4), lost=1.0).tolist() == [0.0] * 4


def test_certain_slices_have_no_doubt():
    probabilities = torch.zeros(1, 3, 4, 4)
    probabilities[:, 1] = 1
    assert expected_errors(probabilities).tolist() == [0.0]


@pytest.mark.parametrize(
    ("slice_axis", "world", "sign"), [("axial", 2, 1), ("coronal", 1, -1), ("sagittal", 0, -1)]
)
def test_positions_of_slices_are_those_of_the_patient_however_the_image_is_stored(
    slice_axis, world, sign
):
    """In RAS millimetres, as 3D Slicer shows them."""
    for grid in all_storages(axial_grid()):
        axis = SliceOrder.from_geometry(grid, slice_axis).axis
        for index, position in enumerate(slice_positions(grid, slice_axis)):
            voxel = [0, 0, 0]
            voxel[axis] = index
            expected = sign * (grid.affine @ [*reversed(voxel), 1])[world]
            assert position == pytest.approx(expected)


def test_the_position_of_an_oblique_slice_is_that_of_its_centre():
    grid = oblique_grid()
    positions = slice_positions(grid, "axial")
    middle = [(count - 1) / 2 for count in reversed(grid.shape)]
    assert np.mean(positions) == pytest.approx((grid.affine @ [*middle, 1])[2])
    assert np.allclose(np.diff(positions), positions[1] - positions[0])
