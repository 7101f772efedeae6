"""The state of a training on disk, complete enough to go on to the bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..annotations.samples import SliceSample
from ..errors import ModelError, TrainingError
from ..models.weights import load_tensors, save_tensors
from .presets import TrainingConfig


@dataclass(frozen=True)
class TrainingState:
    """Everything that a training has come to after an epoch.

    Attributes:
        network, average, best: weights by name; ``average`` is empty without averaging.
        optimiser: state as ``torch.optim.Optimizer.state_dict`` gives it.
        average_updates: steps taken into the average.
        best_epoch, best_score: epoch of the best weights and its mean validation Dice.
        epoch: epochs done.
        seconds: time spent so far.
        precision: arithmetic of the training.
    """

    network: dict[str, Tensor]
    optimiser: dict[str, Any]
    average: dict[str, Tensor]
    average_updates: int
    best: dict[str, Tensor]
    best_epoch: int
    best_score: float
    epoch: int
    seconds: float
    precision: Any


_WEIGHTS = ("network", "average", "best")
_NUMBERS = ("average_updates", "best_epoch", "best_score", "epoch", "seconds", "precision")


class Checkpoint:
    """One file with the newest state of one training.

    Args:
        path: the file, replaced at once by every newer state.
        owner: fingerprint of the training that the state belongs to.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self._path = path
        self._owner = owner

    def store(self, state: TrainingState) -> None:
        """Write a state in place of the one before."""
        tensors = {
            f"{part}/{name}": tensor.detach().cpu().contiguous()
            for part in _WEIGHTS
            for name, tensor in getattr(state, part).items()
        }
        for index, slots in state.optimiser["state"].items():
            for name, tensor in slots.items():
                tensors[f"optimiser/{index}/{name}"] = tensor.detach().cpu().contiguous()
        metadata = {
            "owner": self._owner,
            "numbers": json.dumps({name: getattr(state, name) for name in _NUMBERS}),
            "groups": json.dumps(state.optimiser["param_groups"]),
        }
        save_tensors(self._path, tensors, metadata)

    def load(self) -> TrainingState | None:
        """Return the stored state, or ``None`` if there is none.

        Raises:
            TrainingError: if the file is damaged or belongs to another training.
        """
        if not self._path.exists():
            return None
        try:
            tensors, metadata = load_tensors(self._path)
        except ModelError as error:
            raise TrainingError(
                f"The checkpoint {self._path} is damaged; delete it to start again."
            ) from error
        if metadata.get("owner") != self._owner:
            raise TrainingError(
                f"The checkpoint {self._path} belongs to a training with other data or settings; "
                "delete it to start again."
            )
        parts: dict[str, Any] = {part: {} for part in _WEIGHTS}
        slots: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            part, name = key.split("/", 1)
            if part == "optimiser":
                index, slot = name.split("/", 1)
                slots.setdefault(int(index), {})[slot] = tensor
            else:
                parts[part][name] = tensor
        parts["optimiser"] = {"state": slots, "param_groups": json.loads(metadata["groups"])}
        return TrainingState(**parts, **json.loads(metadata["numbers"]))


def fingerprint(
    config: TrainingConfig,
    network: nn.Module,
    loss: nn.Module,
    samples: Sequence[SliceSample],
    validation: Sequence[SliceSample],
    weights: Sequence[float] | None,
) -> str:
    """Return a hash of all that decides what a training comes to.

    Where it runs and how long it may take do not count: a training may go on elsewhere.
    """
    tensors = [(name, *tensor.shape) for name, tensor in network.state_dict().items()]
    drawn = None if weights is None else list(weights)
    recipe = {k: v for k, v in asdict(config).items() if k not in ("device", "max_seconds")}
    settings = [recipe, tensors, repr(loss), drawn]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(torch.__version__.encode())
    for group in (samples, validation):
        digest.update(data_digest(group).encode())
    return digest.hexdigest()


def data_digest(samples: Sequence[SliceSample]) -> str:
    """Return the SHA-256 of the slices' pixels, labels and names, in their order."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(f"{sample.subject}\0{sample.slice_index}\0{sample.image.shape}".encode())
        digest.update(np.ascontiguousarray(sample.image).tobytes())
        digest.update(np.ascontiguousarray(sample.labels).tobytes())
    return digest.hexdigest()
