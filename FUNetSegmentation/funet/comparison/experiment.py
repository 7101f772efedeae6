"""Training every system with every number of images and seed, and testing it on other subjects."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from ..annotations.samples import SliceSample
from ..errors import InputError
from ..evaluation.metrics import dice
from ..progress import CancelToken, ProgressCallback, ProgressReporter
from ..training.checkpoints import data_digest
from ..training.events import Note, StepFinished, TrainingFinished
from ..training.loop import train
from ..training.presets import TrainingConfig
from .examples import predict_examples, predict_slice, write_examples
from .runs import ImageScore, Run, read_run, run_path, write_run
from .splits import SliceSplit, split_slices
from .systems import System


@dataclass(frozen=True)
class Plan:
    """What a comparison runs.

    Attributes:
        systems: the systems.
        sizes: numbers of training images.
        seeds: seeds of the trainings; the split into groups is the same for all of them.
        validation: number of validation images; 10 in the paper.
        split_seed: seed of the split.
        config: settings of the training; its ``seed`` and ``loss`` are not used.

    Raises:
        InputError: if there is nothing to run, or anything is given twice or below its range.
    """

    systems: tuple[System, ...]
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    validation: int
    split_seed: int
    config: TrainingConfig

    def __post_init__(self) -> None:
        names = [system.name for system in self.systems]
        lists = {"system": names, "size": self.sizes, "seed": self.seeds}
        for what, given in lists.items():
            if not given or len(set(given)) < len(given):
                raise InputError(f"A comparison needs at least one {what}, and each only once.")
        if min(self.sizes) < 1 or self.validation < 1:
            raise InputError("A comparison needs at least 1 training and 1 validation image.")


@dataclass(frozen=True)
class _Job:
    system: System
    config: TrainingConfig
    split: SliceSplit
    path: Path
    key: str

    @property
    def size(self) -> int:
        return len(self.split.train)

    @property
    def work(self) -> int:
        """Slices that an epoch learns."""
        per_epoch = self.config.steps_per_epoch
        return self.size if per_epoch is None else per_epoch * self.config.batch_size

    def __str__(self) -> str:
        return f"{self.system.name}, {self.size} images, seed {self.config.seed}"


def run_plan(
    plan: Plan,
    samples: Sequence[SliceSample],
    structures: int,
    folder: Path,
    *,
    on_progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[Run | Note]:
    """Do every run of a plan; finished runs are read from the folder instead of done again.

    Systems are compared fairly: all of them learn the same images in the same order from each
    seed, and systems with the same network start from the same weights.

    Args:
        plan: systems, sizes, seeds and settings.
        samples: annotated slices of several subjects.
        structures: number of structures; their values are 1, 2, ….
        folder: where finished runs are stored, one JSON file each.
        on_progress: called after every batch.
        cancel: checked before every batch.

    Returns:
        The runs in the order of sizes, seeds and systems, with notes of the trainings between
        them. What can be refused is refused before this function returns; the work is done while
        the result is iterated.

    Raises:
        InputError: if the subjects do not suffice, or a stored run is damaged or comes from other
            images or settings.
        FunetError: if a library that a loss comes from is missing.
        TrainingError: while iterating, if a training fails.
        Cancelled: while iterating, within one batch of a cancel; finished runs stay stored.
    """
    jobs = _jobs(plan, samples, structures, folder)
    stored = {job.path: run for job in jobs if (run := read_run(job.path, job.key)) is not None}
    return _run_all(jobs, stored, structures, ProgressReporter(on_progress, cancel), cancel)


def _jobs(
    plan: Plan, samples: Sequence[SliceSample], structures: int, folder: Path
) -> tuple[_Job, ...]:
    jobs = []
    # What differs between networks or losses of one name shows in their text.
    texts = {s.name: f"{s.network(1 + structures)}\n{s.loss()}" for s in plan.systems}
    for size in plan.sizes:
        split = split_slices(samples, size, plan.validation, plan.split_seed)
        digest = [data_digest(group) for group in (split.train, split.validation, split.test)]
        for seed in plan.seeds:
            config = replace(plan.config, seed=seed)
            settings = json.dumps(asdict(config) | {"loss": None}, sort_keys=True)
            for system in plan.systems:
                parts = (system.name, texts[system.name], settings, torch.__version__, *digest)
                key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
                path = run_path(folder, system.name, size, seed)
                jobs.append(_Job(system, config, split, path, key))
    return tuple(jobs)


def _run_all(
    jobs: Sequence[_Job],
    stored: Mapping[Path, Run],
    structures: int,
    reporter: ProgressReporter,
    cancel: CancelToken | None,
) -> Iterator[Run | Note]:
    total = sum(job.work for job in jobs if job.path not in stored)
    done = 0
    for number, job in enumerate(jobs, 1):
        if job.path in stored:
            yield stored[job.path]
            continue
        began = time.monotonic()
        network = _new_network(job, structures)
        for event in train(
            network,
            job.split.train,
            config=job.config,
            loss=job.system.loss(),
            validation=job.split.validation,
            cancel=cancel,
        ):
            if isinstance(event, StepFinished):
                what = f"Run {number} of {len(jobs)}: {job}"
                reporter.report(done + event.fraction * job.work, total, what)
            elif isinstance(event, Note):
                yield event
            elif isinstance(event, TrainingFinished):
                run = _test(job, network, event, structures, time.monotonic() - began)
                write_examples(job.path, predict_examples(network, job.split.test))
                write_run(job.path, run, job.key)
                yield run
        done += job.work


def _new_network(job: _Job, structures: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.config.seed)
        return job.system.network(1 + structures)


def _test(
    job: _Job, network: nn.Module, finished: TrainingFinished, structures: int, seconds: float
) -> Run:
    assert finished.best_score is not None  # a plan has validation images
    scores = dice_per_slice(network, job.split.test, structures)
    return Run(
        system=job.system.name,
        size=job.size,
        seed=job.config.seed,
        best_epoch=finished.best_epoch,
        validation_dice=finished.best_score,
        seconds=seconds,
        images=tuple(
            ImageScore(sample.subject, sample.slice_index, dice_of_slice)
            for sample, dice_of_slice in zip(job.split.test, scores, strict=True)
        ),
    )


def dice_per_slice(
    network: nn.Module, samples: Sequence[SliceSample], structures: int
) -> tuple[tuple[float, ...], ...]:
    """Return the Dice of each structure on each slice by itself.

    Args:
        network: on the CPU and in evaluation mode, as training leaves it.
        samples: annotated slices.
        structures: number of structures; their values are 1, 2, ….

    Returns:
        For each slice, Dice in [0, 1] of each structure; NaN where neither the network nor the
        annotation shows it.
    """
    scores = []
    for sample in samples:
        predicted = predict_slice(network, sample)
        values = range(1, structures + 1)
        scores.append(tuple(dice(predicted, sample.labels, value) for value in values))
    return tuple(scores)
