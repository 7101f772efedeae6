"""Cross-validation of a recipe: each subject is measured once, by a model without that person."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cross_validate
import pytest
import train_hippocampus
from split import read_split

from funet.errors import InputError

RECIPE = train_hippocampus.RECIPE
SUBJECTS = [name for part in vars(read_split("hippocampus")).values() for name in part]


@pytest.mark.parametrize("seed", [0, 1])
def test_every_subject_is_tested_once_by_a_model_without_that_person(seed: int) -> None:
    parts = cross_validate.folds(RECIPE, SUBJECTS, 5, seed)
    assert sorted(name for part in parts for name in part.test) == sorted(SUBJECTS)
    for part in parts:
        everybody = (*part.train, *part.validation, *part.test)
        assert sorted(everybody) == sorted(SUBJECTS)
        persons = [set(map(RECIPE.person, one)) for one in vars(part).values()]
        assert all(persons)
        assert sum(map(len, persons)) == len(set(map(RECIPE.person, everybody)))


def test_folds_are_the_same_again_and_others_with_another_seed() -> None:
    first, again, other = (cross_validate.folds(RECIPE, SUBJECTS, 5, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe of a single step for each model."""
    config = replace(RECIPE.config, steps_per_epoch=1, batch_size=2)
    recipe = replace(RECIPE, config=config, tilts=())
    monkeypatch.setitem(cross_validate.RECIPES, RECIPE.id, recipe)


def run(data: Path, folder: Path, *more: str) -> dict:
    words = [RECIPE.id, "--data", str(data / "hippocampus"), "--epochs", "1", "--folds", "2"]
    words += ["--subjects", "6", "--checkpoint", str(folder), "--output", str(folder), *more]
    assert cross_validate.main(words) == 0
    return json.loads((folder / f"cross_validation_{RECIPE.id}.json").read_text("utf-8"))


def test_a_run_measures_all_and_goes_on_where_it_was(
    short: None, shared_data: Path, tmp_path: Path
) -> None:
    record = run(shared_data, tmp_path)
    measured = {one["subject"]: one["dice"] for one in record["records"]}
    assert len(measured) == len(record["records"]) == record["subjects"] == 6
    assert all(0 <= value <= 1 for one in measured.values() for value in one.values())
    assert str(shared_data) not in json.dumps(record)
    killed = record | {"records": [one for one in record["records"] if one["fold"] == 0]}
    (tmp_path / f"cross_validation_{RECIPE.id}.json").write_text(json.dumps(killed), "utf-8")
    assert run(shared_data, tmp_path)["records"] == record["records"]
    with pytest.raises(InputError, match="seed = 0, not 1"):
        run(shared_data, tmp_path, "--seed", "1")
