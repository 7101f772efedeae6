"""The result of one training of a comparison, in memory and on disk."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelError
from ..files import atomic_file, read_small_file
from ..strict_json import Record, dump_json, parse_json

_LARGEST_FILE = 64 * 2**20
_MOST_IMAGES = 10**6
_KEYS_OF_AN_IMAGE = ("subject", "slice", "dice")


@dataclass(frozen=True)
class ImageScore:
    """How well one test image was segmented.

    Attributes:
        subject: what the slice was taken from.
        slice: index of the slice along its volume's own slice axis.
        dice: Dice of each structure 1, 2, …; NaN where neither side shows it.
    """

    subject: str
    slice: int
    dice: tuple[float, ...]


@dataclass(frozen=True)
class Run:
    """One training of one system and its test.

    Attributes:
        system: name of the system.
        size: number of training images.
        seed: seed of the weights, the order of the images and the dropout.
        best_epoch: the epoch that was tested, counted from 1: the best on the validation images.
        validation_dice: mean Dice of that epoch on the validation images.
        seconds: time that the training took.
        images: the scores of the test images.
    """

    system: str
    size: int
    seed: int
    best_epoch: int
    validation_dice: float
    seconds: float
    images: tuple[ImageScore, ...]

    @property
    def dice(self) -> NDArray[np.float64]:
        """Dice (structures, images)."""
        return np.array([image.dice for image in self.images], dtype=np.float64).T


def run_path(folder: Path, system: str, size: int, seed: int) -> Path:
    """Return where the run of a system, a number of training images and a seed is stored."""
    name = re.sub(r"[^\w+.-]", "-", system)
    return folder / f"{name}_{size}_{seed}.json"


def write_run(path: Path, run: Run, key: str) -> None:
    """Store a run, whole or not at all.

    Args:
        path: the JSON file; NaN is stored as ``null``.
        run: the result.
        key: text that tells runs with other data or settings apart.

    Raises:
        InputError: if the file cannot be written.
    """
    images = [asdict(image) | {"dice": _without_nan(image.dice)} for image in run.images]
    record = asdict(run) | {"images": images, "key": key}
    with atomic_file(path) as temporary:
        temporary.write_bytes(dump_json(record))


def read_run(path: Path, key: str | None) -> Run | None:
    """Return a stored run, or ``None`` if there is none.

    Args:
        path: the JSON file.
        key: what :func:`write_run` was given; ``None`` takes the run as it is.

    Raises:
        InputError: if the file is damaged or was stored with another key.
    """
    if not path.exists():
        return None
    try:
        value = parse_json(read_small_file(path, _LARGEST_FILE), str(path))
        record = Record(value, [field.name for field in fields(Run)] + ["key"], str(path))
        run = Run(
            system=record.text("system", 200),
            size=record.integer("size", 1, _MOST_IMAGES),
            seed=record.integer("seed", 0, 2**63),
            best_epoch=record.integer("best_epoch", 1, 10**9),
            validation_dice=record.number("validation_dice"),
            seconds=record.number("seconds"),
            images=tuple(_read_image(one, path) for one in record.items("images", _MOST_IMAGES)),
        )
        stored_key = record.text("key", 200)
        if len({len(image.dice) for image in run.images}) != 1:
            record.refuse("images", "must all have the same number of structures")
    except (ModelError, ValueError) as error:
        raise InputError(
            f"The stored result {path} is damaged; delete it to do that training again."
        ) from error
    if key is not None and stored_key != key:
        raise InputError(
            f"The stored result {path} comes from other images or settings; choose another output "
            "folder, or delete it to do that training again."
        )
    return run


def _read_image(value: object, path: Path) -> ImageScore:
    record = Record(value, _KEYS_OF_AN_IMAGE, str(path), "an image")
    return ImageScore(
        subject=record.text("subject", 4096),
        slice=record.integer("slice", 0, _MOST_IMAGES),
        dice=tuple(_share(one) for one in record.items("dice", 254)),
    )


def _share(value: object) -> float:
    """A number in [0, 1], or NaN for null.

    Raises:
        ValueError: if it is anything else.
    """
    if value is None:
        return math.nan
    if type(value) not in (int, float) or not 0 <= value <= 1:  # type: ignore[operator]
        raise ValueError
    return float(value)  # type: ignore[arg-type]


def _without_nan(values: Sequence[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]
