"""Ids of models: names that are safe as folder names on every system."""

from __future__ import annotations

import re
import unicodedata

LONGEST_ID = 64
LONGEST_FAMILY = 56
"""Shorter than an id, to leave room for ".v999999"."""
MOST_VERSIONS = 999_999

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# Names that Windows keeps for devices, whatever follows the first dot.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


def identifier(name: str) -> str:
    """Return a valid id of a family made from any name ("Noyau rouge" -> "noyau-rouge")."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    result = "-".join(words)[: LONGEST_FAMILY - 8].strip("-")
    return result if result and is_identifier(result) else f"model-{result}".rstrip("-")


def version_id(family: str, version: int) -> str:
    """Return the id of a version after the first ("midbrain-t1.v2")."""
    return f"{family}.v{version}"


def is_identifier(text: object) -> bool:
    """Return whether a text is a valid id, and so a safe name of a folder on every system."""
    return (
        isinstance(text, str)
        and _ID.fullmatch(text) is not None
        and ".." not in text
        and not text.endswith(".")
        and _DEVICES.fullmatch(text) is None
    )
