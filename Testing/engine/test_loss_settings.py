"""Soft Dice, and the losses that settings from a file ask for."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from loss_cases import IGNORE, SIZES, case
from torch import Tensor
from torch.nn import functional as F

from funet.errors import InputError
from funet.losses import (
    FeedbackWeightedCrossEntropyLoss,
    LossConfig,
    SoftDiceLoss,
    build_loss,
    feedback_weighted_cross_entropy,
)


@pytest.fixture(autouse=True)
def the_same_random_numbers_every_time() -> None:
    torch.manual_seed(0)


def dice_reference(logits: Tensor, target: Tensor, smooth: float) -> float:
    """1 - mean over the foreground classes shown of the batch Dice, class by class in numpy."""
    counted = target.numpy() != IGNORE
    scores = np.exp(np.moveaxis(logits.detach().numpy(), 1, -1)[counted])
    probability, labels = scores / scores.sum(axis=1, keepdims=True), target.numpy()[counted]
    dice = []
    for label in range(1, logits.shape[1]):
        truth = labels == label
        if not truth.any():
            continue
        shared = probability[truth, label].sum()
        dice.append((2 * shared + smooth) / (probability[:, label].sum() + truth.sum() + smooth))
    return float(1 - np.mean(dice))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ignored", [0.0, 0.3])
def test_soft_dice_is_the_batch_dice_of_the_foreground(
    size: tuple[int, ...], ignored: float
) -> None:
    logits, target = case(size, ignored=ignored)
    expected = pytest.approx(dice_reference(logits, target, 0.5), rel=1e-9)
    assert SoftDiceLoss(smooth=0.5)(logits, target).item() == expected
    target[target == IGNORE] = 255
    assert SoftDiceLoss(255, smooth=0.5)(logits, target).item() == expected


@pytest.mark.parametrize("size", [(), (1, 2), (1, 1, 2)])
def test_the_gradient_of_soft_dice_is_its_slope(size: tuple[int, ...]) -> None:
    logits, target = case(size, batch=3, classes=3)
    assert torch.autograd.gradcheck(lambda values: SoftDiceLoss()(values, target), (logits,))


def test_soft_dice_is_0_for_a_perfect_and_near_1_for_a_wholly_wrong_prediction() -> None:
    target = torch.randint(0, 3, (2, 8, 8))
    truth = F.one_hot(target, 3).movedim(-1, 1).float()
    loss = SoftDiceLoss()
    assert loss(100 * truth, target).item() == pytest.approx(0, abs=1e-6)
    assert loss(100 * truth.roll(1, dims=1), target).item() > 0.9


def test_soft_dice_of_pixels_all_ignored_is_0_without_gradient() -> None:
    logits, target = case((6, 5), ignored=1.0)
    loss = SoftDiceLoss()(logits, target)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_soft_dice_says_nothing_of_a_structure_that_the_batch_does_not_show() -> None:
    target = torch.randint(0, 2, (2, 8, 8))
    logits = torch.randn(2, 3, 8, 8)
    more_of_the_third = logits + torch.tensor([0.0, 0.0, 5.0]).view(1, 3, 1, 1)
    loss = SoftDiceLoss(smooth=1e-9)
    shares = more_of_the_third.softmax(1)[:, 1]
    expected = 1 - 2 * shares[target == 1].sum() / (shares.sum() + target.sum())
    assert loss(more_of_the_third, target).item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss(logits, torch.zeros_like(target)).item() == 0


def test_a_configuration_builds_the_loss_that_it_describes() -> None:
    logits, target = case((6, 5))
    target[target == IGNORE] = 255
    labels = target.to(torch.uint8)
    cross_entropy = build_loss(LossConfig(name="cross_entropy", beta=2.0))(logits, labels)
    feedback = build_loss(LossConfig(beta=2.0, min_weight=0.1))(logits, labels)
    dice = SoftDiceLoss(255)(logits, labels)
    both = build_loss(LossConfig(beta=2.0, min_weight=0.1, dice_weight=0.5))(logits, labels)
    torch.testing.assert_close(cross_entropy, F.cross_entropy(logits, target, ignore_index=255))
    expected = feedback_weighted_cross_entropy(
        logits, target, beta=2.0, min_weight=0.1, ignore_index=255
    )
    torch.testing.assert_close(feedback, expected)
    torch.testing.assert_close(both, feedback + 0.5 * dice)
    detached = build_loss(LossConfig(beta=2.0, min_weight=0.1, detach_weight=True))
    gradients = [
        torch.autograd.grad(loss, logits)[0] for loss in (detached(logits, labels), feedback)
    ]
    assert not torch.allclose(*gradients)


def test_the_default_configuration_is_the_papers() -> None:
    assert LossConfig() == LossConfig("feedback", 3.0, 0.01, dice_weight=0.0)
    module = FeedbackWeightedCrossEntropyLoss()
    assert (module.beta, module.min_weight, module.ignore_index) == (3.0, 0.01, -100)
    assert repr(module).startswith("FeedbackWeightedCrossEntropyLoss(beta=3.0, min_weight=0.01")


def test_a_loss_configuration_survives_json() -> None:
    config = LossConfig("cross_entropy", 2, 0.5, detach_weight=True, dice_weight=1)
    assert LossConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "focal"}, "name of the loss must be 'cross_entropy' or 'feedback', not 'focal'"),
        ({"beta": "3"}, "beta of the loss must be a number, not '3'"),
        ({"beta": True}, "must be a number, not True"),
        ({"beta": 1e3}, "must be from 0.01 to 100.0"),
        ({"min_weight": 0}, "must be from 1e-06 to 1.0, not 0"),
        ({"min_weight": math.inf}, "must be a number, not inf"),
        ({"detach_weight": 0}, "must be true or false, not 0"),
        ({"dice_weight": -1}, "must be from 0.0 to 100.0"),
        ({"gamma": 2}, "loss has an unknown entry 'gamma'"),
        ("feedback", "loss must be a dictionary, not 'feedback'"),
    ],
)
def test_loss_settings_of_a_wrong_type_size_or_name_are_refused(
    values: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        LossConfig.from_dict(values)
