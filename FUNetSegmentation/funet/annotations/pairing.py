"""Which label file belongs to which image, and which images show the same subject."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..images.volumes import find_images, image_stem

# Names as in BIDS ("ds1_sub-03_T1w") and as many collections have them ("patient007_frame12"), some
# of which count the subjects of a year or a place ("case_2023_001"). One or two digits more count
# scans of a subject ("case_12_2"), four that begin with three zeros its channels ("_0001"), and a
# date is that of a scan ("patient_001_20230101").
_DATE = r"(?:19|20)\d\d(-?)\d\d\1\d\d(?!\d)|\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)"
_SUBJECT = re.compile(
    r".*?(?:sub-[a-z0-9]+"
    rf"|(?:subject|patient|case)[-_]?\d+(?:[-_.](?!000\d(?!\d)|{_DATE})\d{{3,}}(?![a-z0-9]))*)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ImagePair:
    """An image and its labels."""

    image: Path
    labels: Path


@dataclass(frozen=True)
class ImagePairing:
    """Images with their labels, and what is left over.

    Attributes:
        pairs: in the order of the images.
        lone_images: images without labels.
        lone_labels: labels without an image.
    """

    pairs: tuple[ImagePair, ...]
    lone_images: tuple[Path, ...]
    lone_labels: tuple[Path, ...]


def pair_images_with_labels(images: Path, labels: Path) -> ImagePairing:
    """Pair the files of two folders that have the same name but for their suffixes.

    Args:
        images: a folder (or pattern) of images.
        labels: a folder (or pattern) of label maps.

    Raises:
        InputError: if a folder holds no image, two of its files have the same stem, or no image
            has labels.
    """
    image_of, labels_of = _by_stem(find_images(images)), _by_stem(find_images(labels))
    both = [stem for stem in image_of if stem in labels_of]
    if not both:
        stem, image = next(iter(image_of.items()))
        raise InputError(
            f"No image in {images} has labels in {labels}; the labels of {image.name} must be "
            f"named like {stem}.nii.gz or {stem}.seg.nrrd."
        )
    return ImagePairing(
        pairs=tuple(ImagePair(image_of[stem], labels_of[stem]) for stem in both),
        lone_images=tuple(path for stem, path in image_of.items() if stem not in labels_of),
        lone_labels=tuple(path for stem, path in labels_of.items() if stem not in image_of),
    )


def _by_stem(paths: Sequence[Path]) -> dict[str, Path]:
    by_stem: dict[str, Path] = {}
    for path in paths:
        other = by_stem.setdefault(image_stem(path), path)
        if other != path:
            raise InputError(f"{other} and {path} have the same name; rename or move one of them.")
    return by_stem


def subject_names(images: Sequence[Path]) -> tuple[str, ...]:
    """Return a name for the subject of each image; the same name means the same subject.

    A name up to a part like ``sub-01`` (BIDS), ``patient007``, ``case_12`` or ``case_2023_001`` is
    the subject's, so that several images of one person are recognised; otherwise every image is a
    subject of its own. Where different images have the same file name, their folders belong to the
    name.

    Args:
        images: any paths; the same path may occur more than once.
    """
    different = {path.absolute() for path in images}
    counts = Counter(image_stem(path) for path in different)
    names = {path: image_stem(path) for path in different}
    if any(count > 1 for count in counts.values()):
        folder = _common_folder(different)
        names = {path: _below(folder, path) for path in different}
    return tuple(_subject(names[path.absolute()]) for path in images)


def _common_folder(paths: Collection[Path]) -> Path | None:
    try:
        return Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:  # on different drives
        return None


def _below(folder: Path | None, path: Path) -> str:
    within = path if folder is None else path.relative_to(folder)
    return within.with_name(image_stem(path)).as_posix()


def _subject(name: str) -> str:
    match = _SUBJECT.match(name)
    return match[0] if match else name
