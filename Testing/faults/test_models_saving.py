"""Whatever happens while a model is saved, the models that were there before are as they were."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Shell, one_sentence
from leftovers import snapshot
from logic_tools import new_logic
from refusals import refused
from scene_nodes import paint, volume_of
from threshold_models import image, publish
from tiny_models import (
    run_child,
    same_weights,
    tiny_manifest,
    tiny_network,
    tiny_samples,
)

from funet.errors import InputError
from funet.files import require_writable
from funet.models.archive import export_model, import_model
from funet.models.manifest import Manifest
from funet.models.model import save_model
from funet.models.store import ModelStore
from FUNetSegmentationLib.jobs.runner import JobRunner

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with a shipped model, "shipped", and a version of the user's own, "shipped.v2"."""
    save_model(tmp_path / "shipped" / "shipped", tiny_manifest("shipped"), tiny_network())
    store = ModelStore(tmp_path / "user" / "models", tmp_path / "shipped")
    publish_child(store, "shipped", 1)
    return store


def publish_child(store: ModelStore, parent: str, seed: int) -> Manifest:
    child = store.load(parent).manifest.child(training={"seed": seed})
    return store.publish(child, tiny_network(seed), tiny_samples())


def ids(store: ModelStore) -> list[str]:
    return [manifest.id for manifest in store.list()]


# Every call that changes the disk, or makes sure that it is on the disk, is a step.
KILLED_AT_EVERY_STEP = """
    import os, signal, sys
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from tiny_models import same_weights, tiny_network, tiny_samples
    from funet.models.model import load_samples_of
    from funet.models.store import ModelStore

    WRITES = os.O_WRONLY | os.O_RDWR
    CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}
    store = ModelStore(Path(sys.argv[1]), Path(sys.argv[2]))
    manifest, network, samples = store.load("shipped").manifest, tiny_network(3), tiny_samples(2)

    def publish_until(step, after):
        left = step

        def count():
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

        def watch(event, arguments):
            if event in CHANGES or (event == "open" and arguments[2] & WRITES):
                count()

        def synced(descriptor, sync=os.fsync):
            count()
            sync(descriptor)
            count()

        sys.addaudithook(watch)
        os.fsync = synced
        store.publish(manifest.child(), network, samples)
        os._exit(0)

    for step in range(1000):
        pid = os.fork()
        if pid == 0:
            publish_until(step, False)
        status = os.waitpid(pid, 0)[1]
        assert store.content().damaged == ()
        new = [model.id for model in store.list()][2:]
        for name in new:
            model = store.load(name)
            assert same_weights(model.network, network)
            assert len(load_samples_of(model)) == 2
        print(len(new), store.active("shipped").id not in ("shipped", "shipped.v2"))
        for name in new:
            store.delete(name)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
"""


@needs_fork
@pytest.mark.case(6)
def test_killed_at_any_step_of_saving_there_is_the_old_or_the_whole_new_version(
    store: ModelStore, untouched: Callable[..., None]
) -> None:
    untouched(store.shipped_folder, store.user_folder / "shipped.v2")
    output = run_child(KILLED_AT_EVERY_STEP, store.user_folder, store.shipped_folder)
    steps = output.splitlines()
    # Killed early there is no new version, later a whole one, at last it is the active one too.
    assert steps == sorted(steps)
    assert set(steps) == {"0 False", "1 False", "1 True"}
    assert len(steps) > 30
    assert ids(store) == ["shipped", "shipped.v2"]
    assert not list(store.user_folder.rglob(".tmp*"))


