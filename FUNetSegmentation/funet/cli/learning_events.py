"""Showing a training while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from ..images.segmentations import Segment
from ..progress import Progress
from ..training.events import EpochFinished, Note, StepFinished, TrainingEvent, TrainingFinished
from .console import Console

Finished = TypeVar("Finished")


def follow(
    events: Iterable[TrainingEvent | Finished], segments: Sequence[Segment], console: Console
) -> Finished:
    """Show the events of a training and return the last one, which is its result.

    Args:
        events: of :func:`~funet.training.learning.train_model` or of
            :func:`~funet.training.learning.fine_tune_model`.
        segments: the structures that are learned.
        console: where to show them.
    """
    dice = ""
    for event in events:
        if isinstance(event, Note):
            console.note(event.text)
        elif isinstance(event, StepFinished):
            message = f"Epoch {event.epoch} of {event.epochs}, loss {event.loss:.4f}{dice}"
            console.progress(Progress(event.fraction, message, event.seconds_left))
        elif isinstance(event, EpochFinished):
            console.event("epoch", **vars(event))
            if event.validation_dice is not None:
                dice = f", validation Dice {dice_text(segments, event.validation_dice)}"
        elif not isinstance(event, TrainingFinished):
            return event
    raise AssertionError("the events of a training end with its result")


def dice_text(segments: Sequence[Segment], dice: Sequence[float]) -> str:
    """Return Dice of every structure that has one: "Midbrain 0.901, Substantia nigra 0.755"."""
    parts = [
        f"{segment.name} {value:.3f}"
        for segment, value in zip(segments, dice, strict=True)
        if value == value  # not NaN
    ]
    return ", ".join(parts)
