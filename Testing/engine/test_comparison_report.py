"""Tables, paired tests and the figure of a comparison hold what was computed by hand."""

from __future__ import annotations

import csv
import json
import math
import statistics
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread

from funet.comparison.figure import draw_comparison
from funet.comparison.output import RUNS_FOLDER, redraw_results, write_results
from funet.comparison.report import (
    collect_scores,
    compare_systems,
    dice_numbers,
    dice_table,
    p_value_numbers,
    p_value_table,
)
from funet.comparison.runs import ImageScore, Run, run_path, write_run
from funet.errors import InputError

STRUCTURES = ("Midbrain", "Substantia nigra")
FIRST = (0.5, 0.6, 0.7, 0.8, 0.9)


def run(system: str, dice: tuple[float, ...], *, seed: int = 0, size: int = 50) -> Run:
    """A run whose first structure has this Dice and whose second has half of it.

    The first two images are of one subject, every other one is of a subject of its own.
    """
    images = tuple(
        ImageScore(f"subject{max(index, 1)}", index, (value, value / 2))
        for index, value in enumerate(dice)
    )
    return Run(system, size, seed, 3, 0.8, 90.0, images)


def shifted(*by: float) -> tuple[float, ...]:
    return tuple(a + b for a, b in zip(FIRST, by, strict=True))


def test_the_table_has_mean_and_deviation_over_images():
    runs = [run("unet", FIRST), run("funet", FIRST[:4], size=100)]
    table = dice_table(collect_scores(runs), STRUCTURES)
    assert table.columns == ("train/test", "system", *STRUCTURES, "seeds", "minutes")
    # Deviations: √(0.1 / 4) = 0.158 and half of it; √(0.05 / 3) = 0.129 and half of it.
    assert table.rows == (
        ("50/5", "unet", "0.7000±0.16", "0.3500±0.08", 1, 1.5),
        ("100/4", "funet", "0.6500±0.13", "0.3250±0.06", 1, 1.5),
    )


def test_an_image_counts_with_its_mean_over_the_seeds():
    runs = [run("unet", FIRST), run("unet", shifted(0.1, 0.1, 0.1, 0.1, 0.0), seed=1)]
    (score,) = collect_scores(runs)
    assert score.per_image[0].tolist() == pytest.approx([0.55, 0.65, 0.75, 0.85, 0.9])
    assert score.per_subject[0].tolist() == pytest.approx([0.60, 0.75, 0.85, 0.9])
    assert score.per_seed[:, 0].tolist() == pytest.approx([0.70, 0.78])
    table = dice_numbers([score], STRUCTURES)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["mean Dice"] == pytest.approx(0.74)
    assert row["deviation over images"] == pytest.approx(
        statistics.stdev([0.55, 0.65, 0.75, 0.85, 0.9])
    )
    assert row["deviation over seeds"] == pytest.approx(0.08 / math.sqrt(2))
    assert (row["test images"], row["test subjects"], row["seeds"]) == (5, 4, 2)
    assert row["seconds"] == 180.0


def test_an_image_without_a_dice_counts_nowhere():
    (score,) = collect_scores([run("unet", (math.nan, 0.6, 0.8))])
    assert score.per_subject[0].tolist() == pytest.approx([0.6, 0.8])
    assert dice_table([score], STRUCTURES).rows[0][2] == "0.7000±0.14"
    (nothing,) = collect_scores([run("unet", (math.nan, math.nan))])
    assert dice_table([nothing], STRUCTURES).rows[0][2] == "–"


def test_every_two_systems_of_one_size_are_tested():
    runs = [run(name, FIRST, size=size) for size in (50, 100) for name in ("a", "b", "c")]
    tests = compare_systems(collect_scores(runs), STRUCTURES)
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    assert [(t.size, t.first, t.second, t.structure) for t in tests] == [
        (size, *pair, structure) for size in (50, 100) for pair in pairs for structure in STRUCTURES
    ]


