"""The scene's use of MRML and VTK, held against 3D Slicer 5.2.2 and slicer-core."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import slicer
import vtk

from FUNetSegmentationLib.scene.segmentation_nodes import is_labelmap

_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = sorted((_ROOT / "FUNetSegmentation" / "FUNetSegmentationLib" / "scene").glob("*.py"))
_FACTS = _ROOT.parent / "shared" / "slicer_api_facts.json"

# Members of classes of which the facts hold the name only; all are older than 5.2.2.
_OLDER = {
    slicer.vtkMRMLSliceNode: {"GetSliceToRAS", "JumpSliceByOffsetting", "UpdateMatrices"},
    slicer.vtkMRMLTransformNode: {"GetTransformBetweenNodes", "IsGeneralTransformLinear"},
    slicer.vtkOrientedImageDataResample: {"ResampleOrientedImageToReferenceOrientedImage"},
    slicer.vtkSegmentationHistory: {
        "IsRestoreNextStateAvailable",
        "IsRestorePreviousStateAvailable",
        "RestoreNextState",
        "RestorePreviousState",
        "SaveState",
        "SetMaximumNumberOfStates",
        "SetSegmentation",
    },
    vtk.vtkTransform: {"GetMatrix"},
    vtk.vtkMatrix4x4: {"DeepCopy", "GetElement"},
    vtk.vtkPointData: {"GetScalars", "SetScalars"},
}


def _used() -> set[str]:
    """Names of the members that the files take of objects of Slicer, which are in camel case."""
    nodes = [node for path in _SOURCES for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return {name for name in names if re.match("[A-Z][A-Za-z]|vtk[A-Z]", name)}


def _members_of_5_2_2() -> set[str]:
    if not _FACTS.is_file():
        pytest.skip(f"the facts of Slicer are not at {_FACTS}")
    facts = json.loads(_FACTS.read_text("utf-8"))
    names = {
        name
        for owner, known in facts["classes"].items()
        if owner.startswith("slicer.vtk")
        for listed in known["members"].values()
        for name in listed
    }
    return names | {*facts["namespaces"]["slicer"], *dir(vtk)}


def test_everything_used_is_in_5_2_2() -> None:
    older = set().union(*_OLDER.values())
    assert _used() - _members_of_5_2_2() - older == set()


def test_everything_used_is_in_slicer_core() -> None:
    classes = [*vars(slicer).values(), *_OLDER]
    names = {name for one in classes if isinstance(one, type) for name in dir(one)}
    assert _used() - names - {*dir(slicer), *dir(vtk)} == set()
    for owner, members in _OLDER.items():
        assert members <= set(dir(owner))


def _segmentation_node(**names: str) -> Any:
    segmentation = {key: lambda name=name: name for key, name in names.items()}
    return SimpleNamespace(GetSegmentation=lambda: SimpleNamespace(**segmentation))


@pytest.mark.parametrize("getter", ["GetMasterRepresentationName", "GetSourceRepresentationName"])
def test_the_representation_is_asked_by_either_name(getter: str) -> None:
    assert is_labelmap(_segmentation_node(**{getter: "Binary labelmap"}))
    assert not is_labelmap(_segmentation_node(**{getter: "Closed surface"}))
