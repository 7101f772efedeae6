"""Names in any script, long paths, and locales with other decimal points: everything works."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Shell
from image_files import save
from logic_tools import new_logic, open_runner
from scene_nodes import paint, volume_of
from sentences import assert_plain
from threshold_models import boxes, image, labels_of, publish
from tiny_models import run_child

from funet.images.volumes import read_label_map

from phantoms import axial_grid, oblique_grid

pytestmark = pytest.mark.case(33)

NAMES = [
    "é",
    "中文",
    "🧠",
    "two words",
    'it\'s "quoted" & $HOME;',
    "İıŞğ",
    "شريحة",
    "-o",
    "a.b.nii",
]
EVERYTHING = 'é 中文 🧠 it\'s "quoted" $HOME; %s {0} شريحة'
LOCALES = {"tr_TR.UTF-8": ",", "ar_SA.UTF-8": None}  # Turkey writes decimal commas
SUFFIXES = ("nii.gz", "nrrd", "mha", "nhdr")


def segmented(shell: Shell, path: Path, out: Path, suffix: str = "nii.gz") -> Path:
    words = ["--model", "boxes", "--output", out, "--device", "cpu", "--format", suffix]
    assert shell("segment", *words, "--", path) == 0, shell.err
    (made,) = out.iterdir()
    return made


@pytest.mark.parametrize("name", NAMES)
def test_files_folders_and_stores_may_have_any_name(
    name: str, tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FUNET_MODELS", str(folder / "models"))
    publish(folder / "models")
    path = save(Path(f"{name}.nrrd"), image(), axial_grid())
    made = segmented(shell, path, Path("out") / name, "seg.nrrd")
    assert made.name == f"{name}_boxes.seg.nrrd"
    np.testing.assert_array_equal(read_label_map(made).array, boxes())


def test_paths_of_thousands_of_characters_work(tmp_path: Path, shell: Shell) -> None:
    publish(shell.store)
    folder = tmp_path
    while len(str(folder)) < 3500:
        folder /= "long " * 40 + "x"
    folder.mkdir(parents=True)
    for suffix in SUFFIXES:
        path = save(folder / f"x.{suffix}", image(), oblique_grid())
        made = segmented(shell, path, folder / f"out {suffix}")
        label_map = read_label_map(made)
        assert label_map.geometry.matches(oblique_grid())


def test_a_result_whose_name_would_be_too_long_is_refused(tmp_path: Path, shell: Shell) -> None:
    publish(shell.store)
    path = save(tmp_path / f"{'x' * 247}.nii.gz", image(), axial_grid())
    words = ["--model", "boxes", "--output", tmp_path / "out", "--device", "cpu"]
    assert shell("segment", path, *words) == 2
    (said,) = [line for line in shell.err.splitlines() if "cannot be written" in line]
    assert_plain(said[said.index("/") :])


def test_models_scenes_and_the_temporary_folder_may_have_any_name(
    scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / EVERYTHING
    (folder / "temporary").mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(folder / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    publish(folder / "models")
    with open_runner() as runner:
        logic = new_logic(runner, folder / "models")
        volume_node = volume_of(scene, array=image(), name=EVERYTHING)
        node = logic.segment(volume_node, "boxes", device="cpu")
        np.testing.assert_array_equal(labels_of(node, volume_node), boxes())
        node.SetName(EVERYTHING)
        node.GetSegmentation().GetNthSegment(0).SetName(EVERYTHING)
        paint(node, node.GetSegmentation().GetNthSegmentID(0), volume_node, 0, 5)
        info = logic.trainNewModel(volume_node, node, EVERYTHING, epochs=1, device="cpu")
        assert info.name == EVERYTHING
        logic.exportModel(info.id, folder / f"{EVERYTHING}.zip")
        again = logic.importModel(folder / f"{EVERYTHING}.zip")
        assert (again.name, again.structures[0]) == (EVERYTHING, EVERYTHING)
    assert list((folder / "temporary").glob("funet-*")) == []


@pytest.fixture(scope="module")
def locale_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled locales, which most machines for tests lack."""
    if shutil.which("localedef") is None:
        pytest.skip("localedef, which compiles locales, is not installed")
    folder = tmp_path_factory.mktemp("locales")
    for name in LOCALES:
        source, charmap = name.split(".")
        done = subprocess.run(
            ["localedef", "-i", source, "-f", charmap, folder / name],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"the locale {name} cannot be compiled: {done.stderr.strip()[:200]}")
    return folder


_IN_EVERY_LOCALE = """
    import locale, os, sys
    from pathlib import Path
    import numpy as np
    import slicer
    from funet.cli import main
    from logic_tools import new_logic, open_runner
    from scene_nodes import new_scene, paint, volume_of
    from threshold_models import boxes, image, labels_of

    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        os.environ["LC_ALL"] = name
        locale.setlocale(locale.LC_ALL, "")  # as an application with a window does
        print(name, "|", locale.localeconv()["decimal_point"], sep="")
        words = ["--model", "boxes", "--device", "cpu", "--output", str(folder / name)]
        for suffix in ("nii.gz", "nrrd", "seg.nrrd"):
            images = [str(path) for path in sorted(folder.glob("x.*")) if ".raw" not in path.name]
            assert main(["segment", images[0], *words, "--format", suffix]) == 0
        for path in images:
            assert main(["segment", path, *words[:-1], str(folder / name / Path(path).name)]) == 0
        if name != sys.argv[2]:
            continue
        with open_runner() as runner:  # loading PyTorch takes a while
            slicer.mrmlScene = new_scene()
            logic = new_logic(runner, Path(os.environ["FUNET_MODELS"]))
            volume_node = volume_of(slicer.mrmlScene, array=image())
            node = logic.segment(volume_node, "boxes", device="cpu")
            np.testing.assert_array_equal(labels_of(node, volume_node), boxes())
            paint(node, node.GetSegmentation().GetNthSegmentID(0), volume_node, 0, 4)
            assert logic.correctedSlices(node) == (4,)
"""


def test_other_decimal_points_change_nothing(
    locale_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCPATH", str(locale_folder))
    monkeypatch.setenv("FUNET_MODELS", str(tmp_path / "models"))
    publish(tmp_path / "models")
    grid = oblique_grid()
    for suffix in SUFFIXES:
        save(tmp_path / f"x.{suffix}", image(grid), grid)
    said = run_child(_IN_EVERY_LOCALE, tmp_path, *LOCALES).splitlines()
    points = dict(line.split("|") for line in said if "|" in line)
    assert points.keys() == LOCALES.keys()
    for name, point in LOCALES.items():
        assert point is None or points[name] == point
        made = [path for path in (tmp_path / name).rglob("*") if path.is_file()]
        assert len(made) == 3 + len(SUFFIXES)
        for path in made:
            label_map = read_label_map(path)
            np.testing.assert_array_equal(label_map.array, boxes(grid))
            assert label_map.geometry.matches(grid)
