"""Networks: the paper's layers counted by hand, any image size, and settings from strangers."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from funet.errors import InputError
from funet.network_config import NetworkConfig
from funet.networks import ConvBlock, UNet, build_network, fold_batch_norm

# One input channel, three classes, 16 features, five levels. U-net: a 3x3 convolution from a to b
# channels has 9ab + b weights (27ab + b in 3-D), an up-convolution 4ab + b (8ab + b).
# BRU-net: no bias before batch normalisation, which has 2b; the 1x1 shortcut has ab + b.
PARAMETERS = {
    ("unet", 2): {
        "encoder": [2480, 13888, 55424, 221440, 885248],
        "upsamplers": [131200, 32832, 8224, 2064],
        "decoder": [442624, 110720, 27712, 6944],
        "head": 51,
    },
    ("brunet", 2): {
        "encoder": [2544, 14496, 57664, 230016, 918784],
        "upsamplers": [131200, 32832, 8224, 2064],
        "decoder": [475776, 119104, 29856, 7504],
        "head": 51,
    },
    ("unet", 3): {
        "encoder": [7376, 41536, 166016, 663808, 2654720],
        "upsamplers": [262272, 65600, 16416, 4112],
        "decoder": [1327360, 331904, 83008, 20768],
        "head": 51,
    },
    ("brunet", 3): {
        "encoder": [7440, 42144, 168256, 672384, 2688256],
        "upsamplers": [262272, 65600, 16416, 4112],
        "decoder": [1360512, 340288, 85152, 21328],
        "head": 51,
    },
}


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def small(**options: object) -> UNet:
    values = {"in_channels": 1, "num_classes": 3, "features": 4, "depth": 3} | options
    return UNet(NetworkConfig.from_dict(values))


def with_used_statistics(network: UNet) -> UNet:
    """The network as after some training: no batch normalisation is the identity any more."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.3, 3.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return network.eval()


@pytest.fixture(autouse=True)
def the_same_random_numbers_every_time() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("name", "dims"), PARAMETERS)
def test_every_part_has_the_parameters_counted_by_hand(name: str, dims: int) -> None:
    network = build_network(name, in_channels=1, num_classes=3, spatial_dims=dims)
    expected = PARAMETERS[name, dims]
    assert [count(level) for level in network.encoder] == expected["encoder"]
    assert [count(level) for level in network.upsamplers] == expected["upsamplers"]
    assert [count(level) for level in network.decoder] == expected["decoder"]
    assert count(network.head) == expected["head"]


def test_the_whole_2d_unet_of_the_paper_has_1940851_parameters() -> None:
    assert count(build_network("unet", in_channels=1, num_classes=3)) == 1940851


