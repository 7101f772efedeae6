"""Loss and gradients of one batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..runtime import Runtime
from ..side_by_side import SideBySide


def gradients_side_by_side(
    side_by_side: SideBySide,
    network: nn.Module,
    images: Tensor,
    target: Tensor,
    loss: nn.Module,
    share: float,
    runtime: Runtime,
) -> float:
    """Add the gradients of a batch to those of a network, the parts of the batch side by side.

    The loss is that of the whole batch, and the sum over the parts has a fixed order. That is
    right only for a network in which no image of a batch acts on another one and nothing is drawn
    at random: batch normalisation and dropout must be those of evaluation.

    Args:
        side_by_side: computes the parts.
        network: on the CPU.
        images: (N, channels, rows, columns).
        target: int64 (N, rows, columns).
        loss: of (logits, target), a mean over the batch.
        share: what the loss is multiplied by.
        runtime: of the CPU; its type needs no scaling of the loss.

    Returns:
        The loss.
    """
    parameters = [one for one in network.parameters() if one.requires_grad]

    def forward(part: Tensor) -> Tensor:
        with runtime.autocast():
            result: Tensor = network(part)
        return result

    def backward(logits: Tensor, slopes: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(logits, parameters, slopes)

    outputs = side_by_side.map(forward, images.chunk(side_by_side.parts))
    logits = torch.cat([output.detach() for output in outputs]).requires_grad_()
    value: Tensor = loss(logits, target) * share
    (slopes,) = torch.autograd.grad(value, logits)
    by_part = side_by_side.map(backward, outputs, slopes.chunk(side_by_side.parts))
    for parameter, first, *others in zip(parameters, *by_part, strict=True):
        # Laid out in memory as the parameter, which a fused optimiser expects.
        total = torch.empty_like(parameter).copy_(first)
        for gradient in others:
            total += gradient
        parameter.grad = total if parameter.grad is None else parameter.grad + total
    return float(value.detach())