def test_with_a_reference_every_other_system_is_tested_against_it_alone():
    runs = [run(name, FIRST, size=size) for size in (50, 100) for name in ("a", "b", "c")]
    tests = compare_systems(collect_scores(runs), STRUCTURES[:1], "b")
    assert [(t.size, t.first, t.second) for t in tests] == [
        (size, "b", other) for size in (50, 100) for other in ("a", "c")
    ]


def test_differences_are_those_of_the_others_minus_the_reference():
    runs = [run("funet", shifted(0.1, 0.1, 0.1, 0.1, 0.1)), run("unet", FIRST)]
    scores = collect_scores(runs)
    for reference, difference in (("funet", -0.1), ("unet", 0.1)):
        (test,) = compare_systems(scores, STRUCTURES[:1], reference)
        assert test.images.mean_difference == pytest.approx(difference)


def test_a_reference_that_is_not_compared_is_refused():
    with pytest.raises(InputError, match="'funet' is not compared; use one of unet, brunet"):
        compare_systems(
            collect_scores([run("unet", FIRST), run("brunet", FIRST)]), STRUCTURES, "funet"
        )


def test_the_tests_are_paired_over_images_and_over_subjects():
    """In hundredths, images differ by 1, 2, 3, 4, 5: t = 3 / (√2.5 / √5) = 4.2426.

    Subjects differ by 1.5, 3, 4, 5: t = 3.375 / (1.4930 / √4) = 4.5210.
    """
    runs = [run("brunet", FIRST), run("funet", shifted(0.01, 0.02, 0.03, 0.04, 0.05))]
    test = compare_systems(collect_scores(runs), STRUCTURES)[0]
    assert test.images.mean_difference == pytest.approx(0.03)
    assert test.images.t_p == pytest.approx(0.0132, abs=5e-5)
    assert test.images.wilcoxon_p == pytest.approx(2 / 2**5)
    # The two tails of Student's t with three degrees of freedom have a closed form.
    angle = math.atan(4.5210 / math.sqrt(3))
    tails = 1 - 2 / math.pi * (angle + math.sin(angle) * math.cos(angle))
    assert test.subjects.t_p == pytest.approx(tails, rel=1e-3)
    assert test.subjects.wilcoxon_p == pytest.approx(2 / 2**4)
    rows = p_value_table([test]).rows
    assert rows == (
        (50, "brunet → funet", "Midbrain", "+0.0300", 5, "0.0132", "0.0625", 4, "0.0202", "0.1250"),
    )
    over = {row[4]: row for row in p_value_numbers([test]).rows}
    assert over["images"][5:] == (5, *(getattr(test.images, n) for n in NUMBERS))
    assert over["subjects"][5:] == (4, *(getattr(test.subjects, n) for n in NUMBERS))


NUMBERS = ("mean_difference", "t_p", "wilcoxon_p")


def test_all_results_are_written(tmp_path):
    runs = [run(s, FIRST, seed=n) for s in ("unet", "unet+focal") for n in (0, 1)]
    table, tests = write_results(tmp_path / "new", runs, STRUCTURES, {"seed": 7})
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        *("comparison.png", "settings.json", "table.csv", "table.md", "tests.csv", "tests.md")
    ]
    read = {path.suffix + path.stem: path for path in (tmp_path / "new").iterdir()}
    assert read[".mdtable"].read_text(encoding="utf-8") == table.to_markdown()
    assert read[".mdtests"].read_text(encoding="utf-8") == tests.to_markdown()
    with read[".csvtable"].open(encoding="utf-8") as file:
        assert [float(row["mean Dice"]) for row in csv.DictReader(file)] == [0.7, 0.35, 0.7, 0.35]
    assert json.loads(read[".jsonsettings"].read_text(encoding="utf-8")) == {"seed": 7}


def test_the_figure_shows_every_system_in_its_colour(tmp_path: Path):
    scores = collect_scores([run(name, FIRST) for name in ("unet", "brunet", "funet")])
    draw_comparison(scores, STRUCTURES, tmp_path / "three.png")
    pixels = imread(tmp_path / "three.png")[..., :3]
    for colour in ((0, 114, 178), (230, 159, 0), (0, 158, 115)):
        assert (np.abs(pixels * 255 - colour).max(-1) < 2).sum() > 500
    assert not (np.abs(pixels * 255 - (204, 121, 167)).max(-1) < 2).any()


