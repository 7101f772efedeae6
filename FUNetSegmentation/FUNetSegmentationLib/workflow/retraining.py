"""Learning from corrected and accepted slices, and going back to the version before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from funet.errors import InputError
from funet.models.manifest import Manifest
from funet.models.store import ModelStore

from ..scene.history import ReviewHistory
from ..scene.labels import read_labels
from ..scene.segmentation_nodes import alive
from ..scene.structures import segments_of_model, without_segment
from ..scene.volumes import slice_axis_of, snapshot
from ..translation import tr as _
from .applying import Desk
from .job_data import Case, note_changes, note_overlap, pack_cases, require_volume
from .judged import judged_slices
from .publishing import withdrawn_unless_done
from .results import RetrainingResult
from .segmenting import update_steps
from .task import JobStep, Steps, Task

MetricCallback = Callable[[dict[str, Any]], None]

_UPDATE_SHARE = 0.2  # of the progress of a retraining


@dataclass(frozen=True)
class Annotated:
    """A segmentation to learn from.

    Attributes:
        segmentation_node, volume_node: the drawing and its image.
        slices: which slices teach; ``None`` for those that are corrected or accepted.
    """

    segmentation_node: Any
    volume_node: Any
    slices: tuple[int, ...] | None = None


@dataclass(frozen=True)
class RetrainingOptions:
    """Settings of a retraining; ``None`` leaves a setting to the engine."""

    device: str = "auto"
    steps: int | None = None
    seed: int | None = None
    update: bool = True

    def as_arguments(self) -> dict[str, Any]:
        """Return the options of the "fine_tune" job."""
        chosen = {"device": self.device, "steps": self.steps, "seed": self.seed}
        return {name: value for name, value in chosen.items() if value is not None}


def retrain_steps(
    task: Task,
    annotated: Sequence[Annotated],
    *,
    model: Manifest,
    options: RetrainingOptions,
    find_model: Callable[[str], Manifest],
    store: ModelStore,
    desk: Desk,
    on_metric: MetricCallback | None = None,
) -> Steps:
    """Retrain a model; where the new version is kept, predict the segmentations again.

    Args:
        task: takes the notes.
        annotated: what to learn from.
        model: the version to improve.
        options: settings.
        find_model: returns the description of a version by its id.
        store: where the versions are.
        desk: how predictions are written.
        on_metric: called with ``{"step", "loss"}`` and the like.

    Returns:
        By way of the task a :class:`RetrainingResult`.

    Raises:
        InputError: if there is nothing to learn from, or a structure has no segment.
    """
    cases = [case for item in annotated if (case := _case(task, item, model)) is not None]
    if not cases:
        raise InputError(
            _(
                "There is nothing to learn from in {names}: correct or accept at least one slice."
            ).format(names=", ".join(item.segmentation_node.GetName() for item in annotated))
        )
    arguments, arrays = pack_cases(cases)
    nodes = [item.segmentation_node for item in annotated]
    settings = {"model": model.id, "cases": arguments, "options": options.as_arguments()}
    with withdrawn_unless_done(store, nodes) as run:
        handle = yield JobStep(
            "fine_tune",
            {**settings, "run": run},
            arrays,
            on_metric=None if on_metric is None else lambda _handle, values: on_metric(values),
            stop=1.0 - _UPDATE_SHARE if options.update else 1.0,
        )
        outcome = handle.result or {}
        task.take_notes(outcome.get("notes", ()))
        note_changes(task, cases)
        if outcome["kept"] and options.update:
            yield from update_steps(
                task,
                nodes,
                model=find_model(str(outcome["model"])),
                device=options.device,
                desk=desk,
                start=1.0 - _UPDATE_SHARE,
            )
    return _result(outcome, model, task.notes)


def roll_back_steps(
    task: Task,
    segmentation_nodes: Sequence[Any],
    *,
    family: str,
    store: ModelStore,
    device: str,
    desk: Desk,
    describe: Callable[[Manifest], Any],
) -> Steps:
    """Make the parent of the version in use the one in use, and predict with it again.

    Args:
        task: takes the notes.
        segmentation_nodes: those to predict again, if a version of the family predicted them; may
            be empty.
        family: whose version goes back.
        store: where the versions are.
        device, desk: as for :func:`~.segmenting.update_steps`.
        describe: turns the version in use afterwards into the result of the task.

    Raises:
        ModelError: if the version has no parent.
    """
    current = store.active(family)
    parent = store.roll_back(family)
    nodes = _predicted_by(family, segmentation_nodes, parent, store)
    try:
        yield from update_steps(task, nodes, model=parent, device=device, desk=desk)
    except Exception:
        store.activate(current.id)  # given up half-way: nothing of it is kept
        raise
    return describe(parent)


def _predicted_by(
    family: str, nodes: Sequence[Any], model: Manifest, store: ModelStore
) -> list[Any]:
    """Those of some segmentations that show what a version of the family predicted."""
    families = {manifest.id: manifest.family for manifest in store.list()}

    def shows(node: Any) -> bool:
        found = segments_of_model(node, model.segments).values()
        made_by = ReviewHistory(node, [one for one in found if one is not None]).model
        # A version that was deleted since had segments that this one has, too.
        return made_by is not None and families.get(made_by, family) == family

    return [node for node in nodes if alive(node) and shows(node)]


def _case(task: Task, item: Annotated, model: Manifest) -> Case | None:
    """Return the annotated slices of a segmentation, ``None`` if it has none."""
    node = item.segmentation_node
    volume = snapshot(require_volume(item.volume_node, node))
    axis = slice_axis_of(volume.geometry, model.preprocessing.slice_axis)
    ids = _segments(node, model)
    slices = item.slices
    if slices is None:
        slices = judged_slices(node, ids, item.volume_node, axis)
        if slices and ReviewHistory(node).forgotten:
            task.note(
                _(
                    "{name} was predicted and then saved without its scene, so every drawn slice "
                    "counts as corrected; save scenes to keep what was corrected."
                ).format(name=node.GetName())
            )
    if not slices:
        return None
    reading = read_labels(node, ids, item.volume_node)
    note_overlap(task, node, reading)
    return Case(volume, reading.labels, tuple(slices), item.volume_node)


def _segments(node: Any, model: Manifest) -> dict[int, str]:
    found = segments_of_model(node, model.segments)
    if missing := without_segment(found, model.segments):
        raise InputError(
            _(
                "{name} has no segment {structures}, which the model {model} knows; add it, even "
                "empty, or choose another model."
            ).format(
                name=node.GetName(),
                structures=_(" and no segment ").join(missing),
                model=model.name,
            )
        )
    return {value: segment_id for value, segment_id in found.items() if segment_id is not None}


def _result(outcome: dict[str, Any], model: Manifest, notes: Sequence[str]) -> RetrainingResult:
    names = [segment.name for segment in model.segments]

    def by_name(dice: Sequence[float | None] | None) -> dict[str, float | None] | None:
        return None if dice is None else dict(zip(names, dice, strict=True))

    return RetrainingResult(
        model=str(outcome["model"]),
        kept=bool(outcome["kept"]),
        reason=str(outcome["reason"]),
        diceBefore=by_name(outcome["dice_before"]),
        diceAfter=by_name(outcome["dice_after"]),
        learned=int(outcome["learned"]),
        heldOut=int(outcome["held_out"]),
        notes=tuple(notes),
    )
