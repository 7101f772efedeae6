"""Which model a result was measured with, and whether it ships as it was then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funet.models.manifest import Manifest

# What a description says of how labels are made from the network's answers, where it says nothing.
_RULES: Mapping[str, Any] = {"one_piece": False, "tilts": [], "successive": None}


def measured_model(manifest: Manifest) -> dict[str, Any]:
    """Return what a result file keeps of the model that was measured: its weights and its rules."""
    return {
        "weights_sha256": manifest.weights_sha256,
        "one_piece": manifest.one_piece,
        "tilts": list(manifest.tilts),
        "successive": manifest.successive,
    }


def same_weights(record: Mapping[str, Any], description: Mapping[str, Any]) -> bool:
    """Tell whether a result was measured with the weights that a ``model.json`` describes."""
    return bool(record["weights_sha256"] == description["weights_sha256"])


def same_rules(record: Mapping[str, Any], description: Mapping[str, Any]) -> bool:
    """Tell whether labels are made from the network's answers as when a result was measured."""
    return all(
        record.get(key, default) == description.get(key, default) for key, default in _RULES.items()
    )
