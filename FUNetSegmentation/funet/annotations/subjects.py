"""Subjects that are known by the voxels of their images.

Apart from what reads image files, since 3D Slicer needs this for the volumes of a scene.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def subject_by_voxels(name: str, array: NDArray[Any]) -> str:
    """Return a name for the subject of an image that no image with other voxels has.

    So a correction made months later on the same image replaces the earlier one of that slice, and
    another image of the same name does not.
    """
    return f"{name} [{zlib.crc32(np.ascontiguousarray(array).data):08x}]"
