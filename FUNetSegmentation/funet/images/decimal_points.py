"""Numbers in image files have decimal points, whatever the language of the computer."""

from __future__ import annotations

import locale
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def decimal_points() -> Iterator[None]:
    """In the block, C libraries read and write numbers with a point.

    Where an application has set a locale with decimal commas, ITK would write files that nobody
    can read, and read "1.5" as 1.
    """
    before = locale.setlocale(locale.LC_NUMERIC)
    if before == "C":
        yield
        return
    locale.setlocale(locale.LC_NUMERIC, "C")
    try:
        yield
    finally:
        locale.setlocale(locale.LC_NUMERIC, before)
