"""What a process does that must not load PyTorch, perhaps before the packages are installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import run_child, tiny_manifest, tiny_network

from funet.models.store import ModelStore

LIGHT_MODULES = (
    "funet.errors",
    "funet.images.geometry",
    "funet.images.preprocessing_settings",
    "funet.images.segmentations",
    "funet.models.active",
    "funet.models.fitting",
    "funet.models.identifiers",
    "funet.models.manifest",
    "funet.models.store",
    "funet.prediction.review",
    "funet.progress",
    "funet.worker.client",
    "funet.worker.handle",
    "funet.worker.protocol",
    "funet.worker.transport",
)

# The packages that the first argument names cannot be found, as if they were not installed.
REFUSE = """
import sys

class Refused:
    names = sys.argv[1].split(",")

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refused())
"""
ALL = "torch,safetensors,filelock,SimpleITK"
HEAVY = "torch,safetensors,SimpleITK"


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    store = ModelStore(tmp_path / "user", tmp_path / "shipped")
    first = store.publish(tiny_manifest(), tiny_network())
    store.publish(first.child(), tiny_network(1))
    return store


@pytest.mark.parametrize("name", LIGHT_MODULES)
def test_a_module_is_imported_without_the_packages_of_the_engine(name: str) -> None:
    run_child(f"{REFUSE}\nimport {name}", ALL)


def test_the_shipped_models_are_listed_without_the_packages_of_the_engine(tmp_path: Path) -> None:
    code = f"""{REFUSE}
from pathlib import Path
from funet.models.store import ModelStore

content = ModelStore(Path(sys.argv[2])).content()
assert not content.damaged, content.damaged
for manifest in content.models:
    print(manifest.id, manifest.network.num_classes, manifest.loss.name, manifest.weights.size)
"""
    lines = run_child(code, ALL, tmp_path).splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["hippocampus-t1", "3", "feedback"],
        ["midbrain-t1", "3", "feedback"],
    ]


def test_versions_are_managed_without_pytorch(store: ModelStore) -> None:
    code = f"""{REFUSE}
from pathlib import Path
from funet.models.store import ModelStore

store = ModelStore(Path(sys.argv[2]), Path(sys.argv[3]))
print(store.active("tiny").id, store.roll_back("tiny").id, store.activate("tiny.v2").id)
print(store.rename("tiny.v2", "Better").name, [own.id for own in store.lineage("tiny.v2")])
store.delete("tiny.v2")
print(store.active("tiny").id)
"""
    lines = run_child(code, HEAVY, store.user_folder, store.shipped_folder).splitlines()
    assert lines == ["tiny.v2 tiny tiny.v2", "Better ['tiny.v2', 'tiny']", "tiny"]


def test_a_change_without_filelock_is_refused_in_plain_words(store: ModelStore) -> None:
    code = f"""{REFUSE}
from pathlib import Path
from funet.errors import ModelError
from funet.models.store import ModelStore

store = ModelStore(Path(sys.argv[2]), Path(sys.argv[3]))
try:
    store.activate("tiny")
except ModelError as error:
    print(error)
"""
    assert "package filelock" in run_child(code, ALL, store.user_folder, store.shipped_folder)
    assert store.active("tiny").id == "tiny.v2"


def test_a_model_is_loaded_without_pytorchs_compiler() -> None:
    code = """
import sys
from funet.models.store import ModelStore
from funet.prediction.inference import Predictor

Predictor(ModelStore().load("midbrain-t1"), device="cpu")
print("torch._dynamo" in sys.modules)
"""
    assert run_child(code).split() == ["False"]
