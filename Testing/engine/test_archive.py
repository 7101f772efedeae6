from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from tiny_models import (
    archive_content,
    folder_content,
    same_weights,
    tiny_manifest,
    tiny_network,
)

from funet.errors import Cancelled, FunetError, InputError, ModelError
from funet.models.archive import export_model, import_model
from funet.models.model import load_samples_of
from funet.models.store import ModelStore
from funet.progress import CancelToken

MANIFEST, WEIGHTS, SAMPLES = "model.json", "weights.safetensors", "samples.safetensors"


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store", tmp_path / "none")


@pytest.fixture
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_a_model_travels_from_one_store_to_another(archive: Path, store: ModelStore) -> None:
    imported = import_model(archive, store)
    assert imported.manifest.id == "tiny"
    assert imported.note == "The model tiny was imported."
    model = store.load("tiny")
    assert same_weights(model.network, tiny_network())
    assert store.active("tiny").id == "tiny"
    assert sorted(path.name for path in (store.user_folder / "tiny").iterdir()) == [
        MANIFEST,
        WEIGHTS,
    ]


def test_samples_travel_only_when_asked_for(
    folder: Path, tmp_path: Path, store: ModelStore
) -> None:
    export_model(folder, tmp_path / "bare.zip")
    export_model(folder, tmp_path / "full.zip", include_samples=True)
    assert sorted(archive_content(tmp_path / "bare.zip")) == [MANIFEST, WEIGHTS]
    assert sorted(archive_content(tmp_path / "full.zip")) == [MANIFEST, SAMPLES, WEIGHTS]
    import_model(tmp_path / "full.zip", store)
    assert len(load_samples_of(store.load("tiny"))) == 3


def test_the_same_model_gives_the_same_archive(archive: Path, folder: Path, tmp_path: Path) -> None:
    export_model(folder, tmp_path / "again.zip")
    assert archive.read_bytes() == (tmp_path / "again.zip").read_bytes()


def test_no_file_is_replaced_that_is_no_archive(folder: Path, tmp_path: Path) -> None:
    image = tmp_path / "brain.nii.gz"
    image.write_bytes(b"an image")
    with pytest.raises(InputError, match=r"does not end in \.zip"):
        export_model(folder, image)
    assert image.read_bytes() == b"an image"


def test_an_archive_packed_by_another_program_is_read(archive: Path, store: ModelStore) -> None:
    shutil.unpack_archive(archive, archive.parent / "unpacked")
    again = shutil.make_archive(
        str(archive.parent / "repacked"), "zip", archive.parent / "unpacked"
    )
    assert import_model(Path(again), store).manifest.id == "tiny"


def test_a_taken_id_is_replaced_and_this_is_said(
    archive: Path, tmp_path: Path, store: ModelStore
) -> None:
    store.publish(tiny_manifest(), tiny_network(seed=5))
    imported = import_model(archive, store)
    assert imported.manifest.id == "tiny-2"
    assert "imported as tiny-2" in imported.note
    assert same_weights(store.load("tiny").network, tiny_network(seed=5))
    assert same_weights(store.load("tiny-2").network, tiny_network())


def test_a_taken_version_gets_the_next_number_and_keeps_its_parent(
    archive: Path, tmp_path: Path, store: ModelStore
) -> None:
    import_model(archive, store)
    parent = store.load("tiny").manifest
    other = ModelStore(tmp_path / "elsewhere", store.user_folder)
    export_model(other.find(other.publish(parent.child(), tiny_network(7)).id), tmp_path / "v2.zip")
    store.publish(parent.child(), tiny_network(8))
    imported = import_model(tmp_path / "v2.zip", store)
    assert (imported.manifest.id, imported.manifest.version) == ("tiny.v3", 3)
    assert [manifest.id for manifest in store.lineage("tiny.v3")] == ["tiny.v3", "tiny"]
    assert store.active("tiny").id == "tiny.v2"


def test_a_model_that_is_there_already_is_not_added_twice(archive: Path, store: ModelStore) -> None:
    import_model(archive, store)
    before = folder_content(store.user_folder)
    imported = import_model(archive, store)
    assert imported.manifest.id == "tiny"
    assert "already" in imported.note
    assert folder_content(store.user_folder) == before


def test_a_model_that_was_deleted_comes_back_under_its_id(archive: Path, store: ModelStore) -> None:
    import_model(archive, store)
    store.delete("tiny")
    assert import_model(archive, store).manifest.id == "tiny"


def test_a_damaged_model_is_not_exported(folder: Path, tmp_path: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"no")
    (tmp_path / "earlier.zip").write_bytes(b"earlier")
    with pytest.raises(ModelError, match="damaged"):
        export_model(folder, tmp_path / "earlier.zip")
    assert (tmp_path / "earlier.zip").read_bytes() == b"earlier"


def test_a_store_that_cannot_be_written_is_found_before_unpacking(
    archive: Path, tmp_path: Path, temporary_files: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FunetError, match="file"):
        import_model(archive, ModelStore(tmp_path / "file" / "store", tmp_path / "none"))
    assert list(temporary_files.iterdir()) == []


def test_a_cancelled_export_leaves_an_earlier_file_as_it_was(folder: Path, tmp_path: Path) -> None:
    earlier, cancel = tmp_path / "out" / "earlier.zip", CancelToken()
    earlier.parent.mkdir()
    earlier.write_bytes(b"earlier")
    cancel.cancel()
    with pytest.raises(Cancelled):
        export_model(folder, earlier, cancel=cancel)
    assert [path.read_bytes() for path in earlier.parent.iterdir()] == [b"earlier"]
