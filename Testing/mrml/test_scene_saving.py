"""Saving the scene, closing it, and going on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from review_cases import DOUBT, FIRST, SECOND, Case, new_case
from scene_nodes import new_scene, paint, turned, under, volume_of

from FUNetSegmentationLib.scene.editing import UndoStore
from FUNetSegmentationLib.scene.history import ReviewHistory
from FUNetSegmentationLib.scene.labels import read_labels
from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation
from FUNetSegmentationLib.scene.structures import ensure_segments, segments_of_model

from phantoms import SEGMENTS


@pytest.fixture
def reviewed(scene: Any) -> Case:
    """A case in the middle of the work: updated once, with slices in all states."""
    case = new_case(volume_of(scene, name="bräin 脳"), 'my; segmentation: "a"=<b>')
    case.predict()
    case.paint(6)
    case.predict(SECOND, "m-2")
    case.history.set_state(3, "accepted")
    case.paint(8, 2, erase=True)
    return case


def _as_bundle(scene: Any, folder: Path) -> Path:
    path = folder / "scene.mrb"
    assert scene.WriteToMRB(str(path))
    return path


def _as_files(scene: Any, folder: Path) -> Path:
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLStorableNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLStorableNode")
        node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        suffix = storage.GetDefaultWriteFileExtension()
        storage.SetFileName(str(folder / f"{node.GetID()}.{suffix}"))
        assert storage.WriteData(node)
    scene.SetURL(str(folder / "scene.mrml"))
    scene.SetRootDirectory(str(folder))
    assert scene.Commit()
    return folder / "scene.mrml"


def _reopened(path: Path) -> Any:
    scene = new_scene()
    if path.suffix == ".mrb":
        path = Path(scene.UnpackSlicerDataBundle(str(path), str(path.parent)))
    scene.SetURL(str(path))
    assert scene.Connect()
    return scene


@pytest.mark.parametrize("save", [_as_bundle, _as_files])
def test_work_goes_on_where_it_was(reviewed: Case, tmp_path: Path, save: Any) -> None:
    labels = read_labels(reviewed.node, reviewed.history.segment_ids, reviewed.volume).labels
    states = {3: "accepted", 6: "corrected", 8: "corrected"}
    assert reviewed.history.states() == states
    path = save(reviewed.node.GetScene(), tmp_path)
    reviewed.node.GetScene().Clear(0)

    scene = _reopened(path)
    node = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    volume_node = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    history = ReviewHistory(node)
    assert node.GetName() == 'my; segmentation: "a"=<b>'
    assert history.volume_node is volume_node
    assert (history.model, history.plane, history.slice_axis) == ("m-2", "axial", 0)
    assert history.doubt == DOUBT
    assert history.states() == states
    found = segments_of_model(node, SEGMENTS)
    assert found == history.segment_ids
    np.testing.assert_array_equal(read_labels(node, found, volume_node).labels, labels)

    again = Case(volume=volume_node, node=node, undo=UndoStore())
    again.predict(FIRST, "m-3")
    assert again.history.states() == states
    assert again.undo.undo(node)
    assert again.history.model == "m-2"


@pytest.mark.parametrize("save", [_as_bundle, _as_files])
def test_parent_transforms_survive(reviewed: Case, tmp_path: Path, save: Any) -> None:
    under(turned(), reviewed.volume, reviewed.node)
    before = reviewed.history.states()
    scene = _reopened(save(reviewed.node.GetScene(), tmp_path))
    node = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert node.GetParentTransformNode() is not None
    assert ReviewHistory(node).states() == before


def test_an_empty_false_positive_stays_corrected_on_disk(
    scene: Any, case: Case, tmp_path: Path
) -> None:
    """Segments without voxels have no image in the file."""
    labels = np.zeros_like(FIRST)
    labels[5, 3:6, 4:9] = 2
    case.predict(labels)
    case.paint(5, 2, erase=True)
    reopened = _reopened(_as_bundle(scene, tmp_path))
    history = ReviewHistory(reopened.GetFirstNodeByClass("vtkMRMLSegmentationNode"))
    assert history.model == "m-1"
    assert history.states() == {5: "corrected"}


def test_a_scene_added_to_another_keeps_the_right_volume(reviewed: Case, tmp_path: Path) -> None:
    """Nodes get other IDs when a scene is added to one that has nodes of the same IDs."""
    scene = reviewed.node.GetScene()
    path = _as_files(scene, tmp_path)
    scene.SetURL(str(path))
    assert scene.Import()
    nodes = scene.GetNodesByClass("vtkMRMLSegmentationNode")
    assert nodes.GetNumberOfItems() == 2
    histories = [ReviewHistory(nodes.GetItemAsObject(number)) for number in range(2)]
    assert histories[0].volume_node is not histories[1].volume_node
    assert histories[0].states() == histories[1].states() != {}


def test_a_segmentation_drawn_by_hand_keeps_its_marks(scene: Any, tmp_path: Path) -> None:
    volume_node = volume_of(scene)
    node = create_segmentation(volume_node, "s")
    ids = ensure_segments(node, SEGMENTS[:1])
    paint(node, ids[1], volume_node, 0, 4)
    paint(node, ids[1], volume_node, 0, 5)
    ReviewHistory(node).set_state(9, "accepted")
    reopened = _reopened(_as_bundle(scene, tmp_path))
    history = ReviewHistory(reopened.GetFirstNodeByClass("vtkMRMLSegmentationNode"))
    assert history.states() == {4: "corrected", 5: "corrected", 9: "accepted"}


def test_a_segmentation_file_alone_is_a_drawing(reviewed: Case, tmp_path: Path, scene: Any) -> None:
    """The tags of the segments are in the file, but what they refer to stays in the scene."""
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(tmp_path / "s.seg.nrrd"))
    assert storage.WriteData(reviewed.node)
    loaded = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "loaded")
    assert storage.ReadData(loaded)
    history = ReviewHistory(loaded)
    assert history.model is None
    history.use_slices(volume_node=reviewed.volume, slice_axis=0)
    assert len(history.corrected()) > 3
