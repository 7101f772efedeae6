from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import (
    folder_content,
    same_weights,
    tiny_manifest,
    tiny_network,
    tiny_samples,
)

from funet.errors import FunetError, ModelError
from funet.models.archive import export_model, import_model
from funet.models.model import load_samples_of, save_model
from funet.models.store import ModelStore

MANIFEST, WEIGHTS, SAMPLES = "model.json", "weights.safetensors", "samples.safetensors"


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store", tmp_path / "none")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "tiny", tiny_manifest(), tiny_network(), tiny_samples())
    return tmp_path / "tiny"


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    export_model(folder, tmp_path / "tiny.zip")
    return tmp_path / "tiny.zip"


@pytest.fixture
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def rewritten(archive: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for entry, data in entries:
            target.writestr(entry, data)
    return archive


def content(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as source:
        return {name: source.read(name) for name in source.namelist()}


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
    assert sorted(content(tmp_path / "bare.zip")) == [MANIFEST, WEIGHTS]
    assert sorted(content(tmp_path / "full.zip")) == [MANIFEST, SAMPLES, WEIGHTS]
    import_model(tmp_path / "full.zip", store)
    assert len(load_samples_of(store.load("tiny"))) == 3


def test_the_same_model_gives_the_same_archive(archive: Path, folder: Path, tmp_path: Path) -> None:
    export_model(folder, tmp_path / "again.zip")
    assert archive.read_bytes() == (tmp_path / "again.zip").read_bytes()


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


def link_entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


class Bomb:
    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.canary,)


def with_more(name: str) -> Callable[[dict[str, bytes]], list[tuple[Any, bytes]]]:
    return lambda files: [*files.items(), (name, b"x")]


def with_link(files: dict[str, bytes]) -> list[tuple[Any, bytes]]:
    return [(MANIFEST, files[MANIFEST]), (link_entry(WEIGHTS), b"/etc/passwd")]


def without_weights(files: dict[str, bytes]) -> list[tuple[Any, bytes]]:
    return [(MANIFEST, files[MANIFEST])]


def with_duplicate(files: dict[str, bytes]) -> list[tuple[Any, bytes]]:
    return [*files.items(), (MANIFEST, files[MANIFEST])]


def in_a_folder(files: dict[str, bytes]) -> list[tuple[Any, bytes]]:
    return [(f"tiny/{name}", data) for name, data in files.items()]


def with_large_manifest(files: dict[str, bytes]) -> list[tuple[Any, bytes]]:
    return [(MANIFEST, b" " * 2**26), (WEIGHTS, files[WEIGHTS])]


def with_zip_bomb(files: dict[str, bytes]) -> list[tuple[Any, bytes]]:
    return [(MANIFEST, files[MANIFEST]), (WEIGHTS, bytes(2**26))]


def with_announced_zip_bomb(files: dict[str, bytes]) -> list[tuple[Any, bytes]]:
    manifest = json.loads(files[MANIFEST]) | {"weights_bytes": 2**26}
    return [(MANIFEST, json.dumps(manifest).encode()), (WEIGHTS, bytes(2**26))]


def with_bad_hash(files: dict[str, bytes]) -> list[tuple[Any, bytes]]:
    return [(MANIFEST, files[MANIFEST]), (WEIGHTS, files[WEIGHTS][:-1] + b"\1")]


def with_unannounced_samples(files: dict[str, bytes]) -> list[tuple[Any, bytes]]:
    return [*files.items(), (SAMPLES, b"x")]


def with_missing_samples(files: dict[str, bytes]) -> list[tuple[Any, bytes]]:
    manifest = json.loads(files[MANIFEST]) | {"samples_sha256": "0" * 64, "samples_bytes": 9}
    return [(MANIFEST, json.dumps(manifest).encode()), (WEIGHTS, files[WEIGHTS])]


def with_traversing_id(files: dict[str, bytes]) -> list[tuple[Any, bytes]]:
    manifest = json.loads(files[MANIFEST]) | {"id": "../../evil", "family": "../../evil"}
    return [(MANIFEST, json.dumps(manifest).encode()), (WEIGHTS, files[WEIGHTS])]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_more("../evil"), "evil"),
        (with_more("/etc/evil"), "evil"),
        (with_more("..\\evil"), "evil"),
        (with_more("readme.txt"), "readme"),
        (with_more("model.json\0.txt"), "model.json"),
        (with_more("folder/"), "folder"),
        (with_link, WEIGHTS),
        (without_weights, WEIGHTS),
        (with_duplicate, "twice"),
        (in_a_folder, "tiny/"),
        (with_large_manifest, "larger"),
        (with_zip_bomb, "larger"),
        (with_announced_zip_bomb, "too strongly"),
        (with_bad_hash, "SHA-256"),
        (with_unannounced_samples, SAMPLES),
        (with_missing_samples, SAMPLES),
        (with_traversing_id, "id"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_archive_is_refused_and_leaves_nothing(
    archive: Path,
    store: ModelStore,
    temporary_files: Path,
    change: Callable[[dict[str, bytes]], list[tuple[Any, bytes]]],
    said: str,
) -> None:
    rewritten(archive, *change(content(archive)))
    outside = sorted(path.name for path in archive.parent.iterdir())
    with pytest.raises(ModelError, match=said) as refusal:
        import_model(archive, store)
    assert str(archive) in str(refusal.value)
    assert str(temporary_files) not in str(refusal.value)
    assert list(temporary_files.iterdir()) == []
    assert store.list() == ()
    left = {path.name for path in archive.parent.iterdir()} - {"store"}
    assert left == set(outside) - {"store"}


def test_an_entry_that_lies_about_its_size_is_stopped(
    archive: Path, store: ModelStore, temporary_files: Path
) -> None:
    files = content(archive)
    rewritten(archive, (MANIFEST, files[MANIFEST]), (WEIGHTS, bytes(2**26)))
    true_size = (2**26).to_bytes(4, "little")
    claimed = len(files[WEIGHTS]).to_bytes(4, "little")
    data = archive.read_bytes()
    assert data.count(true_size) >= 2
    archive.write_bytes(data.replace(true_size, claimed))
    with pytest.raises(ModelError):
        import_model(archive, store)
    assert list(temporary_files.iterdir()) == []


def test_a_list_of_a_million_entries_is_not_read(tmp_path: Path, store: ModelStore) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as target:
        for number in range(4):
            target.writestr(f"{number}", b"")
    with pytest.raises(ModelError, match="more than the files"):
        import_model(path, store)


def test_a_directory_in_the_large_format_is_refused(archive: Path, store: ModelStore) -> None:
    data = archive.read_bytes()
    locator = b"PK\x06\x07" + bytes(16)
    archive.write_bytes(data[:-22] + locator + data[-22:])
    with pytest.raises(ModelError, match="no archive"):
        import_model(archive, store)


@pytest.mark.parametrize("writer", [pickle.dump, torch.save])
def test_a_pickle_in_an_archive_is_refused_and_not_run(
    archive: Path, store: ModelStore, tmp_path: Path, writer: Any
) -> None:
    canary = tmp_path / "canary"
    buffer = io.BytesIO()
    writer(Bomb(str(canary)), buffer)
    files = content(archive)
    manifest = json.loads(files[MANIFEST]) | {"weights_bytes": len(buffer.getvalue())}
    rewritten(archive, (MANIFEST, json.dumps(manifest).encode()), (WEIGHTS, buffer.getvalue()))
    with pytest.raises(ModelError):
        import_model(archive, store)
    (tmp_path / "bare.zip").write_bytes(buffer.getvalue())
    with pytest.raises(ModelError):
        import_model(tmp_path / "bare.zip", store)
    assert not canary.exists()


def test_a_link_to_an_archive_and_a_missing_one_are_refused(
    archive: Path, store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "link.zip").symlink_to(archive)
    for name in ("link.zip", "missing.zip", "store"):
        with pytest.raises(ModelError, match=name):
            import_model(tmp_path / name, store)


def test_an_archive_damaged_anywhere_is_refused_or_read_whole(
    archive: Path, store: ModelStore, temporary_files: Path
) -> None:
    generator = np.random.default_rng(0)
    whole = archive.read_bytes()
    structure = [*range(60), *range(len(whole) - 250, len(whole))]
    for _ in range(150):
        changed = bytearray(whole)
        if generator.random() < 0.2:
            changed = changed[: generator.integers(len(whole))]
        else:
            for _ in range(generator.integers(1, 4)):
                changed[generator.choice(structure)] = generator.integers(256)
        archive.write_bytes(changed)
        try:
            imported = import_model(archive, store)
        except ModelError:
            continue
        assert same_weights(store.load(imported.manifest.id).network, tiny_network())
    assert list(temporary_files.iterdir()) == []
    assert [manifest.id for manifest in store.list()] in ([], ["tiny"])


def test_a_store_that_cannot_be_written_is_found_before_unpacking(
    archive: Path, tmp_path: Path, temporary_files: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FunetError, match="file"):
        import_model(archive, ModelStore(tmp_path / "file" / "store", tmp_path / "none"))
    assert list(temporary_files.iterdir()) == []
