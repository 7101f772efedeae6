"""Augmentation moves image and labels together and changes nothing when its sizes are zero."""

from __future__ import annotations

import pytest
import torch

from funet.images.segmentations import IGNORE_LABEL
from funet.training.augmentation import Augmentation

STILL = dict.fromkeys(
    ("rotation", "scale", "shear", "translation", "elastic", "gamma", "contrast"), 0.0
) | {"brightness": 0.0, "bias": 0.0, "noise": 0.0, "blur": 1.0}


def batch(count: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.zeros(count, 1, 48, 64)
    images[:, :, 16:30, 20:44] = 1
    return images, (images[:, 0] > 0).to(torch.uint8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_any_change_the_batch_comes_back():
    images, labels = batch()
    images += torch.rand(images.shape, generator=generator(1))
    changed, moved = Augmentation(**STILL)(images, labels, generator())
    torch.testing.assert_close(changed, images, atol=1e-5, rtol=0)
    assert torch.equal(moved, labels)


@pytest.mark.parametrize("change", ["rotation", "scale", "shear", "translation", "elastic"])
def test_labels_move_with_the_image(change):
    size = {"rotation": 30.0, "scale": 0.3, "shear": 0.3, "translation": 0.1, "elastic": 0.05}
    images, labels = batch()
    changed, moved = Augmentation(**STILL | {change: size[change]})(images, labels, generator())
    assert not torch.equal(moved, labels)
    inside = moved != IGNORE_LABEL
    disagree = (moved.bool() != (changed[:, 0] > 0.5)) & inside
    assert disagree.float().mean() < 0.01


def test_a_rotation_keeps_the_area_whatever_the_aspect_ratio():
    images, labels = batch(32)
    _, moved = Augmentation(**STILL | {"rotation": 90.0})(images, labels, generator())
    areas = (moved == 1).flatten(1).sum(1).float()
    assert abs(areas.mean() / labels[0].sum() - 1) < 0.03


def test_flipping_exchanges_left_and_right_in_about_half_of_the_images():
    images, labels = batch(64)
    images[:, :, 0, :5] = 3
    flipped, _ = Augmentation(**STILL | {"flip": True})(images, labels, generator())
    share = (flipped[:, 0, 0, -1] > 1).float().mean()
    assert 0.3 < share < 0.7
    assert ((flipped[:, 0, 0, -1] > 1) ^ (flipped[:, 0, 0, 0] > 1)).all()


def test_what_moves_in_from_outside_is_ignored():
    images, labels = batch(16)
    _, moved = Augmentation(**STILL | {"translation": 0.3})(images, labels, generator())
    assert (moved == IGNORE_LABEL).any()
    assert (moved[moved != IGNORE_LABEL] <= 1).all()


def test_ignored_pixels_stay_ignored():
    images, labels = batch()
    labels[:] = IGNORE_LABEL
    _, moved = Augmentation()(images, labels, generator())
    assert (moved == IGNORE_LABEL).all()


def test_the_generator_decides_everything():
    images, labels = batch()
    first = Augmentation(flip=True)(images, labels, generator(3))
    second = Augmentation(flip=True)(images, labels, generator(3))
    third = Augmentation(flip=True)(images, labels, generator(4))
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[0], third[0])


def test_the_result_is_finite_for_constant_images():
    images, labels = torch.full((4, 1, 9, 7), 2.0), torch.zeros(4, 9, 7, dtype=torch.uint8)
    changed, _ = Augmentation()(images, labels, generator())
    assert changed.isfinite().all()
