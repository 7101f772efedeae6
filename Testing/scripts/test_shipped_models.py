"""The shipped models load, are small, say what they are, and find their structures."""

from __future__ import annotations

from pathlib import Path

import pytest
from split import read_split

from funet.evaluation.metrics import dice
from funet.images.volumes import read_label_map, read_volume
from funet.models.locations import default_shipped_folder
from funet.models.model import load_model, load_samples_of
from funet.prediction.inference import Predictor

SHIPPED = ("hippocampus-t1", "midbrain-t1")
LARGEST_FOLDER = 10 * 2**20


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_complete_and_small(name: str) -> None:
    folder = default_shipped_folder() / name
    model = load_model(folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= LARGEST_FOLDER
    assert model.manifest.id == model.manifest.family == name
    assert model.manifest.licence
    assert "not for clinical use" in model.manifest.description
    assert all(segment.terminology for segment in model.manifest.segments)
    phantoms = load_samples_of(model)
    assert phantoms
    # Averages of several; nobody's own image travels with it.
    assert all(" + " in phantom.subject for phantom in phantoms)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_learned_from_none_of_its_test_subjects(name: str) -> None:
    manifest = load_model(default_shipped_folder() / name).manifest
    split = read_split(name.partition("-")[0])
    assert set(manifest.training["subjects"]) == set(split.train)


@pytest.mark.parametrize(("name", "least"), [("hippocampus-t1", 0.8), ("midbrain-t1", 0.7)])
def test_a_shipped_model_finds_its_structures_in_a_subject_that_it_never_saw(
    name: str, least: float, shared_data: Path
) -> None:
    study = name.partition("-")[0]
    file = f"{read_split(study).test[0]}.nii.gz"
    model = load_model(default_shipped_folder() / name)
    prediction = Predictor(model).predict(read_volume(shared_data / study / "images" / file))
    reference = read_label_map(shared_data / study / "labels" / file).array
    for segment in model.manifest.segments:
        assert dice(prediction.label_map.array, reference, segment.value) > least
