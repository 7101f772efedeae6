"""What is compared: a network with the loss that it is trained with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..errors import FunetError, InputError
from ..images.segmentations import IGNORE_LABEL
from ..loss_config import LossConfig
from ..losses import SoftDiceLoss, build_loss
from ..networks import build_network

NETWORKS = ("unet", "brunet")
LOSSES = ("cross_entropy", "feedback", "detached", "focal", "dice")

# The paper's names; FU-net is BRU-net trained with the feedback-weighted loss.
_PAPER = {
    "unet": "unet+cross_entropy",
    "brunet": "brunet+cross_entropy",
    "funet": "brunet+feedback",
}


@dataclass(frozen=True)
class System:
    """One row of a comparison; any network and any loss with the usual PyTorch signatures.

    Attributes:
        name: name in the tables.
        network: makes the network for a number of classes, background included; it maps images
            (N, 1, rows, columns) of any size to logits (N, classes, rows, columns).
        loss: makes the module of (logits, target); the int64 target (N, rows, columns) holds 255
            where it is ignored.
    """

    name: str
    network: Callable[[int], nn.Module]
    loss: Callable[[], nn.Module]


def parse_system(text: str, settings: LossConfig | None = None) -> System:
    """Return a system by name.

    Args:
        text: ``"unet"``, ``"brunet"`` or ``"funet"`` for the paper's three, or a network and a
            loss such as ``"unet+focal"``; ``"detached"`` is the feedback-weighted loss with its
            weight held constant in the gradient.
        settings: β and the other settings of the feedback-weighted loss, and the weight of the
            Dice term, which cross-entropy gets too; the paper's if ``None``.

    Raises:
        InputError: if the network or the loss is unknown.
    """
    network, _, loss = _PAPER.get(text, text).partition("+")
    if network not in NETWORKS or loss not in LOSSES:
        raise InputError(
            f"The system '{text}' is unknown; use {', '.join(_PAPER)}, or one of "
            f"{', '.join(NETWORKS)} joined by + to one of {', '.join(LOSSES)}."
        )
    return System(
        name=text,
        network=lambda classes: build_network(network, in_channels=1, num_classes=classes),
        loss=lambda: _build_loss(loss, settings or LossConfig()),
    )


def _build_loss(name: str, settings: LossConfig) -> nn.Module:
    if name == "focal":
        return FocalLoss()
    if name == "dice":
        return SoftDiceLoss(IGNORE_LABEL)
    if name in ("feedback", "detached"):
        detach = name == "detached" or settings.detach_weight
        settings = replace(settings, name="feedback", detach_weight=detach)
        return build_loss(settings, IGNORE_LABEL)
    return build_loss(LossConfig("cross_entropy", dice_weight=settings.dice_weight), IGNORE_LABEL)


class FocalLoss(nn.Module):
    """MONAI's focal loss with softmax, averaged over the pixels that are not ignored.

    The loss of a pixel is −(1 − p)^γ · log p with the probability p of its true class. (MONAI's
    own mean also divides by the number of classes.)

    Source: Lin et al., "Focal loss for dense object detection", ICCV 2017, equation (4).

    Args:
        gamma: exponent γ on 1 − p; 2 in the focal loss paper.

    Raises:
        FunetError: if MONAI is missing.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        try:
            from monai.losses import FocalLoss as MonaiFocalLoss
        except ImportError as error:
            raise FunetError(
                "The focal loss comes from MONAI, which is not installed; "
                'install it with: pip install "funet[research]".'
            ) from error
        self.gamma = gamma
        self._focal = MonaiFocalLoss(
            gamma=gamma, to_onehot_y=True, use_softmax=True, reduction="none"
        )

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C, *size) against labels (N, *size), as a scalar."""
        counted = target != IGNORE_LABEL
        labels = torch.where(counted, target, 0).unsqueeze(1)
        loss: Tensor = self._focal(logits.float(), labels).sum(1)
        return torch.where(counted, loss, 0.0).sum() / counted.sum().clamp_min(1)

    def extra_repr(self) -> str:
        """The settings, for ``print(module)``."""
        return f"gamma={self.gamma}"
