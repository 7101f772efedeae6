"""``funet review``: which slices of an image to check first."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..progress import CancelToken
from .arguments import add_device, add_model, in_range, load_model
from .console import ALL_DONE, Console

HELP = "rank the slices of an image by how likely they are segmented wrongly"
DESCRIPTION = """\
Segment an image and rank its slices: the first ones are the most likely to be wrong, and the most
worth correcting. "doubt" is the number of pixels that the model expects to have labelled wrongly.
Nothing is written unless --csv is given.

examples:
  funet review --model midbrain-t1 brain.nii.gz --top 10
  funet review --model midbrain-t1 brain.nii.gz --csv worklist.csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the image")
    add_model(parser)
    parser.add_argument(
        "--top",
        type=in_range(int, 1, 100_000),
        default=20,
        metavar="N",
        help="show so many slices (default: 20); --csv gets all",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all slices as a table")
    add_device(parser)


def run(arguments: argparse.Namespace, console: Console, cancel: CancelToken) -> int:
    """Rank the slices and return the exit code."""
    from ..evaluation.tables import Table
    from ..files import require_writable
    from ..images.volumes import read_volume
    from ..prediction.inference import Predictor
    from ..prediction.review import slice_positions, worklist

    if arguments.csv is not None:
        require_writable(arguments.csv.parent)
    volume = read_volume(arguments.image)
    model = load_model(arguments)
    predictor = Predictor(model, device=arguments.device)
    prediction = predictor.predict(volume, on_progress=console.progress, cancel=cancel)
    for note in prediction.notes:
        console.note(note)
    positions = slice_positions(volume.geometry, model.manifest.preprocessing.slice_axis)
    rows = tuple(
        (rank, item.slice_index, round(positions[item.slice_index], 3), item.doubt)
        for rank, item in enumerate(worklist(prediction.doubt.tolist()), 1)
    )
    table = Table(("rank", "slice", "position (mm)", "doubt"), rows, decimals=1)
    if arguments.csv is not None:
        table.write_csv(arguments.csv)
        console.tell(f"The worklist is in {arguments.csv}.")
    console.result(
        Table(table.columns, rows[: arguments.top], decimals=1).to_markdown(),
        model=model.manifest.id,
        slice_axis=model.manifest.preprocessing.slice_axis,
        slices=[
            {"slice": index, "position_mm": position, "doubt": doubt}
            for _, index, position, doubt in rows[: arguments.top]
        ],
    )
    return ALL_DONE
