"""The engine's jobs in a real child process, on arrays: segment, train, retrain, many files."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_manifest, tiny_network, tiny_samples
from worker_tools import TEST_ENVIRONMENT, pump_until, seconds_to_end

from funet.errors import InputError, ModelError
from funet.images.geometry import Geometry
from funet.images.preprocessing_settings import Preprocessing
from funet.images.volumes import LabelMap, read_label_map, write_label_map
from funet.models.model import Model
from funet.models.store import ModelStore
from funet.prediction.inference import Predictor
from funet.worker.client import WorkerClient
from funet.worker.handle import JobState
from funet.worker.transport import SubprocessTransport

from phantoms import SEGMENTS, axial_grid, phantom_labels, phantom_volume

GRID = axial_grid()
OPTIONS = {"epochs": 2, "steps_per_epoch": 3, "batch_size": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerClient]:
    transport = SubprocessTransport(environment=TEST_ENVIRONMENT)
    with WorkerClient(transport, temporary=tmp_path_factory.mktemp("worker")) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    store = ModelStore(tmp_path / "models")
    store.publish(tiny_manifest(preprocessing=Preprocessing()), tiny_network())
    return store


def described(grid: Geometry, name: str = "phantom") -> dict[str, object]:
    return {
        "name": name,
        "shape": grid.shape,
        "spacing": grid.spacing,
        "origin": grid.origin,
        "direction": grid.direction,
    }


def arguments(store: ModelStore, **more: object) -> dict[str, object]:
    return {"store": str(store.user_folder), "model": "tiny", "device": "cpu"} | more


def two_structures() -> np.ndarray:
    labels = phantom_labels(GRID).array
    return np.where(labels == 3, 0, labels).astype(np.uint8)


def case(number: int, **more: object) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    arrays = {
        f"volume-{number}": phantom_volume(GRID).array,
        f"labels-{number}": two_structures(),
    }
    return {"volume": described(GRID, f"phantom {number}")} | more, arrays


def test_a_volume_is_segmented_as_in_this_process(client, store):
    volume = phantom_volume(GRID)
    progress = []
    handle = client.submit(
        "segment",
        arguments(store, volume=described(GRID)),
        arrays={"volume": volume.array},
        on_progress=progress.append,
    )
    result = client.wait(handle, 60)
    expected = Predictor(store.load("tiny"), device="cpu").predict(volume)
    np.testing.assert_array_equal(handle.take_array(result["labels"]), expected.label_map.array)
    np.testing.assert_allclose(result["doubt"], expected.doubt, rtol=1e-2)
    assert result["segments"][0]["terminology"]["value"] == "61962009"
    assert (result["plane"], result["slice_axis"]) == ("axial", 0)
    assert progress[-1].fraction == 1


def test_slices_that_the_user_has_judged_are_passed_on(client, store):
    in_turn = tiny_manifest("in-turn", successive="coronal")
    store.publish(in_turn, tiny_network())
    volume = phantom_volume(GRID)
    known = np.full(GRID.shape, 255, np.uint8)
    known[4, :5], known[4, 5:] = 1, 2
    results = []
    for more in ({}, {"known": known}):
        handle = client.submit(
            "segment",
            arguments(store, model="in-turn", volume=described(GRID), known=bool(more)),
            arrays={"volume": volume.array} | more,
        )
        results.append(handle.take_array(client.wait(handle, 60)["labels"]))
    predictor = Predictor(store.load("in-turn"), device="cpu")
    expected = [predictor.predict(volume, known=one).label_map.array for one in (None, known)]
    np.testing.assert_array_equal(results, expected)
    assert not np.array_equal(*results)


def test_the_visible_slice_arrives_before_the_rest(client, store):
    events = []

    def on_metric(values):
        events.append((values["slice"], handle.take_array(values["labels"])))

    handle = client.submit(
        "segment",
        arguments(store, volume=described(GRID), first_slice=7),
        arrays={"volume": phantom_volume(GRID).array},
        on_metric=on_metric,
        on_progress=events.append,
    )
    result = client.wait(handle, 60)
    labels = handle.take_array(result["labels"])
    index, first = events[1]
    assert index == 7
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, labels.take(7, result["slice_axis"]))


def test_an_unknown_model_is_the_same_error_as_in_this_process(client, store):
    handle = client.submit(
        "segment",
        arguments(store, model="missing", volume=described(GRID)),
        arrays={"volume": phantom_volume(GRID).array},
    )
    with pytest.raises(ModelError, match="There is no model"):
        client.wait(handle, 60)


def test_corrected_slices_become_a_new_version_that_keeps_them(client, store):
    first, arrays = case(0, slices=[3, 5])
    metrics = []
    handle = client.submit(
        "fine_tune",
        arguments(store, cases=[first], options={"steps": 4, "device": "cpu"}),
        arrays=arrays,
        on_metric=metrics.append,
    )
    result = client.wait(handle, 120)
    assert result["kept"]
    assert result["model"] == "tiny.v2"
    assert "too few" in result["reason"]
    assert "tiny keeps no slices of its training, so some may be forgotten." in result["notes"]
    assert store.active("tiny").parent == "tiny"
    assert store.active("tiny").training["extent_mm"] == [26, 27]
    assert {"loss", "step"} <= set(metrics[0])


def test_a_new_model_is_trained_from_a_few_drawn_slices(client, store):
    (first, arrays), (second, more) = case(0, slices=[3, 4, 5]), case(1, slices="labelled")
    segments = [
        {
            "value": segment.value,
            "name": segment.name,
            "color": segment.color,
            "terminology": None,
        }
        for segment in SEGMENTS[:2]
    ]
    handle = client.submit(
        "train",
        {
            "store": str(store.user_folder),
            "name": "Boxes drawn by hand",
            "segments": segments,
            "cases": [first, second],
            "options": OPTIONS,
        },
        arrays=arrays | more,
    )
    result = client.wait(handle, 120)
    model = store.load(result["model"])
    assert [segment.name for segment in model.manifest.segments] == [
        "Midbrain",
        "Substantia nigra",
    ]
    assert model.manifest.training["subjects"]["phantom 0"] == 3
    assert model.manifest.training["extent_mm"] == [26, 27]
    assert result["notes"] == []  # two subjects: one to learn from, one to validate with
    measured_on = model.manifest.metrics[0].data
    assert measured_on.endswith("of 1 subject, which it then learned, too")


def test_what_the_user_should_know_comes_with_the_new_model(client, store):
    first, arrays = case(0, slices=[3, 4, 5, 6])
    handle = client.submit(
        "train",
        {
            "store": str(store.user_folder),
            "name": "Boxes of one subject",
            "segments": [{"value": n, "name": f"Box {n}", "color": (n, 0, 0)} for n in (1, 2)],
            "cases": [first],
            "options": OPTIONS,
        },
        arrays=arrays,
    )
    (note,) = client.wait(handle, 60)["notes"]
    assert note.startswith("All slices come from one subject")


def test_a_structure_that_no_slice_shows_is_refused_by_name(client, store):
    first, arrays = case(0, slices=[5])
    names = ["Midbrain", "Substantia nigra", "Red nucleus"]
    segments = [
        {"value": value, "name": name, "color": (value, 0, 0)}
        for value, name in enumerate(names, 1)
    ]
    handle = client.submit(
        "train",
        {
            "store": str(store.user_folder),
            "name": "Boxes",
            "segments": segments,
            "cases": [first],
            "options": OPTIONS,
        },
        arrays=arrays,
    )
    with pytest.raises(InputError, match="shows Red nucleus"):
        client.wait(handle, 60)


def test_labels_that_the_model_does_not_know_are_refused_and_nothing_is_published(client, store):
    first, arrays = case(0, slices=[2])
    arrays["labels-0"] = phantom_labels(GRID).array
    handle = client.submit("fine_tune", arguments(store, cases=[first]), arrays=arrays)
    with pytest.raises(InputError, match="value 3"):
        client.wait(handle, 60)
    assert [manifest.id for manifest in store.list() if manifest.family == "tiny"] == ["tiny"]


def test_a_retraining_can_be_cancelled_within_two_seconds(client, store):
    first, arrays = case(0, slices=[3, 5])
    metrics = []
    handle = client.submit(
        "fine_tune",
        arguments(store, cases=[first], options={"steps": 100_000, "device": "cpu"}),
        arrays=arrays,
        on_metric=metrics.append,
    )
    pump_until(client, lambda: bool(metrics), 60)
    handle.cancel()
    assert seconds_to_end(client, handle) < 2
    assert handle.state is JobState.CANCELLED
    assert store.active("tiny").id == "tiny"


def test_many_files_are_segmented_and_one_bad_one_does_not_stop_the_rest(client, store, tmp_path):
    volume = phantom_volume(GRID)
    good = tmp_path / "good é.nrrd"
    write_label_map(good, LabelMap((volume.array > 1).astype(np.uint8), GRID))
    bad = tmp_path / "bad.nii.gz"
    bad.write_text("this is not an image")
    outcomes: list[dict[str, object]] = []
    handle = client.submit(
        "segment_files",
        arguments(store, paths=[str(bad), str(good)], output=str(tmp_path / "out")),
        on_metric=outcomes.append,
    )
    assert client.wait(handle, 60) == {}  # which thousands of files do not make too long
    assert [outcome["status"] for outcome in outcomes] == ["failed", "done"]
    assert "bad.nii.gz" in outcomes[0]["message"]
    assert read_label_map(outcomes[1]["output"]).geometry.matches(GRID)


def test_folders_and_patterns_are_segmented_like_single_files(client, store, tmp_path):
    labels = (phantom_volume(GRID).array > 1).astype(np.uint8)
    for name in ("study/a.nrrd", "study/b.nii.gz", "other/c1.nrrd", "other/d.nrrd"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_label_map(tmp_path / name, LabelMap(labels, GRID))
    paths = [str(tmp_path / "study"), str(tmp_path / "other" / "c*.nrrd")]
    outcomes: list[dict[str, str]] = []
    handle = client.submit(
        "segment_files",
        arguments(store, paths=paths, output=str(tmp_path / "out")),
        on_metric=outcomes.append,
    )
    client.wait(handle, 60)
    assert sorted(Path(one["input"]).name for one in outcomes) == ["a.nrrd", "b.nii.gz", "c1.nrrd"]
    assert {(one["status"], one["message"]) for one in outcomes} == {("done", "")}


def test_a_model_goes_to_a_file_and_comes_back(client, store, tmp_path):
    file = tmp_path / "tiny é.zip"
    exported = client.submit("export_model", arguments(store, path=str(file), samples=False))
    assert client.wait(exported, 60) == {"model": "tiny", "path": str(file)}
    elsewhere = ModelStore(tmp_path / "elsewhere")
    imported = client.submit(
        "import_model", {"store": str(elsewhere.user_folder), "path": str(file)}
    )
    assert client.wait(imported, 60) == {
        "model": "tiny",
        "name": "A tiny model",
        "note": "The model tiny was imported.",
    }
    assert elsewhere.load("tiny").manifest.weights == store.load("tiny").manifest.weights


@pytest.mark.parametrize("samples", [False, True])
def test_kept_slices_leave_with_a_model_only_when_asked_for(client, store, tmp_path, samples):
    parent = store.load("tiny").manifest
    store.publish(parent.child(), tiny_network(1), tiny_samples())
    handle = client.submit(
        "export_model",
        arguments(store, model="tiny.v2", path=str(tmp_path / "v2.zip"), samples=samples),
    )
    client.wait(handle, 60)
    with zipfile.ZipFile(tmp_path / "v2.zip") as archive:
        assert ("samples.safetensors" in archive.namelist()) is samples


def test_a_file_that_is_no_model_is_refused_by_name(client, store, tmp_path):
    file = tmp_path / "holiday.zip"
    file.write_text("no model")
    handle = client.submit("import_model", arguments(store, path=str(file)))
    with pytest.raises(ModelError, match=r"holiday\.zip cannot be imported"):
        client.wait(handle, 60)


def test_the_model_stays_warm_between_two_jobs(store):
    from funet.worker.tasks import WarmPredictor

    warm = WarmPredictor()
    first = warm.get(arguments(store))
    assert warm.get(arguments(store)) is first
    store.publish(
        Model(store.load("tiny").manifest.child(), tiny_network(1)).manifest, tiny_network(1)
    )
    assert warm.get(arguments(store, model="tiny.v2")) is not first


def test_a_model_of_the_same_weights_is_not_mistaken_for_the_warm_one(store):
    from funet.worker.tasks import WarmPredictor

    coronal = tiny_manifest("coronal", preprocessing=Preprocessing(slice_axis="coronal"))
    store.publish(coronal, tiny_network())
    warm = WarmPredictor()
    warm.get(arguments(store))
    assert warm.get(arguments(store, model="coronal")).manifest.id == "coronal"
