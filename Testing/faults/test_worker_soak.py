"""A slice of the soak, and what its record says."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest
from soak import ENDS, RESULTS, report, run, slope

pytestmark = pytest.mark.case(10, 12)


def test_tasks_with_cancels_and_a_kill_leave_nothing(tmp_path: Path) -> None:
    gc.collect()  # what other tests of this process left open
    entries, found = run(tmp_path, 12, 32)
    assert {one.fate for one in entries} == ENDS.keys(), "choose a seed with every fate"
    assert found["last_prediction_equals_first"]
    assert len(found["own_descriptors"]) == 1
    assert {path.name for path in (tmp_path / "models").iterdir()} >= {"boxes"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([(1, job, 100.0) for job in range(20)], 0.0),
        ([(1, job, 0.5 * job) for job in range(20)], 0.5),
        ([(job // 10, job, 0.5 * (job % 10) - 99 * (job // 10)) for job in range(20)], 0.5),
        ([(1, 0, 5.0)], 0.0),
    ],
    ids=["flat", "growing", "growing in two processes", "one task"],
)
def test_the_slope_is_that_within_each_process(
    values: list[tuple[int, int, float]], expected: float
) -> None:
    assert slope(values) == pytest.approx(expected)


def test_the_record_holds_what_it_must_and_its_page_is_made_of_it() -> None:
    record = json.loads((RESULTS / "soak.json").read_text(encoding="utf-8"))
    assert (RESULTS / "soak.md").read_text(encoding="utf-8") == report(record)
    found = record["summary"]
    assert found["jobs"] == len(record["tasks"]) == 200
    assert found["last_prediction_equals_first"]
    assert all(one["state"] in ENDS[one["fate"]] for one in record["tasks"])
    assert len(found["own_descriptors"]) == 1
    assert abs(found["worker_megabytes_per_job"]) < 0.5
    assert abs(found["own_megabytes_per_job"]) < 0.5
