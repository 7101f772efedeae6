"""Lattices of voxels: a matrix that takes indices (i, j, k) to RAS mm, and arrays (K, J, I).

An image in a segmentation node may begin anywhere on its lattice (its extent), so every array comes
with the index of its first voxel. Starts and boxes are in array order, (k, j, i).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util import numpy_support

Matrix = NDArray[np.float64]

# How far voxels of two lattices may be apart to count as the same, as a share of a voxel.
_SAME_VOXEL = 0.01


@dataclass(frozen=True)
class Box:
    """A part of a lattice.

    Attributes:
        start: index (k, j, i) of the first voxel; may be negative.
        stop: index after the last voxel; the box is empty where it is not greater than the start.
    """

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along (k, j, i)."""
        k, j, i = (max(0, stop - start) for start, stop in zip(self.start, self.stop, strict=True))
        return k, j, i

    @property
    def empty(self) -> bool:
        """Whether there are no voxels."""
        return 0 in self.shape

    @property
    def extent(self) -> tuple[int, int, int, int, int, int]:
        """As VTK writes it: first and last index along i, j and k."""
        (k, j, i), (k_stop, j_stop, i_stop) = self.start, self.stop
        return i, i_stop - 1, j, j_stop - 1, k, k_stop - 1

    def moved(self, offset: Sequence[int]) -> Box:
        """The box moved by an offset (k, j, i)."""
        start = [one + by for one, by in zip(self.start, offset, strict=True)]
        stop = [one + by for one, by in zip(self.stop, offset, strict=True)]
        return Box(_triple(start), _triple(stop))

    def union(self, other: Box) -> Box:
        """The smallest box around both."""
        if self.empty or other.empty:
            return other if self.empty else self
        start = map(min, self.start, other.start)
        return Box(_triple(start), _triple(map(max, self.stop, other.stop)))

    def intersection(self, other: Box) -> Box:
        """What both have in common, perhaps empty."""
        start = map(max, self.start, other.start)
        return Box(_triple(start), _triple(map(min, self.stop, other.stop)))

    def slices_in(self, outer: Box) -> tuple[slice, slice, slice]:
        """Where this box lies in an array of a box around it."""
        k, j, i = (
            slice(start - first, start - first + count)
            for start, first, count in zip(self.start, outer.start, self.shape, strict=True)
        )
        return k, j, i


NO_BOX = Box((0, 0, 0), (0, 0, 0))


def _triple(numbers: Any) -> tuple[int, int, int]:
    k, j, i = (int(number) for number in numbers)
    return k, j, i


def box_of_shape(shape: Sequence[int]) -> Box:
    """The box of a whole array that begins at (0, 0, 0)."""
    return Box((0, 0, 0), _triple(shape))


def box_of_content(array: NDArray[Any], start: Sequence[int] = (0, 0, 0)) -> Box:
    """The smallest box around what is not zero.

    Args:
        array: (K, J, I) voxels.
        start: index of the first voxel of the array.
    """
    found = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        indices = np.flatnonzero(array.any(axis=others))
        found.append((indices[0], indices[-1] + 1) if indices.size else (0, 0))
    starts, stops = zip(*found, strict=True)
    return Box(_triple(starts), _triple(stops)).moved(start)


def as_numpy(matrix: Any) -> Matrix:
    """A vtkMatrix4x4 as an array."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def as_vtk(matrix: Matrix) -> Any:
    """An array as a vtkMatrix4x4."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy([float(number) for number in matrix.ravel()])
    return result


def image_matrix(image: Any) -> Matrix:
    """The lattice of a vtkOrientedImageData."""
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return as_numpy(matrix)


def image_box(image: Any) -> Box:
    """The part of its lattice that a vtkImageData fills."""
    i, i_last, j, j_last, k, k_last = image.GetExtent()
    return Box((k, j, i), (k_last + 1, j_last + 1, i_last + 1))


def image_array(image: Any) -> NDArray[Any]:
    """The voxels (K, J, I) of a vtkImageData with one number per voxel, without a copy."""
    return numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(
        image_box(image).shape
    )


def oriented_image(array: NDArray[Any], start: Sequence[int], matrix: Matrix) -> Any:
    """A vtkOrientedImageData with a copy of an array.

    Args:
        array: (K, J, I) voxels of a type that VTK knows.
        start: index (k, j, i) of its first voxel.
        matrix: the lattice.
    """
    image = blank_image(box_of_shape(array.shape).moved(start), matrix)
    flat = np.ascontiguousarray(array).ravel()
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(flat, deep=True))
    return image


def blank_image(box: Box, matrix: Matrix) -> Any:
    """A vtkOrientedImageData that has a place but no voxels yet."""
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*box.extent)
    image.SetGeometryFromImageToWorldMatrix(as_vtk(matrix))
    return image


def whole_voxels_apart(indices: Matrix, box: Box) -> tuple[int, int, int] | None:
    """The offset (k, j, i) between two lattices with the same voxels.

    Args:
        indices: matrix that takes an index (i, j, k) on the one to the index on the other.
        box: where on the first lattice they are compared.

    Returns:
        What has to be added to an index of the first; ``None`` if the voxels are different ones.
    """
    ends = [(start, max(stop - 1, start)) for start, stop in zip(box.start, box.stop, strict=True)]
    corners = np.array([(i, j, k, 1) for k, j, i in itertools.product(*ends)])
    apart = (corners @ indices.T - corners)[:, :3]
    offset = np.rint(apart[0])
    if np.abs(apart - offset).max() > _SAME_VOXEL:
        return None
    return _triple(offset[::-1])


def mapped_box(box: Box, indices: Matrix) -> Box:
    """The box on another lattice around all voxels of a box, and the voxels next to them."""
    ends = [(start - 0.5, stop - 0.5) for start, stop in zip(box.start, box.stop, strict=True)]
    corners = np.array([(i, j, k, 1) for k, j, i in itertools.product(*ends)])
    mapped = (corners @ indices.T)[:, 2::-1]
    start, stop = np.floor(mapped.min(axis=0)), np.ceil(mapped.max(axis=0)) + 1
    return Box(_triple(start), _triple(stop))


def resampled(image: Any, matrix: Matrix, box: Box) -> NDArray[Any]:
    """The nearest voxels of an image on a part of another lattice.

    Args:
        image: a vtkOrientedImageData.
        matrix: the other lattice, in the same space.
        box: the part wanted.

    Returns:
        Array (K, J, I) of the box; 0 where the image has no voxels.
    """
    result = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        image, blank_image(box, matrix), result
    )
    return image_array(result)