def test_brunet_and_funet_are_the_same_network() -> None:
    torch.manual_seed(1)
    brunet = build_network("brunet", in_channels=2, num_classes=4, features=2, depth=2)
    torch.manual_seed(1)
    funet = build_network("funet", in_channels=2, num_classes=4, features=2, depth=2)
    assert brunet.config == funet.config
    assert brunet.state_dict().keys() == funet.state_dict().keys()
    pairs = zip(brunet.parameters(), funet.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(("name", "dims"), PARAMETERS)
def test_channels_double_and_sides_halve_on_the_way_down_and_back_on_the_way_up(
    name: str, dims: int
) -> None:
    network = build_network(name, in_channels=1, num_classes=3, spatial_dims=dims).eval()
    shapes: list[tuple[int, ...]] = []
    for block in (*network.encoder, *network.decoder):
        block.register_forward_hook(lambda _, __, result: shapes.append(tuple(result.shape[1:])))
    sides = (32, 16) if dims == 2 else (16, 32, 16)
    logits = network(torch.randn(1, 1, *sides))
    down = [(16 * 2**n, *(side // 2**n for side in sides)) for n in range(5)]
    assert shapes == [*down, *down[-2::-1]]
    assert logits.shape == (1, 3, *sides)


def test_the_expansive_path_sees_the_contracting_level_first_and_then_the_upsampled_map() -> None:
    network = small(depth=2, features=1, residual=False, normalisation="none").eval()
    seen: dict[str, Tensor] = {}
    network.encoder[0].register_forward_hook(lambda _, __, out: seen.update(skip=out.clone()))
    network.upsamplers[0].register_forward_hook(lambda _, __, out: seen.update(up=out.clone()))
    network.decoder[0].register_forward_pre_hook(lambda _, inputs: seen.update(joined=inputs[0]))
    network(torch.randn(1, 1, 4, 4))
    assert torch.equal(seen["joined"], torch.cat((seen["skip"], seen["up"]), dim=1))


@pytest.mark.parametrize(("before", "after"), [(3, 5), (4, 4)])
def test_a_residual_block_computes_what_figure_1b_draws(before: int, after: int) -> None:
    config = NetworkConfig(1, 2, features=4, depth=2, dropout=0.5)
    block = ConvBlock(config, before, after).eval()
    for norm in (block.norm1, block.norm2):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    images = torch.randn(2, before, 6, 7)

    def normalised(values: Tensor, norm: nn.Module) -> Tensor:
        mean, variance = (s.view(1, -1, 1, 1) for s in (norm.running_mean, norm.running_var))
        return (values - mean) / (variance + 1e-5).sqrt()

    hidden = normalised(F.conv2d(images, block.conv1.weight, padding=1), block.norm1).clamp(min=0)
    pair = normalised(F.conv2d(hidden, block.conv2.weight, padding=1), block.norm2)
    if before == after:
        shortcut = images
        assert isinstance(block.shortcut, nn.Identity)
    else:
        shortcut = F.conv2d(images, block.shortcut.weight, block.shortcut.bias)
    torch.testing.assert_close(block(images), (pair + shortcut).clamp(min=0), rtol=1e-4, atol=1e-5)


def test_a_block_leaves_its_input_as_it_was() -> None:
    block = ConvBlock(NetworkConfig(1, 2, features=4, depth=2), 4, 4)
    images = torch.randn(2, 4, 6, 6)
    before = images.clone()
    block(images)
    assert torch.equal(images, before)


def test_a_plain_block_is_two_convolutions_each_followed_by_relu() -> None:
    block = ConvBlock(
        NetworkConfig(1, 2, residual=False, normalisation="none", depth=2), 3, 5
    ).eval()
    nn.init.normal_(block.conv1.bias)
    images = torch.randn(2, 3, 6, 7)
    hidden = F.conv2d(images, block.conv1.weight, block.conv1.bias, padding=1).clamp(min=0)
    expected = F.conv2d(hidden, block.conv2.weight, block.conv2.bias, padding=1).clamp(min=0)
    torch.testing.assert_close(block(images), expected)


def test_running_statistics_take_a_tenth_of_the_new_batch() -> None:
    block = ConvBlock(NetworkConfig(1, 2, depth=2), 1, 4).train()
    images = torch.randn(3, 1, 8, 8)
    batch_mean = block.conv1(images).mean(dim=(0, 2, 3))
    block(images)
    torch.testing.assert_close(block.norm1.running_mean, 0.1 * batch_mean)


@pytest.mark.parametrize("dims", [2, 3])
@settings(max_examples=25, deadline=None)
@given(sides=st.tuples(*[st.integers(1, 13)] * 3), batch=st.integers(1, 2))
def test_images_of_any_size_keep_their_size(
    dims: int, sides: tuple[int, int, int], batch: int
) -> None:
    network = small(features=1, spatial_dims=dims).eval()
    logits = network(torch.randn(batch, 1, *sides[:dims]))
    assert logits.shape == (batch, 3, *sides[:dims])
    assert bool(logits.isfinite().all())


@pytest.mark.parametrize("sides", [(5, 9), (1, 1), (8, 3), (1, 17)])
def test_padding_repeats_the_last_pixel_at_the_end_and_is_cropped_back(
    sides: tuple[int, int],
) -> None:
    network = small(depth=4).eval()
    images = torch.randn(1, 1, *sides)
    rows, columns = (torch.arange(-(-side // 8) * 8).clamp(max=side - 1) for side in sides)
    expected = network(images[:, :, rows][..., columns])[..., : sides[0], : sides[1]]
    torch.testing.assert_close(network(images), expected)


def test_a_size_that_needs_no_padding_is_named_by_the_configuration() -> None:
    assert NetworkConfig(1, 2).size_multiple == 16
    assert NetworkConfig(1, 2, depth=3).level_channels == (16, 32, 64)


def test_the_same_seed_gives_the_same_weights_and_the_same_logits() -> None:
    images = torch.randn(2, 1, 9, 9)
    logits = []
    for _ in range(2):
        torch.manual_seed(5)
        logits.append(small()(images))
    assert torch.equal(*logits)
    torch.manual_seed(6)
    assert not torch.equal(logits[0], small()(images))


def test_evaluation_is_repeatable_and_training_is_random() -> None:
    network, images = small(), torch.randn(2, 1, 16, 16)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


@pytest.mark.parametrize("name", ["unet", "brunet"])
def test_new_networks_of_every_depth_give_logits_of_moderate_size(name: str) -> None:
    for depth in range(2, 8):
        network = build_network(name, in_channels=1, num_classes=3, features=4, depth=depth)
        deviation = float(network(torch.randn(2, 1, 128, 128)).detach().std())
        assert 0.05 < deviation < 20, f"depth {depth}"


def test_a_gradient_reaches_every_parameter() -> None:
    network = small()
    network(torch.randn(2, 1, 16, 16)).square().sum().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@pytest.mark.parametrize("dims", [2, 3])
def test_encoder_and_decoder_parameters_are_all_of_them_once(dims: int) -> None:
    network = build_network("funet", in_channels=1, num_classes=3, spatial_dims=dims)
    encoder, decoder = (list(network.encoder_parameters()), list(network.decoder_parameters()))
    expected = PARAMETERS["brunet", dims]
    assert sum(p.numel() for p in encoder) == sum(expected["encoder"])
    together = {id(p) for p in (*encoder, *decoder)}
    assert len(together) == len(encoder) + len(decoder)
    assert together == {id(p) for p in network.parameters()}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("dims", [2, 3])
def test_half_precision_autocast_computes_close_to_float32(dims: int, dtype: torch.dtype) -> None:
    network = small(spatial_dims=dims).eval()
    images = torch.randn(1, 1, *(9, 10, 11)[:dims])
    with torch.no_grad(), torch.autocast("cpu", dtype=dtype):
        half = network(images)
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), network(images).detach(), rtol=0.05, atol=0.1)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("residual", [True, False])
def test_folding_batch_normalisation_keeps_the_logits(dims: int, residual: bool) -> None:
    network = with_used_statistics(small(spatial_dims=dims, residual=residual))
    images = torch.randn(2, 1, *(9, 10, 11)[:dims])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold_batch_norm(network)
    with torch.no_grad():
        torch.testing.assert_close(folded(images), network(images), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_folded_network_is_for_inference_and_says_what_it_is() -> None:
    network = with_used_statistics(small()).train()
    folded = fold_batch_norm(network)
    assert network.training
    assert not folded.training
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert not any(p.requires_grad for p in folded.parameters())
    assert network.config.normalisation == "batch"
    assert folded.config.normalisation == "none"
    rebuilt = UNet(folded.config).eval()
    rebuilt.load_state_dict(folded.state_dict())
    images = torch.randn(1, 1, 8, 8)
    assert torch.equal(rebuilt(images), folded(images))


def test_folding_a_network_without_batch_normalisation_copies_it() -> None:
    network = build_network("unet", in_channels=1, num_classes=2, features=2, depth=2).eval()
    folded = fold_batch_norm(network)
    images = torch.randn(1, 1, 8, 8)
    assert torch.equal(folded(images), network(images))
    with torch.no_grad():
        folded.head.weight.zero_()
    assert bool(network.head.weight.any())


def test_a_network_can_be_built_without_memory_for_its_weights() -> None:
    with torch.device("meta"):
        network = build_network("funet", in_channels=1, num_classes=3)
    assert all(parameter.is_meta for parameter in network.parameters())


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (1, 2, 8, 8), (1, 1, 8, 8, 8), (1, 1, 0, 8), (8, 8), ()]
)
def test_images_that_do_not_fit_are_refused_with_both_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        small()(torch.zeros(shape))
    assert "2-D network" in str(caught.value)
    assert str(shape) in str(caught.value)


def test_unknown_names_and_options_are_refused() -> None:
    with pytest.raises(InputError, match=r"no network 'vnet'.*unet, brunet, funet"):
        build_network("vnet", in_channels=1, num_classes=2)
    with pytest.raises(InputError, match="unknown entry 'width'"):
        build_network("unet", in_channels=1, num_classes=2, width=3)


def test_an_option_goes_before_what_the_name_says() -> None:
    network = build_network("unet", in_channels=1, num_classes=2, normalisation="batch")
    assert network.config == NetworkConfig(1, 2, residual=False, normalisation="batch")


def test_a_configuration_survives_json() -> None:
    config = NetworkConfig(2, 5, features=8, depth=4, dropout=0, residual=False, spatial_dims=3)
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert NetworkConfig.from_dict({"in_channels": 1, "num_classes": 3}) == NetworkConfig(1, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"in_channels": True}, "in_channels of the network must be a whole number, not True"),
        ({"in_channels": 0}, "in_channels of the network must be from 1 to 64, not 0"),
        ({"in_channels": 10**30}, "must be from 1 to 64"),
        ({"num_classes": 1}, "must be from 2 to 254, not 1"),
        ({"num_classes": 255}, "must be from 2 to 254, not 255"),
        ({"num_classes": 3.0}, "must be a whole number, not 3.0"),
        ({"features": "16"}, "must be a whole number, not '16'"),
        ({"features": 128}, "would have 2048 channels in its last level"),
        ({"depth": 1}, "must be from 2 to 7, not 1"),
        ({"depth": 8, "features": 1}, "must be from 2 to 7, not 8"),
        ({"dropout": 1.0}, "must be from 0.0 to 0.9, not 1.0"),
        ({"dropout": -0.1}, "must be from 0.0 to 0.9"),
        ({"dropout": float("nan")}, "must be a number, not nan"),
        ({"dropout": 10**400}, "must be a number, not 1000"),
        ({"dropout": False}, "must be a number, not False"),
        ({"residual": 1}, "must be true or false, not 1"),
        ({"residual": None}, "must be true or false, not None"),
        ({"normalisation": "instance"}, "must be 'batch' or 'none', not 'instance'"),
        ({"normalisation": ["batch"]}, r"must be 'batch' or 'none', not \['batch'\]"),
        ({"spatial_dims": 2.0}, "must be 2 or 3, not 2.0"),
        ({"spatial_dims": 4}, "must be 2 or 3, not 4"),
        ({"kernel": 3}, "unknown entry 'kernel'"),
    ],
)
def test_settings_of_a_wrong_type_size_or_name_are_refused(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        NetworkConfig.from_dict({"in_channels": 1, "num_classes": 3} | change)


def test_settings_that_are_incomplete_or_no_dictionary_are_refused() -> None:
    with pytest.raises(InputError, match="lacks the entry 'num_classes'"):
        NetworkConfig.from_dict({"in_channels": 1})
    with pytest.raises(InputError, match="must be a dictionary"):
        NetworkConfig.from_dict([1, 3])


@pytest.mark.parametrize("dims", [2, 3])
def test_the_largest_network_that_settings_can_ask_for_stays_below_half_a_gigabyte(
    dims: int,
) -> None:
    biggest = NetworkConfig(64, 254, features=64, depth=5, spatial_dims=dims)
    deepest = NetworkConfig(64, 254, features=16, depth=7, spatial_dims=dims)
    shallowest = NetworkConfig(64, 254, features=512, depth=2, spatial_dims=dims)
    with torch.device("meta"):
        assert max(4 * count(UNet(c)) for c in (biggest, deepest, shallowest)) < 2**29
