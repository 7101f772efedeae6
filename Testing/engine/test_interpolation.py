"""Retrained weights go back towards the base as far as the slices learned allow."""

from __future__ import annotations

import copy

import pytest
import torch
from slices import disc_slices

from funet.networks import UNet, build_network
from funet.training.interpolation import step_back
from funet.training.loop import train
from funet.training.presets import TrainingConfig

SLICES = disc_slices(4, "learned")


def network(seed: int) -> UNet:
    torch.manual_seed(seed)
    return build_network("funet", in_channels=1, num_classes=3, features=8, depth=3).eval()


@pytest.fixture(scope="module")
def taught() -> UNet:
    taught = network(0)
    config = TrainingConfig(
        epochs=8, steps_per_epoch=10, learning_rate=1e-2, device="cpu", precision="float32"
    )
    list(train(taught, SLICES, config=config))
    return taught


def go_back(base: UNet, learned: UNet, dice: float = 0.85, gain: float = 0.5) -> float:
    """Let the second network go back towards the first."""
    return step_back(base, learned, SLICES, dice_to_keep=dice, gain_to_keep=gain, device="cpu")


def lerped(first: UNet, second: UNet, share: float) -> dict[str, torch.Tensor]:
    other = second.state_dict()
    return {
        name: first_tensor + share * (other[name] - first_tensor)
        for name, first_tensor in first.state_dict().items()
        if first_tensor.is_floating_point()
    }


def test_where_the_base_knows_it_all_the_shortest_way_is_taken(taught: UNet) -> None:
    further = copy.deepcopy(taught)
    with torch.no_grad():
        further.head.bias += torch.tensor([0.001, -0.001, 0.0])
    expected = lerped(taught, further, 0.3)
    assert go_back(taught, further) == 0.3
    for name, tensor in expected.items():
        torch.testing.assert_close(further.state_dict()[name], tensor)


def test_where_the_base_knows_nothing_the_network_stays_as_it_is(taught: UNet) -> None:
    learned = copy.deepcopy(taught)
    assert go_back(network(1), learned, dice=0.99) == 1.0
    for name, tensor in taught.state_dict().items():
        assert torch.equal(learned.state_dict()[name], tensor), name


def test_the_base_is_left_alone_and_1_never_goes_back(taught: UNet) -> None:
    base, learned = copy.deepcopy(taught), copy.deepcopy(taught)
    assert go_back(base, learned, gain=1.0) == 1.0
    assert go_back(base, learned) == 0.3
    for name, tensor in taught.state_dict().items():
        assert torch.equal(base.state_dict()[name], tensor), name
