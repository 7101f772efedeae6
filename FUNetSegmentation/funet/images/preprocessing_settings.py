"""How volumes become slices, known without PyTorch; :mod:`funet.images.preprocessing` does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ..configuration import StrictConfig
from ..errors import InputError
from ..strict_json import shown
from .geometry import SLICE_AXES, SliceAxis

_SMALLEST_SPACING, _LARGEST_SPACING = 0.01, 100.0

Intensity = Literal["slice", "volume"]


@dataclass(frozen=True)
class Preprocessing(StrictConfig):
    """How volumes become slices.

    Attributes:
        slice_axis: the anatomical plane of the slices.
        spacing: mm between rows and between columns, 0.01 to 100; ``None`` keeps the image's own.
        intensity: ``"slice"`` scales every slice to [0, 1], as in the FU-net paper. ``"volume"``
            clips the volume to its 0.5 and 99.5 percentiles and standardises it; background does
            not count in these figures.

    Raises:
        InputError: if a value is out of range.
    """

    title: ClassVar[str] = "preprocessing"

    slice_axis: SliceAxis = "axial"
    spacing: tuple[float, float] | None = None
    intensity: Intensity = "volume"

    def __post_init__(self) -> None:
        for name, choices in (("slice_axis", SLICE_AXES), ("intensity", ("slice", "volume"))):
            if getattr(self, name) not in choices:
                raise InputError(
                    f"{name} of the preprocessing must be {' or '.join(choices)}, not "
                    f"{shown(getattr(self, name))}."
                )
        if self.spacing is not None:
            object.__setattr__(self, "spacing", _checked_spacing(self.spacing))


def _checked_spacing(spacing: object) -> tuple[float, float]:
    parts = list(spacing) if isinstance(spacing, list | tuple) else []
    good = [
        float(part)
        for part in parts
        if isinstance(part, int | float)
        and not isinstance(part, bool)
        and _SMALLEST_SPACING <= part <= _LARGEST_SPACING
    ]
    if len(parts) != 2 or len(good) != 2:
        raise InputError(
            f"spacing of the preprocessing must be two numbers of mm from {_SMALLEST_SPACING} to "
            f"{_LARGEST_SPACING:g}, or nothing, not {shown(spacing)}."
        )
    return good[0], good[1]
