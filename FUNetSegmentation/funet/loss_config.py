"""Which loss a model is trained with, known without PyTorch; :mod:`funet.losses` computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from .configuration import Range, StrictConfig

BETA_RANGE = Range(0.01, 100.0)
MIN_WEIGHT_RANGE = Range(1e-6, 1.0)


@dataclass(frozen=True)
class LossConfig(StrictConfig):
    """Which loss a model is trained with.

    Attributes:
        name: ``"feedback"`` is the paper's loss, ``"cross_entropy"`` leaves all weights at 1.
        beta: exponent of the feedback weight; unused by ``"cross_entropy"``, as the next two.
        min_weight: weight of a pixel that is wholly right.
        detach_weight: hold the weight constant in the gradient.
        dice_weight: how many times the soft Dice loss is added.

    Raises:
        InputError: if a value has the wrong type or is out of its range.
    """

    title: ClassVar[str] = "loss"

    name: Literal["cross_entropy", "feedback"] = "feedback"
    beta: Annotated[float, BETA_RANGE] = 3.0
    min_weight: Annotated[float, MIN_WEIGHT_RANGE] = 0.01
    detach_weight: bool = False
    dice_weight: Annotated[float, Range(0.0, 100.0)] = 0.0
