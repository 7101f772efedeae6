"""Descriptions and archives of models from strangers: refused, and nothing is written outside."""

from __future__ import annotations

import hashlib
import json
import pickle
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pickles import pickled
from refusals import assert_plain_sentence, little_memory, refused
from tiny_models import archive_content, same_weights, tiny_manifest, tiny_network

from funet.errors import ModelError
from funet.models.archive import import_model
from funet.models.model import load_model
from funet.models.store import ModelStore

MANIFEST, WEIGHTS, SAMPLES = "model.json", "weights.safetensors", "samples.safetensors"
Entries = list[tuple[str | zipfile.ZipInfo, bytes]]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with one model of the user's own, which must come to no harm."""
    store = ModelStore(tmp_path / "store", tmp_path / "none")
    store.publish(tiny_manifest("own"), tiny_network(9))
    return store


def rewritten(archive: Path, entries: Entries) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for entry, data in entries:
            target.writestr(entry, data)
    return archive


@pytest.mark.case(5)
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("id", "../../evil", "id"),
        ("id", "/etc/evil", "id"),
        ("id", "..\\evil", "id"),
        ("family", "../evil", "family"),
        ("parent", "../../evil", "parent"),
        ("schema", 2, "update"),
        ("schema", "1", "update"),
        ("network", {"features": 10**9}, "network"),
        ("network", {"in_channels": 10**9}, "network"),
        ("network", {"num_classes": 10**9}, "network"),
        ("network", {"depth": 10**9}, "network"),
        ("weights_bytes", 10**13, "weights"),
        ("samples_bytes", 10**13, "samples"),
    ],
)
def test_a_description_out_of_bounds_is_refused_wherever_it_is_met(
    folder: Path,
    archive: Path,
    store: ModelStore,
    untouched: Callable[..., None],
    key: str,
    value: Any,
    said: str,
) -> None:
    record = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    record[key] = record[key] | value if isinstance(value, dict) else value
    hostile = json.dumps(record).encode()
    (folder / MANIFEST).write_bytes(hostile)
    rewritten(archive, [(MANIFEST, hostile), (WEIGHTS, archive_content(archive)[WEIGHTS])])
    untouched(folder.parent)
    with little_memory():
        with refused(said):
            load_model(folder)
        with refused(said):
            import_model(archive, store)
        shelf = ModelStore(folder.parent, folder.parent / "none")
        assert [bad.folder for bad in shelf.content().damaged if said in bad.reason] == [folder]


@pytest.mark.case(5)
@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS])
def test_a_link_in_place_of_a_file_is_refused(
    folder: Path, tmp_path: Path, untouched: Callable[..., None], name: str
) -> None:
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    untouched(tmp_path)
    with refused(f"{name} is a link"):
        load_model(folder)


def link_entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def with_more(name: str) -> Callable[[dict[str, bytes]], Entries]:
    return lambda files: [*files.items(), (name, b"x")]


def with_link(files: dict[str, bytes]) -> Entries:
    return [(MANIFEST, files[MANIFEST]), (link_entry(WEIGHTS), b"/etc/passwd")]


def without_weights(files: dict[str, bytes]) -> Entries:
    return [(MANIFEST, files[MANIFEST])]


def with_duplicate(files: dict[str, bytes]) -> Entries:
    return [*files.items(), (MANIFEST, files[MANIFEST])]


def in_a_folder(files: dict[str, bytes]) -> Entries:
    return [(f"tiny/{name}", data) for name, data in files.items()]


def with_large_manifest(files: dict[str, bytes]) -> Entries:
    return [(MANIFEST, b" " * 2**26), (WEIGHTS, files[WEIGHTS])]


def with_zip_bomb(files: dict[str, bytes]) -> Entries:
    return [(MANIFEST, files[MANIFEST]), (WEIGHTS, bytes(2**26))]


def with_announced_zip_bomb(files: dict[str, bytes]) -> Entries:
    manifest = json.loads(files[MANIFEST]) | {"weights_bytes": 2**26}
    return [(MANIFEST, json.dumps(manifest).encode()), (WEIGHTS, bytes(2**26))]


def with_bad_hash(files: dict[str, bytes]) -> Entries:
    return [(MANIFEST, files[MANIFEST]), (WEIGHTS, files[WEIGHTS][:-1] + b"\1")]


def with_unannounced_samples(files: dict[str, bytes]) -> Entries:
    return [*files.items(), (SAMPLES, b"x")]


def with_missing_samples(files: dict[str, bytes]) -> Entries:
    manifest = json.loads(files[MANIFEST]) | {"samples_sha256": "0" * 64, "samples_bytes": 9}
    return [(MANIFEST, json.dumps(manifest).encode()), (WEIGHTS, files[WEIGHTS])]


