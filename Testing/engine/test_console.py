"""A bar on a terminal, plain lines in a log, JSON for machines; and Ctrl-C that is obeyed."""

from __future__ import annotations

import io
import json
import math
import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from funet.cli import console as console_module
from funet.cli.console import Console, duration
from funet.cli.interruption import cancelled_by_interrupt
from funet.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """The time as the test wants it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(console_module, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def a_console(
    err: io.StringIO | None = None, **options: bool
) -> tuple[Console, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), err or io.StringIO()
    return Console(out=out, err=err, **options), out, err


def test_a_terminal_has_one_line_that_is_rewritten(clock: Clock) -> None:
    console, out, err = a_console(Terminal())
    for step in range(5):
        clock.now += 1
        console.progress(Progress(step / 4, "Working", 4 - step))
    assert "\n" not in err.getvalue()
    last = err.getvalue().split("\r\x1b[K")[-1]
    assert last.startswith("[########################] 100 %")
    assert "2 s left  Working" in err.getvalue()
    assert out.getvalue() == ""


def test_a_bar_is_wiped_away_before_anything_else_is_shown(clock: Clock) -> None:
    console, out, err = a_console(Terminal())
    console.progress(Progress(0.5, "Working"))
    console.result("done")
    assert err.getvalue().endswith("\r\x1b[K")
    assert out.getvalue() == "done\n"
    console.close()
    assert err.getvalue().count("\r\x1b[K") == 2


def test_a_bar_never_wraps(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    console, _, err = a_console(Terminal())
    console.progress(Progress(0.5, "x" * 100))
    assert len(err.getvalue().removeprefix("\r\x1b[K")) == 39


def test_a_log_has_a_plain_line_every_few_seconds(clock: Clock) -> None:
    console, out, err = a_console()
    for tenth in range(200):
        console.progress(Progress(tenth / 200, f"Step {tenth}", 20 - tenth / 10))
        clock.now += 0.1
    lines = err.getvalue().splitlines()
    assert 2 <= len(lines) <= 4
    assert all(line.isprintable() for line in lines)
    assert lines[0].lstrip().startswith("25 %, 15 s left: Step 5")
    assert out.getvalue() == ""


def test_short_work_leaves_no_progress_in_a_log(clock: Clock) -> None:
    console, _, err = a_console()
    console.progress(Progress(0, "Begin"))
    clock.now += 2
    console.progress(Progress(1, "End"))
    assert err.getvalue() == ""


def test_a_machine_gets_one_object_per_line_and_nothing_else(clock: Clock) -> None:
    console, out, err = a_console(json_lines=True)
    console.progress(Progress(0.25, "Working", 3.14159))
    console.progress(Progress(0.26, "too soon to be told"))
    console.note("Noyau é\n")
    console.line("for people")
    console.tell("for people")
    console.event("epoch", loss=math.nan, dice=(0.5, math.inf), file=Path("a"))
    console.result("for people", model="m")
    objects = [json.loads(line) for line in out.getvalue().splitlines()]
    assert objects == [
        {"type": "progress", "fraction": 0.25, "message": "Working", "seconds_left": 3.1},
        {"type": "note", "text": "Noyau é\n"},
        {"type": "epoch", "loss": None, "dice": [0.5, None], "file": "a"},
        {"type": "result", "model": "m"},
    ]
    assert out.getvalue().isascii()
    assert err.getvalue() == ""


def test_an_error_is_one_line_on_the_standard_error_for_people_and_an_object_for_machines() -> None:
    console, out, err = a_console(json_lines=True)
    console.fail("It broke\nin two.")
    assert err.getvalue() == "funet: It broke in two.\n"
    assert json.loads(out.getvalue()) == {"type": "error", "message": "It broke\nin two."}


def test_the_same_note_is_told_once() -> None:
    console, _, err = a_console()
    for text in ("one", "two", "one"):
        console.note(text)
    assert err.getvalue() == "one\ntwo\n"


def test_file_names_cannot_change_the_terminal() -> None:
    console, out, err = a_console(Terminal())
    console.line("a\x1b[31mb.nii")
    console.complain("c\x07d")
    console.progress(Progress(0.5, "e\x1b]0;title"))
    assert out.getvalue() == "a?[31mb.nii\n"
    assert "c?d" in err.getvalue()
    assert "e?]0;title" in err.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (3900, "1 h 05 min"), (-1, "0 s")],
)
def test_times_are_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_first_interrupt_cancels_and_the_second_stops() -> None:
    before = signal.getsignal(signal.SIGINT)
    with cancelled_by_interrupt() as cancel:
        assert not cancel.cancelled
        signal.raise_signal(signal.SIGINT)
        assert cancel.cancelled
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_there_is_a_token_too() -> None:
    found = []

    def run() -> None:
        with cancelled_by_interrupt() as cancel:
            found.append(cancel.cancelled)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [False]
