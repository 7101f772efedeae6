"""The shipped models for trials that need no number of theirs."""

from __future__ import annotations

from dataclasses import replace

from funet.models.model import Model


def with_one_view(model: Model) -> Model:
    """Let a model look at a volume once: its nine views would take most of a trial's time."""
    return replace(model, manifest=replace(model.manifest, tilts=()))
