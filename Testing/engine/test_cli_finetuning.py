"""Which model funet finetune goes on from, and where the new version goes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import Shell, image, labels, one_sentence, train_words
from studies import content

from funet.models.model import load_model
from funet.models.store import ModelStore


@pytest.fixture
def teach(shell: Shell, study: Path) -> object:
    """Teaches a model two slices of a subject, quickly."""

    def run(model: object, subject: int, *more: object) -> int:
        case = ("--case", image(study, subject), labels(study, subject), "5,6")
        return shell("finetune", "--model", model, *case, "--steps", 1, "--device", "cpu", *more)

    return run


def test_a_folder_beside_the_store_becomes_a_family_of_its_own(
    shell: Shell, study: Path, boxes_model: Path, teach: object, tmp_path: Path
) -> None:
    assert shell(*train_words(study, tmp_path / "namesake", "--epochs", 1, "--seed", 5)) == 0
    assert shell("models", "import", boxes_model) == 0
    assert teach("two-boxes", 3) == 0
    before = content(tmp_path / "namesake")

    assert teach(tmp_path / "namesake", 3) == 0
    assert "is among your models as two-boxes-2" in shell.err
    assert "The new version is two-boxes-2.v2." in shell.out
    store = ModelStore(shell.store)
    assert store.active("two-boxes").id == "two-boxes.v2"
    assert store.roll_back("two-boxes-2").id == "two-boxes-2"
    assert content(tmp_path / "namesake") == before
    adopted, original = load_model(shell.store / "two-boxes-2"), load_model(tmp_path / "namesake")
    assert adopted.manifest.weights == original.manifest.weights


def test_a_folder_whose_id_is_free_keeps_it(shell: Shell, boxes_model: Path, teach: object) -> None:
    assert teach(boxes_model, 3) == 0
    assert "The new version is two-boxes.v2." in shell.out
    assert sorted(
        one.id for one in ModelStore(shell.store).list() if one.family == "two-boxes"
    ) == [
        "two-boxes",
        "two-boxes.v2",
    ]
    assert teach(shell.store / "two-boxes.v2", 2) == 0, "this folder is in the store"
    assert "among your models" not in shell.err
    assert "The new version is two-boxes.v3." in shell.out
    assert shell("models", "roll-back", "two-boxes") == 0


def test_a_new_folder_leaves_the_store_alone(
    shell: Shell, boxes_model: Path, teach: object, tmp_path: Path
) -> None:
    assert teach(boxes_model, 3, "--output", tmp_path / "new") == 0
    assert not shell.store.exists()


def test_a_namesake_of_the_parent_is_not_said_to_be_missing(
    shell: Shell, study: Path, boxes_model: Path, teach: object, tmp_path: Path
) -> None:
    assert shell("models", "import", boxes_model) == 0
    assert teach("two-boxes", 3) == 0
    shutil.rmtree(shell.store / "two-boxes")
    assert shell("models", "roll-back", "two-boxes") == 2
    assert "its parent two-boxes is not here any more" in one_sentence(shell.err)
    assert shell(*train_words(study, shell.store / "two-boxes", "--epochs", 1, "--seed", 5)) == 0
    assert shell("models", "roll-back", "two-boxes") == 2
    assert "the model two-boxes that is here is not its parent" in one_sentence(shell.err)


def test_who_goes_on_from_an_earlier_version_hears_of_the_corrections_of_later_ones(
    shell: Shell, boxes_model: Path, teach: object
) -> None:
    assert shell("models", "import", boxes_model) == 0
    assert teach("two-boxes", 3) == 0
    hint = "name two-boxes@active to build on it"
    assert hint not in shell.err
    assert teach("two-boxes@active", 2) == 0
    assert hint not in shell.err
    assert teach("two-boxes.v2", 1) == 0
    assert "two-boxes.v3 is in use and keeps corrections that the new version will not" in shell.err
    assert hint in shell.err
    assert teach("two-boxes", 1, "--json") == 0
    assert any(hint in one["text"] for one in shell.objects("note"))


def test_an_earlier_version_in_use_has_nothing_to_tell(
    shell: Shell, boxes_model: Path, teach: object
) -> None:
    assert shell("models", "import", boxes_model) == 0
    assert teach("two-boxes", 3) == 0
    assert shell("models", "roll-back", "two-boxes") == 0
    assert teach("two-boxes", 2) == 0
    assert "@active" not in shell.err
