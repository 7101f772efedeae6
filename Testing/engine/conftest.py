"""Offers the fixtures of this folder to its tests."""

from __future__ import annotations

from engine_fixtures import (
    archive,
    boxes_model,
    client,
    folder,
    set_threads,
    shared_client,
    shell,
    study,
)

__all__ = [
    "archive",
    "boxes_model",
    "client",
    "folder",
    "set_threads",
    "shared_client",
    "shell",
    "study",
]
