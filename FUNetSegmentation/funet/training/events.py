"""What a training reports while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """Something that the user should know, as a plain sentence."""

    text: str


@dataclass(frozen=True)
class StepFinished:
    """One batch is learned.

    Attributes:
        epoch, epochs: which epoch of how many, counted from 1.
        step, steps_per_epoch: which batch of the epoch, counted from 1.
        loss: loss of the batch.
        seconds_left: estimated time to the last epoch in seconds.
    """

    epoch: int
    epochs: int
    step: int
    steps_per_epoch: int
    loss: float
    seconds_left: float

    @property
    def fraction(self) -> float:
        """Share of all batches that is done, in [0, 1]."""
        done = (self.epoch - 1) * self.steps_per_epoch + self.step
        return done / (self.epochs * self.steps_per_epoch)


@dataclass(frozen=True)
class EpochFinished:
    """One epoch is learned and validated.

    Attributes:
        epoch, epochs: which epoch of how many, counted from 1.
        training_loss: mean loss of the epoch's batches.
        validation_loss: mean loss of the validation slices, ``None`` without any.
        validation_dice: Dice of each structure over all validation pixels, NaN for one that
            the validation slices do not show; ``None`` without validation slices.
        is_best: whether these weights are the best so far.
    """

    epoch: int
    epochs: int
    training_loss: float
    validation_loss: float | None
    validation_dice: tuple[float, ...] | None
    is_best: bool


@dataclass(frozen=True)
class TrainingFinished:
    """The training is over and the network holds the best weights.

    Attributes:
        best_epoch: the epoch that the weights come from, counted from 1.
        best_score: mean validation Dice of that epoch, ``None`` without validation slices.
        reason: why training ended: ``"all epochs done"``, ``"no longer improving"`` or
            ``"time is up"``.
    """

    best_epoch: int
    best_score: float | None
    reason: str


TrainingEvent = Note | StepFinished | EpochFinished | TrainingFinished
