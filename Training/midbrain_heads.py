"""The heads that the midbrain model is looked at on, and where its prediction may lie in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from funet.images.geometry import Geometry
from funet.images.volumes import (
    LabelMap,
    find_images,
    image_stem,
    read_label_map,
    resample_label_map,
)

FROM_REFERENCE = 10.0  # mm; a predicted voxel farther away from the reference is misplaced
FROM_CENTRE = 40.0  # mm; the same without a reference, from the centre of what was predicted

MIDBRAIN, NIGRA = 1, 2


@dataclass(frozen=True)
class Reference:
    """A label map that a prediction can be compared with.

    Attributes:
        path: its file.
        values: its label values that are structures of the model, and which.
    """

    path: Path
    values: Mapping[int, int]

    @property
    def name(self) -> str:
        """The name of its file without suffixes."""
        return image_stem(self.path)

    def read(self) -> LabelMap:
        """Return the label map on its own grid, with the model's label values."""
        label_map = read_label_map(self.path)
        array = np.zeros_like(label_map.array)
        for value, structure in self.values.items():
            array[label_map.array == value] = structure
        return LabelMap(array, label_map.geometry)

    def on(self, geometry: Geometry) -> LabelMap:
        """Return the label map on another grid, by the nearest voxel."""
        return resample_label_map(self.read(), geometry)


@dataclass(frozen=True)
class Head:
    """An image of a head or a brain.

    Attributes:
        image: its file.
        reference: what a prediction is scored against; ``None`` if there is nothing.
        place: what tells where the midbrain lies; ``None`` if nothing does.
    """

    image: Path
    reference: Reference | None
    place: Reference | None

    @property
    def name(self) -> str:
        """The name of the image without suffixes."""
        return image_stem(self.image)


@dataclass(frozen=True)
class Placement:
    """Where a prediction lies.

    Attributes:
        measured_from: name of the reference; "" for the centre of the prediction itself.
        farthest: greatest distance of a predicted voxel, mm; NaN if nothing was predicted.
        outside: number of voxels that are farther away than they may be.
    """

    measured_from: str
    farthest: float
    outside: int

    @property
    def limit_in_words(self) -> str:
        """How far from what a predicted voxel may be."""
        if self.measured_from:
            return f"{FROM_REFERENCE:g} mm from {self.measured_from}"
        return f"{FROM_CENTRE:g} mm from the centre of the prediction"

    @property
    def is_right(self) -> bool:
        """Whether something was predicted, and none of it is misplaced."""
        return bool(np.isfinite(self.farthest)) and self.outside == 0


def subject(data: Path, name: str) -> Head:
    """Return a subject of the study ``midbrain``, by whose labels it is scored if it has any.

    Args:
        data: the folder with ``midbrain/`` and ``atlases/``.
        name: the subject.
    """
    labels = data / "midbrain" / "labels" / f"{name}.nii.gz"
    known = Reference(labels, {1: MIDBRAIN, 2: NIGRA}) if labels.is_file() else None
    return Head(data / "midbrain" / "images" / f"{name}.nii.gz", known, known)


def subjects(data: Path) -> tuple[Head, ...]:
    """Return all subjects, with labels or without."""
    return tuple(
        subject(data, image_stem(path)) for path in find_images(data / "midbrain" / "images")
    )


def templates(data: Path) -> tuple[Head, ...]:
    """Return the average heads of the MNI, whose midbrain lies where the Allen atlas has it.

    A template is scored only against an atlas that was drawn in its own space: Allen on the
    symmetric average of 2009 (a and b are one average at two resolutions), CIT168, which has no
    midbrain, on the asymmetric one.
    """
    folder = data / "atlases"
    allen = Reference(folder / "allen_SN1_MB2.nii.gz", {1: NIGRA, 2: MIDBRAIN})
    cit168 = Reference(folder / "cit168_SN1_RN2_STN3.nii.gz", {1: NIGRA})
    return (
        Head(folder / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz", allen, allen),
        Head(folder / "mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz", cit168, allen),
        Head(folder / "MNI152_T1_2mm.nii.gz", None, allen),
    )


def placement(predicted: LabelMap, place: Reference | None) -> Placement:
    """Measure how far the voxels of a prediction are from where they should be.

    Args:
        predicted: all structures count as one.
        place: where the midbrain lies, on whatever grid; without it, distances are from the
            centre of the prediction.
    """
    points = _positions(predicted)
    name = place.name if place else ""
    if not len(points):
        return Placement(name, float("nan"), 0)
    if place:
        distances, _ = KDTree(_positions(place.read())).query(points)
    else:
        distances = np.linalg.norm(points - points.mean(0), axis=1)
    limit = FROM_REFERENCE if place else FROM_CENTRE
    return Placement(name, float(distances.max()), int((distances > limit).sum()))


def _positions(label_map: LabelMap) -> NDArray[np.float64]:
    """Return the centres of all labelled voxels, LPS mm."""
    indices = np.argwhere(label_map.array)[:, ::-1]  # as (I, J, K)
    affine = label_map.geometry.affine
    return indices @ affine[:3, :3].T + affine[:3, 3]
