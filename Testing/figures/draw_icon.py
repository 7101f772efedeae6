"""Draw the icon: a brain seen from above, and in it a U whose way out leads back to its way in.

Writes FUNetSegmentation.png and the module's icon, both 128×128 with a transparent background.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 128
# Drawn larger and scaled down, which smooths the edges.
SCALE = 16

ROOT = Path(__file__).resolve().parents[2]
TARGETS = (
    ROOT / "FUNetSegmentation.png",
    ROOT / "FUNetSegmentation" / "Resources" / "Icons" / "FUNetSegmentation.png",
)

OUTLINE = (20, 46, 84, 255)
MATTER = (44, 94, 155, 255)
FOLDS = (28, 65, 115, 255)
THE_U = (255, 255, 255, 255)
FEEDBACK = (255, 168, 38, 255)

LOBES = 13

Point = tuple[float, float]
Color = tuple[int, int, int, int]


def outline_point(angle: float, shrink: float = 0.0) -> Point:
    """A point of an axial outline: longer than wide, lobed, notched front and back."""
    from_midline = abs(math.cos(angle))
    lobes = 1 + 0.018 * math.cos(LOBES * angle + math.pi / 2)
    notch = 1 - 0.075 * math.exp(-((from_midline / 0.085) ** 2))
    taper = 1 + 0.06 * math.sin(angle) * from_midline
    x = 64 + (53 * taper * lobes - shrink) * math.cos(angle)
    y = 64 + (62 * notch * lobes - shrink) * math.sin(angle)
    return x, y


def brain_outline(shrink: float = 0.0, steps: int = 720) -> list[Point]:
    """The whole outline in icon pixels, moved inwards by ``shrink``."""
    return [outline_point(2 * math.pi * step / steps, shrink) for step in range(steps)]


def arc(center: Point, radius: float, first: float, last: float, steps: int = 120) -> list[Point]:
    """Points on a circle from one angle to another, in degrees clockwise from the right."""
    angles = [math.radians(first + (last - first) * step / steps) for step in range(steps + 1)]
    return [(center[0] + radius * math.cos(a), center[1] + radius * math.sin(a)) for a in angles]


class Canvas:
    """Draws in icon pixels on a larger picture."""

    def __init__(self) -> None:
        self._image = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    def fill(self, points: list[Point], color: Color) -> None:
        """Fill a polygon."""
        self._draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=color)

    def stroke(self, points: list[Point], width: float, color: Color) -> None:
        """Draw a line with round ends and joints, as a brush that is stamped along it."""
        radius = width * SCALE / 2
        for (x0, y0), (x1, y1) in pairwise(points):
            stamps = max(1, round(math.dist((x0, y0), (x1, y1)) * SCALE / 2))
            for stamp in range(stamps + 1):
                x = (x0 + (x1 - x0) * stamp / stamps) * SCALE
                y = (y0 + (y1 - y0) * stamp / stamps) * SCALE
                self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)

    def finish(self) -> Image.Image:
        """The icon in its own size."""
        return self._image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def draw_icon() -> Image.Image:
    """The whole icon."""
    canvas = Canvas()
    canvas.fill(brain_outline(), OUTLINE)
    canvas.fill(brain_outline(shrink=4), MATTER)
    canvas.stroke([(64, 8), (64, 120)], 2.5, FOLDS)
    for lobe in range(LOBES):
        angle = (2 * math.pi * lobe + math.pi / 2) / LOBES
        canvas.stroke([outline_point(angle, 2), outline_point(angle, 12)], 2.5, FOLDS)
    canvas.stroke([(40, 62), *arc((64, 80), 24, 180, 0), (88, 62)], 13, THE_U)
    canvas.stroke([(88, 47), *arc((64, 42), 24, 0, -180)], 7, FEEDBACK)
    canvas.fill([(28, 40), (52, 40), (40, 54)], FEEDBACK)
    return canvas.finish()


def main() -> None:
    """Write both icons."""
    icon = draw_icon()
    for target in TARGETS:
        target.parent.mkdir(parents=True, exist_ok=True)
        icon.save(target, optimize=True)


if __name__ == "__main__":
    main()
