"""The live plot of a training: the loss, and the Dice on slices that are held out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import qt
import slicer
import vtk

from ..translation import tr as _

if TYPE_CHECKING:
    from ..workflow.task import Task

_PERCENT, _LOSS, _DICE = "percent", "loss", "dice"
_REDRAW_MS = 250  # a chart that is drawn for every step takes the time of the person who draws
_LAYOUT_NAME = "FUNetSegmentationPlot"


class LossPlot:
    """Shows metrics as they come, in nodes that are hidden and not saved with the scene.

    The chart is made for the first training: it needs OpenGL, and most visits to the panel do not.

    Args:
        frame: hidden until there is something to show.
    """

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self._widget: slicer.qMRMLPlotWidget | None = None
        self._tables: dict[str, Any] = {}
        self._points: dict[str, list[tuple[float, float]]] = {_LOSS: [], _DICE: []}
        self._percent = 0.0
        self._chart_id = ""
        self._timer = qt.QTimer()
        self._timer.interval = _REDRAW_MS
        self._timer.timeout.connect(self._on_redraw)
        self.hide()

    def begin_with(self, task: Task) -> Task:
        """Show an empty chart for a training that has begun, unless it ended at once."""
        if not task.finished:
            self.begin()
        return task

    def begin(self) -> None:
        """Show an empty chart for a training that begins."""
        if not self._tables:
            self._make_nodes(slicer.mrmlScene)
        self._percent = 0.0
        for name, table in self._tables.items():
            self._points[name] = []
            table.GetTable().SetNumberOfRows(0)
            table.GetTable().Modified()
        self._frame.visible = True
        self._timer.start()

    def add(self, values: Mapping[str, Any]) -> None:
        """Take a metric as the training reports it."""
        if values.get("loss") is not None and values.get("step") is not None:
            self._percent = 100.0 * float(values["step"])
            self._points[_LOSS].append((self._percent, float(values["loss"])))
        dice = [
            float(value)
            for value in values.get("validation_dice") or ()
            if value is not None and math.isfinite(value)
        ]
        if dice:
            self._points[_DICE].append((self._percent, sum(dice) / len(dice)))

    def finish(self) -> None:
        """Draw what is left; the chart stays."""
        self._timer.stop()
        self._on_redraw()

    def hide(self) -> None:
        """Show nothing."""
        self._timer.stop()
        self._frame.visible = False

    def let_go(self) -> None:
        """Forget the nodes of a scene that is being closed."""
        self.hide()
        self._tables = {}
        if self._widget is not None:
            self._widget.setMRMLPlotViewNode(None)

    def remove(self) -> None:
        """Take the nodes out of the scene."""
        tables = list(self._tables.values())
        view = self._view
        chart = view.GetPlotChartNode() if view is not None else None
        self.let_go()
        series = [chart.GetNthPlotSeriesNode(n) for n in range(2)] if chart is not None else []
        for node in (view, chart, *series, *tables):
            if node is not None and node.GetScene() is not None:
                node.GetScene().RemoveNode(node)

    @property
    def _view(self) -> Any:
        return None if self._widget is None else self._widget.mrmlPlotViewNode()

    def _on_redraw(self, *_args: object) -> None:
        view = self._view
        if view is not None and view.GetPlotChartNodeID() != self._chart_id:
            view.SetPlotChartNodeID(self._chart_id)  # a chart of another module took its place
        for name, points in self._points.items():
            node = self._tables.get(name)
            if node is None or node.GetScene() is None or not points:
                continue
            table = node.GetTable()
            for x, y in points:
                row = table.InsertNextBlankRow()
                table.SetValue(row, 0, vtk.vtkVariant(x))
                table.SetValue(row, 1, vtk.vtkVariant(y))
            self._points[name] = []
            table.Modified()
            node.Modified()

    def _make_nodes(self, scene: Any) -> None:
        chart = _hidden(scene, "vtkMRMLPlotChartNode", "FUNetSegmentation training")
        chart.TitleVisibilityOff()
        chart.SetXAxisTitle(_("Progress (%)"))
        chart.YAxisTitleVisibilityOff()
        chart.XAxisRangeAutoOff()
        chart.SetXAxisRange(0.0, 100.0)
        chart.LegendVisibilityOn()
        for name, label, color, marked in (
            (_LOSS, _("Loss"), (0.85, 0.45, 0.10), False),
            (_DICE, _("Dice, held-out slices"), (0.10, 0.45, 0.80), True),
        ):
            table = _hidden(scene, "vtkMRMLTableNode", f"FUNetSegmentation {name}")
            for column in (_PERCENT, name):
                array = vtk.vtkDoubleArray()
                array.SetName(column)
                table.GetTable().AddColumn(array)
            series = _hidden(scene, "vtkMRMLPlotSeriesNode", label)
            series.SetAndObserveTableNodeID(table.GetID())
            series.SetXColumnName(_PERCENT)
            series.SetYColumnName(name)
            series.SetPlotType(series.PlotTypeScatter)
            series.SetLineWidth(2)
            series.SetColor(*color)
            series.SetMarkerStyle(series.MarkerStyleCircle if marked else series.MarkerStyleNone)
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
            self._tables[name] = table
        self._chart_id = chart.GetID()
        self._shown_widget(scene).setMRMLPlotViewNode(_plot_view(scene, chart))

    def _shown_widget(self, scene: Any) -> Any:
        if self._widget is None:
            self._widget = slicer.qMRMLPlotWidget()
            # The bar above the chart offers other charts, and knows no hidden ones.
            self._widget.plotController().visible = False
            self._frame.layout().addWidget(self._widget)
        self._widget.setMRMLScene(scene)
        return self._widget


def _plot_view(scene: Any, chart: Any) -> Any:
    view = slicer.vtkMRMLPlotViewNode()
    view.SetLayoutName(_LAYOUT_NAME)
    view.SetSingletonTag(_LAYOUT_NAME)
    _hide(view)
    # The main layout makes a second widget, which nobody sees, for a view that belongs to nobody.
    view.SetAndObserveParentLayoutNodeID(chart.GetID())
    view = scene.AddNode(view)
    view.SetPlotChartNodeID(chart.GetID())
    return view


def _hidden(scene: Any, kind: str, name: str) -> Any:
    node = scene.CreateNodeByClass(kind)
    node.UnRegister(None)  # the scene made it with a reference of its own
    node.SetName(name)
    _hide(node)
    return scene.AddNode(node)


def _hide(node: Any) -> None:
    node.HideFromEditorsOn()
    node.SaveWithSceneOff()
