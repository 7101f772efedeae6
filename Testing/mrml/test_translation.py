"""Texts with and without the translation of newer versions of 3D Slicer."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from FUNetSegmentationLib import translation


@pytest.fixture(autouse=True)
def reloaded() -> Iterator[None]:
    yield
    sys.modules.pop("slicer.i18n", None)
    importlib.reload(translation)


def test_without_translation_texts_stay() -> None:
    importlib.reload(translation)
    assert translation.tr("Segment") == "Segment"
    assert translation.translate("Some module", "Segment") == "Segment"


def test_with_translation_it_is_slicers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    i18n = ModuleType("slicer.i18n")
    i18n.tr = lambda text: f"<{text}>"  # type: ignore[attr-defined]
    i18n.translate = lambda context, text: f"<{context}:{text}>"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "slicer.i18n", i18n)
    importlib.reload(translation)
    assert translation.tr is i18n.tr  # it finds the caller's file, so nothing may stand between
    assert translation.translate("a", "b") == "<a:b>"
