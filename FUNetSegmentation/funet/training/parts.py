"""Several trainings in a row that are one to whoever follows them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TypeVar

from .events import EpochFinished, StepFinished, TrainingEvent

Result = TypeVar("Result")


def as_part(
    events: Generator[TrainingEvent, None, Result], part: int, parts: int
) -> Generator[TrainingEvent, None, Result]:
    """Pass the events of a training on as those of one part of a whole.

    Args:
        events: of the training.
        part: which part of the whole it is, counted from 0.
        parts: how many there are, each about as long as this one.

    Returns:
        What the training returns.
    """
    seconds = 0.0  # that one part takes
    try:
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                result: Result = end.value
                return result
            if isinstance(event, StepFinished):
                if event.fraction < 1:
                    seconds = event.seconds_left / (1 - event.fraction)
                left = event.seconds_left + (parts - 1 - part) * seconds
                event = replace(event, seconds_left=left)
            if isinstance(event, StepFinished | EpochFinished):
                event = replace(
                    event, epoch=event.epoch + part * event.epochs, epochs=parts * event.epochs
                )
            yield event
    finally:
        events.close()
