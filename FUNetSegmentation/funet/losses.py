"""The losses: feedback-weighted cross-entropy, soft Dice, and what a configuration chooses.

Source: Jafari et al., "FU-net: Multi-class Image Segmentation Using Feedback Weighted U-net",
ICIG 2019, equations (1) and (2). With p the probability that the network gives to the true class
of a pixel and m the smallest weight,

    w(p) = m ** (p ** beta),    loss = mean over the pixels of -w(p) * log(p),

so a pixel that is wholly wrong weighs 1 and one that is wholly right weighs m. In the paper m is
0.01 and beta is 3.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .configuration import Range
from .errors import InputError
from .loss_config import BETA_RANGE, MIN_WEIGHT_RANGE, LossConfig

Reduction = Literal["mean", "sum", "none"]

_LN_2 = math.log(2)
_MOST = 1e30  # of -log(p): logits of 1e38 give infinity, and the sum must stay a number


def feedback_weight(log_probability: Tensor, beta: float = 3.0, min_weight: float = 0.01) -> Tensor:
    """The weight of equation (2), from the logarithm of the true class's probability.

    Args:
        log_probability: log p of any shape, values in [-inf, 0].
        beta: exponent; the larger, the longer a pixel keeps its full weight.
        min_weight: the weight at p = 1; the weight at p = 0 is 1.

    Returns:
        Weights in [min_weight, 1] of the same shape, in float32 or float64.

    Raises:
        InputError: if ``beta`` or ``min_weight`` is out of its range.
    """
    _check_settings(beta, min_weight)
    return _weight(torch.exp(_at_least_float32(log_probability) * beta), min_weight)


def feedback_weight_map(
    logits: Tensor,
    target: Tensor,
    *,
    beta: float = 3.0,
    min_weight: float = 0.01,
    ignore_index: int = -100,
) -> Tensor:
    """The weight that every pixel has in the loss, 0 where it is ignored; no gradient.

    Args and errors are those of :func:`feedback_weighted_cross_entropy`.

    Returns:
        (N, *size) in float32 or float64.
    """
    labels, valid = _checked_labels(logits, target, ignore_index)
    log_probability = F.log_softmax(_at_least_float32(logits.detach()), dim=1)
    weight = feedback_weight(log_probability.gather(1, labels).squeeze(1), beta, min_weight)
    return weight if valid is None else weight * valid


def feedback_weighted_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    beta: float = 3.0,
    min_weight: float = 0.01,
    ignore_index: int = -100,
    detach_weight: bool = False,
    class_weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross-entropy in which every pixel weighs more, the worse it is predicted; equation (1).

    Computed in float32 at least, also under autocast; finite, with finite gradients, for all
    finite logits, because the -log(p) of a pixel is taken as 1e30 at most. With ``min_weight=1``
    it is ``torch.nn.functional.cross_entropy``, except that the mean over no pixel at all is 0
    with a zero gradient, where PyTorch gives NaN.

    Args:
        logits: scores (N, C), (N, C, R, C) or (N, C, S, R, C), floating point.
        target: true classes (N, *size), any integer type, 0 to C - 1 or ``ignore_index``.
        beta: exponent of :func:`feedback_weight`.
        min_weight: weight of a pixel that is wholly right, in (0, 1].
        ignore_index: label of the pixels that count neither in the sum nor in the mean.
        detach_weight: hold the weight constant in the gradient.
        class_weight: (C,) factors on the feedback weight by true class.
        reduction: ``"mean"`` divides the sum by the number of pixels that are not ignored, or,
            as ``torch.nn.CrossEntropyLoss`` does, by the sum of their class weights; ``"sum"``;
            ``"none"`` gives (N, *size) with 0 at the ignored pixels.

    Raises:
        InputError: if shapes, types, labels or options do not fit; the message says which.
    """
    if reduction not in ("mean", "sum", "none"):
        raise InputError(f"reduction must be 'mean', 'sum' or 'none', not {reduction!r}.")
    _check_settings(beta, min_weight)
    labels, valid = _checked_labels(logits, target, ignore_index)
    scores = _at_least_float32(logits)
    importance = None if valid is None else valid.to(scores.dtype).unsqueeze(1)
    if class_weight is not None:
        by_class = _checked_class_weight(class_weight, logits).to(scores.dtype)[labels]
        importance = by_class if importance is None else by_class * importance
    loss: Tensor = _FeedbackCrossEntropy.apply(  # type: ignore[no-untyped-call]
        scores, labels, importance, beta, min_weight, detach_weight
    )
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    if importance is None:
        return loss.mean()
    total = importance.sum()
    return loss.sum() / total.where(total > 0, 1.0)


