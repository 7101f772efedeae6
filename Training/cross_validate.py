"""Cross-validation of a shipped model's recipe: every subject is measured by a model without it.

The persons are shared out to folds. For each fold a model is trained on the others, a tenth of
whom choose the epoch, and measured on the whole volumes of the fold.

    python Training/cross_validate.py hippocampus-t1 --data ../data/hippocampus

writes cross_validation_<model>.json into Resources/Results, of which ``make results`` makes the
table. A killed run goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import train_hippocampus
import train_midbrain
from recipe import Recipe, described, learn, measured, samples_of
from split import Split, read_split

from funet.errors import InputError
from funet.files import atomic_file
from funet.provenance import run_record

RECIPES = {one.RECIPE.id: one.RECIPE for one in (train_hippocampus, train_midbrain)}
RESULTS = Path(__file__).parents[1] / "Resources" / "Results"
_VALIDATION = 10  # one person in so many of those who are left chooses the epoch

logger = logging.getLogger("cross_validation")


def folds(recipe: Recipe, subjects: Sequence[str], count: int, seed: int) -> list[Split]:
    """Share out subjects to folds by person.

    Args:
        recipe: says whom a subject shows.
        subjects: names of all.
        count: number of folds.
        seed: of the order in which persons are shared out.

    Returns:
        A split for each fold, which it is the test part of.
    """
    persons = np.array(sorted({recipe.person(subject) for subject in subjects}))
    np.random.default_rng(seed).shuffle(persons)

    def of(chosen: Sequence[str]) -> tuple[str, ...]:
        return tuple(subject for subject in subjects if recipe.person(subject) in chosen)

    splits = []
    for fold in range(count):
        test = persons[fold::count].tolist()
        others = [person for person in persons.tolist() if person not in test]
        validation = others[::_VALIDATION]
        train = [person for person in others if person not in validation]
        splits.append(Split(of(train), of(validation), of(test)))
    return splits


def cross_validate(recipe: Recipe, arguments: argparse.Namespace) -> None:
    """Train and measure every fold that the result file does not hold yet, and store it there.

    Args:
        recipe: what to train.
        arguments: of the command line.

    Raises:
        InputError: if the file was made with other settings.
    """
    path = arguments.output / f"cross_validation_{recipe.id}.json"
    split = read_split(recipe.split)
    subjects = sorted((*split.train, *split.validation, *split.test))[: arguments.subjects]
    record = {
        "command": f"python Training/cross_validate.py {recipe.id} --folds {arguments.folds} "
        f"--seed {arguments.seed} --epochs {arguments.epochs} --data {arguments.data.name}",
        "model": recipe.id,
        "data": arguments.data.name,
        "subjects": len(subjects),
        "persons": len({recipe.person(subject) for subject in subjects}),
        "seed": arguments.seed,
        "folds": arguments.folds,
        "epochs": arguments.epochs,
        **run_record(seconds=0.0),
        "records": [],
    }
    if path.exists():
        record = _gone_on_with(path, record)
    done = {one["fold"] for one in record["records"]}
    for fold, part in enumerate(folds(recipe, subjects, arguments.folds, arguments.seed)):
        if fold in done:
            continue
        began = time.monotonic()
        checkpoint = arguments.checkpoint / f"{recipe.id}_fold{fold}.safetensors"
        straight = samples_of(recipe, part.train, arguments)
        model = described(recipe, learn(recipe, straight, part, arguments, checkpoint), {})
        scores = measured(model, arguments.data, recipe, part.test)
        record["records"] += [
            {"fold": fold, "subject": subject, "person": recipe.person(subject)}
            | {"dice": {name: round(value, 5) for name, value in dice.items()}}
            for subject, dice in scores.items()
        ]
        record["seconds"] = round(record["seconds"] + time.monotonic() - began, 1)
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _gone_on_with(path: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a result file, unless it was made with other settings."""
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for key in ("data", "subjects", "seed", "folds", "epochs"):
        if stored[key] != wanted[key]:
            raise InputError(
                f"{path.name} holds results with {key} = {stored[key]}, not {wanted[key]}; give "
                "another folder by --output, or delete the file to measure anew."
            )
    return stored


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, and cross-validate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=tuple(RECIPES))
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and labels/")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the folds and of the trainings")
    parser.add_argument("--epochs", type=int, help="of each training; those of the recipe")
    parser.add_argument("--subjects", type=int, help="only so many of them, for a trial")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--checkpoint", type=Path, default=Path("build/training"))
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the result")
    arguments = parser.parse_args(words)
    recipe = RECIPES[arguments.model]
    arguments.epochs = arguments.epochs or recipe.config.epochs
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    cross_validate(recipe, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
