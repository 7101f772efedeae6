"""Writes the table of the cases tried, held and left open, from a run of the tests.

From the root of the repository:

    make faults

which runs the tests of this folder with ``--faults-report build/faults.json`` and then
``python Testing/faults/write_table.py build/faults.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cases import CASES, Case

from funet.files import atomic_file

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "Resources" / "Results"
COMMAND = "make faults"

_HEAD = "| # | case | what must happen | tests | state |\n| ---: | --- | --- | ---: | --- |\n"


def state(case: Case, count: Mapping[str, int]) -> str:
    """Whether a case held in a run, in words.

    Args:
        case: the case.
        count: number of its tests by outcome: "passed", "failed", "skipped".
    """
    if count["failed"]:
        return f"**fails** ({count['failed']} of {sum(count.values())} tests)"
    if case.left_open:
        return f"open: {case.left_open}"
    if not count["passed"]:
        return "not tried in this run" if count["skipped"] else "open: no test"
    return "held" if not count["skipped"] else f"held ({count['skipped']} tests not run here)"


def table(report: Mapping[str, Any]) -> str:
    """The table in Markdown, one row for each case.

    Args:
        report: what ``--faults-report`` wrote.
    """
    rows = []
    for case in CASES:
        count = report["cases"][str(case.number)]
        cells = (case.number, case.what, case.must, count["passed"], state(case, count))
        rows.append("| " + " | ".join(map(str, cells)) + " |\n")
    return _HEAD + "".join(rows)


def record(report: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the result file: the report, and what each case is."""
    return {
        "command": COMMAND,
        **{name: report[name] for name in ("date", "seconds", "versions", "machine")},
        "cases": {
            str(case.number): {
                "what": case.what,
                "must": case.must,
                "left_open": case.left_open,
                **report["cases"][str(case.number)],
            }
            for case in CASES
        },
    }


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("report", type=Path, help="JSON file that the tests wrote")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the table")
    arguments = parser.parse_args(words)
    report = json.loads(arguments.report.read_text(encoding="utf-8"))
    content = json.dumps(record(report), indent=1, ensure_ascii=False) + "\n"
    for name, text in (("faults.json", content), ("faults.md", table(report))):
        with atomic_file(arguments.output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
