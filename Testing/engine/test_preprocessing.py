from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from funet.errors import InputError
from funet.images import preprocessing as module
from funet.images.preprocessing import (
    prepare_labels,
    prepare_volume,
    resample_slices,
    restore_stack,
)
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import IGNORE_LABEL
from funet.images.volumes import Volume, read_label_map, read_volume

from phantoms import all_storages, axial_grid, oblique_grid, phantom_labels, phantom_volume

KEEP = Preprocessing()
SLICES = Preprocessing(intensity="slice")


def volume_of(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> Volume:
    array = np.asarray(array, np.float32)
    return Volume(array, axial_grid(array.shape, spacing), "test")


def noise(shape=(6, 20, 24), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32)


# ---- intensities ---------------------------------------------------------------------------------


def test_a_volume_is_clipped_to_its_percentiles_and_standardised():
    array = noise()
    found = prepare_volume(volume_of(array), KEEP).slices
    low, high = np.percentile(array, (0.5, 99.5))
    clipped = array.clip(low, high)
    np.testing.assert_allclose(found, (clipped - clipped.mean()) / clipped.std(), atol=1e-4)
    assert found.dtype == np.float32


def test_background_does_not_count_in_the_figures_of_a_volume():
    brain = noise((6, 10, 12))
    for background in (0.0, -1024.0, 3000.0):
        array = np.full((6, 20, 24), background, np.float32)
        array[:, 5:15, 6:18] = brain
        found = prepare_volume(volume_of(array), KEEP).slices
        inside = found[:, 5:15, 6:18]
        assert inside.mean() == pytest.approx(0, abs=1e-3)
        assert inside.std() == pytest.approx(1, abs=1e-3)
        edge = inside.max() if background > 1000 else inside.min()
        np.testing.assert_allclose(found[:, :5], edge)


def test_how_much_empty_space_surrounds_a_head_does_not_matter():
    small, large = np.zeros((6, 14, 16), np.float32), np.zeros((6, 40, 48), np.float32)
    small[:, 2:12, 2:14] = large[:, 20:30, 6:18] = noise((6, 10, 12))
    found = [prepare_volume(volume_of(one), KEEP).slices for one in (small, large)]
    np.testing.assert_array_equal(found[0][:, 2:12, 2:14], found[1][:, 20:30, 6:18])


@given(scale=st.floats(1e-3, 1e6), shift=st.floats(-1e3, 1e3))
@settings(max_examples=20, deadline=None)
def test_the_unit_of_intensities_does_not_matter(scale, shift):
    array = noise((3, 16, 16))
    expected = prepare_volume(volume_of(array), KEEP).slices
    shifted = (array.astype(np.float64) * scale + shift * scale).astype(np.float32)
    found = prepare_volume(volume_of(shifted), KEEP).slices
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("stray", [1e30, -1e30, 3.4e38, -3.4e38])
def test_one_absurd_voxel_does_not_spoil_a_volume(stray):
    array = np.zeros((6, 20, 24), np.float32)
    array[:, 5:15, 6:18] = noise((6, 10, 12))
    expected = prepare_volume(volume_of(array), KEEP).slices
    array[2, 7, 7] = stray
    found = prepare_volume(volume_of(array), KEEP).slices
    assert np.isfinite(found).all()
    others = np.ones(array.shape, bool)
    others[2, 7, 7] = False
    np.testing.assert_allclose(found[others], expected[others], atol=0.1)


@pytest.mark.parametrize("preprocessing", [KEEP, SLICES], ids=["volume", "slice"])
@pytest.mark.parametrize("value", [0.0, -3.7, 0.1, 1e30, -3.4e38])
def test_a_constant_volume_becomes_zeros(preprocessing, value):
    found = prepare_volume(volume_of(np.full((3, 4, 5), value)), preprocessing).slices
    assert not found.any()


def test_a_drawing_of_two_values_keeps_its_contrast():
    array = np.zeros((4, 10, 10))
    array[1:3, 2:8, 2:8] = 1
    found = prepare_volume(volume_of(array), KEEP).slices
    assert len(np.unique(found)) == 2
    assert found[1, 2, 2] > found[0, 0, 0] + 1


def test_slices_are_scaled_to_0_and_1_one_by_one_as_in_the_paper():
    array = noise() * np.arange(1, 7).reshape(6, 1, 1)
    array[4] = 12
    found = prepare_volume(volume_of(array), SLICES).slices
    for index, plane in enumerate(array.astype(np.float64)):
        if index == 4:
            assert not found[4].any()
            continue
        standard = (plane - plane.mean()) / plane.std()
        expected = (standard - standard.min()) / (standard.max() - standard.min())
        np.testing.assert_allclose(found[index], expected, atol=1e-6)


def test_extreme_but_finite_volumes_stay_finite():
    array = np.where(np.random.default_rng(0).random((4, 9, 9)) < 0.9, 3.3e38, -3.3e38)
    array += np.linspace(0, 1e37, array.size).reshape(array.shape)  # no two the same
    assert np.isfinite(prepare_volume(volume_of(array), KEEP).slices).all()


def test_extreme_but_finite_slices_stay_finite():
    array = noise((2, 4, 4))
    array[0, 0, 0], array[0, 1, 1] = 3.4e38, -3.4e38
    found = prepare_volume(volume_of(array), SLICES).slices
    assert found.min() == 0
    assert found.max() == 1


@pytest.mark.parametrize("preprocessing", [KEEP, SLICES], ids=["volume", "slice"])
def test_what_is_not_finite_is_counted_and_becomes_background(preprocessing):
    array = noise()
    array[0, :5] = array.min()
    clean = prepare_volume(volume_of(array), preprocessing)
    broken = array.copy()
    broken[0, 0, 0], broken[0, 1, 1], broken[0, 2, 2] = np.nan, np.inf, -np.inf
    found = prepare_volume(volume_of(broken), preprocessing)
    assert (clean.replaced_voxels, found.replaced_voxels) == (0, 3)
    np.testing.assert_allclose(found.slices, clean.slices, atol=1e-3)
    assert np.isnan(broken[0, 0, 0])  # the volume itself is left alone


def test_a_volume_of_nan_around_a_brain_is_standardised_by_the_brain():
    array = np.full((6, 20, 24), np.nan, np.float32)
    array[:, 5:15, 6:18] = noise((6, 10, 12))
    found = prepare_volume(volume_of(array), KEEP)
    assert found.replaced_voxels == 6 * (20 * 24 - 10 * 12)
    assert found.slices[:, 5:15, 6:18].mean() == pytest.approx(0, abs=1e-2)
    assert np.isfinite(found.slices).all()


def test_a_volume_without_a_finite_voxel_is_refused():
    with pytest.raises(InputError, match="test has no voxel with a finite value"):
        prepare_volume(volume_of(np.full((2, 3, 4), np.nan)), KEEP)


def test_large_volumes_are_judged_by_a_sample_that_sees_every_row_and_column(monkeypatch):
    array = noise((24, 48, 48)) + np.linspace(0, 50, 48, dtype=np.float32)
    exact = prepare_volume(volume_of(array), KEEP).slices
    monkeypatch.setattr(module, "_SAMPLE_SIZE", array.size // 12)
    sampled = prepare_volume(volume_of(array), KEEP).slices
    np.testing.assert_array_equal(sampled, prepare_volume(volume_of(array), KEEP).slices)
    np.testing.assert_allclose(sampled, exact, atol=0.15)
    assert not np.array_equal(sampled, exact)


def test_a_sample_that_meets_no_finite_voxel_falls_back_on_those_there_are(monkeypatch):
    monkeypatch.setattr(module, "_SAMPLE_SIZE", 4)
    array = np.full((4, 5, 6), np.nan)
    array[0, 0, 1:5] = [1, 2, 3, 4]
    found = prepare_volume(volume_of(array), KEEP).slices
    assert len(np.unique(found)) > 2


# ---- grids ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [axial_grid(), oblique_grid()], ids=["straight", "oblique"])
@pytest.mark.parametrize(
    "preprocessing",
    [
        KEEP,
        Preprocessing("coronal", (1.3, 0.9), "slice"),
        Preprocessing("sagittal", (1.0, 2.5), "volume"),
    ],
    ids=["axial", "coronal", "sagittal"],
)
def test_the_same_patient_gives_the_same_slices_however_it_is_stored(base, preprocessing):
    expected = prepare_volume(phantom_volume(base), preprocessing).slices
    labels = prepare_labels(phantom_labels(base), base, preprocessing)
    assert labels.shape == expected.shape
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    for grid in list(all_storages(base))[::5]:
        found = prepare_volume(phantom_volume(grid), preprocessing)
        np.testing.assert_array_equal(found.slices, expected)
        np.testing.assert_array_equal(
            prepare_labels(phantom_labels(grid), grid, preprocessing), labels
        )


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("grid", [*list(all_storages(axial_grid()))[::11], oblique_grid()])
def test_labels_go_to_slices_and_back_exactly(grid, axis):
    label_map = phantom_labels(grid)
    preprocessing = Preprocessing(axis)
    prepared = prepare_volume(phantom_volume(grid), preprocessing)
    labels = prepare_labels(label_map, grid, preprocessing)
    restored = restore_stack(labels, prepared)
    np.testing.assert_array_equal(restored, label_map.array)
    assert restored.flags.c_contiguous
    assert labels.shape == prepared.slices.shape == prepared.order.shape
    assert not np.shares_memory(labels, label_map.array)


def test_resampling_reaches_the_models_spacing_and_keeps_the_original_size_on_record():
    grid = axial_grid((4, 30, 40), (0.5, 0.8, 3.0))  # columns 0.5 mm, rows 0.8 mm, slices 3 mm
    volume = Volume(noise((4, 30, 40)), grid, "x")
    prepared = prepare_volume(volume, Preprocessing(spacing=(1.0, 0.25)))
    assert prepared.slices.shape == (4, 24, 80)
    assert prepared.original_shape == (30, 40)
    assert prepare_volume(volume, Preprocessing(spacing=(0.8, 0.5))).slices.shape == (4, 30, 40)
    coronal = prepare_volume(volume, Preprocessing("coronal", (1.0, 1.0)))
    assert coronal.slices.shape == (30, 12, 20)
    assert coronal.order.spacing == (0.8, 3.0, 0.5)


def test_a_thin_image_keeps_at_least_one_pixel():
    grid = axial_grid((1, 1, 7), (1, 1, 1))
    found = prepare_volume(Volume(noise((1, 1, 7)), grid, "x"), Preprocessing(spacing=(9, 3)))
    assert found.slices.shape == (1, 1, 2)


def test_resampled_images_and_labels_stay_on_top_of_each_other():
    grid = axial_grid((3, 60, 60), (0.7, 0.7, 2))
    array = np.zeros(grid.shape, np.uint8)
    array[:, 10:31, 20:47] = 1
    volume = Volume(array.astype(np.float32), grid, "x")
    for spacing in ((1.0, 1.0), (0.4, 0.4), (0.31, 1.3)):
        preprocessing = Preprocessing(spacing=spacing, intensity="slice")
        image = prepare_volume(volume, preprocessing).slices
        labels = prepare_labels(array, grid, preprocessing)
        np.testing.assert_array_equal(labels == 1, image > 0.5)
        area = np.count_nonzero(labels[0]) * math.prod(spacing)
        assert area == pytest.approx(21 * 27 * 0.49, rel=0.1)


def test_every_pixel_takes_the_label_that_covers_most_of_it_and_ignored_ones_take_part():
    rows = np.repeat([[0, 5, 5, 7, IGNORE_LABEL, IGNORE_LABEL, 9, 9]], 8, axis=0).astype(np.uint8)
    labels = np.stack([rows, rows.T])
    grid = axial_grid((2, 8, 8), (1, 1, 1))
    found = prepare_labels(labels, grid, Preprocessing(spacing=(0.25, 0.25)))
    assert found.shape == (2, 32, 32)
    assert set(np.unique(found)) == {0, 5, 7, 9, IGNORE_LABEL}
    np.testing.assert_array_equal(found[0], found[1].T)
    np.testing.assert_array_equal(found[0, :, 1::4], rows.repeat(4, 0))
    halved = prepare_labels(labels, grid, Preprocessing(spacing=(4, 4)))
    assert set(np.unique(halved)) <= {0, 5, 7, 9, IGNORE_LABEL}


def test_labels_on_another_grid_are_refused():
    label_map = phantom_labels(axial_grid())
    with pytest.raises(InputError, match="another grid"):
        prepare_labels(label_map, oblique_grid(), KEEP)
    with pytest.raises(InputError, match="grid of the volume"):
        prepare_labels(label_map.array[1:], axial_grid(), KEEP)


def test_slices_that_would_become_too_large_are_refused(monkeypatch):
    volume = volume_of(noise((2, 50, 50)), (10, 10, 10))
    with pytest.raises(InputError, match=r"50×50 pixels would become 50000×50000"):
        prepare_volume(volume, Preprocessing(spacing=(0.01, 0.01)))
    with pytest.raises(InputError, match="50000"):
        prepare_labels(
            np.zeros((2, 50, 50), np.uint8), volume.geometry, Preprocessing("axial", (0.01, 1))
        )
    monkeypatch.setattr(module, "MAX_VOXELS", 4000)
    with pytest.raises(InputError, match="100×100"):
        prepare_volume(volume, Preprocessing(spacing=(5, 5)))


def test_a_stack_of_another_size_cannot_be_restored():
    prepared = prepare_volume(phantom_volume(axial_grid()), Preprocessing(spacing=(1, 1)))
    with pytest.raises(InputError, match="grid of the volume"):
        restore_stack(np.zeros(prepared.slices.shape, np.uint8), prepared)


# ---- resampling ----------------------------------------------------------------------------------


def test_images_of_the_right_size_are_returned_as_they_are():
    images = torch.rand(2, 3, 5, 7)
    assert resample_slices(images, (5, 7)) is images


def test_shrinking_averages_instead_of_picking_pixels():
    for at in range(5, 10):
        point = torch.zeros(1, 1, 15, 15)
        point[..., at, at] = 25
        found = resample_slices(point, (3, 3))
        assert found.sum() == pytest.approx(1, abs=0.15)
        assert found.argmax() == 4  # the middle


def test_resampling_keeps_the_field_of_view():
    ramp = (torch.arange(12) + 0.5).expand(1, 1, 12, 12) / 12  # position of the pixel centres
    for size in ((24, 24), (6, 6), (12, 30), (8, 8)):
        found = resample_slices(ramp, size)
        expected = ((torch.arange(size[1]) + 0.5) / size[1]).expand(1, 1, *size)
        inside = slice(size[1] // 6, -(size[1] // 6))
        torch.testing.assert_close(found[..., inside], expected[..., inside], atol=4e-3, rtol=0)


# ---- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "preprocessing",
    [KEEP, SLICES, Preprocessing("sagittal", (0.01, 100)), Preprocessing("coronal", (1, 2.5))],
)
def test_settings_survive_json(preprocessing):
    text = json.dumps(preprocessing.to_dict())
    assert Preprocessing.from_dict(json.loads(text)) == preprocessing
    assert hash(Preprocessing.from_dict(json.loads(text))) == hash(preprocessing)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"slice_axis": "transversal"}, "slice_axis.*'?transversal"),
        ({"slice_axis": 0}, "slice_axis"),
        ({"slice_axis": ["axial"]}, "slice_axis"),
        ({"intensity": "none"}, "intensity"),
        ({"intensity": None}, "intensity"),
        ({"spacing": [1.0]}, "spacing"),
        ({"spacing": [1.0, 1.0, 1.0]}, "spacing"),
        ({"spacing": 1.0}, "spacing"),
        ({"spacing": "11"}, "spacing"),
        ({"spacing": ["1", "1"]}, "spacing"),
        ({"spacing": [True, 1.0]}, "spacing"),
        ({"spacing": [0.009, 1.0]}, "0.01 to 100"),
        ({"spacing": [1.0, 100.1]}, "0.01 to 100"),
        ({"spacing": [1.0, -1.0]}, "spacing"),
        ({"spacing": [math.nan, 1.0]}, "spacing"),
        ({"spacing": [math.inf, 1.0]}, "spacing"),
        ({"spacing": [10**400, 1.0]}, "spacing"),
        ({"spacing": {"rows": 1}}, "spacing"),
        ({"colour": 1}, "colour"),
        ([], "dictionary"),
        (None, "dictionary"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(values, words):
    with pytest.raises(InputError, match=words):
        Preprocessing.from_dict(values)


def test_settings_cannot_be_changed_and_can_be_copied():
    assert replace(KEEP, spacing=[1, 2]).spacing == (1.0, 2.0)
    with pytest.raises(AttributeError):
        KEEP.intensity = "slice"


def test_a_real_head_and_its_labels_become_slices_of_the_same_size(shared_data):
    path = next((shared_data / "midbrain" / "labels").glob("ds011*"))
    volume = read_volume(shared_data / "midbrain" / "images" / path.name)
    labels = read_label_map(path)
    preprocessing = Preprocessing(spacing=(1.0, 1.0))
    prepared = prepare_volume(volume, preprocessing)
    prepared_labels = prepare_labels(labels, volume.geometry, preprocessing)
    assert prepared.slices.shape == prepared_labels.shape
    assert set(np.unique(prepared_labels)) == {0, 1, 2}
    # The midbrain is in the middle from left to right, and neither at the top nor at the bottom.
    slices, _, columns = (axis.mean() for axis in np.nonzero(prepared_labels))
    assert abs(columns / prepared_labels.shape[2] - 0.5) < 0.1
    assert 0.2 < slices / prepared_labels.shape[0] < 0.8
