"""The demo writes what it promises, and 3D Slicer's own core opens its segmentations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import demo
import pytest
import SimpleITK as sitk
import slicer
import template


def shrunk(source: Path, target: Path) -> Path:
    """Every second voxel of an image, for a trial in a quarter of the time."""
    if not target.exists():
        sitk.WriteImage(sitk.ReadImage(str(source))[::2, ::2, ::2], str(target))
    return target


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, small = tmp_path_factory.mktemp("demo"), tmp_path_factory.mktemp("template")
    template_file = template.template_file

    @contextmanager
    def small_file(kind: str) -> Iterator[Path]:
        with template_file(kind) as path:
            yield shrunk(path, small / f"{kind}.nii.gz")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "template_file", small_file)
        patch.setattr(template, "template_file", small_file)
        patch.setattr(demo, "ANNOTATED", tuple(index // 2 for index in demo.ANNOTATED))
        patch.setattr(demo, "EPOCHS", 1)
        patch.setattr(demo, "STEPS", 2)
        assert demo.main(["--output", str(folder)]) == 0
    return folder


def test_the_demo_writes_segmentations_a_table_and_a_picture(results: Path) -> None:
    assert {path.name for path in results.iterdir() if path.is_file()} == {
        "MNI152_T1_brain-tissue_after.seg.nrrd",
        "MNI152_T1_brain-tissue_before.seg.nrrd",
        "MNI152_T1_midbrain-t1.seg.nrrd",
        "demo.png",
        "dice_on_slices_never_annotated.csv",
        "dice_on_slices_never_annotated.md",
        "made_by.json",
    }
    assert (results / "demo.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("MNI152_T1_midbrain-t1.seg.nrrd", ["Midbrain", "Substantia nigra"]),
        ("MNI152_T1_brain-tissue_after.seg.nrrd", ["Grey matter", "White matter"]),
    ],
)
def test_slicer_opens_a_segmentation_with_names_and_colours(
    results: Path, file: str, names: list[str]
) -> None:
    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(results / file))
    assert storage.ReadData(node)
    segmentation = node.GetSegmentation()
    segments = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    assert [segment.GetName() for segment in segments] == names
    assert len({tuple(segment.GetColor()) for segment in segments}) == len(names)
