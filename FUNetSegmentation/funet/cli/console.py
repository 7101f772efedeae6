"""What the ``funet`` command shows: the only place that writes to the terminal.

On a terminal one line is rewritten with a bar and the time left. In a log file plain lines appear
now and then. With ``--json`` the standard output has one JSON object per line, each with a "type".
"""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from ..progress import Progress

ALL_DONE = 0
SOME_FAILED = 1
NOTHING_DONE = 2
INTERRUPTED = 130

_SECONDS_BETWEEN_LINES = 5.0
_SECONDS_BETWEEN_OBJECTS = 0.5
_SECONDS_BETWEEN_DRAWINGS = 0.1
_BAR_WIDTH = 24
_CLEAR_LINE = "\r\x1b[K"


class Console:
    """Shows progress, messages and results of one command.

    Args:
        json_lines: whether to write for a machine.
        out: where results go; the standard output if ``None``.
        err: where everything else goes; the standard error if ``None``.
    """

    def __init__(
        self, *, json_lines: bool = False, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self._json = json_lines
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        for stream in (self._out, self._err):
            if isinstance(stream, io.TextIOWrapper):  # a name that the code page lacks becomes "?"
                stream.reconfigure(errors="replace")
        self._interactive = not json_lines and self._err.isatty()
        self._bar_is_shown = False
        self._pause = _SECONDS_BETWEEN_LINES
        if json_lines or self._interactive:
            self._pause = _SECONDS_BETWEEN_OBJECTS if json_lines else _SECONDS_BETWEEN_DRAWINGS
        self._last_shown: float | None = None
        self._told: set[str] = set()

    def progress(self, progress: Progress) -> None:
        """Show how far the work has come, if that was not shown just before."""
        now = time.monotonic()
        if self._last_shown is None and not (self._json or self._interactive):
            self._last_shown = now  # in a log, work of a few seconds needs no line at all
        is_due = self._last_shown is None or now - self._last_shown >= self._pause
        if not is_due and (progress.fraction < 1 or not self._interactive):
            return
        self._last_shown = now
        if self._json:
            left = None if progress.seconds_left is None else round(progress.seconds_left, 1)
            self.event(
                "progress",
                fraction=round(progress.fraction, 4),
                message=progress.message,
                seconds_left=left,
            )
        elif self._interactive:
            self._draw(progress)
        else:
            self._write(self._err, f"{_percent(progress)}{_left(progress)}: {progress.message}")

    def note(self, text: str) -> None:
        """Tell the user something, once; what was told before is not repeated."""
        if text in self._told:
            return
        self._told.add(text)
        self.event("note", text=text)
        self.tell(text)

    def tell(self, text: str) -> None:
        """Tell people something that a machine learns from an event."""
        if not self._json:
            self._write(self._err, text)

    def event(self, kind: str, **values: object) -> None:
        """Tell a machine something; people do not see it."""
        if self._json:
            line = json.dumps({"type": kind, **_plain(values)}, allow_nan=False)
            self._write(self._out, line)

    def line(self, text: str) -> None:
        """Give people a part of the result."""
        if not self._json:
            self._write(self._out, text.rstrip("\n"))

    def result(self, text: str, **values: object) -> None:
        """Give the result: a text for people, values for a machine."""
        self.event("result", **values)
        if text:
            self.line(text)

    def fail(self, message: str) -> None:
        """Say in one sentence why something could not be done."""
        self.event("error", message=message)
        self.complain(message)

    def complain(self, message: str) -> None:
        """Say in one sentence why one of several inputs failed, while the rest goes on."""
        self._write(self._err, f"funet: {' '.join(message.split())}")

    def close(self) -> None:
        """Leave the terminal with an empty line under what was shown."""
        self._clear_bar()

    def detach(self) -> None:
        """Write nothing more to a standard output that nobody reads."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._out.fileno())
        os.close(nowhere)

    def _draw(self, progress: Progress) -> None:
        filled = round(progress.fraction * _BAR_WIDTH)
        bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
        text = f"[{bar}] {_percent(progress)}{_left(progress)}  {progress.message}"
        width = shutil.get_terminal_size().columns - 1
        self._err.write(_CLEAR_LINE + _printable(text)[:width])
        self._err.flush()
        self._bar_is_shown = True

    def _clear_bar(self) -> None:
        if self._bar_is_shown:
            self._err.write(_CLEAR_LINE)
            self._err.flush()
            self._bar_is_shown = False

    def _write(self, stream: TextIO, text: str) -> None:
        self._clear_bar()
        stream.write(_printable(text) + "\n")
        stream.flush()


def duration(seconds: float) -> str:
    """Return a time in words: "12 s", "3 min 20 s", "1 h 05 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def _printable(text: str) -> str:
    """A file name may hold anything, also what would change the terminal."""
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text)


def _percent(progress: Progress) -> str:
    return f"{math.floor(100 * progress.fraction):3} %"


def _left(progress: Progress) -> str:
    return "" if progress.seconds_left is None else f", {duration(progress.seconds_left)} left"


def _plain(value: Mapping[str, object]) -> dict[str, object]:
    return {name: _plain_value(item) for name, item in value.items()}


def _plain_value(value: object) -> object:
    """The same as JSON has it; numbers that are not finite become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(item) for item in value]
    return value
