"""Training a shipped model from its recipe: one loop for all of them."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from replay_phantoms import phantom_slices
from split import Split, read_split

from funet.annotations.sample_archive import save_samples
from funet.annotations.samples import SliceSample
from funet.evaluation.metrics import dice
from funet.files import atomic_file
from funet.images.geometry import SliceAxis
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import Segment
from funet.images.tilting import Rotation, tilts_about
from funet.images.volumes import read_label_map, read_volume
from funet.models.fitting import Extent, extent_record
from funet.models.layout import MANIFEST_NAME, SAMPLES_NAME
from funet.models.manifest import Manifest, MetricRecord, dump_manifest, utc_now
from funet.models.model import Model, load_model, save_model
from funet.networks import UNet, build_network
from funet.prediction.inference import Predictor
from funet.provenance import versions
from funet.training.checkpoints import data_digest
from funet.training.events import EpochFinished, Note, TrainingEvent, TrainingFinished
from funet.training.loop import train
from funet.training.presets import TrainingConfig

PRECISION = "float32"  # of the metrics, so that other machines measure the same
MODELS = Path(__file__).parents[1] / "FUNetSegmentation" / "Resources" / "Models"

logger = logging.getLogger("training")


@dataclass(frozen=True)
class Recipe:
    """All that makes one shipped model.

    Attributes:
        id, name, description, licence: for the manifest.
        split: name of the committed split by subject.
        segments: the structures.
        preprocessing: how volumes become slices.
        config: settings of the training; the seed comes from the command line.
        samples: slices of (subject, data folder, seed).
        weight: how often a slice is drawn, relative to the others.
        groups: names of groups of test subjects, and which subjects belong to them.
        extent: longest sides, mm, of further volumes that the model is meant for, least and
            greatest; ``None`` if those that it learns from are typical.
        phantoms: how many averages of subjects the model keeps to repeat in a retraining.
        phantom_side: longest side of these, in pixels; ``None`` for whole slices.
        generated: further slices of (subject, data folder, seed) to learn from, not to be
            measured on; ``None`` for none.
        tilts: degrees by which volumes are tilted to be seen again in a prediction.
        successive: plane whose slices each show one structure at most; ``None`` if there is none.
        tilted: slices of (subject, data folder, rotation) of tilted volumes, of which the model
            then keeps averages, too.
        person: whom a subject shows, where a person can be more than one.
    """

    id: str
    name: str
    description: str
    licence: str
    split: str
    segments: tuple[Segment, ...]
    preprocessing: Preprocessing
    config: TrainingConfig
    samples: Callable[[str, Path, int], Sequence[SliceSample]]
    weight: Callable[[SliceSample], float]
    groups: Mapping[str, Callable[[str], bool]]
    extent: Extent | None = None
    one_piece: bool = False
    phantoms: int = 60
    phantom_side: int | None = None
    generated: Callable[[str, Path, int], Sequence[SliceSample]] | None = None
    tilts: tuple[float, ...] = ()
    successive: SliceAxis | None = None
    tilted: Callable[[str, Path, Rotation], Sequence[SliceSample]] | None = None
    person: Callable[[str], str] = str


class Lesson(NamedTuple):
    """A training that is over.

    Attributes:
        network: with the weights of the best epoch.
        config: settings.
        finished: how it ended.
        samples: what was learned.
    """

    network: UNet
    config: TrainingConfig
    finished: TrainingFinished
    samples: Sequence[SliceSample]


def run(recipe: Recipe, argv: Sequence[str] | None = None) -> int:
    """Train, measure on subjects never seen, and write the model's folder.

    Args:
        recipe: what to train.
        argv: the command line; that of the process if ``None``.
    """
    arguments = _options(recipe, argv)
    began = time.monotonic()
    split = read_split(recipe.split).first(arguments.subjects)
    if arguments.keep_weights:
        renew(recipe, arguments.output / recipe.id, arguments, split)
        return 0
    straight = samples_of(recipe, split.train, arguments)
    checkpoint = arguments.checkpoint / f"{recipe.id}.safetensors"
    lesson = learn(recipe, straight, split, arguments, checkpoint)
    record = _provenance(recipe, lesson) | {
        **learned_extent(recipe, arguments.data, split.train),
        "seconds": round(time.monotonic() - began),
        "threads": arguments.threads,
        "precision": PRECISION,
    }
    model = described(recipe, lesson, record)
    metrics = _measure(model, arguments.data, recipe, split)
    phantoms = phantoms_of(recipe, straight, arguments.data)
    save_model(
        arguments.output / recipe.id,
        replace(model.manifest, metrics=metrics),
        model.network,
        phantoms,
    )
    return 0


def learn(
    recipe: Recipe,
    straight: Sequence[SliceSample],
    split: Split,
    arguments: argparse.Namespace,
    checkpoint: Path,
) -> Lesson:
    """Train a new network on one part of a split, and choose its epoch by another.

    Args:
        recipe: what to train.
        straight: slices of the subjects to learn from, to which generated ones are added.
        split: of the subjects.
        arguments: with ``data``, ``seed`` and ``epochs``.
        checkpoint: file from which a killed training goes on.
    """
    training = list(straight)
    validation = samples_of(recipe, split.validation, arguments)
    if recipe.generated is not None:
        for subject in split.train:
            training += recipe.generated(subject, arguments.data, arguments.seed)
    logger.info("%d slices to train, %d to validate", len(training), len(validation))
    config = replace(recipe.config, seed=arguments.seed, epochs=arguments.epochs)
    torch.manual_seed(arguments.seed)
    network = build_network("funet", in_channels=1, num_classes=1 + len(recipe.segments))
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    finished = _follow(
        train(
            network,
            training,
            config=config,
            validation=[sample for sample in validation if sample.shows_structure],
            weights=[recipe.weight(sample) for sample in training],
            checkpoint=checkpoint,
        )
    )
    return Lesson(network, config, finished, training)


def described(recipe: Recipe, lesson: Lesson, record: dict[str, object]) -> Model:
    """Return the network with what is to be known of it.

    Args:
        recipe: what was trained.
        lesson: how it ended.
        record: of the training.
    """
    manifest = Manifest(
        id=recipe.id,
        family=recipe.id,
        name=recipe.name,
        description=recipe.description,
        segments=recipe.segments,
        preprocessing=recipe.preprocessing,
        network=lesson.network.config,
        loss=lesson.config.loss,
        created=utc_now(),
        licence=recipe.licence,
        one_piece=recipe.one_piece,
        tilts=recipe.tilts,
        successive=recipe.successive,
        training=record,
    )
    return Model(manifest, lesson.network)


def samples_of(
    recipe: Recipe, subjects: Sequence[str], arguments: argparse.Namespace
) -> list[SliceSample]:
    """Return the slices of subjects."""
    return [
        sample
        for subject in subjects
        for sample in recipe.samples(subject, arguments.data, arguments.seed)
    ]


def phantoms_of(
    recipe: Recipe, straight: Sequence[SliceSample], data: Path
) -> tuple[SliceSample, ...]:
    """Return what the model repeats: averages of straight slices, and as many of tilted ones."""
    phantoms = phantom_slices(straight, recipe.phantoms, recipe.phantom_side)
    if recipe.tilted is None:
        return phantoms
    rotations = tilts_about(recipe.tilts)
    subjects = dict.fromkeys(sample.subject for sample in straight)
    for rotation in rotations:
        slices = [one for name in subjects for one in recipe.tilted(name, data, rotation)]
        count = recipe.phantoms // len(rotations)
        phantoms += phantom_slices(slices, count, recipe.phantom_side)
    return phantoms


def renew(recipe: Recipe, folder: Path, arguments: argparse.Namespace, split: Split) -> None:
    """Make all of a model again but its weights, its history and its texts."""
    model = load_model(folder)
    straight = samples_of(recipe, split.train, arguments)
    phantoms = phantoms_of(recipe, straight, arguments.data)
    record = model.manifest.training | {"precision": PRECISION}
    manifest = replace(
        model.manifest, tilts=recipe.tilts, successive=recipe.successive, training=record
    )
    metrics = _measure(Model(manifest, model.network), arguments.data, recipe, split)
    kept = save_samples(folder / SAMPLES_NAME, phantoms)
    renewed = replace(manifest, metrics=metrics).with_files(manifest.weights, kept)
    with atomic_file(folder / MANIFEST_NAME) as temporary:
        temporary.write_bytes(dump_manifest(renewed))


def learned_extent(recipe: Recipe, data: Path, subjects: Sequence[str]) -> dict[str, object]:
    """Return what the record of the training says of the size of volumes."""
    volumes = (read_volume(data / "images" / f"{subject}.nii.gz") for subject in subjects)
    return extent_record((volume.geometry.largest_side for volume in volumes), recipe.extent)


def _options(recipe: Recipe, argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"Train the shipped model {recipe.id}.")
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and labels/")
    parser.add_argument("--output", type=Path, default=MODELS, help="folder for the model's folder")
    parser.add_argument("--checkpoint", type=Path, default=Path("build/training"))
    parser.add_argument("--epochs", type=int, default=recipe.config.epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--keep-weights",
        action="store_true",
        help="train nothing; renew the slices that the model repeats, its views and its numbers",
    )
    parser.add_argument("--subjects", type=int, help="use only so many of each part, for a trial")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    return arguments


def _follow(events: Iterable[TrainingEvent]) -> TrainingFinished:
    for event in events:
        if isinstance(event, Note):
            logger.info(event.text)
        elif isinstance(event, EpochFinished):
            logger.info(
                "epoch %d/%d loss %.4f validation Dice %s%s",
                event.epoch,
                event.epochs,
                event.training_loss,
                " ".join(f"{value:.3f}" for value in event.validation_dice or ()),
                " (best)" if event.is_best else "",
            )
        elif isinstance(event, TrainingFinished):
            logger.info("best epoch %d; %s", event.best_epoch, event.reason)
            return event
    raise AssertionError("a training ends with TrainingFinished")


def measured(
    model: Model, data: Path, recipe: Recipe, subjects: Iterable[str]
) -> dict[str, dict[str, float]]:
    """Return the Dice of every structure on the whole volume of each subject."""
    predictor = Predictor(model, precision=PRECISION)
    scores = {}
    for subject in subjects:
        labels = predictor.predict(read_volume(data / "images" / f"{subject}.nii.gz")).label_map
        reference = read_label_map(data / "labels" / f"{subject}.nii.gz").array
        scores[subject] = {
            segment.name: dice(labels.array, reference, segment.value)
            for segment in recipe.segments
        }
        logger.info("%s %s", subject, {n: round(v, 3) for n, v in scores[subject].items()})
    return scores


def _measure(model: Model, data: Path, recipe: Recipe, split: Split) -> tuple[MetricRecord, ...]:
    """Return Dice of every structure on whole volumes of each group of test subjects."""
    records = []
    for group, belongs in recipe.groups.items():
        scores = measured(model, data, recipe, filter(belongs, split.test))
        for segment in recipe.segments if scores else ():
            values = [one[segment.name] for one in scores.values()]
            mean = float(np.mean(values))
            deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            records.append(MetricRecord(group, segment.name, "Dice", mean, deviation, len(values)))
            logger.info("%s: %s Dice %.4f ± %.4f", group, segment.name, mean, deviation)
    return tuple(records)


def _provenance(recipe: Recipe, lesson: Lesson) -> dict[str, object]:
    return {
        "command": f"python Training/train_{recipe.id.partition('-')[0]}.py "
        f"--seed {lesson.config.seed} --epochs {lesson.config.epochs}",
        "best_epoch": lesson.finished.best_epoch,
        "ended": lesson.finished.reason,
        "samples": len(lesson.samples),
        "subjects": sorted({sample.subject for sample in lesson.samples}),
        "data_sha256": data_digest(lesson.samples),
        "versions": versions(),
    }
