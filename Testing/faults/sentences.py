"""What a user reads of a fault: besides being plain, it says what to do."""

from __future__ import annotations

import re

from refusals import assert_plain_sentence

_ADVICE = re.compile(
    r"\b(?:accept|add|check|choose|close|copy|correct|crop|extract|free|give|install|load|look|make|name|"
    r"open|press|put|rename|resample|run|save|segment|set|starts? a new one|try|use)\b",
    re.IGNORECASE,
)


def assert_plain(text: str) -> None:
    """One plain sentence for the user that says what happened and what to do."""
    assert_plain_sentence(text)
    assert _ADVICE.search(text), f"nothing says what to do: {text}"
