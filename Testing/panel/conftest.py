"""Offers the fixtures of this folder to its tests."""

from __future__ import annotations

from panel_fixtures import desk, models, open_panel, qt, segmented

__all__ = ["desk", "models", "open_panel", "qt", "segmented"]
