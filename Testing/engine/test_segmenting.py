"""Many files, one model: every label map on its image's grid, and no bad file stops the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from studies import MODEL_SEGMENTS, content, subject_grid, subject_volume, write_image
from tiny_models import tiny_manifest, tiny_network

from funet.errors import Cancelled, InputError
from funet.images.preprocessing_settings import Preprocessing
from funet.images.volumes import Volume, read_label_map, read_volume
from funet.models.model import Model
from funet.prediction.inference import Predictor
from funet.prediction.segmenting import FileOutcome, expand_inputs, segment_files
from funet.progress import CancelToken, Progress

from phantoms import all_storages


@pytest.fixture(scope="module")
def model() -> Model:
    manifest = tiny_manifest(segments=MODEL_SEGMENTS, preprocessing=Preprocessing())
    return Model(manifest, tiny_network().eval())


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    return [
        write_image(tmp_path / "images" / f"sub-{n:02}.nii.gz", subject_volume(n)) for n in range(3)
    ]


def segment(paths: list[Path], model: Model, folder: Path, **options: object) -> list[FileOutcome]:
    return list(segment_files(paths, model, folder, device="cpu", **options))


def statuses(outcomes: list[FileOutcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def test_files_folders_and_patterns_are_sorted_and_each_taken_once(images: list[Path]) -> None:
    folder = images[0].parent
    everything = expand_inputs([str(images[2]), str(folder), str(folder / "*-00.nii.gz")])
    assert everything == tuple(images)
    assert expand_inputs([str(folder / "sub-0[12]*")]) == tuple(images[1:])


def test_one_file_named_in_two_ways_is_taken_once(
    images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(images[0].parent)
    assert len(expand_inputs([images[0].name, str(images[0])])) == 1


def test_segmentations_in_a_folder_are_no_images(images: list[Path]) -> None:
    drawn = images[0].with_name("sub-00.seg.nrrd")
    drawn.write_bytes(b"")
    assert expand_inputs([str(drawn.parent)]) == tuple(images)
    assert expand_inputs([str(drawn.parent / "*")]) == tuple(images)
    assert expand_inputs([str(drawn)]) == (drawn,)


@pytest.mark.parametrize("argument", ["empty", "nothing*.nii.gz", ""])
def test_a_folder_without_images_and_a_pattern_without_match_are_refused(
    tmp_path: Path, argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(InputError):
        expand_inputs([argument])


def test_nothing_to_segment_is_refused() -> None:
    with pytest.raises(InputError, match="No image is given"):
        expand_inputs([])


def test_a_missing_file_is_kept_for_its_turn(images: list[Path]) -> None:
    assert expand_inputs(["missing.nii.gz", str(images[0])]) == (images[0], Path("missing.nii.gz"))


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "seg.nrrd"])
def test_label_maps_are_named_after_image_and_model_and_lie_on_the_images_grid(
    tmp_path: Path, model: Model, suffix: str
) -> None:
    grids = list(all_storages(subject_grid(0)))[::7]
    paths = [
        write_image(tmp_path / f"image.{n}.nii.gz", subject_volume(n, grid))
        for n, grid in enumerate(grids)
    ]
    outcomes = segment(paths, model, tmp_path / "out", suffix=suffix)
    assert statuses(outcomes) == ["done"] * len(grids)
    for number, (path, outcome) in enumerate(zip(paths, outcomes, strict=True)):
        assert outcome.output == tmp_path / "out" / f"image.{number}_tiny.{suffix}"
        result = read_label_map(outcome.output)
        assert result.geometry.matches(read_volume(path).geometry)
        assert result.array.any()
        named = tuple(segment.name for segment in result.segments)
        assert named == (("Large", "Small") if suffix == "seg.nrrd" else ())


def test_a_bad_file_fails_and_the_rest_is_done(
    tmp_path: Path, images: list[Path], model: Model
) -> None:
    text = tmp_path / "images" / "notes.nii.gz"
    text.write_text("this is no image")
    missing = tmp_path / "images" / "missing.nii.gz"
    outcomes = segment([text, images[0], missing, images[1]], model, tmp_path / "out")
    assert statuses(outcomes) == ["failed", "done", "failed", "done"]
    for outcome in (outcomes[0], outcomes[2]):
        assert outcome.output is None
        assert outcome.input.name in outcome.message
        assert outcome.message.endswith(".")
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_where_everything_fails_no_output_folder_appears(tmp_path: Path, model: Model) -> None:
    outcomes = segment([tmp_path / "missing.nii.gz"], model, tmp_path / "out")
    assert statuses(outcomes) == ["failed"]
    assert not (tmp_path / "out").exists()


def test_voxels_that_are_not_numbers_are_noted(tmp_path: Path, model: Model) -> None:
    volume = subject_volume(0)
    array = volume.array.copy()
    array[0, 0, :3] = np.nan
    # ITK itself turns them into zeros when it reads NIfTI files.
    path = write_image(tmp_path / "holes.mha", replace(volume, array=array))
    (outcome,) = segment([path], model, tmp_path / "out")
    assert outcome.status == "done"
    assert any("3 voxels of holes" in note for note in outcome.notes)


def test_resuming_skips_what_is_there_and_does_the_rest(
    tmp_path: Path, images: list[Path], model: Model
) -> None:
    segment(images[1:2], model, tmp_path / "out")
    before = content(tmp_path / "out")
    (tmp_path / "out" / "sub-01_tiny.nii.gz").write_bytes(b"edited by hand")
    outcomes = segment(images, model, tmp_path / "out", resume=True)
    assert {o.input.name[:6]: o.status for o in outcomes} == {
        "sub-00": "done",
        "sub-01": "skipped",
        "sub-02": "done",
    }
    assert (tmp_path / "out" / "sub-01_tiny.nii.gz").read_bytes() == b"edited by hand"
    segment(images, model, tmp_path / "out")
    assert content(tmp_path / "out")["sub-01_tiny.nii.gz"] == before["sub-01_tiny.nii.gz"]


def test_resuming_does_not_take_the_label_map_of_another_image_for_this_ones(
    tmp_path: Path, model: Model
) -> None:
    first, second = (tmp_path / name / "t1.nii.gz" for name in ("s1", "s2"))
    write_image(first, subject_volume(0))
    write_image(second, subject_volume(1))  # a little elsewhere in the patient
    (done,) = segment([first], model, tmp_path / "out")
    (failed,) = segment([second], model, tmp_path / "out", resume=True)
    assert (failed.status, failed.output) == ("failed", None)
    assert "belongs to another image" in failed.message
    (skipped,) = segment([first], model, tmp_path / "out", resume=True)
    assert (skipped.status, skipped.output) == ("skipped", done.output)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: no memory")])
def test_an_image_for_which_there_is_no_memory_fails_and_the_rest_is_done(
    images: list[Path], model: Model, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail_for_the_first(path: Path) -> Volume:
        if path == images[0]:
            raise error
        return read_volume(path)

    monkeypatch.setattr("funet.prediction.segmenting.read_volume", fail_for_the_first)
    outcomes = segment(images, model, images[0].parent / "out")
    assert statuses(outcomes) == ["failed", "done", "done"]
    assert "The memory does not hold" in outcomes[0].message


def images_at(folder: Path, *names: str) -> list[Path]:
    return [write_image(folder / name, subject_volume(0)) for name in sorted(names)]


def output_names(outcomes: list[FileOutcome]) -> list[str]:
    return [outcome.output.name for outcome in outcomes]


def test_images_with_the_same_name_are_told_apart_by_their_folders(
    tmp_path: Path, model: Model
) -> None:
    paths = images_at(tmp_path, "s1/anat/t1.nii.gz", "s1/anat/t2.nii.gz", "s2/anat/T1.mha")
    expected = ["s1_t1_tiny.nii.gz", "t2_tiny.nii.gz", "s2_T1_tiny.nii.gz"]
    assert output_names(segment(paths, model, tmp_path / "out")) == expected
    again = segment(paths, model, tmp_path / "out", resume=True)
    assert (statuses(again), output_names(again)) == (["skipped"] * 3, expected)


def test_as_many_folders_are_named_as_tell_the_images_apart(tmp_path: Path, model: Model) -> None:
    paths = images_at(tmp_path, "s1/a/x/t1.mha", "s1/b/x/t1.mha", "s2/b/x/t1.mha")
    assert output_names(segment(paths, model, tmp_path / "out")) == [
        "s1_a_t1_tiny.nii.gz",
        "s1_b_t1_tiny.nii.gz",
        "s2_b_t1_tiny.nii.gz",
    ]


@pytest.mark.parametrize("names", [("sub.mha", "SUB.nrrd"), ("a/t1.mha", "b/t1.mha", "a_t1.mha")])
def test_images_that_no_folder_tells_apart_are_refused_before_the_work(
    tmp_path: Path, model: Model, names: tuple[str, ...]
) -> None:
    paths = images_at(tmp_path, *names)
    with pytest.raises(InputError, match="would both be written to"):
        segment_files(paths, model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, images: list[Path], model: Model
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a folder"):
        segment_files(images, model, tmp_path / "file" / "out")


def test_an_unknown_format_is_refused_before_the_work(
    tmp_path: Path, images: list[Path], model: Model
) -> None:
    with pytest.raises(InputError, match="cannot be written as png"):
        segment_files(images, model, tmp_path / "out", suffix="png")


def test_a_folder_segmented_into_itself_twice_gets_no_label_maps_of_label_maps(
    images: list[Path], model: Model
) -> None:
    folder = images[0].parent
    for _ in range(2):
        outcomes = segment(list(expand_inputs([str(folder)])), model, folder)
        assert [outcome.input for outcome in outcomes] == images
    assert len(list(folder.iterdir())) == 2 * len(images)
    outcomes = segment(list(expand_inputs([str(folder)])), model, folder, suffix="nrrd")
    assert [outcome.input for outcome in outcomes] == images
    assert len(list(folder.iterdir())) == 3 * len(images)


def test_progress_covers_all_files_and_tells_the_time_left(
    tmp_path: Path, images: list[Path], model: Model
) -> None:
    seen: list[Progress] = []
    segment(images, model, tmp_path / "out", on_progress=seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0 and fractions[-1] == 1
    assert any(0.3 < fraction < 0.7 for fraction in fractions)
    assert all(progress.seconds_left is not None for progress in seen if progress.fraction > 0)
    assert any("2 of 3" in progress.message for progress in seen)


def test_a_cancel_keeps_what_is_finished_and_leaves_nothing_half_done(
    tmp_path: Path, images: list[Path], model: Model
) -> None:
    cancel = CancelToken()
    outcomes = segment_files(images, model, tmp_path / "out", device="cpu", cancel=cancel)
    assert next(outcomes).status == "done"
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(outcomes)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sub-00_tiny.nii.gz"]


def test_a_ready_predictor_gives_the_same_labels(
    tmp_path: Path, images: list[Path], model: Model
) -> None:
    segment(images, model, tmp_path / "a")
    list(segment_files(images, Predictor(model, device="cpu"), tmp_path / "b"))
    assert content(tmp_path / "a") == content(tmp_path / "b")
