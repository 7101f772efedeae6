"""Whether the numbers that a text tells stand in the tables that it tells of."""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"\d+\.\d+")
_SHARE = re.compile(r"(?<![\d.])\d+(?= ?%)")
_TOLERANCE = 0.51  # of the last digit: what lies half way may be rounded to either side


def strange_numbers(text: str, tables: str) -> list[str]:
    """Decimals of a text that stand in no table, not even with more digits, and strange shares."""
    known = [float(number) for number in _DECIMAL.findall(tables)]
    shares = set(_SHARE.findall(tables))
    return [
        *(number for number in _DECIMAL.findall(text) if not _rounded(number, known)),
        *(f"{share} %" for share in _SHARE.findall(text) if share not in shares),
    ]


def _rounded(number: str, known: list[float]) -> bool:
    last = 10.0 ** -len(number.partition(".")[2])
    return any(abs(one - float(number)) <= _TOLERANCE * last for one in known)
