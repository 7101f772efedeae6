"""The models on disk and many files, from the console."""

from __future__ import annotations

import pytest
from image_files import save, text_file
from logic_tools import pump_until
from scene_nodes import volume_of
from threshold_models import boxes, image

from funet.errors import InputError, ModelError
from funet.images.volumes import read_label_map

from phantoms import axial_grid


def ids(logic):
    return [info.id for info in logic.models()]


def test_shipped_and_own_models_are_listed_with_what_they_are(logic):
    models = {info.id: info for info in logic.models()}
    own, shipped = models["boxes"], models["midbrain-t1"]
    assert (own.shipped, shipped.shipped) == (False, True)
    assert own.structures == ("Large box", "Small box")
    assert (own.slicePlane, own.version, own.parent, own.active) == ("axial", 1, None, True)
    assert shipped.metrics[0]["name"]
    assert logic.model("boxes") == own


def test_a_damaged_model_is_listed_with_the_reason(own_logic):
    (own_logic.modelsFolder / "boxes" / "weights.safetensors").write_bytes(b"")
    listed = own_logic.models()
    assert "is missing or damaged" in listed[-1].damaged
    own_logic.deleteModel("boxes")
    assert "boxes" not in ids(own_logic)


def test_a_model_can_be_renamed_and_a_shipped_one_cannot(own_logic):
    assert own_logic.renameModel("boxes", " Kästchen ").name == "Kästchen"
    with pytest.raises(ModelError, match="came with the program"):
        own_logic.renameModel("midbrain-t1", "Mine")


def test_a_model_goes_out_and_comes_back_as_a_file(own_logic, tmp_path):
    path = tmp_path / "boxes é.zip"
    assert own_logic.exportModel("boxes", path) == str(path)
    own_logic.deleteModel("boxes")
    assert "boxes" not in ids(own_logic)
    assert own_logic.importModel(path).id == "boxes"
    with pytest.raises(ModelError, match="cannot be imported"):
        own_logic.importModel(text_file(tmp_path))


def test_a_version_can_be_activated(own_logic, scene):
    volume_node = volume_of(scene, array=image())
    node = own_logic.segment(volume_node, "boxes", device="cpu")
    own_logic.retrain(node, slices=[5], steps=2, device="cpu", update=False)
    assert own_logic.model("boxes.v2").active
    assert own_logic.activateModel("boxes").active
    assert not own_logic.model("boxes.v2").active
    assert own_logic.model("boxes.v2").parent == "boxes"
    assert own_logic.fittingModel(volume_node) == "boxes"
    own_logic.activateModel("boxes.v2")
    assert own_logic.rollBack(model="boxes").id == "boxes"


def test_rolling_back_nothing_in_particular_is_a_sentence(own_logic):
    with pytest.raises(InputError, match="No model is given"):
        own_logic.rollBack()


def test_the_folder_of_the_models_can_be_changed(own_logic, tmp_path):
    own_logic.modelsFolder = tmp_path / "elsewhere"
    assert "boxes" not in ids(own_logic)
    own_logic.modelsFolder = None
    assert own_logic.modelsFolder is None


def test_one_bad_file_does_not_stop_the_rest_and_a_rerun_skips_what_is_done(own_logic, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    good = save(folder / "good é.nii.gz", image(), axial_grid())
    bad = text_file(folder, "bad.nii.gz")
    told = []
    results = own_logic.segmentFiles(
        [good, bad], tmp_path / "out", model="boxes", device="cpu", fileCallback=told.append
    )
    assert [result.status for result in results] == ["failed", "done"]
    assert "bad.nii.gz" in results[0].message
    assert told == results
    assert (read_label_map(results[1].output).array == boxes()).all()
    again = own_logic.segmentFiles(str(folder), tmp_path / "out", model="boxes", device="cpu")
    assert [result.status for result in again] == ["skipped", "failed"]
    whole = own_logic.segmentFiles(
        folder / "good*", tmp_path / "out", model="boxes", resume=False, format="seg.nrrd"
    )
    assert whole[0].output.endswith("good é_boxes.seg.nrrd")


def test_a_batch_goes_on_when_the_scene_is_closed_and_can_be_cancelled(
    own_logic, runner, scene, tmp_path
):
    paths = [save(tmp_path / f"{n}.nrrd", image(), axial_grid()) for n in range(40)]
    task = own_logic.segmentFiles(
        paths, tmp_path / "out", model="boxes", device="cpu", waitForCompletion=False
    )
    pump_until(runner, lambda: task.progress.fraction > 0)
    scene.Clear(0)
    pump_until(runner, lambda: task.progress.fraction > 0.1)
    own_logic.cancel()
    assert pump_until(runner, lambda: task.finished) < 2
    assert task.state == "cancelled"


def test_a_wrong_format_and_no_file_are_sentences(own_logic, tmp_path):
    with pytest.raises(InputError, match="cannot be written as doc"):
        own_logic.segmentFiles([tmp_path / "x.nrrd"], tmp_path, model="boxes", format="doc")
    with pytest.raises(InputError, match="No image is given"):
        own_logic.segmentFiles([], tmp_path, model="boxes")
