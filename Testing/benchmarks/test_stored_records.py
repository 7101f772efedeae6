"""A result file is begun once; a run that goes on with it may ask for more."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from stored_records import open_record, write_record


def asked(subjects: int, seeds: int) -> argparse.Namespace:
    """The command line of a simulation."""
    words = ["--subjects", str(subjects), "--seeds", str(seeds)]
    return argparse.Namespace(words=words, data=Path("some"), subjects=subjects, seeds=seeds)


@pytest.mark.parametrize("renew", [True, False])
def test_a_run_that_goes_on_keeps_its_records_and_tells_its_new_size(
    tmp_path: Path, renew: bool
) -> None:
    path = tmp_path / "result.json"
    first = open_record(path, "script", asked(2, 1), model="one")
    assert first["records"] == []
    first["records"].append({"subject": "a"})
    write_record(path, first)
    again = open_record(path, "script", asked(3, 2), renew=renew, model="another")
    size = {
        "command": "python Testing/benchmarks/script.py --subjects 3 --seeds 2",
        "subjects": 3,
        "seeds": [0, 1],
    }
    assert again == (first | size if renew else first)
