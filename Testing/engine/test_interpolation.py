"""Retrained weights go back towards the base, the more so the more that knew already."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from slices import disc_slices

from funet.errors import Cancelled
from funet.networks import UNet, build_network
from funet.progress import CancelToken
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


def go_back(
    base: UNet, learned: UNet, dice: float = 0.0, distances: tuple[float, float] = (0.25, 0.75)
) -> float:
    """Let the second network go back towards the first."""
    return step_back(base, learned, SLICES, distances=distances, dice_to_keep=dice, device="cpu")


def lerped(first: UNet, second: UNet, share: float) -> dict[str, torch.Tensor]:
    other = second.state_dict()
    return {
        name: first_tensor + share * (other[name] - first_tensor)
        for name, first_tensor in first.state_dict().items()
        if first_tensor.is_floating_point()
    }


def test_where_the_base_knows_it_all_the_shortest_way_is_taken(taught: UNet) -> None:
    same = copy.deepcopy(taught)
    with torch.no_grad():
        same.head.weight += 1e-4  # of all classes alike: the labels stay
    expected = lerped(taught, same, 0.25)
    assert go_back(taught, same) == 0.25
    for name, tensor in expected.items():
        torch.testing.assert_close(same.state_dict()[name], tensor)


def test_the_less_the_base_knows_the_farther_the_weights_go(taught: UNet) -> None:
    spoilt = []
    for noise in (0.0, 0.02, 1.0):
        base = copy.deepcopy(taught)
        torch.manual_seed(0)
        with torch.no_grad():
            base.head.weight += noise * torch.randn_like(base.head.weight)
        spoilt.append(go_back(base, copy.deepcopy(taught)))
    assert spoilt[0] == 0.25
    assert spoilt == sorted(spoilt)
    assert spoilt[-1] > 0.4
    assert go_back(nothing_known(taught), copy.deepcopy(taught)) == 0.75


def nothing_known(taught: UNet) -> UNet:
    """A network that labels everything as background."""
    base = copy.deepcopy(taught)
    with torch.no_grad():
        base.head.bias[0] += 100
    return base


def test_the_weights_go_on_until_the_dice_is_high_enough(taught: UNet) -> None:
    base, learned = nothing_known(taught), copy.deepcopy(taught)
    assert go_back(base, learned, dice=1.0) == 1.0
    for name, tensor in taught.state_dict().items():
        assert torch.equal(learned.state_dict()[name], tensor), name


def test_slices_without_a_structure_teach_the_least(taught: UNet) -> None:
    empty = [replace(one, labels=np.zeros_like(one.labels)) for one in SLICES]
    base = nothing_known(taught)
    share = step_back(
        base, nothing_known(taught), empty, distances=(0.25, 0.75), dice_to_keep=0.8, device="cpu"
    )
    assert share == 0.25


def test_the_base_is_left_alone_and_1_never_goes_back(taught: UNet) -> None:
    base, learned = copy.deepcopy(taught), copy.deepcopy(taught)
    assert go_back(base, learned, distances=(1.0, 1.0)) == 1.0
    assert go_back(base, learned) == 0.25
    for name, tensor in taught.state_dict().items():
        assert torch.equal(base.state_dict()[name], tensor), name


def test_a_cancel_stops_it(taught: UNet) -> None:
    token = CancelToken()
    token.cancel()
    learned = copy.deepcopy(taught)
    with pytest.raises(Cancelled):
        step_back(
            network(1),
            learned,
            SLICES,
            distances=(0.25, 0.75),
            dice_to_keep=0.0,
            device="cpu",
            cancel=token,
        )
    assert all(torch.equal(one, two) for one, two in zip(*states(taught, learned), strict=True))


def states(*networks: UNet) -> list[list[torch.Tensor]]:
    return [list(one.state_dict().values()) for one in networks]
