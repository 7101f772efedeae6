"""The stand-in for ``qMRMLPlotWidget``: paints the chart of its view node."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from .node_combo_box import Observers, qMRMLWidget

_MARGINS = (58, 28, 14, 44)  # left, top, right, bottom
_DASHES = {
    slicer.vtkMRMLPlotSeriesNode.LineStyleDash: QtCore.Qt.PenStyle.DashLine,
    slicer.vtkMRMLPlotSeriesNode.LineStyleDot: QtCore.Qt.PenStyle.DotLine,
}


@dataclass(frozen=True)
class _Series:
    """One line of the chart."""

    name: str
    pen: QtGui.QPen
    points: list[tuple[float, float]]
    markers: bool


class qMRMLPlotWidget(qMRMLWidget):
    """Shows the chart that a ``vtkMRMLPlotViewNode`` refers to, and follows its changes."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._view_node: Any = None
        self._view_observers, self._chart_observers = Observers(), Observers()
        self._controller = QtWidgets.QWidget(self)
        self.setMinimumHeight(120)

    def plotController(self) -> QtWidgets.QWidget:
        """The bar above the chart; the stand-in has none."""
        return self._controller

    def mrmlPlotViewNode(self) -> Any:
        return self._view_node

    def setMRMLPlotViewNode(self, node: Any) -> None:
        self._view_node = node
        self._view_observers.clear()
        if node is not None:
            for event in (vtk.vtkCommand.ModifiedEvent, node.PlotChartNodeChangedEvent):
                self._view_observers.add(node, event, self._follow_chart)
        self._follow_chart()

    def _follow_chart(self, *_arguments: object) -> None:
        self._chart_observers.clear()
        chart = self._chart()
        nodes = [chart] if chart is not None else []
        for series in self._series_nodes():
            nodes += [series, series.GetTableNode()]
        for node in nodes:
            if node is not None:
                self._chart_observers.add(node, vtk.vtkCommand.ModifiedEvent, self._on_modified)
        self.update()

    def _on_modified(self, node: Any, _event: str) -> None:
        if node.IsA("vtkMRMLTableNode"):
            self.update()
        else:
            self._follow_chart()

    def _chart(self) -> Any:
        return self._view_node.GetPlotChartNode() if self._view_node is not None else None

    def _series_nodes(self) -> list[Any]:
        chart = self._chart()
        count = chart.GetNumberOfPlotSeriesNodes() if chart is not None else 0
        found = [chart.GetNthPlotSeriesNode(index) for index in range(count)]
        return [node for node in found if node is not None]

    def _lines(self) -> list[_Series]:
        lines = []
        for node in self._series_nodes():
            table = node.GetTableNode().GetTable() if node.GetTableNode() is not None else None
            x = table.GetColumnByName(node.GetXColumnName() or "") if table is not None else None
            y = table.GetColumnByName(node.GetYColumnName() or "") if table is not None else None
            if x is None or y is None:
                continue
            rows = range(min(x.GetNumberOfTuples(), y.GetNumberOfTuples()))
            pairs = [(float(x.GetTuple1(row)), float(y.GetTuple1(row))) for row in rows]
            pen = QtGui.QPen(QtGui.QColor.fromRgbF(*node.GetColor()), node.GetLineWidth())
            pen.setStyle(_DASHES.get(node.GetLineStyle(), QtCore.Qt.PenStyle.SolidLine))
            points = [pair for pair in pairs if all(map(math.isfinite, pair))]
            markers = node.GetMarkerStyle() != node.MarkerStyleNone
            lines.append(_Series(node.GetName() or "", pen, points, markers))
        return lines

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QtGui.QColor("white"))  # as the real one, in every theme
        chart = self._chart()
        if chart is None:
            return
        left, top, right, bottom = _MARGINS
        area = QtCore.QRectF(self.rect()).adjusted(left, top, -right, -bottom)
        lines = self._lines()
        x_range = _range(chart, "X", [x for line in lines for x, _ in line.points])
        y_range = _range(chart, "Y", [y for line in lines for _, y in line.points])
        _paint_axes(painter, area, chart, x_range, y_range)
        for line in lines:
            _paint_line(painter, area, line, x_range, y_range)
        if chart.GetLegendVisibility():
            _paint_legend(painter, area, lines)


