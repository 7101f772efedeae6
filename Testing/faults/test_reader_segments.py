"""What readers do with segments, grids and slices: told, resampled or refused, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import NAMES, Shell, one_sentence, train_words
from numpy.typing import NDArray
from scene_content import scene_content
from scene_nodes import mask_of, paint, segmentation_of, volume_of
from sentences import assert_plain
from studies import subject_grid, two_structures, write_labels, write_study
from threshold_models import SEGMENTS, boxes, image, labels_of

from funet.errors import InputError
from funet.images.geometry import Geometry
from funet.images.segmentations import LabelMap
from funet.models.model import load_model, load_samples_of
from FUNetSegmentationLib.workflow.logic import SegmentationLogic

from phantoms import axial_grid, stored_otherwise

FEW_STEPS = {"steps": 2, "device": "cpu", "update": False}


@pytest.fixture
def a_volume(scene: Any) -> Any:
    return volume_of(scene, array=image())


@pytest.fixture
def a_prediction(own_logic: SegmentationLogic, a_volume: Any) -> Any:
    return own_logic.segment(a_volume, "boxes", device="cpu")


def segment_id(node: Any, number: int = 0) -> str:
    return node.GetSegmentation().GetNthSegmentID(number)


def taught(logic: SegmentationLogic, model_id: str) -> dict[int, NDArray[np.uint8]]:
    """The labels of the slices that a version keeps, by the index of the slice."""
    samples = load_samples_of(load_model(Path(logic.modelsFolder) / model_id))
    indices = [sample.slice_index for sample in samples]
    assert len(set(indices)) == len(indices), "a slice is kept twice"
    return {sample.slice_index: sample.labels for sample in samples}


# --- segments ------------------------------------------------------------------------------------


@pytest.mark.case(29)
def test_what_two_structures_claim_is_told_and_teaches_neither(
    own_logic: SegmentationLogic, scene: Any, a_volume: Any, a_prediction: Any
) -> None:
    for number in range(2):
        paint(a_prediction, segment_id(a_prediction, number), a_volume, 0, 4)
    masks = [mask_of(a_prediction, segment_id(a_prediction, n), a_volume) for n in range(2)]
    both = masks[0] & masks[1]
    assert both.any()
    before = scene_content(scene)
    result = own_logic.retrain(a_prediction, **FEW_STEPS)
    (said,) = [note for note in result.notes if "belong to more than one structure" in note]
    assert said.startswith(f"{np.count_nonzero(both)} voxels of")
    np.testing.assert_array_equal(taught(own_logic, result.model)[4] == 255, both[4])
    assert scene_content(scene) == before


@pytest.mark.case(29)
@pytest.mark.parametrize("change", ["hidden", "renamed", "names exchanged", "reordered"])
def test_segments_are_known_by_their_ids(
    own_logic: SegmentationLogic, a_volume: Any, a_prediction: Any, change: str
) -> None:
    paint(a_prediction, segment_id(a_prediction), a_volume, 0, 4)
    drawn = labels_of(a_prediction, a_volume)[4]
    segmentation = a_prediction.GetSegmentation()
    names = [segmentation.GetNthSegment(number).GetName() for number in range(2)]
    if change == "hidden":
        for number in range(2):
            a_prediction.GetDisplayNode().SetSegmentVisibility(
                segment_id(a_prediction, number), False
            )
    elif change == "reordered":
        segmentation.SetSegmentIndex(segment_id(a_prediction), 1)
    else:
        new = names[::-1] if change == "names exchanged" else ["Tumor", "中脑 🧠"]
        for number, name in enumerate(new):
            segmentation.GetNthSegment(number).SetName(name)
    result = own_logic.retrain(a_prediction, **FEW_STEPS)
    np.testing.assert_array_equal(taught(own_logic, result.model)[4], drawn)
    assert segmentation.GetNumberOfSegments() == 2


@pytest.mark.case(29)
def test_label_values_with_gaps_are_numbered_and_keep_their_names(
    tmp_path: Path, shell: Shell
) -> None:
    study = write_study(tmp_path / "study", 2)
    for number in range(2):
        grid = subject_grid(number)
        gaps = np.array([0, 3, 200], np.uint8)[two_structures(grid)]
        write_labels(study / "labels" / f"sub-{number:02}.nii.gz", gaps, grid)
    words = train_words(study, tmp_path / "model", "--epochs", "1")
    words[words.index(NAMES)] = "3=Large,200=Small"
    assert shell(*words) == 0, shell.err
    model = load_model(tmp_path / "model")
    named = {segment.value: segment.name for segment in model.manifest.segments}
    assert named == {1: "Large", 2: "Small"}
    kept = load_samples_of(model)
    counts = np.bincount(np.concatenate([sample.labels.ravel() for sample in kept]))
    expected = np.bincount(
        np.concatenate([two_structures(subject_grid(n)).ravel() for n in range(2)])
    )
    np.testing.assert_array_equal(counts[1:], expected[1:])
    words[words.index("3=Large,200=Small")] = NAMES
    words[words.index(str(tmp_path / "model"))] = str(tmp_path / "other")
    assert shell(*words) == 2
    assert_plain(one_sentence(shell.err).removeprefix("funet: "))
    assert not (tmp_path / "other").exists()


@pytest.mark.case(29)
def test_segments_of_a_file_that_overlap_are_told(scene: Any, tmp_path: Path, shell: Shell) -> None:
    study = write_study(tmp_path / "study", 1)
    volume_node = volume_of(scene, subject_grid(0))
    labels = LabelMap(two_structures(subject_grid(0)), subject_grid(0), SEGMENTS)
    node, ids = segmentation_of(scene, volume_node, labels)
    paint(node, ids[1], volume_node, 0, 4)
    paint(node, ids[2], volume_node, 0, 4)
    masks = [mask_of(node, ids[value], volume_node) for value in (1, 2)]
    (study / "labels" / "sub-00.nii.gz").unlink()
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(study / "labels" / "sub-00.seg.nrrd"))
    assert storage.WriteData(node)
    words = train_words(study, tmp_path / "model", "--epochs", "1")
    del words[words.index("--structures") : words.index("--structures") + 2]
    assert shell(*words) == 0, shell.err
    count = np.count_nonzero(masks[0] & masks[1])
    assert f"{count} voxels of" in shell.out + shell.err
    assert "belong to several segments" in shell.out + shell.err


# --- grids ---------------------------------------------------------------------------------------


def part_of(grid: Geometry, start: Sequence[int], counts: Sequence[int]) -> Geometry:
    """The grid from voxel (k, j, i) on; a negative start makes it larger."""
    origin = grid.affine @ [*reversed(start), 1]
    return replace(grid, shape=tuple(counts), origin=tuple(origin[:3].tolist()))


OTHER_GRIDS = {
    "finer": replace(
        axial_grid(),
        shape=(21, 27, 33),
        spacing=tuple(mm / 2 for mm in axial_grid().spacing),
    ),
    "smaller": part_of(axial_grid(), (2, 1, 1), (7, 12, 15)),
    "larger": part_of(axial_grid(), (-3, -2, -5), (16, 20, 24)),
    "other order": stored_otherwise(axial_grid(), (2, 0, 1), (True, False, True)),
}


@pytest.mark.case(30)
@pytest.mark.parametrize("grid", OTHER_GRIDS.values(), ids=OTHER_GRIDS.keys())
def test_a_segmentation_on_another_grid_teaches_what_it_shows(
    own_logic: SegmentationLogic, scene: Any, a_volume: Any, grid: Geometry
) -> None:
    drawing_board = volume_of(scene, grid)
    labels = LabelMap(boxes(grid), grid, SEGMENTS)
    node, _ids = segmentation_of(scene, drawing_board, labels)
    scene.RemoveNode(drawing_board)
    result = own_logic.retrain(node, "boxes", volumeNodes=a_volume, slices=[4, 5, 6], **FEW_STEPS)
    kept = taught(own_logic, result.model)
    for index in (4, 5, 6):
        np.testing.assert_array_equal(kept[index], boxes()[index])


@pytest.mark.case(30)
@pytest.mark.parametrize("name", ["finer", "larger", "shifted by half a voxel"])
def test_a_label_file_on_another_grid_is_refused(
    tmp_path: Path, shell: Shell, name: str, untouched: Callable[..., None]
) -> None:
    study = write_study(tmp_path / "study", 1)
    origin = tuple(o + 0.5 * mm for o, mm in zip(axial_grid().origin, (1.1, 0, 0), strict=True))
    grid = OTHER_GRIDS.get(name, replace(axial_grid(), origin=origin))
    write_labels(study / "labels" / "sub-00.nii.gz", boxes(grid), grid)
    untouched(study)
    assert shell(*train_words(study, tmp_path / "model")) == 2
    said = one_sentence(shell.err).removeprefix("funet: ")
    assert "lie on different grids" in said
    assert_plain(said)
    assert not (tmp_path / "model").exists()


# --- slices --------------------------------------------------------------------------------------


@pytest.mark.case(31)
def test_no_corrected_slice_is_refused_and_nothing_changes(
    own_logic: SegmentationLogic, scene: Any, a_prediction: Any, untouched: Callable[..., None]
) -> None:
    before = scene_content(scene)
    untouched(own_logic.modelsFolder)
    with pytest.raises(InputError, match="correct or accept at least one slice") as caught:
        own_logic.retrain(a_prediction)
    assert_plain(str(caught.value))
    assert scene_content(scene) == before


@pytest.mark.case(31)
@pytest.mark.parametrize("erase", [False, True], ids=["one slice", "one slice without anything"])
def test_one_corrected_slice_is_enough_even_if_it_is_empty(
    own_logic: SegmentationLogic, a_volume: Any, a_prediction: Any, erase: bool
) -> None:
    for number in range(2 if erase else 1):
        paint(a_prediction, segment_id(a_prediction, number), a_volume, 0, 5, erase=erase)
    drawn = labels_of(a_prediction, a_volume)[5]
    assert drawn.any() != erase
    result = own_logic.retrain(a_prediction, steps=2, device="cpu")
    assert (result.learned, result.heldOut) == (1, 0)
    np.testing.assert_array_equal(taught(own_logic, result.model)[5], drawn)
    np.testing.assert_array_equal(labels_of(a_prediction, a_volume)[5], drawn)


@pytest.mark.case(31)
def test_slices_edited_later_are_read_again_after_the_scene_was_saved_and_opened(
    own_logic: SegmentationLogic, scene: Any, a_volume: Any, a_prediction: Any, tmp_path: Path
) -> None:
    paint(a_prediction, segment_id(a_prediction), a_volume, 0, 4)
    own_logic.acceptSlice(a_prediction, 6)
    first = own_logic.retrain(a_prediction, **FEW_STEPS)
    (tmp_path / "saved").mkdir()
    assert scene.SaveSceneToSlicerDataBundleDirectory(str(tmp_path / "saved"), None)
    scene.Clear(0)
    scene.SetURL(str(next((tmp_path / "saved").glob("*.mrml"))))
    assert scene.Connect()
    node = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    volume_node = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    assert own_logic.correctedSlices(node) == (4,)
    assert own_logic.acceptedSlices(node) == (6,)

    paint(node, segment_id(node), volume_node, 0, 6)
    paint(node, segment_id(node), volume_node, 0, 4, erase=True)
    assert own_logic.correctedSlices(node) == (4, 6)
    assert own_logic.acceptedSlices(node) == ()
    second = own_logic.retrain(node, model=first.model, **FEW_STEPS)
    now, kept = labels_of(node, volume_node), taught(own_logic, second.model)
    assert second.model != first.model
    for index in (4, 6):
        np.testing.assert_array_equal(kept[index], now[index])
        assert not np.array_equal(kept[index], taught(own_logic, first.model)[index])
