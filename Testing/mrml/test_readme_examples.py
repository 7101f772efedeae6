"""Every example of the README for Slicer's Python console, executed as in one session."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from image_files import save
from scene_nodes import new_scene, segmentation_of, volume_of
from threshold_models import SEGMENTS, boxes, image, save_as

from funet.images.segmentations import LabelMap
from FUNetSegmentationLib.workflow.logic import SegmentationLogic

from phantoms import axial_grid

README = Path(__file__).resolve().parents[2] / "README.md"
_EXAMPLE = re.compile(
    r"^<!-- example: ([\w-]+) -->\n+```python\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


def examples(text: str) -> dict[str, str]:
    """The code of the examples by their names, in order."""
    found = _EXAMPLE.findall(text)
    names = [name for name, _code in found]
    assert len(set(names)) == len(names), f"two examples have the same name: {names}"
    assert text.count("<!-- example:") == len(found), "an example has no Python block"
    return dict(found)


EXAMPLES = examples(README.read_text(encoding="utf-8"))


class Session:
    """A Python console in which the examples are pasted one after another."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"slicer": slicer}
        self._waiting = list(EXAMPLES.items())

    def run(self, example: str) -> None:
        """Run an example, and before it those that come before it and were not run yet."""
        while self._waiting and example in dict(self._waiting):
            name, code = self._waiting.pop(0)
            exec(compile(code, f"README.md example {name}", "exec"), self.names)


class ConsoleLogic(SegmentationLogic):
    """What FUNetSegmentation.py offers inside Slicer, where that file can be imported."""

    def __init__(self) -> None:
        super().__init__(scene=slicer.mrmlScene)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session in a folder with images, with small models in place of the shipped ones."""
    folder = tmp_path_factory.mktemp("session")
    (folder / "brains").mkdir()
    save(folder / "brains" / "first.nii.gz", image(), axial_grid())
    save_as("midbrain-t1", folder / "models")
    module = types.ModuleType("FUNetSegmentation")
    module.FUNetSegmentationLogic = ConsoleLogic
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FUNET_MODELS", str(folder / "models"))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setitem(sys.modules, "FUNetSegmentation", module)
        patch.setattr(slicer, "mrmlScene", new_scene(), raising=False)
        volume_node = volume_of(slicer.mrmlScene, array=image(), name="MRHead")
        few = np.zeros_like(boxes())
        few[[5, 6]] = boxes()[[5, 6]]
        labels = LabelMap(few, axial_grid(), SEGMENTS)
        segmentation_of(slicer.mrmlScene, volume_node, labels, name="My drawing")
        session = Session()
        yield session
        if "logic" in session.names:
            session.names["logic"].close()
        slicer.mrmlScene.Clear(1)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_as_it_stands(session, name):
    session.run(name)


def test_an_example_without_code_or_with_a_name_twice_is_noticed():
    block = "<!-- example: one -->\n```python\nx = 1\n```\n"
    assert examples(block) == {"one": "x = 1\n"}
    with pytest.raises(AssertionError, match="no Python block"):
        examples("<!-- example: one -->\n")
    with pytest.raises(AssertionError, match="same name"):
        examples(block * 2)
