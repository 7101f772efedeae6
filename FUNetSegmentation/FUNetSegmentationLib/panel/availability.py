"""Which buttons can work now, and what is missing for those that cannot."""

from __future__ import annotations

from dataclasses import dataclass

from ..translation import tr as _


@dataclass(frozen=True)
class Facts:
    """What the buttons depend on.

    Attributes:
        running: title of the task that the user waits for, empty if there is none.
        background: whether live learning works; a task of the user takes its place.
        volume, segmentation, segments: whether each is chosen, and has segments.
        model: whether there is a model to use.
        listed: number of slices that the worklist shows.
        selected: state of the slice chosen in the worklist, ``None`` without one.
        taught: number of corrected and accepted slices.
        absent: names of structures of the chosen model that the segmentation has no segment for.
        in_use: whether the chosen version is the one in use.
        can_roll_back: whether the chosen version has one before it.
        undecided: whether a retrained version waits for Keep or Roll back.
        named: whether the new model has a name.
        row: what is chosen in the list of models: ``""``, ``"own"``, ``"shipped"`` or
            ``"damaged"``.
        row_in_use: whether that model is the one in use already.
        batch_input, batch_output: whether paths are given.
    """

    running: str = ""
    background: bool = False
    volume: bool = False
    segmentation: bool = False
    segments: bool = False
    model: bool = False
    listed: int = 0
    selected: str | None = None
    taught: int = 0
    absent: str = ""
    in_use: bool = False
    can_roll_back: bool = False
    undecided: bool = False
    named: bool = False
    row: str = ""
    row_in_use: bool = False
    batch_input: bool = False
    batch_output: bool = False


def obstacles(facts: Facts) -> dict[str, str]:
    """Return for each button, by its name in the ``.ui``, what is missing; empty if nothing is."""
    return (
        _of_jobs(facts)
        | _of_review(facts)
        | _of_models(facts)
        | {
            "cancelButton": "" if facts.running or facts.background else _("Nothing is running."),
            "installButton": _busy(facts),
            "keepButton": ""
            if facts.undecided
            else _("There is no new version to decide about; retrain first."),
        }
    )


def purposes() -> dict[str, str]:
    """Return for each button, by its name in the ``.ui``, what it does."""
    return {
        "cancelButton": _("Stop what is running; nothing of it is kept."),
        "installButton": _("Install what is missing, once, and go on with what was asked for."),
        "segmentButton": _(
            "Find the structures of the model in the volume. "
            "Corrected and accepted slices stay as they are; Undo takes the rest back."
        ),
        "previousSliceButton": _("Go to the slice above in the list (Ctrl+Shift+Up)."),
        "nextSliceButton": _("Go to the slice below in the list (Ctrl+Shift+Down)."),
        "acceptSliceButton": _(
            "This slice is right: learn from it, do not change it, and go to the next "
            "(Ctrl+Shift+Return)."
        ),
        "unmarkSliceButton": _(
            "Neither corrected nor accepted: what is drawn there now counts as predicted."
        ),
        "retrainButton": _(
            "Teach the model the corrected and accepted slices, and predict the others again if "
            "the new version is kept."
        ),
        "keepButton": _("Go on with the new version."),
        "rollBackButton": _(
            "Go back to the version before, and predict the slices again that you have not touched."
        ),
        "trainButton": _("Train a new model from the slices drawn in the segmentation."),
        "activateModelButton": _("Segment and retrain with this version."),
        "renameModelButton": _("Write another name into the list."),
        "deleteModelButton": _("Delete this version from the disk."),
        "importModelButton": _("Add a model from a file."),
        "exportModelButton": _("Save this version to a file."),
        "batchButton": _("Segment all these images with the chosen model, into the folder."),
    }


def _of_jobs(facts: Facts) -> dict[str, str]:
    no_model = "" if facts.model else _("There is no model; import one, or train one.")
    no_volume = "" if facts.volume else _("Choose a volume.")
    no_segmentation = "" if facts.segmentation else _("Choose or make a segmentation.")
    busy = _busy(facts)
    return {
        "segmentButton": busy or no_volume or no_model,
        "retrainButton": busy
        or no_volume
        or no_model
        or no_segmentation
        or ("" if facts.taught else _("Correct or accept a slice first."))
        or _absent(facts),
        "rollBackButton": busy
        or no_model
        or ("" if facts.in_use else _("This version is not in use; choose the one that is."))
        or ("" if facts.can_roll_back else _("This model has no version before it.")),
        "trainButton": busy
        or no_volume
        or no_segmentation
        or ("" if facts.segments else _("Add a segment and draw it on a few slices."))
        or ("" if facts.named else _("Give the new model a name.")),
        "batchButton": busy
        or no_model
        or ("" if facts.batch_input else _("Choose the folder with the images."))
        or ("" if facts.batch_output else _("Choose the folder for the results.")),
    }


def _of_review(facts: Facts) -> dict[str, str]:
    empty = "" if facts.listed else _("There is no slice in the list.")
    unchosen = empty or ("" if facts.selected else _("Choose a slice in the list."))
    return {
        "previousSliceButton": empty,
        "nextSliceButton": empty,
        "acceptSliceButton": unchosen
        or (_("This slice is accepted already.") if facts.selected == "accepted" else ""),
        "unmarkSliceButton": unchosen
        or (_("This slice is not marked.") if facts.selected == "predicted" else ""),
    }


def _of_models(facts: Facts) -> dict[str, str]:
    busy = _busy(facts)
    unchosen = "" if facts.row else _("Choose a model in the list.")
    damaged = _("This model is damaged; delete it.") if facts.row == "damaged" else ""
    shipped = (
        _("This model came with the extension and stays as it is.")
        if facts.row == "shipped"
        else ""
    )
    in_use = _("This version is in use already.") if facts.row_in_use else ""
    return {
        "activateModelButton": busy or unchosen or damaged or in_use,
        "renameModelButton": busy or unchosen or damaged or shipped,
        "deleteModelButton": busy or unchosen or shipped,
        "importModelButton": busy,
        "exportModelButton": busy or unchosen or damaged,
    }


def _absent(facts: Facts) -> str:
    if not facts.absent:
        return ""
    return _(
        "The segmentation has no segment {names}, which the chosen model knows; segment with this "
        "model, add the segment, even empty, or choose another model."
    ).format(names=facts.absent)


def _busy(facts: Facts) -> str:
    if not facts.running:
        return ""
    return _("“{task}” is running; wait for it or cancel it.").format(task=facts.running)
