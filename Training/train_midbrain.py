"""Trains the shipped model ``midbrain-t1``: midbrain and substantia nigra on T1-weighted MRI.

The data folder holds ``images/`` and ``labels/`` of ds002748 (OpenNeuro, CC0) and ds011 (OpenfMRI,
PDDL). The labels (1 midbrain, 2 substantia nigra) are silver: the consensus of three atlases that
were registered to each subject, not a drawing by an expert. Most of the heads are brain-extracted;
whole heads are generated around them from the label maps of SynthSeg (Apache-2.0), which are
expected in the folder ``synthseg_label_maps`` beside the data folder.

    python Training/train_midbrain.py --data ../data/midbrain

A killed run goes on where it was when the same command is given again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from recipe import Recipe, run
from whole_heads import read_head_map, with_head

from funet.annotations.samples import SliceSample, samples_from_volume
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import Code, LabelMap, Segment
from funet.images.volumes import Volume, read_label_map, read_volume
from funet.loss_config import LossConfig
from funet.training.augmentation import Augmentation
from funet.training.presets import TrainingConfig

PREPROCESSING = Preprocessing(slice_axis="axial", spacing=(0.9, 0.9), intensity="volume")
MARGIN = 6  # slices above and below the midbrain that are all used
OTHER_SLICES = 10  # taken at random from the rest of the head, against false alarms there
HEADS_PER_SUBJECT = 3  # generated around each brain-extracted image


def samples_of(subject: str, data: Path, seed: int) -> tuple[SliceSample, ...]:
    """Return the slices around the midbrain and some others; the label maps are complete."""
    volume = read_volume(data / "images" / f"{subject}.nii.gz")
    labels = read_label_map(data / "labels" / f"{subject}.nii.gz")
    return chosen_slices(subject, volume, labels, seed)


def generated_samples(subject: str, data: Path, seed: int) -> tuple[SliceSample, ...]:
    """Return slices of whole heads that are generated around a brain-extracted image."""
    if is_whole_head(subject):
        return ()
    maps = sorted((data.parent / "synthseg_label_maps").glob("training_seg_*.nii.gz"))
    if not maps:
        raise FileNotFoundError(f"{data.parent / 'synthseg_label_maps'} holds no label maps")
    volume = read_volume(data / "images" / f"{subject}.nii.gz")
    labels = read_label_map(data / "labels" / f"{subject}.nii.gz")
    samples: list[SliceSample] = []
    for number in range(HEADS_PER_SUBJECT):
        generator = np.random.default_rng([seed, number, *subject.encode()])
        head = read_head_map(maps[generator.integers(len(maps))])
        whole, whole_labels = with_head(volume, labels, head, generator)
        samples += chosen_slices(subject, whole, whole_labels, seed)
    return tuple(samples)


def chosen_slices(
    subject: str, volume: Volume, labels: LabelMap, seed: int
) -> tuple[SliceSample, ...]:
    """Return the slices around the midbrain and some of the others."""
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
    licence=(
        "CC BY 4.0; labels made from the Allen, CIT168 and BigBrain atlases (CC BY 4.0), whole "
        "heads generated with the label maps of SynthSeg (Apache-2.0)"
    ),
    split="midbrain",
    segments=(
        Segment(1, "Midbrain", (102, 178, 255), Code("SCT", "61962009", "Midbrain")),
        Segment(2, "Substantia nigra", (240, 150, 30), Code("SCT", "70007007", "Substantia nigra")),
    ),
    preprocessing=PREPROCESSING,
    config=TrainingConfig(
        epochs=120,
        steps_per_epoch=60,
        batch_size=8,
        learning_rate=2e-3,
        weight_decay=1e-4,
        schedule="cosine",
        loss=LossConfig(dice_weight=1.0),
        augmentation=Augmentation(flip=True, bias=0.6, gamma=0.5, contrast=0.35, brightness=0.3),
        crop=128,
        averaging=0.99,
        gradient_clip=5.0,
    ),
    samples=samples_of,
    weight=weight,
    generated=generated_samples,
    phantoms=24,
    phantom_side=112,  # the midbrain and what is around it
    one_piece=True,  # the substantia nigra lies in the midbrain
    extent=(150.0, 300.0),  # from small brains without the skull to heads with the neck
    groups={
        "subjects never seen, training site (ds002748)": lambda name: not is_whole_head(name),
        "whole head never seen (ds011)": is_whole_head,
    },
)

if __name__ == "__main__":
    sys.exit(run(RECIPE))
