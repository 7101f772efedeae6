"""All models of a user: shipped ones, which never change, and versions of the user's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..files import atomic_file, remove_folder, remove_leftovers, require_writable
from ..strict_json import shown
from .active import ActiveVersion, read_active, write_active
from .identifiers import is_identifier, version_id
from .layout import MANIFEST_NAME, WEIGHTS_NAME
from .locations import default_shipped_folder, default_user_folder
from .locking import locked
from .manifest import Manifest, dump_manifest, read_manifest

if TYPE_CHECKING:
    from ..annotations.samples import SliceSample
    from ..networks import UNet
    from .model import Model


@dataclass(frozen=True)
class DamagedModel:
    """A folder of a store that cannot be used, and one sentence saying why."""

    folder: Path
    reason: str


@dataclass(frozen=True)
class StoreContent:
    """All that lies in a store."""

    models: tuple[Manifest, ...]
    damaged: tuple[DamagedModel, ...]


class ModelStore:
    """Finds, publishes and deletes model versions.

    PyTorch is loaded only by what reads or writes weights: :meth:`load`, :meth:`publish`,
    :meth:`adopt` and :meth:`root_of`; all else works in a process that must not load it.

    Every version is a folder named by its id and complete in itself. Changes are made under a
    lock between processes, and each is one rename, so that a reader never sees half of one.

    Args:
        user_folder: where versions are written; the default of this system if ``None``.
        shipped_folder: further models, only read; those beside the package if ``None``. Where
            both folders have an id, the user's own counts.
    """

    def __init__(self, user_folder: Path | None = None, shipped_folder: Path | None = None) -> None:
        self.user_folder = user_folder or default_user_folder()
        self.shipped_folder = shipped_folder or default_shipped_folder()

    def content(self) -> StoreContent:
        """Return all models by id, shipped and own, and the damaged ones apart.

        Only descriptions are read; the weights are checked when a model is loaded.
        """
        models: dict[str, Manifest] = {}
        damaged: list[DamagedModel] = []
        for folder in (*_model_folders(self.shipped_folder), *_model_folders(self.user_folder)):
            try:
                models[folder.name] = _read_listed(folder)
            except ModelError as error:
                damaged.append(DamagedModel(folder, str(error)))
        return StoreContent(tuple(sorted(models.values(), key=_order)), tuple(damaged))

    def list(self) -> tuple[Manifest, ...]:
        """Return the usable models, family by family, versions in order."""
        return self.content().models

    def find(self, id_or_folder: str | Path) -> Path:
        """Return the folder of a model given by its id or by its folder.

        An id counts before a folder of the same name in the current directory; ``./name`` is
        always a folder.

        Raises:
            ModelError: if there is none; the message lists the ids that there are.
        """
        if is_identifier(id_or_folder):
            for base in (self.user_folder, self.shipped_folder):
                if _holds_model(base / id_or_folder):
                    return base / id_or_folder
        if _holds_model(Path(id_or_folder)):
            return Path(id_or_folder)
        known = ", ".join(manifest.id for manifest in self.list()) or "none"
        raise ModelError(
            f"There is no model {shown(str(id_or_folder), 200)}; known models are: {known}."
        )

    def load(self, id_or_folder: str | Path) -> Model:
        """Load a model given by its id or by its folder.

        Raises:
            ModelError: if there is none, or it is damaged.
        """
        from .model import load_model

        return load_model(self.find(id_or_folder))

    def is_shipped(self, model_id: str) -> bool:
        """Return whether an id is that of a shipped model, which cannot be changed or deleted."""
        return self.find(model_id).parent == self.shipped_folder

    def require_writable(self) -> None:
        """Check, before a long training starts, that its result can be published.

        Raises:
            InputError: if the user's folder cannot be written to.
        """
        require_writable(self.user_folder)

    def publish(
        self,
        manifest: Manifest,
        network: UNet,
        samples: Sequence[SliceSample] = (),
        activate: bool = True,
    ) -> Manifest:
        """Add a model under an id that no other has.

        A version that has a parent gets the next number of its family ("midbrain-t1.v2"); a model
        without one keeps its id if it is free, else gets a number ("red-nucleus-2").

        Args:
            manifest: the description, as from :meth:`Manifest.child`.
            network: its network.
            samples: slices to keep for replay.
            activate: whether to make it the version in use.

        Returns:
            The description as it was published.

        Raises:
            ModelError: as :func:`~funet.models.model.save_model`.
            InputError: if the folder cannot be written; all that was there is untouched.
        """
        from .model import save_model

        def write(folder: Path, named: Manifest) -> Manifest:
            return save_model(folder, named, network, samples)

        with self._locked():
            return self._add(self._with_new_id(manifest), write, activate)

    def adopt(self, folder: Path) -> Manifest:
        """Copy a model from outside into the store; it becomes active only in a new family.

        It keeps its id if that is free. A model that is here already is not copied again.

        Returns:
            The description of the model in the store.

        Raises:
            ModelError: if the model is damaged.
            InputError: if the store cannot be written.
        """
        from .model import copy_model, load_model, load_samples_of

        model = load_model(folder)
        load_samples_of(model)
        manifest = model.manifest

        def write(target: Path, named: Manifest) -> Manifest:
            copy_model(folder, target, named)
            return named

        with self._locked():
            known = {own.id: own for own in self.list()}.get(manifest.id)
            same_weights = known is not None and known.weights == manifest.weights
            # One that brings its slices can go on learning, where one without them cannot.
            brings_slices = known is not None and known.samples is None and manifest.samples
            if known is not None and same_weights and not brings_slices:
                return known
            if not self._is_free(manifest.id):
                manifest = self._with_new_id(manifest)
            return self._add(manifest, write, activate=False)

    def active(self, family: str) -> Manifest:
        """Return the version of a family in use: the last published, unless rolled back.

        Raises:
            ModelError: if there is no such family.
        """
        members = [manifest for manifest in self.list() if manifest.family == family]
        if not members:
            families = ", ".join(sorted({manifest.family for manifest in self.list()})) or "none"
            raise ModelError(f"There is no model {shown(family)}; known models are: {families}.")
        return self.in_use(members)[0]

    def in_use(self, models: Sequence[Manifest]) -> tuple[Manifest, ...]:
        """Return the version in use of each family, among models as :meth:`list` returns them."""
        remembered = read_active(self.user_folder)
        families: dict[str, list[Manifest]] = {}
        for manifest in models:
            families.setdefault(manifest.family, []).append(manifest)
        chosen = []
        for family, members in families.items():
            entry = remembered.get(family)
            named = [manifest for manifest in members if entry and manifest.id == entry.active]
            chosen.append(named[0] if named else members[-1])
        return tuple(chosen)

    def activate(self, model_id: str) -> Manifest:
        """Make a version the one in use in its family.

        Raises:
            ModelError: if there is no such model in the store.
        """
        with self._locked():
            manifest = self._manifest(model_id)
            self._set_active(manifest)
        return manifest

    def roll_back(self, family: str) -> Manifest:
        """Make the parent of the version in use the one in use, and return it.

        Raises:
            ModelError: if that version has no parent, or the parent is not here.
        """
        with self._locked():
            current = self.active(family)
            parent = self._parent(current)
            if parent is None:
                why = "it is the first version"
                if current.parent is not None:
                    why = f"its parent {current.parent} is not here any more"
                    if any(own.id == current.parent for own in self.list()):
                        why = f"the model {current.parent} that is here is not its parent"
                raise ModelError(f"{current.id} cannot be rolled back, because {why}.")
            self._set_active(parent)
        return parent

    def lineage(self, model_id: str) -> tuple[Manifest, ...]:
        """Return a version, its parent, and so on, as far as they are in the store.

        Raises:
            ModelError: if there is no such model in the store.
        """
        line = [self._manifest(model_id)]
        while (parent := self._parent(line[-1])) is not None and parent not in line:
            line.append(parent)
        return tuple(line)

    def root_of(self, model: Model) -> Model:
        """Return the version that a model descends from, as far as its line is in the store.

        A model that is not in the store, or has no parent there, is its own root; so is a version
        that came without the slices which taught it, because nothing else knows what it learned.

        Raises:
            ModelError: if the root is damaged.
        """
        digests = {own.id: own.weights for own in self.list()}
        if digests.get(model.manifest.id) != model.manifest.weights:
            return model
        line = self.lineage(model.manifest.id)
        alone = (one for one in line if one.parent is not None and one.samples is None)
        root = next(alone, line[-1])
        return model if root.id == model.manifest.id else self.load(root.id)

    def rename(self, model_id: str, name: str) -> Manifest:
        """Change the name that people see; the id stays.

        Raises:
            ModelError: if there is no such model, it is a shipped one, or the name is blank.
        """
        with self._locked():
            manifest = replace(self._own_manifest(model_id), name=name)
            with atomic_file(self.user_folder / model_id / MANIFEST_NAME) as temporary:
                temporary.write_bytes(dump_manifest(manifest))
        return manifest

    def delete(self, model_id: str) -> None:
        """Delete a version of the user's own, damaged or not.

        Versions trained from it keep working, since each is complete; they can only not be
        rolled back to it any more. If it was in use, its parent is now, else the newest version.

        Raises:
            ModelError: if there is no such model, or it is a shipped one.
            InputError: if its folder cannot be deleted.
        """
        with self._locked():
            if any(bad.folder == self.user_folder / model_id for bad in self.content().damaged):
                remove_folder(self.user_folder / model_id)
                return
            manifest = self._own_manifest(model_id)
            parent = self._parent(manifest)
            if parent is not None and self.active(manifest.family).id == model_id:
                self._set_active(parent)
            remove_folder(self.user_folder / model_id)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from changing the store, and clear what killed ones left."""
        self.require_writable()
        self.user_folder.mkdir(parents=True, exist_ok=True)
        with locked(self.user_folder):
            for folder in (self.user_folder, *_model_folders(self.user_folder)):
                remove_leftovers(folder)
            yield

    def _add(
        self, manifest: Manifest, write: Callable[[Path, Manifest], Manifest], activate: bool
    ) -> Manifest:
        families = read_active(self.user_folder)  # a damaged file stops this before the work
        members = [own for own in self.list() if own.family == manifest.family]
        active = manifest if activate or not members else self.active(manifest.family)
        published = write(self.user_folder / manifest.id, manifest)
        last = max(self._last_version(manifest.family), manifest.version)
        families[manifest.family] = ActiveVersion(active.id, last)
        write_active(self.user_folder, families)
        return published

    def _with_new_id(self, manifest: Manifest) -> Manifest:
        if manifest.parent is None:
            family, number = manifest.family, 2
            while not self._is_free(family) or self._last_version(family):
                family = f"{manifest.family}-{number}"
                number += 1
            return replace(manifest, id=family, family=family)
        version = max(self._last_version(manifest.family), 1) + 1
        while not self._is_free(version_id(manifest.family, version)):
            version += 1
        return replace(manifest, id=version_id(manifest.family, version), version=version)

    def _is_free(self, model_id: str) -> bool:
        bases = (self.user_folder, self.shipped_folder)
        return not any(os.path.lexists(base / model_id) for base in bases)

    def _last_version(self, family: str) -> int:
        entry = read_active(self.user_folder).get(family)
        versions = [own.version for own in self.list() if own.family == family]
        return max([*versions, entry.last_version if entry else 0])

    def _manifest(self, model_id: str) -> Manifest:
        for manifest in self.list():
            if manifest.id == model_id:
                return manifest
        self.find(model_id if is_identifier(model_id) else shown(model_id))
        raise ModelError(f"The model {model_id} is damaged; delete it or get it again.")

    def _own_manifest(self, model_id: str) -> Manifest:
        manifest = self._manifest(model_id)
        if not (self.user_folder / model_id).is_dir():
            raise ModelError(f"{model_id} came with the program and cannot be changed or deleted.")
        return manifest

    def _parent(self, manifest: Manifest) -> Manifest | None:
        """Return the parent if it is here; a namesake with other weights is not the parent."""
        for candidate in self.list():
            same = manifest.parent_sha256 in (None, candidate.weights_sha256)
            if candidate.id == manifest.parent and candidate.family == manifest.family and same:
                return candidate
        return None

    def _set_active(self, manifest: Manifest) -> None:
        families = read_active(self.user_folder)
        last = max(self._last_version(manifest.family), manifest.version)
        families[manifest.family] = ActiveVersion(manifest.id, last)
        write_active(self.user_folder, families)


def _holds_model(folder: Path) -> bool:
    try:
        return (folder / MANIFEST_NAME).is_file()
    except (OSError, ValueError):  # a name that is too long or cannot be a path
        return False


def _model_folders(base: Path) -> list[Path]:
    if not base.is_dir():
        return []
    return sorted(entry for entry in base.iterdir() if is_identifier(entry.name) and entry.is_dir())


def _read_listed(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    if manifest.id != folder.name:
        raise ModelError(f"{folder} holds a model of another id, {manifest.id}; rename the folder.")
    weights = folder / WEIGHTS_NAME
    if not weights.is_file() or weights.stat().st_size != manifest.weights_bytes:
        raise ModelError(f"{weights} is missing or damaged; get the model again.")
    return manifest


def _order(manifest: Manifest) -> tuple[str, int, str]:
    return manifest.family, manifest.version, manifest.id
