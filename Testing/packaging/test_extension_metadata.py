"""What the Extensions Index and the extension manager read: names, dependencies, icon, licence."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import tomllib
from pathlib import Path
from typing import Any

import pytest
from source_tree import ROOT

SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
    "slicer-extension-catalog-entry-schema-v1.0.2.json#"
)
# Properties of that schema: no others are allowed.
PROPERTIES: dict[str, type] = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "dicom_support_rule": str,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
# Of the text that the Apache Software Foundation publishes.
APACHE_2_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
RAW_FILES = "https://raw.githubusercontent.com/FUNetSegmentation/FUNetSegmentation/main/"


@pytest.fixture
def the_cmake_text() -> str:
    return (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


@pytest.fixture
def the_catalogue_entry() -> dict[str, Any]:
    entry: dict[str, Any] = json.loads((ROOT / "FUNetSegmentation.json").read_text("utf-8"))
    return entry


def extension_variables(text: str) -> dict[str, str]:
    """The EXTENSION_* settings; each must be one quoted string on one line to be found."""
    return dict(re.findall(r'^set\((EXTENSION_\w+) "([^"\n]+)"\)$', text, flags=re.MULTILINE))


def size_of_png(path: Path) -> tuple[int, int]:
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n", f"{path.name} is not a PNG file"
    width, height = struct.unpack(">II", header[16:24])
    return width, height


def test_the_project_has_the_name_of_its_catalogue_entry(the_cmake_text: str) -> None:
    names = re.findall(r"^project\((\w+)\)$", the_cmake_text, flags=re.MULTILINE)
    assert [f"{name}.json" for name in names] == [path.name for path in ROOT.glob("*.json")]


def test_every_setting_is_one_quoted_string_on_one_line(the_cmake_text: str) -> None:
    assert the_cmake_text.count("set(EXTENSION_") == len(extension_variables(the_cmake_text)) == 6


def test_the_module_is_added_under_its_name(the_cmake_text: str) -> None:
    assert "\nadd_subdirectory(FUNetSegmentation)\n" in the_cmake_text
    module = (ROOT / "FUNetSegmentation" / "CMakeLists.txt").read_text(encoding="utf-8")
    assert module.startswith("set(MODULE_NAME FUNetSegmentation)\n")


def test_cmake_and_the_catalogue_entry_agree_on_what_is_needed(
    the_cmake_text: str, the_catalogue_entry: dict[str, Any]
) -> None:
    depends = extension_variables(the_cmake_text)["EXTENSION_DEPENDS"].split()
    assert depends == the_catalogue_entry["build_dependencies"] == ["PyTorch"]


def test_the_catalogue_entry_follows_its_schema(the_catalogue_entry: dict[str, Any]) -> None:
    assert the_catalogue_entry["$schema"] == SCHEMA
    assert {"$schema", "category", "scm_url"} <= the_catalogue_entry.keys() <= PROPERTIES.keys()
    for name, value in the_catalogue_entry.items():
        assert type(value) is PROPERTIES[name], name
    assert 1 <= the_catalogue_entry["tier"] <= 5
    assert the_catalogue_entry["category"] == "Segmentation"
    assert the_catalogue_entry["build_subdirectory"] == "."


def test_homepage_and_repository_are_one_place(
    the_cmake_text: str, the_catalogue_entry: dict[str, Any]
) -> None:
    homepage = extension_variables(the_cmake_text)["EXTENSION_HOMEPAGE"]
    assert homepage == the_catalogue_entry["scm_url"].removesuffix(".git")


@pytest.mark.parametrize("variable", ["EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"])
def test_pictures_of_the_extension_are_files_of_the_repository(
    the_cmake_text: str, variable: str
) -> None:
    for url in extension_variables(the_cmake_text)[variable].split():
        assert url.startswith(RAW_FILES)
        assert (ROOT / url.removeprefix(RAW_FILES)).is_file(), url


@pytest.mark.parametrize(
    "icon", ["FUNetSegmentation.png", "FUNetSegmentation/Resources/Icons/FUNetSegmentation.png"]
)
def test_the_icon_is_a_png_of_128_by_128(icon: str) -> None:
    assert size_of_png(ROOT / icon) == (128, 128)


def test_the_licence_is_the_unchanged_apache_licence() -> None:
    text = (ROOT / "LICENSE.txt").read_bytes()
    assert hashlib.sha256(text).hexdigest() == APACHE_2_SHA256
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert project["license-files"] == ["LICENSE.txt"]
