"""Splitting slices by subject into training, validation and test, as the comparison needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..annotations.samples import SliceSample
from ..errors import InputError


@dataclass(frozen=True)
class SliceSplit:
    """Slices of three groups of subjects; no subject is in two groups."""

    train: tuple[SliceSample, ...]
    validation: tuple[SliceSample, ...]
    test: tuple[SliceSample, ...]


def split_slices(
    samples: Sequence[SliceSample], train: int, validation: int, seed: int
) -> SliceSplit:
    """Split slices so that training and validation have exactly these numbers of slices.

    The paper splits single images; here whole subjects go to one group, because slices of one
    head are too alike to test each other. Subjects are taken in a random order, which depends on
    the seed alone, so a smaller training group is a part of a larger one. What the last subject
    of a group has too many is left out.

    Args:
        samples: slices of several subjects.
        train: number of training slices.
        validation: number of validation slices.
        seed: seed of the subjects' order.

    Returns:
        The groups; the subjects that remain are the test group, with all their slices.

    Raises:
        InputError: if the subjects do not suffice for all three groups.
    """
    by_subject: dict[str, list[SliceSample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.subject):
        by_subject.setdefault(sample.subject, []).append(sample)
    subjects = list(by_subject)
    waiting = [subjects[i] for i in np.random.default_rng(seed).permutation(len(subjects))]

    def take(count: int) -> tuple[SliceSample, ...]:
        taken: list[SliceSample] = []
        while len(taken) < count and waiting:
            taken.extend(by_subject[waiting.pop(0)])
        return tuple(taken[:count])

    groups = take(train), take(validation)
    test = tuple(sample for subject in waiting for sample in by_subject[subject])
    if len(groups[0]) < train or len(groups[1]) < validation or not test:
        raise InputError(
            f"{len(samples)} slices of {len(subjects)} subjects do not suffice for {train} "
            f"training and {validation} validation slices and a test group of other subjects; "
            "use fewer training slices or more subjects."
        )
    return SliceSplit(*groups, test)


def slices_with_every_structure(
    samples: Sequence[SliceSample], structures: int, per_subject: int | None
) -> tuple[SliceSample, ...]:
    """Return the slices that show every structure, at most so many of a subject, evenly spread.

    The paper's images all show both structures.

    Args:
        samples: slices of several subjects, in their order.
        structures: number of structures; their values are 1, 2, ….
        per_subject: largest number of slices of one subject; ``None`` takes all.

    Raises:
        InputError: if no slice shows every structure.
    """
    able: dict[str, list[SliceSample]] = {}
    for sample in samples:
        if np.isin(np.arange(1, structures + 1), sample.labels).all():
            able.setdefault(sample.subject, []).append(sample)
    if not able:
        raise InputError("No slice shows every structure, so there is nothing to compare on.")
    return tuple(sample for slices in able.values() for sample in _spread(slices, per_subject))


def middle_of(sample: SliceSample, side: int) -> SliceSample:
    """Return the middle of a slice, at most ``side`` pixels in rows and in columns."""
    window = tuple(
        slice((have - min(have, side)) // 2, (have + min(have, side)) // 2)
        for have in sample.image.shape
    )
    return replace(sample, image=sample.image[window], labels=sample.labels[window])


def _spread(slices: list[SliceSample], most: int | None) -> list[SliceSample]:
    if most is None or len(slices) <= most:
        return slices
    if len(slices) == most + 1:  # rounded steps of less than a slice would take one twice
        return slices[1:]
    places = np.linspace(0, len(slices) - 1, most + 2)[1:-1].round().astype(int)
    return [slices[place] for place in places]
