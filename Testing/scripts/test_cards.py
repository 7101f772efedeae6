"""The model cards are what their command makes, say all they must, and harm no model."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import write_cards
from write_cards import CARD, MODELS, SECTIONS, TEXTS

from funet.models.archive import export_model, import_model
from funet.models.store import ModelStore

SHIPPED = ("hippocampus-t1", "midbrain-t1")
REMEDY = "run: python Training/write_cards.py"


def committed(name: str) -> str:
    return (MODELS / name / CARD).read_text(encoding="utf-8")


def body_of(card: str, section: str) -> str:
    return write_cards.read_sections(card)[section]


def described(folder: Path, name: str, **changes: object) -> Path:
    """The folder of a model with another description."""
    folder = folder / name
    folder.mkdir()
    record = json.loads((MODELS / name / "model.json").read_text(encoding="utf-8")) | changes
    (folder / "model.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_every_shipped_model_has_a_card_and_every_text_a_model() -> None:
    assert sorted(write_cards.cards()) == sorted(SHIPPED)
    assert sorted(path.stem for path in TEXTS.iterdir()) == sorted(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_committed_card_is_what_the_command_makes(name: str) -> None:
    assert committed(name) == write_cards.cards()[name], REMEDY


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_has_every_section_in_order(name: str) -> None:
    sections = write_cards.read_sections(committed(name))
    assert tuple(sections) == SECTIONS
    assert all(sections.values())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_shows_the_numbers_of_the_description(name: str) -> None:
    manifest = json.loads((MODELS / name / "model.json").read_text(encoding="utf-8"))
    results, training = (body_of(committed(name), part) for part in ("Results", "Training"))
    for metric in manifest["metrics"]:
        (row,) = (
            line
            for line in results.splitlines()
            if metric["data"] in line and f" {metric['structure']} " in line
        )
        assert f"| {metric['mean']:.4f} |" in row
        assert row.endswith(f"| {metric['count']} |")
    assert manifest["training"]["command"] in training
    assert manifest["training"]["versions"]["torch"] in training
    assert manifest["weights_sha256"] in body_of(committed(name), "Network")
    assert manifest["licence"] in body_of(committed(name), "Licence and credits")


@pytest.mark.parametrize("name", SHIPPED)
def test_no_result_is_typed_by_hand(name: str) -> None:
    sections = write_cards.read_sections((TEXTS / f"{name}.md").read_text(encoding="utf-8"))
    del sections["Data it learned from"]  # sizes of voxels may look like a result
    metrics = json.loads((MODELS / name / "model.json").read_text(encoding="utf-8"))["metrics"]
    numbers = {f"{m[key]:.{n}f}" for m in metrics for key in ("mean", "deviation") for n in (3, 4)}
    for body in sections.values():
        assert numbers.isdisjoint(re.findall(r"\d+\.\d+", body))


def test_a_card_follows_its_description(tmp_path: Path) -> None:
    metrics = json.loads((MODELS / "midbrain-t1" / "model.json").read_text("utf-8"))["metrics"]
    metrics[0] |= {"mean": 0.123456, "count": 7}
    folder = described(tmp_path, "midbrain-t1", metrics=metrics, licence="Terms of its own")
    card = write_cards.card(folder, (TEXTS / "midbrain-t1.md").read_text(encoding="utf-8"))
    assert "| 0.1235 |" in body_of(card, "Results")
    assert "Terms of its own." in body_of(card, "Licence and credits")


def test_a_card_says_in_which_precision_its_numbers_were_measured(tmp_path: Path) -> None:
    training = json.loads((MODELS / "midbrain-t1" / "model.json").read_text("utf-8"))["training"]
    folder = described(tmp_path, "midbrain-t1", training=training | {"precision": "float32"})
    card = write_cards.card(folder, (TEXTS / "midbrain-t1.md").read_text(encoding="utf-8"))
    assert "| measured in | float32 |" in body_of(card, "Training")


def test_a_single_subject_has_no_deviation(tmp_path: Path) -> None:
    one = {"data": "one head", "structure": "Midbrain", "name": "Dice"}
    one |= {"mean": 0.8, "deviation": 0.0, "count": 1}
    folder = described(tmp_path, "midbrain-t1", metrics=[one])
    card = write_cards.card(folder, (TEXTS / "midbrain-t1.md").read_text(encoding="utf-8"))
    assert "| one head | Midbrain | Dice | 0.8000 | – | 1 |" in body_of(card, "Results")


def test_the_midbrain_card_says_what_its_labels_are() -> None:
    assert "**silver**" in body_of(committed("midbrain-t1"), "How the labels were made")
    for credit in ("Allen Human Reference Atlas", "CIT168", "BigBrain", "SynthSeg", "ds002748"):
        assert credit in body_of(committed("midbrain-t1"), "Licence and credits")


def test_the_number_of_subjects_comes_from_the_split() -> None:
    counts = write_cards.counts_of(write_cards.Split(("a_1", "a_2", "b_1"), (), ("b_2",)))
    assert (counts["train_a"], counts["train_b"], counts["test_b"]) == (2, 1, 1)
    assert counts["validation_a"] == counts["test_a"] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [("## Praise\n\nIt is good.", "unknown sections"), ("## Input\n\nImages.", "nothing to say")],
)
def test_a_text_with_the_wrong_sections_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_cards.card(MODELS / "midbrain-t1", text)


def test_a_card_in_its_folder_harms_nothing(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "own", tmp_path / "shipped")
    shutil.copytree(MODELS / "hippocampus-t1", tmp_path / "shipped" / "hippocampus-t1")
    assert (store.find("hippocampus-t1") / CARD).is_file()
    assert store.load("hippocampus-t1").manifest.id == "hippocampus-t1"
    export_model(store.find("hippocampus-t1"), tmp_path / "model.zip")
    elsewhere = ModelStore(tmp_path / "others", tmp_path / "none")
    import_model(tmp_path / "model.zip", elsewhere)
    shutil.copyfile(MODELS / "hippocampus-t1" / CARD, tmp_path / "others" / "hippocampus-t1" / CARD)
    assert [manifest.id for manifest in elsewhere.list()] == ["hippocampus-t1"]
    assert not elsewhere.content().damaged
    elsewhere.delete("hippocampus-t1")
    assert elsewhere.list() == ()
    assert not (tmp_path / "others" / "hippocampus-t1").exists()
