"""The slice views: which slice they show, and turning them to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from funet.errors import InputError

from ..translation import tr as _
from .lattices import Matrix, as_numpy, as_vtk
from .volumes import voxel_box, voxel_matrix, world_matrix

# A view shows the plane of a slice if its own plane is less than this far from it.
_SAME_PLANE = np.cos(np.radians(45.0))

# Views that are turned by less than this show the volume's own voxels well enough.
_STRAIGHT = np.cos(np.radians(0.5))


def slice_centre(volume_node: Any, axis: int, index: int) -> tuple[float, float, float]:
    """The centre of a slice in the world, RAS mm.

    Args:
        volume_node: the volume.
        axis: axis of its (K, J, I) array.
        index: index along it.

    Raises:
        InputError: if there is no such slice.
    """
    shape = voxel_box(volume_node).shape
    if not 0 <= index < shape[axis]:
        raise InputError(
            _("The volume {name} has no slice {index}; it has slices 0 to {last}.").format(
                name=volume_node.GetName(), index=index, last=shape[axis] - 1
            )
        )
    centre = [(count - 1) / 2 for count in reversed(shape)]
    centre[2 - axis] = index
    return _to_world(volume_node, centre)


def jump_to_slice(volume_node: Any, axis: int, index: int) -> None:
    """Show a slice in the slice views.

    The view that is closest to the plane of the slice is turned into it, if the volume is oblique,
    and shows it. The others stay as they are.

    Args:
        volume_node: the volume.
        axis: axis of its (K, J, I) array.
        index: index along it.

    Raises:
        InputError: if there is no such slice.
    """
    centre = slice_centre(volume_node, axis, index)
    directions = _unit_axes(volume_node)
    if directions is not None:
        for view in _views_of_plane(volume_node, axis):
            _turn(view, directions)
            view.JumpSliceByOffsetting(*centre)


def visible_slice(volume_node: Any, axis: int) -> int | None:
    """The slice of a volume that the view of its plane shows.

    Args:
        volume_node: the volume.
        axis: axis of its (K, J, I) array.

    Returns:
        The index along the axis; ``None`` if no view shows the plane, or the plane misses the
        volume.
    """
    views = _views_of_plane(volume_node, axis)
    matrix = world_matrix(volume_node)
    if not views or matrix is None:
        return None
    shape = voxel_box(volume_node).shape
    view = as_numpy(views[0].GetSliceToRAS())
    first = np.array(slice_centre(volume_node, axis, 0))
    step = matrix[:3, 2 - axis]
    # Where the line through the centres of all slices meets the plane of the view.
    index = round(float((view[:3, 3] - first) @ view[:3, 2] / (step @ view[:3, 2])))
    return index if 0 <= index < shape[axis] else None


def _to_world(volume_node: Any, indices: Sequence[float]) -> tuple[float, float, float]:
    local = (voxel_matrix(volume_node) @ [*indices, 1.0])[:3]
    world = [0.0, 0.0, 0.0]
    volume_node.TransformPointToWorld(local.tolist(), world)
    return world[0], world[1], world[2]


def _unit_axes(volume_node: Any) -> Matrix | None:
    """The directions of I, J and K in the world as columns; ``None`` if they are bent."""
    matrix = world_matrix(volume_node)
    if matrix is None:
        return None
    return matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)


def _views(volume_node: Any) -> list[Any]:
    scene = volume_node.GetScene()
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")
    return [scene.GetNthNodeByClass(number, "vtkMRMLSliceNode") for number in range(count)]


def _views_of_plane(volume_node: Any, axis: int) -> list[Any]:
    """The views whose plane is the closest one to that of the slices."""
    directions = _unit_axes(volume_node)
    if directions is None:
        return []
    views = [(_closeness(view, directions[:, 2 - axis]), view) for view in _views(volume_node)]
    closest = max((one for one, _view in views), default=0.0)
    return [view for one, view in views if one > max(_SAME_PLANE, closest - 1e-3)]


def _closeness(view: Any, normal: np.ndarray) -> float:
    return abs(float(as_numpy(view.GetSliceToRAS())[:3, 2] @ normal))


def _turn(view: Any, directions: Matrix) -> None:
    """Turn a view so that its axes are those of the volume that are the closest ones."""
    own = as_numpy(view.GetSliceToRAS())
    turned = own.copy()
    free = [0, 1, 2]
    for column in range(3):
        cosines = directions.T @ own[:3, column]
        nearest = max(free, key=lambda axis: abs(cosines[axis]))
        free.remove(nearest)
        turned[:3, column] = np.copysign(1.0, cosines[nearest]) * directions[:, nearest]
    if min(np.diag(own[:3, :3].T @ turned[:3, :3])) < _STRAIGHT:
        view.GetSliceToRAS().DeepCopy(as_vtk(turned))
        view.UpdateMatrices()
