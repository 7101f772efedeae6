"""CMake installs exactly the files of the module: a forgotten one is missing in Slicer only."""

from __future__ import annotations

import pytest
from source_tree import (
    MODULE_CMAKE,
    RESOURCES,
    SCRIPTS,
    cmake_list,
    module_files,
    with_cmake_list,
)

REMEDY = "run: python Testing/packaging/update_cmake_lists.py"


@pytest.mark.parametrize(("variable", "index"), [(SCRIPTS, 0), (RESOURCES, 1)])
def test_cmake_lists_every_file_of_the_module_and_no_other(variable: str, index: int) -> None:
    listed = cmake_list(MODULE_CMAKE.read_text(encoding="utf-8"), variable)
    assert listed == module_files()[index], REMEDY


def test_the_engine_is_among_the_files_of_the_module() -> None:
    scripts, resources = module_files()
    assert "funet/evaluation/metrics.py" in scripts
    assert "Resources/Icons/FUNetSegmentation.png" in resources


def test_a_list_that_was_written_is_read_back() -> None:
    text = "set(A\n  x\n  )\nset(B)\nset(MODULE_PYTHON_SCRIPTS\n  old.py\n  )\nend()\n"
    changed = with_cmake_list(text, SCRIPTS, ["a.py", "lib/b.py"])
    assert cmake_list(changed, SCRIPTS) == ["a.py", "lib/b.py"]
    assert changed.startswith("set(A\n  x\n  )\nset(B)\n")
    assert changed.endswith("  )\nend()\n")


def test_a_missing_list_is_an_error() -> None:
    with pytest.raises(ValueError, match=SCRIPTS):
        cmake_list("set(OTHER a)", SCRIPTS)