def _range(chart: Any, axis: str, values: list[float]) -> tuple[float, float]:
    """Return what one axis shows."""
    if not getattr(chart, f"Get{axis}AxisRangeAuto")():
        return tuple(getattr(chart, f"Get{axis}AxisRange")())
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers in a range."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    return [
        step * k for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def _at(value: float, low: float, high: float, start: float, length: float) -> float:
    return start + (value - low) / (high - low) * length


def _paint_axes(painter: Any, area: Any, chart: Any, x_range: Any, y_range: Any) -> None:
    centre, flags = QtCore.Qt.AlignmentFlag.AlignCenter, QtCore.Qt.AlignmentFlag
    for value in _ticks(*x_range):
        x = _at(value, *x_range, area.left(), area.width())
        _grid_line(painter, chart, QtCore.QLineF(x, area.top(), x, area.bottom()))
        painter.drawText(QtCore.QRectF(x - 40, area.bottom() + 3, 80, 16), centre, f"{value:g}")
    for value in _ticks(*y_range):
        y = _at(value, *y_range, area.bottom(), -area.height())
        _grid_line(painter, chart, QtCore.QLineF(area.left(), y, area.right(), y))
        beside = QtCore.QRectF(area.left() - 46, y - 8, 42, 16)
        painter.drawText(beside, flags.AlignRight | flags.AlignVCenter, f"{value:.4g}")
    painter.drawLine(area.topLeft(), area.bottomLeft())
    painter.drawLine(area.bottomLeft(), area.bottomRight())
    if chart.GetTitleVisibility():
        title = QtCore.QRectF(0, 4, area.right(), 20)
        painter.drawText(title.translated(_MARGINS[0] / 2, 0), centre, chart.GetTitle() or "")
    below = QtCore.QRectF(area.left(), area.bottom() + 20, area.width(), 18)
    painter.drawText(below, centre, chart.GetXAxisTitle() or "")
    painter.save()
    painter.translate(10, area.center().y())
    painter.rotate(-90)
    along = QtCore.QRectF(-area.height() / 2, -9, area.height(), 18)
    painter.drawText(along, centre, chart.GetYAxisTitle() or "")
    painter.restore()


def _grid_line(painter: Any, chart: Any, line: QtCore.QLineF) -> None:
    if chart.GetGridVisibility():
        painter.setPen(QtGui.QPen(QtGui.QColor(225, 225, 225), 1))
        painter.drawLine(line)
    painter.setPen(QtGui.QColor("black"))


def _paint_line(painter: Any, area: Any, line: _Series, x_range: Any, y_range: Any) -> None:
    points = [
        QtCore.QPointF(
            _at(x, *x_range, area.left(), area.width()),
            _at(y, *y_range, area.bottom(), -area.height()),
        )
        for x, y in line.points
    ]
    painter.setPen(line.pen)
    painter.drawPolyline(points)
    if line.markers:
        painter.setBrush(line.pen.color())
        for point in points:
            painter.drawEllipse(point, 3, 3)


def _paint_legend(painter: Any, area: Any, lines: list[_Series]) -> None:
    metrics = painter.fontMetrics()
    width = max((metrics.horizontalAdvance(line.name) for line in lines), default=0) + 34
    box = QtCore.QRectF(area.right() - width - 4, area.top() + 4, width, 17 * len(lines) + 4)
    painter.fillRect(box, QtGui.QColor(255, 255, 255, 150))
    for row, line in enumerate(lines):
        y = box.top() + 10 + 17 * row
        painter.setPen(line.pen)
        painter.drawLine(QtCore.QPointF(box.left() + 4, y), QtCore.QPointF(box.left() + 24, y))
        painter.setPen(QtGui.QColor("black"))
        painter.drawText(QtCore.QPointF(box.left() + 30, y + 5), line.name)
