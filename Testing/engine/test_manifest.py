from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import SEGMENTS, tiny_manifest

from funet.errors import ModelError
from funet.models.identifiers import identifier, is_identifier
from funet.models.layout import MAX_MANIFEST_BYTES, FileDigest
from funet.models.manifest import Manifest, dump_manifest, parse_manifest, read_manifest

SAVED = tiny_manifest(tilts=(10.0, 22.5), successive="axial").with_files(
    FileDigest("ab" * 32, 1234), FileDigest("cd" * 32, 99)
)
VALID: dict[str, Any] = json.loads(dump_manifest(SAVED))


def changed(path: str, value: Any) -> bytes:
    """Return the valid description with one value replaced ("segments.0.name")."""
    content = json.loads(json.dumps(VALID))
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = content
    for step in steps:
        place = place[step]
    place[last] = value
    return json.dumps(content).encode()


def test_writing_and_reading_gives_the_same_description(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(dump_manifest(SAVED))
    assert read_manifest(tmp_path) == SAVED
    assert dump_manifest(read_manifest(tmp_path)) == dump_manifest(SAVED)


def test_a_child_names_its_parent_and_starts_without_files() -> None:
    child = SAVED.child(training={"seed": 1})
    assert (child.id, child.version, child.family) == ("tiny.v2", 2, "tiny")
    assert (child.parent, child.parent_sha256) == ("tiny", "ab" * 32)
    assert (child.weights_sha256, child.samples, child.metrics) == ("", None, ())
    assert child.segments == SAVED.segments
    grandchild = child.with_files(FileDigest("ef" * 32, 1), None).child()
    assert (grandchild.id, grandchild.parent) == ("tiny.v3", "tiny.v2")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("schema", 2, "update"),
        ("schema", True, "schema"),
        ("schema", None, "schema"),
        ("id", "../../etc/passwd", "id"),
        ("id", "/etc/passwd", "id"),
        ("id", "a..b", "id"),
        ("id", "UPPER", "id"),
        ("id", "x" * 65, "id"),
        ("id", "con", "id"),
        ("id", "tiny\n", "id"),
        ("id", "é", "id"),
        ("id", 7, "id"),
        ("id", "other", "parent"),
        ("family", "x" * 60, "family"),
        ("version", 2, "parent"),
        ("version", 0, "version"),
        ("version", 1.0, "version"),
        ("parent", "tiny", "parent"),
        ("parent", "..", "parent"),
        ("parent_sha256", "ab" * 32, "parent_sha256"),
        ("one_piece", 1, "one_piece"),
        ("one_piece", None, "one_piece"),
        ("tilts", None, "tilts"),
        ("tilts", 10.0, "tilts"),
        ("tilts", ["10"], "tilts"),
        ("tilts", [True], "tilts"),
        ("tilts", [0.0], "tilts"),
        ("tilts", [46], "tilts"),
        ("tilts", [1, 2, 3, 4, 5], "tilts"),
        ("successive", "diagonal", "successive"),
        ("successive", True, "successive"),
        ("successive", ["coronal"], "successive"),
        ("name", "", "name"),
        ("name", " ", "name"),
        ("name", "x" * 201, "name"),
        ("name", "bell \a", "name"),
        ("name", "\ud800", "name"),
        ("name", None, "name"),
        ("description", "\x1b[2J", "description"),
        ("created", "2024-02-30T00:00:00Z", "created"),
        ("created", "yesterday", "created"),
        ("created", "2024-02-29T23:59:59+01", "created"),
        ("segments", [], "segments"),
        ("segments", {}, "segments"),
        ("segments", VALID["segments"][::-1], "segments"),
        ("segments", VALID["segments"][:1], "segments"),
        ("segments.0.value", 2, "segments"),
        ("segments.0.name", "", "name"),
        ("segments.0.name", SEGMENTS[1].name, "different names"),
        ("segments.0.color", [0, 0], "color"),
        ("segments.0.color", [0, 0, 256], "color"),
        ("segments.0.color", [0, 0, True], "color"),
        ("segments.0.terminology", {"scheme": "SCT"}, "value"),
        ("segments.0.extra", 1, "extra"),
        ("preprocessing.slice_axis", "diagonal", "preprocessing"),
        ("preprocessing.extra", 1, "preprocessing"),
        ("network.features", 10**9, "network"),
        ("network.in_channels", 10**9, "network"),
        ("network.num_classes", 4, "segments"),
        ("network.depth", "5", "network"),
        ("network", [], "network"),
        ("loss.beta", "3", "loss"),
        ("weights_sha256", "AB" * 32, "weights"),
        ("weights_sha256", "", "weights"),
        ("weights_bytes", 0, "weights"),
        ("weights_bytes", 2**40, "weights"),
        ("weights_bytes", -1, "weights"),
        ("samples_sha256", "", "samples"),
        ("training", [], "training"),
        ("training", {"a": [[[[[[[[[[1]]]]]]]]]]}, "training"),
        ("training", {"a": 2**70}, "training"),
        ("metrics.0.mean", "0.9", "mean"),
        ("metrics.0.mean", 10**400, "mean"),
        ("metrics.0.count", -1, "count"),
        ("metrics.0.extra", -1, "extra"),
        ("extra", 1, "extra"),
    ],
)
def test_a_wrong_value_is_refused_and_named(path: str, value: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        parse_manifest(changed(path, value))


@pytest.mark.parametrize("key", sorted(VALID.keys() - {"tilts", "successive"}))
def test_a_missing_key_is_refused_and_named(key: str) -> None:
    content = {name: value for name, value in VALID.items() if name != key}
    with pytest.raises(ModelError, match=key):
        parse_manifest(json.dumps(content).encode())


@pytest.mark.parametrize(("key", "none"), [("tilts", ()), ("successive", None)])
def test_a_description_from_before_there_was_such_a_key_has_none(key: str, none: Any) -> None:
    content = {name: value for name, value in VALID.items() if name != key}
    assert parse_manifest(json.dumps(content).encode()) == replace(SAVED, **{key: none})


@pytest.mark.parametrize("key", sorted(VALID["network"]))
def test_no_setting_is_left_to_a_default(key: str) -> None:
    content = {name: value for name, value in VALID["network"].items() if name != key}
    with pytest.raises(ModelError, match=key):
        parse_manifest(changed("network", content))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"schema": 1, "schema": 1}',
        b'{"schema": NaN}',
        b'{"schema": 1e999}',
        b'{"schema": ' + b"1" * 5000 + b"}",
        b" " * (MAX_MANIFEST_BYTES + 1),
        dump_manifest(SAVED) + b"{}",
        dump_manifest(SAVED)[:-3],
        dump_manifest(SAVED).replace(b'"mean": 0.9', b'"mean": Infinity'),
        dump_manifest(SAVED).replace(b'"seed": 3', b'"seed": 3, "seed": 4'),
    ],
)
def test_what_is_not_strict_json_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError):
        parse_manifest(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"segments": SEGMENTS[:1]},
        {"created": "today"},
        {"training": {"x": object()}},
        {"training": {"x": float("nan")}},
        {"training": {1: "x"}},
        {"metrics": (replace(SAVED.metrics[0], mean=float("nan")),)},
        {"id": "tiny.v2"},
    ],
)
def test_a_description_that_could_not_be_read_back_is_never_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        replace(SAVED, **changes)


