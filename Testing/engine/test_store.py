from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tiny_models import (
    folder_content,
    same_weights,
    tiny_manifest,
    tiny_network,
    tiny_samples,
)

from funet.errors import FunetError, ModelError
from funet.models.locations import default_shipped_folder, default_user_folder
from funet.models.manifest import Manifest
from funet.models.model import load_samples_of, save_model
from funet.models.store import ModelStore


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with one shipped model, "shipped"."""
    save_model(tmp_path / "shipped" / "shipped", tiny_manifest("shipped"), tiny_network())
    return ModelStore(tmp_path / "user" / "models", tmp_path / "shipped")


def ids(store: ModelStore) -> list[str]:
    return [manifest.id for manifest in store.list()]


def publish_child(store: ModelStore, parent: str, seed: int = 1, activate: bool = True) -> Manifest:
    child = store.load(parent).manifest.child(training={"seed": seed})
    return store.publish(child, tiny_network(seed), activate=activate)


def test_a_new_store_shows_the_shipped_models_and_writes_nothing(store: ModelStore) -> None:
    assert ids(store) == ["shipped"]
    assert store.active("shipped").id == "shipped"
    assert store.is_shipped("shipped")
    assert same_weights(store.load("shipped").network, tiny_network())
    assert not store.user_folder.exists()


def test_a_published_version_is_found_loaded_and_active(store: ModelStore) -> None:
    child = store.load("shipped").manifest.child()
    published = store.publish(child, tiny_network(1), tiny_samples())
    assert (published.id, published.version, published.parent) == ("shipped.v2", 2, "shipped")
    model = store.load("shipped.v2")
    assert model.manifest == published
    assert same_weights(model.network, tiny_network(1))
    assert len(load_samples_of(model)) == 3
    assert store.active("shipped").id == "shipped.v2"
    assert not store.is_shipped("shipped.v2")


def test_every_version_gets_its_own_id_even_after_a_deletion(store: ModelStore) -> None:
    assert publish_child(store, "shipped").id == "shipped.v2"
    assert publish_child(store, "shipped").id == "shipped.v3"
    store.delete("shipped.v3")
    assert publish_child(store, "shipped.v2").id == "shipped.v4"
    assert ids(store) == ["shipped", "shipped.v2", "shipped.v4"]


def test_a_tenth_version_comes_after_the_ninth(store: ModelStore) -> None:
    for _ in range(9):
        publish_child(store, "shipped")
    assert ids(store)[-2:] == ["shipped.v9", "shipped.v10"]


def test_a_first_version_with_a_taken_name_gets_a_number(store: ModelStore) -> None:
    names = [store.publish(tiny_manifest("new"), tiny_network()).id for _ in range(3)]
    assert names == ["new", "new-2", "new-3"]
    assert store.publish(tiny_manifest("shipped"), tiny_network()).id == "shipped-2"


def test_rolling_back_goes_from_parent_to_parent_and_stays(store: ModelStore) -> None:
    publish_child(store, "shipped")
    publish_child(store, "shipped.v2", activate=False)
    assert store.active("shipped").id == "shipped.v2"
    store.activate("shipped.v3")
    assert store.roll_back("shipped").id == "shipped.v2"
    assert store.roll_back("shipped").id == "shipped"
    assert ModelStore(store.user_folder, store.shipped_folder).active("shipped").id == "shipped"
    with pytest.raises(ModelError, match="first version"):
        store.roll_back("shipped")
    assert publish_child(store, "shipped").id == "shipped.v4"
    assert store.active("shipped").id == "shipped.v4"
    assert store.roll_back("shipped").id == "shipped"


def test_the_lineage_leads_to_the_first_version(store: ModelStore) -> None:
    publish_child(store, "shipped")
    publish_child(store, "shipped")
    publish_child(store, "shipped.v3")
    line = [manifest.id for manifest in store.lineage("shipped.v4")]
    assert line == ["shipped.v4", "shipped.v3", "shipped"]


def test_a_namesake_with_other_weights_is_no_parent(store: ModelStore, tmp_path: Path) -> None:
    publish_child(store, "shipped")
    save_model(tmp_path / "other" / "shipped", tiny_manifest("shipped"), tiny_network(seed=9))
    elsewhere = ModelStore(store.user_folder, tmp_path / "other")
    assert [manifest.id for manifest in elsewhere.lineage("shipped.v2")] == ["shipped.v2"]
    with pytest.raises(ModelError, match="the model shipped that is here is not its parent"):
        elsewhere.roll_back("shipped")


def test_a_child_outlives_its_parent(store: ModelStore) -> None:
    publish_child(store, "shipped")
    publish_child(store, "shipped.v2", seed=2)
    store.delete("shipped.v2")
    assert same_weights(store.load("shipped.v3").network, tiny_network(2))
    assert store.active("shipped").id == "shipped.v3"
    with pytest.raises(ModelError, match=r"shipped\.v2 is not here"):
        store.roll_back("shipped")


def test_deleting_the_active_version_falls_back_to_its_parent(store: ModelStore) -> None:
    publish_child(store, "shipped")
    publish_child(store, "shipped")
    store.delete("shipped.v3")
    assert store.active("shipped").id == "shipped"
    assert sorted(path.name for path in store.user_folder.iterdir()) == [
        ".lock",
        "active.json",
        "shipped.v2",
    ]


def test_a_name_changes_and_the_rest_stays(store: ModelStore) -> None:
    publish_child(store, "shipped")
    before = store.load("shipped.v2")
    store.rename("shipped.v2", "Noyau rouge 中")
    after = store.load("shipped.v2")
    assert after.manifest.name == "Noyau rouge 中"
    assert same_weights(before.network, after.network)
    with pytest.raises(ModelError, match="name"):
        store.rename("shipped.v2", "")
    assert store.load("shipped.v2").manifest.name == "Noyau rouge 中"


def test_shipped_models_are_never_changed(store: ModelStore) -> None:
    before = folder_content(store.shipped_folder)
    publish_child(store, "shipped")
    for change in (store.delete, lambda name: store.rename(name, "x")):
        with pytest.raises(ModelError, match="shipped came with the program"):
            change("shipped")
    assert folder_content(store.shipped_folder) == before


@pytest.mark.parametrize(
    "name", ["missing", "../shipped", "/etc", "", "a\0b", "x" * 5000, "shipped/../shipped", "é"]
)
def test_an_unknown_name_lists_the_known_ones(store: ModelStore, name: str) -> None:
    for call in (store.find, store.load, store.lineage, store.activate, store.delete):
        with pytest.raises(ModelError, match="known models are: shipped"):
            call(name)
    with pytest.raises(ModelError, match="known models are: shipped"):
        store.active(name)


def test_a_folder_is_a_model_as_good_as_an_id(store: ModelStore, tmp_path: Path) -> None:
    save_model(tmp_path / "any where", tiny_manifest("outside"), tiny_network(4))
    for place in (tmp_path / "any where", str(tmp_path / "any where")):
        assert store.load(place).manifest.id == "outside"


def test_damaged_models_are_reported_apart_and_can_be_deleted(store: ModelStore) -> None:
    publish_child(store, "shipped")
    publish_child(store, "shipped.v2")
    (store.user_folder / "shipped.v2" / "model.json").write_text("{")
    (store.user_folder / "shipped.v3").rename(store.user_folder / "misnamed")
    weights = store.user_folder / "empty" / "weights.safetensors"
    weights.parent.mkdir()
    assert ids(store) == ["shipped"]
    damaged = {bad.folder.name: bad.reason for bad in store.content().damaged}
    assert sorted(damaged) == ["empty", "misnamed", "shipped.v2"]
    assert "model.json" in damaged["shipped.v2"]
    with pytest.raises(ModelError, match="damaged"):
        store.lineage("shipped.v2")
    for name in damaged:
        store.delete(name)
    assert store.content().damaged == ()
    assert publish_child(store, "shipped").id == "shipped.v4"


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"schema": 1, "families": {"shipped": {"active": "../x", "last_version": 1}}}'],
)
def test_a_damaged_choice_of_versions_stops_publishing_before_anything_is_written(
    store: ModelStore, content: str
) -> None:
    publish_child(store, "shipped")
    (store.user_folder / "active.json").write_text(content)
    before = folder_content(store.user_folder)
    with pytest.raises(ModelError, match="delete this file"):
        publish_child(store, "shipped")
    assert folder_content(store.user_folder) == before
    (store.user_folder / "active.json").unlink()
    assert store.active("shipped").id == "shipped.v2"


def test_a_folder_that_cannot_be_written_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = ModelStore(tmp_path / "file" / "models", tmp_path / "shipped")
    with pytest.raises(FunetError, match="file"):
        store.require_writable()
    with pytest.raises(FunetError, match="file"):
        store.publish(tiny_manifest(), tiny_network())


def test_a_failed_publication_leaves_the_store_as_it_was(store: ModelStore) -> None:
    publish_child(store, "shipped")
    before = folder_content(store.user_folder)
    network = tiny_network()
    network.head.bias.data.fill_(float("inf"))
    with pytest.raises(ModelError, match="finite"):
        store.publish(store.load("shipped").manifest.child(), network)
    assert folder_content(store.user_folder) == before
    assert store.active("shipped").id == "shipped.v2"


def test_what_a_killed_process_left_is_cleared_by_the_next_change(store: ModelStore) -> None:
    publish_child(store, "shipped")
    left = store.user_folder / ".tmp-0a1b2c3d-shipped.v3"
    left.mkdir()
    (left / "weights.safetensors").write_bytes(b"half")
    within = store.user_folder / "shipped.v2" / ".tmp-0a1b2c3d-model.json"
    within.write_text("half")
    assert ids(store) == ["shipped", "shipped.v2"]
    publish_child(store, "shipped")
    assert not left.exists()
    assert not within.exists()


def test_the_users_own_model_counts_where_a_shipped_one_has_its_id(
    store: ModelStore, tmp_path: Path
) -> None:
    store.publish(tiny_manifest("mine"), tiny_network(3))
    save_model(tmp_path / "shipped" / "mine", tiny_manifest("mine"), tiny_network(4))
    assert same_weights(store.load("mine").network, tiny_network(3))
    assert ids(store) == ["mine", "shipped"]
    store.delete("mine")
    assert same_weights(store.load("mine").network, tiny_network(4))


def test_the_users_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FUNET_MODELS", str(tmp_path / "chosen"))
    assert default_user_folder() == tmp_path / "chosen"
    monkeypatch.delenv("FUNET_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if sys.platform.startswith("linux"):
        assert default_user_folder() == tmp_path / "data" / "funet" / "models"
    assert default_user_folder().parts[-2:] == ("funet", "models")
    assert default_shipped_folder().parts[-2:] == ("Resources", "Models")
