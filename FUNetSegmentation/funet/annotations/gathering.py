"""Reading annotated cases (an image, its labels, which slices count) into samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..images.cut_segmentations import uncut
from ..images.preprocessing_settings import Preprocessing
from ..images.segmentations import Segment, overlap_note
from ..images.volumes import read_label_map, read_volume
from ..progress import CancelToken, ProgressCallback, ProgressReporter
from .pairing import subject_names
from .samples import Annotated, SliceSample, samples_from_volume
from .subjects import subject_by_voxels


@dataclass(frozen=True)
class Case:
    """An annotated image on disk.

    Attributes:
        image: the image.
        labels: labels on the same grid; a ``.seg.nrrd`` file that 3D Slicer cut to its content
            may cover a part of it.
        slices: which slices count, see :func:`~funet.annotations.samples.samples_from_volume`.
    """

    image: Path
    labels: Path
    slices: Annotated = "labelled"


@dataclass(frozen=True)
class GatheredCase:
    """The annotated slices of one case.

    Attributes:
        labels: the file that they come from.
        samples: slices with the label values of that file.
        segments: what the file says that the values mean; empty if it says nothing.
        notes: what the user should know, as plain sentences.
        largest_side: longest side of the volume, mm, if it is known.
    """

    labels: Path
    samples: tuple[SliceSample, ...]
    segments: tuple[Segment, ...]
    notes: tuple[str, ...]
    largest_side: float | None = None


def gather_cases(
    cases: Sequence[Case],
    preprocessing: Preprocessing,
    *,
    by_voxels: bool = False,
    on_progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> tuple[GatheredCase, ...]:
    """Read the annotated slices of all cases.

    Args:
        cases: images with their labels; images of one subject are recognised by their names, see
            :func:`~funet.annotations.pairing.subject_names`.
        by_voxels: whether every image is a subject of its own instead, known by its voxels, so
            that no other image, now or in a later round, is taken for the same.
        preprocessing: slice axis, spacing and intensities of the samples.
        on_progress: called before every case and after the last.
        cancel: checked at the same times.

    Raises:
        InputError: if a file cannot be read, the grids of a case differ, a slice is outside its
            volume, or a case has no annotated slice.
        Cancelled: within one case of a cancel.
    """
    reporter = ProgressReporter(on_progress, cancel)
    images = [case.image for case in cases]
    subjects = [None] * len(cases) if by_voxels else subject_names(images)
    gathered = []
    for number, (case, subject) in enumerate(zip(cases, subjects, strict=True)):
        reporter.report(number, len(cases), f"Reading {case.image.name}")
        gathered.append(_gather(case, subject, preprocessing))
    reporter.report(1, 1, f"Read {len(cases)} images")
    return tuple(gathered)


def _gather(case: Case, subject: str | None, preprocessing: Preprocessing) -> GatheredCase:
    volume, label_map = read_volume(case.image), read_label_map(case.labels)
    notes = [note for note in [overlap_note(label_map, case.labels)] if note]
    if unusable := int(np.count_nonzero(~np.isfinite(volume.array))):
        notes.append(
            f"{unusable} voxels of {case.image} are not numbers and were treated as background."
        )
    samples = samples_from_volume(
        volume,
        uncut(label_map, volume.geometry, case.labels),
        preprocessing,
        annotated=case.slices,
        subject=subject or subject_by_voxels(volume.name, volume.array),
    )
    side = volume.geometry.largest_side
    return GatheredCase(case.labels, samples, label_map.segments, tuple(notes), side)
