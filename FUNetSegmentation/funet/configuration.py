"""Frozen settings that refuse wrong types, values out of range and unknown names.

Settings come from files that others wrote (a model's manifest), so every value is checked before
it is used: a setting that passed here can build a network or a loss without further doubts.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from .errors import InputError
from .strict_json import shown


@dataclasses.dataclass(frozen=True)
class Range:
    """The values that a number may take, both ends included."""

    low: float
    high: float

    def check(self, name: str, value: float) -> None:
        """Refuse a value out of the range.

        Raises:
            InputError: naming the setting, its value and the range.
        """
        if not self.low <= value <= self.high:
            raise InputError(f"{name} must be from {self.low} to {self.high}, not {_shown(value)}.")


@dataclasses.dataclass(frozen=True)
class StrictConfig:
    """Base of the settings; a subclass is a frozen dataclass of flags, numbers and texts.

    Fields are annotated with ``bool``, ``int``, ``float``, ``str``, ``Literal[...]`` or, for
    numbers with bounds, ``Annotated[int, Range(1, 8)]``. A flag is no number, a whole number may
    stand for a float, and NaN and infinity are refused.

    Raises:
        InputError: on creation, when a value has the wrong type or is out of its range.
    """

    title: ClassVar[str] = "settings"

    def __post_init__(self) -> None:
        for name, hint in self._hints().items():
            if get_origin(hint) is not ClassVar:
                _check_value(f"{name} of the {self.title}", getattr(self, name), hint)

    @classmethod
    @functools.cache
    def _hints(cls) -> Mapping[str, Any]:
        """The annotations, kept because reading them anew takes most of a check's time."""
        return get_type_hints(cls, include_extras=True)

    def to_dict(self) -> dict[str, Any]:
        """The settings as a flat dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """The settings from :meth:`to_dict`'s dictionary; those left out take their default.

        Raises:
            InputError: if ``values`` is no dictionary, or a name is unknown or missing, or a
                value has the wrong type or is out of its range.
        """
        if not isinstance(values, Mapping):
            raise InputError(f"The {cls.title} must be a dictionary, not {_shown(values)}.")
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = [name for name in values if name not in fields]
        if unknown:
            raise InputError(
                f"The {cls.title} has an unknown entry {_shown(unknown[0])}; "
                f"known are {', '.join(fields)}."
            )
        for name, field in fields.items():
            if field.default is dataclasses.MISSING and name not in values:
                raise InputError(f"The {cls.title} lacks the entry {name!r}.")
        return cls(**values)


def _check_value(name: str, value: Any, hint: Any) -> None:
    """Refuse a value whose type or range is not what its annotation says."""
    if get_origin(hint) is Annotated:
        kind, limits = get_args(hint)
    else:
        kind, limits = hint, None
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            allowed = " or ".join(map(repr, choices))
            raise InputError(f"{name} must be {allowed}, not {_shown(value)}.")
    elif not _is_a(value, kind):
        words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        raise InputError(f"{name} must be {words[kind]}, not {_shown(value)}.")
    elif limits is not None:
        limits.check(name, value)


def _is_a(value: object, kind: type) -> bool:
    """Whether the value is of this very type; a flag is no number, NaN and infinity are none."""
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is float:
        # Comparing also works for whole numbers too large for a float, which `isfinite` refuses.
        return isinstance(value, int | float) and abs(value) <= sys.float_info.max
    return isinstance(value, kind)


def _shown(value: object) -> str:
    # Quoted, so that the text "16" cannot be taken for the number.
    return shown(repr(value))
