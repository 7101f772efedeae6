"""The self-test of the module passes, and notices what it is there for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import host
import pytest
import slicer


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the self-test displays, in the order of its steps."""
    host.install("5.2.2")
    from FUNetSegmentation import FUNetSegmentationTest

    texts: list[str] = []

    def delay_display(_self: Any, text: str, *_arguments: Any, **_options: Any) -> None:
        texts.append(text)

    monkeypatch.setattr(FUNetSegmentationTest, "delayDisplay", delay_display)
    yield texts
    slicer.mrmlScene.Clear(1)
    host.uninstall()


def run_self_test() -> None:
    from FUNetSegmentation import FUNetSegmentationTest

    FUNetSegmentationTest().runTest()


def test_the_whole_loop_passes(said: list[str]) -> None:
    run_self_test()
    assert said[0].startswith("Training")
    assert said[-1] == "Passed"


def test_it_is_skipped_where_pytorch_is_missing(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from FUNetSegmentationLib.jobs import requirements

    monkeypatch.setattr(requirements, "missing", lambda: [requirements.TORCH])
    run_self_test()
    assert said == ["Skipped: torch>=2.4 must be installed first"]


def test_a_prediction_over_a_correction_fails_it(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from FUNetSegmentationLib.workflow import applying

    monkeypatch.setattr(applying, "judged_slices", lambda *_arguments: ())
    with pytest.raises(AssertionError, match="corrected slice was changed"):
        run_self_test()
