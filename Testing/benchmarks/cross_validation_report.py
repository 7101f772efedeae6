"""How good a recipe is on subjects that each model has not seen, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from funet.evaluation.tables import Cell, Table, format_mean
from funet.files import atomic_file

_SHOWN = 3  # decimals
# What others report of the same task, to compare with: who, volumes, and Dice of the structures.
_PUBLISHED: Mapping[str, tuple[str, int, tuple[float, ...]]] = {
    "hippocampus-t1": (
        "nnU-Net, 2-D, five other folds (F. Isensee et al., Nature Methods 2021)",
        260,
        (0.8898, 0.8758),
    ),
}


def write_report(record: Mapping[str, Any], stem: Path) -> None:
    """Write <stem>.md from the content of <stem>.json.

    Args:
        record: the settings, and the records under ``"records"``.
        stem: the path without a suffix.
    """
    records = record["records"]
    names = list(records[0]["dice"])
    rows: list[tuple[Cell, ...]] = [
        (str(fold + 1), *_row([one for one in records if one["fold"] == fold], names))
        for fold in sorted({one["fold"] for one in records})
    ]
    rows.append(("all", *_row(records, names)))
    if record["model"] in _PUBLISHED:
        who, volumes, means = _PUBLISHED[record["model"]]
        rows.append((who, "–", str(volumes), *(f"{mean:.{_SHOWN}f}" for mean in means)))
    text = (
        f"The recipe of {record['model']}, {record['epochs']} epochs for each of {record['folds']} "
        "models. Dice on the whole volumes of the persons that a model has not seen: mean ± "
        "standard deviation over volumes. Standard errors of the means over all: from persons, "
        f"{_errors(records, names, 'person')}; from folds, whose persons share a model, "
        f"{_errors(records, names, 'fold')}.\n\n"
    )
    columns = ("persons", "volumes", *names)
    with atomic_file(stem.with_name(stem.name + ".md")) as temporary:
        table = Table(("fold", *columns), tuple(rows)).to_markdown()
        temporary.write_text(text + table, encoding="utf-8")


def _row(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[Cell, ...]:
    cells = []
    for name in names:
        values = [one["dice"][name] for one in records]
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        cells.append(format_mean(float(np.mean(values)), deviation, decimals=_SHOWN))
    return (str(len({one["person"] for one in records})), str(len(records)), *cells)


def _errors(records: Sequence[Mapping[str, Any]], names: Sequence[str], unit: str) -> str:
    errors = ((name, _standard_error(records, name, unit)) for name in names)
    return ", ".join(f"{name} {error:.{_SHOWN}f}" for name, error in errors)


def _standard_error(records: Sequence[Mapping[str, Any]], name: str, unit: str) -> float:
    """Standard error of the mean over volumes, of which those of one unit belong together.

    It is NaN where there is one unit only.
    """
    units = {one[unit] for one in records}
    if len(units) < 2:
        return float("nan")
    mean = np.mean([one["dice"][name] for one in records])
    sums = [sum(one["dice"][name] - mean for one in records if one[unit] == own) for own in units]
    spread = np.sum(np.square(sums)) * len(units) / (len(units) - 1)
    return float(np.sqrt(spread) / len(records))
