"""Predictions written into segmentation nodes, around what must stay as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from numpy.typing import NDArray
from scene_nodes import (
    draw,
    drawn_phantom,
    ijk_to_ras,
    make_surfaces_the_source,
    mask_of,
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
from FUNetSegmentationLib.scene.labels import read_labels
from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation
from FUNetSegmentationLib.scene.structures import ensure_segments
from FUNetSegmentationLib.scene.writing import WritingReport, write_prediction

from phantoms import SEGMENTS, all_storages, axial_grid, oblique_grid, phantom_labels

COMPLETED = slicer.vtkSlicerSegmentationsModuleLogic.Completed


def _write(
    node: Any, labels: NDArray[Any], ids: dict[int, str], volume_node: Any, **options: Any
) -> WritingReport:
    return write_prediction(
        node, labels, ids, volume_node, **{"protected_slices": (), "axis": 0, **options}
    )


def _prediction(grid: Geometry | None = None) -> NDArray[np.uint8]:
    """Other labels than the phantom's: each structure one row further, the third gone."""
    labels = np.roll(phantom_labels(grid or axial_grid()).array, 1, axis=1)
    return np.where(labels == 3, 0, labels).astype(np.uint8)


@pytest.mark.parametrize("grid", [*list(all_storages(axial_grid()))[::7], oblique_grid()])
def test_the_whole_prediction_is_written(scene: Any, grid: Geometry) -> None:
    volume_node, node, ids = drawn_phantom(scene, grid)
    old, new = phantom_labels(grid).array, _prediction(grid)
    report = _write(node, new, ids, volume_node)
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, new)
    assert report == WritingReport(int((old != new).sum()), 0)
    assert node.GetSegmentation().GetNumberOfLayers() == 1  # as it was
    for value in (1, 2):  # on the lattice of the volume
        np.testing.assert_array_equal(mask_of(node, ids[value], volume_node), new == value)


