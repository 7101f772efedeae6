"""What the command lines of all simulations have in common."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path


def simulation_parser(description: str) -> argparse.ArgumentParser:
    """A parser of the data, the subjects and the seeds, to which a script adds its own options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and labels/")
    parser.add_argument("--part", default="test", help="part of the split")
    parser.add_argument("--subjects", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("Resources/Results"))
    return parser


def parsed(parser: argparse.ArgumentParser, words: Sequence[str] | None) -> argparse.Namespace:
    """Read a command line, which is kept as ``words``, and let the log show the time.

    Args:
        parser: of the script.
        words: the command line; that of the process if ``None``.
    """
    words = sys.argv[1:] if words is None else list(words)
    arguments = parser.parse_args(words)
    arguments.words = words
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    return arguments


def numbers(text: str) -> list[int]:
    """Read numbers that are joined by commas."""
    return [int(number) for number in text.split(",")]
