"""What a comparison leaves in its output folder beside the stored runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..evaluation.statistics import require_scipy
from ..evaluation.tables import Table
from ..files import atomic_file
from ..strict_json import dump_json
from .figure import draw_comparison, require_matplotlib
from .report import (
    collect_scores,
    compare_systems,
    dice_numbers,
    dice_table,
    p_value_numbers,
    p_value_table,
)
from .runs import Run

RUNS_FOLDER = "runs"


def require_output_libraries() -> None:
    """Check that the results can be written, before hours of work end with it.

    Raises:
        FunetError: if SciPy or matplotlib is missing.
    """
    require_scipy()
    require_matplotlib()


def write_results(
    folder: Path, runs: Sequence[Run], structures: Sequence[str], settings: Mapping[str, object]
) -> tuple[Table, Table]:
    """Write tables, paired tests, the figure and the settings.

    ``table.md`` and ``tests.md`` are for people; ``table.csv`` and ``tests.csv`` hold every digit.

    Args:
        folder: made if needed; files of an earlier call are replaced.
        runs: all runs of the comparison.
        structures: names of the structures.
        settings: all that somebody needs to repeat the comparison, written to ``settings.json``.

    Returns:
        The table of Dice and that of the tests, as people read them.

    Raises:
        FunetError: if SciPy or matplotlib is missing.
        InputError: if a file cannot be written.
    """
    scores = collect_scores(runs)
    tests = compare_systems(scores, structures)
    table, tested = dice_table(scores, structures), p_value_table(tests)
    table.write_markdown(folder / "table.md")
    dice_numbers(scores, structures).write_csv(folder / "table.csv")
    tested.write_markdown(folder / "tests.md")
    p_value_numbers(tests).write_csv(folder / "tests.csv")
    draw_comparison(scores, structures, folder / "comparison.png")
    with atomic_file(folder / "settings.json") as temporary:
        temporary.write_bytes(dump_json(dict(settings)))
    return table, tested
