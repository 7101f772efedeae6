"""A reader who corrects slices with the truth, presses Retrain, and goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from learners import Learner, Lesson
from numpy.typing import NDArray
from simulated_changes import changed

from funet.annotations.samples import SliceSample, samples_from_volume
from funet.evaluation.metrics import dice
from funet.images.geometry import SliceOrder
from funet.images.known_labels import known_only_in
from funet.images.volumes import LabelMap, Volume, read_label_map, read_volume
from funet.models.model import Model
from funet.networks import UNet
from funet.prediction.inference import Prediction, Predictor
from funet.prediction.review import worklist


@dataclass(frozen=True)
class Subject:
    """A volume with its true labels."""

    volume: Volume
    reference: LabelMap

    @property
    def name(self) -> str:
        """Name of the subject."""
        return self.volume.name


@dataclass(frozen=True)
class Record:
    """What one round of corrections brought; Dice is the mean of the structures.

    Attributes:
        arm: how the slices were chosen and learned.
        subject, seed: of whom, with which seed.
        corrected: slices corrected so far.
        same_before, same_after, same_ceiling: Dice on the slices of the volume that were never
            corrected, with the base model, the retrained one, and the ceiling; the latter two are
            shown the corrected slices.
        whole_after: Dice of the whole volume, corrected slices taken as they were drawn.
        others_before, others_after, others_ceiling: Dice on other volumes of the same kind.
        base_before, base_after: Dice on volumes such as the base model learned from.
        seconds: time from the click to the new labels of the volume.
    """

    arm: str
    subject: str
    seed: int
    corrected: int
    same_before: float
    same_after: float
    same_ceiling: float
    whole_after: float
    others_before: float
    others_after: float
    others_ceiling: float
    base_before: float
    base_after: float
    seconds: float

    def to_json(self) -> dict[str, object]:
        """The same for a file, with the digits that mean something."""
        return {
            key: round(value, 5) if isinstance(value, float) else value
            for key, value in asdict(self).items()
        }


def read_subject(data: Path, name: str, change: str = "none", seed: int = 0) -> Subject:
    """Read a subject, as the simulated machine would have seen it."""
    volume = read_volume(data / "images" / f"{name}.nii.gz")
    reference = read_label_map(data / "labels" / f"{name}.nii.gz")
    return Subject(changed(volume, change, seed), reference)


def mean_dice(labels: NDArray[np.uint8], reference: NDArray[np.uint8], structures: int) -> float:
    """Mean Dice over all voxels of the structures that either side shows."""
    values = [dice(labels, reference, value) for value in range(1, structures + 1)]
    return float(np.nanmean(values))


@dataclass(frozen=True)
class World:
    """All that a simulation of one subject and seed needs.

    Attributes:
        base: the model that the reader starts with.
        ceiling: a model that learned all training subjects as the new machine sees them.
        subject: the volume that is corrected.
        others: volumes of the same machine.
        base_task: volumes of the machine that the base model learned from.
        replay: slices that taught the base.
        seed: seed of all choices.
        replay_is_all: whether no other slices taught it.
    """

    base: Model
    ceiling: Model
    subject: Subject
    others: Sequence[Subject]
    base_task: Sequence[Subject]
    replay: Sequence[SliceSample]
    seed: int
    replay_is_all: bool = False

    @property
    def structures(self) -> int:
        """Number of structures."""
        return len(self.base.manifest.segments)

    @cached_property
    def before(self) -> Prediction:
        """What the base model makes of the volume."""
        return predict(self.base, self.subject)

    def best(self, corrected: Sequence[int]) -> Prediction:
        """What the ceiling makes of the volume when it is shown some slices, as the model is."""
        shown = tuple(sorted(corrected)) if self.ceiling.manifest.successive else ()
        if shown not in self._best:
            self._best[shown] = predict(self.ceiling, self.subject, shown)
        return self._best[shown]

    @cached_property
    def _best(self) -> dict[tuple[int, ...], Prediction]:
        return {}

    @cached_property
    def scores(self) -> Mapping[str, float]:
        """Dice that does not depend on any correction."""
        return {
            "others_before": self.score(self.base, self.others),
            "others_ceiling": self.score(self.ceiling, self.others),
            "base_before": self.score(self.base, self.base_task),
        }

    def score(self, model: Model, subjects: Sequence[Subject]) -> float:
        """Mean Dice of a model over subjects."""
        scores = [
            mean_dice(predict(model, one).label_map.array, one.reference.array, self.structures)
            for one in subjects
        ]
        return float(np.mean(scores))


def predict(model: Model, subject: Subject, corrected: Sequence[int] = ()) -> Prediction:
    """Segment a subject of which some slices are corrected."""
    plane = model.manifest.preprocessing.slice_axis
    axis = SliceOrder.from_geometry(subject.volume.geometry, plane).axis
    known = known_only_in(subject.reference.array, corrected, axis)
    return Predictor(model, device="cpu").predict(subject.volume, known=known)


def simulate(
    world: World, arm: str, order: str, learner: Learner, counts: Sequence[int]
) -> list[Record]:
    """Let a reader correct slices until each of the counts, and retrain at each of them.

    Args:
        world: where it happens.
        arm: name for the records.
        order: in which slices are corrected, see :func:`order_of`.
        learner: how the corrected slices are learned; always from the base.
        counts: numbers of corrected slices, rising.
    """
    rng = np.random.default_rng(world.seed)
    corrected: list[int] = []
    newest = world.before
    records = []
    for count in counts:
        waiting = order_of(order, world.subject, newest, corrected, rng)
        corrected += waiting[: count - len(corrected)]
        network, newest, seconds = retrained(world, learner, corrected)
        records.append(_record(world, arm, network, newest, corrected, seconds))
    return records


def order_of(
    order: str,
    subject: Subject,
    newest: Prediction,
    corrected: Sequence[int],
    rng: np.random.Generator,
) -> list[int]:
    """Slices that are not corrected yet, in the order in which a reader would take them.

    Args:
        order: ``"worklist"`` of the newest model; ``"random"`` or ``"sequential"``, which skip the
            slices in which nothing was predicted, as a reader would, until no other is left; or by
            the truth, as one who sees the structures: ``"sequential by eye"`` skips the slices
            without any until no other is left, and so does ``"by eye"``, which takes the middle of
            the others, then halfway to their ends, and so on.
        subject: the volume.
        newest: what the newest model makes of it.
        corrected: indices of the corrected slices.
        rng: what a random order is drawn from.
    """
    if order == "by eye":
        shown = np.moveaxis(subject.reference.array, newest.slice_axis, 0).any((1, 2))
        ranked = _from_the_middle(np.flatnonzero(shown).tolist())
        ranked += np.flatnonzero(~shown).tolist()
    elif order == "worklist":
        states = dict.fromkeys(corrected, "corrected")
        ranked = [item.slice_index for item in worklist(newest.doubt.tolist(), states)]
    else:
        every = np.arange(len(newest.doubt))
        ranked = (rng.permutation(every) if order == "random" else every).tolist()
        seen = subject.reference if order == "sequential by eye" else newest.label_map
        slices = np.moveaxis(seen.array, newest.slice_axis, 0)
        ranked.sort(key=lambda index: not slices[index].any())
    return [index for index in ranked if index not in corrected]


def _from_the_middle(slices: Sequence[int]) -> list[int]:
    """The middle first, then the middles of both halves, then those of the quarters."""
    ranked: list[int] = []
    parts = deque([slices])
    while parts:
        part = parts.popleft()
        if part:
            middle = len(part) // 2
            ranked.append(part[middle])
            parts += (part[:middle], part[middle + 1 :])
    return ranked


def retrained(
    world: World, learner: Learner, corrected: Sequence[int]
) -> tuple[Model, Prediction, float]:
    """Let a model learn the corrected slices and segment again; the seconds that both took."""
    subject = world.subject
    began = time.monotonic()
    samples = samples_from_volume(
        subject.volume,
        subject.reference,
        world.base.manifest.preprocessing,
        annotated=sorted(corrected),
    )
    network: UNet = learner(
        Lesson(world.base, samples, world.replay, world.seed, world.replay_is_all)
    )
    model = Model(world.base.manifest, network)
    return model, predict(model, subject, corrected), time.monotonic() - began


def whole_dice(world: World, newest: Prediction, corrected: Sequence[int]) -> float:
    """Dice of the whole volume, corrected slices taken as they were drawn."""
    truth = np.moveaxis(world.subject.reference.array, newest.slice_axis, 0)
    whole = np.moveaxis(newest.label_map.array, newest.slice_axis, 0).copy()
    whole[list(corrected)] = truth[list(corrected)]
    return mean_dice(whole, truth, world.structures)


def _record(
    world: World,
    arm: str,
    model: Model,
    newest: Prediction,
    corrected: Sequence[int],
    seconds: float,
) -> Record:
    axis = newest.slice_axis
    truth = np.moveaxis(world.subject.reference.array, axis, 0)
    never = np.setdiff1d(np.arange(len(truth)), corrected)

    def on_never(prediction: Prediction) -> float:
        labels = np.moveaxis(prediction.label_map.array, axis, 0)
        return mean_dice(labels[never], truth[never], world.structures)

    return Record(
        arm=arm,
        subject=world.subject.name,
        seed=world.seed,
        corrected=len(corrected),
        same_before=on_never(world.before),
        same_after=on_never(newest),
        same_ceiling=on_never(world.best(corrected)),
        whole_after=whole_dice(world, newest, corrected),
        others_after=world.score(model, world.others),
        base_after=world.score(model, world.base_task),
        seconds=seconds,
        **world.scores,
    )
