from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import (
    folder_content,
    same_weights,
    tensor_file,
    tiny_network,
    tiny_samples,
)

from funet.annotations.sample_archive import load_samples, save_samples
from funet.errors import FunetError, ModelError
from funet.models.layout import FileDigest
from funet.models.weights import (
    load_tensors,
    load_weights,
    read_header,
    save_tensors,
    save_weights,
)

TWO = {
    "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    "b": {"dtype": "U8", "shape": [2, 2], "data_offsets": [8, 12]},
}
CONTENT = bytes(12)


def header_with(**changes: Any) -> bytes:
    tensors = {name: dict(entry) for name, entry in TWO.items()}
    tensors["b"] |= changes
    return json.dumps(tensors).encode()


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, FileDigest]:
    path = tmp_path / "weights.safetensors"
    return path, save_weights(path, tiny_network())


def test_weights_come_back_to_the_bit_and_without_drawing_random_numbers(
    saved: tuple[Path, FileDigest],
) -> None:
    other = tiny_network(seed=1).to("meta")
    before = torch.random.get_rng_state()
    load_weights(saved[0], other, saved[1])
    assert torch.equal(before, torch.random.get_rng_state())
    assert same_weights(tiny_network(), other)


def test_the_same_tensors_and_texts_give_the_same_bytes(tmp_path: Path) -> None:
    texts = {f"key {number}": "värde 中" for number in range(8)}
    tensors = {"x": torch.arange(6).reshape(2, 3).T, "y": torch.tensor(1.5)}
    digests = {save_tensors(tmp_path / str(n), tensors, texts).sha256 for n in range(6)}
    assert len(digests) == 1
    loaded, metadata = load_tensors(tmp_path / "0")
    assert metadata == texts
    assert torch.equal(loaded["x"], tensors["x"])
    assert loaded["y"].shape == ()


