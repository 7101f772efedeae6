"""The part of the logic that handles the models on disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from funet.models.store import ModelStore

from ..jobs.runner import JobRunner
from ..translation import tr as _
from .models import ModelShelf
from .results import ModelInfo
from .task_logic import TaskLogic, always


class ModelLogic(TaskLogic):
    """Lists, renames, exports, imports and deletes models; see :class:`~.task_logic.TaskLogic`."""

    def __init__(
        self, *, runner: JobRunner | None = None, modelsFolder: str | Path | None = None
    ) -> None:
        super().__init__(runner=runner, modelsFolder=modelsFolder)
        self._shelf = ModelShelf(lambda: ModelStore(user_folder=self.modelsFolder))

    def models(self) -> list[ModelInfo]:
        """Return all models, family by family, versions in order; damaged ones last."""
        return self._shelf.list()

    def model(self, modelId: str) -> ModelInfo:
        """Return what is known of one model.

        Raises:
            ModelError: if there is none of that id.
        """
        return self._shelf.describe(modelId)

    def fittingModel(self, volumeNode: Any) -> str:
        """Return the id of the model that fits a volume best.

        Raises:
            InputError: if the volume cannot be used.
            ModelError: if there are no models.
        """
        return self._shelf.fitting(volumeNode).id

    def activateModel(self, modelId: str) -> ModelInfo:
        """Make a version the one of its family in use.

        Raises:
            ModelError: if there is none of that id.
        """
        return self._shelf.describe(self._shelf.store.activate(modelId))

    def renameModel(self, modelId: str, name: str) -> ModelInfo:
        """Change the name that people see; the id stays.

        Raises:
            ModelError: if there is no such model, it came with the extension, or the name is blank.
        """
        return self._shelf.describe(self._shelf.store.rename(modelId, name.strip()))

    def deleteModel(self, modelId: str) -> None:
        """Delete a version; versions trained from it keep working.

        Raises:
            ModelError: if there is no such model, or it came with the extension.
        """
        self._shelf.store.delete(modelId)

    def exportModel(
        self,
        modelId: str,
        path: str | Path,
        withSlices: bool = False,
        waitForCompletion: bool = True,
    ) -> Any:
        """Write a model to one file, to hand it on.

        Args:
            modelId: id of the model.
            path: the file, ending in ``.zip``; replaced if it exists.
            withSlices: whether to add the image slices that taught it, which show the patients.
            waitForCompletion: see :class:`~.logic.SegmentationLogic`.

        Returns:
            The path as text.
        """
        title = _("Exporting {model}").format(model=modelId)
        work = partial(self._shelf.export_steps, model=modelId, path=path, with_slices=withSlices)
        return self._run("models", title, work, always, waitForCompletion, None)

    def importModel(self, path: str | Path, waitForCompletion: bool = True) -> Any:
        """Add a model from a file that :meth:`exportModel` wrote, perhaps elsewhere.

        Returns:
            The model as it is here, a :class:`~.results.ModelInfo`.
        """
        title = _("Importing {name}").format(name=Path(path).name)
        work = partial(self._shelf.import_steps, path=path)
        return self._run("models", title, work, always, waitForCompletion, None)
