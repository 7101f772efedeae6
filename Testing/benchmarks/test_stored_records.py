"""A result file is begun once; a run that goes on with it may ask for more."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from stored_records import command_of, open_record, write_record

from funet.errors import InputError


def asked(subjects: int, seeds: int) -> argparse.Namespace:
    """The command line of a simulation."""
    words = ["--subjects", str(subjects), "--seeds", str(seeds)]
    return argparse.Namespace(
        words=words, data=Path("some"), part="test", subjects=subjects, seeds=seeds
    )


@pytest.mark.parametrize("renew", [True, False])
def test_a_run_that_goes_on_keeps_its_records_and_tells_its_new_size(
    tmp_path: Path, renew: bool
) -> None:
    path = tmp_path / "result.json"
    first = open_record(path, "script", asked(2, 1), model="one")
    assert first["records"] == []
    first["records"].append({"subject": "a"})
    write_record(path, first)
    again = open_record(path, "script", asked(3, 2), renew=renew, model="one")
    size = {
        "command": "python Testing/benchmarks/script.py --subjects 3 --seeds 2",
        "subjects": 3,
        "seeds": [0, 1],
    }
    if renew:
        assert again.pop("begun") == first["date"] <= again["date"]
        first["date"] = again["date"]
    assert again == (first | size if renew else first)


def test_a_command_tells_no_folder_of_the_machine() -> None:
    words = ["--data", "../somewhere/data/brains", "--output", "/out", "--model", "a/b"]
    assert command_of("script", words) == (
        "python Testing/benchmarks/script.py --data brains --output out --model a/b"
    )


def test_a_run_with_other_settings_does_not_mix_its_records_with_those_of_the_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "result.json"
    write_record(path, open_record(path, "script", asked(2, 1), target=0.9))
    before = path.read_bytes()
    with pytest.raises(
        InputError, match=r"result\.json holds results with target = 0\.9, not 0\.8"
    ):
        open_record(path, "script", asked(2, 1), target=0.8)
    assert path.read_bytes() == before
