"""The background process under Qt's event loop, and the clock that drives its client."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import qt

from funet.errors import WorkerError
from funet.worker.transport import EndCallback, OutputCallback, worker_environment

from ..translation import tr as _

_LONGEST_REST = 0.02  # seconds that the user interface may stand still while somebody waits


class QProcessTransport:
    """A :class:`funet.worker.transport.Transport` on ``QProcess``.

    Its callbacks come from the event loop of the thread that made it. It works without a running
    event loop too, as long as somebody calls :meth:`pump`.

    Args:
        python: the interpreter.
        environment: variables on top of this process's own.
    """

    def __init__(self, python: str | Path, environment: Mapping[str, str] | None = None) -> None:
        self._python = str(python)
        self._environment = environment
        self._child: _QtChild | None = None

    @property
    def pid(self) -> int | None:
        """See ``Transport.pid``."""
        return self._child.pid if self._child is not None else None

    @property
    def alive(self) -> bool:
        """See ``Transport.alive``."""
        return self._child is not None and self._child.alive

    def start(
        self,
        arguments: Sequence[str],
        *,
        on_output: OutputCallback,
        on_log: OutputCallback,
        on_end: EndCallback,
    ) -> None:
        """See ``Transport.start``."""
        self._child = _QtChild(on_output, on_log, on_end)
        self._child.start(self._python, list(arguments), worker_environment(self._environment))

    def write(self, data: bytes) -> None:
        """See ``Transport.write``."""
        if self.alive:
            self._child.process.write(data)

    def close_input(self) -> None:
        """See ``Transport.close_input``."""
        if self.alive:
            self._child.process.closeWriteChannel()

    def terminate(self) -> None:
        """See ``Transport.terminate``."""
        if self.alive:
            self._child.process.terminate()

    def kill(self) -> None:
        """See ``Transport.kill``."""
        if self.alive:
            self._child.process.kill()

    def pump(self, timeout: float) -> None:
        """See ``Transport.pump``; the user interface goes on meanwhile."""
        give_up = time.monotonic() + timeout
        heard = self._heard
        while True:
            qt.QCoreApplication.processEvents()
            left = give_up - time.monotonic()
            if self._heard != heard or left <= 0:
                return
            self._rest(min(left, _LONGEST_REST))

    @property
    def _heard(self) -> tuple[int, int]:
        """Something that changes with every delivery."""
        return id(self._child), self._child.heard if self._child is not None else 0

    def _rest(self, seconds: float) -> None:
        """Sleep until the child says something, but not for long."""
        child = self._child
        if child is None or not child.alive:
            time.sleep(seconds)
            return
        child.process.waitForReadyRead(max(1, int(seconds * 1000)))
        child.deliver()  # waiting inside a slot does not emit the signal a second time


class _QtChild:
    """One process from its start to its end."""

    def __init__(
        self, on_output: OutputCallback, on_log: OutputCallback, on_end: EndCallback
    ) -> None:
        self.process: Any = qt.QProcess()
        self.pid: int | None = None
        self.alive = False
        self.heard = 0  # portions and ends delivered
        self._on_output = on_output
        self._on_log = on_log
        self._on_end: EndCallback | None = on_end
        self._starting = False
        self.process.readyReadStandardOutput.connect(self.deliver)
        self.process.readyReadStandardError.connect(self.deliver)
        self.process.finished.connect(self._finished)
        self.process.errorOccurred.connect(self._failed)

    def start(self, python: str, arguments: list[str], environment: Mapping[str, str]) -> None:
        self.process.setEnvironment([f"{name}={value}" for name, value in environment.items()])
        self.alive = self._starting = True
        self.process.start(python, arguments)
        self._starting = False
        if not self.alive:  # the error was reported before start() returned
            raise WorkerError(
                _("The background process could not start: {python} cannot be run.").format(
                    python=python
                )
            )
        self.pid = int(self.process.processId()) or None

    def deliver(self, *_arguments: object) -> None:
        """Hand on what has arrived on both channels."""
        for read, callback in (
            (self.process.readAllStandardOutput, self._on_output),
            (self.process.readAllStandardError, self._on_log),
        ):
            data = bytes(read().data())
            if data:
                self.heard += 1
                callback(data)

    def _finished(self, *_arguments: object) -> None:
        self.deliver()
        code = int(self.process.exitCode())
        if self.process.exitStatus() == qt.QProcess.CrashExit and sys.platform != "win32":
            code = -code  # Qt gives the number of the signal
        self._end(code)

    def _failed(self, error: object, *_arguments: object) -> None:
        if error == qt.QProcess.FailedToStart:
            self._end(None)

    def _end(self, code: int | None) -> None:
        self.alive = False
        self.heard += 1
        on_end, self._on_end = self._on_end, None
        if on_end is not None and not self._starting:
            on_end(code)


class QtTicker:
    """Calls a function several times a second while there is something to watch.

    Args:
        milliseconds: between two calls.
    """

    def __init__(self, milliseconds: int = 50) -> None:
        self._milliseconds = milliseconds
        self._timer: Any = None

    def start(self, call: Callable[[], object]) -> None:
        """Begin, unless it has begun; ``call`` is then called until :meth:`stop`."""
        if self._timer is None:
            self._timer = qt.QTimer()
            self._timer.timeout.connect(call)
            self._timer.start(self._milliseconds)

    def stop(self) -> None:
        """Stop; again is without effect."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
