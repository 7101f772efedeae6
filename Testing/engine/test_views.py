"""A model may look at a volume from several sides; what it says of a voxel is the mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_models import tiny_manifest, tiny_network

from funet.errors import Cancelled, InputError
from funet.images.geometry import SliceOrder
from funet.images.pieces import main_piece
from funet.images.preprocessing import prepare_volume
from funet.images.tilting import rotated, tilts_about
from funet.images.volumes import Volume
from funet.models.model import Model
from funet.prediction.inference import Prediction, Predictor
from funet.progress import CancelToken

from phantoms import all_storages, axial_grid, phantom_volume

TILTS = (10.0, 25.0)


def predictor_with(tilts: tuple[float, ...], *, one_piece: bool = False) -> Predictor:
    manifest = replace(tiny_manifest(), tilts=tilts, one_piece=one_piece)
    return Predictor(Model(manifest, tiny_network()), device="cpu", precision="float32")


@pytest.fixture(scope="module")
def tilting() -> Predictor:
    return predictor_with(TILTS)


@pytest.fixture(scope="module")
def straight() -> Predictor:
    return predictor_with(())


@pytest.fixture(scope="module")
def volume() -> Volume:
    return phantom_volume(axial_grid(spacing=(1.0, 1.2, 2.0)))


def chances_of(prediction: Prediction) -> np.ndarray:
    assert prediction.probabilities is not None
    return prediction.probabilities.astype(np.float32)


def test_the_probabilities_are_the_mean_over_all_views(tilting, straight, volume):
    prepared = prepare_volume(volume, tilting.manifest.preprocessing)
    order, sides = prepared.order, prepared.order.sides
    slices = torch.from_numpy(prepared.slices)[None]
    network = tiny_network().eval()
    total, alone = (
        torch.zeros(3, *order.shape),
        chances_of(straight.predict(volume, probabilities=True)),
    )
    for tilt in (np.eye(3), *tilts_about(TILTS)):
        with torch.no_grad():
            seen = network(rotated(slices, tilt, sides).transpose(0, 1)).softmax(1).transpose(0, 1)
        total += rotated(seen, tilt.T, sides)
    mean = np.stack([order.from_stack(one) for one in (total / 9).numpy()])
    together = tilting.predict(volume, probabilities=True)
    np.testing.assert_allclose(chances_of(together), mean, atol=3e-3)
    assert np.abs(mean - alone).max() > 0.01  # the views do not all say the same
    low, high = np.sort(mean, axis=0)[-2:]
    sure = high - low > 1e-2
    assert np.array_equal(mean.argmax(0)[sure], together.label_map.array[sure])


def test_labels_and_doubt_are_the_same_without_probabilities(tilting, volume):
    with_them, without = (tilting.predict(volume, probabilities=wanted) for wanted in (True, False))
    assert without.probabilities is None
    assert np.array_equal(with_them.label_map.array, without.label_map.array)
    np.testing.assert_array_equal(with_them.doubt, without.doubt)


def test_how_little_is_known_is_judged_by_the_straight_view(volume, monkeypatch):
    """The mean over views is less certain than each of them, however well the model knows it."""
    network = tiny_network()
    with torch.no_grad():
        network.head.bias[1] += 2.0
    seen: list[tuple[float, float]] = []

    def noted(errors: np.ndarray, lost: float, _: object) -> np.ndarray:
        seen.append((float(errors.sum()), lost))
        return errors

    monkeypatch.setattr("funet.prediction.inference.spread_doubt", noted)
    for tilts in ((), TILTS):
        model = Model(replace(tiny_manifest(), tilts=tilts), network)
        Predictor(model, device="cpu", precision="float32").predict(volume)
    (straight_errors, straight_lost), (mean_errors, lost) = seen
    assert mean_errors > 1.2 * straight_errors
    assert 0 < lost == straight_lost < 1


@pytest.mark.parametrize("grid", all_storages(axial_grid(spacing=(1.0, 1.2, 2.0))))
def test_slices_beyond_a_known_one_without_structures_are_worth_no_look(straight, grid):
    volume = phantom_volume(grid)
    free = straight.predict(volume)
    order = SliceOrder.from_geometry(grid, straight.manifest.preprocessing.slice_axis)
    known = np.full(grid.shape, 255, np.uint8)
    order.to_stack(known)[3] = 0  # a view
    order.to_stack(known)[7] = 1
    told = straight.predict(volume, known=known)
    assert np.array_equal(told.label_map.array, free.label_map.array)

    in_stack = [order.stack_index(index) for index in range(len(free.doubt))]
    before, after = free.doubt[in_stack], told.doubt[in_stack]
    assert after[:3].max() < 0.5 * before[:3].max()
    assert after[:3].max() < 0.5 * after[8:].max()


def test_known_labels_of_another_grid_are_refused(straight, volume):
    with pytest.raises(InputError, match="do not belong to a volume of"):
        straight.predict(volume, known=np.zeros((2, 3, 4), np.uint8))


def test_all_ways_to_store_a_volume_give_the_same_labels(tilting):
    counts = {
        tuple(np.bincount(tilting.predict(phantom_volume(grid)).label_map.array.ravel()))
        for grid in all_storages(axial_grid())
    }
    assert len(counts) == 1


def test_the_slice_that_is_wanted_first_is_shown_before_it_is_tilted(tilting, straight, volume):
    shown: list[tuple[int, np.ndarray]] = []
    tilting.predict(volume, first_slice=3, on_slice=lambda *one: shown.append(one))
    alone = straight.predict(volume)
    ((index, labels),) = shown
    assert index == 3
    assert np.array_equal(labels, alone.label_map.array.take(3, alone.slice_axis))


def test_a_model_of_one_piece_keeps_the_main_piece_of_the_mean(tilting, volume):
    everything = tilting.predict(volume).label_map.array
    piece = predictor_with(TILTS, one_piece=True).predict(volume).label_map.array
    assert np.array_equal(piece, main_piece(everything))


def test_progress_rises_to_one_once_and_a_cancel_is_noticed(tilting, volume):
    fractions: list[float] = []
    tilting.predict(volume, on_progress=lambda one: fractions.append(one.fraction))
    assert fractions == sorted(fractions)
    assert fractions.count(1.0) == 1
    assert len(fractions) > 9
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        tilting.predict(volume, on_progress=lambda _: cancel.cancel(), cancel=cancel)
