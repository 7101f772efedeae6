"""The demo's input: the template brain that nilearn carries, with its tissue maps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from funet.images.segmentations import Code, LabelMap, Segment
from funet.images.volumes import Volume, read_volume

TISSUES = (
    Segment(1, "Grey matter", (216, 101, 79), Code("SCT", "389081007", "Gray Matter")),
    Segment(2, "White matter", (245, 222, 138), Code("SCT", "389080008", "White Matter")),
)
NAME = "MNI152_T1"
_FILE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"


@contextmanager
def template_file(kind: str) -> Iterator[Path]:
    """The file of the T1-weighted template ("t1"), or of a tissue map ("gm", "wm")."""
    with as_file(files("nilearn.datasets") / "data" / _FILE.format(kind)) as path:
        yield path


def brain_template() -> Volume:
    """Return the T1-weighted template, 1 mm, brain-extracted."""
    image = _read("t1")
    return Volume(image.array, image.geometry, NAME)


def tissue_reference(volume: Volume) -> LabelMap:
    """Return grey (1) and white (2) matter: the likelier one where either is likelier than not.

    Args:
        volume: the template, whose grid the maps share.
    """
    grey, white = _read("gm").array, _read("wm").array
    labels = np.where(grey >= white, 1, 2).astype(np.uint8)
    labels[np.maximum(grey, white) < 128] = 0  # the maps hold probabilities from 0 to 255
    return LabelMap(labels, volume.geometry, TISSUES)


def _read(kind: str) -> Volume:
    with template_file(kind) as path:
        return read_volume(path)
