"""Every file keeps the rules of its room; and each rule is shown to catch what it forbids."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_rules import (
    ENGINE,
    ITK_FILES,
    MODULE_FILE,
    SLICER_SIDE,
    heavy_routes,
    is_engine,
    is_library,
    is_slicer_side,
    local_paths,
    violations,
    writes_to_the_console,
)
from source_tree import ROOT, repository_files

ENGINE_FILE = ENGINE + "training.py"
SLICER_FILE = SLICER_SIDE + "jobs.py"
SCRIPT = "Training/train.py"
TEST = "Testing/engine/test_training.py"

PYTHON_FILES = [name for name in repository_files() if name.endswith(".py")]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def engine_files() -> dict[str, str]:
    return {name: text_of(name) for name in PYTHON_FILES if is_engine(name)}


@pytest.mark.parametrize("name", PYTHON_FILES)
def test_a_file_keeps_the_rules(name: str) -> None:
    assert violations(text_of(name), name) == []


def test_the_rules_are_applied_to_both_rooms_of_the_library() -> None:
    assert sum(map(is_engine, PYTHON_FILES)) > 10


def test_the_slicer_side_never_loads_what_is_heavy_by_way_of_the_engine() -> None:
    engine = engine_files()
    for name in filter(is_slicer_side, PYTHON_FILES):
        assert heavy_routes(engine, text_of(name), name) == []


def test_one_file_at_most_writes_to_the_terminal() -> None:
    """The worker talks over its streams, which is its purpose, and counts apart."""
    writers = [
        name
        for name in PYTHON_FILES
        if is_library(name) and "/worker/" not in name and writes_to_the_console(text_of(name))
    ]
    assert len(writers) <= 1, writers


def test_no_text_file_names_a_folder_of_a_developers_machine() -> None:
    found = []
    for name in repository_files():
        data = (ROOT / name).read_bytes()
        if b"\0" not in data:
            text = data.decode("utf-8")
            found += [f"{name}:{line}" for line in local_paths(text)]
    assert found == []


FORBIDDEN = [
    (ENGINE_FILE, "import slicer", "the engine imports slicer"),
    (ENGINE_FILE, "import vtk.util.numpy_support", "the engine imports vtk"),
    (ENGINE_FILE, "from vtkmodules.util import x", "the engine imports vtkmodules"),
    (ENGINE_FILE, "def f():\n    import qt", "the engine imports qt"),
    (ENGINE_FILE, "from ctk import ctkX", "the engine imports ctk"),
    (ENGINE_FILE, "import importlib\nimportlib.import_module('slicer')", "imports slicer"),
    (ENGINE_FILE, "from FUNetSegmentationLib import jobs", "imports FUNetSegmentationLib"),
    (SLICER_FILE, "import torch", "the Slicer side imports torch"),
    (SLICER_FILE, "def f():\n    from torch import nn", "the Slicer side imports torch"),
    (SLICER_FILE, "__import__('torch')", "the Slicer side imports torch"),
    (MODULE_FILE, "import torch.nn", "the Slicer side imports torch"),
    (ENGINE_FILE, "import SimpleITK as sitk", "SimpleITK is imported outside"),
    (SLICER_FILE, "from SimpleITK import ReadImage", "SimpleITK is imported outside"),
    (ENGINE_FILE, "import scipy.stats", "at file scope"),
    (ENGINE_FILE, "try:\n    from monai import metrics\nfinally:\n    pass", "at file scope"),
    (ENGINE_FILE, "try:\n    x\nexcept OSError:\n    import scipy", "at file scope"),
    (ENGINE_FILE, "class A:\n    import matplotlib", "at file scope"),
    (ENGINE_FILE, "import pickle", "pickle runs code"),
    (SLICER_FILE, "from joblib import load", "joblib runs code"),
    (SCRIPT, "import pickle", "pickle runs code"),
    (ENGINE_FILE, "import torch\ntorch.load('a')", "torch.load is used"),
    (ENGINE_FILE, "import torch\nread = torch.load", "torch.load is used"),
    (ENGINE_FILE, "import torch\ntorch.save(a, 'a')", "torch.save is used"),
    (ENGINE_FILE, "import torch\nn = torch.compile(n)", "torch.compile is used"),
    (ENGINE_FILE, "from torch import compile", "torch.compile is imported"),
    (ENGINE_FILE, "import numpy as np\nnp.load('a', allow_pickle=True)", "allow_pickle is set"),
    (ENGINE_FILE, "load('a', allow_pickle=flag)", "allow_pickle is set"),
    (ENGINE_FILE, "loader = DataLoader(data, num_workers=2)", "num_workers is set"),
    (ENGINE_FILE, "import multiprocessing", "starts processes"),
    (ENGINE_FILE, "from multiprocessing.pool import Pool", "starts processes"),
    (ENGINE_FILE, "import torch.multiprocessing as mp", "starts processes"),
    (ENGINE_FILE, "import concurrent.futures as c\nc.ProcessPoolExecutor()", "starts processes"),
    (ENGINE_FILE, "from os.path import *", "imports everything from os.path"),
    (SLICER_FILE, "from slicer.ScriptedLoadableModule import *", "imports everything"),
    (MODULE_FILE, "from slicer.util import *", "imports everything from slicer.util"),
    (TEST, "from os import *", "imports everything from os"),
    (ENGINE_FILE, "try:\n    x\nexcept:\n    pass", "catches every exception"),
    (TEST, "try:\n    x\nexcept:\n    pass", "catches every exception"),
    (ENGINE_FILE, "print('x')", "prints"),
    (MODULE_FILE, "show = print", "prints"),
    (ENGINE_FILE, "x = 1\n" * 401, "has 401 lines"),
    (TEST, "def long():\n" + "    x = 1\n" * 60, "long has 61 lines"),
]


@pytest.mark.parametrize(("name", "source", "complaint"), FORBIDDEN)
def test_a_rule_that_is_broken_is_noticed(name: str, source: str, complaint: str) -> None:
    found = violations(source, name)
    assert len(found) >= 1
    assert all(text.startswith(f"{name}:") for text in found)
    assert any(complaint in text for text in found), found


ALLOWED = [
    (ITK_FILES[0], "import SimpleITK as sitk"),
    (MODULE_FILE, "from slicer.ScriptedLoadableModule import *"),
    (SLICER_FILE, "import slicer, vtk, qt, ctk\nfrom funet.worker import client"),
    (ENGINE_FILE, "import torch\nfrom torch import nn\nimport numpy as np\nnp.load('a.npy')"),
    (ENGINE_FILE, "def f():\n    import scipy.stats"),
    (ENGINE_FILE, "class A:\n    def f(self):\n        import monai"),
    (ENGINE_FILE, "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import scipy"),
    (ENGINE_FILE, "import safetensors.torch\nsafetensors.torch.load(data)"),
    (ENGINE_FILE, "import re\nre.compile('a')\nnp.load('a', allow_pickle=False)"),
    (ENGINE_FILE, "from .slicer import x\nfrom . import qt"),
    (ENGINE_FILE, "try:\n    x\nexcept OSError:\n    pass"),
    (ENGINE_FILE, "x = 1\n" * 400),
    (SCRIPT, "import scipy\nprint('done')"),
    (TEST, "import pickle\nprint('x')\ndef short():\n" + "    x = 1\n" * 59),
]


@pytest.mark.parametrize(("name", "source"), ALLOWED)
def test_what_is_allowed_is_let_pass(name: str, source: str) -> None:
    assert violations(source, name) == []


def test_torch_is_found_at_the_end_of_a_chain_of_imports() -> None:
    engine = {
        ENGINE + "__init__.py": "",
        ENGINE + "models.py": "from .networks import UNet",
        ENGINE + "networks.py": "from torch import nn",
        ENGINE + "client.py": "def f():\n    from .networks import UNet",
        ENGINE + "worker/__init__.py": "from ..models import Model",
        ENGINE + "worker/protocol.py": "import json",
    }
    route = heavy_routes(engine, "import os\nfrom funet.models import Model", SLICER_FILE)
    assert route == [f"{SLICER_FILE}:2: loads torch through funet.models → funet.networks → torch"]
    assert heavy_routes(engine, "from funet import client", SLICER_FILE) == []
    assert heavy_routes(engine, "def f():\n    from funet import models", SLICER_FILE)
    assert heavy_routes(engine, "import funet.worker.protocol", SLICER_FILE)
    engine[ENGINE + "networks.py"] = "import SimpleITK as sitk"
    (route,) = heavy_routes(engine, "from funet.models import Model", SLICER_FILE)
    assert route.endswith("loads SimpleITK through funet.models → funet.networks → SimpleITK")


@pytest.mark.parametrize("folder", ["work", "root", "home"])
def test_a_path_of_a_developers_machine_is_found(folder: str) -> None:
    assert local_paths(f"fine\nsee /{folder}/data for more\n'/{folder}/a'") == [2, 3]


def test_addresses_and_relative_paths_are_no_paths_of_a_machine() -> None:
    text = "https://example.org/home/page\n../work/x\nframe-work/root/y\nhome/ work/ /homes/a"
    assert local_paths(text) == []


def test_the_standard_streams_are_noticed() -> None:
    assert writes_to_the_console("import sys\nsys.stdout.write('x')")
    assert writes_to_the_console("import sys\nout = sys.stderr")
    assert not writes_to_the_console("import sys\nsys.exit(1)")


def test_this_file_lies_where_the_rules_expect_it() -> None:
    assert Path(__file__).resolve().is_relative_to(ROOT / "Testing")
