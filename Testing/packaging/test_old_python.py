"""A 3D Slicer whose Python is too old says so, instead of a traceback from deep inside."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).parents[2] / "FUNetSegmentation"
PACKAGE = MODULE / "FUNetSegmentationLib" / "__init__.py"


@pytest.mark.parametrize("path", [MODULE / "FUNetSegmentation.py", PACKAGE], ids=lambda p: p.stem)
def test_what_is_read_before_the_check_can_be_read(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_the_version_that_is_needed_and_the_one_that_is_there_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = compile(PACKAGE.read_text(encoding="utf-8"), PACKAGE.name, "exec")
    exec(check, {})
    monkeypatch.setattr(sys, "version_info", (3, 9, 10))
    with pytest.raises(ImportError, match=r"Python 3\.11 or later.*this one has Python 3\.9"):
        exec(check, {})
