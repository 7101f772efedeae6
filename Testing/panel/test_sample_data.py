"""The samples are registered when the application has started, as Slicer's Sample Data wants it."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from typing import Any

import host
import pytest
import slicer


class SampleDataLogic:
    """Stand-in: keeps what Slicer's own logic would, and refuses what it would not take."""

    sources: dict[str, dict[str, Any]]

    @classmethod
    def registerCustomSampleDataSource(cls, **source: Any) -> None:  # noqa: N802 (Slicer's name)
        # Slicer makes lists of one of these texts, and goes through them together.
        assert all(isinstance(source[key], str) for key in ("uris", "fileNames", "nodeNames"))
        cls.sources[source["sampleName"]] = source


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, dict[str, Any]]]:
    """What is registered once the application has started."""
    module = types.ModuleType("SampleData")
    module.SampleDataLogic = SampleDataLogic
    SampleDataLogic.sources = {}
    monkeypatch.setitem(sys.modules, "SampleData", module)
    host.install("5.2.2")
    widget = host.open_module()
    assert not SampleDataLogic.sources
    slicer.app.startupCompleted.emit()
    yield SampleDataLogic.sources
    host.close_module(widget)
    slicer.mrmlScene.Clear(1)
    host.uninstall()


def test_both_samples_are_offered_under_the_name_of_the_module(
    sources: dict[str, dict[str, Any]],
) -> None:
    assert set(sources) == {"FUNetSegmentationHead", "FUNetSegmentationPhantom"}
    assert {source["category"] for source in sources.values()} == {"FUNetSegmentation"}


def test_what_is_downloaded_is_checked(sources: dict[str, dict[str, Any]]) -> None:
    head = sources["FUNetSegmentationHead"]
    assert head["uris"].startswith("https://")
    assert re.fullmatch(r"SHA256:[0-9a-f]{64}", head["checksums"])
    assert "customDownloader" not in head


def test_the_phantom_is_made_without_a_download(sources: dict[str, dict[str, Any]]) -> None:
    phantom = sources["FUNetSegmentationPhantom"]
    node = phantom["customDownloader"](phantom)
    assert node.GetScene() is slicer.mrmlScene
    assert node.GetImageData().GetNumberOfPoints() > 10_000
