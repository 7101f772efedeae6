"""The committed results page is what the command makes of the committed result files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import make_results
import pytest
import results_paper as paper
import results_text
from results_page import PAGE, REMARKS, result_files
from written_numbers import strange_numbers

RESULTS = make_results.RESULTS
TEXT = (RESULTS / PAGE).read_text(encoding="utf-8")
REMEDY = "run: make results"
LARGEST_PICTURE = 300_000  # bytes
LARGER = {"midbrain_pictures.png": 600_000}

# Names of data, licences and tables that hold digits.
NAMES = ("T1", "ds002748", "ds011", "Task04", "CC0", "CC BY-SA 4.0", "Table 1")


@pytest.fixture(scope="module")
def made_again(tmp_path_factory) -> Path:
    """All results, made again elsewhere from the committed result files."""
    folder = tmp_path_factory.mktemp("made") / "Results"
    shutil.copytree(RESULTS, folder)
    make_results.make(folder)
    return folder


def test_the_page_and_all_tables_are_those_that_the_command_makes(made_again):
    texts = [path for path in RESULTS.rglob("*") if path.suffix in (".md", ".csv")]
    assert RESULTS / PAGE in texts
    different = [
        path.relative_to(RESULTS).as_posix()
        for path in texts
        if path.read_text(encoding="utf-8")
        != (made_again / path.relative_to(RESULTS)).read_text(encoding="utf-8")
    ]
    assert different == [], REMEDY
    assert len(result_files(made_again)) == len(result_files(RESULTS)), REMEDY


def links() -> list[str]:
    return re.findall(r"\]\(([^)#:]+)\)", TEXT)


def test_everything_that_the_page_links_to_exists():
    assert len(links()) > 10
    assert [link for link in links() if not (RESULTS / link).exists()] == []


def test_every_result_file_is_on_the_page():
    """A new kind of result needs an entry in SECTIONS of results_page.py."""
    names = {path.relative_to(RESULTS).as_posix() for path in result_files(RESULTS)}
    assert sorted(names - set(links())) == []


def test_every_picture_on_the_page_is_small():
    pictures = [path for path in result_files(RESULTS) if path.suffix == ".png"]
    assert pictures
    large = [
        path.name
        for path in pictures
        if path.stat().st_size > LARGER.get(path.name, LARGEST_PICTURE)
    ]
    assert large == []


def prose() -> list[str]:
    """Every text of the module of prose."""
    values = [value for name, value in vars(results_text).items() if not name.startswith("__")]
    found: list[str] = []
    for value in values:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            found += value.values()
        elif isinstance(value, tuple):
            found += value
    return found


def test_no_number_stands_in_the_prose_of_the_page():
    assert len(prose()) > 20
    for sentence in prose():
        rest = sentence
        for name in NAMES:
            rest = rest.replace(name, "")
        assert re.search(r"\d", rest) is None, sentence


def test_a_number_of_a_remark_may_be_rounded_but_not_invented():
    tables = "| 0.8475±0.07 | -0.0105 |"
    assert strange_numbers("ahead by 0.01, at 0.8475, or 0.848, or 0.847; 50 images", tables) == []
    assert strange_numbers("0.8479 and 0.85 and 0.83", tables) == ["0.8479", "0.83"]
    assert strange_numbers("0.5", "none") == ["0.5"]
    assert strange_numbers("64 %, 64% and 100 %", "| 64% | 10 % |") == ["100 %"]


def test_every_number_in_a_remark_is_one_of_its_result():
    for remarks in RESULTS.glob(f"*{REMARKS}"):
        stem = remarks.name.removesuffix(REMARKS)
        tables = [*RESULTS.glob(f"{stem}.md"), *(RESULTS / stem).glob("*.md")]
        assert tables, f"{remarks.name} stands beside no result"
        shown = "\n".join(path.read_text(encoding="utf-8") for path in tables)
        assert strange_numbers(remarks.read_text(encoding="utf-8"), shown) == [], remarks.name


def test_the_papers_numbers_are_those_of_our_notes_on_it(shared_data: Path):
    notes = (shared_data.parent / "FUNET.md").read_text(encoding="utf-8")
    rows = [line for line in notes.splitlines() if re.match(r"\|( \d+/\d+)? \| (BR|F)?U-", line)]
    found = []
    place = ""
    for row in rows:
        cells = [cell.strip(" *") for cell in row.strip("|").split("|")]
        place = cells[0] or place
        found.append((place, *cells[1:]))
    assert tuple(found) == paper.TABLE.rows
    for systems, structure, *values in paper.TESTS.rows:
        first, second = systems.split(", ")
        numbers = ", ".join(values)
        assert numbers in notes, (first, second, structure)
    assert f"{paper.SUBJECTS} subjects" in notes
    assert f"{paper.IMAGES} slices" in notes
