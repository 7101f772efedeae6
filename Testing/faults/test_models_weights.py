"""Files of weights that are hostile or damaged are refused before anything comes of them."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Shell, image, one_sentence
from pickles import pickled
from refusals import little_memory, refused
from tiny_models import (
    folder_content,
    same_weights,
    tensor_file,
    tiny_manifest,
    tiny_network,
    tiny_samples,
)

from funet.models.layout import FileDigest
from funet.models.manifest import dump_manifest, read_manifest
from funet.models.model import load_model, load_samples_of, save_model
from funet.models.store import ModelStore
from funet.models.weights import load_tensors, load_weights, read_header, save_tensors, save_weights

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
def model(tmp_path: Path) -> Path:
    """The folder of a model."""
    save_model(tmp_path / "tiny", tiny_manifest(), tiny_network())
    return tmp_path / "tiny"


def replace_weights(model: Path, data: bytes) -> None:
    """Put other bytes in place of the weights, and a description that promises just these."""
    (model / "weights.safetensors").write_bytes(data)
    digest = FileDigest(hashlib.sha256(data).hexdigest(), len(data))
    manifest = read_manifest(model).with_files(digest, None)
    (model / "model.json").write_bytes(dump_manifest(manifest))


@pytest.mark.case(1)
@pytest.mark.parametrize("writer", [pickle.dump, torch.save])
def test_a_pickle_as_weights_is_refused_and_not_run(
    model: Path, tmp_path: Path, writer: Callable[..., None], shell: Shell, study: Path
) -> None:
    canary = tmp_path / "canary"
    data = pickled(canary, writer, tmp_path / "bomb")
    replace_weights(model, data)
    for call in (load_model, ModelStore(tmp_path, tmp_path / "none").load):
        with refused("weights"):
            call(model)
    with refused("bomb"):
        load_tensors(Path(shutil.copy(model / "weights.safetensors", tmp_path / "bomb")))
    out = tmp_path / "out"
    assert shell("segment", "--model", model, image(study, 0), "--output", out) == 2
    assert "weights.safetensors" in one_sentence(shell.err)
    assert not canary.exists()
    assert not out.exists()


@pytest.mark.case(1)
@pytest.mark.parametrize("name", ["weights.pt", "weights.bin", "pytorch_model.bin"])
def test_a_pickle_beside_missing_weights_is_not_even_looked_at(
    model: Path, tmp_path: Path, name: str
) -> None:
    canary = tmp_path / "canary"
    (model / name).write_bytes(pickled(canary, torch.save, tmp_path / "bomb"))
    (model / "weights.safetensors").unlink()
    with refused("weights.safetensors"):
        load_model(model)
    assert not canary.exists()


def test_the_bomb_of_these_tests_would_go_off(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pickle.loads(pickled(canary, pickle.dump, tmp_path / "bomb"))
    assert canary.is_dir()


@pytest.mark.case(2)
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
    tmp_path: Path,
    model: Path,
    untouched: Callable[..., None],
    header: bytes,
    content: bytes,
    length: int | None,
) -> None:
    path = tensor_file(tmp_path / "bad.safetensors", header, content, length)
    replace_weights(model, path.read_bytes())
    untouched(tmp_path)
    with little_memory():
        with refused(r"bad\.safetensors"):
            read_header(path)
        with refused(r"bad\.safetensors"):
            load_tensors(path)
        with refused("weights"):
            load_model(model)


@pytest.mark.case(2)
def test_a_header_that_is_as_long_as_the_file_but_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.safetensors"
    with path.open("wb") as file:
        file.write((10 * 2**30).to_bytes(8, "little"))
        file.truncate(8 + 10 * 2**30)
    for read in (read_header, load_tensors):
        with little_memory(), refused(r"too long|more than"):
            read(path)


def test_a_well_formed_header_is_read_without_the_tensors(tmp_path: Path) -> None:
    path = tensor_file(tmp_path / "good.safetensors", header_with(), CONTENT)
    header = read_header(path)
    assert {name: str(spec) for name, spec in header.tensors.items()} == {
        "a": "float32 [2]",
        "b": "uint8 [2, 2]",
    }


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, FileDigest]:
    path = tmp_path / "weights.safetensors"
    return path, save_weights(path, tiny_network())


@pytest.mark.case(3)
def test_weights_cut_at_each_sixteenth_are_refused(saved: tuple[Path, FileDigest]) -> None:
    path, digest = saved
    whole = path.read_bytes()
    for part in range(16):
        path.write_bytes(whole[: len(whole) * part // 16])
        with refused("damaged"):
            load_weights(path, tiny_network(), digest)
        with refused("weights"):
            load_tensors(path)


def positions_of_every_kind(whole: bytes) -> Iterator[int]:
    """Bytes of the length, the header, and the first and last of each tensor."""
    start = 8 + int.from_bytes(whole[:8], "little")
    yield from range(8)
    yield from range(8, start, 5)
    header = json.loads(whole[8:start])
    for entry in header.values():
        if "data_offsets" in entry:
            begin, end = entry["data_offsets"]
            yield from {start + begin, start + end - 1}


@pytest.mark.case(3)
def test_one_flipped_bit_anywhere_is_refused(saved: tuple[Path, FileDigest]) -> None:
    path, digest = saved
    whole, network = path.read_bytes(), tiny_network()
    generator = np.random.default_rng(0)
    positions = [*positions_of_every_kind(whole), *generator.integers(0, len(whole), 100)]
    assert len(positions) > 500
    for position in positions:
        changed = bytearray(whole)
        changed[position] ^= 1 << int(generator.integers(8))
        path.write_bytes(changed)
        with refused("weights"):
            load_weights(path, network, digest)
    path.write_bytes(whole)
    load_weights(path, network, digest)
    assert same_weights(network, tiny_network())


@pytest.mark.case(3)
@pytest.mark.parametrize("name", ["weights.safetensors", "samples.safetensors"])
def test_a_swapped_file_of_the_right_size_is_refused(tmp_path: Path, name: str) -> None:
    """Another model's files are not these, however sound they are."""
    for number in range(2):
        samples = [replace(one, slice_index=number) for one in tiny_samples()]
        save_model(tmp_path / f"{number}", tiny_manifest(), tiny_network(number), samples)
    shutil.copy(tmp_path / "1" / name, tmp_path / "0" / name)
    with refused(name):
        load_samples_of(load_model(tmp_path / "0"))


