"""Pickles that would run code, and show whether they did."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = str(canary)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.canary,)


def pickled(canary: Path, writer: Callable[..., None], path: Path) -> bytes:
    """The bytes of a pickle that would make the canary."""
    with path.open("wb") as file:
        writer(Bomb(canary), file)
    data = path.read_bytes()
    path.unlink()
    return data
