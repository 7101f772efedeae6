"""A new model from a few drawn slices: from the console, in the real worker."""

from __future__ import annotations

import numpy as np
import pytest
from logic_tools import pump_until
from scene_nodes import paint, segmentation_of, volume_of
from threshold_models import SEGMENTS, boxes, image, labels_of

from funet.errors import InputError
from funet.images.geometry import SLICE_AXES
from funet.images.segmentations import LabelMap
from funet.models.store import ModelStore

from phantoms import all_storages, axial_grid

SHORT = {"epochs": 1, "device": "cpu"}
AXIS = {"axial": 0, "coronal": 1, "sagittal": 2}


def drawn_in(scene, plane, *slices, grid=None, segments=SEGMENTS):
    """The boxes drawn in a few slices of one plane; one that shows both is wanted."""
    grid = grid or axial_grid()
    volume_node = volume_of(scene, grid, image(grid))
    labels = np.zeros_like(boxes(grid))
    index = [slice(None)] * 3
    index[AXIS[plane]] = list(slices)
    labels[tuple(index)] = boxes(grid)[tuple(index)]
    node, _ids = segmentation_of(scene, volume_node, LabelMap(labels, grid, segments))
    return volume_node, node


def manifest(logic, model_id):
    return next(one for one in ModelStore(logic.modelsFolder).list() if one.id == model_id)


def test_a_model_trained_on_a_drawing_can_segment_it_next(own_logic, scene):
    volume_node, node = drawn_in(scene, "axial", 5, 6)
    metrics = []
    info = own_logic.trainNewModel(
        volume_node, node, "Two boxes", **SHORT, metricCallback=metrics.append
    )
    assert (info.id, info.name, info.active) == ("two-boxes", "Two boxes", True)
    assert info.structures == tuple(segment.name for segment in SEGMENTS)
    assert {"epoch", "training_loss", "validation_dice"} <= metrics[-1].keys()
    drawn = labels_of(node, volume_node)[[5, 6]]
    own_logic.segment(volume_node, info.id, segmentationNode=node, device="cpu")
    assert node.GetSegmentation().GetNumberOfSegments() == 2
    np.testing.assert_array_equal(labels_of(node, volume_node)[[5, 6]], drawn)


@pytest.mark.parametrize("plane", SLICE_AXES)
def test_the_plane_is_the_one_in_which_the_fewest_slices_are_drawn(own_logic, scene, plane):
    middle = {"axial": (5, 6), "coronal": (6, 7), "sagittal": (10, 11)}[plane]
    volume_node, node = drawn_in(scene, plane, *middle)
    if plane == "sagittal":  # no sagittal slice shows both boxes
        node.GetSegmentation().RemoveSegment(node.GetSegmentation().GetNthSegmentID(0))
    info = own_logic.trainNewModel(volume_node, node, "Boxes again", **SHORT)
    trained = manifest(own_logic, info.id)
    assert trained.preprocessing.slice_axis == plane
    assert trained.training["samples"] == 2
    assert trained.preprocessing.spacing is not None


def test_only_corrected_slices_of_a_prediction_teach(own_logic, scene):
    volume_node = volume_of(scene, array=image())
    node = own_logic.segment(volume_node, "boxes", device="cpu")
    with pytest.raises(InputError, match="correct or accept slices"):
        own_logic.trainNewModel(volume_node, node, "Boxes again")
    own_logic.acceptSlice(node, 5)
    paint(node, node.GetSegmentation().GetNthSegmentID(0), volume_node, 0, 6)
    info = own_logic.trainNewModel(volume_node, node, "Boxes again", **SHORT)
    trained = manifest(own_logic, info.id)
    assert (trained.preprocessing.slice_axis, trained.training["samples"]) == ("axial", 2)


def test_several_subjects_in_any_orientation_train_together(own_logic, scene):
    other = list(all_storages(axial_grid()))[13]
    pairs = [drawn_in(scene, "axial", 5, 6)]
    volume_node = volume_of(scene, other, image(other), name="other")
    node, _ids = segmentation_of(scene, volume_node, LabelMap(boxes(other), other, SEGMENTS))
    pairs.append((volume_node, node))
    volumes, nodes = zip(*pairs, strict=True)
    info = own_logic.trainNewModel(volumes, nodes, "Boxes again", slicePlane="axial", **SHORT)
    subjects = manifest(own_logic, info.id).training["subjects"]
    assert {subject.split(" [")[0] for subject in subjects} == {"brain", "other"}


def test_a_structure_that_one_subject_lacks_is_refused_by_name(own_logic, scene):
    first, second = (drawn_in(scene, "axial", 5, 6) for _ in range(2))
    second[1].GetSegmentation().RemoveSegment(second[1].GetSegmentation().GetNthSegmentID(1))
    with pytest.raises(InputError, match="has no segment Small box, which another"):
        own_logic.trainNewModel([first[0], second[0]], [first[1], second[1]], "Boxes again")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": " "}, "Give the new model a name"),
        ({"slicePlane": "oblique"}, "must be one of axial, coronal, sagittal"),
    ],
)
def test_settings_that_make_no_sense_are_sentences(own_logic, scene, change, sentence):
    volume_node, node = drawn_in(scene, "axial", 5)
    arguments = {"name": "Boxes again"} | change
    with pytest.raises(InputError, match=sentence):
        own_logic.trainNewModel(volume_node, node, **arguments)


def test_an_empty_drawing_and_equal_names_are_sentences(own_logic, scene):
    volume_node, node = drawn_in(scene, "axial")
    with pytest.raises(InputError, match="Nothing is drawn in segmentation"):
        own_logic.trainNewModel(volume_node, node, "Boxes again")
    volume_node, node = drawn_in(scene, "axial", 5)
    node.GetSegmentation().GetNthSegment(1).SetName("LARGE BOX")
    with pytest.raises(InputError, match="have the same name"):
        own_logic.trainNewModel(volume_node, node, "Boxes again")


def test_a_training_is_cancelled_within_two_seconds_and_leaves_no_model(own_logic, runner, scene):
    volume_node, node = drawn_in(scene, "axial", 5, 6)
    task = own_logic.trainNewModel(
        volume_node, node, "Boxes again", epochs=10_000, device="cpu", waitForCompletion=False
    )
    pump_until(runner, lambda: task.progress.fraction > 0)
    own_logic.cancel()
    assert pump_until(runner, lambda: task.finished) < 2
    assert "boxes-again" not in [info.id for info in own_logic.models()]
