"""How the client reaches a child process: a protocol, and its implementation on ``subprocess``."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Protocol, cast

from ..errors import WorkerError
from ..threads import wait_briefly

ENGINE_PARENT = Path(__file__).resolve().parents[2]
"""The folder that must be on the child's path, so that it can import ``funet``."""

OutputCallback = Callable[[bytes], None]
EndCallback = Callable[[int | None], None]

if sys.platform == "win32":
    _CREATION_FLAGS = subprocess.CREATE_NO_WINDOW
else:
    _CREATION_FLAGS = 0

_READ_BYTES = 1 << 16
_QUEUED_PORTIONS = 128  # of _READ_BYTES: a child that talks faster than it is heard must wait
_PORTIONS_PER_PUMP = 32
_LAST_WORDS_SECONDS = 0.5


class Transport(Protocol):
    """One child process at a time; :meth:`start` after the end of one begins another.

    Every callback is called on the thread of the client, never on another: from inside
    :meth:`pump`, or by an event loop that runs on that thread. For Qt: keep one ``QProcess`` per
    start with separate channels, connect ``readyReadStandardOutput`` to ``on_output`` with
    ``readAllStandardOutput().data()``, ``readyReadStandardError`` likewise to ``on_log``,
    ``finished`` to ``on_end`` (read what is left of both channels first; after a ``CrashExit`` on
    Linux and macOS the exit code is the signal number, so negate it) and ``errorOccurred`` with
    ``FailedToStart`` to ``on_end(None)``. Pass :func:`worker_environment` as its process
    environment, let :meth:`pump` run the event loop for up to ``timeout`` seconds, and call the
    client's ``tick`` from a ``QTimer`` while it has jobs.
    """

    @property
    def pid(self) -> int | None:
        """Process id of the latest child (perhaps a launcher), ``None`` before the first."""

    @property
    def alive(self) -> bool:
        """Whether the latest child still runs, even where its end was not delivered yet."""

    def start(
        self,
        arguments: Sequence[str],
        *,
        on_output: OutputCallback,
        on_log: OutputCallback,
        on_end: EndCallback,
    ) -> None:
        """Start Python with ``arguments``.

        Args:
            arguments: the command line after the name of the interpreter.
            on_output: receives the child's standard output in any portions.
            on_log: receives its standard error likewise.
            on_end: called once, after all output: the exit code, the negative signal number where
                a signal ended it, or ``None`` where it could not start or nothing is known.

        Raises:
            WorkerError: when that is known at once to be impossible.
        """

    def write(self, data: bytes) -> None:
        """Send to the child's standard input without waiting; data for a dead child is dropped."""

    def close_input(self) -> None:
        """Close the child's standard input after what was written; it then ends by itself."""

    def terminate(self) -> None:
        """Ask the operating system to end the child; no error when it has ended."""

    def kill(self) -> None:
        """End the child without asking it; no error when it has ended."""

    def pump(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for news of the child and deliver what there is."""


def worker_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: this process's own, with ``extra``, made fit for the worker."""
    environment = {**os.environ, **(extra or {})}
    paths = (str(ENGINE_PARENT), environment.get("PYTHONPATH", ""))
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    environment["PYTHONUTF8"] = "1"
    wait_briefly(environment)
    environment["PYTHONSAFEPATH"] = "1"  # no module from whatever folder happens to be current
    return environment


class SubprocessTransport:
    """A :class:`Transport` for scripts, tests and the console, where no event loop runs.

    Args:
        python: the interpreter.
        environment: variables on top of this process's own.
    """

    def __init__(
        self, python: str | Path = sys.executable, environment: Mapping[str, str] | None = None
    ) -> None:
        self._python = str(python)
        self._environment = environment
        self._child: _Child | None = None

    @property
    def pid(self) -> int | None:
        """See :attr:`Transport.pid`."""
        return self._child.process.pid if self._child is not None else None

    @property
    def alive(self) -> bool:
        """See :attr:`Transport.alive`."""
        return self._child is not None and self._child.process.returncode is None

    def start(
        self,
        arguments: Sequence[str],
        *,
        on_output: OutputCallback,
        on_log: OutputCallback,
        on_end: EndCallback,
    ) -> None:
        """See :meth:`Transport.start`."""
        try:
            process = subprocess.Popen(
                [self._python, *arguments],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=worker_environment(self._environment),
                creationflags=_CREATION_FLAGS,
            )
        except OSError as error:
            raise WorkerError(
                f"The background process could not start: {self._python} cannot be run "
                f"({error.strerror})."
            ) from error
        if self._child is not None:
            self._child.abandon()
        self._child = _Child(process, on_output, on_log, on_end)

    def write(self, data: bytes) -> None:
        """See :meth:`Transport.write`."""
        if self._child is not None:
            self._child.outbox.put(data)

    def close_input(self) -> None:
        """See :meth:`Transport.close_input`."""
        if self._child is not None:
            self._child.outbox.put(None)

    def terminate(self) -> None:
        """See :meth:`Transport.terminate`."""
        if self._child is not None:
            self._child.process.terminate()

    def kill(self) -> None:
        """See :meth:`Transport.kill`."""
        if self._child is not None:
            self._child.process.kill()

    def pump(self, timeout: float) -> None:
        """See :meth:`Transport.pump`."""
        if self._child is None:
            time.sleep(timeout)
            return
        inbox = self._child.inbox
        try:
            deliver = inbox.get(timeout=timeout)
            for _ in range(_PORTIONS_PER_PUMP):
                deliver()
                deliver = inbox.get_nowait()
            deliver()
        except queue.Empty:
            return


class _Child:
    """A process with its threads; what they read waits in ``inbox`` as calls to be made."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        on_output: OutputCallback,
        on_log: OutputCallback,
        on_end: EndCallback,
    ) -> None:
        pipes = (process.stdin, process.stdout, process.stderr)
        stdin, stdout, stderr = (cast("IO[bytes]", pipe) for pipe in pipes)
        self.process = process
        self.inbox: queue.Queue[Callable[[], None]] = queue.Queue(_QUEUED_PORTIONS)
        self.outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._abandoned = False
        readers = [
            self._spawn(self._read, stdout, on_output),
            self._spawn(self._read, stderr, on_log),
        ]
        self._spawn(self._write, stdin)
        self._spawn(self._wait, readers, on_end)

    def abandon(self) -> None:
        """Nobody will look into the inbox any more: let the threads run to their ends."""
        self._abandoned = True
        with suppress(queue.Empty):
            while True:
                self.inbox.get_nowait()

    def _post(self, call: Callable[[], None]) -> None:
        if not self._abandoned:
            self.inbox.put(call)

    @staticmethod
    def _spawn(target: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        return thread

    def _read(self, stream: IO[bytes], callback: OutputCallback) -> None:
        with stream:
            while data := stream.read(_READ_BYTES):
                self._post(partial(callback, data))

    def _write(self, stream: IO[bytes]) -> None:
        """In a thread of its own: a hung child does not read, and must not hang its parent."""
        try:
            with stream:
                while (data := self.outbox.get()) is not None:
                    rest = memoryview(data)
                    while rest:
                        rest = rest[stream.write(rest) :]
        except OSError:
            return  # the child is dead, which its end will report

    def _wait(self, readers: Sequence[threading.Thread], on_end: EndCallback) -> None:
        code = self.process.wait()
        self.outbox.put(None)
        for reader in readers:  # a grandchild may keep the pipe open: wait, but not for ever
            reader.join(_LAST_WORDS_SECONDS)
        self._post(partial(on_end, code))
