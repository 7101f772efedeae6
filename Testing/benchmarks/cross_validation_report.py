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
    errors = (f"{name} {_standard_error(records, name):.{_SHOWN}f}" for name in names)
    text = (
        f"The recipe of {record['model']}, {record['epochs']} epochs for each of {record['folds']} "
        "models. Dice on the whole volumes of the persons that a model has not seen: mean ± "
        "standard deviation over volumes. The standard error of the means over all, over "
        f"persons: {', '.join(errors)}.\n\n"
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


def _standard_error(records: Sequence[Mapping[str, Any]], name: str) -> float:
    """Standard error of the mean over volumes, of which those of one person belong together."""
    mean = np.mean([one["dice"][name] for one in records])
    persons = {one["person"] for one in records}
    sums = [
        sum(one["dice"][name] - mean for one in records if one["person"] == person)
        for person in persons
    ]
    spread = np.sum(np.square(sums)) * len(persons) / max(len(persons) - 1, 1)
    return float(np.sqrt(spread) / len(records))
