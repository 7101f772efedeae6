"""Trains the shipped model ``midbrain-t1``: midbrain and substantia nigra on T1-weighted MRI.

The data folder holds ``images/`` and ``labels/`` of ds002748 (OpenNeuro, CC0) and ds011 (OpenfMRI,
PDDL). The labels (1 midbrain, 2 substantia nigra) are silver: the consensus of three atlases that
were registered to each subject, not a drawing by an expert.

    python Training/train_midbrain.py --data ../shared/data/midbrain

A killed run goes on where it was when the same command is given again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from recipe import Recipe, run

from funet.annotations.samples import SliceSample, samples_from_volume
from funet.images.preprocessing import Preprocessing
from funet.images.segmentations import Code, Segment
from funet.images.volumes import read_label_map, read_volume
from funet.losses import LossConfig
from funet.training.augmentation import Augmentation
from funet.training.presets import TrainingConfig

PREPROCESSING = Preprocessing(slice_axis="axial", spacing=(0.9, 0.9), intensity="volume")
MARGIN = 6  # slices above and below the midbrain that are all used
OTHER_SLICES = 10  # taken at random from the rest of the head, against false alarms there


def samples_of(subject: str, data: Path, seed: int) -> tuple[SliceSample, ...]:
    """Return the slices around the midbrain and some others; the label maps are complete."""
    volume = read_volume(data / "images" / f"{subject}.nii.gz")
    labels = read_label_map(data / "labels" / f"{subject}.nii.gz")
    every = samples_from_volume(volume, labels, PREPROCESSING, annotated="all", subject=subject)
    shown = [i for i, sample in enumerate(every) if sample.shows_structure]
    near = range(max(0, shown[0] - MARGIN), min(len(every), shown[-1] + MARGIN + 1))
    far = sorted(set(range(len(every))) - set(near))
    rng = np.random.default_rng([seed, *subject.encode()])
    chosen = rng.choice(far, min(OTHER_SLICES, len(far)), replace=False)
    return tuple(every[i] for i in sorted([*near, *chosen.tolist()]))


def weight(sample: SliceSample) -> float:
    """Return how often a slice is drawn: most should show the structures."""
    if not sample.shows_structure:
        return 1.0
    # Few heads are whole and of another scanner; they count for more.
    return 6.0 if is_whole_head(sample.subject) else 3.0


def is_whole_head(subject: str) -> bool:
    """Return whether a subject comes from the second scanner, whose heads are whole."""
    return subject.startswith("ds011")


RECIPE = Recipe(
    id="midbrain-t1",
    name="Midbrain and substantia nigra (T1 MRI)",
    description=(
        "Midbrain and substantia nigra on T1-weighted brain MRI. Learned from silver labels "
        "(three registered atlases: Allen Human Reference Atlas 2020, CIT168, BigBrain), so it "
        "reproduces that labelling, not an expert's. For research, not for clinical use."
    ),
    licence="CC BY 4.0; labels made from the Allen, CIT168 and BigBrain atlases (CC BY 4.0)",
    split="midbrain",
    segments=(
        Segment(1, "Midbrain", (102, 178, 255), Code("SCT", "61962009", "Midbrain")),
        Segment(2, "Substantia nigra", (240, 150, 30), Code("SCT", "70007007", "Substantia nigra")),
    ),
    preprocessing=PREPROCESSING,
    config=TrainingConfig(
        epochs=30,
        steps_per_epoch=50,
        batch_size=8,
        learning_rate=2e-3,
        weight_decay=1e-4,
        schedule="cosine",
        loss=LossConfig(dice_weight=1.0),
        augmentation=Augmentation(flip=True, bias=0.5),
        crop=128,
        averaging=0.99,
        gradient_clip=5.0,
    ),
    samples=samples_of,
    weight=weight,
    groups={
        "subjects never seen, training site (ds002748)": lambda name: not is_whole_head(name),
        "whole head never seen (ds011)": is_whole_head,
    },
)

if __name__ == "__main__":
    sys.exit(run(RECIPE))
