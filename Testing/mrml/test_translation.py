"""Texts with and without the translation of newer versions of 3D Slicer."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
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


def test_with_translation_texts_are_looked_up_under_the_file_that_shows_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def context_of(file: str) -> str:
        asked.append(file)
        return Path(file).stem

    i18n = ModuleType("slicer.i18n")
    i18n.getContext = context_of  # type: ignore[attr-defined]
    i18n.translate = lambda context, text: f"<{context}:{text}>"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "slicer.i18n", i18n)
    importlib.reload(translation)
    for _ in range(3):
        assert translation.tr("Segment") == "<test_translation:Segment>"
    assert asked == [__file__], "the file is looked at once, not for each text"
    assert translation.translate("a", "b") == "<a:b>"
