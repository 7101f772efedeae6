"""``funet models``: what models there are, and what becomes of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..progress import CancelToken
from .arguments import add_store, open_store
from .console import ALL_DONE, SOME_FAILED, Console

if TYPE_CHECKING:
    from ..models.manifest import Manifest, MetricRecord
    from ..models.store import ModelStore

HELP = "list, show, rename, export, import, roll back, activate and delete models"
DESCRIPTION = """\
Manage models and their versions. The first version of a model has an id like midbrain-t1, later
ones are midbrain-t1.v2 and so on; one version of each is active. Models that came with the program
cannot be changed or deleted.

examples:
  funet models list
  funet models show midbrain-t1
  funet models export midbrain-t1.v2 nigra.zip
  funet models roll-back midbrain-t1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, text: str, *arguments: tuple[str, str]) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        for argument, meaning in arguments:
            one.add_argument(argument.lower(), metavar=argument, help=meaning)
        one.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="write JSON"
        )
        add_store(one)
        return one

    model = ("MODEL", "id of the model")
    action("list", "list all models, those that came with the program and your own")
    action("show", "show all that is known of a model", ("MODEL", "id or folder of the model"))
    action("rename", "change the name that people see", model, ("NAME", "the new name"))
    exported = action(
        "export", "write a model to one file", model, ("FILE", "the file, ending in .zip")
    )
    exported.add_argument(
        "--with-slices",
        action="store_true",
        help="add the annotated slices that the model keeps; they are images of patients",
    )
    action("import", "add a model from a file or folder", ("FILE", "an exported file or a folder"))
    action("roll-back", "make the version before the active one active", ("FAMILY", "first id"))
    action("activate", "make a version the active one", model)
    action("delete", "delete a version", model)


def run(arguments: argparse.Namespace, console: Console, cancel: CancelToken) -> int:
    """Do what the action says and return the exit code."""
    del cancel  # nothing here takes long
    return _ACTIONS[arguments.action](arguments, open_store(arguments), console)


def _list(_: argparse.Namespace, store: ModelStore, console: Console) -> int:
    from ..evaluation.tables import Table

    content = store.content()
    for damaged in content.damaged:
        console.complain(f"{damaged.folder.name} cannot be used: {damaged.reason}")
    rows = tuple(
        (
            manifest.id,
            manifest.name,
            ", ".join(segment.name for segment in manifest.segments),
            manifest.version,
            "yes" if store.active(manifest.family).id == manifest.id else "",
            "shipped" if store.is_shipped(manifest.id) else "own",
        )
        for manifest in content.models
    )
    columns = ("id", "name", "structures", "version", "active", "origin")
    console.result(
        Table(columns, rows).to_markdown() if rows else "There are no models yet.",
        models=[dict(zip(columns, row, strict=True)) for row in rows],
    )
    return SOME_FAILED if content.damaged else ALL_DONE


def _show(arguments: argparse.Namespace, store: ModelStore, console: Console) -> int:
    from ..models.manifest import read_manifest

    folder = store.find(arguments.model)
    manifest = read_manifest(folder)
    network, preprocessing = manifest.network, manifest.preprocessing
    lines = [
        f"{manifest.id}: {manifest.name}",
        f"folder: {folder}",
        f"created: {manifest.created}, version {manifest.version}, "
        + (f"from {manifest.parent}" if manifest.parent else "the first of its family"),
        *(f"structure {s.value}: {s.name}" for s in manifest.segments),
        f"slices: {preprocessing.slice_axis}, pixels "
        + (f"{preprocessing.spacing} mm" if preprocessing.spacing else "as in the image"),
        f"network: {network.features} features, {network.depth} levels, "
        + ("residual, " if network.residual else "")
        + f"normalisation {network.normalisation}",
        f"loss: {manifest.loss.name}, beta {manifest.loss.beta:g}",
        *(f"training, {key}: {_words(value)}" for key, value in manifest.training.items()),
        *(f"{m.name} of {m.structure}: {_mean(m)} ({m.data})" for m in manifest.metrics),
        f"licence: {manifest.licence or 'not stated'}",
        *([manifest.description] if manifest.description else []),
    ]
    console.result("\n".join(lines), folder=folder, manifest=asdict(manifest))
    return ALL_DONE


def _mean(record: MetricRecord) -> str:
    deviation = f" ± {record.deviation:.3f} over {record.count}" if record.count > 1 else ""
    return f"{record.mean:.3f}{deviation}"


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    return ", ".join(map(_words, value)) if isinstance(value, list) else str(value)


def _rename(arguments: argparse.Namespace, store: ModelStore, console: Console) -> int:
    manifest = store.rename(arguments.model, arguments.name)
    return _told(console, manifest, f"{manifest.id} is now called {manifest.name}.")


def _export(arguments: argparse.Namespace, store: ModelStore, console: Console) -> int:
    from ..models.archive import export_model
    from ..models.manifest import read_manifest

    folder, file = store.find(arguments.model), Path(arguments.file)
    export_model(folder, file, include_samples=arguments.with_slices)
    manifest = read_manifest(folder)
    return _told(console, manifest, f"{manifest.id} is in {file}.")


def _import(arguments: argparse.Namespace, store: ModelStore, console: Console) -> int:
    from ..models.archive import import_model

    path = Path(arguments.file)
    if path.is_dir():
        manifest = store.adopt(path)
        return _told(console, manifest, f"{manifest.id} is among your models.")
    imported = import_model(path, store)
    return _told(console, imported.manifest, imported.note)


def _roll_back(arguments: argparse.Namespace, store: ModelStore, console: Console) -> int:
    manifest = store.roll_back(arguments.family)
    return _told(console, manifest, f"{manifest.id} is active.")


def _activate(arguments: argparse.Namespace, store: ModelStore, console: Console) -> int:
    manifest = store.activate(arguments.model)
    return _told(console, manifest, f"{manifest.id} is active.")


def _delete(arguments: argparse.Namespace, store: ModelStore, console: Console) -> int:
    store.delete(arguments.model)
    console.result(f"{arguments.model} is deleted.", model=arguments.model)
    return ALL_DONE


def _told(console: Console, manifest: Manifest, text: str) -> int:
    console.result(text, model=manifest.id)
    return ALL_DONE


_ACTIONS: dict[str, Callable[[argparse.Namespace, ModelStore, Console], int]] = {
    "list": _list,
    "show": _show,
    "rename": _rename,
    "export": _export,
    "import": _import,
    "roll-back": _roll_back,
    "activate": _activate,
    "delete": _delete,
}
