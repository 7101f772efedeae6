"""Where voxels lie in the patient, and how a volume becomes a stack of slices.

Positions are millimetres in LPS, as in ITK and DICOM: x grows towards the patient's left, y towards
the back (posterior), z towards the head (superior). Arrays are (K, J, I), the slowest axis first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

SliceAxis = Literal["axial", "coronal", "sagittal"]
SLICE_AXES: tuple[SliceAxis, ...] = get_args(SliceAxis)

# About 4 GB as float32: more than any clinical volume, less than what brings a workstation down.
MAX_VOXELS = 2**30

_ORTHONORMAL_TOLERANCE = 1e-3

# How far slices may be from their place, as a share of the distance between slices.
_SLICE_TOLERANCE = 0.02

_Scalar = TypeVar("_Scalar", bound=np.generic)
_Flags = tuple[bool, bool, bool]
_Triple = tuple[int, int, int]

# For the axes slice, row and column of a stack: the LPS axis that they follow, and whether they run
# against it. This is the radiological convention: the patient's right is on the left of the image.
_LAYOUTS: dict[SliceAxis, tuple[_Triple, _Flags]] = {
    "axial": ((2, 1, 0), (False, False, False)),
    "coronal": ((1, 2, 0), (False, True, False)),
    "sagittal": ((0, 2, 1), (False, True, False)),
}


@dataclass(frozen=True)
class Geometry:
    """The grid of a three-dimensional image.

    Attributes:
        shape: number of voxels along (K, J, I), each at least 1.
        spacing: mm between voxels along (I, J, K), positive.
        origin: position of the centre of voxel (0, 0, 0), LPS mm.
        direction: 3×3 matrix, row by row; its columns are the unit vectors of I, J and K in LPS.
            It may be left-handed, as files with mirrored axes are.

    Raises:
        InputError: if a value is out of range or the axes are not perpendicular.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, float, float, float, float, float, float, float, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(count) for count in self.shape))
        for name, count in (("spacing", 3), ("origin", 3), ("direction", 9)):
            numbers = tuple(float(number) for number in getattr(self, name))
            object.__setattr__(self, name, numbers)
            if len(numbers) != count or not all(map(math.isfinite, numbers)):
                raise InputError(f"The {name} of the image must be {count} numbers, not {numbers}.")
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise InputError(f"The image has the shape {self.shape}, which holds no voxels in 3-D.")
        if min(self.spacing) <= 0:
            raise InputError(f"The voxel spacing {self.spacing} of the image must be positive.")
        axes = self._axes
        if np.abs(axes.T @ axes - np.eye(3)).max() > _ORTHONORMAL_TOLERANCE:
            raise InputError(
                "The voxel axes of the image are not perpendicular to each other; resample it onto "
                "a rectangular grid first."
            )

    @property
    def _axes(self) -> NDArray[np.float64]:
        return np.array(self.direction).reshape(3, 3)

    @property
    def affine(self) -> NDArray[np.float64]:
        """The 4×4 matrix that takes a voxel index (i, j, k, 1) to (x, y, z, 1) in LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self._axes * self.spacing
        matrix[:3, 3] = self.origin
        return matrix

    @property
    def largest_side(self) -> float:
        """The longest edge of the box that the voxels fill, mm."""
        sides = zip(reversed(self.shape), self.spacing, strict=True)
        return max(count * mm for count, mm in sides)

    def matches(self, other: Geometry, tolerance: float = 0.05) -> bool:
        """Whether both grids have the same voxels.

        Formats store axes with more or fewer digits, and some make them perpendicular to the last
        one, so the same grid comes back from a file a little turned.

        Args:
            other: the other grid.
            tolerance: greatest distance between the same corners of both grids, as a share of the
                smallest spacing.
        """
        return self.distance_to(other) <= tolerance * min(self.spacing)

    def distance_to(self, other: Geometry) -> float:
        """The greatest distance between the same corners of both grids, mm.

        It is infinite where the grids have different numbers of voxels.
        """
        if self.shape != other.shape:
            return math.inf
        ends = [(0, count - 1) for count in reversed(self.shape)]
        corners = np.array([(*corner, 1) for corner in itertools.product(*ends)])
        apart = corners @ (self.affine - other.affine).T
        return float(np.linalg.norm(apart[:, :3], axis=1).max())

    def voxel_axes(self) -> tuple[int, int, int]:
        """The voxel axes (0 is I, 1 is J, 2 is K) that run along left, posterior and superior.

        Every voxel axis is assigned once. For an oblique grid it is the assignment with the largest
        sum of absolute direction cosines; equal sums go to the one that moves the fewest axes.
        """
        cosines = np.abs(self._axes)

        def score(axes: tuple[int, ...]) -> tuple[float, int]:
            # Rounded, so that noise in the header does not decide between equal assignments.
            total = sum(cosines[world, voxel] for world, voxel in enumerate(axes))
            return round(float(total), 6), sum(axes[world] == world for world in range(3))

        left, posterior, superior = max(itertools.permutations(range(3)), key=score)
        return left, posterior, superior


def axis_across(plane: SliceAxis, slice_axis: SliceAxis) -> tuple[int, bool]:
    """Where the slices of one plane follow one another in stacks of another plane's slices.

    Args:
        plane: whose slices are meant.
        slice_axis: of the stacks, see :class:`SliceOrder`.

    Returns:
        The axis of the stack, and whether the slices of ``plane`` follow one another against it.
    """
    (world, *_), _ = _LAYOUTS[plane]
    worlds, against = _LAYOUTS[slice_axis]
    axis = worlds.index(world)
    return axis, against[axis]


@dataclass(frozen=True)
class SliceOrder:
    """How (K, J, I) arrays become stacks (slices, rows, columns) with a fixed orientation.

    ========  ====================  ==================  ==================
    axis      slices run towards    rows run towards    columns run towards
    ========  ====================  ==================  ==================
    axial     superior              posterior           left
    coronal   posterior             inferior            left
    sagittal  left                  inferior            posterior
    ========  ====================  ==================  ==================

    So however a file stores its voxels, a model sees the patient the same way round.

    Attributes:
        axes: axes of the (K, J, I) array that become the axes of the stack.
        flipped: whether each axis of the stack runs against the array's.
        shape: (slices, rows, columns).
        spacing: mm along slices, rows and columns.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @classmethod
    def from_geometry(cls, geometry: Geometry, slice_axis: SliceAxis) -> SliceOrder:
        """The order of a grid's slices.

        Args:
            geometry: the grid of the volume.
            slice_axis: the anatomical plane of the slices; on oblique grids the nearest one.

        Raises:
            InputError: if there is no such plane.
        """
        if slice_axis not in _LAYOUTS:
            raise InputError(
                f"The slice axis must be one of {', '.join(SLICE_AXES)}, not {slice_axis!r}."
            )
        worlds, against = _LAYOUTS[slice_axis]
        voxel_of_world = geometry.voxel_axes()
        voxels = [voxel_of_world[world] for world in worlds]
        first, second, third = (2 - voxel for voxel in voxels)  # I is the last axis of an array
        flips = [
            (geometry.direction[3 * world + voxel] < 0) != reverse
            for world, voxel, reverse in zip(worlds, voxels, against, strict=True)
        ]
        return cls(
            axes=(first, second, third),
            flipped=(flips[0], flips[1], flips[2]),
            shape=(geometry.shape[first], geometry.shape[second], geometry.shape[third]),
            spacing=(
                geometry.spacing[voxels[0]],
                geometry.spacing[voxels[1]],
                geometry.spacing[voxels[2]],
            ),
        )

    @property
    def sides(self) -> tuple[float, float, float]:
        """Extent of the stack in mm along slices, rows and columns, outer borders included."""
        slices, rows, columns = (
            count * mm for count, mm in zip(self.shape, self.spacing, strict=True)
        )
        return slices, rows, columns

    @property
    def axis(self) -> int:
        """Axis of the (K, J, I) array along which the slices lie."""
        return self.axes[0]

    def to_stack(self, array: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """View a (K, J, I) array as (slices, rows, columns), without a copy.

        Raises:
            InputError: if the array does not have the shape of the grid.
        """
        stack = array.transpose(self.axes) if array.ndim == 3 else array
        self._require_shape(stack)
        return stack[self._flips]

    def from_stack(self, stack: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """View a stack as a (K, J, I) array, without a copy: undoes :meth:`to_stack`.

        Raises:
            InputError: if the stack does not have the shape of the grid.
        """
        self._require_shape(stack)
        return stack[self._flips].transpose(np.argsort(self.axes).tolist())

    def volume_index(self, stack_index: int) -> int:
        """The index along the array's slice axis of a slice of the stack."""
        return self.shape[0] - 1 - stack_index if self.flipped[0] else stack_index

    def stack_index(self, volume_index: int) -> int:
        """The index in the stack of a slice given along the array's slice axis."""
        return self.volume_index(volume_index)  # a flip is its own inverse

    def require_slices(self, indices: Iterable[int], name: str) -> None:
        """Refuse indices along the array's slice axis that are outside the volume.

        Args:
            indices: to be checked.
            name: of the volume, for the message.

        Raises:
            InputError: naming the first index that is outside.
        """
        for index in indices:
            if not 0 <= index < self.shape[0]:
                raise InputError(
                    f"Slice {index} is outside {name}, whose slices are 0 to {self.shape[0] - 1}."
                )

    @property
    def _flips(self) -> tuple[slice, slice, slice]:
        first, second, third = (slice(None, None, -1 if flip else 1) for flip in self.flipped)
        return first, second, third

    def _require_shape(self, stack: NDArray[_Scalar]) -> None:
        if stack.shape != self.shape:
            raise InputError(
                f"An array of {self.shape} slices, rows and columns was expected, not "
                f"{stack.shape}; use arrays on the grid of the volume."
            )


def are_stacked_evenly(
    origins: Sequence[Sequence[float]], directions: Sequence[Sequence[float]]
) -> bool:
    """Whether single slices, in order, make up a rectangular grid.

    Args:
        origins: position of the first pixel of each slice, LPS mm.
        directions: the direction matrix of each slice, as in :class:`Geometry`.
    """
    if len(origins) < 2:
        return True
    axes = np.array(directions)
    steps = np.diff(np.array(origins), axis=0)
    step = np.median(steps, axis=0)
    distance = float(np.linalg.norm(step))
    along_slice = axes[0].reshape(3, 3)[:, :2].T @ step
    deviation = max(np.abs(steps - step).max(), np.abs(along_slice).max())
    return bool(
        distance > 0
        and deviation <= _SLICE_TOLERANCE * distance
        and np.abs(axes - axes[0]).max() <= _ORTHONORMAL_TOLERANCE
    )
