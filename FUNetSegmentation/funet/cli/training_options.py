"""Options that the commands that train share."""

from __future__ import annotations

import argparse

from .arguments import in_range, parse_spacing

# As in funet.images and funet.training, which load torch.
SLICE_AXES = ("axial", "coronal", "sagittal")
PRESETS = ("paper", "practice")

_Options = argparse._ActionsContainer  # a parser or one group of it


def add_structures(options: _Options) -> None:
    """Add ``--structures``."""
    options.add_argument(
        "--structures",
        metavar="NAMES",
        help='names of the label values, such as "1=Midbrain,2=Substantia nigra"; .seg.nrrd files '
        "have names of their own",
    )


def add_slices(options: _Options) -> None:
    """Add ``--axis`` and ``--spacing``."""
    options.add_argument(
        "--axis", choices=SLICE_AXES, default="axial", help="plane of the slices (default: axial)"
    )
    options.add_argument(
        "--spacing",
        type=parse_spacing,
        metavar="MM",
        help="pixel size that all slices are resampled to, such as 0.9 or 0.8,1.0 (rows, columns); "
        "default: that of each image",
    )


def add_recipe(options: _Options) -> None:
    """Add ``--preset`` and ``--epochs``."""
    options.add_argument(
        "--preset",
        choices=PRESETS,
        default="paper",
        help="paper: the recipe of the FU-net paper; practice: with augmentation and a Dice term, "
        "for best results (default: paper)",
    )
    options.add_argument("--epochs", type=in_range(int, 1, 1_000_000), help="default: the preset's")