@pytest.mark.case(4)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_not_finite_is_named_on_loading_and_on_saving(
    tmp_path: Path, model: Path, value: float
) -> None:
    network = tiny_network()
    state = network.state_dict()
    state["head.weight"].view(-1)[1] = value
    save_tensors(tmp_path / "bad", state)
    replace_weights(model, (tmp_path / "bad").read_bytes())
    with refused(r"head\.weight.*finite"):
        load_model(model)
    before = folder_content(tmp_path)
    with refused(r"head\.weight.*finite"):
        save_model(tmp_path / "never", tiny_manifest(), network)
    assert folder_content(tmp_path) == before


def without_bias(state: dict[str, torch.Tensor]) -> None:
    del state["head.bias"]


def with_a_stranger(state: dict[str, torch.Tensor]) -> None:
    state["stranger"] = torch.zeros(1)


def of_another_shape(state: dict[str, torch.Tensor]) -> None:
    state["head.bias"] = torch.zeros(4)


def of_another_type(state: dict[str, torch.Tensor]) -> None:
    state["head.bias"] = state["head.bias"].double()


@pytest.mark.case(4)
@pytest.mark.parametrize(
    ("change", "name"),
    [
        (without_bias, "lacks the tensor head.bias"),
        (with_a_stranger, "unknown tensor stranger"),
        (of_another_shape, r"head.bias .* is float32 \[4\] instead of float32 \[3\]"),
        (of_another_type, "head.bias .* is float64"),
    ],
)
def test_tensors_of_another_network_are_named(
    tmp_path: Path, model: Path, change: Callable[[dict[str, torch.Tensor]], None], name: str
) -> None:
    state = dict(tiny_network().state_dict())
    change(state)
    save_tensors(tmp_path / "other", state)
    replace_weights(model, (tmp_path / "other").read_bytes())
    with refused(name):
        load_model(model)