def test_tensors_that_share_memory_can_be_saved(tmp_path: Path) -> None:
    tensor = torch.arange(4.0)
    save_tensors(tmp_path / "shared", {"all": tensor, "part": tensor[1:]})
    assert load_tensors(tmp_path / "shared")[0]["part"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("header", "content", "length"),
    [
        pytest.param(b"{}", b"", 10 * 2**30, id="ten gigabytes long"),
        pytest.param(b"{}", b"", 2**64 - 1, id="as long as can be said"),
        pytest.param(b"{}", b"", 0, id="empty header"),
        pytest.param(b'{"\xff": 1}', b"", None, id="not UTF-8"),
        pytest.param(b"{not json}", b"", None, id="not JSON"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, b"", None, id="a list"),
        pytest.param(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", b"", None, id="deep"),
        pytest.param(
            b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
            b'"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
            b"\0",
            None,
            id="duplicate key",
        ),
        pytest.param(header_with(data_offsets=[9, 13]), CONTENT + b"\0", None, id="hole"),
        pytest.param(header_with(data_offsets=[7, 11]), CONTENT, None, id="overlap"),
        pytest.param(header_with(data_offsets=[8, 13]), CONTENT + b"\0", None, id="size"),
        pytest.param(header_with(data_offsets=[12, 8]), CONTENT, None, id="backwards"),
        pytest.param(header_with(data_offsets=[8]), CONTENT, None, id="one offset"),
        pytest.param(header_with(data_offsets=[8.0, 12.0]), CONTENT, None, id="fractions"),
        pytest.param(header_with(shape=[2**40, 2**40]), CONTENT, None, id="overflow"),
        pytest.param(header_with(shape=[2**63, 2]), CONTENT, None, id="overflow to zero"),
        pytest.param(header_with(shape=[-2, -2]), CONTENT, None, id="negative"),
        pytest.param(header_with(shape=[True, 4]), CONTENT, None, id="true as a number"),
        pytest.param(header_with(shape=[1] * 40), CONTENT, None, id="too many axes"),
        pytest.param(header_with(dtype="C64"), CONTENT, None, id="unknown type"),
        pytest.param(header_with(dtype=["U8"]), CONTENT, None, id="type is a list"),
        pytest.param(header_with(more=1), CONTENT, None, id="unknown entry"),
        pytest.param(header_with(), CONTENT + b"tail", None, id="bytes left over"),
        pytest.param(header_with(), CONTENT[:-1], None, id="bytes missing"),
        pytest.param(b'{"__metadata__": {"a": 1}}', b"", None, id="metadata that is no text"),
        pytest.param(b'{"a": NaN}', b"", None, id="NaN"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", b"", None, id="a number of 5000 digits"),
    ],
)
def test_a_malformed_header_is_refused(
    tmp_path: Path, header: bytes, content: bytes, length: int | None
) -> None:
    path = tensor_file(tmp_path / "bad.safetensors", header, content, length)
    with pytest.raises(ModelError, match=r"bad\.safetensors"):
        read_header(path)
    with pytest.raises(ModelError):
        load_tensors(path)


def test_a_header_that_is_as_long_as_the_file_but_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.safetensors"
    with path.open("wb") as file:
        file.write((10 * 2**30).to_bytes(8, "little"))
        file.truncate(8 + 10 * 2**30)
    with pytest.raises(ModelError, match="too long"):
        read_header(path)


def test_a_well_formed_header_is_read_without_the_tensors(tmp_path: Path) -> None:
    path = tensor_file(tmp_path / "good.safetensors", header_with(), CONTENT)
    header = read_header(path)
    assert {name: str(spec) for name, spec in header.tensors.items()} == {
        "a": "float32 [2]",
        "b": "uint8 [2, 2]",
    }


class Bomb:
    def __init__(self, canary: Path) -> None:
        self.canary = str(canary)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.canary,)


@pytest.mark.parametrize("writer", [pickle.dump, torch.save])
def test_a_pickle_under_a_false_name_is_refused_and_not_run(tmp_path: Path, writer: Any) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "weights.safetensors"
    with path.open("wb") as file:
        writer(Bomb(canary), file)
    expected = FileDigest("0" * 64, path.stat().st_size)
    with pytest.raises(ModelError):
        load_tensors(path)
    with pytest.raises(ModelError):
        load_weights(path, tiny_network(), expected)
    assert not canary.exists()


def test_a_file_cut_anywhere_is_refused(saved: tuple[Path, FileDigest]) -> None:
    path, digest = saved
    whole = path.read_bytes()
    for part in range(16):
        path.write_bytes(whole[: len(whole) * part // 16])
        with pytest.raises(ModelError, match="damaged"):
            load_weights(path, tiny_network(), digest)
        with pytest.raises(ModelError):
            load_tensors(path)


def test_a_flipped_bit_anywhere_is_refused(saved: tuple[Path, FileDigest]) -> None:
    path, digest = saved
    whole = path.read_bytes()
    for position in np.random.default_rng(0).integers(0, len(whole) * 8, 100):
        changed = bytearray(whole)
        changed[position // 8] ^= 1 << (position % 8)
        path.write_bytes(changed)
        with pytest.raises(ModelError):
            load_weights(path, tiny_network(), digest)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_not_finite_is_named_on_loading_and_on_saving(
    tmp_path: Path, value: float
) -> None:
    network = tiny_network()
    state = network.state_dict()
    state["head.weight"].view(-1)[1] = value
    digest = save_tensors(tmp_path / "bad", state)
    with pytest.raises(ModelError, match=r"head\.weight.*finite"):
        load_weights(tmp_path / "bad", tiny_network(), digest)
    with pytest.raises(ModelError, match=r"head\.weight.*finite"):
        save_weights(tmp_path / "never", network)
    assert not (tmp_path / "never").exists()


def without_bias(state: dict[str, torch.Tensor]) -> None:
    del state["head.bias"]


def with_a_stranger(state: dict[str, torch.Tensor]) -> None:
    state["stranger"] = torch.zeros(1)


def of_another_shape(state: dict[str, torch.Tensor]) -> None:
    state["head.bias"] = torch.zeros(4)


def of_another_type(state: dict[str, torch.Tensor]) -> None:
    state["head.bias"] = state["head.bias"].double()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (without_bias, "head.bias"),
        (with_a_stranger, "stranger"),
        (of_another_shape, "head.bias"),
        (of_another_type, "head.bias"),
    ],
)
def test_tensors_of_another_network_are_named(tmp_path: Path, change: Any, name: str) -> None:
    state = dict(tiny_network().state_dict())
    change(state)
    digest = save_tensors(tmp_path / "other", state)
    with pytest.raises(ModelError, match=name):
        load_weights(tmp_path / "other", tiny_network(), digest)


def test_another_hash_or_size_than_the_expected_is_refused(
    saved: tuple[Path, FileDigest],
) -> None:
    path, digest = saved
    with pytest.raises(ModelError, match="SHA-256"):
        load_weights(path, tiny_network(), replace(digest, sha256="0" * 64))
    with pytest.raises(ModelError, match="bytes"):
        load_weights(path, tiny_network(), replace(digest, size=digest.size + 1))


def test_a_link_a_pipe_a_folder_and_a_missing_file_are_refused(
    tmp_path: Path, saved: tuple[Path, FileDigest]
) -> None:
    (tmp_path / "link").symlink_to(saved[0])
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder", "missing", "nul\0byte", "x" * 300):
        with pytest.raises(ModelError):
            load_tensors(tmp_path / name)


def test_a_failed_save_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    save_tensors(tmp_path / "file", {"a": torch.zeros(3)})
    before = folder_content(tmp_path)
    with pytest.raises(FunetError, match="file"):
        save_tensors(tmp_path / "file" / "below", {"a": torch.zeros(3)})
    assert folder_content(tmp_path) == before


def test_samples_come_back_exactly(tmp_path: Path) -> None:
    samples = tiny_samples()
    digest = save_samples(tmp_path / "samples", [*samples, samples[0]])
    loaded = load_samples(tmp_path / "samples", digest)
    assert len(loaded) == 4
    for before, after in zip([*samples, samples[0]], loaded, strict=True):
        assert np.array_equal(before.image, after.image)
        assert np.array_equal(before.labels, after.labels)
        assert (after.image.dtype, after.labels.dtype) == (np.float32, np.uint8)
        assert (before.subject, before.slice_index) == (after.subject, after.slice_index)


@pytest.mark.parametrize(
    "origins",
    ["", "{}", "[1]", '[{"subject": "a"}]', '[{"subject": 1, "slice_index": 0}]', "[[[[", "null"],
)
def test_samples_with_a_damaged_list_are_refused(tmp_path: Path, origins: str) -> None:
    tensors = {
        "image.0": torch.zeros(2, 2),
        "labels.0": torch.zeros(2, 2, dtype=torch.uint8),
    }
    save_tensors(tmp_path / "samples", tensors, {"samples": origins})
    with pytest.raises(ModelError, match="samples"):
        load_samples(tmp_path / "samples")


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("image.0", torch.zeros(2, 2, dtype=torch.float64)),
        ("image.0", torch.full((2, 2), torch.nan)),
        ("image.0", torch.zeros(2, 3)),
        ("image.0", torch.zeros(2)),
        ("labels.0", torch.zeros(2, 2)),
        ("labels.1", torch.zeros(2, 2)),
    ],
)
def test_samples_with_a_wrong_tensor_are_refused(
    tmp_path: Path, name: str, tensor: torch.Tensor
) -> None:
    tensors = {
        "image.0": torch.zeros(2, 2),
        "labels.0": torch.zeros(2, 2, dtype=torch.uint8),
    }
    origins = '[{"subject": "a", "slice_index": 0}]'
    save_tensors(tmp_path / "samples", tensors | {name: tensor}, {"samples": origins})
    with pytest.raises(ModelError, match="samples"):
        load_samples(tmp_path / "samples")
