"""The networks: U-net and BRU-net, in 2-D and 3-D, from one frozen configuration.

Source: Jafari et al., "FU-net: Multi-class Image Segmentation Using Feedback Weighted U-net",
ICIG 2019, section 2 and Fig. 1. FU-net is BRU-net trained with the feedback-weighted loss of
:mod:`funet.losses`; as a network it is the same.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .errors import InputError
from .network_config import NetworkConfig

_CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORMALISATIONS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOLS = {2: nn.MaxPool2d, 3: nn.MaxPool3d}

_PRESETS: dict[str, dict[str, Any]] = {
    "unet": {"residual": False, "normalisation": "none"},
    "brunet": {"residual": True, "normalisation": "batch"},
    "funet": {"residual": True, "normalisation": "batch"},
}


class ConvBlock(nn.Module):
    """One level: twice (3-wide convolution, batch normalisation if any, ReLU).

    In a residual block the input, through a 1-wide convolution where the channel numbers differ,
    is added before the last ReLU. Without batch normalisation, dropout acts after the first ReLU.
    """

    def __init__(self, config: NetworkConfig, in_channels: int, out_channels: int) -> None:
        super().__init__()
        convolution = _CONVOLUTIONS[config.spatial_dims]
        normalised = config.normalisation == "batch"

        def norm() -> nn.Module:
            # Momentum 0.9 in TensorFlow's sense is 0.1 in PyTorch's.
            layer = _NORMALISATIONS[config.spatial_dims]
            return layer(out_channels, momentum=0.1) if normalised else nn.Identity()

        # A bias before batch normalisation would have no effect.
        self.conv1: nn.Module = convolution(
            in_channels, out_channels, 3, padding=1, bias=not normalised
        )
        self.norm1 = norm()
        self.conv2: nn.Module = convolution(
            out_channels, out_channels, 3, padding=1, bias=not normalised
        )
        self.norm2 = norm()
        self.dropout = nn.Identity() if normalised else nn.Dropout(config.dropout)
        self.shortcut: nn.Module | None = None
        if config.residual:
            same = in_channels == out_channels
            self.shortcut = nn.Identity() if same else convolution(in_channels, out_channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, in_channels, *size) to (N, out_channels, *size)."""
        hidden = self.dropout(F.relu(self.norm1(self.conv1(images)), inplace=True))
        result: Tensor = self.norm2(self.conv2(hidden))
        if self.shortcut is not None:
            result += self.shortcut(images)
        return F.relu(result, inplace=True)

    def fold_norms(self) -> None:
        """Fold the batch normalisations into the convolutions before them; for evaluation only."""
        self.conv1, self.norm1 = _folded(self.conv1, self.norm1)
        self.conv2, self.norm2 = _folded(self.conv2, self.norm2)


