"""Every case has a test or a reason, and the table that is shown is that of the cases."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import CASES, Case
from write_table import RESULTS, state, table

HERE = Path(__file__).parent
REPORT = RESULTS / "faults.json"


def marked_numbers() -> Iterator[int]:
    """The numbers in every ``pytest.mark.case(...)`` of this folder, run in this session or not."""
    for path in HERE.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.case":
                yield from (ast.literal_eval(argument) for argument in node.args)


def test_every_case_has_a_test_or_a_reason_why_not() -> None:
    tried = set(marked_numbers())
    assert [case.number for case in CASES] == list(range(1, 35))
    assert tried <= {case.number for case in CASES}
    assert [case.number for case in CASES if case.number not in tried and not case.left_open] == []


def test_the_committed_table_is_that_of_the_cases() -> None:
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    assert (RESULTS / "faults.md").read_text(encoding="utf-8") == table(report)
    stored = [
        Case(int(number), one["what"], one["must"], one["left_open"])
        for number, one in report["cases"].items()
    ]
    assert stored == list(CASES), "make faults writes the table again"
    assert all(one["failed"] == 0 for one in report["cases"].values())


def test_the_security_policy_names_the_repository_of_the_catalogue() -> None:
    root = RESULTS.parents[1]
    entry = json.loads((root / "FUNetSegmentation.json").read_text(encoding="utf-8"))
    policy = (root / "SECURITY.md").read_text(encoding="utf-8")
    assert f"<{entry['scm_url']}>" in policy
    assert "Testing/faults" in policy


@pytest.mark.parametrize(
    ("left_open", "counts", "expected"),
    [
        ("", (3, 0, 0), "held"),
        ("", (2, 0, 1), "held (1 tests not run here)"),
        ("", (0, 0, 2), "not tried in this run"),
        ("", (0, 0, 0), "open: no test"),
        ("no GPU", (3, 0, 0), "open: no GPU"),
        ("no GPU", (3, 1, 0), "**fails** (1 of 4 tests)"),
    ],
)
def test_a_case_is_held_only_if_its_tests_ran_and_passed(
    left_open: str, counts: tuple[int, int, int], expected: str
) -> None:
    count = dict(zip(("passed", "failed", "skipped"), counts, strict=True))
    assert state(Case(1, "what", "must", left_open), count) == expected
