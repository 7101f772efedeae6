"""The worklist: which slices a reader should look at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import InputError
from ..images.geometry import Geometry, SliceAxis, SliceOrder

SliceState = Literal["predicted", "corrected", "accepted"]


@dataclass(frozen=True)
class ReviewItem:
    """One slice of the worklist.

    Attributes:
        slice_index: index along the volume's own slice axis.
        doubt: expected number of wrongly labelled pixels; higher is more likely wrong.
        state: ``"predicted"``, or what the reader made of it.
    """

    slice_index: int
    doubt: float
    state: SliceState


def worklist(
    doubt: Sequence[float], states: Mapping[int, SliceState] | None = None
) -> tuple[ReviewItem, ...]:
    """Return all slices, the most doubtful first; corrected and accepted ones come last.

    Args:
        doubt: of every slice, by its index along the volume's own slice axis.
        states: state of the slices that are not merely predicted.

    Raises:
        InputError: if a state is unknown or belongs to a slice that does not exist.
    """
    states = states or {}
    for index, state in states.items():
        if state not in get_args(SliceState) or not 0 <= index < len(doubt):
            raise InputError(f"Slice {index} cannot have the state '{state}'.")
    items = [
        ReviewItem(index, float(value), states.get(index, "predicted"))
        for index, value in enumerate(doubt)
    ]
    return tuple(
        sorted(items, key=lambda item: (item.state != "predicted", -item.doubt, item.slice_index))
    )


def slice_positions(geometry: Geometry, slice_axis: SliceAxis) -> tuple[float, ...]:
    """Return where the slices of a volume lie, as 3D Slicer shows it beside its slice views.

    Args:
        geometry: the grid of the volume.
        slice_axis: the plane of the slices.

    Returns:
        For each slice, by its index along the volume's own slice axis, the position of its centre
        in mm towards the patient's right (sagittal), front (coronal) or head (axial).
    """
    axis = SliceOrder.from_geometry(geometry, slice_axis).axis
    world = {"sagittal": 0, "coronal": 1, "axial": 2}[slice_axis]
    sign = 1.0 if slice_axis == "axial" else -1.0  # LPS to RAS
    positions = []
    for index in range(geometry.shape[axis]):
        centre = [(count - 1) / 2 for count in reversed(geometry.shape)]
        centre[2 - axis] = index
        positions.append(sign * float((geometry.affine @ [*centre, 1.0])[world]))
    return tuple(positions)