class UNet(nn.Module):
    """Encoder and decoder with concatenated skip connections, for images of any size.

    Args:
        config: what to build. The weights are drawn from PyTorch's generator, so they follow
            ``torch.manual_seed``.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        dims, levels = config.spatial_dims, config.level_channels
        self.pool = _POOLS[dims](2)
        self.encoder = nn.ModuleList(
            ConvBlock(config, before, after)
            for before, after in zip((config.in_channels, *levels), levels, strict=False)
        )
        upward = levels[-2::-1]
        self.upsamplers = nn.ModuleList(
            _TRANSPOSED[dims](2 * channels, channels, 2, stride=2) for channels in upward
        )
        self.decoder = nn.ModuleList(
            ConvBlock(config, 2 * channels, channels) for channels in upward
        )
        normalised = config.normalisation == "batch"
        self.dropout = nn.Dropout(config.dropout) if normalised else nn.Identity()
        self.head = _CONVOLUTIONS[dims](config.features, config.num_classes, 1)
        # Without memory there is nothing to fill, and trying would load PyTorch's compiler.
        if not self.head.weight.is_meta:
            self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores of every pixel.

        Args:
            images: (N, in_channels, R, C) or (N, in_channels, S, R, C), floating point, any side
                of at least 1. Sides are padded at their end with copies of the last pixel to a
                multiple of ``config.size_multiple``, and the result is cropped back.

        Returns:
            Logits (N, num_classes, *the same size); softmax over axis 1 gives probabilities.

        Raises:
            InputError: if the shape does not fit the network.
        """
        self._check_shape(images)
        hidden = _pad_to_multiple(images, self.config.size_multiple)
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            hidden = block(hidden if level == 0 else self.pool(hidden))
            skips.append(hidden)
        skips.pop()
        for upsample, block in zip(self.upsamplers, self.decoder, strict=True):
            hidden = block(torch.cat((skips.pop(), upsample(hidden)), dim=1))
        logits: Tensor = self.head(self.dropout(hidden))
        own_size: tuple[Any, ...] = tuple(slice(side) for side in images.shape[2:])
        return logits[(..., *own_size)]

    def encoder_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of the contracting path, which fine-tuning may change more slowly."""
        return self.encoder.parameters()

    def decoder_parameters(self) -> Iterator[nn.Parameter]:
        """All other parameters: up-convolutions, expansive path and the last convolution."""
        for part in (self.upsamplers, self.decoder, self.head):
            yield from part.parameters()

    def _check_shape(self, images: Tensor) -> None:
        config = self.config
        dims, channels = config.spatial_dims, config.in_channels
        fits = images.ndim == dims + 2 and images.shape[1] == channels
        if not fits or min(images.shape[2:]) < 1:
            raise InputError(
                f"This {dims}-D network takes images of {channels} channel(s) as a tensor of "
                f"{dims + 2} axes (N, {channels}, ...) without empty sides, "
                f"not of shape {tuple(images.shape)}."
            )


def build_network(
    name: str, *, in_channels: int, num_classes: int, spatial_dims: int = 2, **options: Any
) -> UNet:
    """A network by the name it has in the paper.

    Args:
        name: ``"unet"``, or ``"brunet"`` and ``"funet"``, which build the same network.
        in_channels: channels of the images.
        num_classes: classes of the result, the background included.
        spatial_dims: 2 or 3.
        **options: any other field of :class:`~funet.network_config.NetworkConfig`; it goes before
            what the name says.

    Raises:
        InputError: if the name or an option is unknown, or a value is out of its range.
    """
    if name not in _PRESETS:
        known = ", ".join(_PRESETS)
        raise InputError(f"There is no network {name!r}; the networks are {known}.")
    required = {
        "in_channels": in_channels,
        "num_classes": num_classes,
        "spatial_dims": spatial_dims,
    }
    return UNet(NetworkConfig.from_dict(_PRESETS[name] | required | options))


def fold_batch_norm(network: UNet) -> UNet:
    """A copy for inference with every batch normalisation folded into its convolution.

    The copy gives the same logits as ``network.eval()`` up to rounding, faster. It is in
    evaluation mode, takes no gradients and has no batch normalisation any more, in its layers as
    in its ``config``. A network without batch normalisation is just copied.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
    for module in folded.modules():
        if isinstance(module, ConvBlock):
            module.fold_norms()
    folded.config = replace(network.config, normalisation="none")
    return folded


def _folded(convolution: nn.Module, norm: nn.Module) -> tuple[nn.Module, nn.Module]:
    """A convolution that does what the two did, and nothing after it."""
    if not isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d):
        return convolution, norm
    assert isinstance(convolution, nn.Conv2d | nn.Conv3d)
    return fuse_conv_bn_eval(convolution, norm), nn.Identity()


def _pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the last pixel of every spatial axis until its length is a multiple."""
    missing = [-side % multiple for side in images.shape[2:]]
    if not any(missing):
        return images
    # `pad` lists the axes from the last to the first, as (before, after) pairs.
    padding = [amount for after in reversed(missing) for amount in (0, after)]
    return F.pad(images, padding, mode="replicate")


def _initialise(module: nn.Module) -> None:
    """Kaiming's normal initialisation, with the gain of what follows the layer; zero biases."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        followed_by_relu = module.kernel_size[0] > 1
        nn.init.kaiming_normal_(
            module.weight, nonlinearity="relu" if followed_by_relu else "linear"
        )
    elif isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d):
        # Kernel and stride are equal: each output pixel sums over the input channels only.
        nn.init.normal_(module.weight, std=module.in_channels**-0.5)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
