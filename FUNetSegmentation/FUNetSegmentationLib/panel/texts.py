"""Numbers and states as the panel writes them."""

from __future__ import annotations

from ..translation import tr as _

BAR_CELLS = 14
_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"


def time_left(seconds: float | None) -> str:
    """Return "about 12 s left"; empty while it is not known."""
    if seconds is None or seconds < 0:
        return ""
    whole = round(seconds)
    if whole < 1:
        return _("almost done")
    if whole < 100:
        return _("about {seconds} s left").format(seconds=whole)
    minutes = round(seconds / 60)
    if minutes < 100:
        return _("about {minutes} min left").format(minutes=minutes)
    return _("about {hours} h left").format(hours=round(minutes / 60))


def bar(share: float, cells: int = BAR_CELLS) -> str:
    """Return a horizontal bar of block characters for a share in [0, 1]."""
    eighths = round(min(max(share, 0.0), 1.0) * cells * 8)
    full, rest = divmod(eighths, 8)
    return _FULL * full + (_EIGHTHS[rest] if rest else "")


def doubt_number(doubt: float | None) -> str:
    """Return the doubt of a slice in pixels, short enough to compare at a glance."""
    if doubt is None:
        return "–"
    return f"{doubt:.0f}" if doubt >= 9.95 else f"{doubt:.1f}"


def state_name(state: str) -> str:
    """Return the state of a slice as the user reads it."""
    names = {
        "predicted": _("To review"),
        "corrected": _("Corrected"),
        "accepted": _("Accepted"),
    }
    return names[state]


def dice_number(dice: float | None) -> str:
    """Return a Dice score, or a dash where there is none."""
    return "–" if dice is None else f"{dice:.3f}"


def dice_change(before: float | None, after: float | None) -> str:
    """Return by how much a Dice score rose, with its sign."""
    if before is None or after is None:
        return "–"
    return f"{after - before:+.3f}".replace("-", "−")


def counted(count: int, one: str, many: str) -> str:
    """Return "1 slice" or "3 slices", given both forms with ``{count}`` in them."""
    return (one if count == 1 else many).format(count=count)


def slices(count: int) -> str:
    """Return a number of slices."""
    return counted(count, _("{count} slice"), _("{count} slices"))
