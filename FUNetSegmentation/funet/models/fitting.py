"""Which model is made for a volume like this one.

The record of a model's training tells the size of the volumes that the model is made for: their
longest sides in mm, from the least to the greatest. They are those that it learned from; a shipped
model's recipe may add others. That tells a crop around the hippocampus from a brain or a whole
head, whatever the voxels are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..images.geometry import Geometry
from ..strict_json import JsonObject
from .manifest import Manifest

_KEY = "extent_mm"

Extent = tuple[float, float]
"""Least and greatest longest side of some volumes, mm."""


def extent_record(sides: Iterable[float], earlier: Extent | None = None) -> JsonObject:
    """Return the entry of a training's record that says how large the volumes are.

    Args:
        sides: the longest side of every volume, mm; see
            :attr:`~funet.images.geometry.Geometry.largest_side`.
        earlier: what is known already, for instance of the version that learns more.

    Returns:
        One entry, in whole mm that include all sides; none if there is nothing to say.
    """
    known = [*sides, *(earlier or ())]
    return {_KEY: [math.floor(min(known)), math.ceil(max(known))]} if known else {}


def extent_of(manifest: Manifest) -> Extent | None:
    """Return how large the volumes are that a model is made for, if its record says so."""
    value = manifest.training.get(_KEY)
    if not isinstance(value, list) or len(value) != 2:
        return None
    # The record may come from a stranger; it is checked for being JSON, not for its meaning.
    numbers = [float(part) for part in value if type(part) in (int, float)]
    if len(numbers) != 2 or not 0 < numbers[0] <= numbers[1]:
        return None
    return numbers[0], numbers[1]


def best_fit(manifests: Sequence[Manifest], geometry: Geometry) -> Manifest | None:
    """Return the model that is made for volumes of this size.

    It is the first one whose range holds the volume's longest side, else the one whose range is
    nearest, as a ratio. A model that does not say what it is made for is taken only where no
    model does.

    Args:
        manifests: the candidates, for instance the active version of every family.
        geometry: the grid of the volume.

    Returns:
        One of the candidates; ``None`` if there are none.
    """
    side = geometry.largest_side
    return min(manifests, key=lambda manifest: _misfit(manifest, side), default=None)


def _misfit(manifest: Manifest, side: float) -> float:
    """By which factor, as a logarithm, a side is outside of a model's range; 0 inside."""
    extent = extent_of(manifest)
    if extent is None:
        return math.inf
    return max(math.log(extent[0] / side), math.log(side / extent[1]), 0.0)
