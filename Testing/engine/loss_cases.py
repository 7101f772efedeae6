"""Logits and labels that the tests of the losses share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

IGNORE = -100
SIZES = [(), (6, 5), (3, 4, 5)]


def case(
    size: tuple[int, ...],
    *,
    batch: int = 7,
    classes: int = 4,
    ignored: float = 0.2,
    dtype: Any = torch.float64,
) -> tuple[Tensor, Tensor]:
    """Random logits that need a gradient, and labels of which some are ignored."""
    logits = (3 * torch.randn(batch, classes, *size, dtype=torch.float64)).to(dtype)
    target = torch.randint(0, classes, (batch, *size))
    target[torch.rand(target.shape) < ignored] = IGNORE
    return logits.requires_grad_(), target
