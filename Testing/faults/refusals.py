"""What a refusal must be: an error of the engine, one plain sentence, little memory."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from funet.errors import FunetError, ModelError


def assert_plain_sentence(text: str) -> None:
    """A message fits on a line, ends as a sentence does, and holds nothing for programmers."""
    assert text and len(text) < 600
    assert text.isprintable()
    assert text[0].isupper() or text.startswith(("/", "."))
    assert text.endswith(".")
    assert re.search(r"Traceback|Error\(|<class|object at 0x|errno", text, re.I) is None


@contextmanager
def refused(match: str = "", kind: type[FunetError] = ModelError) -> Iterator[None]:
    """The block raises an error for the user, a plain sentence in which ``match`` is found."""
    with pytest.raises(kind, match=match) as raised:
        yield
    assert_plain_sentence(str(raised.value))


@contextmanager
def little_memory(most: int = 2**23) -> Iterator[None]:
    """The block takes at most so many bytes at once, as far as Python and numpy know."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
