"""The results page shows what lies in a folder of results, and says how it came about."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import make_results
import pytest
import results_paper as paper
from results_captions import data_of, duration, provenance
from results_page import Sources, differences, option, page, result_files

from funet.comparison.output import write_results
from funet.comparison.runs import ImageScore, Run, run_path, write_run

RECORD = {
    "command": "python measure.py --data somewhere",
    "date": "2026-03-04T05:06:07Z",
    "seconds": 90.0,
    "seed": 7,
    "data": "somewhere",
    "subjects": [{"subject": "a"}, {"subject": "b"}],
    "versions": {"torch": "2.5", "numpy": "2.1", "funet": "0.1", "scipy": "1.1"},
    "machine": {"cpu": "A CPU", "cores": 8, "threads": 1, "gpu": None},
}
SETTINGS = {
    "command": "funet compare --images images --slices-per-subject 7 --middle 80 --output o",
    "date": "2026-03-04T05:06:07Z",
    "systems": ["unet", "funet"],
    "sizes": [50, 100],
    "seeds": [3, 4],
    "structures": ["Midbrain", "Substantia nigra"],
    "preprocessing": {"spacing": [0.9, 0.9]},
    "training": {"epochs": 50, "steps_per_epoch": None, "batch_size": 5},
    "images": 280,
    "subjects": 40,
    "seconds": 3600.0,
}


# -- captions -----------------------------------------------------------------------------------


def test_a_caption_says_all_that_a_record_knows():
    assert provenance(RECORD, "a study") == (
        "*Made by*: `python measure.py --data somewhere`; 2 subjects of `somewhere` (a study); "
        "seed 7; torch 2.5, numpy 2.1, funet 0.1; A CPU, 8 cores, 1 thread; 1.5 minutes; "
        "2026-03-04."
    )


@pytest.mark.parametrize("missing", RECORD)
def test_a_caption_can_do_without_anything(missing):
    known = {key: value for key, value in RECORD.items() if key != missing}
    assert 50 < len(provenance(known)) < len(provenance(RECORD))
    assert provenance({}) == ""


def test_a_measurement_that_went_on_on_another_day_says_both() -> None:
    begun = {"begun": "2026-03-01T00:00:00Z"}
    assert provenance(RECORD | begun).endswith("; 2026-03-01 to 2026-03-04.")
    same_day = {"begun": "2026-03-04T00:00:00Z"}
    assert provenance(RECORD | same_day) == provenance(RECORD)


def test_data_may_be_counted_or_named():
    assert data_of({"images": 1, "subjects": 3}) == "1 image of 3 subjects"
    assert data_of({"data": "brains"}) == "data `brains`"
    assert data_of({}) == ""


def test_a_gpu_is_named_and_so_is_a_machine_in_words():
    assert "; A CPU, a GPU." in provenance(
        {"command": "c", "machine": {"cpu": "A CPU", "gpu": "a GPU"}}
    )
    assert provenance({"command": "c", "machine": "a laptop"}) == "*Made by*: `c`; a laptop."


@pytest.mark.parametrize(
    ("seconds", "words"), [(5.7, "6 seconds"), (90, "1.5 minutes"), (3600, "60 minutes")]
)
def test_a_time_is_said_in_words(seconds, words):
    assert duration(seconds) == words


# -- what differs from the paper ----------------------------------------------------------------


def test_the_differences_from_the_paper_come_from_the_settings():
    words = differences(SETTINGS)
    assert "280 slices of 40 subjects take part, at most 7 of each, instead of 310 of 102" in words
    assert "the middle 80×80 pixels" in words
    assert "0.9×0.9 mm" in words
    assert "learns for 1/8 of the paper's iterations" in words
    assert "{" not in words


def test_a_difference_that_is_not_known_is_left_out():
    changes = {"command": "funet compare", "sizes": [60], "preprocessing": {"spacing": None}}
    words = differences(SETTINGS | changes)
    assert not any(word in words for word in ("middle", "iterations", " mm", "None", "102"))
    assert "Our labels are silver" in words


def test_iterations_are_those_of_the_paper():
    assert paper.share_of_iterations(400, 40, 200) == 1
    assert paper.share_of_iterations(40, 10, 50) == Fraction(1, 10)
    assert paper.share_of_iterations(40, 10, 60) is None


def test_an_option_is_found_in_a_command_line():
    assert (
        option("funet compare --structures '1=A b,2=C' --sizes 50", "--structures") == "1=A b,2=C"
    )
    assert option("funet compare", "--sizes") is None


# -- the page -----------------------------------------------------------------------------------


def add_comparison(folder: Path) -> None:
    runs = [
        Run(system, size, seed, 1, 0.5, 60.0, tuple(images(offset + 0.01 * seed)))
        for size in SETTINGS["sizes"]
        for seed in SETTINGS["seeds"]
        for system, offset in (("unet", 0.0), ("funet", 0.1))
    ]
    for run in runs:
        write_run(run_path(folder / "runs", run.system, run.size, run.seed), run, "key")
    write_results(folder, runs, SETTINGS["structures"], SETTINGS)


def images(offset: float) -> list[ImageScore]:
    return [ImageScore(f"s{n}", n, (0.6 + offset + 0.02 * n, 0.3 + offset)) for n in range(5)]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one comparison, one report without a picture, and one model."""
    results = tmp_path / "Resources" / "Results"
    add_comparison(results / "compare_midbrain")
    record = RECORD | {"model": "tiny-t1", "weights_sha256": "abc"}
    (results / "corrections_tiny.json").write_text(json.dumps(record), encoding="utf-8")
    report = "# What corrections bring\n\n## Numbers\n\n| a |\n| --- |\n| 0.123 |\n"
    (results / "corrections_tiny.md").write_text(report, encoding="utf-8")
    model = tmp_path / "FUNetSegmentation" / "Resources" / "Models" / "tiny-t1"
    model.mkdir(parents=True)
    metrics = [
        {
            "data": "n",
            "structure": "Disc",
            "name": "Dice",
            "mean": 0.91,
            "deviation": 0.02,
            "count": 9,
        },
        {
            "data": "o",
            "structure": "Disc",
            "name": "Dice",
            "mean": 0.81,
            "deviation": 0.0,
            "count": 1,
        },
    ]
    manifest = {
        "id": "tiny-t1",
        "description": "Finds discs.",
        "created": "2026-01-02T00:00:00Z",
        "weights_sha256": "abc",
        "metrics": metrics,
        "training": {"command": "python train.py", "seconds": 600, "threads": 2, "subjects": ["a"]},
    }
    (model / "model.json").write_text(json.dumps(manifest), encoding="utf-8")
    return tmp_path


