"""How to train: every setting of the training loop, and two presets of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from ..errors import InputError
from ..images.preprocessing_settings import Preprocessing
from ..loss_config import LossConfig
from ..runtime import Precision
from .augmentation import Augmentation

PRESETS = ("paper", "practice")


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training; the defaults are the paper's recipe.

    Attributes:
        epochs: passes of ``steps_per_epoch`` steps.
        steps_per_epoch: batches in an epoch; ``None`` shows every sample about once, and takes
            no fewer batches than ``least_steps``.
        least_steps: see ``steps_per_epoch``.
        batch_size: slices in a batch.
        learning_rate: largest step size of the optimiser.
        weight_decay: decoupled weight decay (AdamW); 0 is plain Adam.
        schedule: ``"constant"``, or ``"cosine"`` with a linear warm-up over the first steps.
        loss: the loss and its settings.
        augmentation: random changes of the batches, or ``None``.
        crop: longest side of a training patch in pixels, or ``None`` for whole slices.
        averaging: decay of the exponential moving average of the weights that is kept as the
            result, or ``None`` for the weights themselves.
        choose_best: whether the result is the epoch with the best validation score; otherwise it
            is the last, and validation only shows how the training goes.
        patience: epochs without a better validation score after which training stops early.
        encoder_rate: learning rate of the contracting path relative to the rest.
        freeze_statistics: whether batch normalisation keeps the statistics that it has.
        dropout: whether the network's dropout acts.
        gradient_clip: largest norm of the gradient, or ``None``.
        max_seconds: time after which training ends, with the epoch, as if all epochs were done.
        seed: seed of the order, the crops, the augmentation and the dropout.
        device: as in :func:`~funet.runtime.choose_device`.
        precision: ``"auto"`` takes bfloat16 where the hardware has it; a name fixes it.
    """

    epochs: int = 400
    steps_per_epoch: int | None = None
    least_steps: int = 1
    batch_size: int = 5
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    loss: LossConfig = field(default_factory=LossConfig)
    augmentation: Augmentation | None = None
    crop: int | None = None
    averaging: float | None = None
    choose_best: bool = True
    patience: int | None = None
    encoder_rate: float = 1.0
    freeze_statistics: bool = False
    dropout: bool = True
    gradient_clip: float | None = None
    max_seconds: float | None = None
    seed: int = 0
    device: str = "auto"
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "least_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"The training setting '{name}' must be at least 1.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError("The learning rate must be a number above 0.")

    def rate(self, step: int, total: int) -> float:
        """Return the learning rate of a step, relative to :attr:`learning_rate`."""
        if self.schedule == "constant":
            return 1.0
        warm_up = min(50, max(1, total // 20))
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, total - warm_up)))


def training_preset(name: str) -> TrainingConfig:
    """Return a preset by name.

    ``"paper"``: batches of 5, Adam at 0.001, 400 epochs, no augmentation (section 3 of the
    paper). ``"practice"``: augmentation, cropped patches, plain cross-entropy with a Dice term, a
    cosine schedule and averaged weights.

    Raises:
        InputError: if there is no such preset.
    """
    if name == "paper":
        return TrainingConfig()
    if name == "practice":
        return TrainingConfig(
            epochs=60,
            # A single batch of three slices in an epoch taught too little of other volumes.
            least_steps=3,
            batch_size=8,
            weight_decay=1e-4,
            schedule="cosine",
            # Beside a Dice term, the feedback weight was no better on either task tried
            # (practice_* in Resources/Results).
            loss=LossConfig("cross_entropy", dice_weight=1.0),
            augmentation=Augmentation(),
            crop=160,
            averaging=0.995,
            patience=20,
            gradient_clip=5.0,
        )
    raise InputError(f"The preset '{name}' is unknown; use one of {', '.join(PRESETS)}.")


def preset_preprocessing(name: str, preprocessing: Preprocessing) -> Preprocessing:
    """Return the preprocessing with the intensities of a preset.

    The paper standardises each slice by itself and scales it to [0, 1]; in practice slices of
    one volume keep their contrast to each other.
    """
    return replace(preprocessing, intensity="slice" if name == "paper" else "volume")
