"""Nodes as users pass them: one or several, with or without their volumes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from funet.errors import InputError

from ..scene.history import ReviewHistory
from ..scene.segmentation_nodes import alive
from ..scene.volumes import called
from ..translation import tr as _
from .retraining import Annotated


def as_list(nodes: Any) -> list[Any]:
    """Return one node, several or none as a list."""
    if nodes is None:
        return []
    several = isinstance(nodes, Sequence | set | frozenset) and not isinstance(nodes, str)
    return list(nodes) if several else [nodes]


def some_alive(nodes: Iterable[Any]) -> bool:
    """Whether a result has a place: a node is still in a scene, or none was asked for."""
    nodes = list(nodes)
    return not nodes or any(alive(node) for node in nodes)


def some_usable(annotated: Sequence[Annotated]) -> bool:
    """Whether any segmentation is still in a scene together with its volume."""
    return any(alive(item.segmentation_node) and alive(item.volume_node) for item in annotated)


def name_of(node: Any) -> str:
    """Return the name of a node, empty if there is none."""
    return "" if node is None else called(node)


def annotated_segmentations(
    segmentation_nodes: Sequence[Any], volume_nodes: Any, slices: Sequence[Any] | None
) -> list[Annotated]:
    """Return segmentations with their volumes and the slices that teach.

    Args:
        segmentation_nodes: the segmentations.
        volume_nodes: their volumes, one or several; those that they were made on if ``None``.
        slices: indices of one segmentation, or a list for each; ``None`` for the judged ones.

    Raises:
        InputError: if there is no segmentation, or the lists have different lengths.
    """
    if not segmentation_nodes:
        raise InputError(_("No segmentation is chosen; choose one."))
    volumes = as_list(volume_nodes) or [ReviewHistory(n).volume_node for n in segmentation_nodes]
    chosen = _slices_of_each(slices, len(segmentation_nodes))
    if not len(volumes) == len(chosen) == len(segmentation_nodes):
        raise InputError(
            _(
                "Give one volume and one list of slices for each of the {count} segmentations."
            ).format(count=len(segmentation_nodes))
        )
    return [
        Annotated(node, volume, own)
        for node, volume, own in zip(segmentation_nodes, volumes, chosen, strict=True)
    ]


def _slices_of_each(slices: Sequence[Any] | None, count: int) -> list[tuple[int, ...] | None]:
    if slices is None:
        return [None] * count
    if all(isinstance(one, Iterable) for one in slices) and (count > 1 or len(slices) == 1):
        return [tuple(int(index) for index in one) for one in slices]
    return [tuple(int(index) for index in slices)]
