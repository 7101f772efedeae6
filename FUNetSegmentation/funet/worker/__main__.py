"""``python -u -m funet.worker --folder FOLDER``: the child process; not meant to be run by hand."""

from __future__ import annotations

import argparse
import faulthandler
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from ..errors import WorkerError
from .folders import checked_private_folder
from .registry import DEFAULT_JOBS, load_jobs
from .server import Server

EXIT_UNUSABLE = 2


def main() -> NoReturn:
    """Serve until the parent is done."""
    source, sink = _claim_streams()
    arguments = _parser().parse_args()
    _ignore_terminal_signals()
    faulthandler.enable()
    try:
        folder = checked_private_folder(arguments.folder)
        jobs = load_jobs(arguments.jobs)
    except WorkerError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_UNUSABLE)
    Server(jobs, folder, source, sink).serve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -u -m funet.worker", description=__doc__)
    parser.add_argument(
        "--folder",
        type=Path,
        required=True,
        help="private temporary folder for this process; removed at the end",
    )
    parser.add_argument(
        "--jobs",
        default=DEFAULT_JOBS,
        metavar="MODULE:ATTRIBUTE",
        help="mapping from names to job functions (default: %(default)s)",
    )
    return parser


def _claim_streams() -> tuple[int, int]:
    """Keep the real input and output for the protocol alone.

    From here on, whatever a library prints goes to the log (standard error), and whatever reads
    standard input finds it empty.
    """
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def _ignore_terminal_signals() -> None:
    """Ctrl+C and a closed terminal reach the whole group; what they mean is for the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


if __name__ == "__main__":
    main()