class FeedbackWeightedCrossEntropyLoss(nn.Module):
    """:func:`feedback_weighted_cross_entropy` as a module, instead of ``CrossEntropyLoss``."""

    class_weight: Tensor | None

    def __init__(
        self,
        beta: float = 3.0,
        min_weight: float = 0.01,
        ignore_index: int = -100,
        detach_weight: bool = False,
        class_weight: Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        _check_settings(beta, min_weight)
        self.beta = beta
        self.min_weight = min_weight
        self.ignore_index = ignore_index
        self.detach_weight = detach_weight
        self.reduction: Reduction = reduction
        self.register_buffer("class_weight", class_weight, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C, *size) against labels (N, *size)."""
        return feedback_weighted_cross_entropy(
            logits,
            target,
            beta=self.beta,
            min_weight=self.min_weight,
            ignore_index=self.ignore_index,
            detach_weight=self.detach_weight,
            class_weight=self.class_weight,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings, for ``print(module)``."""
        return (
            f"beta={self.beta}, min_weight={self.min_weight}, ignore_index={self.ignore_index}, "
            f"detach_weight={self.detach_weight}, reduction={self.reduction!r}"
        )


class SoftDiceLoss(nn.Module):
    """1 minus the mean soft Dice of the structures shown, over the whole batch at once.

    A structure that no pixel of the batch shows has no Dice to gain: with it, a few slices
    without a structure would teach the network never to draw it. A batch without any structure,
    or with all pixels ignored, gives the loss 0.

    Args:
        ignore_index: label of the pixels that do not count.
        smooth: added above and below the fraction line, more than 0.
    """

    def __init__(self, ignore_index: int = -100, smooth: float = 1.0) -> None:
        super().__init__()
        Range(1e-12, 1e12).check("smooth", smooth)
        self.ignore_index = ignore_index
        self.smooth = smooth

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C, *size) against labels (N, *size), as a scalar in [0, 1]."""
        labels, valid = _checked_labels(logits, target, self.ignore_index)
        probability = F.softmax(_at_least_float32(logits), dim=1)[:, 1:]
        classes = torch.arange(1, logits.shape[1], device=logits.device)
        truth = labels == classes.view(-1, *(1 for _ in logits.shape[2:]))
        if valid is not None:
            truth = truth & valid.unsqueeze(1)
            probability = probability * valid.unsqueeze(1)
        axes = (0, *range(2, logits.ndim))
        shared = (probability * truth).sum(axes)
        pixels = truth.sum(axes)
        sizes = probability.sum(axes) + pixels
        missed = 1 - (2 * shared + self.smooth) / (sizes + self.smooth)
        shown = pixels > 0
        return (missed * shown).sum() / shown.sum().clamp_min(1)


class CombinedLoss(nn.Module):
    """A loss of pixels plus a number of times the soft Dice loss."""

    def __init__(self, pixels: nn.Module, dice: SoftDiceLoss, dice_weight: float) -> None:
        super().__init__()
        self.pixels = pixels
        self.dice = dice
        self.dice_weight = dice_weight

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C, *size) against labels (N, *size), as a scalar."""
        loss: Tensor = self.pixels(logits, target) + self.dice_weight * self.dice(logits, target)
        return loss


def build_loss(config: LossConfig, ignore_index: int = 255) -> nn.Module:
    """The module (logits (N, C, *size), target (N, *size)) -> scalar that the settings ask for."""
    # All weights 1 make it the plain cross-entropy, with the same care for ignored pixels.
    pixels = FeedbackWeightedCrossEntropyLoss(
        beta=config.beta,
        min_weight=config.min_weight if config.name == "feedback" else 1.0,
        ignore_index=ignore_index,
        detach_weight=config.detach_weight,
    )
    if config.dice_weight == 0:
        return pixels
    return CombinedLoss(pixels, SoftDiceLoss(ignore_index), config.dice_weight)


