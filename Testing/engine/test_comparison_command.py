"""``funet compare`` from two folders of images to tables, tests, a figure and a record."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import torch
from matplotlib.image import imread
from studies import subject_volume, write_image, write_study

from funet.cli import main
from funet.evaluation.tables import Table

from phantoms import oblique_grid

QUICK = ["--epochs", "2", "--steps-per-epoch", "1", "--validation-images", "2", "--sizes", "4"]
NAMED = ["--structures", "1=Large,2=Small"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Several threads only get in each other's way on images this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Six subjects, each with four slices that show both structures."""
    return write_study(tmp_path_factory.mktemp("study"), 6)


def compare(study: Path, output: Path, *options: str) -> int:
    data = ["--images", str(study / "images"), "--labels", str(study / "labels")]
    return main(["compare", *data, "--output", str(output), "--device", "cpu", *QUICK, *options])


def test_the_papers_systems_are_compared_from_end_to_end(study, tmp_path, capsys):
    output = tmp_path / "out"
    assert compare(study, output, *NAMED, "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["system"] for e in events if e["type"] == "run"] == ["unet", "brunet", "funet"]
    assert events[-1]["type"] == "result"
    assert sorted(path.name for path in output.iterdir()) == [
        *("comparison.png", "examples.png", "runs", "settings.json"),
        *("table.csv", "table.md", "tests.csv", "tests.md"),
    ]
    assert imread(output / "examples.png").std() > 0
    assert sorted(path.name for path in (output / "runs").iterdir()) == [
        f"{name}_4_0.{ending}" for name in ("brunet", "funet", "unet") for ending in ("json", "npz")
    ]
    # 4 slices to train and 2 to validate take one subject each.
    with (output / "table.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(r["system"], r["structure"], r["test images"]) for r in rows] == [
        (name, structure, "16")
        for name in ("unet", "brunet", "funet")
        for structure in ("Large", "Small")
    ]
    assert (
        (output / "table.md")
        .read_text(encoding="utf-8")
        .startswith("| train/test | system | Large | Small |")
    )


def test_the_record_says_how_to_repeat_the_comparison(study, tmp_path):
    output = tmp_path / "out"
    options = ("--systems", "unet", "--seed", "3", "--beta", "2", "--slices-per-subject", "2")
    assert compare(study, output, *NAMED, *options) == 0
    record = json.loads((output / "settings.json").read_text(encoding="utf-8"))
    assert record["command"].startswith(
        "funet compare --images images --labels labels --output out"
    )
    assert (record["seeds"], record["split_seed"], record["images"]) == ([3], 3, 12)
    assert record["training"]["loss"]["beta"] == 2.0
    assert record["preprocessing"]["intensity"] == "slice"
    assert record["versions"]["torch"] == torch.__version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["date"])
    assert record["machine"]["cpu"]
    assert record["seconds"] > 0


def test_what_is_done_is_not_done_again(study, tmp_path, capsys):
    output = tmp_path / "out"
    assert compare(study, output, "--systems", "unet") == 0
    stored = output / "runs" / "unet_4_0.json"
    before = stored.stat().st_mtime_ns
    assert compare(study, output, "--systems", "unet,brunet+focal", "--seeds", "2") == 0
    assert stored.stat().st_mtime_ns == before
    assert len(list((output / "runs").glob("*.json"))) == 4
    assert "| 4/16 | brunet+focal |" in capsys.readouterr().out


def test_only_the_middle_of_the_slices_takes_part(study, tmp_path, monkeypatch):
    from funet.comparison import experiment

    shapes = set()

    def plan_and_look(plan, samples, *arguments, **options):
        shapes.update(sample.image.shape for sample in samples)
        return iter(())

    monkeypatch.setattr(experiment, "run_plan", plan_and_look)
    monkeypatch.setattr("funet.comparison.output.write_results", lambda *_: (EMPTY, EMPTY))
    assert compare(study, tmp_path / "out", "--middle", "16", "--systems", "unet") == 0
    assert {tuple(sorted(shape)) for shape in shapes} == {(14, 16)}  # whole slices: 14×17


EMPTY = Table(("nothing",), ())


def test_the_others_are_tested_against_the_reference_only(study, tmp_path):
    output = tmp_path / "out"
    assert compare(study, output, *NAMED, "--reference", "brunet") == 0
    with (output / "tests.csv").open(encoding="utf-8") as file:
        pairs = {(row["first"], row["second"]) for row in csv.DictReader(file)}
    assert pairs == {("brunet", "unet"), ("brunet", "funet")}
    record = json.loads((output / "settings.json").read_text(encoding="utf-8"))
    assert record["reference"] == "brunet"


def test_other_settings_in_the_same_folder_are_refused(study, tmp_path, capsys):
    output = tmp_path / "out"
    assert compare(study, output, "--systems", "unet") == 0
    before = {path: path.read_bytes() for path in output.rglob("*.*")}
    assert compare(study, output, "--systems", "brunet,unet", "--preset", "practice") == 2
    assert "comes from other images or settings" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in output.rglob("*.*")} == before


def test_settings_of_something_else_are_not_replaced(study, tmp_path, capsys):
    mine = tmp_path / "settings.json"
    mine.write_text('{"mine": 1}', encoding="utf-8")
    assert compare(study, tmp_path, "--systems", "unet") == 2
    assert "no record of a comparison" in capsys.readouterr().err
    assert [path.read_text("utf-8") for path in tmp_path.iterdir()] == ['{"mine": 1}']


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--systems", "unet,resnet"], "The system 'resnet' is unknown"),
        (["--systems", "unet,unet"], "at least one system, and each only once"),
        (["--sizes", "50"], "24 slices of 6 subjects do not suffice for 50"),
        (["--sizes", "4,0"], "'4,0' are no numbers of images"),
        (["--seeds", "0"], "must be a whole number from 1"),
        (["--middle", "15"], "must be a whole number from 16"),
        (["--reference", "brunet+focal"], "The reference 'brunet+focal' is not compared; use one"),
        (["--structures", "1=Large"], "holds the label value 2"),
        (["--images", "nowhere"], "There is no image at nowhere"),
        (["--output", __file__], "is not a folder"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(study, tmp_path, capsys, options, complaint):
    assert compare(study, tmp_path / "out", *options) == 2
    error = capsys.readouterr().err.splitlines()
    assert complaint in error[-1]
    assert error[-1].startswith("funet: ")
    assert list(tmp_path.iterdir()) == []


def test_images_of_other_grids_than_their_labels_are_refused(study, tmp_path, capsys):
    images = tmp_path / "images"
    write_image(images / "sub-00.nii.gz", subject_volume(0, oblique_grid()))
    assert compare(study, tmp_path / "out", "--images", str(images)) == 2
    assert "different grids" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_interrupted_comparison_is_said_to_go_on(study, tmp_path, capsys, monkeypatch):
    import signal

    from funet.comparison import experiment

    real_write = experiment.write_run

    def write_and_interrupt(*arguments):
        real_write(*arguments)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(experiment, "write_run", write_and_interrupt)
    assert compare(study, tmp_path / "out", "--systems", "unet,funet") == 130
    assert "1 trainings are done; the same command does the rest" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == [
        *("unet_4_0.json", "unet_4_0.npz")
    ]
