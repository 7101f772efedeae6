"""Annotated slices: what training, validation and replay are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..images.geometry import Geometry
from ..images.preprocessing import prepare_labels, prepare_volume
from ..images.preprocessing_settings import Preprocessing
from ..images.segmentations import IGNORE_LABEL
from ..images.volumes import LabelMap, Volume

Annotated = Literal["labelled", "all"] | Sequence[int]


@dataclass(frozen=True)
class SliceSample:
    """One annotated slice, preprocessed.

    Attributes:
        image: float32 (rows, columns), normalised and finite.
        labels: uint8 (rows, columns); 0 is background, :data:`IGNORE_LABEL` counts nowhere.
        subject: what the slice was taken from; splits keep a subject's slices together.
        slice_index: index of the slice along the volume's own slice axis.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    subject: str
    slice_index: int

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.shape != self.labels.shape:
            raise InputError(
                f"Slice {self.slice_index} of {self.subject} has an image of shape "
                f"{self.image.shape} and labels of shape {self.labels.shape}; both must be the "
                "same and two-dimensional."
            )

    @property
    def shows_structure(self) -> bool:
        """Whether any pixel holds the label of a structure."""
        return bool(np.any((self.labels > 0) & (self.labels != IGNORE_LABEL)))


def samples_from_volume(
    volume: Volume,
    label_map: LabelMap,
    preprocessing: Preprocessing,
    *,
    annotated: Annotated = "labelled",
    subject: str | None = None,
) -> tuple[SliceSample, ...]:
    """Return the annotated slices of one volume; every other slice is left out, not background.

    Args:
        volume: the image.
        label_map: labels on the same grid.
        preprocessing: slice axis, spacing and intensities of the samples.
        annotated: ``"labelled"`` takes the slices that hold a label, ``"all"`` takes every slice
            (for label maps that are complete), a sequence takes these indices along the volume's
            own slice axis, empty ones too.
        subject: name of the subject; the volume's name if ``None``.

    Raises:
        InputError: if the grids differ, an index is outside the volume, or no slice is annotated.
    """
    if not volume.geometry.matches(label_map.geometry):
        raise InputError(
            f"The image and the labels of {volume.name} lie on different grids "
            f"({_difference(volume.geometry, label_map.geometry)}); resample one onto the other."
        )
    prepared = prepare_volume(volume, preprocessing)
    labels = prepare_labels(label_map.array, label_map.geometry, preprocessing)
    order = prepared.order
    if annotated == "all":
        chosen = list(range(len(labels)))
    elif annotated == "labelled":
        holds_label = (labels != 0) & (labels != IGNORE_LABEL)
        chosen = np.flatnonzero(holds_label.any((1, 2))).tolist()
    else:
        order.require_slices(annotated, volume.name)
        chosen = [order.stack_index(index) for index in annotated]
    if not chosen:
        raise InputError(f"No slice of {volume.name} is annotated; draw at least one.")
    return tuple(
        SliceSample(
            image=np.ascontiguousarray(prepared.slices[index]),
            labels=np.ascontiguousarray(labels[index]),
            subject=subject or volume.name,
            slice_index=order.volume_index(index),
        )
        for index in chosen
    )


def _difference(one: Geometry, other: Geometry) -> str:
    if one.shape == other.shape:
        return f"their corners are up to {one.distance_to(other):.2g} mm apart"
    sizes = ("×".join(map(str, reversed(grid.shape))) for grid in (one, other))
    return " and ".join(sizes)


def require_every_class(samples: Sequence[SliceSample], names: Sequence[str]) -> None:
    """Refuse samples in which a structure never appears, or that hold a label without a name.

    Args:
        samples: the annotated slices.
        names: structure names; the label value of ``names[i]`` is ``i + 1``.

    Raises:
        InputError: naming the structures that no sample shows, or the unknown label.
    """
    require_known_labels(samples, names)
    found = class_counts(samples)
    missing = [name for value, name in enumerate(names, 1) if value not in found]
    if missing:
        raise InputError(
            f"No annotated slice shows {' or '.join(missing)}; draw it in at least one slice."
        )


def require_known_labels(samples: Sequence[SliceSample], names: Sequence[str]) -> None:
    """Refuse samples that hold a label without a name.

    Raises:
        InputError: naming the label value.
    """
    unknown = sorted(value for value in class_counts(samples) if value > len(names))
    if unknown:
        raise InputError(
            f"The labels hold the value {unknown[0]}, but only {len(names)} structures are known "
            f"({', '.join(names)})."
        )


def class_counts(samples: Sequence[SliceSample]) -> dict[int, int]:
    """Return how many pixels each label value has in all samples, ignored pixels left out."""
    counts = np.zeros(256, np.int64)
    for sample in samples:
        counts += np.bincount(sample.labels.ravel(), minlength=256)
    counts[IGNORE_LABEL] = 0
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def split_subjects(
    subjects: Sequence[str], share: float, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split subjects at random into two groups, the second with about ``share`` of them.

    With two subjects or more and a share above 0, both groups get at least one.

    Returns:
        The names of both groups, sorted; the same for the same seed whatever the input order.
    """
    unique = sorted(set(subjects))
    count = round(len(unique) * share)
    if share > 0 and len(unique) > 1:
        count = min(max(count, 1), len(unique) - 1)
    chosen = np.random.default_rng(seed).permutation(len(unique))[:count]
    second = {unique[index] for index in chosen}
    return tuple(s for s in unique if s not in second), tuple(sorted(second))
