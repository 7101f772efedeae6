"""What is compared: a network with the loss that it is trained with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from ..errors import InputError
from ..images.segmentations import IGNORE_LABEL
from ..loss_config import LossConfig
from ..losses import SoftDiceLoss, build_loss
from ..networks import build_network
from .related_losses import BorderWeightedLoss, ClassFrequencyLoss, FocalLoss, HardExampleLoss

NETWORKS = ("unet", "brunet")

_RELATED: dict[str, Callable[[], nn.Module]] = {
    "focal": FocalLoss,
    "dice": lambda: SoftDiceLoss(IGNORE_LABEL),
    "class_frequency": ClassFrequencyLoss,
    "border": BorderWeightedLoss,
    "hard_examples": HardExampleLoss,
}
_FEEDBACK = ("feedback", "detached")
LOSSES = ("cross_entropy", *_FEEDBACK, *_RELATED)

_NUMBER = re.compile(r"\d{1,3}(\.\d{1,3})?", re.ASCII)

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
            weight held constant in the gradient. A number behind the feedback-weighted loss is
            its exponent, as in ``"brunet+feedback@2"``.
        settings: β and the other settings of the feedback-weighted loss, and the weight of the
            Dice term, which cross-entropy gets too; the paper's if ``None``.

    Raises:
        InputError: if the network or the loss is unknown, or an exponent out of its range.
    """
    network, _, loss = _PAPER.get(text, text).partition("+")
    loss, at, beta = loss.partition("@")
    known = network in NETWORKS and loss in LOSSES
    if not known or (at and (loss not in _FEEDBACK or not _NUMBER.fullmatch(beta))):
        raise InputError(
            f"The system '{text}' is unknown; use {', '.join(_PAPER)}, or one of "
            f"{', '.join(NETWORKS)} joined by + to one of {', '.join(LOSSES)}; an exponent may "
            f"follow {' and '.join(_FEEDBACK)}, as in brunet+feedback@2."
        )
    settings = settings or LossConfig()
    if at:
        settings = replace(settings, beta=float(beta))
    return System(
        name=text,
        network=lambda classes: build_network(network, in_channels=1, num_classes=classes),
        loss=lambda: _build_loss(loss, settings),
    )


def _build_loss(name: str, settings: LossConfig) -> nn.Module:
    if name in _RELATED:
        return _RELATED[name]()
    if name in _FEEDBACK:
        detach = name == "detached" or settings.detach_weight
        settings = replace(settings, name="feedback", detach_weight=detach)
        return build_loss(settings, IGNORE_LABEL)
    return build_loss(LossConfig("cross_entropy", dice_weight=settings.dice_weight), IGNORE_LABEL)
