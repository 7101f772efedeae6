"""``funet compare``: networks × losses × numbers of training images on the same slices."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Cancelled
from ..progress import CancelToken
from .arguments import add_device, in_range, read_cases, typed_command
from .console import ALL_DONE, Console
from .training_options import add_recipe, add_slices, add_structures

if TYPE_CHECKING:
    from ..annotations.samples import SliceSample
    from ..annotations.structures import Structures
    from ..comparison.experiment import Plan
    from ..comparison.runs import Run
    from ..images.preprocessing_settings import Preprocessing
    from ..training.presets import TrainingConfig

HELP = "compare networks and losses on your images, as in the FU-net paper"
DESCRIPTION = """\
Train every system with every number of images and test it on the images of other subjects. Only
slices that show every structure take part, as in the paper. The output folder gets the tables
(table, tests: .md for people, .csv with every digit), comparison.png, examples.png (three test
slices as every system sees them, where these are few enough), settings.json, and for each training
its result and its labels of these slices in runs/. When the same command is given again, trainings
that are done are not repeated: a killed comparison goes on, and systems, sizes and seeds can be
added.

systems: unet, brunet, funet (the paper's three), or a network and a loss joined by +
  networks: unet, brunet
  losses:   cross_entropy, feedback (the paper's), detached (the same with its weight held constant
            in the gradient), focal, dice, class_frequency, border, hard_examples; a number behind
            feedback or detached is its exponent: brunet+feedback@2

examples:
  funet compare --images study/images --labels study/labels --output comparison --sizes 50,100
  funet compare --images study/images --labels study/labels --output quick --epochs 20 \\
      --systems brunet,funet,brunet+focal --seeds 3 --structures "1=Midbrain,2=Substantia nigra"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    _add_data(parser)
    _add_plan(parser)
    _add_training(parser)
    add_device(parser)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="the images")
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="their labels, in files of the same names",
    )
    parser.set_defaults(case=[], annotated="labelled")  # what else "read_cases" looks at
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="where the results go"
    )
    add_structures(parser)
    add_slices(parser)
    parser.add_argument(
        "--slices-per-subject",
        type=in_range(int, 1, 100_000),
        metavar="N",
        help="use at most so many slices of a subject, evenly spread; the paper has 3 or 4 "
        "(default: all)",
    )
    parser.add_argument(
        "--middle",
        type=in_range(int, 16, 4096),
        metavar="N",
        help="use only the middle N×N pixels of each slice (default: whole slices)",
    )


