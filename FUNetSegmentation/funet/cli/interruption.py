"""Ctrl-C: the first one cancels within a batch, the second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..progress import CancelToken


@contextmanager
def cancelled_by_interrupt() -> Iterator[CancelToken]:
    """Give a token that Ctrl-C cancels while the block runs."""
    token = CancelToken()
    if threading.current_thread() is not threading.main_thread():  # only that one gets signals
        yield token
        return

    def on_interrupt(*_: object) -> None:
        if token.cancelled:
            raise KeyboardInterrupt
        token.cancel()

    earlier = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield token
    finally:
        signal.signal(signal.SIGINT, earlier)
