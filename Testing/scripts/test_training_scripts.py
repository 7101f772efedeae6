"""The scripts that make the shipped models run from data to a model folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import train_hippocampus
import train_midbrain
from recipe import Recipe, run
from split import read_split

from funet.images.tilting import tilts_about
from funet.images.volumes import read_volume
from funet.models.fitting import extent_of
from funet.models.model import Model, load_model, load_samples_of


def trial(recipe: Recipe, data: Path, folder: Path, *more: str) -> Model:
    """Run a recipe on one subject of each part, for a single step."""
    short = replace(recipe, config=replace(recipe.config, steps_per_epoch=1, batch_size=2))
    words = ["--subjects", "1", "--epochs", "1", "--output", str(folder / "models")]
    words += ["--checkpoint", str(folder), "--data", str(data / recipe.split), *more]
    assert run(short, words) == 0
    return load_model(folder / "models" / recipe.id)


@pytest.mark.parametrize("recipe", [train_hippocampus.RECIPE, train_midbrain.RECIPE])
def test_a_recipe_makes_a_model_with_measured_numbers(
    recipe: Recipe, shared_data: Path, tmp_path: Path
) -> None:
    manifest = trial(recipe, shared_data, tmp_path).manifest
    assert manifest.segments == recipe.segments
    assert {metric.structure for metric in manifest.metrics} == {s.name for s in recipe.segments}
    assert manifest.training["subjects"] == [read_split(recipe.split).train[0]]
    assert "shared" not in str(manifest.training)
    low, high = extent_of(manifest)
    image = read_volume(
        shared_data / recipe.split / "images" / f"{read_split(recipe.split).train[0]}.nii.gz"
    )
    assert low <= image.geometry.largest_side <= high


def test_all_but_the_weights_can_be_made_again(shared_data: Path, tmp_path: Path) -> None:
    recipe = train_hippocampus.RECIPE
    straight = trial(replace(recipe, tilts=(), tilted=None), shared_data, tmp_path)
    assert len(load_samples_of(straight)) == recipe.phantoms
    renewed = trial(recipe, shared_data, tmp_path, "--keep-weights")
    views = len(tilts_about(recipe.tilts))
    of_each_view = recipe.phantoms // views
    assert len(load_samples_of(renewed)) == recipe.phantoms + views * of_each_view
    assert (straight.manifest.tilts, renewed.manifest.tilts) == ((), recipe.tilts)
    assert renewed.manifest.weights == straight.manifest.weights
    assert renewed.manifest.training == straight.manifest.training
    assert renewed.manifest.metrics != straight.manifest.metrics
