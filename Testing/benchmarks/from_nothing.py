"""A new structure from a few annotated slices: how good is the model that they teach?

A reader draws the structures in 3, 5 or 10 slices of one volume, spread evenly over those that
show them, and trains a new model. Measured on the other slices of the volume, and on other volumes.

    python Testing/benchmarks/from_nothing.py --like hippocampus-t1 \\
        --data ../data/hippocampus

writes from_nothing_<data>.json, .md and .png into Resources/Results. A killed run goes on where it
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

import numpy as np
from from_nothing_report import write_report
from simulated_reader import Subject, mean_dice, predict, read_subject
from simulation_arguments import numbers, parsed, simulation_parser
from stored_records import open_record, read_split, write_record

from funet.annotations.samples import samples_from_volume
from funet.annotations.structures import Structures
from funet.models.model import Model
from funet.models.store import ModelStore
from funet.training.learning import ModelPlan, ModelTrained, train_model
from funet.training.presets import TrainingConfig, training_preset

OTHER_VOLUMES = 3

logger = logging.getLogger("from_nothing")


def ways() -> Mapping[str, TrainingConfig]:
    """How a new model may be trained, in equally many epochs."""
    practice = training_preset("practice")
    return {
        "practice": practice,
        "paper": replace(training_preset("paper"), epochs=practice.epochs),
    }


def annotated(subject: Subject, count: int, structures: int, axis: int) -> list[int]:
    """Indices of slices that show every structure, evenly spread, and all if there are fewer."""
    slices = np.moveaxis(subject.reference.array, axis, 0)
    able = [
        index
        for index, labels in enumerate(slices)
        if np.isin(np.arange(1, structures + 1), labels).all()
    ]
    places = np.linspace(0, len(able) - 1, min(count, len(able)) + 2)[1:-1].round().astype(int)
    return sorted({able[place] for place in places})


def learn(
    like: Model, subject: Subject, slices: Sequence[int], config: TrainingConfig, seed: int
) -> Model:
    """Train a new model from annotated slices of one volume, as the product does."""
    manifest = like.manifest
    samples = samples_from_volume(
        subject.volume, subject.reference, manifest.preprocessing, annotated=slices
    )
    plan = ModelPlan(
        name="New",
        network="funet",
        preprocessing=manifest.preprocessing,
        config=replace(config, seed=seed, device="cpu"),
        learn_held_out=config.averaging is not None,  # as the presets are used
    )
    *_, trained = train_model(Structures(manifest.segments, samples), plan)
    assert isinstance(trained, ModelTrained)
    return trained.model


def measure_one(
    like: Model, subject: Subject, others: Sequence[Subject], seed: int, counts: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Train and measure every way with every number of slices of one subject."""
    structures = len(like.manifest.segments)
    axis = predict(like, subject).slice_axis
    truth = np.moveaxis(subject.reference.array, axis, 0)
    for count in counts:
        slices = annotated(subject, count, structures, axis)
        never = np.setdiff1d(np.arange(len(truth)), slices)
        for way, config in ways().items():
            began = time.monotonic()
            model = learn(like, subject, slices, config, seed)
            seconds = time.monotonic() - began
            labels = np.moveaxis(predict(model, subject).label_map.array, axis, 0)
            other = [
                mean_dice(predict(model, one).label_map.array, one.reference.array, structures)
                for one in others
            ]
            yield {
                "way": way,
                "subject": subject.name,
                "seed": seed,
                "slices": count,
                "same": round(mean_dice(labels[never], truth[never], structures), 5),
                "others": round(float(np.mean(other)), 5),
                "seconds": round(seconds, 2),
            }


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all that the file does not hold yet, and store it after every subject."""
    path = arguments.output / f"from_nothing_{arguments.data.name}.json"
    record = open_record(path, "from_nothing", arguments, counts=list(arguments.counts))
    like = ModelStore().load(arguments.like)
    names = read_split(arguments.data)[arguments.part][: arguments.subjects]
    done = {(one["subject"], one["seed"]) for one in record["records"]}
    for seed in range(arguments.seeds):
        for index, name in enumerate(names):
            if (name, seed) in done:
                continue
            began = time.monotonic()
            following = [names[(index + step + 1) % len(names)] for step in range(OTHER_VOLUMES)]
            others = [read_subject(arguments.data, other) for other in following]
            subject = read_subject(arguments.data, name)
            found = list(measure_one(like, subject, others, seed, arguments.counts))
            record["records"] += found
            record["seconds"] = round(record["seconds"] + time.monotonic() - began, 1)
            write_record(path, record)
            for one in found:
                logger.info("%s", one)
    write_report(record, path.with_suffix(""))
    return record


def read_arguments(
    description: str, words: Sequence[str] | None, counts: Sequence[int]
) -> argparse.Namespace:
    """Read the command line of a simulation with new models.

    Args:
        description: what it does.
        words: the command line; that of the process if ``None``.
        counts: numbers of slices, if it names none.
    """
    parser = simulation_parser(description)
    parser.add_argument("--like", required=True, help="model whose preprocessing is taken")
    parser.add_argument("--counts", type=numbers, default=counts)
    return parsed(parser, words)


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, measure, and write the results."""
    run(read_arguments(__doc__.splitlines()[0], words, (3, 5, 10)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
