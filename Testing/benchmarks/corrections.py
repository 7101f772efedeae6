"""What is a correction worth? A simulated reader corrects slices and presses Retrain.

Subjects that the model never saw are shown to it as another machine would have made them; a
reader replaces some slices by the truth, retrains, and goes on. Measured on the slices that were
never corrected, on other volumes of that machine, and on volumes such as the model learned from.

    python Testing/benchmarks/corrections.py --experiment corrections --change contrast \\
        --model hippocampus-t1 --data ../data/hippocampus

writes <experiment>_<model>_<change>.json, .md and .png into Resources/Results. The experiments
are "corrections" (orders of correction, and other ways to learn) and "ablation" (ours with parts
left out or changed). A killed run goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from corrections_report import write_report
from learners import ABLATION, OTHERS, InRounds, Learner, nothing, ours
from measured_models import measured_model
from simulated_changes import CHANGES
from simulated_reader import Record, Subject, World, read_subject, simulate
from simulation_arguments import numbers, parsed, simulation_parser
from stored_records import open_record, read_split, write_record

from funet.annotations.samples import SliceSample, samples_from_volume
from funet.loss_config import LossConfig
from funet.models.model import Model, load_samples_of
from funet.models.store import ModelStore
from funet.networks import UNet
from funet.training.loop import train
from funet.training.presets import training_preset

ORDERS = ("worklist", "random", "sequential", "by eye")
OTHER_VOLUMES = 2  # of the same machine as the corrected one, never corrected
SEED_OF_CEILING = 0

logger = logging.getLogger("corrections")


@dataclass(frozen=True)
class Arm:
    """One way to choose slices and to learn them.

    Attributes:
        name: as reports call it.
        order: in which slices are corrected.
        learner: makes what learns for one volume, and may know the rounds before.
        counts: numbers of corrected slices after which it learns.
    """

    name: str
    order: str
    learner: Callable[[], Learner]
    counts: tuple[int, ...]


def arms(experiment: str, counts: Sequence[int]) -> list[Arm]:
    """The arms of an experiment; those that are not ours learn the first count alone."""
    every = tuple(counts)
    if experiment == "ablation":
        return [Arm(name, "worklist", _each(way), every[:1]) for name, way in ABLATION.items()]
    orders = [Arm(f"ours, {order}", order, _each(ours), every) for order in ORDERS]
    return [
        *orders,
        Arm("ours, worklist, kept only if better", "worklist", InRounds, every),
        Arm("no retraining", "worklist", _each(nothing), every),
        *(Arm(name, "worklist", _each(way), every[:1]) for name, way in OTHERS.items()),
    ]


def _each(learner: Learner) -> Callable[[], Learner]:
    """Let what learns be the same for every volume, as it keeps nothing of the rounds before."""
    return lambda: learner


def train_ceiling(base: Model, subjects: Sequence[Subject], steps: int, cache: Path) -> Model:
    """Let the base learn every slice of all training subjects as the new machine sees them."""
    samples = [sample for subject in subjects for sample in samples_of(base, subject)]
    config = replace(
        training_preset("practice"),
        epochs=max(1, steps // 50),
        steps_per_epoch=min(50, steps),
        batch_size=16,
        loss=LossConfig(dice_weight=1.0),
        averaging=0.99,
        seed=SEED_OF_CEILING,
        device="cpu",
    )
    network = UNet(base.manifest.network)
    network.load_state_dict(base.network.state_dict())
    weights = [2.0 if sample.shows_structure else 1.0 for sample in samples]
    cache.parent.mkdir(parents=True, exist_ok=True)
    for _ in train(network, samples, config=config, weights=weights, checkpoint=cache):
        pass
    return Model(base.manifest, network)


def samples_of(base: Model, subject: Subject) -> tuple[SliceSample, ...]:
    """All slices of a subject, whose label map is complete."""
    return samples_from_volume(
        subject.volume, subject.reference, base.manifest.preprocessing, annotated="all"
    )


def worlds(base: Model, arguments: argparse.Namespace) -> Iterator[World]:
    """One for each subject and seed; its other volumes are the subjects that follow it."""
    data, change = arguments.data, arguments.change
    split = read_split(data)
    names = split[arguments.part][: arguments.subjects]
    ceiling = train_ceiling(
        base,
        [read_subject(data, name, change) for name in split["train"][: arguments.training]],
        arguments.ceiling_steps,
        arguments.cache / f"ceiling_{data.name}_{change}.safetensors",
    )
    task = split["train"][:OTHER_VOLUMES] if len(names) < 3 else []
    for seed in range(arguments.seeds):
        for index, name in enumerate(names):
            following = [names[(index + step + 1) % len(names)] for step in range(OTHER_VOLUMES)]
            yield World(
                base=base,
                ceiling=ceiling,
                subject=read_subject(data, name, change, seed),
                others=[read_subject(data, other, change, seed) for other in following],
                base_task=[read_subject(data, other) for other in task or following],
                replay=load_samples_of(base),
                seed=seed,
            )


def measure(arguments: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Simulate all that the file does not hold yet, and store it after every subject."""
    base = ModelStore().load(arguments.model)
    record = open_record(
        path,
        "corrections",
        arguments,
        renew=not arguments.arms,
        experiment=arguments.experiment,
        change=arguments.change,
        model=arguments.model,
        **measured_model(base.manifest),
        counts=list(arguments.counts),
        training=arguments.training,
        ceiling_steps=arguments.ceiling_steps,
    )
    done = {(one["arm"], one["subject"], one["seed"]) for one in record["records"]}
    for world in worlds(base, arguments):
        began = time.monotonic()
        for arm in arms(arguments.experiment, arguments.counts):
            if (
                not arm.name.startswith(arguments.arms)
                or (arm.name, world.subject.name, world.seed) in done
            ):
                continue
            found = simulate(world, arm.name, arm.order, arm.learner(), arm.counts)
            record["records"] += [one.to_json() for one in found]
            logger.info("%s", _line(found))
        record["seconds"] = round(record["seconds"] + time.monotonic() - began, 1)
        write_record(path, record)
    return record


def _line(found: Sequence[Record]) -> str:
    first = found[0]
    steps = ", ".join(
        f"{one.corrected}: {one.same_before:.3f} > {one.same_after:.3f} (< {one.same_ceiling:.3f})"
        f" others {one.others_before:.3f} > {one.others_after:.3f}"
        f" base {one.base_after - one.base_before:+.3f} {one.seconds:.1f} s"
        for one in found
    )
    return f"{first.subject} {first.seed} {first.arm}: {steps}"


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, simulate, and write the results."""
    parser = simulation_parser(__doc__.splitlines()[0])
    parser.add_argument("--experiment", choices=("corrections", "ablation"), required=True)
    parser.add_argument("--change", choices=tuple(CHANGES), required=True)
    parser.add_argument("--model", required=True, help="id or folder of a model")
    parser.add_argument("--counts", type=numbers)
    parser.add_argument("--training", type=int, help="learn the ceiling from so many subjects")
    parser.add_argument("--ceiling-steps", type=int, default=1500)
    parser.add_argument("--arms", default="", help="only the arms whose names begin so")
    parser.add_argument("--cache", type=Path, default=Path("build/corrections"))
    arguments = parsed(parser, words)
    if arguments.counts is None:
        arguments.counts = [3] if arguments.experiment == "ablation" else [3, 6]
    name = f"{arguments.experiment}_{arguments.model}_{arguments.change}"
    write_report(measure(arguments, arguments.output / f"{name}.json"), arguments.output / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
