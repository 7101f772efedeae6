"""Exponential moving average of a network's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AveragedWeights:
    """A running average of the weights, smoother than the weights of the last step.

    The average follows fast at first, so that a short training is not held at its start.

    Args:
        network: the network that is being trained.
        decay: weight of the past at each step, in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.updates = 0
        self.state = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the weights of one more step into the average."""
        self.updates += 1
        decay = min(self._decay, self.updates / (10 + self.updates))
        for name, tensor in network.state_dict().items():
            average = self.state[name]
            if average.is_floating_point():
                average.lerp_(tensor, 1 - decay)
            else:
                average.copy_(tensor)

    def move(self, device: torch.device) -> None:
        """Go on on another device."""
        self.state = {name: tensor.to(device) for name, tensor in self.state.items()}

    def restore(self, state: dict[str, Tensor], updates: int) -> None:
        """Go on from an average that was stored."""
        for name, tensor in state.items():
            self.state[name].copy_(tensor)
        self.updates = updates
