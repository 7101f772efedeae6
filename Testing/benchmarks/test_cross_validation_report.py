"""The report of a cross-validation."""

from __future__ import annotations

from pathlib import Path

import cross_validation_report


def test_the_standard_error_counts_persons_and_folds(tmp_path: Path) -> None:
    """Two equal volumes of one person tell no more than one of them, nor do equal persons."""

    def error(volumes: int) -> str:
        records = [
            {"fold": value > 0.6, "subject": f"{person} {side}", "person": person}
            | {"dice": {"Organ": value}}
            for person, value in (("a", 0.5), ("b", 0.75), ("c", 0.25))
            for side in range(volumes)
        ]
        record = {"model": "m", "epochs": 1, "folds": 1, "records": records}
        cross_validation_report.write_report(record, tmp_path / "one")
        return (tmp_path / "one.md").read_text("utf-8")

    # 0.25 / √3, and √(0.25² + 0.25²) · √2 / 3
    assert "from persons, Organ 0.144; from folds, whose persons share a model, Organ 0.167" in (
        error(1)
    )
    assert "from persons, Organ 0.144" in error(2)
    assert "| all | 3 | 6 | 0.500±0.22 |" in error(2)
