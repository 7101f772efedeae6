"""The demo writes what it promises, and 3D Slicer's own core opens its segmentations."""

from __future__ import annotations

from pathlib import Path

import demo
import pytest
import slicer


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
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
