"""From annotated slices to a model with its description: training a new one, retraining one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..annotations.conventions import are_successive
from ..annotations.samples import SliceSample
from ..annotations.splitting import split_validation
from ..annotations.structures import Structures
from ..errors import InputError
from ..images.preprocessing_settings import Preprocessing
from ..losses import build_loss
from ..models.fitting import extent_of, extent_record
from ..models.identifiers import identifier
from ..models.label_values import label_values_of, label_values_record
from ..models.manifest import Manifest, MetricRecord, utc_now
from ..models.model import Model, load_samples_of
from ..networks import UNet, build_network
from ..progress import CancelToken
from ..provenance import versions
from ..runtime import Runtime, choose_device
from .checkpoints import data_digest
from .events import Note, TrainingEvent, TrainingFinished
from .finetuning import FineTuneConfig, FineTuningFinished, fine_tune
from .loop import train
from .parts import as_part
from .presets import TrainingConfig
from .replay import kept_for_replay, recall
from .validation import score_slices

# Up to so many slices, learning all of them again takes minutes and is worth it: of three, the one
# that chooses the epoch is a third of what somebody drew.
_FEW_SLICES = 50

_NOT_SUCCESSIVE = (
    "The corrected slices do not part the structures at {plane} slices as version {version} does, "
    "so the new version does not, either."
)
_FORGETS = (
    "Version {version} knew little of images like these; on the images that it was made for, it "
    "may be better than the new version."
)


@dataclass(frozen=True)
class ModelPlan:
    """What a new model is to be.

    Attributes:
        name: what people see; the id is made from it.
        network: ``"unet"``, ``"brunet"`` or ``"funet"``.
        preprocessing: how the samples were made.
        config: settings of the training.
        validation_share: share of the subjects (of the slices, where there is one subject) by
            which the best epoch is chosen, from 0 to 0.9.
        learn_held_out: whether a model of at most 50 slices, once it is measured, is made again
            from all of them; its weights are then those of the last epoch.
        command: what the user typed, for the model's description.

    Raises:
        InputError: if the share is out of range.
    """

    name: str
    network: str
    preprocessing: Preprocessing
    config: TrainingConfig
    validation_share: float = 0.2
    learn_held_out: bool = False
    command: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.validation_share <= 0.9:
            raise InputError(
                f"The share for validation must be from 0 to 0.9, not {self.validation_share}."
            )


@dataclass(frozen=True)
class ModelTrained:
    """A new model, not yet on disk.

    Attributes:
        model: network and description.
        samples: slices to keep with it, so that a retraining can repeat them.
        finished: how the training ended, the second one if all slices were learned again.
    """

    model: Model
    samples: tuple[SliceSample, ...]
    finished: TrainingFinished


@dataclass(frozen=True)
class ModelRetrained:
    """A new version of a model, not yet on disk.

    Attributes:
        model: network and description, to be published if ``finished.kept``.
        samples: slices to keep with it: the corrections of all rounds and what the first version
            of its line keeps.
        finished: whether and why the new version is better, and its scores.
    """

    model: Model
    samples: tuple[SliceSample, ...]
    finished: FineTuningFinished


def train_model(
    structures: Structures,
    plan: ModelPlan,
    *,
    cancel: CancelToken | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 60.0,
) -> Iterator[TrainingEvent | ModelTrained]:
    """Train a new model; the last event is :class:`ModelTrained`.

    Args:
        structures: what to learn.
        plan: what the model is to be.
        cancel, checkpoint, checkpoint_seconds: as for :func:`~funet.training.loop.train`.

    Raises:
        InputError, ModelError: if the plan or the names of the structures cannot be used.
        TrainingError, Cancelled: as :func:`~funet.training.loop.train`.
    """
    split = split_validation(structures.samples, plan.validation_share, plan.config.seed)
    network = _new_network(plan, len(structures.segments))
    manifest = _new_manifest(plan, structures, network)
    for text in (*structures.notes, split.note):
        if text:
            yield Note(text)
    few = len(structures.samples) <= _FEW_SLICES
    again = plan.learn_held_out and few and bool(split.validation)
    parts, config = (2 if again else 1), plan.config
    if config.max_seconds is not None:
        config = replace(config, max_seconds=config.max_seconds / parts)
    events = train(
        network,
        split.training,
        config=config,
        validation=split.validation,
        cancel=cancel,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
    )
    finished = yield from as_part(_to_the_end(events), 0, parts)
    metrics = _validation_metrics(manifest, network, split.validation, plan.config, again=again)
    if again:
        network = _new_network(plan, len(structures.segments))
        # Without a checkpoint: a killed training begins this short part anew.
        events = train(network, structures.samples, config=config, cancel=cancel)
        finished = yield from as_part(_to_the_end(events), 1, parts)
    ending = {
        "epochs": config.epochs,
        "best_epoch": finished.best_epoch,
        "ended": finished.reason,
    }
    manifest = replace(
        manifest, created=utc_now(), training=manifest.training | ending, metrics=metrics
    )
    yield ModelTrained(Model(manifest, network), kept_for_replay((), structures.samples), finished)


def _to_the_end(
    events: Iterator[TrainingEvent],
) -> Generator[TrainingEvent, None, TrainingFinished]:
    """Pass the events of a training on, and return the last one."""
    finished: TrainingFinished | None = None
    for event in events:
        yield event
        if isinstance(event, TrainingFinished):
            finished = event
    assert finished is not None  # the last event of every training
    return finished


def fine_tune_model(
    current: Model,
    structures: Structures,
    *,
    root: Model | None = None,
    config: FineTuneConfig | None = None,
    cancel: CancelToken | None = None,
    command: str = "",
) -> Iterator[TrainingEvent | ModelRetrained]:
    """Teach a model corrected slices; the last event is :class:`ModelRetrained`.

    Every round starts from the first version of the model's line and learns the corrections of
    all rounds, which a version keeps, and repeats what the first version keeps of its own
    training. The result is the next version after ``current``, which it must beat.

    Args:
        current: the version to improve.
        structures: corrected slices, brought to the model's; ``current`` may know some of them.
        root: the version to start from, see :meth:`~funet.models.store.ModelStore.root_of`;
            ``current`` if ``None``.
        config: settings; the defaults if ``None``.
        cancel: checked before every batch.
        command: what the user typed, for the description of the new version.

    Raises:
        ModelError: if the slices kept with a model are damaged.
        Cancelled, TrainingError, InputError: as :func:`~funet.training.finetuning.fine_tune`.
    """
    config, root = config or FineTuneConfig(), root or current
    first = load_samples_of(root)
    memory = recall(load_samples_of(current), first, structures.samples)
    yield from map(Note, structures.notes)
    if not memory.replay:
        yield Note(f"{root.manifest.id} keeps no slices of its training, so some may be forgotten.")
    replay_is_all = len(first) == root.manifest.training.get("samples")
    finished: FineTuningFinished | None = None
    for event in fine_tune(
        root,
        memory.new,
        current=current,
        earlier=memory.earlier,
        replay=memory.replay,
        replay_is_all=replay_is_all,
        config=config,
        cancel=cancel,
    ):
        if isinstance(event, FineTuningFinished):
            finished = event
        else:
            yield event
    assert finished is not None  # the last event of every retraining
    forgets = bool(memory.replay) and not replay_is_all and config.is_far(finished.distance)
    learned = (*memory.new, *memory.earlier)
    record = _record(learned, config.seed, command) | {"replayed": len(memory.replay)}
    manifest = _next_manifest(current.manifest, root.manifest, record, structures.sides, finished)
    manifest = _following_conventions(manifest, learned)
    if finished.kept:
        yield from _notes_on(manifest, current.manifest, root.manifest, forgets=forgets)
    kept = kept_for_replay(learned, memory.replay)
    yield ModelRetrained(Model(manifest, finished.network), kept, finished)


def _next_manifest(
    current: Manifest,
    root: Manifest,
    record: dict[str, Any],
    sides: Sequence[float],
    finished: FineTuningFinished,
) -> Manifest:
    outcome = {
        "started_from": root.id,
        "held_out": finished.held_out,
        "distance": finished.distance,
        "reason": finished.reason,
    }
    inherited = extent_record(sides, extent_of(current))
    inherited |= label_values_record(label_values_of(current))
    manifest = current.child(training=record | outcome | inherited)
    data = f"{finished.held_out} corrected slices held out"
    if finished.learned == record["samples"]:
        data += " until it was measured"
    return replace(manifest, metrics=_metrics(manifest, data, finished.dice_after or ()))


def _following_conventions(manifest: Manifest, learned: Sequence[SliceSample]) -> Manifest:
    """Return a description that claims no convention which the corrections contradict."""
    plane, slice_axis = manifest.successive, manifest.preprocessing.slice_axis
    if plane is None or are_successive(learned, plane, slice_axis):
        return manifest
    return replace(manifest, successive=None)


def _notes_on(
    manifest: Manifest, current: Manifest, root: Manifest, *, forgets: bool
) -> Iterator[Note]:
    """Tell what a new version does no longer."""
    if forgets:
        yield Note(_FORGETS.format(version=root.version))
    if manifest.successive != current.successive:
        yield Note(_NOT_SUCCESSIVE.format(plane=current.successive, version=current.version))


def _new_network(plan: ModelPlan, structures: int) -> UNet:
    # The first weights follow the seed, and the caller's random numbers stay as they are.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.config.seed)
        return build_network(plan.network, in_channels=1, num_classes=structures + 1)


def _new_manifest(plan: ModelPlan, structures: Structures, network: UNet) -> Manifest:
    family = identifier(plan.name)
    return Manifest(
        id=family,
        family=family,
        name=plan.name,
        segments=structures.segments,
        preprocessing=plan.preprocessing,
        network=network.config,
        loss=plan.config.loss,
        created=utc_now(),
        training=_record(structures.samples, plan.config.seed, plan.command)
        | extent_record(structures.sides)
        | label_values_record(structures.label_values),
    )


def _validation_metrics(
    manifest: Manifest,
    network: UNet,
    validation: Sequence[SliceSample],
    config: TrainingConfig,
    *,
    again: bool,
) -> tuple[MetricRecord, ...]:
    if not validation:
        return ()
    device, _ = choose_device(config.device)
    score = score_slices(
        network.to(device),
        validation,
        loss=build_loss(config.loss).to(device),
        runtime=Runtime(device),
    )
    network.to("cpu")
    subjects = len({sample.subject for sample in validation})
    slices = f"{len(validation)} validation slice{'s' if len(validation) > 1 else ''}"
    data = f"{slices} of {subjects} subject{'s' if subjects > 1 else ''}"
    if again:
        data += ", which it then learned, too"
    return _metrics(manifest, data, score.dice)


def _metrics(manifest: Manifest, data: str, dice: Sequence[float]) -> tuple[MetricRecord, ...]:
    """Dice over all pixels of all slices together is one number, so it has no deviation."""
    return tuple(
        MetricRecord(data, segment.name, "Dice over all pixels", value, 0.0, 1)
        for segment, value in zip(manifest.segments, dice, strict=bool(dice))
        if not np.isnan(value)
    )


def _record(samples: Sequence[SliceSample], seed: int, command: str) -> dict[str, Any]:
    """Return what a description says of how its weights were made."""
    subjects = [sample.subject for sample in samples]
    return {
        "command": command,
        "seed": seed,
        "samples": len(samples),
        "subjects": {subject: subjects.count(subject) for subject in sorted(set(subjects))},
        "data_sha256": data_digest(samples),
        "versions": versions(),
    }
