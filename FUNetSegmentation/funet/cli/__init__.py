"""The ``funet`` command: train, correct and use segmentation models from a shell.

Exit codes: 0 everything is done, 1 some inputs failed, 2 nothing could be done, 130 interrupted.
Results go to the standard output, everything else to the standard error.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

from .. import __version__
from ..errors import Cancelled, FunetError, InputError
from ..files import file_error
from ..progress import CancelToken
from ..strict_json import shown
from ..threads import wait_briefly
from .console import INTERRUPTED, NOTHING_DONE, SOME_FAILED, Console
from .interruption import cancelled_by_interrupt


class Command(Protocol):
    """A module with one command of ``funet``; importing it must be quick, so it loads no torch."""

    HELP: str
    DESCRIPTION: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own arguments."""

    def run(self, arguments: argparse.Namespace, console: Console, cancel: CancelToken) -> int:
        """Do the work and return the exit code."""


COMMANDS = ("segment", "review", "finetune", "train", "evaluate", "compare", "models")
"""The commands in the order of the help; each is the module of this package of that name."""

_LONGEST_COMPLAINT = 500  # characters
_DESCRIPTION = """\
Segment medical images with FU-nets, teach them by correcting a few slices, and train new ones.

first steps:
  funet models list                                               which models are there
  funet segment --model midbrain-t1 brain.nii.gz --output out     segment an image
  funet review --model midbrain-t1 brain.nii.gz                   which slices to check first
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        text = shown(f"{message[:1].upper()}{message[1:]}", _LONGEST_COMPLAINT)
        raise InputError(f"{text}; see {self.prog} --help.")


def _command(name: str) -> Command:
    return cast(Command, importlib.import_module(f".{name}", __name__))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog="funet",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"funet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        command = _command(name)
        one = commands.add_parser(
            name,
            help=command.HELP,
            description=command.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        one.add_argument(
            "--json",
            action="store_true",
            help="write one JSON object per line: progress, events and a final result",
        )
        command.add_arguments(one)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        argv: the words after ``funet``; those of the process if ``None``.
    """
    wait_briefly(os.environ)  # no command has loaded PyTorch yet
    console = Console()
    try:
        words = sys.argv[1:] if argv is None else list(argv)
        arguments = build_parser().parse_args(words)
        arguments.words = words
        console = Console(json_lines=arguments.json)
        with cancelled_by_interrupt() as cancel:
            return _command(arguments.command).run(arguments, console, cancel)
    except FunetError as error:
        console.fail(str(error))
        return NOTHING_DONE
    except (Cancelled, KeyboardInterrupt):
        console.fail("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away, as "| head" does
        console.detach()
        return SOME_FAILED
    except OSError as error:  # what nobody expected of a path that the user named
        console.fail(str(file_error(error)))
        return NOTHING_DONE
    finally:
        console.close()
