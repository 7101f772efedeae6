"""A model version as a folder: ``model.json``, the weights, and the slices kept for replay."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..annotations.sample_archive import load_samples, save_samples
from ..annotations.samples import SliceSample
from ..errors import ModelError
from ..files import atomic_folder
from ..networks import UNet
from .layout import MANIFEST_NAME, SAMPLES_NAME, WEIGHTS_NAME
from .manifest import Manifest, dump_manifest, read_manifest
from .weights import load_weights, save_weights


@dataclass(frozen=True)
class Model:
    """A network with its description.

    Attributes:
        manifest: the description.
        network: on the CPU; in evaluation mode after loading.
        folder: where it was loaded from, if from disk.
    """

    manifest: Manifest
    network: UNet
    folder: Path | None = None


def save_model(
    folder: Path, manifest: Manifest, network: UNet, samples: Sequence[SliceSample] = ()
) -> Manifest:
    """Write a model version; its folder appears complete or not at all.

    Args:
        folder: the new folder; a version is never overwritten.
        manifest: the description; the digests of the files are filled in.
        network: what the description says, with finite weights.
        samples: the slices that taught this version and those before it, for replay.

    Returns:
        The description as it was written.

    Raises:
        ModelError: if the folder exists, a weight is not finite, or network and description
            differ.
        InputError: if the folder cannot be written or the disk is full; nothing is left.
    """
    if network.config != manifest.network:
        raise ModelError(
            f"The network is not the one that the description of the model {manifest.id} names."
        )
    with atomic_folder(folder) as temporary:
        weights = save_weights(temporary / WEIGHTS_NAME, network)
        kept = save_samples(temporary / SAMPLES_NAME, samples) if samples else None
        manifest = manifest.with_files(weights, kept)
        (temporary / MANIFEST_NAME).write_bytes(dump_manifest(manifest))
    return manifest


def load_model(folder: Path) -> Model:
    """Read a model version; nothing in its folder is trusted before it was checked.

    Raises:
        ModelError: if a file is missing, damaged, changed, or anything else than it should be.
    """
    manifest = read_manifest(folder)
    # Without memory until the stored tensors turn out to fit, and without drawing random weights.
    with torch.device("meta"):
        network = UNet(manifest.network)
    load_weights(folder / WEIGHTS_NAME, network, manifest.weights)
    return Model(manifest, network.eval(), folder)


def load_samples_of(model: Model) -> tuple[SliceSample, ...]:
    """Return the slices kept with a model for replay; none if it has none.

    Raises:
        ModelError: if their file is missing, damaged or changed.
    """
    if model.folder is None or model.manifest.samples is None:
        return ()
    return load_samples(model.folder / SAMPLES_NAME, model.manifest.samples)


def copy_model(source: Path, folder: Path, manifest: Manifest) -> None:
    """Copy the files of a model version, which the caller has checked, under a new description.

    Raises:
        ModelError: if the folder exists.
        InputError: if the folder cannot be written or the disk is full; nothing is left.
    """
    names = [WEIGHTS_NAME] + ([SAMPLES_NAME] if manifest.samples else [])
    with atomic_folder(folder) as temporary:
        for name in names:
            shutil.copyfile(source / name, temporary / name)
        (temporary / MANIFEST_NAME).write_bytes(dump_manifest(manifest))
