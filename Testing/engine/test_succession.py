"""Structures that follow one another through the slices of a plane, one in each slice."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_models import tiny_manifest, tiny_network

from funet.annotations.conventions import are_successive
from funet.annotations.samples import SliceSample
from funet.errors import InputError
from funet.images.geometry import SLICE_AXES, SliceAxis, SliceOrder, axis_across
from funet.images.known_labels import known_slices
from funet.images.succession import count_out_of_succession, successive_labels
from funet.images.volumes import Volume
from funet.models.model import Model
from funet.prediction.inference import Prediction, Predictor

from phantoms import all_storages, axial_grid, oblique_grid, phantom_volume


def random_chances(structures: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).gamma(0.7, size=(structures + 1, *shape)) + 1e-6
    drawn[0] *= structures  # the background is nearly half of it
    return (drawn / drawn.sum(0)).astype(np.float32)


@pytest.mark.parametrize(("structures", "seed"), itertools.product((1, 2, 3), range(5)))
def test_no_other_sequence_is_likelier(structures: int, seed: int) -> None:
    chances = random_chances(structures, (3, 6, 2), seed)
    labels = successive_labels(chances, 1, backwards=False)
    shown = chances[0] < 0.5
    assert np.array_equal(labels > 0, shown)

    def likelihood(values: tuple[int, ...]) -> float:
        of_slices = zip(values, np.moveaxis(chances, 2, 0), np.moveaxis(shown, 1, 0), strict=True)
        return sum(float(np.log(one[value][here]).sum()) for value, one, here in of_slices)

    rising = itertools.combinations_with_replacement(range(1, structures + 1), 6)
    best = max(rising, key=likelihood)
    expected = np.where(shown, np.array(best)[None, :, None], 0)
    assert np.array_equal(labels, expected)


def test_the_other_way_round_is_the_mirror_image() -> None:
    chances = random_chances(3, (7, 4), 0)
    there = successive_labels(chances, 0, backwards=False)
    back = successive_labels(chances[:, ::-1], 0, backwards=True)
    assert np.array_equal(there, back[::-1])
    assert len(np.unique(there)) > 2


def test_a_voxel_that_is_sure_of_the_wrong_structure_does_not_decide_alone() -> None:
    chances = np.zeros((3, 1, 4, 5), np.float16)
    chances[1], chances[2] = 0.8, 0.2
    chances[1:, 0, 1, 2] = 0.0, 1.0
    assert (successive_labels(chances, 1, backwards=False) == 1).all()


def test_where_nothing_is_found_nothing_is_labelled() -> None:
    chances = np.zeros((3, 4, 5, 6), np.float32)
    chances[0] = 1
    assert not successive_labels(chances, 2, backwards=False).any()


def test_known_labels_decide_whatever_all_others_say() -> None:
    chances = np.zeros((3, 9, 6, 5), np.float32)
    chances[1, :, :2], chances[2, :, 2:] = 1, 1
    known = np.full(chances[0].shape, 255, np.uint8)
    known[4, :, 0] = (1, 1, 1, 1, 2, 2)
    labels = successive_labels(chances, 1, backwards=False, known=known)
    assert (labels[:, :4] == 1).all()
    assert (labels[:, 4:] == 2).all()


def test_a_slice_that_was_touched_elsewhere_does_not_outvote_a_corrected_border() -> None:
    chances = np.zeros((3, 9, 6, 5), np.float32)
    chances[1, :, :2], chances[2, :, 2:] = 1, 1
    known = np.full(chances[0].shape, 255, np.uint8)
    known[4] = np.array((1, 1, 1, 1, 2, 2), np.uint8)[:, None]
    known[1:4] = np.array((1, 1, 2, 2, 2, 2), np.uint8)[:, None]  # as predicted, but for a pixel
    known[1:4, 0, 0] = 0
    labels = successive_labels(chances, 1, backwards=False, known=known)
    assert (labels[5:, :4] == 1).all()
    assert (labels[5:, 4:] == 2).all()


def test_a_slip_of_the_hand_moves_no_border() -> None:
    chances = np.zeros((3, 9, 6, 10), np.float32)
    chances[1, :, :2], chances[2, :, 2:] = 1, 1
    known = np.full(chances[0].shape, 255, np.uint8)
    known[4] = np.array((1, 1, 2, 2, 2, 2), np.uint8)[:, None]
    known[4, 2, 3] = 1
    labels = successive_labels(chances, 1, backwards=False, known=known)
    assert (labels[:, 2:] == 2).all()


def test_one_known_voxel_outweighs_a_large_volume() -> None:
    chances = np.zeros((3, 90, 40, 40), np.float32)
    chances[1] = 1
    known = np.full(chances[0].shape, 255, np.uint8)
    known[40, 3, 20] = 2
    labels = successive_labels(chances, 1, backwards=False, known=known)
    assert (labels[:, :3] == 1).all()
    assert (labels[:, 3:] == 2).all()


def test_known_slices_part_the_structures_where_nothing_is_found() -> None:
    chances = np.zeros((3, 9, 6, 5), np.float32)
    chances[0] = 1
    known = np.full(chances[0].shape, 255, np.uint8)
    known[4] = np.array((1, 1, 1, 1, 2, 2), np.uint8)[:, None]
    labels = successive_labels(chances, 1, backwards=False, known=known)
    assert np.array_equal(labels[4], known[4])
    assert np.count_nonzero(labels) == labels[4].size


def test_what_is_known_to_be_background_is_and_the_other_way_round() -> None:
    chances = np.full((3, 4, 4), 1 / 3, np.float32)
    known = np.full((4, 4), 255, np.uint8)
    known[0, 0], chances[:, 1, 1], known[1, 1] = 0, (1, 0, 0), 2
    labels = successive_labels(chances, 0, backwards=False, known=known)
    assert labels[0, 0] == 0
    assert labels[1, 1] == 2
    assert np.count_nonzero(labels) == 15


def test_a_slice_is_known_as_a_whole_or_not_at_all() -> None:
    known = np.full((4, 3, 5), 255, np.uint8)
    known[0] = known[2] = 0
    known[2, 1, 1] = 2
    known[3, 0] = 1  # one row is known
    assert known_slices(known, 0) == {0: False, 2: True}
    assert known_slices(known, 1) == known_slices(known, 2) == {}


def test_known_labels_of_another_volume_are_refused() -> None:
    with pytest.raises(InputError, match="do not belong"):
        successive_labels(np.zeros((2, 3, 4)), 0, backwards=False, known=np.zeros((4, 3), np.uint8))


def test_labels_that_contradict_the_sequence_are_counted() -> None:
    labels = np.zeros((3, 8, 4), np.uint8)
    labels[:, 1:4] = 1
    labels[:, 4:7] = 2
    assert count_out_of_succession(labels, 1, backwards=False) == 0
    assert count_out_of_succession(labels, 1, backwards=True) == 3 * 3 * 4
    labels[0, 2, :2] = 2
    assert count_out_of_succession(labels, 1, backwards=False) == 2
    assert count_out_of_succession(labels * 0, 1, backwards=False) == 0


@pytest.mark.parametrize(("plane", "slice_axis"), itertools.product(SLICE_AXES, SLICE_AXES))
def test_slices_of_a_plane_are_found_in_stacks_of_another(
    plane: SliceAxis, slice_axis: SliceAxis
) -> None:
    grid = oblique_grid()
    across, order = (SliceOrder.from_geometry(grid, one) for one in (plane, slice_axis))
    of_plane = np.zeros(grid.shape, int)
    across.to_stack(of_plane)[...] = np.arange(across.shape[0])[:, None, None]
    axis, backwards = axis_across(plane, slice_axis)
    stack = np.moveaxis(order.to_stack(of_plane), axis, 0)
    numbers = np.arange(len(stack))[:, None, None]
    assert np.array_equal(
        stack, np.broadcast_to(numbers[::-1] if backwards else numbers, stack.shape)
    )


def sample(labels: np.ndarray, subject: str = "one", index: int = 0) -> SliceSample:
    return SliceSample(np.zeros(labels.shape, np.float32), labels, subject, index)


def parted(border: int, *, rows: int = 10, columns: int = 20) -> np.ndarray:
    """A sagittal slice whose structures, anterior and posterior, meet at a column."""
    labels = np.zeros((rows, columns), np.uint8)
    labels[2:-2, 3:border] = 1
    labels[2:-2, border:-3] = 2
    return labels


def test_slices_parted_at_one_place_follow_the_convention() -> None:
    drawn = [sample(parted(9)), sample(parted(9), index=1), sample(parted(12), "another")]
    assert are_successive(drawn, "coronal", "sagittal")
    assert are_successive([], "coronal", "sagittal")
    assert not are_successive([sample(parted(9)[:, ::-1])], "coronal", "sagittal")


def test_borders_at_several_places_of_one_subject_contradict_it() -> None:
    drawn = [sample(parted(6)), sample(parted(12), index=1)]
    assert not are_successive(drawn, "coronal", "sagittal")


def test_a_slanted_border_contradicts_it_and_a_slip_does_not() -> None:
    slanted = np.array([np.roll(row, number) for number, row in enumerate(parted(9))])
    assert not are_successive([sample(slanted)], "coronal", "sagittal")
    slip = parted(9)
    slip[3, 5:7] = 2
    assert are_successive([sample(slip)], "coronal", "sagittal")


def test_slices_of_that_plane_itself_may_come_in_any_order() -> None:
    drawn = [sample(np.full((4, 4), 1 + (place > 5), np.uint8), index=place) for place in (3, 9, 4)]
    assert are_successive(drawn, "coronal", "coronal")
    assert are_successive(
        [replace(one, slice_index=10 - one.slice_index) for one in drawn], "coronal", "coronal"
    )
    back = sample(np.full((4, 4), 1, np.uint8), index=11)
    assert not are_successive([*drawn, back], "coronal", "coronal")


def test_ignored_pixels_contradict_nothing() -> None:
    labels = parted(9)
    labels[:, 5:7] = 255
    assert are_successive([sample(labels)], "coronal", "sagittal")


@pytest.fixture(scope="module")
def volume() -> Volume:
    return phantom_volume(axial_grid(spacing=(1.0, 1.2, 2.0)))


def predicted(volume: Volume, *, known: np.ndarray | None = None, **options: object) -> Prediction:
    """By an untrained network that finds both structures here and there."""
    model = Model(tiny_manifest(**options), tiny_network(5))  # its slices are coronal
    wanted = {"probabilities": True} if "tilts" in options else {}
    return Predictor(model, device="cpu", precision="float32").predict(
        volume, known=known, **wanted
    )


@pytest.mark.parametrize("tilts", [(), (15.0,)])
@pytest.mark.parametrize("plane", SLICE_AXES)
def test_a_model_of_successive_structures_gives_each_slice_one(
    volume: Volume, plane: SliceAxis, tilts: tuple[float, ...]
) -> None:
    free = predicted(volume, tilts=tilts)
    result = predicted(volume, tilts=tilts, successive=plane)
    labels = result.label_map.array
    order = SliceOrder.from_geometry(volume.geometry, plane)
    assert free.probabilities is not None
    expected = successive_labels(
        free.probabilities.astype(np.float32), order.axis, backwards=order.flipped[0]
    )
    assert np.mean(labels != expected) < 0.01  # half precision rounds the copy to compare with
    assert not np.array_equal(labels, free.label_map.array)
    shown = [set(np.unique(one)) - {0} for one in order.to_stack(labels)]
    assert max(map(len, shown)) == 1
    np.testing.assert_array_equal(result.doubt, free.doubt)


def test_known_slices_move_the_border_of_a_model_of_successive_structures(volume: Volume) -> None:
    known = np.full(volume.geometry.shape, 255, np.uint8)
    order = SliceOrder.from_geometry(volume.geometry, "axial")
    coronal = SliceOrder.from_geometry(volume.geometry, "coronal").to_stack(known)
    stack = order.to_stack(known)
    coronal[5] = 1  # both are views of the same labels
    border = order.shape[0] // 2
    stack[border:][stack[border:] == 1] = 2
    labels = predicted(volume, known=known, successive="axial").label_map.array
    shown = order.to_stack(labels)
    assert set(np.unique(shown[:border])) - {0} == {1}
    assert set(np.unique(shown[border:])) - {0} == {2}
    free = predicted(volume, known=known).label_map.array
    assert np.array_equal(free, predicted(volume).label_map.array)


def test_a_slice_that_somebody_drew_is_nothing_that_was_found() -> None:
    volume = phantom_volume(axial_grid())
    network = tiny_network(0)
    with torch.no_grad():
        network.head.bias[0] += 100
    model = Model(tiny_manifest(successive="axial"), network)
    known = np.full(volume.geometry.shape, 255, np.uint8)
    known[2] = 1
    prediction = Predictor(model, device="cpu").predict(volume, known=known)
    assert (prediction.label_map.array > 0).sum() == known[2].size
    (note,) = prediction.notes
    assert note.startswith("No structure was found")


def test_probabilities_are_only_given_to_who_asks(volume: Volume) -> None:
    assert predicted(volume, successive="axial").probabilities is None


def test_all_ways_to_store_a_volume_give_the_same_successive_labels() -> None:
    counts = set()
    for grid in all_storages(axial_grid()):
        labels = predicted(phantom_volume(grid), successive="sagittal").label_map.array
        counts.add(tuple(np.bincount(labels.ravel())))
    assert len(counts) == 1


def test_a_description_says_in_which_plane() -> None:
    assert tiny_manifest().successive is None
    child = replace(tiny_manifest(successive="coronal"), weights_sha256="ab" * 32, weights_bytes=1)
    assert child.child().successive == "coronal"
