"""The benchmark of speed runs, and says of each number what it is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import speed
import torch
from matplotlib.image import imread
from results_captions import provenance
from speed_cases_inference import multiplications, products
from speed_cases_loss import LOSSES
from speed_inputs import disc_volume, untrained_model
from speed_report import curves_table, goals_of, goals_table, write_report
from speed_timing import Goal, Measured, exponent, interleaved, recorded, seconds_of
from torch import nn

# Every case once; those that start processes take seconds even so.
IN_PROCESS = "Inference,Labels,Segment,Region search,Training step,Scaling"
IN_CHILDREN = "Loss,Retrain,Cold start,Memory"


@pytest.fixture(scope="module", params=[IN_PROCESS, IN_CHILDREN])
def output(request, tmp_path_factory) -> Path:
    """A quick run of some cases."""
    folder = tmp_path_factory.mktemp("speed")
    words = ["--quick", "--repeats", "1", "--only", request.param, "--output", str(folder)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert speed.main(words) == 0
    torch.set_num_threads(threads)
    return folder


def test_every_case_runs_and_its_numbers_are_numbers(output):
    record = json.loads((output / "speed.json").read_text(encoding="utf-8"))
    for case, one in record["cases"].items():
        assert one["goals"] or case == "Scaling"
        assert all(min(seconds) > 0 for seconds in one["times"].values())
    for case, goal in goals_of(record):
        needs_data = case in ("Labels", "Retrain")  # whose gain may be none after a few steps
        assert needs_data or np.isfinite(goal.value), goal.what
    assert {"torch", "monai"} <= set(record["versions"])
    assert len(record["load"]["before"]) == 3
    assert record["machine"]["threads"] == 1


def test_the_report_is_made_from_the_record_alone(output):
    record = json.loads((output / "speed.json").read_text(encoding="utf-8"))
    before = {path: path.read_bytes() for path in (output / "speed.md", output / "speed.png")}
    write_report(record, output / "speed")
    assert {path: path.read_bytes() for path in before} == before
    text = (output / "speed.md").read_text(encoding="utf-8")
    assert goals_table(record).to_markdown() in text
    assert provenance(record) in text
    assert imread(output / "speed.png").shape[1] > 1000


def test_a_case_measured_again_leaves_the_others_and_tells_its_own_run(tmp_path, monkeypatch):
    def case(setting):
        return Measured(times={"call": [0.1] * setting.repeats}, goals=[Goal("time", 0.1, 1.0)])

    monkeypatch.setattr(speed, "CASES", {"first": case, "second": case})
    words = ["--quick", "--output", str(tmp_path), "--repeats"]
    assert speed.main([*words, "1"]) == 0
    path = tmp_path / "speed.json"
    before = json.loads(path.read_text("utf-8"))
    assert speed.main([*words, "2", "--only", "first"]) == 0
    after = json.loads(path.read_text("utf-8"))
    again = after["cases"].pop("first")
    assert again["times"] == {"call": [0.1, 0.1]}
    assert again["run"]["repeats"] == 2
    del before["cases"]["first"]
    assert after == before
    text = (tmp_path / "speed.md").read_text("utf-8")
    assert "*first* was measured in a later run." in text
    assert provenance(again["run"]) in text


@pytest.mark.parametrize(
    ("value", "at_most", "met"),
    [(1.2, True, True), (1.3, True, False), (1.2, False, True), (1.1, False, False)],
)
def test_a_goal_is_met_on_its_good_side(value, at_most, met):
    assert Goal("time", value, 1.2, at_most).met is met
    assert Goal("time", None, 1.2, at_most).met is None


def test_a_missed_goal_is_said_in_the_table():
    goals = [Goal("slow", 2.0, 1.5, unit=" s"), Goal("fast", 1.0, 1.5), Goal("absent", None, 1.5)]
    record = {"cases": {"A case": {"goals": [vars(goal) for goal in goals], "times": {}}}}
    text = goals_table(record).to_markdown()
    assert "| A case | slow | 2.00 s | ≤ 1.5 s | **no** |" in text
    assert "| A case | fast | 1.00× | ≤ 1.5× | yes |" in text
    assert "| A case | absent | – | ≤ 1.5× | not measured |" in text
    assert curves_table(record).rows == ()


def test_calls_take_turns_and_the_first_round_does_not_count():
    order = []
    times = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3
    assert [len(seconds) for seconds in times.values()] == [2, 2]


def test_a_recorded_method_works_as_before_and_is_left_as_it_was():
    class Sleeper:
        def sleep(self, seconds: float) -> float:
            time.sleep(seconds)
            return seconds

    original = Sleeper.sleep
    with recorded(Sleeper, "sleep") as seconds:
        assert Sleeper().sleep(0.02) == 0.02
    assert len(seconds) == 1
    assert seconds[0] >= 0.02
    assert Sleeper.sleep is original
    assert seconds_of(lambda: Sleeper().sleep(0.01)) >= 0.01


def test_the_exponent_is_that_of_the_power():
    assert exponent([1.0, 2.0, 8.0], [3.0, 12.0, 192.0]) == pytest.approx(2.0)


def test_multiplications_are_counted_as_by_hand():
    layers = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ConvTranspose2d(5, 4, 2, stride=2))
    assert multiplications(layers, 6) == 6 * 6 * (5 * 9 + 5 * 4 * 4)
    # All sides are doubled, so that every layer does four times the work.
    network = untrained_model(2).network
    assert multiplications(network, 32) == 4 * multiplications(network, 16)


def test_products_do_as_many_multiplications(monkeypatch):
    done = []
    monkeypatch.setattr(
        torch, "matmul", lambda a, b, out: done.append(a.shape[0] * a.shape[1] * b.shape[1])
    )
    products(30 * 64**3, "float32")
    assert sum(done) == 30 * 64**3


def test_the_losses_that_are_compared_are_the_same_but_for_the_weight():
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 5, 4), torch.randint(0, 3, (2, 5, 4))
    target[0, 0] = 255
    values = {name: call(logits, target) for name, call in LOSSES.items()}
    torch.testing.assert_close(values["ours"], values["naive formula"])
    assert values["ours"] < values["cross-entropy"]


def test_the_volume_of_discs_shows_its_labels():
    volume, labels = disc_volume(30, 40, 48)
    assert volume.array.shape == labels.shape == (30, 40, 48)
    means = [volume.array[labels == value].mean() for value in range(3)]
    assert means[0] < means[1] < means[2]
