"""The model manager of the panel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import host
import pytest
import slicer
from panel_tools import Desk

FOLDER_KEY = "FUNetSegmentation/ModelsFolder"


@pytest.fixture(autouse=True)
def _attribute_style() -> None:
    host.use_attribute_style(__name__)


@pytest.fixture
def desk(desk: Desk) -> Iterator[Desk]:
    """The panel; no folder of models is remembered afterwards."""
    yield desk
    slicer.app.userSettings().remove(FOLDER_KEY)


def choose_model(desk: Desk, name: str) -> None:
    table = desk.ui.modelsTable
    names = [table.item(row, 0).text() for row in range(table.rowCount)]
    table.setCurrentCell(names.index(name), 0)
    host.spin()
    desk.check_buttons()


def names(desk: Desk) -> list[str]:
    return [row[0] for row in desk.rows("modelsTable")]


def test_own_and_shipped_models_are_listed_and_shipped_ones_stay(desk: Desk) -> None:
    assert "Boxes axial" in names(desk)
    shipped = [name for name in names(desk) if name != "Boxes axial"]
    assert shipped
    choose_model(desk, shipped[0])
    assert not desk.ui.deleteModelButton.enabled
    assert "came with the extension" in desk.ui.deleteModelButton.toolTip
    assert "Structures:" in desk.ui.modelDescriptionLabel.text


def test_use_chooses_the_model_above(desk: Desk) -> None:
    choose_model(desk, "Boxes axial")
    if desk.ui.activateModelButton.enabled:
        desk.press("activateModelButton")
    assert desk.ui.modelSelector.currentText == "Boxes axial"
    assert not desk.ui.activateModelButton.enabled


def test_renaming_happens_in_the_list(desk: Desk) -> None:
    choose_model(desk, "Boxes axial")
    desk.press("renameModelButton")
    table = desk.ui.modelsTable
    table.item(table.currentRow(), 0).setText("Kästchen 中")
    host.spin()
    assert "Kästchen 中" in names(desk)
    assert desk.ui.modelSelector.findText("Kästchen 中") >= 0
    choose_model(desk, "Kästchen 中")
    desk.press("renameModelButton")
    table.item(table.currentRow(), 0).setText("  ")
    host.spin()
    assert desk.status
    assert "Kästchen 中" in names(desk)


def test_deleting_takes_a_second_click(desk: Desk) -> None:
    choose_model(desk, "Boxes axial")
    desk.press("deleteModelButton")
    assert desk.ui.deleteModelButton.text == "Really delete?"
    assert "Boxes axial" in names(desk)
    desk.press("deleteModelButton")
    assert "Boxes axial" not in names(desk)
    assert desk.ui.modelSelector.findText("Boxes axial") < 0
    assert desk.ui.deleteModelButton.text == "Delete"


def test_the_chosen_row_stays_with_its_model_when_others_come_before_it(segmented: Desk) -> None:
    desk = segmented
    desk.add_cores()
    choose_model(desk, "Cores")
    row = desk.ui.modelsTable.currentRow()
    desk.parameters.steps = 2
    desk.press_and_wait("retrainButton")
    assert desk.ui.modelsTable.currentRow() > row, "it stayed where it was"
    desk.press("deleteModelButton")
    desk.press("deleteModelButton")
    assert "“Cores” is deleted" in desk.status


def test_choosing_another_row_forgets_the_first_click(desk: Desk) -> None:
    choose_model(desk, "Boxes axial")
    desk.press("deleteModelButton")
    choose_model(desk, next(name for name in names(desk) if name != "Boxes axial"))
    assert desk.ui.deleteModelButton.text == "Delete"


def test_export_and_import(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from FUNetSegmentationLib.panel import file_dialogs

    path = str(tmp_path / "boxes.zip")
    monkeypatch.setattr(file_dialogs, "file_to_save", lambda *_: path)
    monkeypatch.setattr(file_dialogs, "file_to_open", lambda *_: path)
    choose_model(desk, "Boxes axial")
    said = desk.press_and_wait("exportModelButton")
    assert path in said
    before = len(names(desk))
    desk.press("deleteModelButton")
    desk.press("deleteModelButton")
    assert len(names(desk)) == before - 1
    said = desk.press_and_wait("importModelButton")
    assert "is imported" in said, said
    assert "Boxes axial" in names(desk)


@pytest.mark.parametrize(("typed", "chosen"), [("boxes", "boxes.zip"), ("boxes.v2", "boxes.v2")])
def test_a_name_without_a_suffix_gets_one(
    qt: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, chosen: str
) -> None:
    from FUNetSegmentationLib.panel import file_dialogs

    def answer(dialog: Any) -> str:
        dialog.selectFile(str(tmp_path / typed))
        return str(dialog.selectedFiles()[0])

    monkeypatch.setattr(file_dialogs, "_answer", answer)
    path = file_dialogs.file_to_save(None, "Export", "a.zip", "Models (*.zip)", "zip")
    assert path == str(tmp_path / chosen)


def test_a_model_is_not_exported_to_where_import_does_not_look(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from FUNetSegmentationLib.panel import file_dialogs

    path = tmp_path / "boxes.v2"
    monkeypatch.setattr(file_dialogs, "file_to_save", lambda *_: str(path))
    choose_model(desk, "Boxes axial")
    assert "does not end in .zip" in desk.press_and_wait("exportModelButton")
    assert not path.exists()


def test_a_damaged_model_is_shown_and_can_only_be_deleted(desk: Desk, models: Path) -> None:
    (models / "boxes" / "model.json").write_text("{", encoding="utf-8")
    desk.widget.panel.reload_models()
    choose_model(desk, "boxes")
    assert desk.ui.deleteModelButton.enabled
    assert not desk.ui.exportModelButton.enabled
    assert desk.ui.modelSelector.findText("boxes") < 0


def type_folder(desk: Desk, text: str) -> Any:
    """Type at the end of the folder of the models; the line in which it stands."""
    line = desk.ui.modelsFolderPathEdit.comboBox().lineEdit()
    line.end(False)
    for character in text:
        line.insert(character)
    host.spin()
    return line


def stored_folder() -> str:
    return slicer.app.userSettings().value(FOLDER_KEY)


def test_another_folder_of_models(desk: Desk, tmp_path: Path) -> None:
    desk.ui.modelsFolderPathEdit.currentPath = str(tmp_path / "elsewhere")
    host.spin()
    assert "Boxes axial" not in names(desk)
    assert stored_folder() == str(tmp_path / "elsewhere")
    desk.ui.modelsFolderPathEdit.currentPath = ""
    host.spin()
    assert "Boxes axial" in names(desk)
    assert stored_folder() == ""


def test_a_folder_of_models_counts_once_it_is_typed_and_taking_it_away_once_it_is_gone(
    desk: Desk, tmp_path: Path
) -> None:
    line = type_folder(desk, str(tmp_path / "elsewhere"))
    assert desk.logic.modelsFolder is None
    line.editingFinished.emit()
    assert desk.logic.modelsFolder == tmp_path / "elsewhere"
    while line.text:
        line.backspace()
        assert desk.logic.modelsFolder == (tmp_path / "elsewhere" if line.text else None)
    assert stored_folder() == ""


def test_the_folder_of_models_stays_while_something_works_with_them(
    segmented: Desk, tmp_path: Path
) -> None:
    desk, edit = segmented, segmented.ui.modelsFolderPathEdit
    desk.parameters.steps = 100_000
    desk.press("retrainButton")
    assert not edit.enabled
    desk.press_and_wait("cancelButton")
    assert edit.enabled
    type_folder(desk, str(tmp_path / "elsewhere"))
    seen: list[Any] = []

    def choose_meanwhile(_task: Any) -> None:
        if not edit.enabled and not seen:
            seen.append(edit.currentPath)
            edit.currentPath = str(tmp_path / "elsewhere")
            seen.append(desk.logic.modelsFolder)

    desk.logic.onTaskChanged.append(choose_meanwhile)
    task = desk.logic.update(desk.segmentation, waitForCompletion=False)  # in the background
    desk.wait_until(lambda: task.finished and edit.enabled)
    assert seen == ["", None]
    assert desk.logic.modelsFolder is None
    assert "Boxes axial" in names(desk)
