"""Which annotated slices choose the best epoch of a training, and which are learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .samples import SliceSample, class_counts, split_subjects

_LEAST_FOR_VALIDATION = 3


@dataclass(frozen=True)
class ValidationSplit:
    """Slices to learn from, slices to choose the best epoch by, and why if this is unusual."""

    training: tuple[SliceSample, ...]
    validation: tuple[SliceSample, ...]
    note: str = ""


def split_validation(samples: Sequence[SliceSample], share: float, seed: int) -> ValidationSplit:
    """Split slices by subject; by slice, with a note, where there is only one subject.

    Every structure stays in the slices to learn from. With fewer than three slices that show a
    structure, none is taken away from learning.

    Args:
        samples: all annotated slices.
        share: share of the subjects (or slices) for validation; 0 for none.
        seed: seed of the choice.
    """
    everything = tuple(samples)
    if share == 0:
        return ValidationSplit(everything, ())
    showing = [sample.shows_structure for sample in samples]
    if sum(showing) < _LEAST_FOR_VALIDATION:
        note = (
            f"With {sum(showing)} annotated slices that show a structure there is no validation; "
            f"annotate at least {_LEAST_FOR_VALIDATION}."
        )
        return ValidationSplit(everything, (), note)
    by_subject = len({sample.subject for sample in samples}) > 1
    groups = [sample.subject if by_subject else f"{i:09}" for i, sample in enumerate(samples)]
    able = [group for group, shows in zip(groups, showing, strict=True) if shows]
    held = set(split_subjects(able, share, seed)[1])
    for group in sorted(held):
        remaining = [s for s, own in zip(samples, groups, strict=True) if own not in held]
        if class_counts(remaining).keys() == class_counts(samples).keys():
            break
        held.remove(group)  # until every structure can be learned
    note = (
        ""
        if by_subject
        else (
            "All slices come from one subject, so the validation slices are of the same one and "
            "the score flatters the model."
        )
    )
    if not held:
        note = "No slice could be spared for validation, because each shows a structure alone."
    return ValidationSplit(
        training=tuple(s for s, own in zip(samples, groups, strict=True) if own not in held),
        validation=tuple(s for s, own in zip(samples, groups, strict=True) if own in held),
        note=note,
    )
