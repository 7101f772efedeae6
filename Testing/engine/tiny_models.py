"""Real models, small enough to be made and saved in milliseconds."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from funet.annotations.samples import SliceSample
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import Code, Segment
from funet.loss_config import LossConfig
from funet.models.manifest import Manifest, MetricRecord
from funet.network_config import NetworkConfig
from funet.networks import UNet

CONFIG = NetworkConfig(in_channels=1, num_classes=3, features=2, depth=2)
SEGMENTS = (
    Segment(1, "midbrain", (90, 120, 200), Code("SCT", "61962009", "Midbrain structure")),
    Segment(2, "substantia nigra – é中", (200, 60, 60), None),
)


def tiny_network(seed: int = 0, config: NetworkConfig = CONFIG) -> UNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UNet(config)


def tiny_manifest(family: str = "tiny", **changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "id": family,
        "family": family,
        "name": "A tiny model",
        "description": "Two lines,\nin plain words.",
        "licence": "CC0-1.0",
        "segments": SEGMENTS,
        "preprocessing": Preprocessing(slice_axis="coronal"),
        "network": CONFIG,
        "loss": LossConfig(),
        "created": "2024-02-29T23:59:59Z",
        "training": {"subjects": ["a", "b"], "seed": 3, "rate": 1e-3, "data": {"sha256": "00"}},
        "metrics": (MetricRecord("8 subjects", "midbrain", "Dice", 0.9, 0.03, 8),),
    }
    return Manifest(**(fields | changes))


def tiny_samples(count: int = 3) -> list[SliceSample]:
    generator = np.random.default_rng(0)
    return [
        SliceSample(
            image=generator.normal(size=(5, 4 + index)).astype(np.float32),
            labels=generator.choice([0, 1, 2, 255], size=(5, 4 + index)).astype(np.uint8),
            subject=f"subject {index} é中",
            slice_index=index * 7,
        )
        for index in range(count)
    ]


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def tensor_file(path: Path, header: bytes, content: bytes = b"", length: int | None = None) -> Path:
    """Write a file laid out as safetensors, with whatever header and length it is given."""
    declared = len(header) if length is None else length
    path.write_bytes(struct.pack("<Q", declared) + header + content)
    return path


def folder_content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run_child(code: str, *arguments: object) -> str:
    """Run Python code that sees the engine and this folder, and return what it printed."""
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        encoding="utf-8",  # whatever language reading a DICOM series has left behind
        timeout=120,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


def archive_content(archive: Path) -> dict[str, bytes]:
    """The files in an exported model, by name."""
    with zipfile.ZipFile(archive) as source:
        return {name: source.read(name) for name in source.namelist()}