def test_the_figure_can_be_drawn_where_a_structure_has_no_dice(tmp_path: Path):
    scores = collect_scores([run("unet", (math.nan,)), run("funet", (0.5,), size=100)])
    draw_comparison(scores, STRUCTURES, tmp_path / "odd.png")
    assert imread(tmp_path / "odd.png").std() > 0


MANY = [f"brunet+feedback@{beta}" for beta in range(1, 12)]


def test_many_systems_have_their_names_below_their_boxes_and_the_reference_its_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    below: list[list[str]] = []
    real = Axes.set_xticks

    def spy(self: Axes, places: object, labels: object = None, **options: object) -> object:
        below.append(list(labels or ()))
        return real(self, places, labels, **options)

    monkeypatch.setattr(Axes, "set_xticks", spy)
    scores = collect_scores([run(name, FIRST) for name in MANY])
    draw_comparison(scores, STRUCTURES, tmp_path / "many.png", MANY[2])
    assert below == [MANY]
    pixels = imread(tmp_path / "many.png")[..., :3]
    assert pixels.shape[1] < 1300  # panels stand one above the other
    shown = [
        (np.abs(pixels * 255 - colour).max(-1) < 2).sum()
        for colour in ((0, 114, 178), (230, 159, 0), (0, 158, 115))
    ]
    assert shown[0] > shown[1] > shown[2] == 0


# -- making the results again -------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The folder of a comparison of two systems, two sizes and two seeds."""
    runs = [
        run(system, shifted(*[0.01 * seed + offset] * 5), seed=seed, size=size)
        for size in (50, 100)
        for seed in (0, 1)
        for system, offset in (("unet", 0.0), ("brunet+feedback@2", 0.02))
    ]
    for one in runs:
        path = run_path(tmp_path / RUNS_FOLDER, one.system, one.size, one.seed)
        write_run(path, one, "key")
    settings = {
        "systems": ["unet", "brunet+feedback@2"],
        "sizes": [50, 100],
        "seeds": [0, 1],
        "structures": list(STRUCTURES),
        "reference": "brunet+feedback@2",
    }
    write_results(tmp_path, runs, STRUCTURES, settings)
    return tmp_path


MADE = ("comparison.png", "table.csv", "table.md", "tests.csv", "tests.md")


def test_results_are_made_again_from_settings_and_runs_alone(stored: Path):
    before = {name: (stored / name).read_bytes() for name in MADE}
    assert b"brunet+feedback@2" in before["tests.md"]
    settings = (stored / "settings.json").read_bytes()
    for name in MADE:
        (stored / name).unlink()
    (stored / "examples.png").write_bytes(b"a picture")
    table, tests = redraw_results(stored)
    assert {name: (stored / name).read_bytes() for name in MADE} == before
    assert (table.to_markdown().encode(), tests.to_markdown().encode()) == (
        before["table.md"],
        before["tests.md"],
    )
    assert (stored / "settings.json").read_bytes() == settings
    assert (stored / "examples.png").read_bytes() == b"a picture"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"systems": 1, "sizes": [], "seeds": [], "structures": []}']
)
def test_settings_that_are_no_record_of_a_comparison_are_refused(stored: Path, text: str):
    (stored / "settings.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"settings\.json is missing or no record"):
        redraw_results(stored)


def test_a_folder_without_settings_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"settings\.json is missing"):
        redraw_results(tmp_path)


def test_a_missing_run_and_one_of_another_training_are_refused(stored: Path):
    first, second = (run_path(stored / RUNS_FOLDER, "unet", 50, seed) for seed in (0, 1))
    second.write_bytes(first.read_bytes())
    for _ in range(2):
        with pytest.raises(InputError, match=r"unet_50_1\.json is missing or the result of"):
            redraw_results(stored)
        second.unlink(missing_ok=True)
