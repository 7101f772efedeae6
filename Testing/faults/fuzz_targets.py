"""The parsers that we own, each with valid inputs."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tiny_models import tiny_manifest, tiny_network, tiny_samples

from funet.annotations.sample_archive import load_samples, save_samples
from funet.annotations.structures import parse_structures
from funet.cli import build_parser
from funet.cli.arguments import parse_slices
from funet.models.active import read_active
from funet.models.archive import export_model, import_model
from funet.models.layout import FileDigest
from funet.models.manifest import dump_manifest, parse_manifest
from funet.models.model import save_model
from funet.models.store import ModelStore
from funet.models.weights import load_tensors
from funet.worker.protocol import (
    CancelledEvent,
    CancelRequest,
    ErrorEvent,
    JobRequest,
    LineReader,
    LogEvent,
    MetricEvent,
    ProgressEvent,
    ReadyEvent,
    ResultEvent,
    StopRequest,
    encode,
    parse_event,
    parse_request,
)


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        name: what it reads.
        seeds: valid inputs.
        read: reads an input, and checks that what was read can be written and read again.
    """

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object]


def targets(folder: Path) -> tuple[Target, ...]:
    """All parsers that we own.

    Args:
        folder: an empty one for files.
    """
    return (
        Target("description of a model", _manifests(), _read_manifest),
        Target("weights", _weights(folder), _file_reader(folder / "weights", load_tensors)),
        Target("kept slices", _samples(folder), _file_reader(folder / "samples", load_samples)),
        Target("archive of a model", _archives(folder), _archive_reader(folder)),
        Target("versions in use", _active(folder), _active_reader(folder)),
        Target("requests to the worker", _requests(), _read_request),
        Target("events of the worker", _events(), _read_event),
        Target("command line", _COMMAND_LINES, _read_command_line),
        Target("names of structures", (b"1=Midbrain,2=Substantia nigra",), _read_structures),
        Target("numbers of slices", (b"40,44,52-54", b"all", b"labelled"), _read_slices),
    )


def _manifests() -> tuple[bytes, ...]:
    saved = tiny_manifest().with_files(FileDigest("ab" * 32, 1234), FileDigest("cd" * 32, 99))
    child = saved.child(training={"seed": 1}).with_files(FileDigest("ef" * 32, 1), None)
    compact = json.dumps(json.loads(dump_manifest(saved))).encode()
    return dump_manifest(saved), dump_manifest(child), compact


def _read_manifest(data: bytes) -> None:
    manifest = parse_manifest(data)
    assert parse_manifest(dump_manifest(manifest)) == manifest


def _weights(folder: Path) -> tuple[bytes, ...]:
    save_model(folder / "w", tiny_manifest(), tiny_network(), tiny_samples())
    names = ("weights.safetensors", "samples.safetensors")
    return tuple((folder / "w" / name).read_bytes() for name in names)


def _samples(folder: Path) -> tuple[bytes, ...]:
    seeds = []
    for count in (1, 3):
        save_samples(folder / "s", tiny_samples(count))
        seeds.append((folder / "s").read_bytes())
    return tuple(seeds)


def _file_reader(path: Path, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def reader(data: bytes) -> object:
        path.write_bytes(data)
        return read(path)

    return reader


def _archives(folder: Path) -> tuple[bytes, ...]:
    save_model(folder / "a", tiny_manifest(), tiny_network(), tiny_samples(1))
    seeds = []
    for include in (False, True):
        export_model(folder / "a", folder / "a.zip", include_samples=include)
        seeds.append((folder / "a.zip").read_bytes())
    return tuple(seeds)


def _archive_reader(folder: Path) -> Callable[[bytes], object]:
    """The model is there already, so that an archive that is still sound changes nothing."""
    store = ModelStore(folder / "store", folder / "none")
    place = folder / "unpacked"
    place.mkdir()
    import_model(folder / "a.zip", store)

    def reader(data: bytes) -> None:
        (folder / "archive.zip").write_bytes(data)
        try:
            imported = import_model(folder / "archive.zip", store, temporary=place)
        finally:
            assert list(place.iterdir()) == []
        if imported.manifest.id != "tiny":
            store.delete(imported.manifest.id)

    return reader


def _active(folder: Path) -> tuple[bytes, ...]:
    store = ModelStore(folder / "active", folder / "none")
    store.publish(tiny_manifest(), tiny_network())
    return ((folder / "active" / "active.json").read_bytes(),)


def _active_reader(folder: Path) -> Callable[[bytes], object]:
    def reader(data: bytes) -> object:
        (folder / "active" / "active.json").write_bytes(data)
        return read_active(folder / "active")

    return reader


def _requests() -> tuple[bytes, ...]:
    job = JobRequest("a1", "segment", {"volume": {"shape": [3, 4, 5], "name": "é"}, "n": 0.5})
    return tuple(encode(message)[:-1] for message in (job, CancelRequest("a1"), StopRequest()))


def _events() -> tuple[bytes, ...]:
    events = (
        ReadyEvent("0.1.0", 77),
        ProgressEvent("a1", 0.25, "Segmenting", 3.5),
        ProgressEvent("a1", 0.0, "", None),
        MetricEvent("a1", {"loss": 0.3, "validation_dice": [0.9, None]}),
        LogEvent(None, "a line"),
        ResultEvent("a1", {"labels": "x.npy", "doubt": [0.1, 2.0]}),
        ErrorEvent("a1", "InputError", "A sentence.", "Traceback"),
        CancelledEvent("a1"),
    )
    return tuple(encode(event)[:-1] for event in events)


def _read_request(data: bytes) -> None:
    for line in LineReader().feed(data + b"\n"):
        request = parse_request(line)
        assert parse_request(encode(request)[:-1]) == request


def _read_event(data: bytes) -> None:
    for line in LineReader().feed(data + b"\n"):
        event = parse_event(line)
        again = parse_event(encode(event)[:-1])
        assert type(again) is type(event)


_COMMAND_LINES = tuple(
    line.replace(" ", "\0").encode()
    for line in (
        "segment --model midbrain-t1 brain.nii.gz --output out --format nrrd --device cpu",
        "review --model midbrain-t1 brain.nii.gz --csv out.csv --json",
        "finetune --model m --case brain.nii.gz c.seg.nrrd 40,44,52-54 --steps 60 --seed 3",
        "train --images i --labels l --output o --name N --structures 1=A,2=B --axis coronal",
        "train --case i l all --output o --name N --beta 2.5 --spacing 0.9,1 --preset paper",
        "evaluate --model m --images i --labels l --output o --surface",
        "compare --images i --labels l --output o --sizes 50,100 --seeds 2 --epochs 3",
        "models list",
        "models rename m name",
        "models export m out.zip --samples",
    )
)


def _read_command_line(data: bytes) -> None:
    """Only read: what a command then does with its words is not for a random generator."""
    words = data.decode("utf-8", "surrogateescape").split("\0")
    quiet, code = io.StringIO(), 0
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        try:
            _PARSER.parse_args(words)
        except SystemExit as end:  # help or version was asked for
            code = int(end.code or 0)
    assert code == 0


_PARSER = build_parser()


def _text_reader(parse: Callable[[str], object]) -> Callable[[bytes], None]:
    def reader(data: bytes) -> None:
        parse(data.decode("utf-8", "surrogateescape"))

    return reader


_read_structures = _text_reader(parse_structures)
_read_slices = _text_reader(parse_slices)
