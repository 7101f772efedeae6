"""The benchmark of the worklist computes what it says, and runs from a model to its report."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import worklist as benchmark
from matplotlib.image import imread
from studies import MODEL_SEGMENTS, subject_volume, two_structures, write_study
from worklist import Slices, corrections_needed, dice_curve, measure, seen_first
from worklist_report import SubjectResult, write_record, write_report

from funet.annotations.samples import samples_from_volume
from funet.images.preprocessing_settings import Preprocessing
from funet.images.segmentations import LabelMap
from funet.loss_config import LossConfig
from funet.models.manifest import Manifest
from funet.models.model import save_model
from funet.networks import build_network
from funet.training.loop import train
from funet.training.presets import TrainingConfig

# One row of four pixels in each of four slices, by hand.
REFERENCE = np.array([[[0, 1, 1, 0]], [[0, 1, 1, 1]], [[0, 0, 1, 1]], [[0, 0, 0, 0]]], np.uint8)
PREDICTED = np.array([[[0, 1, 1, 0]], [[0, 0, 0, 0]], [[0, 1, 1, 0]], [[0, 0, 0, 0]]], np.uint8)


def hand_made(doubt: tuple[float, ...] = (1, 3, 2, 0), chance: float = 0.75) -> Slices:
    shown = np.where(PREDICTED == 1, chance, 1 - chance).astype(np.float32)
    return Slices(PREDICTED, REFERENCE, np.stack([1 - shown, shown]), np.array(doubt, float))


def test_errors_and_areas_are_counted_by_slice():
    assert hand_made().true_errors.tolist() == [0, 3, 2, 0]
    assert hand_made().area.tolist() == [2, 0, 2, 0]


def test_entropy_is_over_the_predicted_structure():
    entropy = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert benchmark.mean_entropy(hand_made()) == pytest.approx([entropy, 0, entropy, 0], rel=1e-5)


def test_expected_dice_is_that_of_the_probabilities():
    # With a structure: (2·1.5 + 1) / (2 + 2 + 1); without one: 1 / (1 + 1).
    expected = [1 - 4 / 5, 1 - 1 / 2, 1 - 4 / 5, 1 - 1 / 2]
    assert benchmark.expected_dice_loss(hand_made()) == pytest.approx(expected)


def test_errors_are_weighed_by_the_size_of_the_structure():
    # A quarter of each of four pixels a slice; the chances sum to 6, the predictions to 4.
    chances = 2 * (2 * 0.75 + 2 * 0.25) + 2 * 4 * 0.25
    assert benchmark.weighted_errors(hand_made()) == pytest.approx([1 / (chances + 4 + 1)] * 4)


def test_dice_grows_with_every_corrected_slice():
    # Pixels that agree, and the sum of both sides, before and after each correction.
    assert dice_curve(hand_made(), [1, 2, 0, 3]) == pytest.approx([2 * 3 / 11, 2 * 6 / 14, 1, 1, 1])
    assert dice_curve(hand_made(), [0, 3, 2, 1]) == pytest.approx(
        [6 / 11, 6 / 11, 6 / 11, 2 * 4 / 11, 1]
    )


def test_the_first_correction_that_reaches_the_target_counts():
    curve = dice_curve(hand_made(), [1, 2, 0, 3])
    assert [corrections_needed(curve, target) for target in (0.5, 0.8, 6 / 7, 0.86, 1)] == [
        *(0, 1, 1, 2, 2)
    ]


def test_readers_without_a_worklist_look_at_predicted_slices_first():
    assert seen_first(hand_made(), [3, 2, 1, 0]) == [2, 0, 3, 1]


def test_a_subject_is_measured_in_every_order():
    result = measure("a", hand_made(), 0.95, 40, np.random.default_rng(0))
    assert result.base_dice == pytest.approx(6 / 11)
    assert (result.slices, result.slices_shown, result.wrong_pixels) == (4, 3, 5)
    assert result.correlation_shown["expected errors"] == pytest.approx(1)
    # Area against errors 0, 3, 2 is 2, 0, 2: ranks 2.5, 1, 2.5 against 1, 3, 2.
    assert result.correlation_shown["predicted area"] == pytest.approx(-math.sqrt(3) / 2)
    needed = result.corrections["Dice 0.95"]
    assert needed["by expected errors"] == needed["by true errors"] == 2
    assert needed["sequential"] == 3  # 0, 2, then 1
    assert 3 < needed["random"] < 4  # 0 and 2 in any order, then 1 and 3 in any order
    assert result.corrections["half the gap to 1"]["by expected errors"] == 1


def test_a_target_that_was_reached_before_is_left_out():
    result = measure("a", hand_made(), 0.5, 2, np.random.default_rng(0))
    assert list(result.corrections) == ["half the gap to 1"]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    """A model of the phantoms' two structures that is far from perfect."""
    volume = subject_volume(3)
    labels = LabelMap(two_structures(volume.geometry), volume.geometry)
    samples = samples_from_volume(volume, labels, Preprocessing(), annotated="all")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = build_network("funet", in_channels=1, num_classes=3, features=8, depth=3, dropout=0.0)
    config = TrainingConfig(
        epochs=1, steps_per_epoch=40, learning_rate=1e-2, device="cpu", precision="float32"
    )
    list(train(network, samples, config=config))
    torch.set_num_threads(threads)
    manifest = Manifest(
        id="boxes",
        family="boxes",
        name="Boxes",
        segments=MODEL_SEGMENTS,
        preprocessing=Preprocessing(),
        network=network.config,
        loss=LossConfig(),
        created="2026-01-01T00:00:00Z",
    )
    folder = tmp_path_factory.mktemp("models") / "boxes"
    save_model(folder, manifest, network)
    return folder


