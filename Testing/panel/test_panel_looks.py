"""Whether what the panel shows can be read, and is shown once only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import host
import pytest
import slicer
import vtk
from panel_tools import Desk

READABLE = 4.5  # contrast that WCAG 2 asks of texts


@pytest.fixture(autouse=True)
def _attribute_style() -> Iterator[None]:
    host.use_attribute_style(__name__)
    yield
    host.use_theme("light")


def luminance(color: Any) -> float:
    """The relative luminance of a colour, as WCAG defines it."""
    parts = [value / 255 for value in (color.red(), color.green(), color.blue())]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return sum(
        weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )


def contrast(one: Any, other: Any) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def over(tint: Any, ground: Any) -> Any:
    """The colour of a half transparent tint on a ground."""
    import qt

    share = tint.alpha() / 255
    pairs = zip(tint.getRgb()[:3], ground.getRgb()[:3], strict=True)
    return qt.QColor(*(round(share * above + (1 - share) * below) for above, below in pairs))


def cells(table: Any) -> Iterator[Any]:
    for row in range(table.rowCount):
        for column in range(table.columnCount):
            yield table.item(row, column)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_worklist_can_be_read(qt: Any, theme: str) -> None:
    from FUNetSegmentationLib.panel.worklist_table import WorklistTable
    from FUNetSegmentationLib.workflow.results import ReviewSlice

    table = qt.QTableWidget(0, 3)
    worklist = WorklistTable(table)
    states = ("predicted", "corrected", "accepted")
    for shown in ("dark", "light", theme):  # the theme changes while the rows are there
        host.use_theme(shown)
        host.spin()
        worklist.show([ReviewSlice(n, 3.0, one, 0.0) for n, one in enumerate(states)])
    for cell in cells(table):
        palette = table.palette
        ground = palette.color(qt.QPalette.Base)
        brushes = cell.foreground(), cell.background()
        ink, tint = (None if brush.style() == qt.Qt.NoBrush else brush.color() for brush in brushes)
        below = ground if tint is None else over(tint, ground)
        found = contrast(ink or palette.color(qt.QPalette.Text), below)
        assert found >= READABLE, (cell.text(), round(found, 1))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_messages_can_be_read(qt: Any, theme: str) -> None:
    from FUNetSegmentationLib.panel.colors import ROLES, paint_box

    host.use_theme(theme)
    label = qt.QLabel("text")
    for role in ROLES:
        ground = qt.QPalette().color(qt.QPalette.Window)
        paint_box(label, role)
        below = over(label.palette.color(qt.QPalette.Window), ground)
        found = contrast(label.palette.color(qt.QPalette.WindowText), below)
        assert found >= READABLE, (role, round(found, 1))


def test_the_main_layout_makes_no_view_of_the_plot(desk: Desk) -> None:
    owners = []

    def added(_scene: Any, _event: str, node: Any) -> None:
        if node.IsA("vtkMRMLPlotViewNode"):
            owners.append(node.GetParentLayoutNode())  # Slicer's layout takes those without

    added.CallDataType = vtk.VTK_OBJECT
    slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, added)
    desk.widget.panel._retrain.plot.begin()
    assert len(owners) == 1
    assert owners[0] is not None
