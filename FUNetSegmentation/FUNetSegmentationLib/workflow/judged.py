"""Which slices a person made or judged: they teach, and predictions leave them alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funet.errors import InputError

from ..scene.history import ReviewHistory
from ..scene.labels import content_digests
from ..scene.volumes import plane_of, snapshot
from ..translation import tr as _


def judged_slices(
    segmentation_node: Any,
    segment_ids: Mapping[int, str | None],
    volume_node: Any,
    axis: int,
) -> tuple[int, ...]:
    """Return the slices that are corrected, accepted, or drawn by hand.

    Args:
        segmentation_node: the node.
        segment_ids: the segments in question by label value; others do not count. What no
            prediction wrote was drawn by hand.
        volume_node: the volume.
        axis: axis of its (K, J, I) array along which the slices lie.

    Raises:
        InputError: if the slices were judged on another volume or in another plane.
    """
    groups = _judged_groups(segmentation_node, segment_ids, volume_node, axis)
    return tuple(sorted(set().union(*groups)))


def judged_for_all(
    segmentation_node: Any,
    segment_ids: Mapping[int, str | None],
    volume_node: Any,
    axis: int,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the slices that were judged for all of some segments, and those for a part of them.

    Segments that a model predicted are judged together, and so are those that were drawn by hand.
    Where only the latter were drawn, what was predicted beside them is nothing that anybody said.

    Args:
        segmentation_node, segment_ids, volume_node, axis: as for :func:`judged_slices`.

    Raises:
        InputError: as :func:`judged_slices`.
    """
    groups = _judged_groups(segmentation_node, segment_ids, volume_node, axis)
    for_all = set.intersection(*groups) if groups else set()
    return tuple(sorted(for_all)), tuple(sorted(set().union(*groups) - for_all))


def _judged_groups(
    segmentation_node: Any,
    segment_ids: Mapping[int, str | None],
    volume_node: Any,
    axis: int,
) -> list[set[int]]:
    """The judged slices of each group of segments; of those drawn by hand if anything is drawn."""
    history = ReviewHistory(segmentation_node)
    if history.volume_node is None:  # the volume was loaded again
        history.use_slices(volume_node=volume_node, slice_axis=axis)
    own = {one for one in segment_ids.values() if one is not None}
    together = history.predicted_together(own)
    groups = [
        _judged_since_predicted(segmentation_node, group, volume_node, axis) for group in together
    ]
    by_hand = own.difference(*together)
    slices = set(content_digests(segmentation_node, by_hand, volume_node, axis).drawn())
    if history.model is None and _same_place(history, volume_node, axis):
        judged = history.protected()
        slices |= set(history.accepted())
        slices -= set(history.changed_slices()) - set(judged)  # those that the user took out
    return [*groups, slices] if slices else groups


def _judged_since_predicted(
    node: Any, segment_ids: frozenset[str], volume_node: Any, axis: int
) -> set[int]:
    history = ReviewHistory(node, segment_ids)
    judged = history.protected()
    if judged and not _same_place(history, volume_node, axis):
        raise _elsewhere(node, history, volume_node, axis)
    return set(judged)


def _same_place(history: ReviewHistory, volume_node: Any, axis: int) -> bool:
    return history.volume_node is volume_node and history.slice_axis == axis


def _elsewhere(node: Any, history: ReviewHistory, volume_node: Any, axis: int) -> InputError:
    if history.volume_node is not volume_node:
        return InputError(
            _(
                "{name} has slices that were corrected on the volume {volume}; choose that volume "
                "or another segmentation."
            ).format(name=node.GetName(), volume=history.volume_node.GetName())
        )
    return InputError(
        _(
            "{name} has slices that were corrected in the {old} plane, and this model works in the "
            "{new} plane; choose a model of the same plane or another segmentation."
        ).format(
            name=node.GetName(),
            old=history.plane,
            new=plane_of(snapshot(volume_node).geometry, axis),
        )
    )
