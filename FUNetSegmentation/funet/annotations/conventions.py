"""Whether annotated slices follow the convention by which a model parts its structures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..images.geometry import SliceAxis, axis_across
from ..images.segmentations import IGNORE_LABEL
from ..images.succession import count_out_of_succession
from .samples import SliceSample

# Slips of the hand contradict no convention.
_SLIPS = 0.05


def are_successive(samples: Sequence[SliceSample], plane: SliceAxis, slice_axis: SliceAxis) -> bool:
    """Whether the structures follow one another through the slices of a plane.

    They do if no more than 5 % of the labelled pixels contradict it. Slices of a subject are
    judged together if they are of one size.

    Args:
        samples: annotated slices.
        plane: of which every slice should show one structure at most.
        slice_axis: anatomical plane of the samples.
    """
    axis, backwards = axis_across(plane, slice_axis)
    # Which end of its volume the first slice of a stack lies at is not known.
    directions = (False, True) if plane == slice_axis else (backwards,)
    stacks: dict[tuple[str, tuple[int, ...]], list[NDArray[np.uint8]]] = {}
    for sample in sorted(samples, key=lambda one: one.slice_index):
        known = np.where(sample.labels == IGNORE_LABEL, 0, sample.labels).astype(np.uint8)
        stacks.setdefault((sample.subject, known.shape), []).append(known)
    labelled = wrong = 0
    for slices in stacks.values():
        stack = np.stack(slices)
        labelled += int(np.count_nonzero(stack))
        wrong += min(count_out_of_succession(stack, axis, backwards=one) for one in directions)
    return wrong <= _SLIPS * labelled
