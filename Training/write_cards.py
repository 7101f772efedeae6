"""Writes the model card of each shipped model: README.md in the folder of the model.

A card is made from ``model.json``, the committed split, and ``Training/cards/<id>.md``, the text of
what no file knows, whose sections are put between those that are generated. No number of a model
is typed by hand; where the text needs the number of subjects, it says ``{test_ds011}`` for those of
the source ds011 in the test part of the split.

    python Training/write_cards.py
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from dataclasses import fields
from pathlib import Path

import torch
from split import Split, read_split

from funet.evaluation.tables import Cell, Table
from funet.files import atomic_file
from funet.models.fitting import extent_of
from funet.models.layout import MANIFEST_NAME, SAMPLES_NAME, WEIGHTS_NAME
from funet.models.manifest import Manifest, read_manifest
from funet.networks import UNet

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "FUNetSegmentation" / "Resources" / "Models"
TEXTS = Path(__file__).parent / "cards"
CARD = "README.md"

# The sections of a card in order.
SECTIONS = (
    "Intended use",
    "Structures",
    "Input",
    "Data it learned from",
    "How the labels were made",
    "Licence and credits",
    "Network",
    "Training",
    "Results",
    "Limits",
    "Make it again",
    "Measure it again",
)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def card(folder: Path, text: str) -> str:
    """Return the card of a model.

    Args:
        folder: the folder of the model.
        text: the sections written by hand, in Markdown.

    Raises:
        ValueError: if the text has a section that no card has, or a section stays empty.
    """
    manifest = read_manifest(folder)
    split = read_split(study_of(manifest))
    written = read_sections(text.format_map(counts_of(split)))
    if unknown := written.keys() - set(SECTIONS):
        raise ValueError(f"the text of {manifest.id} has unknown sections: {sorted(unknown)}")
    made = generated_sections(manifest, split)
    parts = [
        f"# {manifest.name}",
        f"<!-- Made by Training/write_cards.py from model.json and Training/cards/{manifest.id}.md;"
        " change those. -->",
        f"`{manifest.id}`, version {manifest.version}, made {manifest.created[:10]}. "
        f"{manifest.description}",
    ]
    for section in SECTIONS:
        body = [part for part in (made.get(section), written.get(section)) if part]
        if not body:
            raise ValueError(f"the card of {manifest.id} has nothing to say under {section!r}")
        parts += [f"## {section}", *body]
    return "\n\n".join(parts) + "\n"


def study_of(manifest: Manifest) -> str:
    """Return the name of the split and of the data folder of a shipped model."""
    return manifest.family.partition("-")[0]


def read_sections(text: str) -> dict[str, str]:
    """Return the bodies of the sections of a Markdown text by their headings."""
    _, *parts = _HEADING.split(text)
    return {heading: body.strip() for heading, body in zip(parts[::2], parts[1::2], strict=True)}


def source_of(subject: str) -> str:
    """Return where a subject comes from: ``"ds011"`` for ``"ds011_sub-05"``."""
    return subject.rpartition("_")[0]


def counts_of(split: Split) -> dict[str, int]:
    """Return the number of subjects of every part and source, such as ``"test_ds011"``."""
    parts = {field.name: getattr(split, field.name) for field in fields(Split)}
    sources = {source_of(subject) for part in parts.values() for subject in part}
    return {
        f"{part}_{source}": sum(source_of(subject) == source for subject in subjects)
        for part, subjects in parts.items()
        for source in sources
    }


def generated_sections(manifest: Manifest, split: Split) -> dict[str, str]:
    """Return what a card says by itself, by section."""
    study = study_of(manifest)
    data = f"../data/{study}"
    return {
        "Structures": _structures(manifest),
        "Input": _input(manifest),
        "Data it learned from": _subjects(split, study),
        "Licence and credits": f"The weights: {manifest.licence}.",
        "Network": _network(manifest),
        "Training": _training(manifest, study),
        "Results": _results(manifest),
        "Make it again": _code(f"{manifest.training['command']} --data {data}"),
        "Measure it again": _code(
            f"python Training/check_models.py --data ../data --model {manifest.id}"
        ),
    }


def _code(command: str) -> str:
    return (
        "From the root of the repository, with the images in `images/` and the label maps in "
        f"`labels/` of the folder of the data:\n\n```sh\n{command}\n```"
    )


def _structures(manifest: Manifest) -> str:
    rows = []
    for segment in manifest.segments:
        code = segment.terminology
        term = f"{code.scheme} {code.value}, {code.meaning}" if code else None
        rows.append((segment.value, segment.name, term))
    return Table(("label", "structure", "terminology"), tuple(rows)).to_markdown().strip()


def _input(manifest: Manifest) -> str:
    preparation = manifest.preprocessing
    spacing = "×".join(f"{step:g}" for step in preparation.spacing or ())
    scale = "the whole volume" if preparation.intensity == "volume" else "each slice"
    extent = extent_of(manifest)
    rows: list[tuple[Cell, ...]] = [
        ("orientation", f"any; {preparation.slice_axis} slices are taken from it"),
        ("spacing", f"any; slices are resampled to {spacing} mm" if spacing else "as it is"),
        ("intensity", f"any; scaled over {scale}"),
    ]
    if manifest.tilts:
        angles = " and ".join(f"{angle:g}°" for angle in manifest.tilts)
        views = 1 + 4 * len(manifest.tilts)
        rows.append(("views", f"{views}: straight, and tilted by {angles} to four sides"))
    if extent:
        rows.append(("longest side", f"{extent[0]:g} to {extent[1]:g} mm"))
    rows.append(("output", "on the grid of the input"))
    return _two_columns(rows)


def _subjects(split: Split, study: str) -> str:
    parts = {field.name: getattr(split, field.name) for field in fields(Split)}
    counts = {part: Counter(map(source_of, subjects)) for part, subjects in parts.items()}
    sources = sorted({source for count in counts.values() for source in count})
    rows = tuple((source, *(count[source] for count in counts.values())) for source in sources)
    table = Table(("subjects of", "to learn", "to choose the epoch", "to test"), rows)
    return f"Split by subject, in `Training/splits/{study}.json`:\n\n" + table.to_markdown().strip()


def _network(manifest: Manifest) -> str:
    config, loss = manifest.network, manifest.loss
    with torch.device("meta"):  # numbers are counted, not drawn
        weights = sum(parameter.numel() for parameter in UNet(config).parameters())
    kind = "residual U-net" if config.residual else "U-net"
    terms = f"feedback-weighted cross-entropy, β = {loss.beta:g}"
    if loss.name != "feedback":
        terms = loss.name.replace("cross_entropy", "cross-entropy")
    if loss.dice_weight:
        terms += f", plus {loss.dice_weight:g} × soft Dice loss"
    return _two_columns(
        [
            ("network", f"{kind}, {config.spatial_dims}-D, {config.normalisation} normalisation"),
            ("levels", f"{config.depth}, {config.features} features in the first, doubled in each"),
            ("dropout", f"{config.dropout:g}"),
            ("weights", f"{weights:,} numbers, {manifest.weights_bytes / 2**20:.1f} MiB"),
            (f"SHA-256 of {WEIGHTS_NAME}", f"`{manifest.weights_sha256}`"),
            ("loss", terms),
            ("afterwards", _afterwards(manifest)),
            (f"slices to repeat, {SAMPLES_NAME}", f"{manifest.samples_bytes / 2**20:.1f} MiB"),
        ]
    )


def _afterwards(manifest: Manifest) -> str:
    steps = []
    if manifest.successive:
        steps.append(f"each {manifest.successive} slice gets one structure, in their order")
    if manifest.one_piece:
        steps.append("only the largest connected piece is kept")
    return "; ".join(steps) or "nothing"


def _training(manifest: Manifest, study: str) -> str:
    record = manifest.training
    seed = re.search(r"--seed (\d+)", record["command"])
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    rows: list[tuple[Cell, ...]] = [
        ("recipe", f"`Training/train_{study}.py`"),
        ("command", f"`{record['command']}`"),
        ("seed", seed[1] if seed else None),
        ("ended", f"{record['ended']}; best epoch {record['best_epoch']}"),
        ("slices", f"{record['samples']}, of {len(record['subjects'])} subjects"),
        ("SHA-256 of the slices", f"`{record['data_sha256']}`"),
        ("time", f"{record['seconds'] / 60:.0f} minutes"),
        ("threads", str(record["threads"])),
        ("versions", versions),
    ]
    if "precision" in record:
        rows.append(("measured in", str(record["precision"])))
    return _two_columns(rows)


def _results(manifest: Manifest) -> str:
    rows = tuple(
        (
            metric.data,
            metric.structure,
            metric.name,
            metric.mean,
            metric.deviation if metric.count > 1 else math.nan,
            metric.count,
        )
        for metric in manifest.metrics
    )
    columns = ("measured on", "structure", "metric", "mean", "standard deviation", "subjects")
    return (
        "On whole volumes of subjects that it did not learn from; mean and standard deviation "
        "over subjects.\n\n" + Table(columns, rows).to_markdown().strip()
    )


def _two_columns(rows: list[tuple[Cell, ...]]) -> str:
    return Table(("", " "), tuple(rows)).to_markdown().strip()


def cards(models: Path = MODELS, texts: Path = TEXTS) -> dict[str, str]:
    """Return the card of every model in a folder by its id."""
    ids = sorted(folder.name for folder in models.iterdir() if (folder / MANIFEST_NAME).is_file())
    return {name: card(models / name, (texts / f"{name}.md").read_text("utf-8")) for name in ids}


def main() -> int:
    """Write all cards."""
    for name, text in cards().items():
        with atomic_file(MODELS / name / CARD) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
