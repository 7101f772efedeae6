"""Going back from retrained weights towards those of the base, against forgetting."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..annotations.samples import SliceSample
from ..loss_config import LossConfig
from ..losses import build_loss
from ..networks import UNet
from ..progress import CancelToken
from ..runtime import choose_device, training_runtime
from .validation import score_slices

# By so much of the way the weights go on, where they went back too far.
_STEP = 0.1


@torch.no_grad()
def step_back(
    base: UNet,
    network: UNet,
    learned: Sequence[SliceSample],
    *,
    distances: tuple[float, float],
    dice_to_keep: float,
    device: str,
    cancel: CancelToken | None = None,
) -> float:
    """Move a retrained network towards its base, the more so the more the base knew already.

    A few slices teach more than they should: weights between the two networks keep most of what
    was learned, and lose less of what the base knew of other slices. Where the base labelled the
    slices as well before, the first of the distances is enough; where it found nothing, the second
    is needed; in between, they are weighed by the share of the Dice on these slices that is
    gained. The weights go on from there while that Dice is too low.

    Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022; the choice of the
    distance is ours.

    Args:
        base: the network before the retraining.
        network: the network after it, of the same kind; changed in place, on the CPU.
        learned: slices that it learned from, at least one.
        distances: shares of the way, in (0, 1], where the base knew all of the slices or nothing.
        dice_to_keep: share of the mean Dice on the slices learned that must remain, from 0 to 1.
        device: as in :func:`~funet.runtime.choose_device`.
        cancel: checked before every batch.

    Returns:
        The share of the way that the weights lie from the base, in (0, 1].
    """
    least, most = distances
    if least >= 1:
        return 1.0
    place, _ = choose_device(device)
    runtime = training_runtime(place, "auto")
    between = copy.deepcopy(network).to(place)
    before, after = base.state_dict(), network.state_dict()
    loss = build_loss(LossConfig()).to(place)

    def dice_at(share: float) -> float:
        between.load_state_dict(_weights_between(before, after, share))
        score = score_slices(between, learned, loss=loss, runtime=runtime, cancel=cancel)
        return score.mean_dice

    known, learnt = dice_at(0.0), dice_at(1.0)
    # Slices without any structure have no Dice, and teach no more than that.
    gained = (learnt - known) / learnt if learnt > known else 0.0
    share = least + (most - least) * gained
    while share < 1 and dice_at(share) < dice_to_keep * learnt:
        share = min(share + _STEP, 1.0)
    if share < 1:
        network.load_state_dict(between.state_dict())
    return share


def _weights_between(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    return {
        name: torch.lerp(tensor, after[name], share) if tensor.is_floating_point() else after[name]
        for name, tensor in before.items()
    }