def with_traversing_id(files: dict[str, bytes]) -> Entries:
    manifest = json.loads(files[MANIFEST]) | {"id": "../../evil", "family": "../../evil"}
    return [(MANIFEST, json.dumps(manifest).encode()), (WEIGHTS, files[WEIGHTS])]


@pytest.mark.case(5)
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
    untouched: Callable[..., None],
    change: Callable[[dict[str, bytes]], Entries],
    said: str,
) -> None:
    rewritten(archive, change(archive_content(archive)))
    untouched(archive.parent, archive.parent.parent / "evil", Path("/etc/evil"))
    # What the message says is that the archive cannot be imported, not some file unpacked from it.
    with (
        little_memory(2**24),
        refused(rf"tiny\.zip cannot be imported: (?!.*funet-import).*{said}"),
    ):
        import_model(archive, store)


@pytest.mark.case(5)
def test_an_entry_that_lies_about_its_size_is_stopped(
    archive: Path, store: ModelStore, untouched: Callable[..., None]
) -> None:
    files = archive_content(archive)
    rewritten(archive, [(MANIFEST, files[MANIFEST]), (WEIGHTS, bytes(2**26))])
    true_size = (2**26).to_bytes(4, "little")
    claimed = len(files[WEIGHTS]).to_bytes(4, "little")
    data = archive.read_bytes()
    assert data.count(true_size) >= 2
    archive.write_bytes(data.replace(true_size, claimed))
    untouched(archive.parent)
    with little_memory(2**24), refused("cannot be imported"):
        import_model(archive, store)


@pytest.mark.case(5)
def test_a_list_of_more_entries_than_a_model_has_is_not_read(
    archive: Path, store: ModelStore, untouched: Callable[..., None]
) -> None:
    rewritten(archive, [(f"{number}", b"") for number in range(20_000)])
    untouched(archive.parent)
    with little_memory(2**22), refused("more than the files"):
        import_model(archive, store)


@pytest.mark.case(5)
def test_a_directory_in_the_large_format_is_refused(archive: Path, store: ModelStore) -> None:
    data = archive.read_bytes()
    locator = b"PK\x06\x07" + bytes(16)
    archive.write_bytes(data[:-22] + locator + data[-22:])
    with refused("no archive"):
        import_model(archive, store)


@pytest.mark.case(5)
def test_a_link_to_an_archive_and_a_missing_one_are_refused(
    archive: Path, store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "link.zip").symlink_to(archive)
    for name in ("link.zip", "missing.zip", "store"):
        with refused(name):
            import_model(tmp_path / name, store)


@pytest.mark.case(1)
@pytest.mark.parametrize("writer", [pickle.dump, torch.save])
@pytest.mark.parametrize("part", [WEIGHTS, SAMPLES])
def test_a_pickle_in_an_archive_is_refused_and_not_run(
    archive: Path,
    store: ModelStore,
    tmp_path: Path,
    untouched: Callable[..., None],
    writer: Callable[..., None],
    part: str,
) -> None:
    """Size and hash of the pickle are what the description promises."""
    canary = tmp_path / "canary"
    bomb = pickled(canary, writer, tmp_path / "bomb")
    files = archive_content(archive)
    kind = part.partition(".")[0]
    facts = {f"{kind}_bytes": len(bomb), f"{kind}_sha256": hashlib.sha256(bomb).hexdigest()}
    manifest = json.dumps(json.loads(files[MANIFEST]) | facts).encode()
    rewritten(archive, [*(files | {MANIFEST: manifest, part: bomb}).items()])
    untouched(tmp_path)
    with refused(part):
        import_model(archive, store)
    assert not canary.exists()


@pytest.mark.case(1)
@pytest.mark.parametrize("writer", [pickle.dump, torch.save])
def test_a_pickle_in_place_of_an_archive_is_refused_and_not_run(
    store: ModelStore, tmp_path: Path, writer: Callable[..., None]
) -> None:
    canary, path = tmp_path / "canary", tmp_path / "model.zip"
    path.write_bytes(pickled(canary, writer, tmp_path / "bomb"))
    with refused(r"model\.zip"):
        import_model(path, store)
    assert not canary.exists()


@pytest.mark.case(5)
def test_an_archive_damaged_anywhere_is_refused_or_read_whole(
    archive: Path, store: ModelStore
) -> None:
    generator = np.random.default_rng(0)
    whole = archive.read_bytes()
    structure = [*range(60), *range(len(whole) - 250, len(whole))]
    read = 0
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
        except ModelError as error:
            assert_plain_sentence(str(error))
            continue
        read += 1
        assert same_weights(store.load(imported.manifest.id).network, tiny_network())
    assert 0 < read < 150
    assert [manifest.id for manifest in store.list()] == ["own", "tiny"]
