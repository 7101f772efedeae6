"""The committed splits: no person is in two parts."""

from __future__ import annotations

import pytest
import train_hippocampus
import train_midbrain
from recipe import Recipe
from split import read_split


@pytest.mark.parametrize("recipe", [train_hippocampus.RECIPE, train_midbrain.RECIPE])
def test_no_person_is_in_two_parts(recipe: Recipe) -> None:
    split = read_split(recipe.split)
    train, validation, test = (
        {recipe.person(name) for name in part}
        for part in (split.train, split.validation, split.test)
    )
    assert train and validation and test
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_the_two_sides_of_a_person_are_known() -> None:
    person = train_hippocampus.RECIPE.person
    assert person("hippocampus_001") == person("hippocampus_002")
    assert len({person(f"hippocampus_{number:03d}") for number in (2, 3, 5, 219, 221)}) == 5
