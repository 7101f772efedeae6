"""Tables: what people read, what programs read, and files that are whole or absent."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from funet.errors import FunetError, InputError
from funet.evaluation.tables import Table, format_mean, format_number, format_p


@pytest.fixture
def a_table() -> Table:
    return Table(
        columns=("Method", "Images", "Dice", "p"),
        rows=(
            ("U-net", 100, 0.70951234, "0.6086"),
            ("FU-net | β=3", 100, math.nan, None),
        ),
    )


def test_markdown_is_aligned_and_rounded(a_table: Table) -> None:
    assert a_table.to_markdown() == (
        "| Method | Images | Dice | p |\n"
        "| --- | ---: | ---: | --- |\n"
        "| U-net | 100 | 0.7095 | 0.6086 |\n"
        "| FU-net \\| β=3 | 100 | – | – |\n"
    )


def test_csv_keeps_every_digit_and_leaves_out_what_is_unknown(
    a_table: Table, tmp_path: Path
) -> None:
    path = tmp_path / "résultats" / "table.csv"
    a_table.write_csv(path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["Method", "Images", "Dice", "p"],
        ["U-net", "100", "0.70951234", "0.6086"],
        ["FU-net | β=3", "100", "", ""],
    ]
    assert b"\r" not in path.read_bytes()


def test_cells_with_commas_quotes_and_line_ends_survive_csv(tmp_path: Path) -> None:
    awkward = 'a, "b"\nc'
    Table(("case",), ((awkward,),)).write_csv(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file))[1] == [awkward]


def test_a_cell_with_a_line_end_stays_in_its_markdown_row() -> None:
    assert Table(("case",), (("a\nb",),)).to_markdown().splitlines()[-1] == "| a b |"


def test_the_decimals_of_a_table_can_be_chosen() -> None:
    assert "| 1.3 |" in Table(("HD95",), ((1.25001,),), decimals=1).to_markdown()


def test_a_table_without_rows_still_has_its_header() -> None:
    assert Table(("a", "b"), ()).to_markdown() == "| a | b |\n| --- | --- |\n"


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(InputError, match="Row 2 of the table has 1 cells for 2 columns"):
        Table(("a", "b"), ((1, 2), (3,)))


@pytest.mark.parametrize(
    ("mean", "deviation", "text"),
    [
        (0.8929, 0.05, "0.8929±0.05"),
        (0.70954, 0.1749, "0.7095±0.17"),
        (1.0, 0.0, "1.0000±0.00"),
        (0.5, math.nan, "0.5000"),
        (math.nan, math.nan, "–"),
    ],
)
def test_means_are_written_as_in_the_paper(mean: float, deviation: float, text: str) -> None:
    assert format_mean(mean, deviation) == text


def test_the_decimals_of_a_mean_can_be_chosen() -> None:
    assert format_mean(1.26, 0.34, decimals=1, deviation_decimals=1) == "1.3±0.3"


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0026, "0.0026"),
        (0.12604, "0.1260"),
        (1.0, "1.0000"),
        (0.0001, "0.0001"),
        (0.000099, "<0.0001"),
        (0.0, "<0.0001"),
        (math.nan, "–"),
    ],
)
def test_p_values_are_written_as_in_the_paper(p: float, text: str) -> None:
    assert format_p(p) == text


def test_numbers_without_a_value_are_a_dash() -> None:
    assert (format_number(2.0, 1), format_number(math.nan)) == ("2.0", "–")


def test_an_old_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    path.write_text("a much longer text from before")
    Table(("a",), ((1,),)).write_markdown(path)
    assert path.read_text(encoding="utf-8") == "| a |\n| ---: |\n| 1 |\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_is_no_utf8_is_written_all_the_same(tmp_path: Path) -> None:
    Table(("case",), (("scan\udcff",),)).write_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == "case\nscan\\udcff\n"


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(a_table: Table, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FunetError, match=r"table\.csv"):
        a_table.write_csv(tmp_path / "file" / "table.csv")


def test_a_failure_leaves_what_was_there_and_nothing_else(a_table: Table, tmp_path: Path) -> None:
    (tmp_path / "table.csv").mkdir()
    (tmp_path / "table.csv" / "kept").touch()
    with pytest.raises(FunetError, match=r"table\.csv"):
        a_table.write_csv(tmp_path / "table.csv")
    assert [entry.name for entry in tmp_path.rglob("*")] == ["table.csv", "kept"]