class _FeedbackCrossEntropy(torch.autograd.Function):
    """w(p) * -log(p) of every pixel times its importance, with its gradient in closed form.

    With u = -log(p) and v = p ** beta, the loss is w * u and its slope is
    d(w * u) / du = w * (1 - beta * log(m) * v * u), or w alone if the weight is held constant.
    The gradient to the logits is slope * (softmax - one-hot). It is computed on the way forward,
    in the memory of the log-softmax, so one tensor of the logits' size is kept.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        labels: Tensor,
        importance: Tensor | None,
        beta: float,
        min_weight: float,
        detach: bool,
    ) -> Tensor:
        log_probabilities = F.log_softmax(logits, dim=1)
        u = log_probabilities.gather(1, labels).neg_().clamp_max_(_MOST)
        # Powers of two: three times as fast as exp, nine times as fast as pow.
        v = (u * (-beta / _LN_2)).exp2_()
        weight = (v * math.log2(min_weight)).exp2_()
        if importance is not None:
            weight.mul_(importance)
        loss = weight * u
        if ctx.needs_input_grad[0]:
            growth = -beta * math.log(min_weight)
            slope = weight if detach else torch.addcmul(weight, v, loss, value=growth)
            gradient = log_probabilities.mul_(1 / _LN_2).exp2_().mul_(slope)
            ctx.save_for_backward(gradient.scatter_add_(1, labels, slope.neg_()))
        return loss.squeeze(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_output.unsqueeze(1), None, None, None, None, None


def _weight(power: Tensor, min_weight: float) -> Tensor:
    """The weight for p ** beta; exact at both ends, which exp(power * log(m)) is not."""
    return torch.pow(min_weight, power)


def _at_least_float32(values: Tensor) -> Tensor:
    """Half-precision values as float32; float32 and float64 as they are."""
    return values if values.dtype == torch.float64 else values.float()


def _check_settings(beta: float, min_weight: float) -> None:
    BETA_RANGE.check("beta", beta)
    MIN_WEIGHT_RANGE.check("min_weight", min_weight)


def _checked_labels(
    logits: Tensor, target: Tensor, ignore_index: int
) -> tuple[Tensor, Tensor | None]:
    """The labels as (N, 1, *size) int64 in 0 to C - 1, and which pixels count.

    The second is a boolean (N, *size), or ``None`` if all count; ignored pixels get some label.
    Looking at the labels here also spares a GPU the failed assertion that would make it unusable
    for the rest of the process.
    """
    if not logits.is_floating_point() or logits.ndim < 2:
        raise InputError(
            "The logits must be floating point of shape (N, C, *size), "
            f"not {logits.dtype} of shape {tuple(logits.shape)}."
        )
    expected = (logits.shape[0], *logits.shape[2:])
    if target.shape != expected:
        raise InputError(
            f"The target must have the shape {expected} to fit logits of shape "
            f"{tuple(logits.shape)}, not {tuple(target.shape)}."
        )
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise InputError(f"The target must hold integer class labels, not {target.dtype}.")
    if logits.numel() == 0:
        raise InputError(f"The logits are empty: their shape is {tuple(logits.shape)}.")
    labels, last = target.long(), logits.shape[1] - 1
    low, high = (int(bound) for bound in labels.aminmax())
    if low >= 0 and high <= last and not 0 <= ignore_index <= last:
        return labels.unsqueeze(1), None
    valid = labels != ignore_index
    labels = labels.where(valid, 0)
    least, most = (int(bound) for bound in labels.aminmax())
    if least < 0 or most > last:
        raise InputError(
            f"The target holds labels from {low} to {high}; allowed are 0 to {last} "
            f"and {ignore_index} for pixels to ignore."
        )
    return labels.unsqueeze(1), valid


def _checked_class_weight(class_weight: Tensor, logits: Tensor) -> Tensor:
    """The class weights, if there is one for each class of the logits."""
    if class_weight.shape != logits.shape[1:2]:
        raise InputError(
            f"class_weight must hold one number for each of the {logits.shape[1]} classes, "
            f"not have the shape {tuple(class_weight.shape)}."
        )
    return class_weight.to(logits.device)
