"""Images find their labels by name, and images of one person are known to be of one person."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import subject_grid, two_structures, write_labels, write_study

from funet.annotations.pairing import ImagePair, pair_images_with_labels, subject_names
from funet.errors import InputError


def touch(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def test_files_of_one_name_belong_together_whatever_their_format(tmp_path: Path) -> None:
    a, b = touch(tmp_path / "images", "a.b.nii.gz", "c.mha")
    label_a, label_b = touch(tmp_path / "labels", "a.b.seg.nrrd", "c.nii")
    pairing = pair_images_with_labels(tmp_path / "images", tmp_path / "labels")
    assert pairing.pairs == (ImagePair(a, label_a), ImagePair(b, label_b))
    assert pairing.lone_images == pairing.lone_labels == ()


def test_what_has_no_partner_is_reported(tmp_path: Path) -> None:
    _, lonely = touch(tmp_path / "images", "a.nii.gz", "b.nii.gz")
    _, unused = touch(tmp_path / "labels", "a.nii.gz", "c.nii.gz")
    pairing = pair_images_with_labels(tmp_path / "images", tmp_path / "labels")
    assert len(pairing.pairs) == 1
    assert pairing.lone_images == (lonely,)
    assert pairing.lone_labels == (unused,)


def test_folders_without_a_common_name_are_refused_with_an_example(tmp_path: Path) -> None:
    touch(tmp_path / "images", "a.nii.gz")
    touch(tmp_path / "labels", "a_label.nii.gz")
    with pytest.raises(InputError, match=r"No image .* named like a\.nii\.gz"):
        pair_images_with_labels(tmp_path / "images", tmp_path / "labels")


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "images", "a.nii.gz", "a.nrrd")
    touch(tmp_path / "labels", "a.nii.gz")
    with pytest.raises(InputError, match="have the same name"):
        pair_images_with_labels(tmp_path / "images", tmp_path / "labels")


@pytest.mark.parametrize("missing", ["images", "labels"])
def test_an_empty_folder_is_refused(tmp_path: Path, missing: str) -> None:
    write_study(tmp_path, 1)
    for path in (tmp_path / missing).iterdir():
        path.unlink()
    with pytest.raises(InputError, match="There is no image"):
        pair_images_with_labels(tmp_path / "images", tmp_path / "labels")


def test_single_files_of_one_name_are_a_pair(tmp_path: Path) -> None:
    write_study(tmp_path, 1)
    grid = subject_grid(0)
    other = write_labels(tmp_path / "sub-00.seg.nrrd", two_structures(grid), grid)
    pairing = pair_images_with_labels(tmp_path / "images" / "sub-00.nii.gz", other)
    assert [pair.labels for pair in pairing.pairs] == [other]


@pytest.mark.parametrize(
    ("names", "subjects"),
    [
        (["a.nii.gz", "b.nii.gz"], ["a", "b"]),
        (["ds1_sub-01_T1w.nii.gz", "ds1_sub-01_T2w.nii.gz"], ["ds1_sub-01"] * 2),
        (["sub-01_T1w.nii", "ds2_sub-01_T1w.nii"], ["sub-01", "ds2_sub-01"]),
        (["patient007_frame01.nii.gz", "patient007_frame12.nii.gz"], ["patient007"] * 2),
        (["Case_12_a.mha", "Case_13_a.mha"], ["Case_12", "Case_13"]),
        (["case_01_t1.nii.gz", "case_01_t2.nii.gz", "case-02.nii"], ["case_01"] * 2 + ["case-02"]),
        (["case_01_3dT1.nii.gz", "case_01_2.nii.gz"], ["case_01"] * 2),
        (["sub-01_ses-02_T1w.nii", "sub-01_20240131.nii.gz"], ["sub-01"] * 2),
        # A year, a site, or a batch comes before the number of the subject.
        (["case_2023_001.nii.gz", "case_2023_002.nii.gz"], ["case_2023_001", "case_2023_002"]),
        (["patient-3-014_a.nii", "patient-3-014_b.nii"], ["patient-3-014"] * 2),
        (["subject2.007_x.nii", "subject2.008.nii"], ["subject2.007", "subject2.008"]),
        (["case_012_0000.nii.gz", "case_012_0001.nii.gz"], ["case_012"] * 2),
        (["case_2023_1204_0001.nii"], ["case_2023_1204"]),
        (["patient_001_20230101.nii", "patient_001_20240615.nii"], ["patient_001"] * 2),
        (["patient001_2023-01-01_T1.nii", "patient001_2024-06-15_T1.nii"], ["patient001"] * 2),
        (["subject-12_230101.nii", "subject-12_240101.nii"], ["subject-12"] * 2),
        (["case_20230101_001.nii", "case_20230101_002.nii"],) * 1
        + (["case_20230101_001", "case_20230101_002"],),
        (["patient_1/001.nii", "patient_2/001.nii"], ["patient_1", "patient_2"]),
        (["hippocampus_001.nii.gz", "hippocampus_003.nii.gz"],) * 1
        + (["hippocampus_001", "hippocampus_003"],),
        (["p1/T1.nii.gz", "p2/T1.nii.gz"], ["p1/T1", "p2/T1"]),
        (
            ["sub-1/a/T1.nii.gz", "sub-1/b/T1.nii.gz", "sub-2/a/T1.nii.gz"],
            ["sub-1"] * 2 + ["sub-2"],
        ),
        (["a.nii.gz", "a.nii.gz"], ["a", "a"]),
    ],
)
def test_a_subject_is_known_by_the_names_of_its_images(
    names: list[str], subjects: list[str]
) -> None:
    assert subject_names([Path("data") / name for name in names]) == tuple(subjects)


def test_images_of_one_name_on_different_drives_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(paths: object) -> str:
        raise ValueError("Paths don't have the same drive")

    monkeypatch.setattr("os.path.commonpath", refuse)
    one, other = subject_names([Path("/c/t1.nii.gz"), Path("/d/t1.nii.gz")])
    assert one != other
