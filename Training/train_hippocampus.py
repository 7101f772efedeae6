"""Trains the shipped model ``hippocampus-t1``: anterior and posterior hippocampus on T1 MRI.

The data folder holds ``images/`` and ``labels/`` of the Medical Segmentation Decathlon, Task04
(Antonelli et al., Nature Communications 2022; CC BY-SA 4.0), drawn by experts (1 anterior,
2 posterior). The images are crops around the hippocampus, and so must be those to be segmented.
Two of each person have numbers next to each other, an odd one and the even one after it, and are
in one part of the split.

    python Training/train_hippocampus.py --data ../data/hippocampus

A killed run goes on where it was when the same command is given again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from recipe import Recipe, run

from funet.annotations.samples import SliceSample, samples_from_volume
from funet.images.preprocessing import prepare_labels, prepare_volume
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import Code, Segment
from funet.images.tilting import Rotation, rotated
from funet.images.volumes import read_label_map, read_volume
from funet.loss_config import LossConfig
from funet.training.augmentation import Augmentation
from funet.training.presets import TrainingConfig

PREPROCESSING = Preprocessing(slice_axis="sagittal", spacing=(1.0, 1.0), intensity="volume")
HIPPOCAMPUS = Code("SCT", "5366008", "Hippocampus")


def person_of(subject: str) -> str:
    """Return whom a crop shows: 2n - 1 and 2n are the two sides of one person."""
    return f"person_{(int(subject.rpartition('_')[2]) + 1) // 2:03d}"


def samples_of(subject: str, data: Path, seed: int) -> tuple[SliceSample, ...]:
    """Return every slice; the label maps are complete."""
    del seed
    volume = read_volume(data / "images" / f"{subject}.nii.gz")
    labels = read_label_map(data / "labels" / f"{subject}.nii.gz")
    return samples_from_volume(volume, labels, PREPROCESSING, annotated="all", subject=subject)


def tilted_samples(subject: str, data: Path, rotation: Rotation) -> tuple[SliceSample, ...]:
    """Return every slice of a volume that is tilted."""
    volume = read_volume(data / "images" / f"{subject}.nii.gz")
    label_map = read_label_map(data / "labels" / f"{subject}.nii.gz")
    prepared = prepare_volume(volume, PREPROCESSING)
    labels = prepare_labels(label_map, volume.geometry, PREPROCESSING)
    sides = prepared.order.sides
    images = rotated(torch.from_numpy(prepared.slices)[None], rotation, sides)[0].numpy()
    shares = np.stack([labels == value for value in range(int(labels.max()) + 1)])
    most = rotated(torch.from_numpy(shares).float(), rotation, sides).max(0).indices
    planes = most.to(torch.uint8).numpy()
    return tuple(
        SliceSample(image, plane, subject, index)
        for index, (image, plane) in enumerate(zip(images, planes, strict=True))
    )


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
        epochs=60,
        steps_per_epoch=100,
        batch_size=16,
        learning_rate=2e-3,
        weight_decay=1e-4,
        schedule="cosine",
        loss=LossConfig(dice_weight=1.0),
        augmentation=Augmentation(),
        averaging=0.995,
        gradient_clip=5.0,
    ),
    samples=samples_of,
    weight=weight,
    tilted=tilted_samples,
    tilts=(10.0, 20.0),  # better on folds of the training subjects than one tilt or none
    successive="coronal",  # the experts parted anterior from posterior at a coronal slice
    person=person_of,
    groups={"subjects never seen (Decathlon Task04)": bool},  # all of them
)

if __name__ == "__main__":
    sys.exit(run(RECIPE))
