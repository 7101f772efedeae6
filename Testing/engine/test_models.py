from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import (
    CONFIG,
    folder_content,
    same_weights,
    tiny_manifest,
    tiny_network,
    tiny_samples,
)

from funet.errors import InputError, ModelError
from funet.files import atomic_file, require_writable
from funet.models.model import Model, load_model, load_samples_of, save_model
from funet.models.weights import save_tensors


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_model(tmp_path / "tiny", tiny_manifest(), tiny_network(), tiny_samples())
    return tmp_path / "tiny"


def test_a_model_comes_back_whole(saved: Path) -> None:
    before = torch.random.get_rng_state()
    model = load_model(saved)
    assert torch.equal(before, torch.random.get_rng_state())
    assert same_weights(model.network, tiny_network())
    assert not model.network.training
    assert all(parameter.requires_grad for parameter in model.network.parameters())
    assert model.manifest.weights_bytes == (saved / "weights.safetensors").stat().st_size
    assert (
        replace(
            model.manifest, weights_sha256="", weights_bytes=0, samples_sha256="", samples_bytes=0
        )
        == tiny_manifest()
    )
    images = torch.rand(2, 1, 7, 9)
    assert torch.equal(model.network(images), tiny_network().eval()(images))


def test_the_samples_come_back_with_the_model(saved: Path) -> None:
    samples = load_samples_of(load_model(saved))
    assert [sample.subject for sample in samples] == [s.subject for s in tiny_samples()]
    assert all(
        np.array_equal(a.image, b.image) for a, b in zip(samples, tiny_samples(), strict=True)
    )


def test_a_model_without_samples_has_none(tmp_path: Path) -> None:
    save_model(tmp_path / "bare", tiny_manifest(), tiny_network())
    assert load_samples_of(load_model(tmp_path / "bare")) == ()
    assert load_samples_of(Model(tiny_manifest(), tiny_network())) == ()
    assert sorted(folder_content(tmp_path / "bare")) == ["model.json", "weights.safetensors"]


def test_the_same_model_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "again", tiny_manifest(), tiny_network(), tiny_samples())
    assert folder_content(saved) == folder_content(tmp_path / "again")


def test_a_version_is_never_overwritten(saved: Path) -> None:
    before = folder_content(saved)
    with pytest.raises(ModelError, match="exists"):
        save_model(saved, tiny_manifest(), tiny_network(seed=1))
    assert folder_content(saved.parent) == {f"tiny/{k}": v for k, v in before.items()}


def test_a_diverged_network_is_not_saved(tmp_path: Path) -> None:
    network = tiny_network()
    torch.nn.init.constant_(network.head.bias, float("nan"))
    with pytest.raises(ModelError, match=r"head\.bias"):
        save_model(tmp_path / "nan", tiny_manifest(), network)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_is_not_the_described_one_is_not_saved(tmp_path: Path) -> None:
    other = tiny_network(config=replace(CONFIG, features=3))
    with pytest.raises(ModelError, match="tiny"):
        save_model(tmp_path / "other", tiny_manifest(), other)


def test_a_description_of_another_network_is_refused_before_the_weights_are_read(
    saved: Path,
) -> None:
    content = json.loads((saved / "model.json").read_text(encoding="utf-8"))
    content["network"] |= {"features": 16, "depth": 7}
    (saved / "model.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match=r"The tensor encoder\.0\.conv1\.weight"):
        load_model(saved)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@pytest.mark.parametrize("fault", ["missing", "empty", "link", "folder"])
def test_a_missing_empty_or_linked_file_is_refused(saved: Path, name: str, fault: str) -> None:
    path = saved / name
    aside = path.rename(saved.parent / "aside")
    if fault == "empty":
        path.touch()
    elif fault == "link":
        path.symlink_to(aside)
    elif fault == "folder":
        path.mkdir()
    with pytest.raises(ModelError, match=name):
        load_model(saved)


def test_changed_samples_are_refused(saved: Path) -> None:
    model = load_model(saved)
    path = saved / "samples.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="samples"):
        load_samples_of(model)


def test_a_writable_folder_is_left_as_it_was(tmp_path: Path) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "new" / "deeper")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        require_writable(tmp_path / "file" / "below")


def test_an_interrupted_write_leaves_the_old_file_only(tmp_path: Path) -> None:
    path = tmp_path / ("中" * 60 + ".seg.nrrd")
    path.write_text("old")
    names: list[str] = []

    def write() -> None:
        with atomic_file(path) as temporary:
            names.append(temporary.name)
            temporary.write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert names[0].endswith(".seg.nrrd")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_a_file_keeps_it_whole_for_readers(tmp_path: Path) -> None:
    save_tensors(tmp_path / "state", {"a": torch.zeros(4)})
    save_tensors(tmp_path / "state", {"a": torch.ones(4)})
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
