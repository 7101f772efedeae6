"""The messages between the worker and its parent: one JSON object per line.

Requests, parent to child::

    {"type": "job", "id": ID, "job": NAME, "arguments": {...}}     run a job, after those before it
    {"type": "cancel", "id": ID}                                   give up a queued or running job
    {"type": "stop"}                                               give up everything and end

Events, child to parent::

    {"type": "ready", "version": TEXT, "pid": NUMBER}              once, after the start
    {"type": "alive"}                                              twice a second, as a heartbeat
    {"type": "progress", "id", "fraction", "message", "seconds_left"}
    {"type": "metric", "id", "values": {...}}                      numbers for a live plot
    {"type": "log", "id", "text"}                                  "id" is null outside any job
    {"type": "result", "id", "value": {...}}                       the last event of a job
    {"type": "error", "id", "category", "message", "detail"}       ... of a job that failed
    {"type": "cancelled", "id"}                                    ... of a job given up

Parsing is strict: a missing, unknown or ill-typed field, a repeated key, a number that is not
finite and a line longer than :data:`MAX_LINE_BYTES` are all refused. Lines are written in ASCII
(JSON escapes carry the rest), so that no code page on the way can change them.
"""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from ..errors import WorkerError

MAX_LINE_BYTES = 1 << 20
"""Longest line, without its line feed, that either side accepts."""

MAX_TEXT_CHARACTERS = 1 << 14
"""Messages, log texts and details are cut to this length before they are sent."""

JsonObject = dict[str, Any]
Message = TypeVar("Message")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ProtocolError(WorkerError):
    """A message cannot be understood, or cannot be sent."""


@dataclass(frozen=True)
class JobRequest:
    """Run the job named ``job``; its events will carry ``id``."""

    id: str
    job: str
    arguments: JsonObject


@dataclass(frozen=True)
class CancelRequest:
    """Give up a queued or running job; unknown ids are ignored, as the job may just have ended."""

    id: str


@dataclass(frozen=True)
class StopRequest:
    """Give up every job and end the process."""


@dataclass(frozen=True)
class ReadyEvent:
    """The child takes requests; ``pid`` is its own, not that of a launcher in between."""

    version: str
    pid: int


@dataclass(frozen=True)
class AliveEvent:
    """A heartbeat."""


@dataclass(frozen=True)
class ProgressEvent:
    """``fraction`` in [0, 1] of the job is done; ``seconds_left`` is ``None`` while unknown."""

    id: str
    fraction: float
    message: str
    seconds_left: float | None


@dataclass(frozen=True)
class MetricEvent:
    """Named values to show while the job runs, such as a loss; not-a-number arrives as ``None``."""

    id: str
    values: JsonObject


@dataclass(frozen=True)
class LogEvent:
    """A line for the log; ``id`` is ``None`` when it belongs to no job."""

    id: str | None
    text: str


@dataclass(frozen=True)
class ResultEvent:
    """The job is done; ``value`` is what it returned."""

    id: str
    value: JsonObject


@dataclass(frozen=True)
class ErrorEvent:
    """The job failed.

    Attributes:
        id: the job.
        category: name of the class in :mod:`funet.errors`, empty for an error nobody foresaw.
        message: one sentence for the user.
        detail: a traceback for the log, or empty.
    """

    id: str
    category: str
    message: str
    detail: str


@dataclass(frozen=True)
class CancelledEvent:
    """The job was given up."""

    id: str


Request = JobRequest | CancelRequest | StopRequest
Event = (
    ReadyEvent
    | AliveEvent
    | ProgressEvent
    | MetricEvent
    | LogEvent
    | ResultEvent
    | ErrorEvent
    | CancelledEvent
)

_REQUESTS: dict[str, type[Request]] = {
    "job": JobRequest,
    "cancel": CancelRequest,
    "stop": StopRequest,
}
_EVENTS: dict[str, type[Event]] = {
    "ready": ReadyEvent,
    "alive": AliveEvent,
    "progress": ProgressEvent,
    "metric": MetricEvent,
    "log": LogEvent,
    "result": ResultEvent,
    "error": ErrorEvent,
    "cancelled": CancelledEvent,
}
_TYPE_NAMES: dict[type, str] = {kind: name for name, kind in (*_REQUESTS.items(), *_EVENTS.items())}


