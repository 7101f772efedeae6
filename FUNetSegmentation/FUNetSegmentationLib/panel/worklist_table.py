"""The list of slices, the most doubtful first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import qt

from ..translation import tr as _
from . import colors
from .texts import bar, doubt_number, state_name

if TYPE_CHECKING:
    from ..workflow.results import ReviewSlice

_SLICE, _DOUBT, _STATE = range(3)
_MARKS = {"predicted": "○", "corrected": "●", "accepted": "●"}


class WorklistTable:
    """Shows the slices in an order that stays while somebody works through them.

    Rows are not moved when a state changes, only hidden by the filter, and never the chosen one:
    a list that jumps under the pointer cannot be worked with.

    Args:
        table: a table with three columns.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self._slices: list[ReviewSlice] = []
        self._shown_states: frozenset[str] = frozenset()
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.Fixed)
        header.setSectionResizeMode(_DOUBT, qt.QHeaderView.Stretch)

    @property
    def slices(self) -> Sequence[ReviewSlice]:
        """What is listed, hidden rows too."""
        return tuple(self._slices)

    @property
    def listed(self) -> int:
        """Number of rows that are not hidden."""
        return sum(not self._table.isRowHidden(row) for row in range(len(self._slices)))

    @property
    def selected(self) -> ReviewSlice | None:
        """The chosen slice."""
        row = self._table.currentRow()
        return self._slices[row] if 0 <= row < len(self._slices) else None

    def show(self, slices: Sequence[ReviewSlice]) -> None:
        """Show slices; cells that say the same as before are left alone."""
        ordered = sorted(slices, key=lambda item: (-(item.doubt or 0.0), item.sliceIndex))
        before = self._slices
        same_rows = [_key(item) for item in ordered] == [_key(item) for item in before]
        chosen = self.selected
        self._slices = ordered
        if same_rows:
            for row, item in enumerate(ordered):
                if item.state != before[row].state:
                    self._show_state(row, item)
        else:
            self._fill()
            self.select(chosen.sliceIndex if chosen is not None else None)
        self._show_ink()
        self._apply_filter()

    def filter(self, states: frozenset[str]) -> None:
        """Show only slices in these states, and the chosen one."""
        self._shown_states = states
        self._apply_filter()

    def select(self, slice_index: int | None) -> None:
        """Choose the row of a slice; none if it is not listed."""
        for row, item in enumerate(self._slices):
            if item.sliceIndex == slice_index:
                self._table.setCurrentCell(row, _SLICE)
                return
        self._table.setCurrentCell(-1, -1)

    def step(self, direction: int, states: frozenset[str] | None = None) -> bool:
        """Choose the next row that is shown.

        Args:
            direction: 1 for down, -1 for up.
            states: choose only among slices in these states.

        Returns:
            Whether there was one.
        """
        row = self._table.currentRow()
        if row < 0 and direction < 0:
            row = len(self._slices)
        row += direction
        while 0 <= row < len(self._slices):
            wanted = states is None or self._slices[row].state in states
            if wanted and not self._table.isRowHidden(row):
                self._table.setCurrentCell(row, _SLICE)
                return True
            row += direction
        return False

    def refilter(self) -> None:
        """Hide the row that was chosen before, if the filter says so."""
        self._apply_filter()

    def _apply_filter(self) -> None:
        current = self._table.currentRow()
        states = self._shown_states
        if all(item.doubt is None for item in self._slices):  # all drawn by hand: none to review
            states = states | {"corrected", "accepted"}
        for row, item in enumerate(self._slices):
            hidden = item.state not in states and row != current
            if hidden != self._table.isRowHidden(row):
                self._table.setRowHidden(row, hidden)
        for column in (_SLICE, _STATE):
            self._table.resizeColumnToContents(column)

    def _fill(self) -> None:
        self._table.blockSignals(True)  # noqa: FBT003 (Qt takes it by position)
        self._table.rowCount = len(self._slices)
        highest = max((item.doubt or 0.0 for item in self._slices), default=0.0)
        for row, item in enumerate(self._slices):
            self._table.setItem(row, _SLICE, _cell(_position(item)))
            self._table.setItem(row, _DOUBT, _doubt_cell(item.doubt, highest))
            self._table.setItem(row, _STATE, _cell(""))
            self._show_state(row, item)
        self._table.blockSignals(False)  # noqa: FBT003

    def _show_ink(self) -> None:
        """Draw all bars for the theme of now: it may be another than when the rows were made."""
        ink = colors.ink(self._table)
        for row in range(len(self._slices)):
            self._table.item(row, _DOUBT).setForeground(ink)

    def _show_state(self, row: int, item: ReviewSlice) -> None:
        role = colors.STATE_ROLES[item.state]
        # Texts keep the colour of the theme, which can be read on every tint.
        self._table.item(row, _STATE).setText(f"{_MARKS[item.state]} {state_name(item.state)}")
        for column in (_SLICE, _DOUBT, _STATE):
            brush = qt.QBrush() if item.state == "predicted" else colors.tint(role)
            self._table.item(row, column).setBackground(brush)


def _key(item: ReviewSlice) -> tuple[int, float | None, float]:
    return item.sliceIndex, item.doubt, item.position


def _position(item: ReviewSlice) -> str:
    return _("{number}  ({position} mm)").format(
        number=item.sliceIndex + 1, position=f"{item.position:.1f}".replace("-", "−")
    )


def _cell(text: str) -> Any:
    cell = qt.QTableWidgetItem(text)
    cell.setFlags(qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled)
    return cell


def _doubt_cell(doubt: float | None, highest: float) -> Any:
    share = (doubt or 0.0) / highest if highest > 0 else 0.0
    cell = _cell(f"{bar(share)}  {doubt_number(doubt)}")
    if doubt is None:
        cell.setToolTip(_("Nothing was predicted here."))
    else:
        cell.setToolTip(
            _(
                "About {count} pixels are expected to be wrong here, not counting what\n"
                "the slices further up show as well."
            ).format(count=doubt_number(doubt))
        )
    return cell
