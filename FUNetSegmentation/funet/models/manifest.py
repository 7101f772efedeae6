"""The description of a model version: what it segments, how, and where it comes from.

It is stored as ``model.json`` beside the weights. Reading it is strict, because the file may come
from a stranger: every key is known, of the right type and within bounds, or the file is refused.
"""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ModelError
from ..files import read_small_file
from ..images.geometry import SLICE_AXES, SliceAxis
from ..images.preprocessing_settings import Preprocessing
from ..images.segmentations import Segment
from ..loss_config import LossConfig
from ..network_config import NetworkConfig
from ..strict_json import JsonObject, Record, dump_json, parse_json, shown
from .identifiers import LONGEST_FAMILY, LONGEST_ID, MOST_VERSIONS, is_identifier, version_id
from .layout import MANIFEST_NAME, MAX_MANIFEST_BYTES, MAX_TENSOR_FILE_BYTES, FileDigest
from .manifest_segments import LONGEST_NAME, read_segments, segment_to_json

SCHEMA = 1

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_LONGEST_TEXT = 10_000
_MOST_METRICS = 10_000
_MOST_TILTS, _LARGEST_TILT = 4, 45
_DEEPEST_TRAINING = 8
Settings = TypeVar("Settings", NetworkConfig, LossConfig, Preprocessing)


@dataclass(frozen=True)
class MetricRecord:
    """One number that was measured, with what it was measured on.

    Attributes:
        data: the images, in words ("8 test subjects of ds002748").
        structure: name of the structure.
        name: name of the metric ("Dice").
        mean, deviation: mean and standard deviation over ``count`` cases, finite.
        count: number of cases.
    """

    data: str
    structure: str
    name: str
    mean: float
    deviation: float
    count: int


