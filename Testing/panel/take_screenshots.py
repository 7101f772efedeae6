"""Draws the panel in each of its states, light and dark, into ``Resources/Screenshots``.

Run it as ``python Testing/panel/take_screenshots.py [folder]``; it trains a small model on the way.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "FUNetSegmentation"), str(ROOT / "Testing"), str(Path(__file__).parent)]

from funet.threads import wait_briefly  # noqa: E402

wait_briefly(os.environ)

import host  # noqa: E402
import numpy as np  # noqa: E402
import slicer  # noqa: E402

WIDTH = 480
MARGIN = 4
SECTIONS = ("segment", "review", "retrain", "newModel", "models", "batch", "settings")
DAILY = ("segment", "review", "retrain")
THEMES = ("light", "dark")
PATIENCE = 300.0
DRAWN = (3, 6, 9, 12, 15)
EPOCHS, STEPS, LONG_STEPS = 40, 120, 400
NEW_PATIENT = 3
AXIAL = 0
MANY_TIMES = 150  # the phantom, one on top of the other: so that segmenting takes a while


class Photographer:
    """Brings the panel into its states and draws it.

    Args:
        folder: for the pictures.
        widget: the opened module.
    """

    def __init__(self, folder: Path, widget: Any) -> None:
        self.folder = folder
        self.widget = widget
        self.ui = widget.ui
        self.context = widget.panel._context

    @property
    def parameters(self) -> Any:
        """What the panel keeps in the scene."""
        return self.context.parameters

    def wait(self) -> None:
        """Wait for what is running, and until the panel has shown it."""
        assert host.spin(PATIENCE, until=lambda: not self.widget.logic.busy)
        host.spin(0.5)

    def shoot(self, name: str, *sections: str) -> None:
        """Draw the panel with these sections unfolded, as tall as it must be, in both themes."""
        for section in SECTIONS:
            getattr(self.ui, f"{section}CollapsibleButton").collapsed = section not in sections
        parent = self.widget.parent
        for theme in THEMES:
            host.use_theme(theme)
            host.spin(0.1)
            self.widget.panel._review.update()  # it draws its bars for the theme
            for _ in range(2):  # labels that wrap know their height only once they have a width
                host.spin(0.1)
                parent.resize(WIDTH, parent.layout().totalHeightForWidth(WIDTH) + MARGIN)
            host.spin(0.1)
            host.screenshot(parent, self.folder / f"{name}_{theme}.png")
        host.use_theme("light")


def first_use(shots: Photographer) -> None:
    """PyTorch is not there yet."""
    from FUNetSegmentationLib.jobs import requirements
    from FUNetSegmentationLib.phantom import add_phantom

    real = requirements.Requirement.satisfied
    requirements.Requirement.satisfied = property(lambda _self: False)
    shots.widget.parent.exit()
    add_phantom(slicer.mrmlScene, "Head")
    shots.widget.parent.enter()
    shots.shoot("01_first_use", "segment")
    requirements.Requirement.satisfied = real
    shots.widget.parent.exit()
    shots.widget.parent.enter()


def new_model(shots: Photographer) -> None:
    """Two structures drawn on a few slices, and a model trained from them."""
    from FUNetSegmentationLib.phantom import STRUCTURES, phantom_arrays
    from FUNetSegmentationLib.scene.segmentation_nodes import create_segmentation
    from FUNetSegmentationLib.scene.structures import ensure_segments, new_structures
    from FUNetSegmentationLib.scene.writing import draw_slices

    volume = shots.parameters.inputVolume
    drawing = create_segmentation(volume, "Drawing")
    ids = ensure_segments(drawing, new_structures(STRUCTURES))
    draw_slices(drawing, phantom_arrays()[1], ids, volume, AXIAL, DRAWN)
    shots.parameters.segmentation = drawing
    shots.parameters.newModelName = "Core and nucleus"
    shots.parameters.epochs = EPOCHS
    shots.shoot("08_new_model", "segment", "newModel")
    shots.ui.trainButton.click()
    shots.wait()


def segment(shots: Photographer) -> None:
    """Ready, segmenting, and what came of it."""
    from FUNetSegmentationLib.phantom import add_phantom

    shots.parameters.inputVolume = add_phantom(slicer.mrmlScene, "New patient", NEW_PATIENT)
    shots.context.status.clear()
    shots.shoot("02_ready", *DAILY)
    volume = shots.parameters.inputVolume
    voxels = slicer.util.arrayFromVolume(volume).copy()
    slicer.util.updateVolumeFromArray(volume, np.tile(voxels, (MANY_TIMES, 1, 1)))
    shots.ui.segmentButton.click()
    assert host.spin(PATIENCE, until=lambda: shots.ui.progressBar.value > 300)
    shots.shoot("03_segmenting", *DAILY)
    shots.ui.cancelButton.click()
    shots.wait()
    slicer.util.updateVolumeFromArray(volume, voxels)
    shots.context.status.clear()
    shots.ui.segmentButton.click()
    shots.wait()
    shots.ui.reviewTable.setCurrentCell(0, 0)
    shots.shoot("04_review", *DAILY)


def retrain(shots: Photographer) -> None:
    """Corrected slices, the retraining, and both ways in which it may end."""
    from FUNetSegmentationLib.phantom import STRUCTURES, phantom_arrays
    from FUNetSegmentationLib.scene.structures import new_structures, segments_of_model
    from FUNetSegmentationLib.scene.writing import draw_slices

    node, volume = shots.parameters.segmentation, shots.parameters.inputVolume
    ids = {v: i for v, i in segments_of_model(node, new_structures(STRUCTURES)).items() if i}
    worst = [item.sliceIndex for item in shots.widget.logic.review(node)[:4]]
    draw_slices(node, phantom_arrays(NEW_PATIENT)[1], ids, volume, AXIAL, worst)
    host.spin(0.6)
    shots.ui.nextSliceButton.click()
    shots.ui.acceptSliceButton.click()
    shots.ui.reviewFilter.currentText = "All slices"
    shots.parameters.steps = LONG_STEPS
    shots.ui.retrainButton.click()
    assert host.spin(PATIENCE, until=lambda: shots.ui.progressBar.value > 100)
    shots.shoot("05_retraining", *DAILY)
    shots.ui.cancelButton.click()
    shots.wait()
    shots.parameters.steps = STEPS
    shots.ui.retrainButton.click()
    shots.wait()
    assert shots.ui.keepButton.enabled, "train the first model less: the next was not better"
    shots.shoot("06_kept", *DAILY)
    # One step learns too little to be better than the version before.
    more = [item.sliceIndex for item in shots.widget.logic.review(node)[:4]]
    draw_slices(node, phantom_arrays(NEW_PATIENT)[1], ids, volume, AXIAL, more)
    host.spin(0.6)
    shots.parameters.steps = 1
    shots.ui.retrainButton.click()
    shots.wait()
    shots.shoot("07_not_kept", *DAILY)
    shots.ui.rollBackButton.click()
    shots.wait()


def other_sections(shots: Photographer, folder: Path) -> None:
    """The models, many files, the settings, and an error."""
    import SimpleITK as sitk

    shots.context.status.clear()
    shots.ui.modelsTable.setCurrentCell(1, 0)
    shots.shoot("09_models", "segment", "models")
    voxels = slicer.util.arrayFromVolume(shots.parameters.inputVolume)
    for name in ("patient_01.nii.gz", "patient_02.nii.gz", "patient_03.nii.gz"):
        sitk.WriteImage(sitk.GetImageFromArray(voxels), folder / name)
    (folder / "patient_04.nii.gz").write_bytes(b"damaged")
    shots.ui.batchInputPathEdit.currentPath = str(folder)
    shots.ui.batchOutputPathEdit.currentPath = str(folder / "results")
    shots.ui.batchButton.click()
    shots.wait()
    shots.shoot("10_many_files", "segment", "batch")
    shots.context.status.clear()
    shots.parameters.steps = shots.parameters.epochs = 0
    shots.shoot("12_settings", "segment", "settings")
    slicer.util.updateVolumeFromArray(
        shots.parameters.inputVolume, np.full(voxels.shape, np.nan, np.float32)
    )
    shots.ui.segmentButton.click()
    shots.wait()
    shots.shoot("11_error", "segment")


@contextmanager
def opened_panel(models: str) -> Iterator[Any]:
    """The panel in an empty scene, with its own folder of models."""
    os.environ["FUNET_MODELS"] = models
    host.install("5.10")
    host.use_attribute_style(__name__)
    widget = host.open_module()
    try:
        yield widget
    finally:
        host.close_module(widget)
        host.uninstall()


def main(folder: Path) -> None:
    """Draw all pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="funet-") as models,
        tempfile.TemporaryDirectory(prefix="images-") as images,
        opened_panel(models) as widget,
    ):
        shots = Photographer(folder, widget)
        first_use(shots)
        new_model(shots)
        segment(shots)
        retrain(shots)
        other_sections(shots, Path(images))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "Resources" / "Screenshots")
