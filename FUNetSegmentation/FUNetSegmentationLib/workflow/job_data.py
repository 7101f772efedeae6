"""How nodes of the scene become the arguments of jobs, and results of jobs become objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funet.annotations.subjects import subject_by_voxels
from funet.errors import InputError

from ..scene.labels import LabelReading
from ..scene.segmentation_nodes import alive
from ..scene.volumes import VolumeSnapshot, snapshot
from ..translation import tr as _
from .task import Task


@dataclass(frozen=True)
class Case:
    """The annotated slices of one volume, for a training.

    Attributes:
        volume: the image as it was.
        labels: uint8 (K, J, I) on the volume's grid; 255 counts nowhere.
        slices: the annotated ones, by index along the model's slice axis.
        volume_node: where the image comes from; it may change or go while a job runs.
    """

    volume: VolumeSnapshot
    labels: NDArray[np.uint8]
    slices: tuple[int, ...]
    volume_node: Any


def describe_volume(volume: VolumeSnapshot) -> dict[str, Any]:
    """Return what a job must know of a volume besides its voxels."""
    geometry = volume.geometry
    return {
        "name": volume.name,
        "shape": geometry.shape,
        "spacing": geometry.spacing,
        "origin": geometry.origin,
        "direction": geometry.direction,
    }


def pack_cases(cases: Sequence[Case]) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """Return the cases as arguments of a job, subjects known by their voxels, and their arrays."""
    arguments: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for number, case in enumerate(cases):
        arguments.append(
            {
                "volume": describe_volume(case.volume),
                "slices": list(case.slices),
                "subject": subject_by_voxels(case.volume.name, case.volume.array),
            }
        )
        arrays[f"volume-{number}"] = case.volume.array
        arrays[f"labels-{number}"] = case.labels
    return arguments, arrays


def require_volume(volume_node: Any, segmentation_node: Any) -> Any:
    """Return the volume of a segmentation.

    Raises:
        InputError: if it has left the scene.
    """
    if not alive(volume_node):
        raise InputError(
            _("The volume of {name} is not in the scene; load it again, or choose it.").format(
                name=segmentation_node.GetName()
            )
        )
    return volume_node


def changed_since(volume_node: Any, before: VolumeSnapshot) -> str:
    """Return a note if the voxels of a volume changed while a job used a copy of them.

    Raises:
        InputError: if the volume has another grid now, on which the result has no place.
    """
    now = snapshot(volume_node)
    if now.geometry.shape != before.geometry.shape:
        raise InputError(
            _("The size of {name} changed while it was being segmented; segment it again.").format(
                name=before.name
            )
        )
    return _changed(before) if now.modified != before.modified else ""


def note_changes(task: Task, cases: Sequence[Case]) -> None:
    """Tell of volumes that changed while a training used copies of them."""
    for case in cases:
        if alive(case.volume_node):
            try:
                task.note(changed_since(case.volume_node, case.volume))
            except InputError:  # it has another size now, or cannot be used any more
                task.note(_changed(case.volume))


def _changed(before: VolumeSnapshot) -> str:
    return _(
        "{name} was changed meanwhile; the result belongs to the image as it was before."
    ).format(name=before.name)


def note_overlap(task: Task, node: Any, reading: LabelReading) -> None:
    """Tell how many voxels are left out because several structures claim them."""
    if reading.overlapping_voxels:
        task.note(
            _(
                "{count} voxels of {name} belong to more than one structure and teach nothing."
            ).format(count=reading.overlapping_voxels, name=node.GetName())
        )
