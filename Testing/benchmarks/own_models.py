"""A model of one's own, taught by five slices: what are three corrections of a new volume worth?

A reader draws the structures in five slices of one volume, trains a new model, segments another
volume with it, corrects the slices at the top of the worklist, and presses Retrain.

    python Testing/benchmarks/own_models.py --like hippocampus-t1 \\
        --data ../data/hippocampus

writes own_models_<data>.json, .md and .png into Resources/Results. A killed run goes on where it
was when the same command is given again.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from corrections_report import write_report
from from_nothing import annotated, learn, read_arguments, ways
from learners import Learner, Lesson, from_scratch, full_fine_tuning, ours
from measured_models import measured_model
from simulated_reader import World, predict, read_subject, simulate
from stored_records import open_record, read_split, write_record

from funet.annotations.samples import samples_from_volume
from funet.models.model import Model
from funet.models.store import ModelStore
from funet.networks import UNet

TAUGHT_BY = 5  # slices of the first volume
OTHER_VOLUMES = 2

logger = logging.getLogger("own_models")


def trained_again(lesson: Lesson) -> UNet:
    """Train a new model on the first slices and the corrected ones."""
    return from_scratch(replace(lesson, corrections=[*lesson.replay, *lesson.corrections]))


ARMS: Mapping[str, Learner] = {
    "ours": ours,
    "ours, weights going back": lambda lesson: ours(replace(lesson, replay_is_all=False)),
    "ours, no replay": lambda lesson: ours(replace(lesson, replay=())),
    "full fine-tuning, cross-entropy, 50 epochs": full_fine_tuning,
    "a new model from all slices": trained_again,
}


def worlds(like: Model, arguments: argparse.Namespace) -> Iterator[World]:
    """One for each subject and seed: the volume before it teaches, those after it are the others.

    The ceiling is the model that the base is like, which learned from all training subjects. It
    predicts as a new model does, from straight slices and without an order of the structures.
    """
    structures = len(like.manifest.segments)
    ceiling = Model(replace(like.manifest, tilts=(), successive=None), like.network)
    names = read_split(arguments.data)[arguments.part][: arguments.subjects]
    for seed in range(arguments.seeds):
        for index, name in enumerate(names):
            first = read_subject(arguments.data, names[index - 1])
            axis = predict(like, first).slice_axis
            slices = annotated(first, TAUGHT_BY, structures, axis)
            following = [names[(index + step + 1) % len(names)] for step in range(OTHER_VOLUMES)]
            yield World(
                base=learn(like, first, slices, ways()["practice"], seed),
                ceiling=ceiling,
                subject=read_subject(arguments.data, name),
                others=[read_subject(arguments.data, other) for other in following],
                base_task=[first],
                replay=samples_from_volume(
                    first.volume,
                    first.reference,
                    like.manifest.preprocessing,
                    annotated=slices,
                ),
                replay_is_all=True,
                seed=seed,
            )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all that the file does not hold yet, and store it after every subject."""
    path = arguments.output / f"own_models_{arguments.data.name}.json"
    like = ModelStore().load(arguments.like)
    record = open_record(
        path,
        "own_models",
        arguments,
        experiment="own",
        model=arguments.like,
        **measured_model(like.manifest),
        taught_by=TAUGHT_BY,
        counts=list(arguments.counts),
    )
    done = {(one["subject"], one["seed"]) for one in record["records"]}
    began = time.monotonic()
    for world in worlds(like, arguments):
        if (world.subject.name, world.seed) not in done:
            for name, learner in ARMS.items():
                found = simulate(world, name, "worklist", learner, arguments.counts)
                record["records"] += [one.to_json() for one in found]
                logger.info("%s", found[-1])
            record["seconds"] = round(record["seconds"] + time.monotonic() - began, 1)
            write_record(path, record)
        began = time.monotonic()
    write_report(record, path.with_suffix(""))
    return record


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, simulate, and write the results."""
    run(read_arguments(__doc__.splitlines()[0], words, (3,)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
