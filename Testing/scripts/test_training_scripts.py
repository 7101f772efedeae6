"""The scripts that make the shipped models run from data to a model folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import train_hippocampus
import train_midbrain
from recipe import Recipe, run
from split import read_split

from funet.images.volumes import read_volume
from funet.models.fitting import extent_of
from funet.models.model import load_model


@pytest.mark.parametrize("recipe", [train_hippocampus.RECIPE, train_midbrain.RECIPE])
def test_a_recipe_makes_a_model_with_measured_numbers(
    recipe: Recipe, shared_data: Path, tmp_path: Path
) -> None:
    short = replace(recipe, config=replace(recipe.config, steps_per_epoch=1, batch_size=2))
    data = shared_data / recipe.split
    words = ["--subjects", "1", "--epochs", "1", "--output", str(tmp_path / "models")]
    words += ["--checkpoint", str(tmp_path), "--data", str(data)]
    assert run(short, words) == 0
    manifest = load_model(tmp_path / "models" / recipe.id).manifest
    assert manifest.segments == recipe.segments
    assert {metric.structure for metric in manifest.metrics} == {s.name for s in recipe.segments}
    assert manifest.training["subjects"] == [read_split(recipe.split).train[0]]
    assert "shared" not in str(manifest.training)
    low, high = extent_of(manifest)
    image = read_volume(data / "images" / f"{read_split(recipe.split).train[0]}.nii.gz")
    assert low <= image.geometry.largest_side <= high


@pytest.mark.parametrize("name", ["hippocampus", "midbrain"])
def test_no_subject_is_in_two_parts_of_a_split(name: str) -> None:
    split = read_split(name)
    parts = [set(split.train), set(split.validation), set(split.test)]
    assert sum(len(part) for part in parts) == len(set.union(*parts))
    assert all(parts)
