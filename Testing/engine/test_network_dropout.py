"""Dropout acts where it does not spoil the statistics of a batch normalisation after it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from funet.networks import ConvBlock, build_network

OPTIONS: dict[str, Any] = {
    "in_channels": 1,
    "num_classes": 3,
    "features": 8,
    "depth": 3,
    "dropout": 0.25,
}


def test_without_batch_normalisation_dropout_acts_once_in_every_block() -> None:
    network = build_network("unet", **OPTIONS).train()
    layers = [m for m in network.modules() if isinstance(m, nn.Dropout)]
    blocks = [m for m in network.modules() if isinstance(m, ConvBlock)]
    assert layers == [block.dropout for block in blocks]
    before, after = what_passes(network.encoder[0].dropout, network)
    assert bool((before >= 0).all()), "dropout comes after the activation"
    assert_drops_single_elements(before, after)


def test_with_batch_normalisation_dropout_acts_once_before_the_last_convolution() -> None:
    network = build_network("brunet", **OPTIONS).train()
    assert [m for m in network.modules() if isinstance(m, nn.Dropout)] == [network.dropout]
    before, after = what_passes(network.dropout, network)
    assert before.shape[1] == network.head.in_channels
    assert_drops_single_elements(before, after)


def what_passes(layer: nn.Module, network: nn.Module) -> tuple[Tensor, Tensor]:
    """What goes into a layer and what comes out of it while the network runs."""
    passed: list[tuple[Tensor, Tensor]] = []
    layer.register_forward_hook(lambda _, inputs, out: passed.append((inputs[0], out)))
    network(torch.randn(4, 1, 32, 32))
    return passed[0]


def assert_drops_single_elements(before: Tensor, after: Tensor) -> None:
    active = before > 0
    dropped = (after == 0) & active
    assert float(dropped.sum() / active.sum()) == pytest.approx(0.25, abs=0.02)
    assert bool((dropped.any(dim=(2, 3)) & (after > 0).any(dim=(2, 3))).any())
