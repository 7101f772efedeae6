"""Nodes for tests, made from the phantoms, and what a user does to them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util import numpy_support

from funet.images.geometry import Geometry
from funet.images.segmentations import LabelMap
from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation
from FUNetSegmentationLib.scene.structures import ensure_segments
from FUNetSegmentationLib.scene.writing import write_prediction

from phantoms import axial_grid, phantom_labels, phantom_volume

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@functools.cache
def _segmentations_logic() -> Any:
    # The application has one; it registers the conversions between labelmaps and surfaces.
    return slicer.vtkSlicerSegmentationsModuleLogic()


def new_scene() -> Any:
    """A scene with what the application registers in it for segmentations and slice views."""
    scene = slicer.vtkMRMLScene()
    _segmentations_logic().SetMRMLScene(scene)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    return scene


def vtk_matrix(matrix: NDArray[Any]) -> Any:
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, float).ravel().tolist())
    return result


def image_data(array: NDArray[Any]) -> Any:
    """A vtkImageData with the voxels (K, J, I[, components])."""
    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[2::-1])
    components = array.reshape(np.prod(array.shape[:3]), -1).copy()
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(components, deep=True))
    return image


def volume_of(
    scene: Any, grid: Geometry | None = None, array: NDArray[Any] | None = None, name: str = "brain"
) -> Any:
    """A volume node; the phantom if no voxels are given."""
    grid = grid or axial_grid()
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetAndObserveImageData(image_data(phantom_volume(grid).array if array is None else array))
    node.SetIJKToRASMatrix(vtk_matrix(LPS_TO_RAS @ grid.affine))
    return node


def segmentation_of(
    scene: Any, volume_node: Any, labels: LabelMap, name: str = "segmentation"
) -> tuple[Any, dict[int, str]]:
    """A segmentation node in which these labels are drawn, and the segment of each value."""
    node = create_segmentation(volume_node, name)
    ids = ensure_segments(node, labels.segments)
    draw(node, volume_node, ids, labels.array)
    return node, ids


def drawn_phantom(scene: Any, grid: Geometry | None = None) -> tuple[Any, Any, dict[int, str]]:
    """The phantom as a volume, a segmentation of it, and its segments."""
    grid = grid or axial_grid()
    volume_node = volume_of(scene, grid)
    return volume_node, *segmentation_of(scene, volume_node, phantom_labels(grid))


def draw(node: Any, volume_node: Any, ids: Mapping[int, str], labels: NDArray[np.uint8]) -> None:
    """Make the segments look like the labels, whatever they were."""
    write_prediction(node, labels, ids, volume_node, protected_slices=(), axis=0)


def own_labelmap(node: Any, segment_id: str) -> NDArray[np.bool_]:
    """The mask (K, J, I) of a segment on the part of its own lattice that its image fills."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    image = segment.GetRepresentation("Binary labelmap")
    shape = image.GetDimensions()[::-1]
    if image.GetPointData().GetScalars() is None:
        return np.zeros(shape, bool)
    voxels = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
    return voxels == segment.GetLabelValue()


def set_labelmap(
    node: Any, segment_id: str, mask: NDArray[Any], ijk_to_ras: NDArray[Any], others: Sequence = ()
) -> None:
    """Draw a segment on any lattice, as a tool of the application does.

    Args:
        node: the segmentation node.
        segment_id: the segment.
        mask: its voxels (K, J, I).
        ijk_to_ras: where they are.
        others: segments that lose the voxels which this one gets.
    """
    image = slicer.vtkOrientedImageData()
    image.ShallowCopy(image_data(mask.astype(np.uint8)))
    image.SetGeometryFromImageToWorldMatrix(vtk_matrix(ijk_to_ras))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.SetBinaryLabelmapToSegment(
        image, node, segment_id, logic.MODE_REPLACE, image.GetExtent(), False, list(others)
    )


