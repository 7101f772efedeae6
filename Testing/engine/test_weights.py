from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import (
    folder_content,
    same_weights,
    tiny_network,
    tiny_samples,
)

from funet.annotations.sample_archive import load_samples, save_samples
from funet.errors import FunetError, ModelError
from funet.models.layout import FileDigest
from funet.models.weights import (
    load_tensors,
    load_weights,
    save_tensors,
    save_weights,
)


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
