"""What the shipped models repeat in a retraining are averages of training subjects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recipe import MODELS
from replay_phantoms import SUBJECTS, phantom_slices
from slices import disc_slices
from split import read_split

from funet.annotations.samples import SliceSample
from funet.models.model import load_model, load_samples_of

SAMPLES = [sample for name in "abcde" for sample in disc_slices(6, name)]
EMPTY = [replace(one, labels=np.zeros_like(one.labels)) for one in disc_slices(3, "empty")]


def test_a_phantom_is_the_average_of_three_subjects_that_show_a_structure() -> None:
    phantoms = phantom_slices([*SAMPLES, *EMPTY], count=8)
    assert len(phantoms) == 8
    for phantom in phantoms:
        names = phantom.subject.split(" + ")
        assert len(set(names)) == SUBJECTS
        assert set(names) <= set("abcde")
        assert phantom.shows_structure
        assert not any(
            np.array_equal(phantom.image, sample.image)
            for sample in SAMPLES
            if sample.image.shape == phantom.image.shape
        )


def test_slices_of_one_place_are_laid_over_each_other() -> None:
    image = np.zeros((20, 30), np.float32)
    image[4:9, 10:18] = 1.0
    labels = (image > 0).astype(np.uint8)
    moved = [
        SliceSample(np.roll(image, shift, (0, 1)), np.roll(labels, shift, (0, 1)), name, 0)
        for name, shift in {"a": (0, 0), "b": (3, 2), "c": (5, -4)}.items()
    ]
    (phantom,) = phantom_slices(moved, count=1, crop=12)
    assert phantom.image.shape == (12, 12)
    assert phantom.labels.sum() == labels.sum()
    assert np.array_equal(phantom.labels > 0, phantom.image > phantom.image.mean())


def test_brightness_and_contrast_are_those_of_the_slices() -> None:
    noisy = np.random.default_rng(0)
    samples = [
        replace(one, image=(5 + 2 * noisy.normal(size=one.image.shape)).astype(np.float32))
        for one in SAMPLES
    ]
    for phantom in phantom_slices(samples, count=3):
        assert phantom.image.mean() == pytest.approx(5, abs=0.2)
        assert phantom.image.std() == pytest.approx(2, abs=0.2)


def test_the_same_phantoms_are_made_each_time() -> None:
    first, second = (phantom_slices(SAMPLES, count=4) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.subject == other.subject
        assert np.array_equal(one.image, other.image)


@pytest.mark.parametrize("study", ["hippocampus", "midbrain"])
def test_shipped_models_repeat_averages_of_their_training_subjects(study: str) -> None:
    phantoms = load_samples_of(load_model(MODELS / f"{study}-t1"))
    assert len(phantoms) >= 20
    training = set(read_split(study).train)
    for phantom in phantoms:
        names = phantom.subject.split(" + ")
        assert len(set(names)) == SUBJECTS
        assert set(names) <= training
