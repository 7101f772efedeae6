"""Offers the fixtures of this folder to its tests."""

from __future__ import annotations

from engine_fixtures import boxes_model, client, shared_client, shell, study

__all__ = ["boxes_model", "client", "shared_client", "shell", "study"]
