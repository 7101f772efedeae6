"""How numbers came about: when, on which machine, with which versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from . import __version__
from .models.manifest import utc_now

_PACKAGES = ("numpy", "scipy", "SimpleITK", "safetensors", "monai")
_CPU_INFO = Path("/proc/cpuinfo")


def run_record(seconds: float, **settings: object) -> dict[str, Any]:
    """Return what every file of results says of the run that ends now.

    Args:
        seconds: how long it took.
        settings: what else is to be said of it; a command belongs in front of the record.

    Returns:
        ``date``, ``seconds``, the settings, ``versions`` and ``machine``, in this order.
    """
    return {
        "date": utc_now(),
        "seconds": round(seconds, 1),
        **settings,
        "versions": versions(),
        "machine": machine(),
    }


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
