"""The models on disk, as the model manager and the console handle them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from funet.errors import ModelError
from funet.models.fitting import best_fit
from funet.models.manifest import Manifest, read_manifest
from funet.models.store import ModelStore

from ..scene.volumes import snapshot
from ..translation import tr as _
from .results import ModelInfo
from .task import JobStep, Steps, Task


class ModelShelf:
    """The models of a store as :class:`~.results.ModelInfo`.

    Args:
        open_store: returns the store, whose folder the user may change at any time.
    """

    def __init__(self, open_store: Callable[[], ModelStore]) -> None:
        self._open_store = open_store

    @property
    def store(self) -> ModelStore:
        """The store as it is now."""
        return self._open_store()

    def list(self) -> list[ModelInfo]:
        """Return all models, family by family, versions in order; damaged ones last."""
        store = self.store
        content = store.content()
        active = self._active_ids(store, content.models)
        usable = [self._info(store, manifest, active) for manifest in content.models]
        damaged = [
            ModelInfo(
                id=bad.folder.name,
                name=bad.folder.name,
                family=bad.folder.name,
                version=0,
                parent=None,
                structures=(),
                active=False,
                shipped=bad.folder.parent == store.shipped_folder,
                created="",
                damaged=bad.reason,
            )
            for bad in content.damaged
        ]
        return usable + damaged

    def describe(self, model: str | Manifest) -> ModelInfo:
        """Return what is known of a model.

        Raises:
            ModelError: if there is none of that id.
        """
        store = self.store
        manifest = model if isinstance(model, Manifest) else self.manifest(model)
        return self._info(store, manifest, self._active_ids(store, store.list()))

    def manifest(self, model: str) -> Manifest:
        """Return the description of a model by its id or its folder.

        Raises:
            ModelError: if there is none; the message lists those that there are.
        """
        return read_manifest(self.store.find(model))

    def fitting(self, volume_node: Any) -> Manifest:
        """Return the version in use that fits a volume best.

        Raises:
            InputError: if the volume cannot be used.
            ModelError: if there are no models.
        """
        store = self.store
        models = store.list()
        active = self._active_ids(store, models)
        candidates = [manifest for manifest in models if manifest.id in active]
        chosen = best_fit(candidates, snapshot(volume_node).geometry)
        if chosen is None:
            raise ModelError(_("There is no model; train one from drawn slices or import one."))
        return chosen

    def import_steps(self, task: Task, path: str | Path) -> Steps:
        """Add a model from a file; the result is its :class:`~.results.ModelInfo`."""
        handle = yield JobStep("import_model", {"path": str(path)})
        outcome = handle.result or {}
        task.note(outcome["note"])
        return self.describe(outcome["model"])

    @staticmethod
    def export_steps(_task: Task, model: str, path: str | Path, *, with_slices: bool) -> Steps:
        """Write a model to a file; the result is the path."""
        handle = yield JobStep(
            "export_model", {"model": model, "path": str(path), "samples": with_slices}
        )
        return (handle.result or {})["path"]

    @staticmethod
    def _active_ids(store: ModelStore, models: tuple[Manifest, ...]) -> frozenset[str]:
        return frozenset(manifest.id for manifest in store.in_use(models))

    @staticmethod
    def _info(store: ModelStore, manifest: Manifest, active: frozenset[str]) -> ModelInfo:
        own = (store.user_folder / manifest.id).is_dir()
        return ModelInfo.from_manifest(manifest, active=manifest.id in active, shipped=not own)
