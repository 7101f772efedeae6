"""A new model from a few drawn slices: from the console, in the real worker."""

from __future__ import annotations

import numpy as np
import pytest
from logic_tools import pump_until
from scene_nodes import paint, segmentation_of, volume_of
from threshold_models import SEGMENTS, boxes, image, labels_of

from funet.errors import InputError
from funet.images.geometry import SLICE_AXES, Geometry
from funet.images.segmentations import LabelMap, Segment
from funet.models.store import ModelStore
from FUNetSegmentationLib.scene.history import ReviewHistory
from FUNetSegmentationLib.workflow.retraining import Annotated
from FUNetSegmentationLib.workflow.task import Task
from FUNetSegmentationLib.workflow.training import TrainingOptions, train_steps

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
def test_the_plane_is_the_one_that_was_drawn_in(own_logic, scene, plane):
    middle = {"axial": (5, 6), "coronal": (6, 7), "sagittal": (10, 11)}[plane]
    volume_node, node = drawn_in(scene, plane, *middle)
    if plane == "sagittal":  # no sagittal slice shows both boxes
        node.GetSegmentation().RemoveSegment(node.GetSegmentation().GetNthSegmentID(0))
    info = own_logic.trainNewModel(volume_node, node, "Boxes again", **SHORT)
    trained = manifest(own_logic, info.id)
    assert trained.preprocessing.slice_axis == plane
    assert trained.training["samples"] == 2
    assert trained.preprocessing.spacing is not None


def first_job(volume_node, node, folder):
    """What is asked of the worker, and the task that takes the notes."""
    task = Task("train", "Training", lambda _task: iter(()))
    steps = train_steps(
        task,
        [Annotated(node, volume_node)],
        TrainingOptions("New"),
        store=ModelStore(folder),
        describe=str,
    )
    return next(steps), task


def lesion_in(scene, slices, spacing=(1.0, 1.0, 1.0)):
    """A lesion six pixels wide, drawn in some axial slices."""
    shape = (32, 40, 40)
    grid = Geometry(shape, spacing, axial_grid().origin, axial_grid().direction)
    volume_node = volume_of(scene, grid, np.zeros(shape, np.float32))
    labels = np.zeros(shape, np.uint8)
    labels[list(slices), 20:26, 20:26] = 1
    segments = (Segment(1, "Lesion", (200, 0, 0)),)
    node, _ids = segmentation_of(scene, volume_node, LabelMap(labels, grid, segments))
    return volume_node, node


def test_many_slices_apart_are_of_the_plane_that_was_drawn_in(scene, tmp_path):
    drawn = [4, 7, 10, 13, 16, 19, 22, 25]  # more than the lesion has pixels across
    step, task = first_job(*lesion_in(scene, drawn), tmp_path)
    assert step.arguments["preprocessing"]["slice_axis"] == "axial"
    assert step.arguments["cases"][0]["slices"] == drawn
    assert task.notes == ["It learned from 8 axial slices."]


def test_accepted_slices_do_not_turn_the_plane(scene, tmp_path):
    volume_node, node = lesion_in(scene, (4, 8, 12), spacing=(0.5, 0.5, 5.0))
    for index in (0, 1, 20, 22):
        ReviewHistory(node).set_state(index, "accepted")
    step, _ = first_job(volume_node, node, tmp_path)
    assert step.arguments["preprocessing"]["slice_axis"] == "axial"
    assert step.arguments["cases"][0]["slices"] == [0, 1, 4, 8, 12, 20, 22]


def test_a_drawing_beside_the_volume_teaches_nothing(scene, tmp_path):
    _, node = lesion_in(scene, (4, 8))
    origin = tuple(place + 500 for place in axial_grid().origin)
    grid = Geometry((8, 10, 10), (1.0, 1.0, 1.0), origin, axial_grid().direction)
    elsewhere = volume_of(scene, grid, np.zeros(grid.shape, np.float32))
    with pytest.raises(InputError, match="can teach a new model"):
        first_job(elsewhere, node, tmp_path)


def test_slices_teach_only_if_every_structure_was_drawn_or_judged_in_them(
    own_logic, scene, tmp_path
):
    volume_node = volume_of(scene, array=image())
    node = own_logic.segment(volume_node, "boxes", device="cpu")
    paint(node, node.GetSegmentation().GetNthSegmentID(0), volume_node, 0, 3)
    added = node.GetSegmentation().AddEmptySegment("", "Red nucleus")
    for index in (5, 6):
        paint(node, added, volume_node, 0, index)
    with pytest.raises(InputError, match=r"3 slices of .* only some of the structures"):
        first_job(volume_node, node, tmp_path)
    own_logic.acceptSlice(node, 5)
    step, task = first_job(volume_node, node, tmp_path)
    assert step.arguments["cases"][0]["slices"] == [5]
    assert any("2 slices of" in note for note in task.notes)


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
