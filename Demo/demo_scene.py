"""A scene of 3D Slicer's own core without the application: volumes in, segmentations out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer


class DemoScene:
    """A MRML scene, and reading and writing its nodes.

    Attributes:
        scene: the scene.
    """

    def __init__(self) -> None:
        # The application has such a logic; it registers the representations of segmentations.
        self._segmentations = slicer.vtkSlicerSegmentationsModuleLogic()
        self.scene = slicer.vtkMRMLScene()
        self._segmentations.SetMRMLScene(self.scene)

    def load_volume(self, path: Path, name: str) -> Any:
        """Return a volume node with the image of a file."""
        node = self.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        storage = self.scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
        storage.SetFileName(str(path))
        if not storage.ReadData(node):
            raise OSError(f"{path} cannot be read")
        return node

    def save_segmentation(self, node: Any, path: Path) -> None:
        """Write a segmentation node as ``.seg.nrrd``."""
        storage = self.scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
        storage.SetFileName(str(path))
        if not storage.WriteData(node):
            raise OSError(f"{path} cannot be written")
