"""Tables of results, as Markdown for people and as CSV for programs."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..files import atomic_file

Cell = str | int | float | None

_NO_NUMBER = "–"


@dataclass(frozen=True)
class Table:
    """Named columns and rows of cells.

    Floats are written in full in CSV and with ``decimals`` in Markdown; NaN and ``None`` become
    an empty field in CSV and a dash in Markdown.

    Attributes:
        columns: names of the columns.
        rows: the cells, one per column in every row.
        decimals: decimals of floats in Markdown.

    Raises:
        InputError: if a row has not one cell per column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    decimals: int = 4

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise InputError(
                    f"Row {number} of the table has {len(row)} cells for "
                    f"{len(self.columns)} columns; give one cell per column."
                )

    def to_markdown(self) -> str:
        """The table in Markdown; columns that hold numbers are aligned right."""
        rule = ["---:" if self._is_numeric(index) else "---" for index in range(len(self.columns))]
        lines = [
            _markdown_row([_escape(name) for name in self.columns]),
            _markdown_row(rule),
            *(_markdown_row([self._markdown_cell(cell) for cell in row]) for row in self.rows),
        ]
        return "\n".join(lines) + "\n"

    def to_csv(self) -> str:
        """The table as comma-separated values with a header line."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_csv_cell(cell) for cell in row] for row in self.rows)
        return text.getvalue()

    def write_markdown(self, path: Path) -> None:
        """Write the table as UTF-8 Markdown, whole or not at all.

        Raises:
            FunetError: if the file cannot be written.
        """
        _write(path, self.to_markdown())

    def write_csv(self, path: Path) -> None:
        """Write the table as UTF-8 CSV, whole or not at all.

        Raises:
            FunetError: if the file cannot be written.
        """
        _write(path, self.to_csv())

    def _is_numeric(self, index: int) -> bool:
        cells = [row[index] for row in self.rows if row[index] is not None]
        return bool(cells) and all(isinstance(cell, int | float) for cell in cells)

    def _markdown_cell(self, cell: Cell) -> str:
        if cell is None:
            return _NO_NUMBER
        if isinstance(cell, float):
            return format_number(cell, self.decimals)
        return _escape(str(cell))


def format_number(number: float, decimals: int = 4) -> str:
    """A number with fixed decimals, or a dash for NaN."""
    return _NO_NUMBER if math.isnan(number) else f"{number:.{decimals}f}"


def format_mean(
    mean: float, deviation: float, *, decimals: int = 4, deviation_decimals: int = 2
) -> str:
    """A mean with its standard deviation, such as ``0.8929±0.05``.

    A deviation of NaN is left away, and a mean of NaN gives a dash.
    """
    if math.isnan(mean) or math.isnan(deviation):
        return format_number(mean, decimals)
    return f"{mean:.{decimals}f}±{deviation:.{deviation_decimals}f}"


def format_p(p: float) -> str:
    """A p-value with four decimals, ``<0.0001`` below those, or a dash for NaN."""
    return "<0.0001" if p < 0.0001 else format_number(p, 4)


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        # File names, and so the names of cases, can hold bytes that are no UTF-8.
        data = text.encode("utf-8", errors="backslashreplace")
        temporary.write_bytes(data)


def _csv_cell(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _escape(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")


def _markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
