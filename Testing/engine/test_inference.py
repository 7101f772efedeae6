"""Predictions lie on the volume's own grid however it is stored, and can be cancelled."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from funet.annotations.samples import samples_from_volume
from funet.errors import Cancelled, InputError
from funet.images.pieces import main_piece
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import Segment
from funet.loss_config import LossConfig
from funet.models.manifest import Manifest
from funet.models.model import Model
from funet.networks import build_network
from funet.prediction.inference import Predictor
from funet.progress import CancelToken
from funet.training.loop import train
from funet.training.presets import TrainingConfig

from phantoms import all_storages, axial_grid, oblique_grid, phantom_labels, phantom_volume

SEGMENTS = tuple(Segment(value, f"Box {value}", (value * 60, 0, 0)) for value in (1, 2, 3))


def model_for(preprocessing: Preprocessing) -> Model:
    grid = axial_grid()
    samples = samples_from_volume(
        phantom_volume(grid), phantom_labels(grid), preprocessing, annotated="all"
    )
    torch.manual_seed(0)
    network = build_network("funet", in_channels=1, num_classes=4, features=8, depth=3, dropout=0.0)
    config = TrainingConfig(
        epochs=1, steps_per_epoch=80, learning_rate=1e-2, device="cpu", precision="float32"
    )
    list(train(network, samples, config=config))
    manifest = Manifest(
        id="boxes",
        family="boxes",
        name="Boxes",
        segments=SEGMENTS,
        preprocessing=preprocessing,
        network=network.config,
        loss=LossConfig(),
        created="2026-01-01T00:00:00Z",
    )
    return Model(manifest, network)


@pytest.fixture(scope="module")
def model() -> Model:
    return model_for(Preprocessing())


@pytest.fixture(scope="module")
def predictor(model) -> Predictor:
    return Predictor(model, device="cpu", precision="float32")


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    labelled = (first > 0) | (second > 0)
    return float((first == second)[labelled].mean())


def test_the_model_finds_the_boxes(predictor):
    grid = axial_grid()
    prediction = predictor.predict(phantom_volume(grid))
    assert agreement(prediction.label_map.array, phantom_labels(grid).array) > 0.95
    assert prediction.label_map.segments == SEGMENTS


def test_all_ways_to_store_a_volume_give_the_same_labels_in_the_world(predictor):
    reference = None
    for grid in all_storages(axial_grid()):
        prediction = predictor.predict(phantom_volume(grid))
        assert prediction.label_map.geometry == grid
        assert len(prediction.doubt) == grid.shape[prediction.slice_axis]
        back = np.zeros(axial_grid().shape, np.uint8)
        places = np.argwhere(prediction.label_map.array > 0)
        world = np.c_[places[:, ::-1], np.ones(len(places))] @ grid.affine.T
        voxels = np.rint(world @ np.linalg.inv(axial_grid().affine).T)[:, 2::-1].astype(int)
        back[tuple(voxels.T)] = prediction.label_map.array[prediction.label_map.array > 0]
        reference = back if reference is None else reference
        assert np.array_equal(back, reference)


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
def test_every_slice_axis_works_on_oblique_anisotropic_volumes(axis):
    predictor = Predictor(model_for(Preprocessing(slice_axis=axis)), device="cpu")
    grid = oblique_grid()
    prediction = predictor.predict(phantom_volume(grid))
    assert agreement(prediction.label_map.array, phantom_labels(grid).array) > 0.5


def test_the_models_own_spacing_is_undone_on_the_way_back():
    grid = axial_grid(spacing=(1.0, 1.0, 2.0))
    predictor = Predictor(model_for(Preprocessing(spacing=(1.5, 0.8))), device="cpu")
    prediction = predictor.predict(phantom_volume(grid))
    assert prediction.label_map.array.shape == grid.shape
    assert agreement(prediction.label_map.array, phantom_labels(grid).array) > 0.7


def test_a_model_of_one_piece_leaves_out_what_lies_apart(model, predictor):
    volume = phantom_volume(axial_grid())
    everything = predictor.predict(volume).label_map.array
    one_piece = Model(replace(model.manifest, one_piece=True), model.network)
    result = Predictor(one_piece, device="cpu", precision="float32").predict(volume)
    np.testing.assert_array_equal(result.label_map.array, main_piece(everything))
    assert np.count_nonzero(result.label_map.array) < np.count_nonzero(everything)


def test_probabilities_agree_with_the_labels(predictor):
    prediction = predictor.predict(phantom_volume(axial_grid()), probabilities=True)
    chances = prediction.probabilities.astype(np.float32)
    assert chances.shape == (4, *axial_grid().shape)
    np.testing.assert_allclose(chances.sum(0), 1, atol=4e-3)
    sure = np.sort(chances, 0)[-1] - np.sort(chances, 0)[-2] > 1e-2
    assert np.array_equal(chances.argmax(0)[sure], prediction.label_map.array[sure])
    doubt = (1 - chances.max(0)).sum((1, 2))
    np.testing.assert_allclose(prediction.doubt, doubt, atol=0.3)


def test_the_batch_size_does_not_change_the_labels(model):
    volume = phantom_volume(axial_grid())
    predictions = [
        Predictor(model, device="cpu", precision="float32", batch_size=size).predict(volume)
        for size in (1, 4, 100)
    ]
    for prediction in predictions[1:]:
        assert np.array_equal(prediction.label_map.array, predictions[0].label_map.array)


def test_bfloat16_hardly_changes_a_label(model):
    volume = phantom_volume(axial_grid())
    exact, fast = (
        Predictor(model, device="cpu", precision=p).predict(volume) for p in ("float32", "bfloat16")
    )
    assert (exact.label_map.array != fast.label_map.array).mean() < 0.01


def test_the_model_may_go_on_learning_beside_its_predictor(model):
    volume = phantom_volume(axial_grid())
    predictor = Predictor(model, device="cpu", precision="float32")
    before = predictor.predict(volume)
    state = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    with torch.no_grad():
        model.network.head.bias += 10
    after = predictor.predict(volume)
    model.network.load_state_dict(state)
    assert np.array_equal(before.label_map.array, after.label_map.array)


def test_voxels_that_are_not_numbers_are_counted_and_change_little(predictor):
    volume = phantom_volume(axial_grid())
    array = volume.array.copy()
    array[0, 0, :3] = np.nan
    array[1, 0, 0] = np.inf
    broken = predictor.predict(replace(volume, array=array))
    assert any("4 voxels of phantom were not numbers" in note for note in broken.notes)
    whole = predictor.predict(volume)
    assert agreement(broken.label_map.array, whole.label_map.array) > 0.95


def test_the_user_is_told_what_to_do_where_nothing_was_found(model, predictor):
    volume = phantom_volume(axial_grid())
    assert predictor.predict(volume).notes == ()
    blind = copy.deepcopy(model)
    with torch.no_grad():
        blind.network.head.bias[0] += 100
    empty = Predictor(blind, device="cpu", precision="float32").predict(volume)
    assert not empty.label_map.array.any()
    (note,) = empty.notes
    assert note.startswith("No structure was found in phantom;")
    assert note.endswith("retrain the model, or train a new one from them.")


@pytest.mark.parametrize("batch_size", [None, 1, 3])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_the_slice_that_is_wanted_first_comes_first_and_is_that_of_the_result(
    model, place, batch_size
):
    predictor = Predictor(model, device="cpu", precision="float32", batch_size=batch_size)
    for grid in list(all_storages(axial_grid()))[::5]:
        count = grid.shape[2 - grid.voxel_axes()[2]]
        wanted = {"first": 0, "middle": count // 2, "last": count - 1}[place]
        events = []
        prediction = predictor.predict(
            phantom_volume(grid),
            first_slice=wanted,
            on_slice=lambda index, labels: events.append((index, labels)),  # noqa: B023
            on_progress=events.append,
        )
        (index, labels), number = events[1], sum(isinstance(one, tuple) for one in events)
        assert (index, number) == (wanted, 1)
        assert events[0].fraction == 0
        assert labels.dtype == np.uint8
        whole = prediction.label_map.array
        assert np.array_equal(labels, whole.take(wanted, prediction.slice_axis))
        plain = predictor.predict(phantom_volume(grid))
        assert np.array_equal(whole, plain.label_map.array)
        np.testing.assert_allclose(prediction.doubt, plain.doubt, rtol=1e-4)


@pytest.mark.parametrize("wanted", [-1, 11])
def test_a_first_slice_outside_the_volume_is_refused(predictor, wanted):
    with pytest.raises(InputError, match=f"Slice {wanted} is outside phantom"):
        predictor.predict(phantom_volume(axial_grid()), first_slice=wanted)


def test_progress_rises_to_one(predictor):
    reports = []
    predictor.predict(phantom_volume(axial_grid()), on_progress=reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert reports[-1].seconds_left == 0


def test_a_cancel_is_noticed_between_batches(model):
    cancel = CancelToken()
    predictor = Predictor(model, device="cpu", precision="float32", batch_size=1)
    seen = []

    def stop_at_the_third(report):
        seen.append(report)
        if len(seen) == 3:
            cancel.cancel()

    with pytest.raises(Cancelled):
        predictor.predict(
            phantom_volume(axial_grid()), on_progress=stop_at_the_third, cancel=cancel
        )
    assert len(seen) == 3
