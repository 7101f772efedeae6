"""Batches repeat, show every sample, and follow the structures when they crop."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from slices import disc_slice, disc_slices

from funet.annotations.samples import SliceSample
from funet.images.segmentations import IGNORE_LABEL
from funet.training.batches import BatchesAhead, BatchSource, common_sides, patch


def source(samples, **options):
    settings = {"batch_size": 2, "crop": None, "weights": None, "seed": 0} | options
    return BatchSource(samples, **settings)


def test_the_same_seed_and_step_give_the_same_batch():
    samples = disc_slices(6)
    first, second = source(samples, crop=24).batch(5), source(samples, crop=24).batch(5)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_every_sample_is_shown_once_in_each_pass():
    samples = [
        SliceSample(np.full((4, 4), value, np.float32), np.zeros((4, 4), np.uint8), "s", value)
        for value in range(7)
    ]
    batches = source(samples, batch_size=3)
    shown = [int(v) for step in range(7) for v in batches.batch(step)[0][:, 0, 0, 0]]
    for start in (0, 7, 14):
        assert sorted(shown[start : start + 7]) == list(range(7))
    assert shown[:7] != shown[7:14]


def test_weights_say_how_often_a_sample_is_drawn():
    samples = [
        SliceSample(np.full((2, 2), value, np.float32), np.zeros((2, 2), np.uint8), "s", value)
        for value in range(2)
    ]
    batches = source(samples, batch_size=10, weights=[3, 1])
    shown = torch.cat([batches.batch(step)[0][:, 0, 0, 0] for step in range(100)])
    assert 0.2 < shown.mean() < 0.3


def test_smaller_slices_are_padded_and_the_padding_is_ignored():
    samples = [disc_slice(sides=(20, 30)), disc_slice(sides=(32, 16))]
    assert common_sides(samples, None) == (32, 30)
    image, labels = patch(samples[0], (32, 30), np.random.default_rng(0))
    assert image.shape == labels.shape == (32, 30)
    assert np.array_equal(labels[:20], samples[0].labels)
    assert (labels[20:] == IGNORE_LABEL).all()
    assert (image[20:] == samples[0].image.min()).all()


def test_crops_mostly_show_a_structure_and_small_ones_as_often_as_large_ones():
    labels = np.zeros((200, 200), np.uint8)
    labels[10:60, 10:60] = 1
    labels[180, 180] = 2
    sample = SliceSample(np.zeros((200, 200), np.float32), labels, "s", 0)
    rng = np.random.default_rng(0)
    crops = [patch(sample, (32, 32), rng)[1] for _ in range(300)]
    large, small = (np.mean([(crop == value).any() for crop in crops]) for value in (1, 2))
    assert large > 0.3
    assert 0.25 < small < 0.45


def test_the_next_batch_is_made_while_the_one_before_is_learned():
    made: list[int] = []
    begun = threading.Event()

    def make(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        made.append(step)
        if step == 5:
            begun.set()
        return torch.tensor(step), torch.tensor(-step)

    ahead = BatchesAhead(make, 10)
    assert ahead.batch(4) == (4, -4)
    assert begun.wait(10)
    assert ahead.batch(5) == (5, -5)
    assert ahead.batch(9) == (9, -9)  # as after a resumption
    ahead.close()
    assert made[:2] == [4, 5]
    assert made[-1] == 9  # the last of the training
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())


def test_an_error_in_the_background_is_raised_where_the_batch_is_taken():
    def make(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        raise ValueError(f"step {step}")

    ahead = BatchesAhead(make, 10)
    with pytest.raises(ValueError, match="step 3"):
        ahead.batch(3)
    ahead.close()