def results_of(repository: Path) -> Path:
    return repository / "Resources" / "Results"


def text_of(repository: Path) -> str:
    return page(Sources(results_of(repository), repository))


def test_sections_stand_in_their_order_and_only_with_results(repository):
    headings = [line for line in text_of(repository).splitlines() if line.startswith("## ")]
    assert headings == [
        "## Models that ship",
        "## The paper's protocol",
        "## What a correction is worth",
    ]


def test_a_model_shows_its_metrics_and_its_card_if_it_has_one(repository):
    text = text_of(repository)
    assert "| `tiny-t1` | Disc | n | Dice | 0.910 | 0.020 | 9 |" in text
    assert "| `tiny-t1` | Disc | o | Dice | 0.810 | – | 1 |" in text
    assert "`python train.py`; 1 subject; 2 threads; 10 minutes; 2026-01-02." in text
    assert "Model card" not in text
    card = repository / "FUNetSegmentation/Resources/Models/tiny-t1/README.md"
    card.write_text("# Card", encoding="utf-8")
    assert "(../../FUNetSegmentation/Resources/Models/tiny-t1/README.md)" in text_of(repository)


def test_a_comparison_shows_tables_tests_figures_and_how_they_came_about(repository):
    folder = results_of(repository) / "compare_midbrain"
    text = text_of(repository)
    assert (folder / "table.md").read_text(encoding="utf-8") in text
    assert (folder / "tests.md").read_text(encoding="utf-8") in text
    assert "](compare_midbrain/comparison.png)" in text
    assert "after learning from 50 and 100 images: mean" in " ".join(text.split())
    assert "its mean over 2 seeds" in text
    assert f"`{SETTINGS['command']}`; 280 images of 40 subjects (T1 brain MRI" in text
    assert "examples.png" not in text
    (folder / "examples.png").write_bytes(b"")
    text = text_of(repository)
    assert "](compare_midbrain/examples.png)" in text
    assert "systems of seed 3: image, reference" in text


