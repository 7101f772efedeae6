"""Captions of tables and figures, made from the result files that these come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_LIBRARIES = ("torch", "numpy", "funet")


def provenance(record: Mapping[str, Any], source: str = "") -> str:
    """How numbers came about, as one paragraph of Markdown; what a record lacks is left out.

    Args:
        record: what a benchmark stored, with ``command``, ``date``, ``seconds``, ``seed`` or
            ``seeds``, ``versions`` and ``machine`` where it has them.
        source: what the data are.
    """
    facts = [
        _command(record),
        data_of(record) + (f" ({source})" if source else ""),
        _seeds(record),
        _versions(record),
        _machine(record),
        _duration(record),
        _days(record),
    ]
    known = [fact for fact in facts if fact]
    return f"*Made by*: {'; '.join(known)}." if known else ""


def _days(record: Mapping[str, Any]) -> str:
    last = str(record.get("date", ""))[:10]
    first = str(record.get("begun", last))[:10]
    return last if first == last else f"{first} to {last}"


def data_of(record: Mapping[str, Any]) -> str:
    """How much data took part: images and subjects, and the folder that they come from."""
    parts = []
    if "images" in record:
        parts.append(counted(record["images"], "image"))
    subjects = record.get("subjects")
    count = len(subjects) if isinstance(subjects, Sequence) else subjects
    if isinstance(count, int):
        parts.append(counted(count, "subject"))
    amount = " of ".join(parts)
    folder = record.get("data")
    if not isinstance(folder, str):
        return amount
    return f"{amount} of `{folder}`" if amount else f"data `{folder}`"


def counted(count: int, thing: str) -> str:
    """A number with its noun: ``1 seed``, ``3 seeds``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def size_of(record: Mapping[str, Any]) -> str:
    """How much a simulation has measured: ``10 subjects × 3 seeds``.

    Args:
        record: with ``seeds``, and the subject of each of its ``records``.
    """
    subjects = len({one["subject"] for one in record["records"]})
    return f"{counted(subjects, 'subject')} × {counted(len(record['seeds']), 'seed')}"


def duration(seconds: float) -> str:
    """A time in minutes, with one decimal below ten of them, or in seconds."""
    if seconds < 60:
        return f"{seconds:.0f} seconds"
    number = seconds / 60
    return f"{number:.1f} minutes" if number < 10 else f"{number:.0f} minutes"


def _command(record: Mapping[str, Any]) -> str:
    return f"`{record['command']}`" if record.get("command") else ""


def _seeds(record: Mapping[str, Any]) -> str:
    seeds = record.get("seeds", [record["seed"]] if "seed" in record else [])
    if not isinstance(seeds, Sequence):
        seeds = [seeds]
    names = ", ".join(str(seed) for seed in seeds)
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {names}" if names else ""


def _versions(record: Mapping[str, Any]) -> str:
    versions = record.get("versions", {})
    return ", ".join(f"{name} {versions[name]}" for name in _LIBRARIES if name in versions)


def _machine(record: Mapping[str, Any]) -> str:
    machine = record.get("machine")
    if not isinstance(machine, Mapping):
        return str(machine or "")
    parts = [str(machine["cpu"])] if machine.get("cpu") else []
    for key in ("core", "thread"):
        count = machine.get(f"{key}s")
        parts += [counted(count, key)] if isinstance(count, int) else []
    if machine.get("gpu"):
        parts.append(str(machine["gpu"]))
    return ", ".join(parts)


def _duration(record: Mapping[str, Any]) -> str:
    return duration(record["seconds"]) if "seconds" in record else ""