def mounted(*words: object) -> bool:
    """Mount something, which not every user may."""
    mount = shutil.which("mount")
    command = [str(mount), *map(str, words)]
    return mount is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for a few files: a file system in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mounted("-t", "tmpfs", "-o", "size=256k", "tmpfs", disk):
        pytest.skip("this user may not mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder with one known model that this user cannot write to."""
    folder = tmp_path / "read-only"
    publish(folder)
    folder.chmod(0o555)
    if not os.access(folder, os.W_OK):
        yield folder
        folder.chmod(0o755)
    elif mounted("--bind", folder, folder) and mounted("-o", "remount,bind,ro", folder):
        yield folder  # nor can the superuser
        subprocess.run(["umount", str(folder)], check=True)
    else:
        pytest.skip("this user can write to every folder of this system")


def fill(disk: Path, left: int) -> None:
    """Write a file that leaves about so many bytes free."""
    free = shutil.disk_usage(disk).free
    (disk / "other-files").write_bytes(bytes(max(0, free - left)))


@pytest.mark.case(7)
@pytest.mark.parametrize("left", [0, 4096, 12288, 20480])
def test_on_a_full_disk_nothing_is_lost_and_the_message_names_it(
    small_disk: Path, tmp_path: Path, untouched: Callable[..., None], left: int
) -> None:
    """However much room is left, it runs out: at the weights, the slices, the description."""
    store = ModelStore(small_disk / "models", tmp_path / "none")
    store.publish(tiny_manifest("earlier"), tiny_network(), tiny_samples())
    save_model(tmp_path / "other", tiny_manifest("other"), tiny_network(2))
    export_model(tmp_path / "other", tmp_path / "other.zip")
    large = tiny_samples(40)  # about 12 kB
    fill(small_disk, left)
    untouched(small_disk)
    with refused(rf"disk that holds {small_disk}.* is full.*free some space", InputError):
        store.publish(tiny_manifest("new"), tiny_network(1), large)
    assert ids(store) == ["earlier"]
    assert store.active("earlier").id == "earlier"
    if left == 0:
        with refused(rf"disk that holds {small_disk}.* is full", InputError):
            export_model(store.user_folder / "earlier", small_disk / "exported.zip")
        with refused(rf"disk that holds {small_disk}.* is full", InputError):
            import_model(tmp_path / "other.zip", store)


LIMITED = """
    import resource, sys
    from pathlib import Path
    from tiny_models import tiny_manifest, tiny_network, tiny_samples
    from funet.errors import FunetError
    from funet.models.store import ModelStore

    store = ModelStore(Path(sys.argv[1]), Path(sys.argv[2]))
    for limit in map(int, sys.argv[3:]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            store.publish(tiny_manifest("new"), tiny_network(1), tiny_samples(40))
        except FunetError as error:
            print(error)
"""


@pytest.mark.case(7)
@pytest.mark.skipif(sys.platform == "win32", reason="this system cannot limit file sizes")
def test_a_file_that_cannot_grow_is_a_full_disk(
    store: ModelStore, untouched: Callable[..., None]
) -> None:
    """Where no file system can be mounted, this still shows what a disk without room does."""
    untouched(store.user_folder, store.shipped_folder)
    said = run_child(LIMITED, store.user_folder, store.shipped_folder, 0, 1000, 11_000)
    assert said.count(f"The disk that holds {store.user_folder} is full") == 3


@pytest.mark.case(8)
def test_a_read_only_folder_is_found_and_named(read_only: Path, tmp_path: Path) -> None:
    for place in (read_only, read_only / "new" / "deeper"):
        with refused(f"{read_only} cannot be written to.*choose another", InputError):
            require_writable(place)
        with refused(str(read_only), InputError):
            ModelStore(place, tmp_path / "none").publish(tiny_manifest(), tiny_network())
    with refused(str(read_only), InputError):
        save_model(read_only / "model", tiny_manifest(), tiny_network())


@pytest.mark.case(8)
@pytest.mark.parametrize("command", ["segment", "train", "finetune", "finetune to", "evaluate"])
def test_a_command_finds_a_read_only_place_before_it_reads_an_image(
    shell: Shell, tmp_path: Path, read_only: Path, command: str
) -> None:
    """The images named do not exist: whoever looked at them first would say that."""
    model, none = read_only / "boxes", tmp_path / "none.nii.gz"
    folders = ["--images", tmp_path / "none", "--labels", tmp_path / "none"]
    case = ["--case", none, none, "all"]
    words = {
        "segment": ["--model", model, none, "--output", read_only / "o"],
        "train": ["--output", read_only / "new", "--name", "n", *case],
        "finetune": ["--model", model, *case, "--store", read_only / "store"],
        "finetune to": ["--model", model, *case, "--output", read_only / "new"],
        "evaluate": ["--model", model, *folders, "--output", read_only / "new"],
    }[command]
    assert shell(command.split()[0], *words) == 2
    assert f"{read_only} cannot be written to" in one_sentence(shell.err)
    assert shell.out == ""


@pytest.mark.case(8)
def test_the_logic_finds_a_read_only_place_before_it_learns(
    runner: JobRunner, scene: object, read_only: Path, untouched: Callable[..., None]
) -> None:
    logic = new_logic(runner, read_only)
    untouched(read_only)
    volume = volume_of(scene, array=image())
    segmentation = logic.segment(volume, "boxes", device="cpu")  # this needs no writing
    paint(segmentation, segmentation.GetSegmentation().GetNthSegmentID(0), volume, 0, 4)
    steps: list[object] = []
    for call in (
        lambda: logic.retrain(segmentation, device="cpu", metricCallback=steps.append),
        lambda: logic.trainNewModel(
            volume, segmentation, "New", device="cpu", metricCallback=steps.append
        ),
        lambda: logic.segmentFiles(["none.nii.gz"], read_only / "out", model="boxes"),
    ):
        with refused(f"{read_only} cannot be written to", InputError):
            call()
    assert steps == []


TWO_PUBLISH = """
    import os, sys
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from tiny_models import tiny_network
    from funet.models.store import ModelStore

    store = ModelStore(Path(sys.argv[1]), Path(sys.argv[2]))
    manifest = store.load("shipped").manifest

    def publish(first):
        for seed in range(first, first + 4):
            child = manifest.child(training={"seed": seed})
            os.write(1, (store.publish(child, tiny_network(seed)).id + "\\n").encode())
        os._exit(0)

    children = []
    for first in (100, 200):
        children.append(os.fork())
        if children[-1] == 0:
            publish(first)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
"""


@needs_fork
@pytest.mark.case(17)
def test_two_processes_that_publish_at_once_lose_nothing(
    store: ModelStore, untouched: Callable[..., None]
) -> None:
    untouched(store.shipped_folder, store.user_folder / "shipped.v2")
    names = run_child(TWO_PUBLISH, store.user_folder, store.shipped_folder).split()
    assert sorted(ids(store)) == sorted(["shipped", "shipped.v2", *names])
    seeds = set()
    for name in names:
        model = store.load(name)
        seed = model.manifest.training["seed"]
        assert isinstance(seed, int)
        assert same_weights(model.network, tiny_network(seed))
        seeds.add(seed)
    assert seeds == {*range(100, 104), *range(200, 204)}
    assert store.active("shipped").id == "shipped.v10"


@pytest.mark.case(17)
def test_a_process_that_holds_the_lock_for_ever_is_named_and_nothing_is_lost(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(store.user_folder)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store.user_folder / ".lock")], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        monkeypatch.setattr("funet.models.locking._LOCK_SECONDS", 0.2)
        with refused(f"Another program has been changing the models in {store.user_folder}"):
            publish_child(store, "shipped", 2)
    finally:
        holder.kill()
        holder.communicate()
    assert snapshot(store.user_folder) == before
    # The lock dies with its holder.
    assert publish_child(store, "shipped", 2).id == "shipped.v3"


HOLDER = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""
