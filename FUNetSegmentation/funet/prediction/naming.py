"""What the label maps of many images are called in one folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ..images.volumes import image_stem


def distinct_names(paths: Collection[Path]) -> dict[Path, str]:
    """Return a name for each image: its stem, after its folders where others have that stem too.

    Of the folders, the nearest in which these images differ are taken, and no more than it needs:
    ``sub-01/anat/t1.nii.gz`` and ``sub-02/anat/t1.nii.gz`` are ``sub-01_t1`` and ``sub-02_t1``.
    The same images have the same names again, wherever they are named from.

    Args:
        paths: the images.

    Returns:
        The names, without a suffix. Two are the same only where no folder tells the images apart.
    """
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(_folded(image_stem(path)), []).append(path)
    names: dict[Path, str] = {}
    for group in groups.values():
        names |= _told_apart(group)
    return {path: names[path] for path in paths}


def _told_apart(group: Sequence[Path]) -> dict[Path, str]:
    names = {path: image_stem(path) for path in group}
    folders = {path: _folders(path) for path in group}
    for level in range(max(map(len, folders.values()))):
        if _number_of(names.values()) == len(names):
            break
        here = {path: parts[level] for path, parts in folders.items() if level < len(parts)}
        if _number_of(here.values()) > 1 or len(here) < len(names):
            names |= {path: f"{folder}_{names[path]}" for path, folder in here.items()}
    return names


def _folders(path: Path) -> list[str]:
    """The names of the folders around a file, the nearest first."""
    return list(reversed(Path(os.path.abspath(path)).parent.parts[1:]))


def _number_of(names: Iterable[str]) -> int:
    return len({_folded(name) for name in names})


def _folded(name: str) -> str:
    # Some file systems do not tell capital letters from small ones.
    return name.casefold()
