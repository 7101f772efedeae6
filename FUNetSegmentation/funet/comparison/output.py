"""What a comparison leaves in its output folder beside the stored runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..annotations.samples import SliceSample
from ..errors import InputError, ModelError
from ..evaluation.statistics import require_scipy
from ..evaluation.tables import Table
from ..files import atomic_file, read_small_file
from ..strict_json import dump_json, parse_json
from ..training.checkpoints import data_digest
from .figure import draw_comparison, require_matplotlib
from .report import (
    collect_scores,
    compare_systems,
    dice_numbers,
    dice_table,
    p_value_numbers,
    p_value_table,
)
from .runs import Run, read_run, run_path

RUNS_FOLDER = "runs"
_SETTINGS = "settings.json"
_LARGEST_SETTINGS = 2**20


def require_output_libraries() -> None:
    """Check that the results can be written, before hours of work end with it.

    Raises:
        FunetError: if SciPy or matplotlib is missing.
    """
    require_scipy()
    require_matplotlib()


def require_same_study(
    folder: Path, structures: Sequence[str], samples: Sequence[SliceSample]
) -> None:
    """Check that a folder holds no results but earlier ones of the same study.

    Args:
        folder: need not exist.
        structures: names of the structures.
        samples: all that take part.

    Raises:
        InputError: if results would be written over another study, or over what is none.
    """
    if not (folder / _SETTINGS).exists():
        return
    settings = _read_settings(folder)
    digest = data_digest(samples)
    if settings["structures"] != list(structures) or settings.get("data_sha256") != digest:
        raise InputError(
            f"What {folder} holds comes from other images or settings; choose another folder."
        )


def write_results(
    folder: Path, runs: Sequence[Run], structures: Sequence[str], settings: Mapping[str, object]
) -> tuple[Table, Table]:
    """Write tables, paired tests, the figure and the settings.

    ``table.md`` and ``tests.md`` are for people; ``table.csv`` and ``tests.csv`` hold every digit.

    Args:
        folder: made if needed; files of an earlier call are replaced.
        runs: all runs of the comparison.
        structures: names of the structures.
        settings: all that somebody needs to repeat the comparison, written to ``settings.json``;
            its ``reference``, if it has one, is the system that the others are tested against.

    Returns:
        The table of Dice and that of the tests, as people read them.

    Raises:
        FunetError: if SciPy or matplotlib is missing.
        InputError: if a file cannot be written, or the reference is none of the systems.
    """
    tables = _write_tables(folder, runs, structures, settings)
    with atomic_file(folder / _SETTINGS) as temporary:
        temporary.write_bytes(dump_json(dict(settings)))
    return tables


def redraw_results(folder: Path) -> tuple[Table, Table]:
    """Write tables, paired tests and the figure again from the stored settings and runs.

    Neither the images nor a training are needed; ``settings.json``, the runs and ``examples.png``,
    which shows images, stay as they are.

    Args:
        folder: what :func:`write_results` wrote.

    Returns:
        The table of Dice and that of the tests, as people read them.

    Raises:
        FunetError: if SciPy or matplotlib is missing.
        InputError: if the settings or a run are missing or damaged, or a file cannot be written.
    """
    settings = _read_settings(folder)
    systems, sizes, seeds = (settings[name] for name in ("systems", "sizes", "seeds"))
    places = [(system, size, seed) for size in sizes for seed in seeds for system in systems]
    runs = [_stored_run(folder / RUNS_FOLDER, *place) for place in places]
    return _write_tables(folder, runs, settings["structures"], settings)


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / _SETTINGS
    try:
        settings = parse_json(read_small_file(path, _LARGEST_SETTINGS), str(path))
        if not isinstance(settings, dict):
            raise TypeError
        lists = ("systems", "sizes", "seeds", "structures")
        return settings | {name: list(settings[name]) for name in lists}
    except (ModelError, KeyError, TypeError) as error:
        raise InputError(f"{path} is missing or no record of a comparison.") from error


def _stored_run(folder: Path, system: str, size: int, seed: int) -> Run:
    path = run_path(folder, system, size, seed)
    run = read_run(path, None)
    if run is None or (run.system, run.size, run.seed) != (system, size, seed):
        raise InputError(f"{path} is missing or the result of another training.")
    return run


def _write_tables(
    folder: Path, runs: Sequence[Run], structures: Sequence[str], settings: Mapping[str, object]
) -> tuple[Table, Table]:
    name = settings.get("reference")
    reference = None if name is None else str(name)
    scores = collect_scores(runs)
    tests = compare_systems(scores, structures, reference)
    table, tested = dice_table(scores, structures), p_value_table(tests)
    table.write_markdown(folder / "table.md")
    dice_numbers(scores, structures).write_csv(folder / "table.csv")
    tested.write_markdown(folder / "tests.md")
    p_value_numbers(tests).write_csv(folder / "tests.csv")
    draw_comparison(scores, structures, folder / "comparison.png", reference)
    return table, tested
