"""A few thousand damaged inputs for each parser; the run on record had more than 100,000."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fuzz import RESULTS, fuzz, table
from fuzz_targets import Target, targets

from funet.errors import InputError

NAMES = (
    "description of a model",
    "weights",
    "kept slices",
    "archive of a model",
    "versions in use",
    "requests to the worker",
    "events of the worker",
    "command line",
    "names of structures",
    "numbers of slices",
)


@pytest.fixture(scope="module")
def parsers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return {target.name: target for target in targets(tmp_path_factory.mktemp("fuzz"))}


@pytest.mark.case(2, 5)
@pytest.mark.parametrize("name", NAMES)
def test_damaged_input_is_read_or_cleanly_refused(parsers: dict[str, Target], name: str) -> None:
    """Seeds differ from those on record, so that other inputs are tried."""
    outcome = fuzz(parsers[name], 400, seed=1)
    assert outcome.faults == []
    assert outcome.refused + outcome.read == 400
    assert outcome.refused > 100
    assert outcome.slowest < 5


def test_every_parser_is_tried(parsers: dict[str, Target]) -> None:
    assert tuple(parsers) == NAMES


def test_the_record_is_large_and_its_table_is_that_of_its_numbers() -> None:
    record = json.loads((RESULTS / "fuzzing.json").read_text(encoding="utf-8"))
    assert tuple(record["targets"]) == NAMES
    assert sum(one["inputs"] for one in record["targets"].values()) >= 100_000
    assert all(one["faults"] == [] for one in record["targets"].values())
    assert (RESULTS / "fuzzing.md").read_text(encoding="utf-8") == table(record)


def test_what_is_no_clean_refusal_is_found(tmp_path: Path) -> None:
    def careless(data: bytes) -> None:
        if data[:1] != b"a":
            raise InputError("bell \a.")
        data.decode("ascii")

    target = Target("careless", (b"abcdefgh" * 9,), careless)
    kinds = {one["fault"].split(":")[0] for one in fuzz(target, 300, seed=0).faults}
    assert kinds == {"no plain sentence", "UnicodeDecodeError"}
