"""The funet command on real files, with models that it trained itself."""

from __future__ import annotations

import csv
import importlib
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from command_line import NAMES, Shell, image, labels, one_sentence, train_words
from studies import (
    MODEL_SEGMENTS,
    content,
    subject_grid,
    subject_volume,
    two_structures,
    write_image,
    write_labels,
    write_study,
)
from tiny_models import same_weights

from funet.cli import COMMANDS, arguments, build_parser, main, segment, train, training_options
from funet.cli.console import Console
from funet.errors import Cancelled, InputError
from funet.images.geometry import SLICE_AXES
from funet.images.volumes import read_label_map, read_volume
from funet.loss_config import LossConfig
from funet.models.model import load_model, load_samples_of
from funet.networks import build_network
from funet.progress import CancelToken, Progress
from funet.runtime import Precision
from funet.training.presets import PRESETS

# help and usage


def test_help_is_there_for_every_command_without_loading_anything_heavy() -> None:
    script = (
        "import sys\nfrom funet.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "for name in ('torch', 'numpy', 'SimpleITK'):\n    assert name not in sys.modules, name\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for name in COMMANDS:
        assert f"    {name} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"  funet {name} " in text
    assert "example" in text


def test_every_example_of_the_help_is_a_command_that_is_understood() -> None:
    for name in COMMANDS:
        text = importlib.import_module(f"funet.cli.{name}").DESCRIPTION.replace("\\\n", "")
        examples = [line for line in text.splitlines() if line.startswith("  funet ")]
        assert examples
        for example in examples:
            build_parser().parse_args(shlex.split(example)[1:])


def test_the_choices_are_those_of_the_engine() -> None:
    assert get_args(Precision) == arguments.PRECISIONS
    assert training_options.PRESETS == PRESETS
    assert training_options.SLICE_AXES == SLICE_AXES
    for network in train.NETWORKS:
        build_network(network, in_channels=1, num_classes=2)
    assert [LossConfig(name=loss).name for loss in train.LOSSES] == list(train.LOSSES)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fly"],
        ["segment"],
        ["segment", "--model", "m", "--output", "o"],
        ["segment", "--model", "m", "--output", "o", "--format", "png", "a.nii"],
        ["train", "--output", "o", "--name", "n", "--epochs", "0"],
        ["train", "--output", "o", "--name", "n", "--beta", "nan"],
        ["train", "--output", "o", "--name", "n", "--spacing", "wide"],
        ["review", "--model", "m", "a.nii", "--top", "none"],
        ["models", "explode"],
    ],
)
def test_a_command_that_is_not_understood_is_refused_in_one_sentence(
    shell: Shell, words: list[str], tmp_path: Path
) -> None:
    assert shell(*words) == 2
    assert "--help" in one_sentence(shell.err)
    assert shell.out == ""


@pytest.mark.parametrize(
    ("text", "slices"),
    [("3", (3,)), ("5, 1-3,2", (1, 2, 3, 5)), ("all", "all"), ("labelled", "labelled")],
)
def test_slices_are_read(text: str, slices: object) -> None:
    assert arguments.parse_slices(text) == slices


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "3-1", "5,3-1", "1.5", "1,,2", "²"])
def test_slices_that_cannot_be_understood_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="does not name slices"):
        arguments.parse_slices(text)


# the main job


def test_a_trained_model_segments_evaluates_and_reviews(
    shell: Shell, study: Path, boxes_model: Path, tmp_path: Path
) -> None:
    assert (
        shell("segment", "--model", boxes_model, study / "images", "--output", tmp_path / "out")
        == 0
    )
    written = [Path(line) for line in shell.out.splitlines()]
    assert [path.name for path in written] == [f"sub-{n:02}_two-boxes.nii.gz" for n in range(4)]
    for number, path in enumerate(written):
        found = read_label_map(path)
        assert found.geometry.matches(read_volume(image(study, number)).geometry)
        reference = two_structures(subject_grid(number))
        assert (found.array == reference)[reference > 0].mean() > 0.7

    words = ["--labels", study / "labels", "--output", tmp_path / "scores"]
    assert shell("evaluate", "--predictions", tmp_path / "out", "--structures", NAMES, *words) == 0
    assert "| Large |" in shell.out
    first = content(tmp_path / "scores")
    rows = list(csv.DictReader(first["cases.csv"].decode().splitlines()))
    assert len(rows) == 8
    assert all(float(row["Dice"]) > 0.6 for row in rows)

    assert shell("evaluate", "--model", boxes_model, "--images", study / "images", *words) == 0
    assert content(tmp_path / "scores") == first