def _add_plan(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is compared")
    group.add_argument(
        "--systems",
        default="unet,brunet,funet",
        metavar="LIST",
        help="what to compare, see above (default: unet,brunet,funet)",
    )
    group.add_argument(
        "--reference",
        metavar="SYSTEM",
        help="test every other system against this one only (default: every two of them)",
    )
    group.add_argument(
        "--sizes",
        type=_parse_sizes,
        default=(50,),
        metavar="LIST",
        help="numbers of training images, such as 50,100,200 (default: 50)",
    )
    group.add_argument(
        "--validation-images",
        type=in_range(int, 1, 100_000),
        default=10,
        metavar="N",
        help="images that choose the best epoch (default: 10); all others are tested",
    )
    group.add_argument(
        "--seeds",
        type=in_range(int, 1, 1000),
        default=1,
        metavar="N",
        help="train everything so many times with different seeds (default: 1)",
    )
    group.add_argument(
        "--seed",
        type=in_range(int, 0, 2**31),
        default=0,
        help="the first of the seeds, and the seed of the split by subject (default: 0)",
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    add_recipe(group)
    group.add_argument(
        "--steps-per-epoch",
        type=in_range(int, 1, 1_000_000),
        metavar="N",
        help="batches in an epoch (default: every image once)",
    )
    group.add_argument(
        "--beta",
        type=in_range(float, 0.01, 100),
        default=3.0,
        help="exponent of the feedback weight (default: 3)",
    )
    group.add_argument(
        "--detach-weight",
        action="store_true",
        help="hold the feedback weight constant in the gradient",
    )


def _parse_sizes(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[1-9]\d{0,5}", part, re.ASCII) for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' are no numbers of images; write 50,100,200")
    return tuple(int(part) for part in parts)


def run(arguments: argparse.Namespace, console: Console, cancel: CancelToken) -> int:
    """Do the comparison, write its results and return the exit code."""
    from ..comparison.example_figure import write_example_figure
    from ..comparison.experiment import run_plan
    from ..comparison.output import (
        RUNS_FOLDER,
        require_output_libraries,
        require_same_study,
        write_results,
    )
    from ..comparison.runs import Run
    from ..files import require_writable

    output: Path = arguments.output
    require_writable(output)
    require_output_libraries()
    plan, preprocessing = _plan(arguments), _preprocessing(arguments)
    structures, samples = _gather(arguments, preprocessing, console, cancel)
    names = [segment.name for segment in structures.segments]
    require_same_study(output, names, samples)
    results = run_plan(
        plan,
        samples,
        len(names),
        output / RUNS_FOLDER,
        on_progress=console.progress,
        cancel=cancel,
    )
    runs: list[Run] = []
    try:
        for result in results:
            if isinstance(result, Run):
                runs.append(result)
                _show_run(result, names, console)
            else:
                console.note(result.text)
    except Cancelled:
        console.note(f"{len(runs)} trainings are done; the same command does the rest.")
        raise
    settings = _settings(arguments, plan, preprocessing, names, samples, runs)
    table, tests = write_results(output, runs, names, settings)
    rows, columns = preprocessing.spacing or (1.0, 1.0)
    picture = output / "examples.png"
    write_example_figure(picture, plan, samples, names, output / RUNS_FOLDER, aspect=rows / columns)
    text = f"{table.to_markdown()}\n{tests.to_markdown()}" if tests.rows else table.to_markdown()
    console.result(
        f"{text}\nThe results are in {output}.",
        folder=output,
        dice=[dict(zip(table.columns, row, strict=True)) for row in table.rows],
    )
    return ALL_DONE


def _plan(arguments: argparse.Namespace) -> Plan:
    from ..comparison.experiment import Plan
    from ..comparison.report import require_reference
    from ..comparison.systems import parse_system

    config = _config(arguments)
    names = [name.strip() for name in arguments.systems.split(",")]
    require_reference(arguments.reference, names)
    return Plan(
        systems=tuple(parse_system(name, config.loss) for name in names),
        sizes=arguments.sizes,
        seeds=tuple(range(arguments.seed, arguments.seed + arguments.seeds)),
        validation=arguments.validation_images,
        split_seed=arguments.seed,
        config=config,
    )


def _config(arguments: argparse.Namespace) -> TrainingConfig:
    from ..training.presets import training_preset

    preset = training_preset(arguments.preset)
    return replace(
        preset,
        epochs=arguments.epochs or preset.epochs,
        steps_per_epoch=arguments.steps_per_epoch or preset.steps_per_epoch,
        loss=replace(preset.loss, beta=arguments.beta, detach_weight=arguments.detach_weight),
        device=arguments.device,
    )


def _preprocessing(arguments: argparse.Namespace) -> Preprocessing:
    from ..images.preprocessing_settings import Preprocessing
    from ..training.presets import preset_preprocessing

    axes = Preprocessing(slice_axis=arguments.axis, spacing=arguments.spacing)
    return preset_preprocessing(arguments.preset, axes)


def _gather(
    arguments: argparse.Namespace,
    preprocessing: Preprocessing,
    console: Console,
    cancel: CancelToken,
) -> tuple[Structures, tuple[SliceSample, ...]]:
    from ..annotations.gathering import gather_cases
    from ..annotations.structures import learn_structures, parse_structures
    from ..comparison.splits import middle_of, slices_with_every_structure

    names = parse_structures(arguments.structures) if arguments.structures else None
    cases = read_cases(arguments, console)
    gathered = gather_cases(cases, preprocessing, on_progress=console.progress, cancel=cancel)
    structures = learn_structures(gathered, names)
    for note in structures.notes:
        console.note(note)
    samples = structures.samples
    if arguments.middle is not None:
        samples = tuple(middle_of(sample, arguments.middle) for sample in samples)
    samples = slices_with_every_structure(
        samples, len(structures.segments), arguments.slices_per_subject
    )
    subjects = len({sample.subject for sample in samples})
    shown = "the structure" if len(structures.segments) == 1 else "all structures"
    console.note(f"{len(samples)} slices of {subjects} subjects show {shown}.")
    return structures, samples


def _show_run(run: Run, names: Sequence[str], console: Console) -> None:
    from ..comparison.report import mean_of_known

    dice = dict(zip(names, mean_of_known(run.dice, 1).tolist(), strict=True))
    console.event(
        "run",
        system=run.system,
        size=run.size,
        seed=run.seed,
        best_epoch=run.best_epoch,
        dice=dice,
        seconds=run.seconds,
    )
    scores = ", ".join(f"{name} {value:.4f}" for name, value in dice.items())
    console.note(f"{run.system}, {run.size} images, seed {run.seed}: Dice {scores}")


def _settings(
    arguments: argparse.Namespace,
    plan: Plan,
    preprocessing: Preprocessing,
    names: Sequence[str],
    samples: Sequence[SliceSample],
    runs: Sequence[Run],
) -> dict[str, object]:
    from ..provenance import run_record
    from ..training.checkpoints import data_digest

    record = run_record(sum(run.seconds for run in runs))
    return {
        "command": typed_command(arguments.words),
        "date": record.pop("date"),
        "systems": [system.name for system in plan.systems],
        "reference": arguments.reference,
        "sizes": plan.sizes,
        "seeds": plan.seeds,
        "split_seed": plan.split_seed,
        "validation_images": plan.validation,
        "structures": names,
        "preprocessing": preprocessing.to_dict(),
        "training": asdict(plan.config),
        "images": len(samples),
        "subjects": len({sample.subject for sample in samples}),
        "data_sha256": data_digest(samples),
        **record,
    }
