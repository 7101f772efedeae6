"""What the client knows about one child process."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from .protocol import LineReader

LOG_BYTES = 1 << 14
_QUOTED_CHARACTERS = 200
_LONGEST_TICK_SECONDS = 1.0


class Stage(IntEnum):
    """How far the client has gone in ending a child; it only ever moves on, but for CANCELLING."""

    RUNNING = 0
    CANCELLING = 1
    CLOSING = 2
    TERMINATING = 3
    KILLING = 4


class LogTail:
    """The end of a log, in bounded memory."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Append; what is further than :data:`LOG_BYTES` from the end is forgotten."""
        self._data += data[-LOG_BYTES:]
        del self._data[:-LOG_BYTES]

    def text(self) -> str:
        """All that is kept; bytes that are not UTF-8 show as replacement characters."""
        return self._data.decode("utf-8", errors="replace").strip()

    def telling_line(self) -> str:
        """The last line that says what happened rather than where, shortened; may be empty.

        Tracebacks, of Python and of ``faulthandler`` alike, end in indented lines, and the latter
        in a list of extension modules.
        """
        for line in reversed(self.text().splitlines()):
            tells = line.strip() and not line[0].isspace()
            if tells and not line.endswith(":") and not line.startswith("Extension modules"):
                return line.strip()[-_QUOTED_CHARACTERS:]
        return ""


@dataclass
class Child:
    """One child process.

    Attributes:
        folder: its private folder.
        pid: what it says its process id is; ``None`` until it is ready.
        stage: how far its end has been forced.
        deadline: when to force it further, ``None`` for not at all.
        reason: why the client ended it, as the second half of a sentence; empty otherwise.
        silence: seconds without an event during which the client was listening.
    """

    folder: Path
    clock: Callable[[], float] = time.monotonic
    pid: int | None = None
    stage: Stage = Stage.RUNNING
    deadline: float | None = None
    reason: str = ""
    silence: float = 0.0
    log: LogTail = field(default_factory=LogTail)
    reader: LineReader = field(default_factory=LineReader)
    lines: deque[bytes] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._ticked = self.clock()

    def heard(self) -> None:
        """It has spoken: silence begins anew."""
        self.silence = 0.0
        self._ticked = self.clock()

    def tick(self) -> None:
        """Count silence, but not the time in which the client was too busy to listen.

        A blocked user interface or a suspended computer says nothing about the child.
        """
        now = self.clock()
        self.silence += min(now - self._ticked, _LONGEST_TICK_SECONDS)
        self._ticked = now

    def move_to(self, stage: Stage, patience: float) -> None:
        """Enter ``stage``, to be forced further after ``patience`` seconds."""
        self.stage = stage
        self.deadline = self.clock() + patience

    def overdue(self) -> bool:
        """Whether it has outlived the patience of its stage."""
        return self.deadline is not None and self.clock() >= self.deadline

    def calm(self) -> None:
        """The cancelled job has ended in time: leave the child alone."""
        if self.stage is Stage.CANCELLING:
            self.stage, self.deadline = Stage.RUNNING, None

    def kill_behind(self, launcher: int | None) -> None:
        """Kill the worker itself where a launcher stands between it and the transport."""
        if self.pid is not None and launcher is not None and self.pid != launcher:
            with suppress(OSError):  # it has ended already
                os.kill(self.pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def obituary(self, exit_code: int | None, job: str) -> str:
        """One sentence for the user on how the child came to its end."""
        reason = self.reason or _describe_exit(exit_code)
        when = f"during the job {job!r}" if self.pid is not None else "before it was ready"
        quote = self.log.telling_line()
        log = f" (its log ends with: {quote})" if quote else ""
        return f"The background process {reason} {when}{log}; the next job starts a new one."


def _describe_exit(code: int | None) -> str:
    if code is None:
        return "could not start or was lost"
    if code < 0:
        with suppress(ValueError):
            return f"was ended by signal {-code} ({signal.Signals(-code).name})"
        return f"was ended by signal {-code}"
    hexadecimal = f" ({code:#x})" if code > 255 else ""  # how Windows names crashes
    return f"ended with exit code {code}{hexadecimal}"
