"""How numbers came about: when, on which machine, with which versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from . import __version__

_PACKAGES = ("numpy", "scipy", "SimpleITK", "safetensors", "monai")
_CPU_INFO = Path("/proc/cpuinfo")


def versions() -> dict[str, str]:
    """Return the versions of everything that the numbers may depend on, by name."""
    found = {
        "funet": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # an optional one
            continue
    return found


def machine() -> dict[str, object]:
    """Return what computes: system, CPU, its cores, PyTorch's threads, and the GPU or ``None``."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _cpu_name() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:  # there is no such file but on Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
