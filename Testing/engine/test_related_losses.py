"""The related losses: against their formulas, with ignored pixels, and where nothing counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.losses import FocalLoss as MonaiFocalLoss
from numpy.typing import NDArray
from torch import Tensor

from funet.comparison.related_losses import (
    BorderWeightedLoss,
    ClassFrequencyLoss,
    FocalLoss,
    HardExampleLoss,
)
from funet.comparison.systems import LOSSES, parse_system

IGNORED = 255


def case(ignored: bool = True) -> tuple[Tensor, Tensor]:
    """Logits of three classes, and labels with class 2 rare and some pixels ignored."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 6, generator=generator) * 3
    target = torch.randint(0, 2, (2, 8, 6), generator=generator)
    target[:, 5, 2:4] = 2
    if ignored:
        target[0, :2] = IGNORED
    return logits, target


def surprise(logits: Tensor, target: Tensor) -> NDArray[np.float64]:
    """−log p of the true class (N, R, C), from the definition of the softmax; 0 where ignored."""
    numbers = np.moveaxis(logits.double().numpy(), 1, -1)
    chances = np.exp(numbers) / np.exp(numbers).sum(-1, keepdims=True)
    labels = np.where(target.numpy() == IGNORED, 0, target.numpy())
    found = -np.log(np.take_along_axis(chances, labels[..., None], -1)[..., 0])
    return np.where(target.numpy() == IGNORED, 0.0, found)


def test_the_focal_loss_is_its_formula():
    logits, target = case()
    losses = surprise(logits, target)
    expected = ((1 - np.exp(-losses)) ** 2 * losses).sum() / (target != IGNORED).sum()
    assert FocalLoss()(logits, target).item() == pytest.approx(expected.item())


def test_the_focal_loss_is_monais_where_nothing_is_ignored():
    logits, target = case(ignored=False)
    monai = MonaiFocalLoss(gamma=1.5, to_onehot_y=True, use_softmax=True)
    # MONAI's mean is over pixels and classes.
    expected = 3 * monai(logits, target.unsqueeze(1))
    assert FocalLoss(1.5)(logits, target).item() == pytest.approx(expected.item(), rel=1e-6)


def test_every_class_weighs_the_same_however_many_pixels_it_has():
    logits, target = case()
    losses = surprise(logits, target)
    expected = np.mean([losses[target.numpy() == value].mean() for value in range(3)])
    assert ClassFrequencyLoss()(logits, target).item() == pytest.approx(expected)


def test_a_class_that_a_batch_does_not_show_weighs_nothing():
    logits, target = case()
    target[target == 2] = 0
    losses = surprise(logits, target)
    expected = np.mean([losses[target.numpy() == value].mean() for value in range(2)])
    assert ClassFrequencyLoss()(logits, target).item() == pytest.approx(expected)


@pytest.mark.parametrize(("share", "count"), [(0.1, 8), (0.5, 42), (1.0, 84), (0.001, 1)])
def test_only_the_hardest_pixels_count(share, count):
    logits, target = case()
    assert (target != IGNORED).sum() == 84
    hardest = np.sort(surprise(logits, target)[target.numpy() != IGNORED])[-count:]
    assert HardExampleLoss(share)(logits, target).item() == pytest.approx(hardest.mean())


def test_a_border_weight_is_that_of_the_distances_to_both_structures():
    """The border of a structure runs between its pixels and the others, half a pixel from each."""
    weights = BorderWeightedLoss().weights(np.array([[1, 0, 2, 0, 0]]))
    # Sums of the distances to 1 and 2: ½+1½, ½+½, 1½+½, 2½+½, 3½+1½.
    sums = (2, 1, 2, 3, 5)
    expected = [1 + 10 * math.exp(-(one**2) / 50) for one in sums]
    assert weights.tolist()[0] == pytest.approx(expected)


def test_a_border_weight_near_one_structure_alone_counts_it_twice():
    weights = BorderWeightedLoss(strength=4, width=2).weights(np.array([[0, 0, 0, 2, 2]]))
    expected = [1 + 4 * math.exp(-(one**2) / 8) for one in (5, 3, 1, 1, 3)]
    assert weights.tolist()[0] == pytest.approx(expected)


def test_a_slice_without_structures_has_no_borders():
    assert (BorderWeightedLoss().weights(np.array([[0, IGNORED], [0, 0]])) == 1).all()


def test_the_border_loss_weighs_cross_entropy_slice_by_slice():
    logits, target = case()
    loss = BorderWeightedLoss()
    weights = np.stack([naive_weights(labels) for labels in target.numpy()])
    expected = (weights * surprise(logits, target)).sum() / (target != IGNORED).sum().item()
    assert loss(logits, target).item() == pytest.approx(expected, rel=1e-5)


def naive_weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The weights of one slice, from all distances between pixels."""
    places = np.stack(np.indices(labels.shape), -1).reshape(-1, 2)
    between = np.linalg.norm(places[:, None] - places[None], axis=-1)
    distances = []
    for value in (1, 2):
        inside = (labels == value).ravel()
        other = inside[:, None] != inside[None]
        distances.append(np.where(other, between, np.inf).min(1) - 0.5)
    return 1 + 10 * np.exp(-(np.sum(distances, 0).reshape(labels.shape) ** 2) / 50)


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_said_of_ignored_pixels_does_not_matter(name):
    logits, target = case()
    loss = parse_system(f"unet+{name}").loss()
    before = loss(logits, target)
    logits[0, :, :2] = torch.tensor([50.0, -50.0, 0.0])[:, None, None]
    assert before > 0
    assert torch.equal(loss(logits, target), before)


@pytest.mark.parametrize("name", LOSSES)
def test_ignored_pixels_have_no_gradient_and_the_others_have_one(name):
    logits, target = case()
    parse_system(f"unet+{name}").loss()(logits.requires_grad_(), target).backward()
    assert (logits.grad[0, :, :2] == 0).all()
    assert logits.grad[0, :, 2:].abs().sum() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_in_which_all_is_ignored_teaches_nothing(name):
    logits, target = case()
    logits.requires_grad_()
    loss = parse_system(f"unet+{name}").loss()(logits, torch.full_like(target, IGNORED))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_certain_and_right_prediction_costs_nearly_nothing(name):
    _, target = case()
    labels = torch.where(target == IGNORED, 0, target)
    logits = 40.0 * torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    assert parse_system(f"unet+{name}").loss()(logits, target).item() < 1e-3
