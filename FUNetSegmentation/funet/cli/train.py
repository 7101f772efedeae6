"""``funet train``: a new model from annotated slices."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import Cancelled, InputError
from ..progress import CancelToken
from .arguments import (
    add_cases,
    add_device,
    in_range,
    read_cases,
    typed_command,
)
from .console import ALL_DONE, Console
from .training_options import add_recipe, add_slices, add_structures

if TYPE_CHECKING:
    from ..loss_config import LossConfig
    from ..training.learning import ModelPlan, ModelTrained
    from ..training.presets import TrainingConfig

HELP = "train a new model from annotated images"
DESCRIPTION = """\
Train a new model from images and label maps, or from a few annotated slices. The model is written
as a new folder. A killed training goes on where it was when the same command is given again.

examples:
  funet train --images study/images --labels study/labels --output nigra --name "Nigra" \\
      --structures "1=Midbrain,2=Substantia nigra" --preset practice
  funet train --case brain.nii.gz drawn.seg.nrrd 45,80,115 --output tissue --name "Tissue"

The model keeps the annotated slices, so that "funet finetune" can repeat them; leave them out with
--forget-slices where the images must not leave the house.
"""

# As in funet.loss_config, and in funet.networks, which loads torch.
LOSSES = ("cross_entropy", "feedback")
NETWORKS = ("unet", "brunet", "funet")
_CHECKPOINT_SUFFIX = ".checkpoint.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_cases(parser)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="the model's new folder"
    )
    parser.add_argument("--name", required=True, help="name of the model; its id is made from it")
    add_structures(parser)
    parser.add_argument(
        "--forget-slices",
        action="store_true",
        help="do not keep the annotated slices with the model",
    )
    _add_method(parser)
    _add_schedule(parser)
    add_device(parser)


def _add_method(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("network, loss and images")
    group.add_argument(
        "--network",
        choices=NETWORKS,
        default="funet",
        help="unet; brunet, with batch normalisation and residual blocks; funet, which is brunet "
        "with the loss of the preset (default: funet)",
    )
    group.add_argument(
        "--loss",
        choices=LOSSES,
        help="default: cross_entropy; feedback for funet with the preset paper or with --beta",
    )
    group.add_argument(
        "--beta",
        type=in_range(float, 0.01, 100),
        help="exponent of the feedback weight (default: 3)",
    )
    add_slices(group)


def _add_schedule(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    add_recipe(group)
    group.add_argument("--batch-size", type=in_range(int, 1, 1024), help="default: the preset's")
    group.add_argument(
        "--validation",
        type=in_range(float, 0.0, 0.9),
        default=0.2,
        metavar="SHARE",
        help="share of the subjects held out to choose the best epoch (default: 0.2); with "
        "--preset practice and at most 50 slices, all are learned in the end",
    )
    group.add_argument(
        "--seed", type=in_range(int, 0, 2**31), default=0, help="same seed, same model (default: 0)"
    )
    group.add_argument(
        "--time-limit",
        type=in_range(float, 1, 1e7),
        metavar="SECONDS",
        help="end after the epoch in which this time ends, as if all epochs were done",
    )
    group.add_argument(
        "--checkpoint-every",
        type=in_range(float, 0, 1e6),
        default=60.0,
        metavar="SECONDS",
        help="how often the state is stored beside the output (default: 60)",
    )


def run(arguments: argparse.Namespace, console: Console, cancel: CancelToken) -> int:
    """Train the model, write its folder and return the exit code."""
    from ..annotations.gathering import gather_cases
    from ..annotations.structures import learn_structures, parse_structures
    from ..files import require_writable
    from ..models.model import save_model
    from ..training.learning import train_model
    from .learning_events import follow

    output: Path = arguments.output
    if output.exists():
        raise InputError(f"{output} exists already; choose another folder or delete it first.")
    require_writable(output.parent)
    plan = model_plan(arguments)
    names = parse_structures(arguments.structures) if arguments.structures else None
    cases = read_cases(arguments, console)
    gathered = gather_cases(cases, plan.preprocessing, on_progress=console.progress, cancel=cancel)
    structures = learn_structures(gathered, names)
    checkpoint = output.with_name(output.name + _CHECKPOINT_SUFFIX)
    events = train_model(
        structures,
        plan,
        cancel=cancel,
        checkpoint=checkpoint,
        checkpoint_seconds=arguments.checkpoint_every,
    )
    try:
        trained = follow(events, structures.segments, console)
    except Cancelled:
        if checkpoint.exists():
            console.note(f"The state is in {checkpoint}; the same command goes on from there.")
        raise
    samples = () if arguments.forget_slices else trained.samples
    save_model(output, trained.model.manifest, trained.model.network, samples)
    checkpoint.unlink(missing_ok=True)
    _show(trained, output, console)
    return ALL_DONE


def model_plan(arguments: argparse.Namespace) -> ModelPlan:
    """Return what the model is to be.

    Raises:
        InputError: if an option does not fit the others.
    """
    from ..images.preprocessing_settings import Preprocessing
    from ..training.learning import ModelPlan
    from ..training.presets import preset_preprocessing

    axes = Preprocessing(slice_axis=arguments.axis, spacing=arguments.spacing)
    return ModelPlan(
        name=arguments.name,
        network=arguments.network,
        preprocessing=preset_preprocessing(arguments.preset, axes),
        config=_training_config(arguments),
        validation_share=arguments.validation,
        # The paper's constant rate leaves no reason to trust the last epoch unseen.
        learn_held_out=arguments.preset == "practice",
        command=typed_command(arguments.words),
    )


def _training_config(arguments: argparse.Namespace) -> TrainingConfig:
    from ..training.presets import training_preset

    preset = training_preset(arguments.preset)
    return replace(
        preset,
        epochs=arguments.epochs or preset.epochs,
        batch_size=arguments.batch_size or preset.batch_size,
        loss=_loss(arguments, preset.loss),
        max_seconds=arguments.time_limit,
        seed=arguments.seed,
        device=arguments.device,
    )


def _loss(arguments: argparse.Namespace, preset: LossConfig) -> LossConfig:
    wants_feedback = preset.name == "feedback" or arguments.beta is not None
    name: Literal["cross_entropy", "feedback"] = arguments.loss or (
        "feedback" if arguments.network == "funet" and wants_feedback else "cross_entropy"
    )
    if arguments.beta is not None and name != "feedback":
        raise InputError(
            "--beta belongs to the feedback loss; add --loss feedback or leave it out."
        )
    return replace(preset, name=name, beta=arguments.beta or preset.beta)


def _show(trained: ModelTrained, output: Path, console: Console) -> None:
    manifest, finished = trained.model.manifest, trained.finished
    dice = {record.structure: record.mean for record in manifest.metrics}
    measured = ", ".join(f"{name} {value:.3f}" for name, value in dice.items())
    data = f" on {manifest.metrics[0].data}" if manifest.metrics else ""
    scores = f"Dice {measured}{data}" if dice else "there was no validation"
    console.result(
        f"The model {manifest.id} is in {output}: best epoch {finished.best_epoch} "
        f"({finished.reason}), {scores}.",
        model=manifest.id,
        folder=output,
        best_epoch=finished.best_epoch,
        ended=finished.reason,
        dice=dice,
    )
