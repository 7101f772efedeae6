"""How well a network labels annotated slices: loss and Dice over all of their pixels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from ..annotations.samples import SliceSample
from ..images.segmentations import IGNORE_LABEL
from ..progress import CancelToken
from ..runtime import NO_ROOM_ON_GPU, Runtime, is_out_of_memory
from .batches import common_sides, patch


@dataclass(frozen=True)
class SliceScore:
    """Loss and Dice of a network on annotated slices.

    Attributes:
        loss: mean of the batches' losses.
        dice: Dice of each structure 1, 2, … over the pixels of all slices together; NaN where
            neither the network nor the annotation shows the structure.
        note: what the user should be told; empty if nothing.
    """

    loss: float
    dice: tuple[float, ...]
    note: str = ""

    @property
    def mean_dice(self) -> float:
        """Mean Dice of the structures that occur; 0 if none does."""
        present = [value for value in self.dice if not np.isnan(value)]
        return float(np.mean(present)) if present else 0.0


@torch.no_grad()
def score_slices(
    network: nn.Module,
    samples: Sequence[SliceSample],
    *,
    loss: nn.Module,
    runtime: Runtime,
    state: Mapping[str, Tensor] | None = None,
    batch_size: int = 8,
    cancel: CancelToken | None = None,
) -> SliceScore:
    """Return loss and Dice of a network on whole slices, however little memory there is.

    Args:
        network: put into evaluation mode for the call and left in the mode that it had.
        samples: at least one.
        loss: of (logits, target).
        runtime: device and precision.
        state: weights to use instead of the network's own.
        batch_size: slices computed together; fewer where the memory does not hold them, and on the
            CPU where the GPU does not hold a single one.
        cancel: checked before every batch.

    Raises:
        Cancelled: within one batch of a cancel.
    """
    try:
        return _score(network, samples, loss, runtime, state, batch_size, cancel)
    except RuntimeError as error:
        if not is_out_of_memory(error) or (batch_size == 1 and runtime.device.type == "cpu"):
            raise
    torch.cuda.empty_cache()
    if batch_size > 1:
        fewer = batch_size // 2
        return score_slices(
            network,
            samples,
            loss=loss,
            runtime=runtime,
            state=state,
            batch_size=fewer,
            cancel=cancel,
        )
    state = dict(network.state_dict() if state is None else state)
    on_cpu = {name: tensor.cpu() for name, tensor in state.items()}
    score = score_slices(
        network,
        samples,
        loss=copy.deepcopy(loss).cpu(),
        runtime=Runtime(torch.device("cpu")),
        state=on_cpu,
        cancel=cancel,
    )
    return replace(score, note=NO_ROOM_ON_GPU)


def _score(
    network: nn.Module,
    samples: Sequence[SliceSample],
    loss: nn.Module,
    runtime: Runtime,
    state: Mapping[str, Tensor] | None,
    batch_size: int,
    cancel: CancelToken | None,
) -> SliceScore:
    sides = common_sides(samples, None)
    overlap = torch.zeros(3, 1, dtype=torch.long)
    losses: list[float] = []
    was_training = network.training
    network.eval()
    try:
        for first in range(0, len(samples), batch_size):
            if cancel is not None:
                cancel.raise_if_cancelled()
            part = samples[first : first + batch_size]
            patches = [patch(sample, sides, np.random.default_rng(0)) for sample in part]
            images = torch.from_numpy(np.stack([image for image, _ in patches])[:, None])
            target = torch.from_numpy(np.stack([label for _, label in patches])).long()
            images, target = images.to(runtime.device), target.to(runtime.device)
            with runtime.autocast():
                if state is None:
                    logits = network(images)
                else:
                    logits = torch.func.functional_call(network, dict(state), (images,))
            losses.append(float(loss(logits, target)))
            overlap = overlap + _overlap(logits, target).cpu()
    finally:
        network.train(was_training)
    both, predicted, annotated = overlap[:, 1:].double()
    dice = 2 * both / (predicted + annotated)
    return SliceScore(float(np.mean(losses)), tuple(dice.tolist()))


def _overlap(logits: Tensor, target: Tensor) -> Tensor:
    """Pixels of each class in both, in the prediction, in the target: (3, classes)."""
    counted = target != IGNORE_LABEL
    predicted, target = logits.argmax(1)[counted], target[counted]
    return torch.stack(
        [
            torch.bincount(values, minlength=logits.shape[1])
            for values in (target[predicted == target], predicted, target)
        ]
    )