def paint(
    node: Any, segment_id: str, volume_node: Any, axis: int, index: int, *, erase: bool = False
) -> None:
    """Fill a corner of one slice of a segment, or erase the whole slice, as with a brush."""
    mask = mask_of(node, segment_id, volume_node)
    plane = np.moveaxis(mask, axis, 0)[index]
    if erase:
        plane[...] = False
    else:
        plane[:3, :4] = True
    set_labelmap(node, segment_id, mask, ijk_to_ras(volume_node))


def mask_of(node: Any, segment_id: str, volume_node: Any) -> NDArray[np.bool_]:
    """A segment on the grid of a volume with the same lattice, by the extents of its image."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    image = segment.GetRepresentation("Binary labelmap")
    mask = np.zeros(volume_node.GetImageData().GetDimensions()[::-1], bool)
    i, i_last, j, j_last, k, k_last = image.GetExtent()
    if k_last >= k:
        lattice = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(lattice)
        np.testing.assert_allclose(as_array(lattice), ijk_to_ras(volume_node), atol=1e-4)
        mask[k : k_last + 1, j : j_last + 1, i : i_last + 1] = own_labelmap(node, segment_id)
    return mask


def ijk_to_ras(volume_node: Any) -> NDArray[np.float64]:
    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    return as_array(matrix)


def as_array(matrix: Any) -> NDArray[np.float64]:
    return np.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])


def under(matrix: NDArray[Any], *nodes: Any) -> Any:
    """A linear transform, and the nodes under it."""
    transform = nodes[0].GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(vtk_matrix(matrix))
    for node in nodes:
        node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def under_bent_space(*nodes: Any) -> Any:
    """A transform that bends space, and the nodes under it."""
    displacements = vtk.vtkImageData()
    displacements.SetDimensions(5, 5, 5)
    displacements.SetOrigin(-40, -40, -40)
    displacements.SetSpacing(20, 20, 20)
    vectors = np.random.default_rng(0).normal(0, 3, (125, 3))
    displacements.GetPointData().SetScalars(numpy_support.numpy_to_vtk(vectors, deep=True))
    grid = slicer.vtkOrientedGridTransform()
    grid.SetDisplacementGridData(displacements)
    transform = nodes[0].GetScene().AddNewNodeByClass("vtkMRMLGridTransformNode")
    transform.SetAndObserveTransformToParent(grid)
    for node in nodes:
        node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def turned(degrees: float = 20.0, shift: Sequence[float] = (3.0, -7.0, 11.0)) -> NDArray[Any]:
    """A rotation about no axis in particular, and a shift."""
    rotation = vtk.vtkTransform()
    rotation.Translate(*shift)
    rotation.RotateWXYZ(degrees, 1.0, 2.0, -0.5)
    return as_array(rotation.GetMatrix())


def make_surfaces_the_source(node: Any) -> None:
    """As after loading an STL file: the segments are surfaces and nothing else."""
    segmentation = node.GetSegmentation()
    segmentation.SetSourceRepresentationName("Closed surface")
    segmentation.RemoveRepresentation("Binary labelmap")


def slice_view(scene: Any, orientation: str) -> Any:
    """A slice view of the application, without its widget."""
    node = scene.AddNewNodeByClass("vtkMRMLSliceNode", orientation)
    node.SetLayoutName(orientation)
    node.SetOrientation(orientation)
    node.SetDimensions(200, 200, 1)
    return node


def without_image(scene: Any) -> Any:
    """A volume node called thing that has no image yet."""
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "thing")


def without_voxels(scene: Any) -> Any:
    """A volume node called thing whose image is empty."""
    node = without_image(scene)
    node.SetAndObserveImageData(vtk.vtkImageData())
    return node


def with_components(count: int) -> Any:
    """Makes a volume node called thing with so many values in each voxel."""

    def make(scene: Any) -> Any:
        node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "thing")
        node.SetAndObserveImageData(image_data(np.zeros((2, 3, 4, count), np.uint8)))
        return node

    return make
