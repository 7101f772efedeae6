"""Which version of each family of models is in use, kept in a small file of the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelError
from ..files import atomic_file, read_small_file
from ..strict_json import Record, dump_json, parse_json
from .identifiers import MOST_VERSIONS, is_identifier

ACTIVE_NAME = "active.json"

_SCHEMA = 1
_LARGEST = 2**22


@dataclass(frozen=True)
class ActiveVersion:
    """What is remembered of a family.

    Attributes:
        active: id of the version in use.
        last_version: highest number ever given, so that a deleted version's id is not used again.
    """

    active: str
    last_version: int


def read_active(folder: Path) -> dict[str, ActiveVersion]:
    """Return what is remembered of each family; nothing if there is no file yet.

    Raises:
        ModelError: if the file is damaged.
    """
    path = folder / ACTIVE_NAME
    if not path.exists():
        return {}
    advice = f"{path} (delete this file to make the newest version of every model the active one)"
    record = Record(
        parse_json(read_small_file(path, _LARGEST), advice), ("schema", "families"), advice
    )
    record.integer("schema", _SCHEMA, _SCHEMA)
    families = record.raw("families")
    if not isinstance(families, dict):
        raise ModelError(f"{advice} is damaged.")
    return {family: _read_one(family, value, advice) for family, value in families.items()}


def write_active(folder: Path, families: dict[str, ActiveVersion]) -> None:
    """Replace the file at once.

    Raises:
        InputError: if it cannot be written; the earlier file is untouched.
    """
    content = {
        "schema": _SCHEMA,
        "families": {
            family: {"active": entry.active, "last_version": entry.last_version}
            for family, entry in sorted(families.items())
        },
    }
    with atomic_file(folder / ACTIVE_NAME) as temporary:
        temporary.write_bytes(dump_json(content))


def _read_one(family: str, value: object, source: str) -> ActiveVersion:
    record = Record(value, ("active", "last_version"), source, "families")
    active = record.raw("active")
    if not isinstance(active, str) or not is_identifier(active) or not is_identifier(family):
        record.refuse("active", "is not the id of a model")
    return ActiveVersion(active, record.integer("last_version", 1, MOST_VERSIONS))
