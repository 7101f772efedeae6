"""Counts, while the tests run, how many tests of each case passed, failed and were skipped."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from cases import CASES

from funet.provenance import run_record

OUTCOMES = ("passed", "failed", "skipped")


class CaseReport:
    """A pytest plugin that writes the counts to a file at the end.

    Args:
        path: the JSON file to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cases: dict[str, tuple[int, ...]] = {}
        self._outcomes: dict[str, str] = {}
        self._began = time.monotonic()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._cases = {item.nodeid: cases_of(item) for item in session.items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Set-up, call and clean-up are reported one by one; the worst of them counts."""
        worst = ("passed", "skipped", "failed")
        before = self._outcomes.get(report.nodeid, "passed")
        self._outcomes[report.nodeid] = max(before, report.outcome, key=worst.index)

    def pytest_sessionfinish(self) -> None:
        counts = {case.number: Counter[str]() for case in CASES}
        for test, outcome in self._outcomes.items():
            for number in self._cases[test]:
                counts[number][outcome] += 1
        content = run_record(time.monotonic() - self._began) | {
            "cases": {
                str(number): {outcome: count[outcome] for outcome in OUTCOMES}
                for number, count in counts.items()
            },
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def cases_of(item: pytest.Item) -> tuple[int, ...]:
    """The numbers of the cases that a test tries.

    Raises:
        pytest.UsageError: if there is no such case.
    """
    numbers = {number for mark in item.iter_markers("case") for number in mark.args}
    unknown = numbers - {case.number for case in CASES}
    if unknown:
        raise pytest.UsageError(f"{item.nodeid} names cases that do not exist: {unknown}")
    return tuple(sorted(numbers))
