"""Throws seeded nonsense at every parser that we own; nothing but clean refusals may come back.

From the root of the repository, the run that is on record:

    make fuzz

which is ``PYTHONPATH=Testing/engine python Testing/faults/fuzz.py --inputs 110000 --seed 0``,
writes fuzzing.json and fuzzing.md into Resources/Results. Every input is a valid one of its kind
with random damage: bits, bytes, pieces, tokens, values of JSON, words.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_damage import damaged
from fuzz_targets import Target, targets

from funet.errors import FunetError
from funet.files import atomic_file
from funet.provenance import run_record

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "Resources" / "Results"
LONGEST_MESSAGE = 2000


@dataclass
class Outcome:
    """What became of the inputs of one target.

    Attributes:
        read: inputs that were still valid, or valid again.
        refused: inputs that were refused with an error for the user.
        reasons: how many different refusals there were, by their first words.
        slowest: seconds of the slowest input.
        faults: inputs that ended in anything else, with what it was; at most ten.
    """

    read: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    faults: list[dict[str, str]] = field(default_factory=list)


def fuzz(target: Target, inputs: int, seed: int) -> Outcome:
    """Give a target damaged inputs.

    Args:
        target: the parser, and valid inputs for it.
        inputs: how many to try.
        seed: the same seed gives the same inputs.
    """
    outcome = Outcome()
    for number in range(inputs):
        rng = np.random.default_rng([seed, *target.name.encode(), number])
        data = damaged(target.seeds[int(rng.integers(len(target.seeds)))], target.seeds, rng)
        began = time.perf_counter()
        fault = _try(target.read, data, outcome)
        outcome.slowest = max(outcome.slowest, time.perf_counter() - began)
        if fault and len(outcome.faults) < 10:
            outcome.faults.append({"input": repr(data[:2000]), "number": str(number)} | fault)
    return outcome


def _try(read: Callable[[bytes], object], data: bytes, outcome: Outcome) -> dict[str, str]:
    """Read one input; return what is wrong with the way in which it ended, if anything is."""
    try:
        read(data)
    except FunetError as error:
        text = str(error)
        outcome.refused += 1
        outcome.reasons[" ".join(text.split()[-3:])] += 1
        if text.isprintable() and text.endswith(".") and len(text) <= LONGEST_MESSAGE:
            return {}
        return {"fault": f"no plain sentence: {text[:300]!r}"}
    except Exception as error:  # noqa: BLE001 (whatever it is, it is a find)
        return {"fault": f"{type(error).__name__}: {str(error)[:300]}"}
    outcome.read += 1
    return {}


def run(inputs: int, seed: int, words: Sequence[str]) -> dict[str, Any]:
    """Fuzz all targets and return the record of it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        chosen = targets(Path(folder))
        each = -(-inputs // len(chosen))
        outcomes = {target.name: fuzz(target, each, seed) for target in chosen}
    return {
        "command": f"PYTHONPATH=Testing/engine python Testing/faults/fuzz.py {shlex.join(words)}",
        "seed": seed,
        **run_record(time.monotonic() - began),
        "targets": {
            name: {
                "inputs": each,
                "read": outcome.read,
                "refused": outcome.refused,
                "different_refusals": len(outcome.reasons),
                "slowest_seconds": round(outcome.slowest, 3),
                "faults": outcome.faults,
            }
            for name, outcome in outcomes.items()
        },
    }


def table(record: Mapping[str, Any]) -> str:
    """The record in Markdown."""
    lines = [
        "# Fuzzing",
        "",
        f"`{record['command']}`, {record['date']}, {record['seconds']:.0f} s, funet "
        f"{record['versions']['funet']}, Python {record['versions']['python']}. Every input is a "
        "valid one with random damage. A fault would be anything but a result or a refusal in one "
        "plain sentence.",
        "",
        "| parser | inputs | still readable | refused | faults | slowest input (s) |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in record["targets"].items():
        cells = (name, one["inputs"], one["read"], one["refused"], len(one["faults"]))
        lines.append(f"| {' | '.join(map(str, cells))} | {one['slowest_seconds']:.3f} |")
    total = sum(one["inputs"] for one in record["targets"].values())
    found = sum(len(one["faults"]) for one in record["targets"].values())
    return "\n".join([*lines, f"| all | {total} | | | {found} | |", ""])


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, fuzz, and write the record."""
    words = list(sys.argv[1:] if words is None else words)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=110_000, help="of all parsers together")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same inputs")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the record")
    arguments = parser.parse_args(words)
    record = run(arguments.inputs, arguments.seed, words)
    texts = {"json": json.dumps(record, indent=1) + "\n", "md": table(record)}
    for suffix, text in texts.items():
        with atomic_file(arguments.output / f"fuzzing.{suffix}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    return int(any(one["faults"] for one in record["targets"].values()))


if __name__ == "__main__":
    sys.exit(main())
