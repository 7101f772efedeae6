"""Which values the structures of a model have in label files that do not name them.

A model numbers its structures 1, 2, … without gaps. The files that taught it may have had other
values, and those of the next round are of the same kind, so its record keeps theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..images.segmentations import MAX_LABEL
from ..strict_json import JsonObject
from .manifest import Manifest

_KEY = "label_values"


def label_values_record(values: Sequence[int]) -> JsonObject:
    """Return the entry of a training's record that says how label files number the structures.

    Args:
        values: in the order of the structures; empty if they are not known.

    Returns:
        One entry; none if there is nothing to say because files number them as the model does.
    """
    differ = list(values) != list(range(1, len(values) + 1))
    return {_KEY: list(values)} if differ else {}


def label_values_of(manifest: Manifest) -> tuple[int, ...]:
    """Return the values of a model's structures in files without names, in their order.

    They are the model's own values where its record says nothing.
    """
    own = tuple(segment.value for segment in manifest.segments)
    value = manifest.training.get(_KEY)
    # The record may come from a stranger; it is checked for being JSON, not for its meaning.
    if not isinstance(value, list) or any(type(one) is not int for one in value):
        return own
    usable = (
        len(set(value)) == len(value) == len(own) and 1 <= min(value) <= max(value) <= MAX_LABEL
    )
    return tuple(value) if usable else own
