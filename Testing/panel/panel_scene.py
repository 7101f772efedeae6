"""What somebody has in the scene, and does to it, while the panel is open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import host
import SimpleITK as sitk
import slicer
from scene_nodes import mask_of, paint, volume_of
from threshold_models import SEGMENTS, boxes, image, labels_of

__all__ = [
    "CORRECTED",
    "SEGMENTS",
    "add_boxes",
    "boxes",
    "correct",
    "labels_of",
    "mask_of",
    "write_boxes",
]

CORRECTED = 4  # the slice that is corrected where one will do
_CALM = 0.45  # seconds after a stroke until the panel looks at it


def add_boxes(name: str = "brain") -> Any:
    """A volume that the model segments exactly, in the scene of the application."""
    return volume_of(slicer.mrmlScene, array=image(), name=name)


def correct(segmentation_node: Any, volume_node: Any, *indices: int) -> None:
    """Paint into axial slices, as with the brush, and let the panel notice."""
    segment_id = segmentation_node.GetSegmentation().GetNthSegmentID(0)
    for index in indices:
        paint(segmentation_node, segment_id, volume_node, 0, index)
    host.spin(_CALM)


def write_boxes(folder: Path, *names: str) -> None:
    """Image files that the model segments exactly."""
    folder.mkdir(exist_ok=True)
    for name in names:
        sitk.WriteImage(sitk.GetImageFromArray(image()), folder / name)
