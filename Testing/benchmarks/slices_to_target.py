"""How many slices does a reader correct until a volume is good enough, with and without Retrain?

Subjects that the model never saw are shown to it as another machine would have made them; a
reader replaces slices by the truth, in one order or another, presses Retrain after every few, and
stops when the mean Dice of the volume, corrected slices included, reaches the target.

    python Testing/benchmarks/slices_to_target.py --change scanner \\
        --model hippocampus-t1 --data ../data/hippocampus

writes slices_to_target_<model>_<change>.json, .md and .png into Resources/Results. A killed run
goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from learners import InRounds, Learner, ours
from measured_models import measured_model
from simulated_changes import CHANGES
from simulated_reader import World, order_of, read_subject, retrained, whole_dice
from simulation_arguments import parsed, simulation_parser
from slices_to_target_report import write_report
from stored_records import open_record, read_split, write_record

from funet.models.model import Model, load_samples_of
from funet.models.store import ModelStore

ORDERS = ("worklist", "sequential", "sequential by eye", "random", "by eye")

logger = logging.getLogger("slices_to_target")


@dataclass(frozen=True)
class Reader:
    """Somebody who corrects slices.

    Attributes:
        name: as reports call the reader.
        order: in which slices are corrected, see :func:`simulated_reader.order_of`; it must come
            to every slice in the end.
        learner: makes what learns for one volume; ``None`` for a reader who never retrains.
    """

    name: str
    order: str
    learner: Callable[[], Learner] | None = None


READERS = (
    *(Reader(order, order, learner) for order in ORDERS for learner in (lambda: ours, None)),
    Reader("worklist, kept only if better", "worklist", InRounds),
)


@dataclass(frozen=True)
class Effort:
    """What a reader did until the volume was good enough.

    Attributes:
        slices: corrected slices.
        rounds: retrainings.
        seconds: time from their clicks to the new labels, all together.
    """

    slices: int
    rounds: int
    seconds: float


def correct_until(
    world: World, order: str, learner: Learner | None, target: float, per_round: int
) -> Effort:
    """Let a reader correct slices, and retrain after so many, until the volume is good enough.

    Args:
        world: where it happens.
        order: of the reader.
        learner: how the corrected slices are learned; ``None`` for a reader who never retrains.
        target: mean Dice of the whole volume to reach.
        per_round: corrected slices after which the reader retrains.
    """
    rng = np.random.default_rng(world.seed)
    corrected: list[int] = []
    newest, rounds, spent = world.before, 0, 0.0
    while whole_dice(world, newest, corrected) < target:
        for index in order_of(order, world.subject, newest, corrected, rng)[:per_round]:
            corrected.append(index)
            if whole_dice(world, newest, corrected) >= target:
                return Effort(len(corrected), rounds, spent)
        if learner is not None:
            _, newest, seconds = retrained(world, learner, corrected)
            rounds, spent = rounds + 1, spent + seconds
    return Effort(len(corrected), rounds, spent)


def world_of(arguments: argparse.Namespace, base: Model, name: str, seed: int) -> World:
    """One subject as the new machine sees it; nothing is measured on other volumes."""
    return World(
        base=base,
        ceiling=base,
        subject=read_subject(arguments.data, name, arguments.change, seed),
        others=[],
        base_task=[],
        replay=load_samples_of(base),
        seed=seed,
    )


def measure(arguments: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Simulate all that the file does not hold yet, and store it after every subject."""
    base = ModelStore().load(arguments.model)
    record = open_record(
        path,
        "slices_to_target",
        arguments,
        change=arguments.change,
        model=arguments.model,
        **measured_model(base.manifest),
        target=arguments.target,
        per_round=arguments.per_round,
    )
    done = {
        (one["order"], one["retrains"], one["subject"], one["seed"]) for one in record["records"]
    }
    names = read_split(arguments.data)[arguments.part][: arguments.subjects]
    for seed, name in ((seed, name) for seed in range(arguments.seeds) for name in names):
        to_do = [
            reader
            for reader in READERS
            if (reader.name, reader.learner is not None, name, seed) not in done
        ]
        if not to_do:
            continue
        began = time.monotonic()
        world = world_of(arguments, base, name, seed)
        for reader in to_do:
            learner = None if reader.learner is None else reader.learner()
            effort = correct_until(
                world, reader.order, learner, arguments.target, arguments.per_round
            )
            who = {"order": reader.name, "retrains": learner is not None}
            record["records"].append(who | {"subject": name, "seed": seed} | asdict(effort))
            logger.info("%s", record["records"][-1])
        record["seconds"] = round(record["seconds"] + time.monotonic() - began, 1)
        write_record(path, record)
    return record


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, simulate, and write the results."""
    parser = simulation_parser(__doc__.splitlines()[0])
    parser.add_argument("--change", choices=tuple(CHANGES), required=True)
    parser.add_argument("--model", required=True, help="id or folder of a model")
    parser.add_argument("--target", type=float, default=0.9, help="mean Dice of the volume")
    parser.add_argument("--per-round", type=int, default=3, help="slices between two retrainings")
    parser.set_defaults(seeds=1)
    arguments = parsed(parser, words)
    stem = arguments.output / f"slices_to_target_{arguments.model}_{arguments.change}"
    write_report(measure(arguments, stem.with_suffix(".json")), stem)
    return 0


if __name__ == "__main__":
    sys.exit(main())
