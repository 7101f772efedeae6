"""Everything that the module does, for the panel and for Slicer's Python console alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from funet.errors import InputError
from funet.models.manifest import Manifest
from funet.progress import ProgressCallback

from ..jobs.runner import JobRunner
from ..scene.editing import UndoStore
from ..scene.history import ReviewHistory
from ..scene.segmentation_nodes import alive
from ..scene.views import visible_slice
from ..translation import tr as _
from .applying import Desk, Prediction, apply_prediction
from .batch import FileCallback, segment_files_steps
from .model_logic import ModelLogic
from .nodes import annotated_segmentations, as_list, name_of, some_alive, some_usable
from .parameters import remember, remember_version
from .results import RetrainingResult
from .retraining import Annotated, MetricCallback, RetrainingOptions, retrain_steps, roll_back_steps
from .review_logic import ReviewLogic
from .segmenting import predict_steps, segment_steps, update_steps
from .task import Steps, Task
from .task_logic import always
from .training import TrainingOptions, train_steps


class SegmentationLogic(ReviewLogic, ModelLogic):
    """Segment, review, retrain, train, and manage models.

    Long calls take ``waitForCompletion``: ``True`` returns the result or raises a
    :class:`funet.errors.FunetError` whose text is a sentence for the user; ``False`` returns a
    :class:`~.task.Task` at once. Calls made while another one runs wait for their turn.
    ``progressCallback`` is called with :class:`funet.progress.Progress`.

    Args:
        runner: the background process; a new one if ``None``.
        modelsFolder: where the user's models are; the usual place if ``None``.
        scene: where settings are remembered of calls that name no node.

    Attributes:
        onTaskChanged: functions called with a task whenever it changes.
        undoSaver: saves the state of a segmentation node for the Segment Editor's Undo and says
            whether it did; ``None`` without an editor.
        editorNode: returns the Segment Editor's node, whose masks apply; ``None`` without one.
        visibleSlice: returns the slice that the user looks at, given volume node and slice axis.
    """

    def __init__(
        self,
        *,
        runner: JobRunner | None = None,
        modelsFolder: str | Path | None = None,
        scene: Any = None,
    ) -> None:
        super().__init__(runner=runner, modelsFolder=modelsFolder)
        self._scene = scene
        self._undo = UndoStore()
        self.editorNode: Callable[[], Any] | None = None
        self.visibleSlice: Callable[[Any, int], int | None] = visible_slice

    @property
    def undoSaver(self) -> Callable[[Any], bool] | None:
        """See the class."""
        return self._undo.saver

    @undoSaver.setter
    def undoSaver(self, saver: Callable[[Any], bool] | None) -> None:
        self._undo.saver = saver

    def segment(
        self,
        volumeNode: Any,
        model: str | None = None,
        segmentationNode: Any = None,
        device: str = "auto",
        waitForCompletion: bool = True,
        progressCallback: ProgressCallback | None = None,
    ) -> Any:
        """Segment a volume.

        Args:
            volumeNode: the volume.
            model: id of a model; the one that fits the volume if ``None``.
            segmentationNode: where to write; what is corrected, accepted, locked or masked there
                stays. A new node if ``None``.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            waitForCompletion, progressCallback: see the class.

        Returns:
            The segmentation node.
        """

        def work(task: Task) -> Steps:
            chosen = self._shelf.manifest(model) if model else self._shelf.fitting(volumeNode)
            remember(self._scene_of(volumeNode), model=chosen.id, device=device)
            return (
                yield from segment_steps(
                    task,
                    volume_node=volumeNode,
                    segmentation_node=segmentationNode,
                    model=chosen,
                    device=device,
                    desk=self._desk,
                )
            )

        def wanted() -> bool:
            return alive(volumeNode) and (segmentationNode is None or alive(segmentationNode))

        title = _("Segmenting {name}").format(name=name_of(volumeNode))
        return self._run("segment", title, work, wanted, waitForCompletion, progressCallback)

    def undo(self, segmentationNode: Any) -> bool:
        """Take back the last prediction that was written; whether there was one to take back.

        Where the Segment Editor edits the node, use its own Undo.
        """
        return self._undo.undo(segmentationNode)

    def retrain(
        self,
        segmentationNodes: Any,
        model: str | None = None,
        volumeNodes: Any = None,
        device: str = "auto",
        steps: int | None = None,
        seed: int | None = None,
        slices: Sequence[Any] | None = None,
        update: bool = True,
        waitForCompletion: bool = True,
        progressCallback: ProgressCallback | None = None,
        metricCallback: MetricCallback | None = None,
    ) -> Any:
        """Teach a model the corrected and accepted slices of some segmentations.

        Args:
            segmentationNodes: one segmentation node or several.
            model: the version to improve; the one that made the prediction if ``None``, else the
                one that fits.
            volumeNodes: their volumes; those that they were made on if ``None``.
            device: as for :meth:`segment`.
            steps: batches to learn; the default of the engine if ``None``.
            seed: of all random choices.
            slices: the slices to learn, of one segmentation or a list for each; those that are
                corrected or accepted if ``None``.
            update: whether to predict the untouched slices again if the new version is kept.
            waitForCompletion, progressCallback: see the class.
            metricCallback: called with dictionaries such as ``{"step": …, "loss": …}``.

        Returns:
            A :class:`~.results.RetrainingResult`.
        """
        nodes = as_list(segmentationNodes)
        options = RetrainingOptions(device, steps, seed, update)
        annotated: list[Annotated] = []

        def work(task: Task) -> Steps:
            annotated.extend(annotated_segmentations(nodes, volumeNodes, slices))
            chosen = self._model_of(annotated[0].segmentation_node, model, annotated[0].volume_node)
            remember(self._scene_of(nodes[0]), device=device)  # a trial sets no steps
            result: RetrainingResult = yield from retrain_steps(
                task,
                annotated,
                model=chosen,
                options=options,
                find_model=self._shelf.manifest,
                store=self._shelf.store,
                desk=self._desk,
                on_metric=metricCallback,
            )
            remember_version(self._scene_of(nodes[0]), result.model, self._shelf.store)
            return result

        wanted = partial(some_usable, annotated)
        title = _("Retraining")
        return self._run("retrain", title, work, wanted, waitForCompletion, progressCallback)

    def rollBack(
        self,
        segmentationNodes: Any = None,
        model: str | None = None,
        device: str = "auto",
        update: bool = True,
        waitForCompletion: bool = True,
        progressCallback: ProgressCallback | None = None,
    ) -> Any:
        """Go back to the version that the one in use was trained from.

        Args:
            segmentationNodes: predicted again with the earlier version.
            model: id of any version of the family; that of the segmentations if ``None``.
            device, update: as for :meth:`retrain`.
            waitForCompletion, progressCallback: see the class.

        Returns:
            The version in use now, a :class:`~.results.ModelInfo`.
        """
        nodes = as_list(segmentationNodes)

        def work(task: Task) -> Steps:
            chosen = self._model_of(nodes[0] if nodes else None, model, None)
            result = yield from roll_back_steps(
                task,
                nodes if update else [],
                family=chosen.family,
                store=self._shelf.store,
                device=device,
                desk=self._desk,
                describe=self._shelf.describe,
            )
            remember_version(self._scene_of(*nodes[:1]), result.id, self._shelf.store)
            return result

        wanted = partial(some_alive, nodes)
        title = _("Rolling back")
        return self._run("models", title, work, wanted, waitForCompletion, progressCallback)

    def update(
        self,
        segmentationNodes: Any,
        model: str | None = None,
        device: str = "auto",
        waitForCompletion: bool = True,
        progressCallback: ProgressCallback | None = None,
    ) -> Any:
        """Predict the untouched slices of segmentations again, the visible slice first.

        Args:
            segmentationNodes: one segmentation node or several.
            model: id of the model; that of the segmentations if ``None``.
            device: as for :meth:`segment`.
            waitForCompletion, progressCallback: see the class.

        Returns:
            The segmentation nodes.
        """
        nodes = as_list(segmentationNodes)

        def work(task: Task) -> Steps:
            chosen = self._model_of(nodes[0] if nodes else None, model, None)
            yield from update_steps(task, nodes, model=chosen, device=device, desk=self._desk)
            return nodes

        wanted = partial(some_alive, nodes)
        title = _("Updating")
        return self._run("segment", title, work, wanted, waitForCompletion, progressCallback)

    def trainNewModel(
        self,
        volumeNodes: Any,
        segmentationNodes: Any,
        name: str,
        slicePlane: Any = None,
        epochs: int | None = None,
        seed: int | None = None,
        device: str = "auto",
        waitForCompletion: bool = True,
        progressCallback: ProgressCallback | None = None,
        metricCallback: MetricCallback | None = None,
    ) -> Any:
        """Train a model from what is drawn in some segmentations.

        Args:
            volumeNodes, segmentationNodes: one pair or several, each of another subject.
            name: what people see of the model.
            slicePlane: ``"axial"``, ``"coronal"`` or ``"sagittal"``; that in which the slices
                were drawn, as far as one can see, if ``None``.
            epochs, seed, device: as for :meth:`retrain`.
            waitForCompletion, progressCallback: see the class.
            metricCallback: called with dictionaries such as ``{"epoch": …, "training_loss": …}``.

        Returns:
            The new model, a :class:`~.results.ModelInfo`.
        """
        nodes = as_list(segmentationNodes)
        annotated: list[Annotated] = []

        def work(task: Task) -> Steps:
            annotated.extend(annotated_segmentations(nodes, volumeNodes, None))
            result = yield from train_steps(
                task,
                annotated,
                TrainingOptions(name, slicePlane, epochs, seed, device),
                store=self._shelf.store,
                describe=self._shelf.describe,
                on_metric=metricCallback,
            )
            remember(self._scene_of(*nodes[:1]), model=result.id)
            return result

        title = _("Training {name}").format(name=name)
        return self._run("train", title, work, always, waitForCompletion, progressCallback)

    def segmentFiles(
        self,
        paths: Sequence[str | Path],
        outputFolder: str | Path,
        model: str = "midbrain-t1",
        resume: bool = True,
        format: str = "nii.gz",  # noqa: A002 (the name that acceptance uses)
        device: str = "auto",
        waitForCompletion: bool = True,
        progressCallback: ProgressCallback | None = None,
        fileCallback: FileCallback | None = None,
    ) -> Any:
        """Segment files without loading them into the scene; one bad file does not stop the rest.

        Args:
            paths: image files, folders and patterns.
            outputFolder: where ``<input stem>_<model>.<format>`` is written, after the names of
                folders where several inputs have the same stem.
            model: id of the model.
            resume: whether to skip the files whose result is there already.
            format: ``"nii.gz"``, ``"nrrd"`` or ``"seg.nrrd"``.
            device: as for :meth:`segment`.
            waitForCompletion, progressCallback: see the class.
            fileCallback: called with the :class:`~.results.FileResult` of each file.

        Returns:
            A list of :class:`~.results.FileResult`.
        """
        files = [paths] if isinstance(paths, str | Path) else list(paths)
        work = partial(
            segment_files_steps,
            paths=files,
            output_folder=outputFolder,
            model=model,
            resume=resume,
            suffix=format,
            device=device,
            on_file=fileCallback,
        )
        title = _("Segmenting {count} inputs").format(count=len(files))
        return self._run("batch", title, work, always, waitForCompletion, progressCallback)

    def predict(
        self,
        segmentationNode: Any,
        model: str | None = None,
        device: str = "auto",
        slices: Any = None,
        waitForCompletion: bool = True,
    ) -> Any:
        """Predict the volume of a segmentation without writing anything.

        Of the corrected and accepted slices, the prediction relies on ``slices``, else on all.

        Returns:
            A :class:`~.applying.Prediction` for :meth:`writePrediction`.
        """

        def work(task: Task) -> Steps:
            chosen = self._model_of(segmentationNode, model, None)
            return (yield from predict_steps(task, segmentationNode, chosen, device, slices))

        wanted = partial(alive, segmentationNode)
        title = _("Predicting {name}").format(name=name_of(segmentationNode))
        return self._run("segment", title, work, wanted, waitForCompletion, None)

    def writePrediction(self, segmentationNode: Any, prediction: Prediction) -> list[str]:
        """Write a prediction into the untouched slices; returns notes for the user."""
        return apply_prediction(
            prediction,
            volume_node=ReviewHistory(segmentationNode).volume_node,
            segmentation_node=segmentationNode,
            desk=self._desk,
        )

    @property
    def _desk(self) -> Desk:
        return Desk(
            undo=self._undo,
            editor_node=self.editorNode or _no_editor,
            visible_slice=self.visibleSlice,
        )

    def _scene_of(self, *nodes: Any) -> Any:
        """Return the scene of the first node in one, else that which the logic was made for."""
        return next((node.GetScene() for node in nodes if alive(node)), self._scene)

    def _model_of(self, segmentation_node: Any, model: str | None, volume_node: Any) -> Manifest:
        """Return the model asked for, else the one of a segmentation, else the fitting one."""
        known = ReviewHistory(segmentation_node).model if segmentation_node is not None else None
        if model or known:
            return self._shelf.manifest(model or known)
        if volume_node is None:
            raise InputError(_("No model is given; name one, or a segmentation made by one."))
        return self._shelf.fitting(volume_node)


def _no_editor() -> None:
    return None
