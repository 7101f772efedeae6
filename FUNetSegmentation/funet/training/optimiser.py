"""The optimiser of a training."""

from __future__ import annotations

import torch
from torch import nn

from ..networks import UNet
from .presets import TrainingConfig


def make_optimiser(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW over all weights, those of the contracting path at a rate of their own."""
    groups: list[dict[str, object]] = [{"params": list(network.parameters()), "rate": 1.0}]
    if isinstance(network, UNet):
        groups = [
            {"params": list(network.encoder_parameters()), "rate": config.encoder_rate},
            {"params": list(network.decoder_parameters()), "rate": 1.0},
        ]
    rate, decay = config.learning_rate, config.weight_decay
    return torch.optim.AdamW(groups, lr=rate, weight_decay=decay, fused=True)


def match_layouts(optimiser: torch.optim.Optimizer) -> None:
    """Lay restored averages out in memory as their parameters, which a fused optimiser expects."""
    for parameter, state in optimiser.state.items():
        for name, value in state.items():
            if value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)