def test_training_writes_the_model_and_nothing_else(
    shell: Shell, study: Path, boxes_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "boxes"
    assert shell(*train_words(study, folder)) == 0
    assert [path.name for path in folder.parent.iterdir()] == ["boxes"]
    assert shell.out.startswith(f"The model two-boxes is in {folder}: best epoch")
    assert "Dice Large" in shell.out
    ours, theirs = load_model(folder), load_model(boxes_model)
    assert same_weights(ours.network, theirs.network)  # the same seed
    assert ours.manifest.loss.name == "feedback"
    assert ours.manifest.preprocessing.intensity == "slice"
    assert str(tmp_path) not in ours.manifest.training["command"]
    assert len(load_samples_of(ours)) == 44


@pytest.mark.parametrize(
    ("words", "loss"),
    [((), "cross_entropy"), (("--beta", 2), "feedback"), (("--loss", "feedback"), "feedback")],
)
def test_the_loss_in_practice_is_plain_unless_asked_for(
    shell: Shell, study: Path, tmp_path: Path, words: Sequence[object], loss: str
) -> None:
    case = ["--case", image(study, 0), labels(study, 0), "2-6", "--output", tmp_path / "m"]
    quick = ["--name", "n", "--preset", "practice", "--epochs", 1, "--validation", 0]
    assert shell("train", *case, *quick, *words, "--device", "cpu") == 0
    made = load_model(tmp_path / "m").manifest.loss
    assert (made.name, made.dice_weight) == (loss, 1.0)


def test_training_takes_its_options(shell: Shell, study: Path, tmp_path: Path) -> None:
    words = ["--case", image(study, 0), labels(study, 0), "2-6", "--case", image(study, 1)]
    words += [labels(study, 1), "labelled", "--output", tmp_path / "m", "--name", "Été"]
    words += ["--network", "unet", "--preset", "practice", "--epochs", 1, "--batch-size", 3]
    words += ["--axis", "coronal", "--spacing", "1.5,2", "--seed", 7, "--validation", 0]
    assert shell("train", *words, "--device", "cpu", "--forget-slices", "--time-limit", 60) == 0
    made = load_model(tmp_path / "m")
    manifest = made.manifest
    assert (manifest.id, manifest.name) == ("ete", "Été")
    assert manifest.loss.name == "cross_entropy"
    assert manifest.loss.dice_weight == 1
    assert (manifest.network.residual, manifest.network.normalisation) == (False, "none")
    assert manifest.preprocessing.slice_axis == "coronal"
    assert manifest.preprocessing.spacing == (1.5, 2.0)
    assert manifest.training["seed"] == 7
    assert [segment.name for segment in manifest.segments] == ["Structure 1", "Structure 2"]
    assert "name no structures" in shell.err
    assert load_samples_of(made) == ()


def test_names_and_colours_come_from_a_segmentation(
    shell: Shell, study: Path, tmp_path: Path
) -> None:
    grid = subject_grid(0)
    drawn = write_labels(tmp_path / "a.seg.nrrd", two_structures(grid), grid, MODEL_SEGMENTS)
    words = ["--case", image(study, 0), drawn, "labelled", "--output", tmp_path / "m"]
    assert shell("train", *words, "--name", "n", "--epochs", 1, "--device", "cpu") == 0
    assert load_model(tmp_path / "m").manifest.segments == MODEL_SEGMENTS


def test_review_ranks_the_slices(
    shell: Shell, study: Path, boxes_model: Path, tmp_path: Path
) -> None:
    table = tmp_path / "worklist.csv"
    words = ["review", "--model", boxes_model, image(study, 1), "--top", 3, "--csv", table]
    assert shell(*words) == 0
    assert len(shell.out.splitlines()) == 2 + 3
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == subject_grid(1).shape[0]
    doubts = [float(row["doubt"]) for row in rows]
    assert doubts == sorted(doubts, reverse=True)
    for row in rows:
        z = subject_grid(1).affine @ [0, 0, int(row["slice"]), 1]
        assert float(row["position (mm)"]) == pytest.approx(z[2], abs=2e-3)


def test_finetuning_adds_a_version_that_can_be_used_and_rolled_back(
    shell: Shell, study: Path, boxes_model: Path, tmp_path: Path
) -> None:
    assert shell("models", "import", boxes_model) == 0
    words = ["--case", image(study, 3), labels(study, 3), "5,6", "--steps", 3, "--device", "cpu"]
    assert shell("finetune", "--model", "two-boxes", *words) == 0
    assert "The new version is two-boxes.v2." in shell.out
    assert "too few" in shell.out
    assert len(load_samples_of(load_model(shell.store / "two-boxes.v2"))) == 44

    out = tmp_path / "out"
    for version, words in {
        "two-boxes.v2": ["--model", "two-boxes@active"],
        "two-boxes": ["--model", "two-boxes"],
    }.items():
        assert shell("segment", *words, image(study, 0), "--output", out) == 0
        assert shell.out == f"{out / f'sub-00_{version}.nii.gz'}\n"
    assert shell("models", "roll-back", "two-boxes") == 0
    assert shell("segment", "--model", "two-boxes@active", image(study, 0), "--output", out) == 0
    assert shell.out == f"{out / 'sub-00_two-boxes.nii.gz'}\n"


def test_finetuning_keeps_the_old_version_where_the_new_one_is_no_better(
    shell: Shell, study: Path, boxes_model: Path, tmp_path: Path
) -> None:
    """Labels that change with every slice cannot be learned, and judge so."""
    volume = subject_volume(9)
    noise = np.random.default_rng(0).choice(3, volume.geometry.shape).astype(np.uint8)
    picture = write_image(tmp_path / "a.nii.gz", volume)
    drawn = write_labels(tmp_path / "a.nrrd", noise, volume.geometry)
    words = ["finetune", "--model", boxes_model, "--case", picture, drawn, "all", "--device", "cpu"]
    code = shell(*words, "--steps", 1, "--output", tmp_path / "v2", "--json")
    (result,) = shell.objects("result")
    assert code == 0
    assert set(result["dice_before"]) == {"Large", "Small"}
    assert result["kept"] is (tmp_path / "v2").exists()
    assert result["kept"] is (result["model"] is not None)
    before, after = (np.mean(list(result[k].values())) for k in ("dice_before", "dice_after"))
    assert result["kept"] is bool(after > before)
    assert ("is kept, because" in result["reason"]) is not result["kept"]


def test_models_are_listed_shown_renamed_exported_imported_and_deleted(
    shell: Shell, boxes_model: Path, tmp_path: Path
) -> None:
    assert shell("models", "import", boxes_model) == 0
    assert shell("models", "rename", "two-boxes", "Boxes") == 0
    assert shell("models", "list") == 0
    assert "| two-boxes | Boxes | Large, Small | 1 | yes | own |" in shell.out
    assert shell("models", "show", "two-boxes", "--json") == 0
    assert shell.objects("result")[0]["manifest"]["name"] == "Boxes"
    assert shell("models", "show", "two-boxes") == 0
    assert "structure 2: Small" in shell.out
    zipped = tmp_path / "boxes.zip"
    image = zipped.with_name("brain.nii.gz")
    image.write_bytes(b"an image")
    assert shell("models", "export", "two-boxes", image) == 2
    assert "does not end in .zip" in one_sentence(shell.err)
    assert image.read_bytes() == b"an image"
    assert shell("models", "export", "two-boxes", zipped, "--with-slices") == 0
    assert shell("models", "delete", "two-boxes") == 0
    assert not (shell.store / "two-boxes").exists()
    assert shell("models", "import", zipped, "--json") == 0
    assert shell.objects("result")[0]["model"] == "two-boxes"
    assert shell("models", "activate", "two-boxes") == 0
    assert shell("models", "roll-back", "two-boxes") == 2
    assert "first version" in one_sentence(shell.err)


def test_a_damaged_model_is_told_apart_in_the_list(shell: Shell, boxes_model: Path) -> None:
    assert shell("models", "import", boxes_model) == 0
    (shell.store / "bad").mkdir()
    (shell.store / "bad" / "model.json").write_text("{")
    assert shell("models", "list") == 1
    assert "bad cannot be used" in one_sentence(shell.err)
    assert "| two-boxes |" in shell.out


# many files


def test_one_bad_file_does_not_stop_the_rest_and_the_exit_code_tells(
    shell: Shell, study: Path, boxes_model: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.nii.gz"
    bad.write_text("text")
    words = ["segment", "--model", boxes_model, "--output", tmp_path / "out", bad, study / "images"]
    assert shell(*words) == 1
    assert len(list((tmp_path / "out").iterdir())) == 4
    assert [line for line in shell.err.splitlines() if line.startswith("funet:")] == [
        f"funet: {bad} is damaged or not an image; try to open it in 3D Slicer, or copy it again."
    ]
    assert "4 done, 0 skipped, 1 failed." in shell.err


def test_a_rerun_skips_what_is_done(
    shell: Shell, study: Path, boxes_model: Path, tmp_path: Path
) -> None:
    words = [
        "segment",
        "--model",
        boxes_model,
        "--output",
        tmp_path / "out",
        "--format",
        "seg.nrrd",
    ]
    assert shell(*words, image(study, 0)) == 0
    assert shell(*words, "--resume", "--json", study / "images") == 0
    files = {Path(one["input"]).name[:6]: one["status"] for one in shell.objects("file")}
    assert files == {"sub-00": "skipped", "sub-01": "done", "sub-02": "done", "sub-03": "done"}
    assert shell.objects()[-1] == {
        "type": "result",
        "model": "two-boxes",
        "done": 3,
        "skipped": 1,
        "failed": 0,
    }
    named = read_label_map(tmp_path / "out" / "sub-01_two-boxes.seg.nrrd").segments
    assert [segment.name for segment in named] == ["Large", "Small"]


def test_an_interrupted_segmentation_says_what_is_done_and_how_to_go_on(
    shell: Shell,
    study: Path,
    boxes_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cancel = CancelToken()

    class InterruptedConsole(Console):
        def progress(self, progress: Progress) -> None:
            if progress.fraction >= 0.5:
                cancel.cancel()

    words = ["segment", "--model", boxes_model, study / "images", "--output", tmp_path / "out"]
    options = build_parser().parse_args([str(word) for word in words])
    with pytest.raises(Cancelled):
        segment.run(options, InterruptedConsole(), cancel)
    assert "2 done, 0 skipped, 0 failed. The same command with --resume" in capsys.readouterr().err
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert shell(*words, "--resume") == 0
    assert "2 done, 2 skipped, 0 failed." in shell.err


def test_a_machine_follows_a_training(shell: Shell, study: Path, tmp_path: Path) -> None:
    assert shell(*train_words(study, tmp_path / "m", "--epochs", 2, "--json")) == 0
    epochs = shell.objects("epoch")
    assert [one["epoch"] for one in epochs] == [1, 2]
    assert len(epochs[0]["validation_dice"]) == 2
    assert shell.objects("progress")
    assert shell.objects()[-1]["type"] == "result"
    assert shell.objects()[-1]["folder"] == str(tmp_path / "m")


def test_images_without_labels_are_left_out_and_named(
    shell: Shell, boxes_model: Path, tmp_path: Path
) -> None:
    write_study(tmp_path, 2)
    labels(tmp_path, 1).unlink()
    words = ["--images", tmp_path / "images", "--labels", tmp_path / "labels"]
    assert shell("evaluate", "--model", boxes_model, *words) == 0
    assert f"{image(tmp_path, 1)} has no reference and is left out." in shell.err
    assert shell(*train_words(tmp_path, tmp_path / "m", "--epochs", 1)) == 0
    assert f"{image(tmp_path, 1)} has no labels and is left out." in shell.err
