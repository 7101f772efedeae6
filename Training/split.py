"""The committed splits by subject."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "splits"


@dataclass(frozen=True)
class Split:
    """Subjects to learn from, to choose the best epoch by, and for the numbers of the card."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def first(self, count: int | None) -> Split:
        """Return the first subjects of each part, for a trial; all of them for ``None``."""
        return Split(self.train[:count], self.validation[:count], self.test[:count])


def read_split(name: str) -> Split:
    """Read a split by name, ``"midbrain"`` or ``"hippocampus"``."""
    parts = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Split(**{part: tuple(subjects) for part, subjects in parts.items()})
