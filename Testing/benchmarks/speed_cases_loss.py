"""The loss, forward and backward, against PyTorch's cross-entropy and the formula as written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from speed_timing import Goal, Measured, Setting, in_child, interleaved, ratio
from torch import Tensor
from torch.nn import functional as F

from funet.losses import feedback_weighted_cross_entropy

IGNORED = 255
_SHAPE = (5, 3, 256, 256)
_BETA, _LEAST = 3.0, 0.01
# A call takes milliseconds, and another one in between costs it the caches: more of them.
_CALLS = 10


def naive(logits: Tensor, target: Tensor) -> Tensor:
    """The feedback-weighted loss as the paper writes it, left to automatic differentiation."""
    counted = target != IGNORED
    labels = target.where(counted, 0)
    p = F.softmax(logits, 1).gather(1, labels.unsqueeze(1)).squeeze(1)
    loss = -(_LEAST ** (p**_BETA)) * torch.log(p)
    return (loss * counted).sum() / counted.sum()


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ours": partial(feedback_weighted_cross_entropy, ignore_index=IGNORED),
    "cross-entropy": partial(F.cross_entropy, ignore_index=IGNORED),
    "naive formula": naive,
}


def loss(setting: Setting) -> Measured:
    """Time and peak memory at (5, 3, 256, 256), all pixels counted and some of them ignored."""
    side = setting.size(256, 32)
    generator = torch.Generator().manual_seed(setting.seed)
    logits = torch.randn(5, 3, side, side, generator=generator)
    target = torch.randint(0, 3, (5, side, side), generator=generator)
    some = target.masked_fill(torch.rand(target.shape, generator=generator) < 0.3, IGNORED)
    calls = {
        f"{name}{which}": partial(forward_and_back, call, logits, labels)
        for which, labels in (("", target), (", some ignored", some))
        for name, call in LOSSES.items()
    }
    times = interleaved(calls, setting.size(5, 1) * setting.repeats)
    memory = {
        name: in_child("loss_memory", loss=name, shape=_SHAPE)[0]["peak"]
        for name in ("ours", "cross-entropy")
    }
    goals = [
        Goal(f"the time of `cross_entropy`{which}", ratio(times, f"ours{which}", other), 1.2)
        for which in ("", ", some ignored")
        for other in (f"cross-entropy{which}",)
    ]
    goals += [
        Goal("the peak memory of `cross_entropy`", memory["ours"] / memory["cross-entropy"], 1.5),
        Goal("faster than the naive formula", ratio(times, "naive formula", "ours"), 1.0, False),
    ]
    return Measured(goals, times, {"peak_memory_mb": memory, "calls_per_time": _CALLS})


def forward_and_back(
    call: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor
) -> None:
    """Several times from the logits to their gradient."""
    for _ in range(_CALLS):
        call(logits.detach().requires_grad_(), target).backward()
