"""Fixtures of the tests of benchmarks."""

from __future__ import annotations

import pytest
from trial_models import with_one_view

from funet.models.model import Model
from funet.models.store import ModelStore


@pytest.fixture
def one_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the benchmarks load models that look at a volume once."""
    load = ModelStore.load

    def load_with_one_view(store: ModelStore, id_or_folder: str) -> Model:
        return with_one_view(load(store, id_or_folder))

    monkeypatch.setattr(ModelStore, "load", load_with_one_view)
