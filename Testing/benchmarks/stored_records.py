"""Result files of the simulations: settings, and a list of records that grows while one runs."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from funet.errors import InputError
from funet.files import atomic_file
from funet.models.manifest import utc_now
from funet.provenance import run_record

ROOT = Path(__file__).resolve().parents[2]


def read_split(data: Path) -> Mapping[str, list[str]]:
    """Read the committed split of the data folder's name."""
    path = ROOT / "Training" / "splits" / f"{data.name}.json"
    split: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return split


def command_of(script: str, words: Sequence[str]) -> str:
    """The command line of a benchmark, without the folders of the machine that it was typed on.

    Args:
        script: name of the script without its suffix.
        words: as typed after it.
    """
    shown = (Path(word).name if _is_elsewhere(word) else word for word in words)
    return shlex.join(["python", f"Testing/benchmarks/{script}.py", *shown])


def _is_elsewhere(word: str) -> bool:
    path = Path(word)
    return path.is_absolute() or ".." in path.parts


def open_record(
    path: Path, script: str, arguments: argparse.Namespace, *, renew: bool = True, **more: Any
) -> dict[str, Any]:
    """Open a result file to go on with it, or begin one: all that somebody needs to repeat it.

    Args:
        path: the file, which need not exist.
        script: name of the script without its suffix.
        arguments: with ``words`` (as typed), ``data``, ``part``, ``subjects`` and ``seeds``.
        renew: whether the command, its size and the date replace those of the file, because a run
            that goes on may add subjects and seeds. When it first began stays as ``"begun"``.
        more: settings of this script alone.

    Raises:
        InputError: if the file was made with other settings, whose records must not be mixed with
            those to come.
    """
    size = {
        "command": command_of(script, arguments.words),
        "subjects": arguments.subjects,
        "seeds": list(range(arguments.seeds)),
    }
    settings = {"data": arguments.data.name, "part": arguments.part, **more}
    if not path.exists():
        return {**size, **settings, **run_record(seconds=0.0), "records": []}
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for key, value in settings.items():
        if record.get(key, value) != value:
            raise InputError(
                f"{path.name} holds results with {key} = {record[key]}, not {value}; give another "
                "folder by --output, or delete the file to measure anew."
            )
    if not renew:
        return record
    return record | size | {"begun": record.get("begun", record["date"]), "date": utc_now()}


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a result file, whole or not at all; one record takes one line."""
    settings = {key: value for key, value in record.items() if key != "records"}
    head = json.dumps(settings, indent=1, allow_nan=False)[:-2]
    lines = ",\n".join("  " + json.dumps(one, allow_nan=False) for one in record["records"])
    with atomic_file(path) as temporary:
        temporary.write_text(f'{head},\n "records": [\n{lines}\n ]\n}}\n', encoding="utf-8")
