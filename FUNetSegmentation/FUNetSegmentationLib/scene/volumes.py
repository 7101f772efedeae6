"""A volume node of the scene as an array with its place in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from funet.errors import InputError
from funet.images.geometry import Geometry, SliceAxis, SliceOrder

from ..translation import tr as _
from .lattices import Box, Matrix, as_numpy, box_of_shape, image_array, image_box

# Takes RAS, in which MRML measures, to LPS, in which files and the engine do, and back.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class VolumeSnapshot:
    """A volume as it is now.

    Attributes:
        name: name of the node.
        array: voxels (K, J, I) in the node's own scalar type; a read-only view of the node's
            memory, which whoever keeps it copies.
        geometry: the grid in LPS mm in the world: a linear parent transform is applied where it
            keeps right angles; else it is the volume's own grid.
        modified: another number after the voxels or the place of the volume have changed.
    """

    name: str
    array: NDArray[Any]
    geometry: Geometry
    modified: int


def snapshot(volume_node: Any) -> VolumeSnapshot:
    """The voxels and the geometry of a volume node.

    Raises:
        InputError: if there is no volume, it has no voxels, several values per voxel, or axes that
            are not perpendicular.
    """
    array = voxels(volume_node)
    array.flags.writeable = False
    image = volume_node.GetImageData()
    matrix = world_matrix(volume_node)
    own = voxel_matrix(volume_node)
    return VolumeSnapshot(
        name=volume_node.GetName() or "",
        array=array,
        geometry=_geometry(array.shape, own, matrix, volume_node.GetName()),
        modified=hash(
            (image.GetMTime(), own.tobytes(), b"" if matrix is None else matrix.tobytes())
        ),
    )


def slice_axis_of(geometry: Geometry, plane: SliceAxis) -> int:
    """The axis of a (K, J, I) array along which the slices of an anatomical plane lie.

    Raises:
        InputError: if there is no such plane.
    """
    return SliceOrder.from_geometry(geometry, plane).axis


def plane_of(geometry: Geometry, slice_axis: int) -> SliceAxis:
    """The anatomical plane that the slices along an axis of a (K, J, I) array lie in."""
    superior = 2 - np.array(geometry.voxel_axes())  # array axes towards left, posterior, superior
    planes: tuple[SliceAxis, SliceAxis, SliceAxis] = ("sagittal", "coronal", "axial")
    return planes[int(np.flatnonzero(superior == slice_axis)[0])]


def acquisition_axis(geometry: Geometry) -> int:
    """The axis of a (K, J, I) array with the thickest slices; the axial one of equal ones."""
    spacing = geometry.spacing[::-1]
    axial = slice_axis_of(geometry, "axial")
    return max(range(3), key=lambda axis: (round(spacing[axis], 3), axis == axial))


def voxels(volume_node: Any) -> NDArray[Any]:
    """The voxels (K, J, I) of a volume node, without a copy.

    Raises:
        InputError: if there is no volume, it has no voxels, or several values per voxel.
    """
    box = voxel_box(volume_node)
    image = volume_node.GetImageData()
    name = volume_node.GetName()
    if box.empty or image.GetPointData().GetScalars() is None:
        raise InputError(_("The volume {name} has no voxels; load its image.").format(name=name))
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError(
            _(
                "The volume {name} has {count} values per voxel (colour, vectors or time); extract "
                "one of them as a scalar volume first."
            ).format(name=name, count=image.GetNumberOfScalarComponents())
        )
    return image_array(image)


def voxel_box(volume_node: Any) -> Box:
    """The voxels of a volume node as a box that begins at (0, 0, 0).

    Raises:
        InputError: if there is no volume.
    """
    if volume_node is None:
        raise InputError(_("No volume is chosen; choose one."))
    if not is_a(volume_node, "vtkMRMLScalarVolumeNode"):
        raise InputError(
            _("{name} is not a volume; choose a volume.").format(name=called(volume_node))
        )
    image = volume_node.GetImageData()
    return box_of_shape((0, 0, 0) if image is None else image_box(image).shape)


def is_a(node: Any, class_name: str) -> bool:
    """Whether something is a node of a class; it may be no node at all, such as a name."""
    return isinstance(node, slicer.vtkMRMLNode) and bool(node.IsA(class_name))


def called(node: Any) -> str:
    """How a sentence names something that may be no node at all."""
    return (node.GetName() or "") if isinstance(node, slicer.vtkMRMLNode) else str(node)


def voxel_matrix(volume_node: Any) -> Matrix:
    """The matrix from array indices (i, j, k) to RAS mm, before the parent transform."""
    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    result = as_numpy(matrix)
    start = image_box(volume_node.GetImageData()).start
    result[:, 3] = result @ [*start[::-1], 1.0]
    return result


def world_matrix(volume_node: Any) -> Matrix | None:
    """The matrix from array indices (i, j, k) to world RAS mm.

    Returns:
        ``None`` if the parent transform bends space.
    """
    to_world = transform_between(volume_node.GetParentTransformNode(), None)
    return None if to_world is None else to_world @ voxel_matrix(volume_node)


def transform_between(source: Any, target: Any) -> Matrix | None:
    """The matrix from the space under one transform node to that under another.

    Args:
        source, target: transform nodes; ``None`` is the world.

    Returns:
        ``None`` if the way between them bends space.
    """
    if source is target:
        return np.eye(4)
    general, linear = vtk.vtkGeneralTransform(), vtk.vtkTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, general)
    if not slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(general, linear):
        return None
    return as_numpy(linear.GetMatrix())


def _geometry(shape: tuple[int, ...], own: Matrix, world: Matrix | None, name: str) -> Geometry:
    if world is not None:
        try:
            return _as_geometry(shape, world)
        except InputError:  # the transform shears: the grid before it has right angles
            pass
    try:
        return _as_geometry(shape, own)
    except InputError as error:
        raise InputError(
            _("The volume {name} cannot be used: {reason}").format(name=name, reason=error)
        ) from error


def _as_geometry(shape: tuple[int, ...], ijk_to_ras: Matrix) -> Geometry:
    matrix = _RAS_TO_LPS @ ijk_to_ras
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    directions = matrix[:3, :3] / np.where(spacing > 0, spacing, 1)
    k, j, i = shape
    return Geometry(
        shape=(k, j, i),
        spacing=tuple(spacing.tolist()),
        origin=tuple(matrix[:3, 3].tolist()),
        direction=tuple(directions.ravel().tolist()),
    )