def test_the_benchmark_runs_from_a_model_to_its_report(model_folder, tmp_path):
    data = write_study(tmp_path / "data", 3)
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"test": ["sub-00", "sub-02"]}))
    options = ["--model", str(model_folder), "--data", str(data), "--draws", "5"]
    output = tmp_path / "results"
    assert benchmark.main([*options, "--subjects", str(split), "--output", str(output)]) == 0
    record = json.loads((output / "worklist_boxes.json").read_text(encoding="utf-8"))
    assert [one["subject"] for one in record["subjects"]] == ["sub-00", "sub-02"]
    for one in record["subjects"]:
        assert 0 < one["base_dice"] < 1
        assert one["wrong_pixels"] > 0
        for needed in one["corrections"].values():
            assert 1 <= needed["by true errors"] <= needed["random"] <= one["slices"]
    assert {"command", "date", "seconds", "seed", "versions", "machine"} <= record.keys()
    report = (output / "worklist_boxes.md").read_text(encoding="utf-8")
    assert "## Does doubt find the errors?" in report
    assert "| by expected errors |" in report
    assert imread(output / "worklist_boxes.png").std() > 0
    # Both are made again from the record alone, to the byte.
    write_report(record, tmp_path / "again")
    for ending in ("md", "png"):
        made = (output / f"worklist_boxes.{ending}").read_bytes()
        assert (tmp_path / f"again.{ending}").read_bytes() == made


def test_a_result_survives_its_file(tmp_path):
    results = [
        measure(name, hand_made(doubt), 0.95, 40, np.random.default_rng(0))
        for name, doubt in (("a", (1, 3, 2, 0)), ("b", (1, 1, 1, 1)))
    ]
    write_record(tmp_path / "worklist", results, {"model": "m"})
    text = (tmp_path / "worklist.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert record["model"] == "m"
    assert '"by expected errors": [ 0.5455, 0.8571, 1.0 ]' in text
    assert math.isnan(results[1].correlation_shown["expected errors"])
    for before, stored in zip(results, record["subjects"], strict=True):
        after = SubjectResult.from_json(stored)
        assert repr(replace(after, curves={})) == repr(replace(before, curves={}))
        for order, curve in before.curves.items():
            short = list(after.curves[order])
            assert short.count(1.0) == 1
            full = short + [1.0] * (len(curve) - len(short))
            assert full == pytest.approx(curve, abs=5.1e-5)


def test_subjects_may_be_named(model_folder, tmp_path):
    data = write_study(tmp_path / "data", 2)
    options = ["--model", str(model_folder), "--data", str(data), "--draws", "2"]
    assert benchmark.main([*options, "--subjects", "sub-01", "--output", str(tmp_path / "r")]) == 0
    record = json.loads((tmp_path / "r" / "worklist_boxes.json").read_text(encoding="utf-8"))
    assert [one["subject"] for one in record["subjects"]] == ["sub-01"]
