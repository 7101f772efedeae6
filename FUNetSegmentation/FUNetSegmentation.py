"""The 3D Slicer module FUNetSegmentation: module, panel, logic and self-test, each a thin shell."""

from __future__ import annotations

from typing import Annotated, Any

import slicer
from slicer.parameterNodeWrapper import Default, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from FUNetSegmentationLib.panel.panel import Panel
from FUNetSegmentationLib.sample_data import register_sample_data
from FUNetSegmentationLib.translation import tr as _
from FUNetSegmentationLib.translation import translate
from FUNetSegmentationLib.workflow.logic import SegmentationLogic

HOMEPAGE = "https://github.com/FUNetSegmentation/FUNetSegmentation"


class FUNetSegmentation(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("FU-net Segmentation")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = ["FUNetSegmentation contributors"]
        parent.helpText = _(
            "Segment a volume, correct a few doubtful slices, and retrain the model on exactly "
            "these. Everything runs on this computer; nothing leaves it. For research, not for "
            'clinical use. See the <a href="{url}">tutorial</a>.'
        ).format(url=HOMEPAGE)
        parent.acknowledgementText = _(
            "FU-net: a U-net whose loss gives a weight to every pixel by the network's own error "
            "there. The loss and the networks are described in the README, with the publication."
        )
        slicer.app.startupCompleted.connect(register_sample_data)


@parameterNodeWrapper
class FUNetSegmentationParameterNode:
    """What the panel keeps in the scene."""

    # Defaults as annotations: Slicer before 5.6 does not read those that are assigned.
    inputVolume: slicer.vtkMRMLScalarVolumeNode
    segmentation: slicer.vtkMRMLSegmentationNode
    model: str
    device: Annotated[str, Default("auto")]
    liveLearning: bool
    newModelName: str
    newModelPlane: str
    batchInput: str
    batchOutput: str
    batchFormat: Annotated[str, Default("nii.gz")]
    batchResume: Annotated[bool, Default(True)]  # noqa: FBT003 (it has no keyword)
    steps: Annotated[int, WithinRange(0, 100000)]
    epochs: Annotated[int, WithinRange(0, 10000)]
    seed: Annotated[int, WithinRange(0, 1000000)]


class FUNetSegmentationWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel in Slicer's window."""

    def __init__(self, parent: Any = None) -> None:
        VTKObservationMixin.__init__(self)
        self.logic: FUNetSegmentationLogic | None = None
        self.panel: Panel | None = None
        ScriptedLoadableModuleWidget.__init__(self, parent)  # without a parent, it calls setup()

    def setup(self) -> None:
        """Make the panel."""
        super().setup()
        form = slicer.util.loadUI(self.resourcePath("UI/FUNetSegmentation.ui"))
        self.layout.addWidget(form)
        self.ui = slicer.util.childWidgetVariables(form)
        form.setMRMLScene(slicer.mrmlScene)
        self.logic = FUNetSegmentationLogic()
        self.panel = Panel(self.ui, self.logic)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndBatchProcessEvent, self.onSceneEndBatchProcess)
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodeAdded)
        if self._entered:  # reloaded while it was open: nobody opens it once more
            self.enter()
        else:
            self.initializeParameterNode()

    def enter(self) -> None:
        """Show what the scene holds whenever the module is opened."""
        self.initializeParameterNode()
        self.panel.enter()

    def exit(self) -> None:
        """Listen to nothing while another module is open."""
        self.panel.leave()

    def cleanup(self) -> None:
        """End the background process and take everything down."""
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()

    def onSceneStartClose(self, _caller: Any, _event: Any) -> None:
        """Let go of a scene that is being closed."""
        self.panel.forget_scene()

    def onSceneEndClose(self, _caller: Any, _event: Any) -> None:
        """Show the new scene, if anybody looks."""
        if self._entered:
            self.initializeParameterNode()

    def onSceneEndBatchProcess(self, _caller: Any, _event: Any) -> None:
        """Take the editor back to what is chosen here: it chooses for itself after a batch."""
        if self._entered:
            self.panel.edit_soon()

    def onNodeAdded(self, _caller: Any, _event: Any) -> None:
        """Choose a volume that was loaded while the panel was open."""
        if self._entered:
            self.panel.choose_volume_soon()

    @property
    def _entered(self) -> bool:
        """Whether the module is open; a panel in a window of its own always is."""
        return bool(getattr(self.parent, "isEntered", True))

    def initializeParameterNode(self) -> None:
        """Show the parameters of the present scene."""
        self.panel.follow(FUNetSegmentationParameterNode(self.logic.getParameterNode()))


class FUNetSegmentationLogic(SegmentationLogic, ScriptedLoadableModuleLogic):
    """Everything that the module does, without the panel."""

    def __init__(self, parent: Any = None, **options: Any) -> None:
        ScriptedLoadableModuleLogic.__init__(self, parent)
        SegmentationLogic.__init__(self, scene=slicer.mrmlScene, **options)


class FUNetSegmentationTest(ScriptedLoadableModuleTest):
    """The module's self-test."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run the whole loop on a generated phantom, if PyTorch is installed."""
        self.setUp()
        self.test_whole_loop()

    def test_whole_loop(self) -> None:
        """Draw, train, segment, correct, retrain, roll back."""
        from FUNetSegmentationLib.jobs.requirements import missing
        from FUNetSegmentationLib.self_test import run_self_test

        if absent := missing():  # said, not raised: Reload and Test would show it as an error
            self.delayDisplay(f"Skipped: {', '.join(map(str, absent))} must be installed first")
            return
        run_self_test(slicer.mrmlScene, self.delayDisplay)
        self.delayDisplay("Passed")
