"""What every file of results says of the run that made it."""

from __future__ import annotations

import datetime
import json
import platform

import torch

from funet.provenance import run_record


def test_a_record_says_when_how_long_with_what_and_on_what() -> None:
    record = json.loads(json.dumps(run_record(2.345, seed=7)))
    assert list(record) == ["date", "seconds", "seed", "versions", "machine"]
    date = datetime.datetime.fromisoformat(record["date"])
    assert abs(datetime.datetime.now(datetime.UTC) - date) < datetime.timedelta(minutes=1)
    assert (record["seconds"], record["seed"]) == (2.3, 7)
    assert record["versions"]["python"] == platform.python_version()
    assert record["versions"]["torch"] == torch.__version__
    assert record["machine"]["threads"] == torch.get_num_threads()
