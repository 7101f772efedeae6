"""Strict reading of JSON that may come from a stranger: every surprise is one plain sentence."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Collection
from typing import NoReturn, TypeVar

from .errors import FunetError, ModelError

JsonObject = dict[str, object]
Parsed = TypeVar("Parsed")

_MAX_SHOWN = 60


def parse_json(data: bytes | str, source: str) -> object:
    """Parse JSON (bytes in UTF-8), refusing duplicate keys, NaN, infinities and bottomless nesting.

    Args:
        data: the text; the caller has bounded its length.
        source: what the text is, for the message ("the file /a/model.json").

    Raises:
        ModelError: if the text is anything but one strict JSON value.
    """
    try:
        return json.loads(
            data.decode("utf-8") if isinstance(data, bytes) else data,
            object_pairs_hook=_unique_object,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
        )
    except UnicodeDecodeError as error:
        raise ModelError(f"{source} is damaged: it is not UTF-8 text.") from error
    except json.JSONDecodeError as error:
        raise ModelError(f"{source} is damaged: {error}.") from error
    except ValueError as error:  # the hooks below, and integers of more than 4300 digits
        raise ModelError(f"{source} is damaged: {shown(str(error), 120)}.") from error
    except RecursionError as error:
        raise ModelError(f"{source} is damaged: its brackets are nested too deeply.") from error


def dump_json(value: object) -> bytes:
    """Return ``value`` as indented UTF-8 JSON; finite numbers only."""
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n").encode("utf-8")


def shown(value: object, limit: int = _MAX_SHOWN) -> str:
    """Return a value as short printable text for a message."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(letter if letter.isprintable() else "?" for letter in text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _unique_object(pairs: list[tuple[str, object]]) -> JsonObject:
    record: JsonObject = {}
    for key, value in pairs:
        if key in record:
            raise ValueError(f'the key "{key}" appears twice')
        record[key] = value
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is not a number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text} is too large")
    return value


def text_problem(text: object, longest: int, *, lines: bool = False, empty: bool = False) -> str:
    """Return what is wrong with a text that people will read, or ``""``.

    Args:
        text: the candidate.
        longest: most characters allowed.
        lines: whether line breaks and tabs are allowed; other control characters never are.
        empty: whether a blank text is allowed.
    """
    if not isinstance(text, str):
        return "must be text"
    if not empty and not text.strip():
        return "must not be empty"
    if len(text) > longest:
        return f"must have at most {longest} characters"
    allowed = "\n\t" if lines else ""
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in allowed for c in text):
        return "must not hold control characters"
    return ""


class Record:
    """One JSON object with exactly the keys that are expected, read with checks.

    Args:
        value: the parsed JSON value.
        keys: the keys that the object must have; no other is allowed.
        source: the file, for messages.
        path: where in the file the object is, for messages (``"segments[0]"``).

    Raises:
        ModelError: if the value is no object, or a key is missing or unknown.
    """

    def __init__(
        self, value: object, keys: Collection[str], source: str, path: str = "its content"
    ) -> None:
        self._source = source
        self._path = path
        if not isinstance(value, dict):
            self.refuse("", "must be an object")
        missing = [key for key in keys if key not in value]
        unknown = [key for key in value if key not in keys]
        if missing:
            self.refuse(missing[0], "is missing")
        if unknown:
            self.refuse(shown(unknown[0]), "is not known")
        self._value: JsonObject = value

    def refuse(self, key: str, problem: str) -> NoReturn:
        """Raise the :class:`~funet.errors.ModelError` for one key."""
        where = f'"{key}" in {self._path}' if key else self._path
        raise ModelError(f"{self._source} cannot be used: {where} {problem}.")

    def raw(self, key: str) -> object:
        """Return the value as it was parsed."""
        return self._value[key]

    def text(self, key: str, longest: int, *, lines: bool = False, empty: bool = False) -> str:
        """Return a text; see :func:`text_problem`."""
        value = self._value[key]
        problem = text_problem(value, longest, lines=lines, empty=empty)
        if problem or not isinstance(value, str):
            self.refuse(key, problem)
        return value

    def optional_text(self, key: str, longest: int) -> str | None:
        """Return a text that is not empty, or ``None`` for null."""
        return None if self._value[key] is None else self.text(key, longest)

    def integer(self, key: str, low: int, high: int) -> int:
        """Return a whole number in [low, high]; 1.0 and true are none."""
        value = self._value[key]
        if type(value) is not int or not low <= value <= high:
            self.refuse(key, f"must be a whole number from {low} to {high}, not {shown(value)}")
        return value

    def boolean(self, key: str) -> bool:
        """Return true or false; 0 and 1 are neither."""
        value = self._value[key]
        if type(value) is not bool:
            self.refuse(key, f"must be true or false, not {shown(value)}")
        return value

    def number(self, key: str) -> float:
        """Return a finite number."""
        value = self._value[key]
        if type(value) is not float and type(value) is not int:
            self.refuse(key, f"must be a number, not {shown(value)}")
        if not abs(value) < 1e300:
            self.refuse(key, "must be a finite number")
        return float(value)

    def items(self, key: str, most: int) -> list[object]:
        """Return a list of at most ``most`` values."""
        value = self._value[key]
        if not isinstance(value, list) or len(value) > most:
            self.refuse(key, f"must be a list of at most {most} entries")
        return value

    def parsed(self, key: str, parser: Callable[[JsonObject], Parsed]) -> Parsed:
        """Return an object as read by ``parser``, its refusals reworded with the place.

        ``parser`` may raise :class:`~funet.errors.FunetError`, ValueError, TypeError,
        KeyError or OverflowError.
        """
        value = self._value[key]
        if not isinstance(value, dict):
            self.refuse(key, "must be an object")
        try:
            return parser(value)
        except (FunetError, ValueError, TypeError, KeyError, OverflowError) as error:
            self.refuse(key, f"is wrong ({shown(str(error).rstrip('.'), 200)})")