def test_writing_the_same_again_changes_nothing(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    events: list[str] = []
    node.GetSegmentation().AddObserver("AnyEvent", lambda _caller, event: events.append(event))
    report = _write(node, phantom_labels(axial_grid()).array, ids, volume_node)
    assert report == WritingReport(0, 0)
    assert events == []


def test_an_empty_prediction_empties_the_segments(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    _write(node, np.zeros(axial_grid().shape, np.uint8), ids, volume_node)
    assert not read_labels(node, ids, volume_node).labels.any()
    assert list(ids.values()) == list(node.GetSegmentation().GetSegmentIDs())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_protected_slices_stay(scene: Any, axis: int) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    old, new = phantom_labels(axial_grid()).array, _prediction()
    _write(node, new, ids, volume_node, protected_slices=(4, 7), axis=axis)
    expected = new.copy()
    for index in (4, 7):
        np.moveaxis(expected, axis, 0)[index] = np.moveaxis(old, axis, 0)[index]
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, expected)


def test_only_the_wanted_slices_are_written(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    old, new = phantom_labels(axial_grid()).array, _prediction()
    report = _write(node, new, ids, volume_node, only_slices=[5, 6], protected_slices=[6])
    expected = old.copy()
    expected[5] = new[5]
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, expected)
    assert report == WritingReport(int((old[5] != new[5]).sum()), 0)


def test_overlaps_stay_in_protected_slices_and_go_in_others(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    old = phantom_labels(axial_grid()).array
    both = old > 0
    set_labelmap(node, ids[3], both, ijk_to_ras(volume_node))
    new = _prediction()
    _write(node, new, ids, volume_node, protected_slices=[5])
    np.testing.assert_array_equal(mask_of(node, ids[3], volume_node)[5], both[5])
    labels = read_labels(node, ids, volume_node).labels
    assert (labels[5] == 255).any()
    np.testing.assert_array_equal(np.delete(labels, 5, 0), np.delete(new, 5, 0))


def test_segments_of_others_are_never_touched(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    segmentation = node.GetSegmentation()
    tumour = segmentation.AddEmptySegment("tumour", "Tumour")
    drawn = np.zeros(axial_grid().shape, bool)
    drawn[2:9, 3:10, 2:12] = True
    set_labelmap(node, tumour, drawn, ijk_to_ras(volume_node), others=[])
    segmentation.CollapseBinaryLabelmaps(False)
    new = _prediction()
    assert (drawn & (new > 0)).any() and (drawn & (phantom_labels(axial_grid()).array > 0)).any()
    _write(node, new, ids, volume_node)
    np.testing.assert_array_equal(mask_of(node, tumour, volume_node), drawn)
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, new)


def test_a_segment_sharing_the_image_is_not_touched(scene: Any) -> None:
    """Segments that are added in the Segment Editor share the image of the others."""
    volume_node, node, ids = drawn_phantom(scene)
    segmentation = node.GetSegmentation()
    tumour = segmentation.AddEmptySegment("tumour", "Tumour")
    assert segmentation.GetNumberOfLayers() == 1
    old, new = phantom_labels(axial_grid()).array, _prediction()
    drawn = (old == 0) & (new == 1)
    drawn |= np.roll(old == 2, 6, axis=2) & (old == 0)
    set_labelmap(node, tumour, drawn, ijk_to_ras(volume_node))
    assert segmentation.GetNumberOfLayers() == 1
    _write(node, new, ids, volume_node)
    np.testing.assert_array_equal(mask_of(node, tumour, volume_node), drawn)
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, new)


@pytest.mark.parametrize("value", [1, 2, 3])
def test_a_completed_segment_stays_and_nobody_gets_its_voxels(scene: Any, value: int) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    old, new = phantom_labels(axial_grid()).array, _prediction()
    segment = node.GetSegmentation().GetSegment(ids[value])
    slicer.vtkSlicerSegmentationsModuleLogic.SetSegmentStatus(segment, COMPLETED)
    locked = (old == value) | (new == value)
    middle = np.flatnonzero((locked & (old != new)).any(axis=(1, 2)))[1]
    report = _write(node, new, ids, volume_node, protected_slices=[middle])
    stays = locked.copy()
    stays[middle] = True
    np.testing.assert_array_equal(
        read_labels(node, ids, volume_node).labels, np.where(stays, old, new)
    )
    locked[middle] = False
    assert report.kept_voxels == (locked & (old != new)).sum() > 0
    assert report.changed_voxels == (~stays & (old != new)).sum()


def test_voxels_of_somebody_elses_completed_segment_are_left_alone(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    tumour = node.GetSegmentation().AddEmptySegment("tumour", "Tumour")
    drawn = np.zeros(axial_grid().shape, bool)
    drawn[2:9, 3:10, 2:12] = True
    set_labelmap(node, tumour, drawn, ijk_to_ras(volume_node))
    segment = node.GetSegmentation().GetSegment(tumour)
    slicer.vtkSlicerSegmentationsModuleLogic.SetSegmentStatus(segment, COMPLETED)
    old, new = phantom_labels(axial_grid()).array, _prediction()
    _write(node, new, ids, volume_node)
    labels = read_labels(node, ids, volume_node).labels
    np.testing.assert_array_equal(labels, np.where(drawn, old, new))
    np.testing.assert_array_equal(mask_of(node, tumour, volume_node), drawn)


@pytest.mark.parametrize("status", ["NotStarted", "InProgress", "Flagged"])
def test_other_statuses_do_not_lock(scene: Any, status: str) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(node.GetSegmentation().GetSegment(ids[1]), getattr(logic, status))
    _write(node, _prediction(), ids, volume_node)
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, _prediction())


def test_names_colours_visibility_and_order_stay(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    segmentation = node.GetSegmentation()
    segmentation.GetSegment(ids[1]).SetName("mine")
    segmentation.GetSegment(ids[1]).SetColor(0.5, 0.25, 0.125)
    node.GetDisplayNode().SetSegmentVisibility(ids[2], False)
    _write(node, _prediction(), ids, volume_node)
    assert segmentation.GetSegment(ids[1]).GetName() == "mine"
    assert segmentation.GetSegment(ids[1]).GetColor() == (0.5, 0.25, 0.125)
    assert not node.GetDisplayNode().GetSegmentVisibility(ids[2])
    assert list(segmentation.GetSegmentIDs()) == list(ids.values())


def test_surfaces_that_are_shown_are_made_again(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    node.CreateClosedSurfaceRepresentation()

    def bounds(value: int) -> list[float]:
        surface = node.GetClosedSurfaceInternalRepresentation(ids[value])
        return [] if surface is None else list(surface.GetBounds())

    before = bounds(1)
    labels = np.zeros(axial_grid().shape, np.uint8)
    labels[7:9, 3:7, 8:12] = 1
    _write(node, labels, ids, volume_node)
    after = bounds(1)
    assert node.GetSegmentation().ContainsRepresentation("Closed surface")
    assert np.abs(np.subtract(before, after)).max() > 3
    points = np.array([[8, 3, 7, 1], [11, 6, 8, 1]]) @ ijk_to_ras(volume_node)[:3].T
    expected = np.sort(points, axis=0).T.ravel()
    np.testing.assert_allclose(after, expected, atol=1.2)


def test_a_new_node_may_show_surfaces_before_it_has_segments(scene: Any) -> None:
    volume_node = volume_of(scene)
    node = create_segmentation(volume_node, "s")
    node.CreateClosedSurfaceRepresentation()
    ids = ensure_segments(node, SEGMENTS)
    labels = phantom_labels(axial_grid()).array
    _write(node, labels, ids, volume_node)
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, labels)


@pytest.mark.parametrize("move", [under_bent_space, lambda *nodes: under(turned(), *nodes)])
def test_under_a_shared_transform_the_voxels_are_the_volumes(scene: Any, move: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    move(volume_node, node)
    _write(node, _prediction(), ids, volume_node)
    np.testing.assert_array_equal(mask_of(node, ids[1], volume_node), _prediction() == 1)


def test_a_node_made_under_bent_space_is_written(scene: Any) -> None:
    volume_node = volume_of(scene)
    under_bent_space(volume_node)
    node = create_segmentation(volume_node, "s")
    ids = ensure_segments(node, SEGMENTS)
    _write(node, _prediction(), ids, volume_node)
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, _prediction())


def test_bent_space_between_the_nodes_is_refused(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    under_bent_space(node)
    with pytest.raises(InputError, match="bends space"):
        _write(node, _prediction(), ids, volume_node)


FINER = axial_grid((22, 28, 34), (0.55, 0.95, 1.05))


def _finer_segmentation(scene: Any) -> tuple[Any, Any, dict[int, str]]:
    """A volume, and a segmentation that was drawn on voxels of half the size."""
    node, ids = segmentation_of(scene, volume_of(scene, FINER), phantom_labels(FINER))
    return volume_of(scene), node, ids


def test_a_finer_segmentation_keeps_its_grid(scene: Any) -> None:
    volume_node, node, ids = _finer_segmentation(scene)
    new = _prediction()
    _write(node, new, ids, volume_node)
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, new)
    on_finer = read_labels(node, ids, volume_of(scene, FINER)).labels
    np.testing.assert_array_equal(on_finer, new.repeat(2, 0).repeat(2, 1).repeat(2, 2))
    image = node.GetSegmentation().GetSegment(ids[1]).GetRepresentation("Binary labelmap")
    np.testing.assert_allclose(image.GetSpacing(), (0.55, 0.95, 1.05))


def test_protected_slices_of_a_finer_segmentation_keep_every_voxel(scene: Any) -> None:
    volume_node, node, ids = _finer_segmentation(scene)
    on_finer = volume_of(scene, FINER)
    thin = np.zeros(FINER.shape, bool)
    thin[10, 4:20, 11] = True  # less than a voxel of the volume
    set_labelmap(node, ids[3], thin, ijk_to_ras(on_finer))
    before = read_labels(node, ids, on_finer).labels
    _write(node, _prediction(), ids, volume_node, protected_slices=[5])
    after = read_labels(node, ids, on_finer).labels
    np.testing.assert_array_equal(after[10:12], before[10:12])
    assert (after[10:12] >= 3).any()
    assert (after[8:10] != before[8:10]).any()


def test_what_lies_outside_the_volume_stays(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    mask = np.ones((4, 4, 4), bool)
    corner = ijk_to_ras(volume_node)
    corner[:, 3] = corner @ [-2, -3, -1, 1]
    set_labelmap(node, ids[1], mask, corner)
    _write(node, _prediction(), ids, volume_node)
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, _prediction())
    beyond = volume_of(scene, axial_grid((4, 4, 4)))
    beyond.SetIJKToRASMatrix(vtk_matrix(corner))
    kept = read_labels(node, {1: ids[1]}, beyond).labels
    expected = mask.copy()
    expected[1:, 3:, 2:] = _prediction()[:3, :1, :2] == 1
    np.testing.assert_array_equal(kept, expected)


def test_an_empty_node_with_another_reference_geometry_uses_that(scene: Any) -> None:
    """So that the Segment Editor, which works on the reference geometry, resamples nothing."""
    node = create_segmentation(volume_of(scene, FINER), "s")
    volume_node = volume_of(scene)
    ids = ensure_segments(node, SEGMENTS)
    _write(node, _prediction(), ids, volume_node)
    image = node.GetSegmentation().GetSegment(ids[1]).GetRepresentation("Binary labelmap")
    np.testing.assert_allclose(image.GetSpacing(), (0.55, 0.95, 1.05))
    np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, _prediction())


def test_a_node_without_reference_geometry_gets_the_voxels_of_the_volume(scene: Any) -> None:
    volume_node = volume_of(scene, oblique_grid())
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "bare")
    ids = ensure_segments(node, SEGMENTS)
    labels = phantom_labels(oblique_grid()).array
    _write(node, labels, ids, volume_node)
    np.testing.assert_array_equal(mask_of(node, ids[1], volume_node), labels == 1)


def test_a_segmentation_of_surfaces_is_refused(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    node.CreateClosedSurfaceRepresentation()
    make_surfaces_the_source(node)
    with pytest.raises(InputError, match=r"segmentation.*surfaces.*Binary labelmap"):
        _write(node, _prediction(), ids, volume_node)


def test_labels_of_another_size_are_refused(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    with pytest.raises(InputError, match=r"brain.*another size"):
        _write(node, _prediction()[1:], ids, volume_node)


def test_a_segment_that_was_removed_meanwhile_is_left_out(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    node.GetSegmentation().RemoveSegment(ids[2])
    _write(node, _prediction(), ids, volume_node)
    left = {value: segment_id for value, segment_id in ids.items() if value != 2}
    expected = np.where(_prediction() == 2, 0, _prediction())
    np.testing.assert_array_equal(read_labels(node, left, volume_node).labels, expected)


def test_drawing_twice_leaves_the_second(scene: Any) -> None:
    volume_node, node, ids = drawn_phantom(scene)
    for labels in (_prediction(), phantom_labels(axial_grid()).array):
        draw(node, volume_node, ids, labels)
        np.testing.assert_array_equal(read_labels(node, ids, volume_node).labels, labels)
