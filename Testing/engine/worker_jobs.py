"""Jobs for the tests of the worker: what real jobs do, and the worst that they could do."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from funet.errors import Cancelled, InputError
from funet.progress import Progress, ProgressReporter
from funet.worker.arrays import put_array, take_array
from funet.worker.context import JobContext
from funet.worker.jobs import JOBS as PRODUCT_JOBS
from funet.worker.protocol import ResultEvent, encode

Arguments = dict[str, Any]
Result = dict[str, Any]


def count(arguments: Arguments, context: JobContext) -> Result:
    """A well-behaved job: ``steps`` batches of ``seconds`` each."""
    steps = arguments["steps"]
    reporter = ProgressReporter(context.progress, context.cancel)
    for step in range(steps):
        reporter.report(step, steps, f"Step {step + 1}")
        context.metric(step=step, loss=1.0 / (step + 1))
        time.sleep(arguments.get("seconds", 0.0))
    reporter.report(steps, steps, "Done")
    return {"steps": steps}


def greet(arguments: Arguments, context: JobContext) -> Result:
    context.log(f"hello {arguments['name']}")
    context.progress(Progress(0.5, arguments["name"]))
    return {"name": arguments["name"], "path": Path(arguments["name"])}


def strange_numbers(arguments: Arguments, context: JobContext) -> Result:
    context.progress(Progress(float("nan"), "nan", float("inf")))
    context.progress(Progress(-3.0, "low", float("nan")))
    context.progress(Progress(7.0, "high", -1.0))
    context.metric(loss=float("nan"), dice=float("inf"))
    return {"value": float("-inf")}


def double(arguments: Arguments, context: JobContext) -> Result:
    array = take_array(context.folder, "image")
    return {"labels": put_array(context.folder, array * 2), "left": os.listdir(context.folder)}


def sleep_deaf(arguments: Arguments, context: JobContext) -> Result:
    """Never looks at the cancel token."""
    (context.folder / "scratch.bin").write_bytes(bytes(1000))
    context.log("deaf")
    time.sleep(arguments.get("seconds", 60.0))
    return {}


def sleep_fending_off(arguments: Arguments, context: JobContext) -> Result:
    """Not even terminating ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return sleep_deaf(arguments, context)


def finish_after_cancel(arguments: Arguments, context: JobContext) -> Result:
    context.log("waiting")
    while not context.cancel.cancelled:
        time.sleep(0.01)
    return {"stale": True}


def hold_interpreter(arguments: Arguments, context: JobContext) -> Result:
    """A library that never gives the interpreter lock back: no Python thread runs meanwhile."""
    context.log("holding")
    ctypes.PyDLL(None).sleep(60)
    return {}


def segfault(arguments: Arguments, context: JobContext) -> Result:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    context.log("about to crash")
    ctypes.string_at(0)
    return {}


def leave(arguments: Arguments, context: JobContext) -> Result:
    text = arguments.get("text", "the last words\n") * arguments.get("times", 1)
    sys.stderr.write(text + arguments.get("end", ""))
    sys.stderr.flush()
    os._exit(arguments["code"])


def talk_on_output(arguments: Arguments, context: JobContext) -> Result:
    """What libraries and their children print must not disturb the protocol."""
    forged = encode(ResultEvent(context.folder.name, {"forged": True})).decode()
    sys.stdout.write(forged)
    os.write(1, forged.encode())
    subprocess.run([sys.executable, "-c", f"print({forged!r})"], check=True)
    return {"input": sys.stdin.read()}


def write_into_the_pipe(arguments: Arguments, context: JobContext) -> Result:
    """Garbage between the messages themselves, as a broken library could leave it."""
    server = context._emit.__self__  # type: ignore[attr-defined]
    for part in arguments["parts"]:
        os.write(server._sink, part["text"].encode("latin-1") * part.get("times", 1))
    return {"done": True}


def fail(arguments: Arguments, context: JobContext) -> Result:
    (context.folder / "scratch.bin").write_bytes(bytes(1000))
    kind = arguments["kind"]
    if kind == "input":
        raise InputError("The file scan.nii.gz is empty; choose another.")
    if kind == "memory":
        raise MemoryError
    if kind == "exit":
        sys.exit(4)
    if kind == "cancelled":
        raise Cancelled
    if kind == "unprintable":
        raise UnprintableError
    raise ValueError("bad é 中文")


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def return_odd_value(arguments: Arguments, context: JobContext) -> Any:
    return {
        "list": ["not", "a", "dictionary"],
        "object": {"value": object()},
        "huge": {"value": "x" * (2 << 20)},
        "key": {1: 2},
    }[arguments["kind"]]


def log_long_line(arguments: Arguments, context: JobContext) -> Result:
    context.log("x" * (5 << 20))
    sys.stderr.write("y" * (5 << 20) + "\n")
    return {"done": True}


def imported_modules(arguments: Arguments, context: JobContext) -> Result:
    return {"modules": sorted(sys.modules)}


JOBS = {
    **PRODUCT_JOBS,
    **{
        job.__name__: job
        for job in (
            count,
            greet,
            strange_numbers,
            double,
            sleep_deaf,
            sleep_fending_off,
            finish_after_cancel,
            hold_interpreter,
            segfault,
            leave,
            talk_on_output,
            write_into_the_pipe,
            fail,
            return_odd_value,
            log_long_line,
            imported_modules,
        )
    },
}
