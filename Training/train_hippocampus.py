"""Trains the shipped model ``hippocampus-t1``: anterior and posterior hippocampus on T1 MRI.

The data folder holds ``images/`` and ``labels/`` of the Medical Segmentation Decathlon, Task04
(Antonelli et al., Nature Communications 2022; CC BY-SA 4.0), drawn by experts (1 anterior,
2 posterior). The images are crops around the hippocampus, and so must be those to be segmented.

    python Training/train_hippocampus.py --data ../shared/data/hippocampus

A killed run goes on where it was when the same command is given again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from recipe import Recipe, run

from funet.annotations.samples import SliceSample, samples_from_volume
from funet.images.preprocessing import prepare_labels, prepare_volume
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import IGNORE_LABEL, Code, Segment
from funet.images.tilting import Rotation, rotated, tilt
from funet.images.volumes import read_label_map, read_volume
from funet.loss_config import LossConfig
from funet.training.augmentation import Augmentation
from funet.training.presets import TrainingConfig

PREPROCESSING = Preprocessing(slice_axis="sagittal", spacing=(1.0, 1.0), intensity="volume")
TILTED_COPIES = 6  # of each volume, to learn from
LARGEST_TILT = 25.0  # degrees, towards rows and towards columns
TILTS = (10.0, 20.0)  # by which volumes are seen again in a prediction
HIPPOCAMPUS = Code("SCT", "5366008", "Hippocampus")


def samples_of(subject: str, data: Path, seed: int) -> tuple[SliceSample, ...]:
    """Return every slice; the label maps are complete."""
    del seed
    volume = read_volume(data / "images" / f"{subject}.nii.gz")
    labels = read_label_map(data / "labels" / f"{subject}.nii.gz")
    return samples_from_volume(volume, labels, PREPROCESSING, annotated="all", subject=subject)


def tilted_samples(subject: str, data: Path, seed: int) -> tuple[SliceSample, ...]:
    """Return slices of the volume tilted at random: planes near those of the sagittal slices."""
    volume = read_volume(data / "images" / f"{subject}.nii.gz")
    labels = read_label_map(data / "labels" / f"{subject}.nii.gz")
    prepared = prepare_volume(volume, PREPROCESSING)
    reference = prepare_labels(labels, volume.geometry, PREPROCESSING)
    sides = prepared.order.sides
    rng = np.random.default_rng([seed, *subject.encode()])
    samples: list[SliceSample] = []
    for _ in range(TILTED_COPIES):
        rotation = tilt(*rng.uniform(-LARGEST_TILT, LARGEST_TILT, 2))
        images = rotated(torch.from_numpy(prepared.slices)[None], rotation, sides)[0].numpy()
        planes = _tilted_labels(reference, rotation, sides)
        samples += [
            SliceSample(image, plane, subject, index)
            for index, (image, plane) in enumerate(zip(images, planes, strict=True))
        ]
    return tuple(samples)


def _tilted_labels(
    reference: NDArray[np.uint8], rotation: Rotation, sides: Sequence[float]
) -> NDArray[np.uint8]:
    """Rotate labels: a voxel takes the label that has most of it; from outside none is known."""
    masks = np.stack([reference == value for value in range(len(RECIPE.segments) + 1)])
    labels = rotated(torch.from_numpy(masks).float(), rotation, sides).max(0).indices
    # A shell that nothing but the outside repeats tells what comes from there.
    known = np.zeros(reference.shape, np.float32)
    known[1:-1, 1:-1, 1:-1] = 1
    inside = rotated(torch.from_numpy(known)[None], rotation, sides, nearest=True)[0] > 0
    return torch.where(inside, labels, IGNORE_LABEL).to(torch.uint8).numpy()


def weight(sample: SliceSample) -> float:
    """Return how often a slice is drawn: most should show the hippocampus."""
    return 2.0 if sample.shows_structure else 1.0


RECIPE = Recipe(
    id="hippocampus-t1",
    name="Hippocampus, anterior and posterior (T1 MRI)",
    description=(
        "Anterior and posterior hippocampus on T1-weighted MRI cropped to the region around it, "
        "learned from expert labels. For research, not for clinical use."
    ),
    licence="CC BY-SA 4.0; made from Medical Segmentation Decathlon Task04 (CC BY-SA 4.0)",
    split="hippocampus",
    segments=(
        Segment(1, "Anterior hippocampus", (120, 200, 90), HIPPOCAMPUS),
        Segment(2, "Posterior hippocampus", (200, 110, 190), HIPPOCAMPUS),
    ),
    preprocessing=PREPROCESSING,
    config=TrainingConfig(
        epochs=120,
        steps_per_epoch=100,
        batch_size=16,
        learning_rate=2e-3,
        weight_decay=1e-4,
        schedule="cosine",
        # Beside a Dice term, plain cross-entropy did better than the feedback weight (practice_*
        # in Resources/Results).
        loss=LossConfig("cross_entropy", dice_weight=1.0),
        augmentation=Augmentation(),
        crop=48,
        averaging=0.999,
        # At the end of a cosine schedule the last epoch is as good as any, and ten subjects are
        # too few to tell neighbouring epochs apart.
        choose_best=False,
        gradient_clip=5.0,
    ),
    samples=samples_of,
    weight=weight,
    generated=tilted_samples,
    tilts=TILTS,
    groups={"subjects never seen (Decathlon Task04)": bool},  # all of them
)

if __name__ == "__main__":
    sys.exit(run(RECIPE))
