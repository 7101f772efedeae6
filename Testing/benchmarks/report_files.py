"""Writing what a report shows: its page, and its figure beside it."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from funet.files import atomic_file


def write_page(stem: Path, text: str, figure: Figure) -> None:
    """Write <stem>.md and <stem>.png, each whole or not at all.

    Args:
        stem: the path without a suffix; dots in its name belong to the name.
        text: the page, in Markdown.
        figure: drawn, but not saved.
    """
    with atomic_file(stem.with_name(stem.name + ".md")) as temporary:
        temporary.write_text(text, encoding="utf-8")
    with atomic_file(stem.with_name(stem.name + ".png")) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary), metadata={"Software": None})
