"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from funet.threads import wait_briefly

# The tests share the cores with their own child processes. PyTorch reads this when it is loaded,
# so it must stand before any import of it.
wait_briefly(os.environ)

_SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images beside the repository; tests that need it are skipped without."""
    if not (_SHARED_DATA / "README.md").is_file():
        pytest.skip(f"the real images are not at {_SHARED_DATA}")
    return _SHARED_DATA
