"""Makes every table and figure of the results again, and the page that shows them.

From the root of the repository:

    make results

which is ``python Testing/benchmarks/make_results.py``. It needs the result files in
Resources/Results alone: no data, no training. What shows images is left as it is.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import corrections_report
import cross_validation_report
import from_nothing_report
import midbrain_pictures_report
import slices_to_target_report
import speed_report
import worklist_report
from results_page import PAGE, Sources, page

from funet.comparison.output import redraw_results
from funet.files import atomic_file

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "Resources" / "Results"

# What makes <stem>.md and <stem>.png again from the content of <stem>.json and the stem, and from
# nothing else, by the names of the result files; a .png that shows images stays. A result that is
# not listed goes to the page as its benchmark left it.
REPORTS: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "cross_validation_*.json": cross_validation_report.write_report,
    "corrections_*.json": corrections_report.write_report,
    "ablation_*.json": corrections_report.write_report,
    "own_models_*.json": corrections_report.write_report,
    "from_nothing_*.json": from_nothing_report.write_report,
    "worklist_*.json": worklist_report.write_report,
    "slices_to_target_*.json": slices_to_target_report.write_report,
    "midbrain_pictures.json": midbrain_pictures_report.write_report,
    "speed.json": speed_report.write_report,
}

logger = logging.getLogger("make_results")


def make(results: Path, repository: Path = ROOT) -> None:
    """Make all tables and figures of a folder of results again, and write its page."""
    for settings in sorted(results.glob("*/settings.json")):
        logger.info("%s", settings.parent.name)
        redraw_results(settings.parent)
    for pattern, write_report in REPORTS.items():
        for path in sorted(results.glob(pattern)):
            logger.info("%s", path.stem)
            write_report(json.loads(path.read_text(encoding="utf-8")), path.with_suffix(""))
    with atomic_file(results / PAGE) as temporary:
        temporary.write_text(page(Sources(results, repository)), encoding="utf-8")


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line and make the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make(arguments.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