def test_the_papers_tables_stand_beside_ours(repository):
    text = text_of(repository)
    assert paper.TABLE.to_markdown() in text
    assert text.index("doi.org/10.1007") < text.index(paper.TESTS.to_markdown())
    assert differences(SETTINGS) in text


def test_a_report_is_included_below_the_heading_of_its_section(repository):
    text = text_of(repository)
    assert "### What corrections bring\n\n#### Numbers\n\n| a |\n| --- |\n| 0.123 |" in text
    assert provenance(RECORD) in text
    assert "corrections_tiny.png" not in text
    (results_of(repository) / "corrections_tiny.png").write_bytes(b"")
    assert "![What corrections bring](corrections_tiny.png)" in text_of(repository)


def test_a_picture_that_a_report_shows_itself_is_shown_once(repository):
    report = results_of(repository) / "corrections_tiny.md"
    report.write_text("Text.\n\n![Seen](corrections_tiny.png)\n", encoding="utf-8")
    report.with_suffix(".png").write_bytes(b"")
    text = text_of(repository)
    assert text.count("![") == 2  # with that of the comparison
    assert "### corrections_tiny\n\nText." in text


def test_a_result_of_weights_that_ship_no_more_says_so(repository):
    assert "Measured with the model that ships." in text_of(repository)
    model = repository / "FUNetSegmentation/Resources/Models/tiny-t1/model.json"
    model.write_text(model.read_text(encoding="utf-8").replace("abc", "abd"), encoding="utf-8")
    assert "**Measured with other weights than those that ship now.**" in text_of(repository)


def test_a_result_of_before_labels_were_made_in_another_way_says_so(repository):
    model = repository / "FUNetSegmentation/Resources/Models/tiny-t1/model.json"
    described = json.loads(model.read_text(encoding="utf-8"))
    model.write_text(json.dumps(described | {"successive": "coronal"}), encoding="utf-8")
    assert "Measured with the model that ships." not in text_of(repository)
    assert "when labels were made from them in another way" in text_of(repository)
    result = results_of(repository) / "corrections_tiny.json"
    record = json.loads(result.read_text(encoding="utf-8"))
    result.write_text(json.dumps(record | {"successive": "coronal"}), encoding="utf-8")
    assert "Measured with the model that ships." in text_of(repository)


@pytest.mark.parametrize("name", ["corrections_tiny", "compare_midbrain"])
def test_the_authors_remarks_are_included_word_for_word(repository, name):
    remarks = "FU-net *wins* here,\nand does not there.\n"
    (results_of(repository) / f"{name}.remarks.md").write_text(remarks, encoding="utf-8")
    assert f"\n\n{remarks}\n" in text_of(repository)


def test_every_file_is_linked(repository):
    text = text_of(repository)
    results = results_of(repository)
    names = [path.relative_to(results).as_posix() for path in result_files(results)]
    assert len(names) == 8
    assert [name for name in names if f"]({name})" not in text] == []
    assert "](compare_midbrain/runs)" in text


def test_everything_is_made_again_from_the_result_files(repository):
    results = results_of(repository)
    shutil.copytree(results / "compare_midbrain", results / "losses_midbrain")
    for path in results.glob("corrections_tiny.*"):
        path.unlink()  # it has no records to be made again from
    made = [*results.glob("*/*.md"), *results.glob("*/*.csv"), *results.glob("*/*.png")]
    before = {path: path.read_bytes() for path in made}
    assert len(before) == 10
    for path in made:
        path.write_bytes(b"old")
    make_results.make(results, repository)
    assert {path: path.read_bytes() for path in made} == before
    assert (results / "README.md").read_text(encoding="utf-8") == text_of(repository)
    assert "### Losses on midbrain" in text_of(repository)
