"""A new model from a few drawn slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from funet.errors import InputError
from funet.images.geometry import SLICE_AXES, SliceAxis, SliceOrder
from funet.images.segmentations import Segment
from funet.models.store import ModelStore

from ..scene.history import ReviewHistory
from ..scene.labels import content_digests, read_labels
from ..scene.structures import drawn_segments, segments_of_model, without_segment
from ..scene.volumes import VolumeSnapshot, acquisition_axis, snapshot
from ..translation import tr as _
from .job_data import Case, note_changes, note_overlap, pack_cases, require_volume
from .judged import judged_for_all
from .publishing import withdrawn_unless_done
from .retraining import Annotated, MetricCallback
from .task import JobStep, Steps, Task


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of a training; ``None`` leaves a setting to the engine.

    Attributes:
        name: what people see of the new model.
        plane: of the slices; ``None`` for the one in which they were drawn.
        epochs, seed, device: as for the engine.
    """

    name: str
    plane: SliceAxis | None = None
    epochs: int | None = None
    seed: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InputError(_("Give the new model a name."))
        if self.plane is not None and self.plane not in SLICE_AXES:
            raise InputError(
                _("The slice plane must be one of {planes}, not {plane}.").format(
                    planes=", ".join(SLICE_AXES), plane=self.plane
                )
            )

    def as_arguments(self) -> dict[str, Any]:
        """Return the options of the "train" job."""
        chosen = {"device": self.device, "epochs": self.epochs, "seed": self.seed}
        return {name: value for name, value in chosen.items() if value is not None}


@dataclass(frozen=True)
class _Drawing:
    node: Any
    volume_node: Any
    ids: Mapping[int, str | None]
    volume: VolumeSnapshot

    def order(self, plane: SliceAxis) -> SliceOrder:
        return SliceOrder.from_geometry(self.volume.geometry, plane)

    def slices(self, plane: SliceAxis) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What somebody drew or judged in this plane: all structures, and a part of them only."""
        return judged_for_all(self.node, self.ids, self.volume_node, self.order(plane).axis)

    def drawn(self, plane: SliceAxis) -> tuple[int, ...]:
        """The slices of this plane that show anything."""
        ids = [one for one in self.ids.values() if one is not None]
        return content_digests(self.node, ids, self.volume_node, self.order(plane).axis).drawn()


def train_steps(
    task: Task,
    annotated: Sequence[Annotated],
    options: TrainingOptions,
    *,
    store: ModelStore,
    describe: Callable[[str], Any],
    on_metric: MetricCallback | None = None,
) -> Steps:
    """Train a new model from the drawn slices of some segmentations.

    Args:
        task: takes the notes.
        annotated: volume and segmentation of each subject.
        options: settings.
        store: where the new model is published.
        describe: turns the id of the new model into the result of the task.
        on_metric: called with ``{"epoch", "training_loss", ...}`` and the like.

    Raises:
        InputError: if nothing is drawn, or a structure has no segment.
    """
    structures = _drawn_structures([item.segmentation_node for item in annotated])
    drawings = [_read(item, structures) for item in annotated]
    plane = options.plane or _plane_drawn_in(drawings)
    cases = _cases(task, drawings, plane)
    if options.plane is None:
        task.note(
            _("It learned from {count} {plane} slices.").format(
                count=sum(len(case.slices) for case in cases), plane=plane
            )
        )
    arguments, arrays = pack_cases(cases)
    with withdrawn_unless_done(store) as run:
        handle = yield JobStep(
            "train",
            {
                "name": options.name.strip(),
                "cases": arguments,
                "segments": [asdict(segment) for segment in structures],
                "preprocessing": {"slice_axis": plane, "spacing": _spacing(drawings, plane)},
                "options": options.as_arguments(),
                "run": run,
            },
            arrays,
            on_metric=None if on_metric is None else lambda _handle, values: on_metric(values),
        )
    outcome = handle.result or {}
    task.take_notes(outcome.get("notes", ()))
    note_changes(task, cases)
    return describe(str(outcome["model"]))


def _drawn_structures(nodes: Sequence[Any]) -> tuple[Segment, ...]:
    """Return what is drawn in any of the segmentations, numbered from 1."""
    structures: dict[str, Segment] = {}
    for node in nodes:
        own = [segment for _id, segment in drawn_segments(node)]
        if len({segment.name.casefold() for segment in own}) < len(own):
            raise InputError(
                _("Two segments of {name} have the same name; rename one.").format(
                    name=node.GetName()
                )
            )
        for segment in own:
            structures.setdefault(segment.name.casefold(), segment)
    if not structures:
        raise InputError(
            _("Nothing is drawn in {names}; draw every structure in a few slices.").format(
                names=", ".join(node.GetName() for node in nodes)
            )
        )
    return tuple(
        replace(segment, value=value) for value, segment in enumerate(structures.values(), 1)
    )


def _read(item: Annotated, structures: Sequence[Segment]) -> _Drawing:
    node, volume_node = item.segmentation_node, item.volume_node
    ids = segments_of_model(node, structures)
    if lacking := without_segment(ids, structures):
        raise InputError(
            _(
                "{name} has no segment {names}, which another segmentation has; add it, even empty."
            ).format(name=node.GetName(), names=", ".join(lacking))
        )
    volume = snapshot(require_volume(volume_node, node))
    return _Drawing(node, volume_node, ids, volume)


def _cases(task: Task, drawings: Sequence[_Drawing], plane: SliceAxis) -> list[Case]:
    """Return the slices that teach; a note tells of those that would teach half the truth."""
    cases = []
    names = ", ".join(drawing.node.GetName() for drawing in drawings)
    left_out = 0
    for drawing in drawings:
        slices, for_some = drawing.slices(plane)
        left_out += len(for_some)
        if slices:
            reading = read_labels(drawing.node, drawing.ids, drawing.volume_node)
            note_overlap(task, drawing.node, reading)
            cases.append(Case(drawing.volume, reading.labels, slices, drawing.volume_node))
    if left_out:
        text = _(
            "{count} slices of {names} teach nothing, because only some of the structures were "
            "drawn or judged there; draw the others, and accept what was predicted."
        ).format(count=left_out, names=names)
        if not cases:
            raise InputError(text)
        task.note(text)
    if not cases:
        raise InputError(
            _(
                "No slice of {names} can teach a new model: correct or accept slices in one plane."
            ).format(names=names)
        )
    return cases


def _plane_drawn_in(drawings: Sequence[_Drawing]) -> SliceAxis:
    """Return the plane in which slices were predicted or marked, else that of the drawing hand.

    Slices are seldom drawn next to each other, and across them a structure is many pixels wide:
    the plane of the drawing is the one with the shortest runs of slices.
    """
    for drawing in drawings:
        if plane := ReviewHistory(drawing.node).judged_plane:
            return plane

    def length(plane: SliceAxis) -> tuple[float, int, bool]:
        slices = [drawing.drawn(plane) for drawing in drawings]
        count = sum(map(len, slices))
        runs = sum(one - 1 not in drawn for drawn in slices for one in drawn)
        thickest = all(
            drawing.order(plane).axis == acquisition_axis(drawing.volume.geometry)
            for drawing in drawings
        )
        return count / max(runs, 1), count, not thickest

    return min(SLICE_AXES, key=length)


def _spacing(drawings: Sequence[_Drawing], plane: SliceAxis) -> list[float]:
    """Return the pixel size that the model works at: that of the volumes, in the middle."""
    sizes = np.array([drawing.order(plane).spacing[1:] for drawing in drawings])
    return [round(float(size), 4) for size in np.median(sizes, axis=0)]
