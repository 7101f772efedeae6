"""Devices by name: GPUs that are not there or do not work, and one of several.

No GPU is needed: PyTorch is made to say that there is one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Shell, image
from refusals import assert_plain_sentence, refused
from slices import disc_slices
from test_training import FAST
from threshold_models import publish
from torch import nn

from funet.errors import InputError
from funet.images.volumes import read_label_map
from funet.models.store import ModelStore
from funet.runtime import choose_device
from funet.training.events import Note
from funet.training.loop import train
from funet.worker.context import JobContext
from funet.worker.jobs import describe

QUICK = replace(FAST, batch_size=4, augmentation=None)


@pytest.fixture
def broken_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch finds a GPU, and fails when it is used."""

    def fail(*_sizes: object, **_options: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available\nCompile with -DX")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("funet.runtime.torch.zeros", fail)


@pytest.mark.case(14)
@pytest.mark.parametrize("asked", ["auto", "cuda", "cuda:1"])
def test_a_broken_driver_is_told_and_the_cpu_takes_over(broken_driver: None, asked: str) -> None:
    device, notes = choose_device(asked)
    assert device == torch.device("cpu")
    assert notes == (
        "The GPU cannot be used (CUDA error: no kernel image is available); computing on the CPU.",
    )
    assert_plain_sentence(notes[0])


@pytest.mark.case(14)
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_command_says_so_and_computes_on_the_cpu(
    shell: Shell, study: Path, tmp_path: Path, untouched: Callable[..., None]
) -> None:
    publish(tmp_path / "models")
    model = ModelStore(tmp_path / "models").find("boxes")
    untouched(study, model)
    results = []
    for device in ("cuda", "cpu"):
        out = tmp_path / device
        words = ("--model", model, image(study, 0), "--output", out, "--device", device)
        assert shell("segment", *words) == 0
        assert ("The GPU cannot be used" in shell.err) == (device == "cuda")
        results.append(read_label_map(next(out.iterdir())).array)
    np.testing.assert_array_equal(*results)


@pytest.mark.case(14)
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_a_training_says_so(tmp_path: Path) -> None:
    config = replace(QUICK, device="cuda", epochs=1)
    events = list(train(nn.Conv2d(1, 3, 3, padding=1), disc_slices(2), config=config))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert notes == ["The GPU cannot be used (PyTorch finds no CUDA device); computing on the CPU."]


@pytest.mark.case(14)
def test_an_unknown_device_is_refused(shell: Shell, study: Path, tmp_path: Path) -> None:
    words = ("--model", "midbrain-t1", image(study, 0), "--output", tmp_path / "out")
    assert shell("segment", *words, "--device", "tpu") == 2
    assert "must be one of auto, cpu, cuda" in shell.err
    assert "not tpu" in shell.err
    for name in ("tpu", "mps", "cuda:", "cuda:-1", "cuda:1 "):
        with refused(f"The device '{name}' is unknown; use one of auto, cpu, cuda", InputError):
            choose_device(name)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch finds two GPUs, which compute (on the processor)."""
    zeros = torch.zeros
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", "GPU {}".format)
    monkeypatch.setattr("funet.runtime.torch.zeros", lambda *sizes, device: zeros(*sizes))


@pytest.mark.case(14)
def test_every_device_that_the_worker_offers_can_be_chosen(two_gpus: None, tmp_path: Path) -> None:
    context = JobContext("1", tmp_path, threading.Event(), lambda message: None)
    offered = describe({}, context)["devices"]
    assert [device["id"] for device in offered] == ["cpu", "cuda:0", "cuda:1"]
    for device in offered:
        assert choose_device(device["id"]) == (torch.device(device["id"]), ())
