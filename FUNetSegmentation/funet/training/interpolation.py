"""Going back from retrained weights towards those of the base, against forgetting."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from ..annotations.samples import SliceSample
from ..loss_config import LossConfig
from ..losses import build_loss
from ..networks import UNet
from ..runtime import choose_device, training_runtime
from .validation import score_slices

# Shares of the way from the base to the retrained weights that are tried, in this order.
_SHARES = (0.3, 0.5, 0.7)


@torch.no_grad()
def step_back(
    base: UNet,
    network: UNet,
    learned: Sequence[SliceSample],
    *,
    dice_to_keep: float,
    gain_to_keep: float,
    device: str,
) -> float:
    """Move a retrained network towards its base as far as the slices that it learned allow.

    A few slices teach more than they should: weights between the two networks keep most of what
    was learned, and lose less of what the base knew of other slices. The way to go is the
    shortest of 0.3, 0.5 and 0.7 that keeps, on the slices learned, the wanted share of Dice and
    that of what it rose by; where none does, the network stays as it is.

    Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022 (weights between
    the two); the choice by the slices learned is ours.

    Args:
        base: the network before the retraining.
        network: the network after it, of the same kind; changed in place, on the CPU.
        learned: slices that it learned from, at least one.
        dice_to_keep: share of the mean Dice on the slices learned, from 0 to 1; it decides where
            the base knew little of them.
        gain_to_keep: share of what that Dice rose by, from 0 to 1; it decides where the base
            knew much. 1 never goes back.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Returns:
        The share of the way that the weights lie from the base, in (0, 1].
    """
    if gain_to_keep >= 1:
        return 1.0
    place, _ = choose_device(device)
    runtime = training_runtime(place, "auto")
    between = copy.deepcopy(network).to(place)
    before, after = base.state_dict(), network.state_dict()
    loss = build_loss(LossConfig()).to(place)

    def dice_at(share: float) -> float:
        between.load_state_dict(
            {
                name: torch.lerp(tensor, after[name], share)
                if tensor.is_floating_point()
                else after[name]
                for name, tensor in before.items()
            }
        )
        return score_slices(between, learned, loss=loss, runtime=runtime).mean_dice

    known, learnt = dice_at(0.0), dice_at(1.0)
    needed = max(dice_to_keep * learnt, known + gain_to_keep * (learnt - known))
    for share in _SHARES:
        if dice_at(share) >= needed:
            network.load_state_dict(between.state_dict())
            return share
    return 1.0
