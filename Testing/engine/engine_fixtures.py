"""Fixtures of the tests of the engine: a study, a model trained on it, a shell and a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from command_line import Shell, train_words
from studies import write_study
from tiny_models import tiny_manifest, tiny_network, tiny_samples
from worker_tools import open_client

from funet.cli import main
from funet.models.archive import export_model
from funet.models.model import save_model
from funet.worker.client import Patience, WorkerClient


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of PyTorch's threads for a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def shell(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """The funet command with a store of models of its own."""
    monkeypatch.setenv("FUNET_MODELS", str(tmp_path / "store"))
    return Shell(capsys, tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a tiny model that keeps slices."""
    save_model(tmp_path / "tiny", tiny_manifest(), tiny_network(), tiny_samples())
    return tmp_path / "tiny"


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    """The same model as one file, without its slices."""
    export_model(folder, tmp_path / "tiny.zip")
    return tmp_path / "tiny.zip"


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images and labels of four subjects."""
    return write_study(tmp_path_factory.mktemp("study"), 4)


@pytest.fixture(scope="session")
def boxes_model(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that the command trained on the study."""
    folder = tmp_path_factory.mktemp("models") / "boxes"
    assert main(train_words(study, folder)) == 0
    return folder


@pytest.fixture(scope="module")
def shared_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerClient]:
    """A client that offers the jobs for tests and soon loses patience with a cancelled one."""
    patience = Patience(cancel=0.3, terminate=0.2)
    with open_client(tmp_path_factory.mktemp("worker"), patience=patience) as client:
        yield client


@pytest.fixture
def client(shared_client: WorkerClient) -> Iterator[WorkerClient]:
    """One client for all tests of a file: each shows that it has outlived the tests before."""
    yield shared_client
    assert shared_client.idle
