"""Losses: against an independent float64 reference, at the end points, and for any logits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import IGNORE, SIZES, case
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from funet.errors import InputError
from funet.losses import (
    FeedbackWeightedCrossEntropyLoss,
    LossConfig,
    SoftDiceLoss,
    build_loss,
    feedback_weight,
    feedback_weight_map,
    feedback_weighted_cross_entropy,
)

BETAS = st.floats(0.01, 100)
MIN_WEIGHTS = st.floats(1e-6, 1)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(autouse=True)
def the_same_random_numbers_every_time() -> None:
    torch.manual_seed(0)


def log_probability_of_truth(
    logits: NDArray[np.float64], target: NDArray[np.int64]
) -> NDArray[np.float64]:
    """log p of the pixels that are not ignored, in a row, from the definition of the softmax."""
    rows = np.moveaxis(logits, 1, -1).reshape(-1, logits.shape[1])
    labels = target.reshape(-1)
    rows, labels = rows[labels != IGNORE], labels[labels != IGNORE]
    shifted = rows - rows.max(axis=1, keepdims=True)
    return shifted[np.arange(len(labels)), labels] - np.log(np.exp(shifted).sum(axis=1))


def reference(logits: Tensor, target: Tensor, beta: float, min_weight: float) -> float:
    """The mean of equation (1) with the weight of equation (2), in numpy and float64."""
    log_p = log_probability_of_truth(logits.detach().double().numpy(), target.numpy())
    weight = np.exp(np.log(min_weight) * np.exp(log_p) ** beta)
    return float(np.mean(-weight * log_p))


def plain_autograd(logits: Tensor, target: Tensor, *, detach: bool) -> Tensor:
    """The same loss left to PyTorch's own differentiation, mean over the pixels that count."""
    surprise = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")
    weight = 0.01 ** torch.exp(-3 * surprise)
    loss = (weight.detach() if detach else weight) * surprise
    return loss.sum() / (target != IGNORE).sum()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("beta", "min_weight"), [(3.0, 0.01), (1.0, 0.1), (2.5, 0.5), (4, 1e-6)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_loss_is_the_papers_formula(
    size: tuple[int, ...], beta: float, min_weight: float, dtype: torch.dtype
) -> None:
    logits, target = case(size, dtype=dtype)
    loss = feedback_weighted_cross_entropy(logits, target, beta=beta, min_weight=min_weight)
    expected = reference(logits, target, beta, min_weight)
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_a_pixel_of_probability_a_half_has_the_loss_computed_by_hand() -> None:
    # w = 100 ** -(0.5 ** 3) = 0.562341; -w * ln 0.5 = 0.389785.
    loss = feedback_weighted_cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
    assert loss.item() == pytest.approx(0.389785, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_weight_is_1_at_probability_0_and_the_minimum_at_probability_1(
    dtype: torch.dtype,
) -> None:
    ends = torch.tensor([-math.inf, -1e4, 0.0], dtype=dtype)
    weight = feedback_weight(ends)
    assert weight.dtype == dtype
    assert torch.equal(weight, torch.tensor([1.0, 1.0, 0.01], dtype=dtype))
    for min_weight in (1e-6, 0.05, 0.3, 1.0):
        weight = feedback_weight(ends, 2.0, min_weight)
        assert weight[:2].tolist() == [1.0, 1.0]
        assert weight[2] == torch.tensor(min_weight, dtype=dtype)


@given(
    log_p=st.lists(st.floats(-1e4, 0) | st.just(-math.inf), min_size=1, max_size=20),
    beta=BETAS,
    min_weight=MIN_WEIGHTS,
)
@settings(max_examples=200, deadline=None)
def test_the_weight_lies_between_the_minimum_and_1_and_falls_with_the_probability(
    log_p: list[float], beta: float, min_weight: float
) -> None:
    weight = feedback_weight(torch.tensor(sorted(log_p)), beta, min_weight)
    assert weight.min() >= torch.tensor(min_weight)
    assert weight.max() <= 1
    assert bool((weight.diff() <= 2e-7).all())


def test_the_weight_map_shows_the_weight_of_every_pixel_and_0_where_ignored() -> None:
    logits, target = case((6, 5))
    weight = feedback_weight_map(logits, target, beta=2.0, min_weight=0.1)
    counted = target != IGNORE
    log_p = log_probability_of_truth(logits.detach().numpy(), target.numpy())
    assert weight.shape == target.shape
    assert not weight.requires_grad
    assert not weight[~counted].any()
    np.testing.assert_allclose(weight[counted], 0.1 ** np.exp(log_p) ** 2, rtol=1e-12)


@given(
    values=st.lists(st.tuples(*[st.floats(-3.4e38, 3.4e38)] * 3), min_size=1, max_size=8),
    beta=BETAS,
    min_weight=MIN_WEIGHTS,
    detach=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_the_loss_and_its_gradient_are_finite_for_any_logits(
    values: list[tuple[float, ...]], beta: float, min_weight: float, detach: bool
) -> None:
    logits = torch.tensor(values, requires_grad=True)
    target = torch.arange(len(values)) % 3
    loss = feedback_weighted_cross_entropy(
        logits, target, beta=beta, min_weight=min_weight, detach_weight=detach
    )
    loss.backward()
    assert 0 <= loss.item() < math.inf
    assert bool(logits.grad.isfinite().all())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("config", [LossConfig(), LossConfig(detach_weight=True, dice_weight=1.0)])
def test_extreme_logits_under_autocast_give_finite_losses_and_gradients(
    device: str, dtype: torch.dtype, config: LossConfig
) -> None:
    images = torch.tensor([[1e4, -1e4], [-1e4, 1e4], [0.0, 1.0]], device=device)
    scale = torch.ones(2, device=device, requires_grad=True)
    target = torch.tensor([0, 0, 1], device=device)
    with torch.autocast(device, dtype=dtype):
        logits = (images * scale) @ torch.eye(2, device=device)
        loss = build_loss(config)(logits, target)
    loss.backward()
    assert logits.dtype == dtype
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    # Two of three pixels are as good as right; the other one costs their difference of 2e4.
    assert loss.item() == pytest.approx(2e4 / 3, rel=0.01)
    assert bool(scale.grad.isfinite().all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_lose_nothing_further(dtype: torch.dtype) -> None:
    logits, target = case((6, 5), dtype=dtype)
    loss = feedback_weighted_cross_entropy(logits, target)
    loss.backward()
    assert loss.item() == pytest.approx(reference(logits, target, 3.0, 0.01), rel=1e-6)
    double = logits.detach().double().requires_grad_()
    feedback_weighted_cross_entropy(double, target).backward()
    torch.testing.assert_close(logits.grad, double.grad.to(dtype), rtol=1e-2, atol=1e-7)


@pytest.mark.parametrize("size", [(), (1, 2), (1, 1, 2)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_is_the_slope_of_the_loss(
    size: tuple[int, ...], reduction: str, weighted: bool
) -> None:
    logits, target = case(size, batch=3, classes=3)
    loss = FeedbackWeightedCrossEntropyLoss(
        beta=2.0,
        reduction=reduction,
        class_weight=torch.tensor([0.5, 1.0, 3.0]) if weighted else None,
    )
    assert torch.autograd.gradcheck(lambda values: loss(values, target), (logits,))


def test_a_detached_weight_has_the_slope_of_the_loss_at_the_weight_it_has() -> None:
    logits, target = case((3, 2), classes=3)
    frozen = feedback_weight_map(logits, target)

    def loss_at_frozen_weight(values: Tensor) -> Tensor:
        surprise = F.cross_entropy(values, target, ignore_index=IGNORE, reduction="none")
        return (frozen * surprise).sum() / (target != IGNORE).sum()

    assert torch.autograd.gradcheck(loss_at_frozen_weight, (logits,))
    (expected,) = torch.autograd.grad(loss_at_frozen_weight(logits), logits)
    loss = feedback_weighted_cross_entropy(logits, target, detach_weight=True)
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("detach", [False, True])
def test_the_closed_form_agrees_with_automatic_differentiation(detach: bool) -> None:
    logits, target = case((6, 5))
    loss = feedback_weighted_cross_entropy(logits, target, detach_weight=detach)
    expected = plain_autograd(logits, target, detach=detach)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        torch.autograd.grad(loss, logits), torch.autograd.grad(expected, logits)
    )


def test_the_weight_itself_can_be_differentiated() -> None:
    log_p = torch.tensor([-2.0, -0.5, -0.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(feedback_weight, (log_p,))


def test_going_backward_twice_gives_the_same_gradient_twice() -> None:
    logits, target = case((6, 5))
    loss = feedback_weighted_cross_entropy(logits, target)
    (first,) = torch.autograd.grad(loss, logits, retain_graph=True)
    (second,) = torch.autograd.grad(2 * loss, logits)
    torch.testing.assert_close(second, 2 * first)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_with_all_weights_1_it_is_torchs_cross_entropy(
    size: tuple[int, ...], weighted: bool, reduction: str
) -> None:
    logits, target = case(size, dtype=torch.float32)
    options: dict[str, Any] = {"ignore_index": IGNORE, "reduction": reduction}
    weight = torch.tensor([0.5, 1.0, 2.0, 4.0]) if weighted else None
    theirs = nn.CrossEntropyLoss(weight=weight, **options)(logits, target)
    ours = FeedbackWeightedCrossEntropyLoss(min_weight=1.0, class_weight=weight, **options)(
        logits, target
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(
        torch.autograd.grad(ours.sum(), logits), torch.autograd.grad(theirs.sum(), logits)
    )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("ignore_index", [IGNORE, 255, 2])
def test_ignored_pixels_count_neither_in_the_sum_nor_in_the_mean(
    reduction: str, ignore_index: int
) -> None:
    loss = FeedbackWeightedCrossEntropyLoss(ignore_index=ignore_index, reduction=reduction)
    logits, target = case((6, 5), classes=3)
    target[target == IGNORE] = ignore_index
    counted = target != ignore_index
    alone = logits.detach().movedim(1, -1)[counted].requires_grad_()
    value, expected = loss(logits, target), loss(alone, target[counted])
    torch.testing.assert_close(value, expected)
    (gradient,) = torch.autograd.grad(value, logits)
    (expected_gradient,) = torch.autograd.grad(expected, alone)
    torch.testing.assert_close(gradient.movedim(1, -1)[counted], expected_gradient)
    assert not gradient.movedim(1, -1)[~counted].any()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("class_weight", [None, torch.tensor([1.0, 2.0, 3.0, 4.0])])
def test_pixels_all_ignored_give_0_and_no_gradient_where_torch_gives_nan(
    reduction: str, class_weight: Tensor | None
) -> None:
    logits, target = case((6, 5), ignored=1.0)
    loss = FeedbackWeightedCrossEntropyLoss(reduction=reduction, class_weight=class_weight)
    value = loss(logits, target)
    value.sum().backward()
    assert not value.any()
    assert not logits.grad.any()
    assert F.cross_entropy(logits, target).isnan()


def test_the_result_does_not_depend_on_the_memory_layout_or_the_integer_type() -> None:
    logits, target = case((6, 5))
    expected = feedback_weighted_cross_entropy(logits, target)
    channels_last = logits.detach().to(memory_format=torch.channels_last)
    wide = F.pad(logits.detach(), (0, 3, 0, 2))[..., :6, :5]
    target_255 = target.where(target != IGNORE, 255)
    for same in (channels_last, wide):
        torch.testing.assert_close(feedback_weighted_cross_entropy(same, target), expected)
    for dtype in (torch.uint8, torch.int16, torch.int32):
        loss = feedback_weighted_cross_entropy(logits, target_255.to(dtype), ignore_index=255)
        torch.testing.assert_close(loss, expected)


def test_one_tensor_of_the_logits_size_is_kept_for_the_way_back() -> None:
    logits, target = case((6, 5), ignored=0)
    kept: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        feedback_weighted_cross_entropy(logits, target)
    assert sum(kept) <= logits.numel() + target.numel()
    kept.clear()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), torch.no_grad():
        feedback_weighted_cross_entropy(logits, target)
    assert kept == []


@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 5).long(), r"\(2, 4, 4\).*not \(2, 4, 5\)"),
        (torch.zeros(2, 3, 4), torch.zeros(2, 3, 4).long(), r"shape \(2, 4\)"),
        (torch.zeros(2, 3), torch.zeros(2), "integer class labels, not torch.float32"),
        (torch.zeros(2, 3), torch.zeros(2).bool(), "integer class labels, not torch.bool"),
        (torch.zeros(2, 3).long(), torch.zeros(2).long(), "floating point .*not torch.int64"),
        (torch.zeros(3), torch.zeros(()).long(), r"\(N, C, \*size\)"),
        (torch.zeros(0, 3), torch.zeros(0).long(), "logits are empty"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), "labels from 0 to 3; allowed are 0 to 2 and"),
        (torch.zeros(2, 3), torch.tensor([-1, 1]), "labels from -1 to 1"),
        (torch.zeros(2, 3), torch.tensor([255, 1]), "and -100 for pixels to ignore"),
    ],
)
@pytest.mark.parametrize("loss", [FeedbackWeightedCrossEntropyLoss(), SoftDiceLoss()])
def test_what_does_not_fit_is_refused_in_words(
    loss: nn.Module, logits: Tensor, target: Tensor, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        loss(logits, target)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": 0.0}, "beta must be from 0.01 to 100.0, not 0.0"),
        ({"beta": math.nan}, "beta must be"),
        ({"min_weight": 0.0}, "min_weight must be from 1e-06 to 1.0"),
        ({"min_weight": 1.5}, "min_weight must be"),
        ({"reduction": "median"}, "'mean', 'sum' or 'none', not 'median'"),
        ({"class_weight": torch.ones(2)}, r"3 classes, not have the shape \(2,\)"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FeedbackWeightedCrossEntropyLoss(**options)(torch.zeros(1, 3), torch.tensor([0]))


def test_class_weights_follow_the_module_but_are_no_part_of_its_state() -> None:
    loss = FeedbackWeightedCrossEntropyLoss(class_weight=torch.ones(3)).to("meta")
    assert loss.class_weight is not None
    assert loss.class_weight.is_meta
    assert loss.state_dict() == {}