@dataclass(frozen=True)
class Manifest:
    """All that is known of a model version.

    Attributes:
        id: unique name in a store and name of its folder: small letters, digits, ".", "_", "-".
        name: what people see; may be changed later.
        segments: the structures; their values are 1 to ``network.num_classes - 1`` in order.
        preprocessing, network, loss: how images are prepared, what computes, what was minimised.
        one_piece: whether the structures touch each other and nothing lies apart from them: what
            is predicted elsewhere in a volume is then left out.
        tilts: degrees, above 0 and at most 45, by which the slices of a volume are tilted to be
            seen again, towards their rows and their columns and to either side; what the network
            says of a voxel is then the mean over all views.
        successive: plane of which every slice shows one structure at most, as a convention has it:
            the structures follow one another through these slices in the order of their values,
            from inferior to superior, anterior to posterior or right to left. ``None`` if they
            may lie in any way.
        description, licence: text for people.
        family: id of the first version, from which all versions of the family descend.
        version: 1 for the first version, then counting up within the family.
        parent: id of the version that this one was trained from; ``None`` for the first.
        parent_sha256: hash of the parent's weights, which tells it from a namesake elsewhere.
        created: date and time in UTC, "2024-01-31T12:00:00Z".
        weights_sha256, weights_bytes: digest of the weights; "" and 0 until they are saved.
        samples_sha256, samples_bytes: digest of the slices kept for replay; "" and 0 if none.
        training: JSON of the training: slices, subjects, hash of the data, command, seed, ...
        metrics: what was measured.

    Raises:
        ModelError: if a field is out of bounds or the fields contradict each other.
    """

    id: str
    name: str
    segments: tuple[Segment, ...]
    preprocessing: Preprocessing
    network: NetworkConfig
    loss: LossConfig
    family: str
    created: str
    one_piece: bool = False
    tilts: tuple[float, ...] = ()
    successive: SliceAxis | None = None
    version: int = 1
    parent: str | None = None
    parent_sha256: str | None = None
    description: str = ""
    licence: str = ""
    weights_sha256: str = ""
    weights_bytes: int = 0
    samples_sha256: str = ""
    samples_bytes: int = 0
    training: JsonObject = field(default_factory=dict, hash=False)
    metrics: tuple[MetricRecord, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", _plain_object(self.training))
        # One set of rules for files and for Python: what could not be read back is never made.
        _fields(_to_json(self), f"The description of the model {shown(self.id)}")

    @property
    def weights(self) -> FileDigest:
        """Digest of the weights file."""
        return FileDigest(self.weights_sha256, self.weights_bytes)

    @property
    def samples(self) -> FileDigest | None:
        """Digest of the file of slices kept for replay, if there is one."""
        if not self.samples_sha256:
            return None
        return FileDigest(self.samples_sha256, self.samples_bytes)

    def with_files(self, weights: FileDigest, samples: FileDigest | None) -> Manifest:
        """Return a copy that describes these files."""
        return replace(
            self,
            weights_sha256=weights.sha256,
            weights_bytes=weights.size,
            samples_sha256=samples.sha256 if samples else "",
            samples_bytes=samples.size if samples else 0,
        )

    def child(self, *, training: JsonObject | None = None) -> Manifest:
        """Return the description of a new version trained from this one, its weights not saved.

        A store gives it its final id and version when it is published.
        """
        return replace(
            self,
            id=version_id(self.family, self.version + 1),
            version=self.version + 1,
            parent=self.id,
            parent_sha256=self.weights_sha256 or None,
            created=utc_now(),
            weights_sha256="",
            weights_bytes=0,
            samples_sha256="",
            samples_bytes=0,
            training=training or {},
            metrics=(),
        )


def utc_now() -> str:
    """Return the time now in UTC as manifests store it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dump_manifest(manifest: Manifest) -> bytes:
    """Return the content of ``model.json``.

    Raises:
        ModelError: if it is too large to be read back.
    """
    data = dump_json(_to_json(manifest))
    _check_length(data, f"The description of the model {manifest.id}")
    return data


def parse_manifest(data: bytes, source: str = MANIFEST_NAME) -> Manifest:
    """Read the content of ``model.json``.

    Args:
        data: UTF-8 JSON of at most :data:`~funet.models.layout.MAX_MANIFEST_BYTES`.
        source: the file, for messages.

    Raises:
        ModelError: if anything in it is missing, unknown, of the wrong type, or out of bounds.
    """
    _check_length(data, source)
    manifest = Manifest(**_fields(parse_json(data, source), source))
    if not manifest.weights_sha256:
        raise ModelError(f"{source} cannot be used: it does not name its weights.")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read the description in the folder of a model version.

    Raises:
        ModelError: if the file is missing or anything in it is wrong.
    """
    path = folder / MANIFEST_NAME
    return parse_manifest(read_small_file(path, MAX_MANIFEST_BYTES), str(path))


def _check_length(data: bytes, source: str) -> None:
    if len(data) > MAX_MANIFEST_BYTES:
        raise ModelError(f"{source} is larger than the {MAX_MANIFEST_BYTES} bytes allowed for it.")


def _to_json(manifest: Manifest) -> JsonObject:
    return {
        "schema": SCHEMA,
        **{field.name: getattr(manifest, field.name) for field in fields(Manifest)},
        "segments": [segment_to_json(segment) for segment in manifest.segments],
        "preprocessing": manifest.preprocessing.to_dict(),
        "tilts": list(manifest.tilts),
        "network": manifest.network.to_dict(),
        "loss": manifest.loss.to_dict(),
        "metrics": [
            {**asdict(m), "mean": float(m.mean), "deviation": float(m.deviation)}
            for m in manifest.metrics
        ],
    }


def _fields(value: object, source: str) -> dict[str, Any]:
    """Return the checked arguments of :class:`Manifest` from a JSON value."""
    # The schema first: a later one may have other keys, and the user should hear of that.
    if isinstance(value, dict) and value.get("schema", SCHEMA) != SCHEMA:
        raise ModelError(
            f"{source} has the schema {shown(value['schema'])}, which this version does not know; "
            "update FUNetSegmentation."
        )
    if isinstance(value, dict):
        # The first models were described without these.
        value = {"tilts": [], "successive": None, **value}
    record = Record(value, ("schema", *(field.name for field in fields(Manifest))), source)
    record.integer("schema", SCHEMA, SCHEMA)
    network = _settings(record, "network", NetworkConfig)
    return {
        **_identity(record),
        **_digests(record),
        "name": record.text("name", LONGEST_NAME),
        "description": record.text("description", _LONGEST_TEXT, lines=True, empty=True),
        "licence": record.text("licence", _LONGEST_TEXT, lines=True, empty=True),
        "created": _created(record),
        "one_piece": record.boolean("one_piece"),
        "segments": read_segments(record, source, network.num_classes - 1),
        "preprocessing": _settings(record, "preprocessing", Preprocessing),
        "tilts": _tilts(record),
        "successive": _successive(record),
        "network": network,
        "loss": _settings(record, "loss", LossConfig),
        "training": record.parsed("training", _plain_object),
        "metrics": tuple(
            _metric(item, source, f"metrics[{index}]")
            for index, item in enumerate(record.items("metrics", _MOST_METRICS))
        ),
    }


def _settings(record: Record, key: str, kind: type[Settings]) -> Settings:
    """Return settings of which none is left to a default, since defaults may change."""
    settings = record.parsed(key, kind.from_dict)
    given = record.raw(key)
    for name in settings.to_dict():
        if isinstance(given, dict) and name not in given:
            record.refuse(key, f'lacks the entry "{name}"')
    return settings


def _identity(record: Record) -> JsonObject:
    for key in ("id", "family", "parent"):
        if not (is_identifier(record.raw(key)) or (key == "parent" and record.raw(key) is None)):
            record.refuse(
                key,
                f"is {shown(record.raw(key))}, but must begin with a small letter or digit and "
                'hold only these, ".", "_" and "-" (no more than 64)',
            )
    own, family = record.text("id", LONGEST_ID), record.text("family", LONGEST_FAMILY)
    version = record.integer("version", 1, MOST_VERSIONS)
    parent = record.optional_text("parent", LONGEST_ID)
    if not (version == 1) == (parent is None) == (own == family):
        record.refuse("parent", "does not agree with the id, family and version")
    if parent == own:
        record.refuse("parent", "is the model itself")
    sha256 = record.optional_text("parent_sha256", 64)
    if sha256 is not None and (parent is None or not _SHA256.fullmatch(sha256)):
        record.refuse("parent_sha256", "is not the SHA-256 of a parent")
    return {
        "id": own,
        "family": family,
        "version": version,
        "parent": parent,
        "parent_sha256": sha256,
    }


def _digests(record: Record) -> JsonObject:
    digests: JsonObject = {}
    for part in ("weights", "samples"):
        sha256 = record.text(f"{part}_sha256", 64, empty=True)
        size = record.integer(f"{part}_bytes", 0, MAX_TENSOR_FILE_BYTES)
        if (sha256 != "" or size != 0) and (size == 0 or not _SHA256.fullmatch(sha256)):
            record.refuse(f"{part}_sha256", f"and {part}_bytes must be a SHA-256 and a size")
        digests |= {f"{part}_sha256": sha256, f"{part}_bytes": size}
    return digests


def _tilts(record: Record) -> tuple[float, ...]:
    tilts = record.items("tilts", _MOST_TILTS)
    numbers = [
        float(one) for one in tilts if isinstance(one, int | float) and type(one) is not bool
    ]
    good = [number for number in numbers if 0 < number <= _LARGEST_TILT]
    if len(good) != len(tilts):
        record.refuse("tilts", f"must be numbers of degrees above 0, at most {_LARGEST_TILT}")
    return tuple(good)


def _successive(record: Record) -> SliceAxis | None:
    value = record.raw("successive")
    planes = [plane for plane in SLICE_AXES if plane == value]
    if value is not None and not planes:
        record.refuse("successive", f"must be null or one of {', '.join(SLICE_AXES)}")
    return planes[0] if planes else None


def _created(record: Record) -> str:
    text = record.text("created", 20)
    try:
        if not _CREATED.fullmatch(text):
            raise ValueError
        datetime.datetime.fromisoformat(text)
    except ValueError:
        record.refuse("created", 'must be a date and time in UTC like "2024-01-31T12:00:00Z"')
    return text


def _metric(item: object, source: str, path: str) -> MetricRecord:
    record = Record(item, [f.name for f in fields(MetricRecord)], source, path)
    return MetricRecord(
        data=record.text("data", LONGEST_NAME),
        structure=record.text("structure", LONGEST_NAME),
        name=record.text("name", LONGEST_NAME),
        mean=record.number("mean"),
        deviation=record.number("deviation"),
        count=record.integer("count", 0, 2**31),
    )


def _plain_object(value: JsonObject) -> JsonObject:
    """Return a copy made of JSON types only (tuples become lists)."""
    plain = _plain(value, _DEEPEST_TRAINING)
    if not isinstance(plain, dict):
        raise ModelError("The record of a training must be an object.")
    return plain


def _plain(value: object, depth: int) -> object:
    if depth < 0:
        raise ModelError("The record of a training is nested too deeply.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and abs(value) < 2**63:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {str(_plain(key, 0)): _plain(item, depth - 1) for key, item in value.items()}
    raise ModelError(f"The record of a training holds {shown(value)}, which JSON cannot hold.")