def test_a_training_record_is_copied_and_made_of_json() -> None:
    record: dict[str, Any] = {"subjects": ("a", "b"), "path": "odd \udcff name"}
    manifest = replace(SAVED, training=record)
    record["later"] = 1
    assert manifest.training == {"subjects": ["a", "b"], "path": "odd ? name"}
    assert parse_manifest(dump_manifest(manifest)) == manifest


def test_a_description_that_is_too_long_is_not_written() -> None:
    with pytest.raises(ModelError, match="larger"):
        dump_manifest(replace(SAVED, training={"x": "y" * MAX_MANIFEST_BYTES}))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Noyau rouge", "noyau-rouge"),
        ("Área 51 / (left)", "area-51-left"),
        ("中文", "model"),
        ("CON", "model-con"),
        ("..", "model"),
        ("x" * 300, "x" * 48),
    ],
)
def test_any_name_becomes_an_id(name: str, expected: str) -> None:
    assert identifier(name) == expected
    assert is_identifier(identifier(name))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(sorted(VALID)) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def places(value: Any, prefix: str = "") -> list[str]:
    found = [prefix] if prefix else []
    if isinstance(value, dict | list):
        steps = value.items() if isinstance(value, dict) else enumerate(value)
        for step, inner in steps:
            found += places(inner, f"{prefix}.{step}" if prefix else str(step))
    return found


def read_or_refuse(data: bytes) -> None:
    try:
        manifest = parse_manifest(data)
    except ModelError as error:
        text = str(error)
        assert text.isprintable()
        assert len(text) < 1000
        return
    assert isinstance(manifest, Manifest)
    assert parse_manifest(dump_manifest(manifest)) == manifest


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.sampled_from(places(VALID)), value=JSON)
def test_any_value_in_any_place_is_read_or_refused(place: str, value: Any) -> None:
    read_or_refuse(changed(place, value))


@settings(max_examples=150, deadline=None)
@given(value=JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    read_or_refuse(json.dumps(value).encode())


@settings(max_examples=150, deadline=None)
@given(
    start=st.integers(0, len(dump_manifest(SAVED))),
    length=st.integers(0, 30),
    inserted=st.binary(max_size=30),
)
def test_any_damage_to_the_bytes_is_read_or_refused(
    start: int, length: int, inserted: bytes
) -> None:
    data = dump_manifest(SAVED)
    read_or_refuse(data[:start] + inserted + data[start + length :])
