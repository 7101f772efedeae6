"""Offers the fixtures of this folder to its tests."""

from __future__ import annotations

from mrml_fixtures import case, known_models, logic, own_logic, predicted, runner, scene

__all__ = ["case", "known_models", "logic", "own_logic", "predicted", "runner", "scene"]
