"""Measures every goal of speed in one run, against peers and against the machine's limit.

From the root of the repository:

    make bench

which is ``python Testing/benchmarks/speed.py`` with the peers of ``requirements-bench.txt``. It
writes speed.json, .md and .png into Resources/Results. What compares labels needs real images in
``../data`` and is left out without them; OpenVINO is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing"))  # the phantoms

from speed_cases_inference import agreement, inference, region_search  # noqa: E402
from speed_cases_loss import loss  # noqa: E402
from speed_cases_retraining import retraining  # noqa: E402
from speed_cases_scaling import scaling  # noqa: E402
from speed_cases_segment import cold_start, memory, rest_of_segment  # noqa: E402
from speed_cases_training import training_step  # noqa: E402
from speed_report import curves_of, write_report  # noqa: E402
from speed_timing import Measured, Setting  # noqa: E402
from stored_records import command_of  # noqa: E402

from funet.files import atomic_file  # noqa: E402
from funet.provenance import run_record  # noqa: E402

CASES: Mapping[str, Callable[[Setting], Measured]] = {
    "Inference": inference,
    "Labels": agreement,
    "Segment": rest_of_segment,
    "Region search": region_search,
    "Loss": loss,
    "Training step": training_step,
    "Retrain": retraining,
    "Cold start": cold_start,
    "Memory": memory,
    "Scaling": scaling,
}
PEERS = ("monai", "openvino")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")

logger = logging.getLogger("speed")


def measure(setting: Setting, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Measure the cases of these names; yield the record so far after each of them."""
    torch.manual_seed(setting.seed)
    before, began = os.getloadavg(), time.monotonic()
    cases: dict[str, Any] = {}
    for name in names:
        start = time.monotonic()
        measured = CASES[name](setting)
        logger.info("%s (%.0f s)", name, time.monotonic() - start)
        for goal in measured.goals:
            value = "not measured" if goal.value is None else f"{goal.value:.3g}{goal.unit}"
            logger.info("  %s: %s (goal %g%s)", goal.what, value, goal.limit, goal.unit)
        cases[name] = measured.to_json()
        record = run_record(
            time.monotonic() - began,
            seed=setting.seed,
            repeats=setting.repeats,
            quick=setting.quick,
        )
        record["versions"] |= peer_versions()
        record["machine"] |= {"flags": cpu_flags()}
        load = {"before": list(before), "after": list(os.getloadavg())}
        yield record | {"load": load, "cases": cases}


def renewed(stored: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Put the cases of a run of some into a stored record; they say when and how it was made."""
    run = {name: value for name, value in record.items() if name != "cases"}
    cases = {name: one | {"run": run} for name, one in record["cases"].items()}
    return {**stored, "cases": stored["cases"] | cases}


def peer_versions() -> dict[str, str]:
    """The versions of the peers that are installed."""
    found = {}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cpu_flags() -> list[str]:
    """What the CPU has of the instructions that matter here; nothing where that is not told."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return []
    present = set(re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)[1].split())
    return [flag for flag in FLAGS if flag in present]


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write the record, every list of numbers in one line."""
    text = json.dumps(record, indent=1, allow_nan=False)
    text = re.sub(r"\[[\d\s.,e-]+\]", lambda numbers: " ".join(numbers[0].split()), text)
    with atomic_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, measure, and write the results."""
    words = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", help="cases, joined by commas; those that were measured before stay"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path("../data"))
    parser.add_argument("--output", type=Path, default=Path("Resources/Results"))
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that all runs")
    arguments = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    data = arguments.data if (arguments.data / "README.md").is_file() else None
    setting = Setting(arguments.quick, arguments.repeats, data)
    arguments.output.mkdir(parents=True, exist_ok=True)
    stem = arguments.output / "speed"
    command = {"command": command_of("speed", words)}
    path = stem.with_suffix(".json")
    stored = json.loads(path.read_text("utf-8")) if arguments.only and path.is_file() else None
    for measured in measure(setting, arguments.only.split(",") if arguments.only else list(CASES)):
        record = command | measured
        if stored is not None:
            record = renewed(stored, record)
        write_record(path, record)  # what a killed run has measured stays
    write_report(record, stem)
    for name, curve in curves_of(record).items():
        logger.info("time against %s: power %.2f", name, curve["exponent"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