def is_safe_name(name: object) -> bool:
    """Whether ``name`` is 1 to 64 of A-Z, a-z, 0-9, ``_`` and ``-``: safe as a file name."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_number_between(low: float, high: float) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and low <= value <= high  # type: ignore[operator]

    return check


def _is_process_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


# A field name means the same in every message, so that one check per name is enough.
_CHECKS: dict[str, Callable[[object], bool]] = {
    "id": is_safe_name,
    "job": _is_text,
    "arguments": _is_object,
    "version": _is_text,
    "pid": _is_process_id,
    "fraction": _is_number_between(0.0, 1.0),
    "message": _is_text,
    "seconds_left": _is_number_between(0.0, sys.float_info.max),
    "values": _is_object,
    "text": _is_text,
    "value": _is_object,
    "category": _is_text,
    "detail": _is_text,
}


def _check(kind: type, fields: Mapping[str, object]) -> None:
    """Refuse ``fields`` unless they are exactly those of the message class ``kind``."""
    expected = {field.name: str(field.type) for field in dataclasses.fields(kind)}
    if fields.keys() != expected.keys():
        raise ProtocolError(
            f"A worker message of type {_TYPE_NAMES[kind]!r} must have the fields "
            f"{sorted(expected)}, not {repr(sorted(fields))[:200]}."
        )
    for name, value in fields.items():
        if value is None and expected[name].endswith("| None"):
            continue
        if not _CHECKS[name](value):
            raise ProtocolError(
                f"The field {name!r} of a worker message of type {_TYPE_NAMES[kind]!r} has the "
                f"unusable value {repr(value)[:80]}."
            )


def _plain(value: object) -> object:
    """``value`` as plain JSON types; numbers that are not finite become ``None``."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):  # numpy's integers too
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ProtocolError("Only texts can be keys in a worker message.")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    raise ProtocolError(
        f"A value of type {type(value).__name__!r} cannot be part of a worker message; "
        "send arrays as files."
    )


def _clipped(name: str, value: object) -> object:
    """Long texts are cut; of a detail the end is kept, for that is where a traceback says why."""
    if not isinstance(value, str):
        return value
    if name == "detail":
        return value[-MAX_TEXT_CHARACTERS:]
    return value[:MAX_TEXT_CHARACTERS] if name in ("message", "text") else value


def encode(message: Request | Event) -> bytes:
    """One line, with its line feed, that the other side parses back to an equal message.

    Tuples arrive as lists, paths as texts, not-a-number and infinities as ``None``.

    Raises:
        ProtocolError: when the message holds something JSON cannot carry, or is too long.
    """
    kind = type(message)
    try:
        fields = {
            field.name: _clipped(field.name, _plain(getattr(message, field.name)))
            for field in dataclasses.fields(message)
        }
        _check(kind, fields)
        line = json.dumps({"type": _TYPE_NAMES[kind], **fields}, allow_nan=False).encode("ascii")
    except (ValueError, OverflowError, RecursionError) as error:
        raise ProtocolError(f"A worker message cannot be written as JSON: {error}.") from error
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(
            f"A worker message of {len(line)} bytes is longer than the {MAX_LINE_BYTES} allowed; "
            "send large data as files."
        )
    return line + b"\n"


def parse_request(line: bytes) -> Request:
    """The request that a line holds.

    Raises:
        ProtocolError: when it holds none.
    """
    return _parse(line, _REQUESTS)


def parse_event(line: bytes) -> Event:
    """The event that a line holds.

    Raises:
        ProtocolError: when it holds none.
    """
    return _parse(line, _EVENTS)


def _parse(line: bytes, kinds: Mapping[str, type[Message]]) -> Message:
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(f"A worker message is longer than the {MAX_LINE_BYTES} bytes allowed.")
    try:
        fields = json.loads(
            line.decode("utf-8"),
            object_pairs_hook=_object_without_repeats,
            parse_float=_finite_float,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, endless nesting or digits
        raise ProtocolError(f"A worker message is not a line of JSON: {str(error)[:80]}.") from None
    if not isinstance(fields, dict):
        raise ProtocolError("A worker message is not a JSON object.")
    name = fields.pop("type", None)
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ProtocolError(f"A worker message has the unknown type {repr(name)[:80]}.")
    _check(kind, fields)
    return kind(**fields)


def _object_without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key is repeated")
    return fields


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


class LineReader:
    """Splits bytes that arrive in any portions into lines, in bounded memory.

    Of a line that is too long only ``limit + 1`` bytes are kept and handed on: enough for the
    parser to refuse it for its length.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._keep = limit + 1
        self._partial = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their line feeds; blank ones are left out."""
        *ends, rest = data.split(b"\n")
        lines = []
        for end in ends:
            self._extend(end)
            if self._partial.strip():
                lines.append(bytes(self._partial))
            self._partial.clear()
        self._extend(rest)
        return lines

    def _extend(self, data: bytes) -> None:
        self._partial += data[: self._keep - len(self._partial)]
