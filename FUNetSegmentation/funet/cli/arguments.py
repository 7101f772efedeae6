"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal, TypeVar

from ..devices import KNOWN_DEVICES, is_device_name
from ..errors import InputError
from ..strict_json import shown

if TYPE_CHECKING:
    from ..annotations.gathering import Case
    from ..models.model import Model
    from ..models.store import ModelStore
    from .console import Console

# The engine has these, too, but importing them would load torch for every --help.
PRECISIONS = ("auto", "float32", "bfloat16", "float16")

_TEXTS = ("--structures", "--name", "--systems")  # whose values are no paths, slashes or not

_Value = TypeVar("_Value", int, float)


def add_model(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add ``--model`` and ``--store``."""
    parser.add_argument(
        "--model",
        required=required,
        metavar="ID_OR_FOLDER",
        help='id of a model (see "funet models list"), FAMILY@active for the version in use, or '
        "the folder of a model",
    )
    add_store(parser)


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add ``--store``."""
    parser.add_argument(
        "--store",
        type=Path,
        metavar="FOLDER",
        help="where your own models are (default: FUNET_MODELS, or your user folder)",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument(
        "--device",
        type=_read_device,
        default="auto",
        help="where to compute: auto (a GPU that works, else the CPU), cpu, cuda, or one GPU of "
        "several, as in cuda:1 (default: auto)",
    )


def _read_device(text: str) -> str:
    if not is_device_name(text):
        raise argparse.ArgumentTypeError(f"must be one of {KNOWN_DEVICES}, not {shown(text)}")
    return text


def add_cases(parser: argparse.ArgumentParser) -> None:
    """Add ``--case``, ``--images``, ``--labels`` and ``--annotated``."""
    parser.add_argument(
        "--case",
        nargs=3,
        action="append",
        default=[],
        metavar=("IMAGE", "LABELS", "SLICES"),
        help="an image, its labels on the same grid, and which slices are drawn completely: "
        "numbers from 0 along the image's own slice axis such as 10,12,40-44, or 'labelled' for "
        "those that hold a label, or 'all'; may be given several times",
    )
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="images, all at once; needs --labels"
    )
    parser.add_argument(
        "--labels", type=Path, metavar="FOLDER", help="their labels, in files of the same names"
    )
    parser.add_argument(
        "--annotated",
        choices=("labelled", "all"),
        default="labelled",
        help="which slices of --images are drawn completely: those that hold a label, or all; "
        "other slices are not learned, not even as background (default: labelled)",
    )


def read_cases(arguments: argparse.Namespace, console: Console) -> list[Case]:
    """Return the cases of ``--case`` and of ``--images`` with ``--labels``.

    Raises:
        InputError: if there is none, or an option is missing or cannot be understood.
    """
    from ..annotations.gathering import Case
    from ..annotations.pairing import pair_images_with_labels

    cases = [
        Case(Path(image), Path(labels), parse_slices(slices))
        for image, labels, slices in arguments.case
    ]
    if (arguments.images is None) != (arguments.labels is None):
        raise InputError("Give --images and --labels together.")
    if arguments.images is not None:
        pairing = pair_images_with_labels(arguments.images, arguments.labels)
        for image in pairing.lone_images:
            console.note(f"{image} has no labels and is left out.")
        cases += [Case(p.image, p.labels, arguments.annotated) for p in pairing.pairs]
    if not cases:
        raise InputError("Give annotated images: --images with --labels, or --case.")
    return cases


def parse_slices(text: str) -> Literal["labelled", "all"] | tuple[int, ...]:
    """Read ``"10,12,40-44"``, ``"labelled"`` or ``"all"``.

    Raises:
        InputError: if the text is of another form.
    """
    if text == "labelled":
        return "labelled"
    if text == "all":
        return "all"
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*", part, re.ASCII)
        found = range(int(match[1]), int(match[2] or match[1]) + 1) if match else range(0)
        if not found:
            raise InputError(
                f"'{shown(text)}' does not name slices; write numbers like 10,12,40-44, or "
                "labelled, or all."
            )
        numbers.update(found)
    return tuple(sorted(numbers))


def parse_spacing(text: str) -> tuple[float, float]:
    """Read ``"0.8"`` or ``"0.8,1.0"`` (rows, columns), in mm.

    Raises:
        argparse.ArgumentTypeError: if the text is of another form.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 2
    if len(numbers) != 2:
        raise argparse.ArgumentTypeError(
            f"'{shown(text)}' is no spacing; write mm like 0.8 or 0.8,1.0"
        )
    return numbers[0], numbers[1]


def in_range(kind: Callable[[str], _Value], low: float, high: float) -> Callable[[str], _Value]:
    """Return a reader of numbers from ``low`` to ``high``."""

    def read(text: str) -> _Value:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:  # NaN is in no range
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(
                f"must be {what} from {low:g} to {high:g}, not {shown(text)}"
            )
        return value

    return read


def open_store(arguments: argparse.Namespace) -> ModelStore:
    """Return the store of models that ``--store`` names."""
    from ..models.store import ModelStore

    return ModelStore(arguments.store)


def load_model(arguments: argparse.Namespace) -> Model:
    """Load the model that ``--model`` names.

    Raises:
        ModelError: if there is none, or it is damaged.
    """
    store = open_store(arguments)
    family, is_active, rest = str(arguments.model).partition("@active")
    if is_active and not rest:
        return store.load(store.active(family).id)
    return store.load(arguments.model)


def typed_command(words: Sequence[str]) -> str:
    """Return the command line for a model's description, folders left away.

    Where images lie may say whose they are.
    """
    parts, option = ["funet"], ""
    for word in words:
        begin, value = "", word
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            begin = option + equals
        parts.append(begin + (value if option in _TEXTS else _without_folders(value)))
        if value:  # what follows belongs to this option no more
            option = ""
    return shlex.join(parts)


def _without_folders(text: str) -> str:
    return PurePath(text).name if "/" in text or "\\" in text else text
