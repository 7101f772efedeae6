"""What a few annotated slices teach, as a table and as a figure, from the stored records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from corrections_report import COLOURS, finish_panel
from matplotlib.figure import Figure
from report_files import write_page
from results_captions import size_of

from funet.evaluation.tables import Cell, Table, format_mean


def write_report(record: Mapping[str, Any], stem: Path) -> None:
    """Write <stem>.md and <stem>.png from the content of <stem>.json.

    Args:
        record: the settings, and the records under ``"records"``.
        stem: the path without a suffix.
    """
    records = record["records"]
    ways = list(dict.fromkeys(one["way"] for one in records))
    counts = sorted({one["slices"] for one in records})
    rows: list[tuple[Cell, ...]] = []
    figure = Figure(figsize=(9.0, 4.2), layout="constrained", dpi=110)
    panels = figure.subplots(1, 2, sharey=True)
    for rank, way in enumerate(ways):
        curves: dict[str, list[float]] = {"same": [], "others": []}
        for count in counts:
            mine = [one for one in records if (one["way"], one["slices"]) == (way, count)]
            cells = []
            for where, curve in curves.items():
                values = [
                    np.mean([one[where] for one in mine if one["subject"] == subject])
                    for subject in sorted({one["subject"] for one in mine})
                ]
                curve.append(float(np.mean(values)))
                deviation = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
                cells.append(format_mean(curve[-1], deviation, decimals=3))
            seconds = float(np.median([one["seconds"] for one in mine]))
            rows.append((way, count, *cells, f"{seconds:.0f}"))
        for panel, curve in zip(panels, curves.values(), strict=True):
            panel.plot(counts, curve, "-o", color=COLOURS[rank], label=way)
    for panel, title in zip(panels, ("other slices of the volume", "other volumes"), strict=True):
        panel.set_xticks(counts)
        panel.set_xlabel("annotated slices, all of one volume")
        panel.set_ylim(0, 1)
        finish_panel(panel, title)
    panels[0].set_ylabel("mean Dice")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    columns = ("training", "slices", "other slices", "other volumes", "seconds")
    text = (
        f"New models from slices of one volume of {record['data']}; {size_of(record)}. Dice is the "
        "mean of the structures ± the standard deviation over subjects; seconds are the median of "
        "the training.\n\n"
    )
    write_page(stem, text + Table(columns, tuple(rows)).to_markdown(), figure)
