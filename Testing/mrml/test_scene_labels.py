"""What is drawn in a segmentation node, on the grid of its volume."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from scene_nodes import (
    LPS_TO_RAS,
    drawn_phantom,
    ijk_to_ras,
    make_surfaces_the_source,
    paint,
    segmentation_of,
    set_labelmap,
    turned,
    under,
    under_bent_space,
    volume_of,
    vtk_matrix,
)

from funet.errors import InputError
from funet.images.geometry import Geometry
from FUNetSegmentationLib.scene.labels import (
    ContentDigests,
    content_digests,
    read_labels,
    segment_regions,
)
from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation
from FUNetSegmentationLib.scene.structures import drawn_segments

from phantoms import all_storages, axial_grid, oblique_grid, phantom_labels

GRIDS = [*list(all_storages(axial_grid()))[::5], oblique_grid()]


@pytest.mark.parametrize("grid", GRIDS)
def test_what_is_drawn_is_read(scene: Any, grid: Geometry) -> None:
    volume_node, node, ids = drawn_phantom(scene, grid)
    reading = read_labels(node, ids, volume_node)
    np.testing.assert_array_equal(reading.labels, phantom_labels(grid).array)
    assert reading.labels.dtype == np.uint8
    assert reading.overlapping_voxels == 0


def test_values_without_a_segment_are_left_out(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    labels = read_labels(node, {1: None, 7: ids[2], 3: None}, volume_node).labels
    np.testing.assert_array_equal(labels, 7 * (phantom_labels(axial_grid()).array == 2))


def test_a_hidden_and_a_renamed_segment_are_read(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    node.GetDisplayNode().SetSegmentVisibility(ids[1], False)
    node.GetSegmentation().GetSegment(ids[2]).SetName("something else")
    labels = read_labels(node, ids, volume_node).labels
    np.testing.assert_array_equal(labels, phantom_labels(axial_grid()).array)


def test_voxels_of_two_structures_belong_to_neither(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    expected = phantom_labels(axial_grid()).array.copy()
    both = np.zeros(expected.shape, bool)
    both[4:6] = expected[4:6] > 0
    set_labelmap(node, ids[3], (expected == 3) | both, ijk_to_ras(volume_node))
    reading = read_labels(node, ids, volume_node)
    both &= expected != 3
    assert both.any()
    np.testing.assert_array_equal(reading.labels, np.where(both, 255, expected))
    assert reading.overlapping_voxels == both.sum()


def test_three_structures_in_one_voxel_count_once(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    mask = np.zeros(axial_grid().shape, bool)
    mask[2, 3, 4:7] = True
    for segment_id in ids.values():
        set_labelmap(node, segment_id, mask, ijk_to_ras(volume_node))
    reading = read_labels(node, ids, volume_node)
    np.testing.assert_array_equal(reading.labels, 255 * mask)
    assert reading.overlapping_voxels == 3


def test_a_segment_that_was_removed_is_named(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    node.GetSegmentation().RemoveSegment(ids[2])
    with pytest.raises(InputError, match=f"segmentation.*{ids[2]}"):
        read_labels(node, ids, volume_node)


def test_an_empty_segmentation_is_all_background(scene: Any) -> None:
    volume_node = volume_of(scene)
    node = create_segmentation(volume_node, "empty")
    node.GetSegmentation().AddEmptySegment("a")
    reading = read_labels(node, {1: "a"}, volume_node)
    assert reading.labels.shape == axial_grid().shape
    assert not reading.labels.any()


@pytest.mark.parametrize("storage", GRIDS[:-1])
def test_a_segmentation_on_another_storage_of_the_grid_is_read_exactly(
    scene: Any, storage: Geometry
) -> None:
    _, node, ids = drawn_phantom(scene, storage)
    volume_node = volume_of(scene, axial_grid())
    labels = read_labels(node, ids, volume_node).labels
    np.testing.assert_array_equal(labels, phantom_labels(axial_grid()).array)


def test_a_shifted_extent_is_put_in_its_place(scene: Any) -> None:
    """Loaded ``.seg.nrrd`` files are cut to their content and begin at index 0 there."""
    volume_node, node, ids = drawn_phantom(scene)
    content = phantom_labels(axial_grid()).array[3:8, 2:12, 4:15] == 1
    moved = ijk_to_ras(volume_node)
    moved[:, 3] = moved @ [4, 2, 3, 1]
    set_labelmap(node, ids[1], content, moved)
    expected = np.zeros(axial_grid().shape, np.uint8)
    expected[3:8, 2:12, 4:15] = content
    np.testing.assert_array_equal(read_labels(node, {1: ids[1]}, volume_node).labels, expected)


def test_what_lies_outside_the_volume_is_left_out(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    mask = np.ones((4, 4, 4), bool)
    corner = ijk_to_ras(volume_node)
    corner[:, 3] = corner @ [-2, -3, -1, 1]
    set_labelmap(node, ids[1], mask, corner)
    labels = read_labels(node, {1: ids[1]}, volume_node).labels
    assert labels.sum() == 3 * 1 * 2
    assert labels[:3, :1, :2].all()


def _nearest(grid: Geometry, labels: np.ndarray, other: Geometry, to_other: np.ndarray) -> Any:
    """Labels of another grid at the centres of the voxels of a grid."""
    indices = np.linalg.inv(other.affine) @ to_other @ grid.affine
    k, j, i = np.indices(grid.shape)
    points = np.stack([i, j, k, np.ones_like(i)], -1) @ indices[:3].T
    nearest = np.rint(points).astype(int)[..., ::-1]
    inside = ((nearest >= 0) & (nearest < labels.shape)).all(axis=-1)
    return np.where(inside, labels[tuple(np.where(inside[..., None], nearest, 0).T)].T, 0)


@pytest.mark.parametrize(
    "other",
    [
        axial_grid((19, 27, 31), (0.61, 0.97, 1.23)),
        axial_grid((5, 8, 7), (2.9, 3.1, 4.3)),
        oblique_grid(),
    ],
)
def test_another_grid_is_sampled_at_the_centres_of_the_voxels(scene: Any, other: Geometry) -> None:
    volume_node = volume_of(scene, axial_grid())
    drawn = phantom_labels(other)
    node, ids = segmentation_of(scene, volume_of(scene, other), drawn)
    labels = read_labels(node, ids, volume_node).labels
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(labels, _nearest(axial_grid(), drawn.array, other, np.eye(4)))


def _shear() -> np.ndarray:
    matrix = turned(10, (1, 2, -3))
    matrix[0, 1] += 0.25
    return matrix


@pytest.mark.parametrize("matrix", [turned(), _shear(), np.diag([1.5, 1.0, 0.8, 1.0])])
def test_linear_transforms_of_both_nodes_are_honoured(scene: Any, matrix: Any) -> None:
    """The volume under one transform, the segmentation under another."""
    volume_node, node, ids = drawn_phantom(scene)
    under(matrix, volume_node)
    under(turned(5, (0.5, -1, 2)), node)
    world = LPS_TO_RAS @ np.linalg.inv(turned(5, (0.5, -1, 2))) @ matrix @ LPS_TO_RAS
    expected = _nearest(axial_grid(), phantom_labels(axial_grid()).array, axial_grid(), world)
    assert len(np.unique(expected)) > 2
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, expected)


@pytest.mark.parametrize("move", [under_bent_space, lambda *nodes: under(turned(), *nodes)])
def test_a_shared_transform_changes_nothing(scene: Any, move: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    move(volume_node, node)
    np.testing.assert_array_equal(
        read_labels(node, ids, volume_node).labels, phantom_labels(axial_grid()).array
    )


def test_bent_space_above_both_and_a_rotation_above_one_is_a_rotation(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    inner = under(turned(), node)
    under(np.eye(4), volume_node)
    under_bent_space(inner, volume_node.GetParentTransformNode())
    labels = read_labels(node, ids, volume_node).labels
    world = LPS_TO_RAS @ np.linalg.inv(turned()) @ LPS_TO_RAS
    np.testing.assert_array_equal(
        labels, _nearest(axial_grid(), phantom_labels(axial_grid()).array, axial_grid(), world)
    )


@pytest.mark.parametrize("moved", ["volume", "segmentation"])
def test_bent_space_between_the_nodes_is_refused(scene: Any, moved: str) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    under_bent_space(volume_node if moved == "volume" else node)
    with pytest.raises(InputError, match=r"brain.*segmentation.*bends space.*same transform"):
        read_labels(node, ids, volume_node)


def test_a_segmentation_of_surfaces_is_read(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    segmentation = node.GetSegmentation()
    segmentation.SetConversionParameter("Smoothing factor", "0")
    node.CreateClosedSurfaceRepresentation()
    make_surfaces_the_source(node)
    labels = read_labels(node, ids, volume_node).labels
    np.testing.assert_array_equal(labels, phantom_labels(axial_grid()).array)
    assert not segmentation.GetSegment(ids[1]).GetRepresentation("Binary labelmap")
    assert len(drawn_segments(node)) == 3


def _digests(node: Any, ids: dict[int, str], volume_node: Any, axis: int = 0) -> ContentDigests:
    return content_digests(node, ids.values(), volume_node, axis)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_digest_changes_with_its_slice_only(scene: Any, axis: int) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    before = _digests(node, ids, volume_node, axis)
    slices = np.moveaxis(phantom_labels(axial_grid()).array, axis, 0)
    drawn = tuple(index for index, one in enumerate(slices) if one.any())
    assert 0 < len(drawn) < len(slices)
    assert before.drawn() == drawn
    paint(node, ids[2], volume_node, axis, 6)
    after = _digests(node, ids, volume_node, axis)
    assert after.differing(before) == (6,)
    assert len(after.of_slice(6)) == 3


def test_equal_content_has_equal_digests_however_it_is_stored(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    before = _digests(node, ids, volume_node)
    whole = phantom_labels(axial_grid()).array
    for value, segment_id in ids.items():
        padded = np.pad(whole == value, 3)
        matrix = ijk_to_ras(volume_node)
        matrix[:, 3] = matrix @ [-3, -3, -3, 1]
        set_labelmap(node, segment_id, padded, matrix)
        node.GetSegmentation().SeparateSegmentLabelmap(segment_id)
    assert _digests(node, ids, volume_node) == before


def test_moving_a_shape_within_its_slice_changes_the_digest(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    mask = np.zeros(axial_grid().shape, bool)
    seen = set()
    for row, column in ((2, 3), (3, 2), (2, 4), (7, 3)):
        mask[...] = False
        mask[5, row : row + 2, column : column + 3] = True
        set_labelmap(node, ids[1], mask, ijk_to_ras(volume_node))
        seen.add(_digests(node, {1: ids[1]}, volume_node).of_slice(5)[ids[1]])
    assert len(seen) == 4


def test_shapes_of_the_same_bounds_have_different_digests(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    mask = np.zeros(axial_grid().shape, bool)
    mask[5, 2:6, 2:6] = True
    set_labelmap(node, ids[1], mask, ijk_to_ras(volume_node))
    full = _digests(node, {1: ids[1]}, volume_node)
    mask[5, 3, 3] = False
    set_labelmap(node, ids[1], mask, ijk_to_ras(volume_node))
    assert _digests(node, {1: ids[1]}, volume_node).differing(full) == (5,)


def test_an_empty_slice_has_an_empty_digest(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    digests = _digests(node, ids, volume_node)
    empty = set(range(11)) - set(digests.drawn())
    assert empty
    assert all(not any(digests.of_slice(index).values()) for index in empty)


def test_removed_segments_are_not_compared(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    before = _digests(node, ids, volume_node)
    node.GetSegmentation().RemoveSegment(ids[1])
    after = _digests(node, ids, volume_node)
    assert ids[1] not in after.by_segment
    assert after.differing(before) == ()


def test_regions_are_tight(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    for value, segment_id in ids.items():
        region = segment_regions(node, [segment_id], volume_node)[segment_id]
        inside = np.argwhere(phantom_labels(axial_grid()).array == value)
        assert region.box.start == tuple(inside.min(axis=0))
        assert region.box.stop == tuple(inside.max(axis=0) + 1)
        assert region.mask.sum() == len(inside)


def test_a_fractional_offset_of_the_lattice_is_not_ignored(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    shifted = ijk_to_ras(volume_node)
    shifted[:, 3] = shifted @ [0.4, 0, 0, 1]
    mask = np.zeros(axial_grid().shape, bool)
    mask[5, 5, 5] = True
    set_labelmap(node, ids[1], mask, shifted)
    labels = read_labels(node, {1: ids[1]}, volume_node).labels
    assert np.argwhere(labels).tolist() == [[5, 5, 5]]
    shifted[:, 3] = shifted @ [0.2, 0, 0, 1]  # 0.6 of a voxel: the next centre is nearer
    set_labelmap(node, ids[1], mask, shifted)
    labels = read_labels(node, {1: ids[1]}, volume_node).labels
    assert np.argwhere(labels).tolist() == [[5, 5, 6]]


def test_the_matrix_of_an_oriented_image_may_be_sheared(scene: Any) -> None:
    """Nothing of ours relies on it, except that VTK takes such a matrix as it is."""
    image = slicer.vtkOrientedImageData()
    image.SetGeometryFromImageToWorldMatrix(vtk_matrix(_shear()))
    matrix = vtk_matrix(np.eye(4))
    image.GetImageToWorldMatrix(matrix)
    np.testing.assert_allclose(
        [matrix.GetElement(r, c) for r in range(4) for c in range(4)], _shear().ravel()
    )
