"""``funet finetune``: a new version of a model from corrected slices."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..progress import CancelToken
from .arguments import (
    add_cases,
    add_device,
    add_model,
    in_range,
    load_model,
    open_store,
    read_cases,
    typed_command,
)
from .console import ALL_DONE, Console

if TYPE_CHECKING:
    from ..models.manifest import Manifest
    from ..models.model import Model
    from ..models.store import ModelStore
    from ..training.learning import ModelRetrained

HELP = "teach a model from corrected slices"
DESCRIPTION = """\
Teach a model from slices that you corrected or found right. From the fourth on, some of the new
ones are held out to compare the new version with the old one; it is kept if it is better there, and
then made once more from all slices. With fewer, it is kept without a comparison. The model that you
name is left as it is: the new version gets an id of its own, such as midbrain-t1.v2. A model in a
folder is added to your models first, unless you give --output.

examples, the second of a further round:
  funet finetune --model midbrain-t1 --case brain.nii.gz corrected.seg.nrrd 40,44,52-54
  funet finetune --model midbrain-t1@active --case other.nii.gz corrected.seg.nrrd 31,35

A version keeps the corrected slices of all rounds, so earlier ones need not be named again. Every
round starts from the first version of the model and learns all of them again, and repeats what that
version keeps of its own training.

Structures are known by their names in files that have names (.seg.nrrd), else by the values in the
label files that first taught the model. Where those are not 1, 2, ..., "funet models show" lists
them as label_values; label maps of the model itself have 1, 2, ..., so correct them as .seg.nrrd.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_model(parser)
    add_cases(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write the new version into this new folder instead of adding it to your models",
    )
    parser.add_argument(
        "--steps",
        type=in_range(int, 1, 100_000),
        help="batches to learn, or a few more (default: 50 to 120, by the size of the slices)",
    )
    parser.add_argument(
        "--seed", type=in_range(int, 0, 2**31), default=0, help="same seed, same result"
    )
    parser.add_argument(
        "--time-limit",
        type=in_range(float, 1, 1e7),
        metavar="SECONDS",
        help="stop learning after the epoch (about ten batches) in which this time ends",
    )
    add_device(parser)


def run(arguments: argparse.Namespace, console: Console, cancel: CancelToken) -> int:
    """Retrain the model, add the new version if it is kept, and return the exit code."""
    from ..annotations.gathering import gather_cases
    from ..annotations.structures import match_structures
    from ..models.label_values import label_values_of
    from ..training.finetuning import FineTuneConfig
    from ..training.learning import fine_tune_model
    from .learning_events import follow

    _require_place(arguments)
    store = open_store(arguments)
    current = load_model(arguments)
    _tell_of_later_corrections(current.manifest, store, console)
    segments = current.manifest.segments
    cases = read_cases(arguments, console)
    gathered = gather_cases(
        cases,
        current.manifest.preprocessing,
        by_voxels=True,
        on_progress=console.progress,
        cancel=cancel,
    )
    config = FineTuneConfig(
        steps=arguments.steps,
        max_seconds=arguments.time_limit,
        seed=arguments.seed,
        device=arguments.device,
    )
    structures = match_structures(
        gathered, segments, current.manifest.id, label_values_of(current.manifest)
    )
    if arguments.output is None:
        current = _adopted(current, store, console)
    events = fine_tune_model(
        current,
        structures,
        root=store.root_of(current),
        config=config,
        cancel=cancel,
        command=typed_command(arguments.words),
    )
    retrained = follow(events, segments, console)
    cancel.raise_if_cancelled()  # nothing is published once somebody gave up
    _show(retrained, _published(retrained, arguments), console)
    return ALL_DONE


def _require_place(arguments: argparse.Namespace) -> None:
    """Refuse a result that could not be written before the work starts."""
    from ..files import require_writable

    output: Path | None = arguments.output
    if output is None:
        open_store(arguments).require_writable()
    elif output.exists():
        raise InputError(f"{output} exists already; choose another folder or delete it first.")
    else:
        require_writable(output.parent)


def _tell_of_later_corrections(current: Manifest, store: ModelStore, console: Console) -> None:
    """Say if the version in use descends from the one to teach: corrections would be left out."""
    family = [own for own in store.list() if own.family == current.family]
    for active in store.in_use(family):
        earlier = store.lineage(active.id)[1:]
        if any((one.id, one.weights) == (current.id, current.weights) for one in earlier):
            console.note(
                f"{active.id} is in use and keeps corrections that the new version will not learn; "
                f"name {current.family}@active to build on it."
            )


def _adopted(model: Model, store: ModelStore, console: Console) -> Model:
    """Return the model as one of the store, where its next version will be.

    A folder from elsewhere may hold a namesake of a model of the store; its next version must not
    become one of that model's.
    """
    folder = model.folder
    assert folder is not None  # it was loaded
    own = (store.user_folder.resolve(), store.shipped_folder.resolve())
    if folder.resolve().parent in own:
        return model
    adopted = store.adopt(folder)
    console.note(f"The model in {folder} is among your models as {adopted.id}.")
    return store.load(adopted.id)


def _published(retrained: ModelRetrained, arguments: argparse.Namespace) -> Manifest | None:
    from ..models.model import save_model

    model = retrained.model
    if not retrained.finished.kept:
        return None
    if arguments.output is not None:
        return save_model(arguments.output, model.manifest, model.network, retrained.samples)
    return open_store(arguments).publish(model.manifest, model.network, retrained.samples)


def _show(retrained: ModelRetrained, published: Manifest | None, console: Console) -> None:
    finished, segments = retrained.finished, retrained.model.manifest.segments
    names = [segment.name for segment in segments]
    lines = [finished.reason]
    before, after = (
        None if dice is None else dict(zip(names, dice, strict=True))
        for dice in (finished.dice_before, finished.dice_after)
    )
    if before and after:
        lines += [
            f"  {name}: Dice {before[name]:.3f} → {after[name]:.3f}"
            for name in names
            if not math.isnan(before[name] + after[name])
        ]
    if published is not None:
        lines.append(f"The new version is {published.id}.")
    console.result(
        "\n".join(lines),
        model=None if published is None else published.id,
        kept=finished.kept,
        reason=finished.reason,
        dice_before=before,
        dice_after=after,
        learned=finished.learned,
        held_out=finished.held_out,
    )
