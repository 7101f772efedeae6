"""A head that nobody has: a generated volume with two structures, to try and to test with.

No side of it looks like another, so that a mirrored or shifted result shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

STRUCTURES = ("Core", "Nucleus")
SPACING = (1.6, 1.6, 3.0)
_SHAPE = (20, 56, 48)
# Centre and half axes of ellipsoids in voxels (K, J, I), and their grey value.
_HEAD = ((9.5, 27.5, 23.5), (11.0, 26.0, 21.0), 70.0)
_VENTRICLE = ((10.0, 18.0, 26.0), (5.0, 4.0, 7.0), 25.0)
_CORE = ((9.0, 31.0, 20.0), (6.5, 10.0, 8.0), 120.0)
_NUCLEUS = ((8.0, 34.0, 17.0), (3.5, 4.0, 3.5), 165.0)
_NOISE = 9.0


def phantom_arrays(seed: int = 0) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Return the image and its labels, both (K, J, I); 0 background, 1 core, 2 nucleus.

    Args:
        seed: of the noise and of a shift by a few voxels, so that every seed is another subject.
    """
    generator = np.random.default_rng(seed)
    shift = generator.uniform(-1.5, 1.5, 3) if seed else np.zeros(3)
    points = np.stack(np.indices(_SHAPE), -1) - shift
    image = np.zeros(_SHAPE)
    labels = np.zeros(_SHAPE, np.uint8)
    for (centre, radii, grey), value in ((_HEAD, 0), (_VENTRICLE, 0), (_CORE, 1), (_NUCLEUS, 2)):
        inside = (((points - centre) / radii) ** 2).sum(-1) <= 1.0
        image[inside] = grey
        labels[inside] = value
    brighter_to_one_side = 1.0 + 0.1 * points[..., 2] / _SHAPE[2]
    image = image * brighter_to_one_side + generator.normal(0.0, _NOISE, _SHAPE)
    return image.round().astype(np.int16), labels


def add_phantom(scene: Any, name: str = "Phantom head", seed: int = 0) -> Any:
    """Add the phantom's image to a scene and return its volume node."""
    volume_node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(volume_node, phantom_arrays(seed)[0])
    ijk_to_ras = vtk.vtkMatrix4x4()
    for axis, sign in enumerate((-1, -1, 1)):  # columns run to the patient's left, rows to the back
        ijk_to_ras.SetElement(axis, axis, sign * SPACING[axis])
        size = volume_node.GetImageData().GetDimensions()[axis]
        ijk_to_ras.SetElement(axis, 3, -sign * SPACING[axis] * (size - 1) / 2)
    volume_node.SetIJKToRASMatrix(ijk_to_ras)
    volume_node.CreateDefaultDisplayNodes()
    return volume_node
