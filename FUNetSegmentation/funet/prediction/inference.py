"""From a volume to labels: batches of slices through the network and back onto the grid."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from ..images.geometry import Geometry, SliceOrder
from ..images.known_labels import known_slices, require_known
from ..images.pieces import main_piece
from ..images.preprocessing import PreparedVolume, prepare_volume, resample_slices, restore_stack
from ..images.segmentations import IGNORE_LABEL
from ..images.succession import successive_labels
from ..images.tilting import rotated, tilts_about
from ..images.volumes import LabelMap, Volume
from ..models.model import Model
from ..networks import UNet, fold_batch_norm
from ..progress import CancelToken, ProgressCallback, ProgressReporter
from ..runtime import (
    NO_ROOM_ON_GPU,
    Precision,
    Runtime,
    choose_device,
    inference_runtime,
    is_out_of_memory,
    place_where_it_fits,
)
from ..side_by_side import SideBySide
from .doubt import expected_errors, mistrust, spread_doubt
from .search import SliceSearch, search_step

SliceCallback = Callable[[int, NDArray[np.uint8]], None]
"""Receives a slice's index along the volume's own slice axis, and its labels as they lie there."""

# Pixels computed together: what fits into the caches of a CPU's core, what a small GPU holds.
_PIXELS_PER_CORE = 256 * 256
_PIXELS_PER_GPU = 32 * 256 * 256

_NOTHING_FOUND = (
    "No structure was found in {name}; if it shows one, draw it in a few slices spread over it, "
    "and retrain the model, or train a new one from them."
)


@dataclass(frozen=True)
class Prediction:
    """What a model makes of a volume.

    Attributes:
        label_map: labels on the volume's own grid, with the model's segments.
        doubt: expected number of wrong pixels of each slice, by index along the volume's own
            slice axis, float64 (slices,); where a slice was not predicted, in between those of
            its neighbours; spread over the slices where the model knows little of the volume, see
            :func:`~funet.prediction.doubt.spread_doubt`.
        slice_axis: axis of the (K, J, I) arrays along which the slices lie.
        probabilities: float16 (classes, K, J, I) if they were asked for.
        notes: what the user should be told, as plain sentences.
    """

    label_map: LabelMap
    doubt: NDArray[np.float64]
    slice_axis: int
    probabilities: NDArray[np.float16] | None
    notes: tuple[str, ...]


class _Stacks(NamedTuple):
    """What came out, for all slices in their order.

    Attributes:
        labels: (slices, rows, columns).
        errors: expected wrong pixels, (slices,).
        lost: how little the model knows of the volume.
        probabilities: (classes, slices, rows, columns) if they were asked for.
    """

    labels: NDArray[np.uint8]
    errors: NDArray[np.float64]
    lost: float
    probabilities: NDArray[np.floating] | None


@dataclass(frozen=True)
class _Run:
    """What one prediction was asked for, and whom it tells what.

    Attributes:
        probabilities: whether they are wanted.
        first: index in the stack of the slice that comes before all others, if any.
        announce: called with the labels of all slices when only that of ``first`` is there.
        reporter: of the progress.
        notes: what the user should be told; added to.
        view, views: which view of the volume it is, counted from 0, and how many there are.
    """

    probabilities: bool
    first: int | None
    announce: Callable[[NDArray[np.uint8]], None]
    reporter: ProgressReporter
    notes: list[str]
    view: int = 0
    views: int = 1


class Predictor:
    """A model made ready to segment any number of volumes.

    Args:
        model: its network is copied, so that it may go on learning.
        device: as in :func:`~funet.runtime.choose_device`.
        precision: ``"auto"`` takes half precision where the hardware has it and a slice of the
            volume shows that it hardly changes a label.
        batch_size: slices computed together; chosen by their size if ``None``.

    Attributes:
        manifest: description of the model.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        batch_size: int | None = None,
    ) -> None:
        self.manifest = model.manifest
        self._precision = precision
        self._batch_size = batch_size
        chosen, notes = choose_device(device)
        network: UNet = fold_batch_norm(copy.deepcopy(model.network).eval())
        self._network, self._device, more_notes = place_where_it_fits(network, chosen)
        self._notes = (*notes, *more_notes)
        self._runtime = Runtime(self._device)
        self._ready = self._network

    def predict(
        self,
        volume: Volume,
        *,
        probabilities: bool = False,
        every_slice: bool = False,
        known: NDArray[np.uint8] | None = None,
        first_slice: int | None = None,
        on_slice: SliceCallback | None = None,
        on_progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Prediction:
        """Segment a volume.

        A model whose structures lie in one piece predicts only the slices that can matter, see
        :class:`~funet.prediction.search.SliceSearch`; of all others, every slice is predicted,
        with tilts of all views, and so it is where the structures are successive. The labels of
        these are those of :func:`~funet.images.succession.successive_labels`, so they can differ
        from the likeliest class of single voxels.

        Args:
            volume: any orientation and spacing.
            probabilities: whether to return the probabilities of all classes of every slice, too.
            every_slice: whether to predict every slice whatever the model.
            known: labels (K, J, I) that are certain, 255 elsewhere; they tell where a look is
                worth while, and at which slices successive structures give way to each other.
            first_slice: index along the volume's own slice axis of the slice to segment before
                all others, for instance the one that the user sees.
            on_slice: called with the labels of ``first_slice`` as soon as they are there; they
                are those of the result, but for what other slices and tilted views change in it.
            on_progress: called after every batch.
            cancel: checked after every batch.

        Raises:
            Cancelled: within one batch of a cancel.
            InputError: if the volume cannot be brought to the model's spacing, or has no such
                first slice, or the known labels are not on its grid.
        """
        reporter = ProgressReporter(on_progress, cancel)
        reporter.report(0, 1, f"Preparing {volume.name}")
        if known is not None:
            require_known(known, volume.geometry.shape)
        prepared, notes = self._prepared(volume)
        order = prepared.order
        if first_slice is not None:
            order.require_slices([first_slice], volume.name)
        first = None if first_slice is None else order.stack_index(first_slice)
        announce = partial(_announce, on_slice, order, first_slice)
        run = _Run(probabilities, first, announce, reporter, notes)
        stacks = self._predict_all(prepared, every_slice, run)
        labels = self._labels_on_grid(stacks, prepared, volume.geometry, known)
        if not stacks.labels.any() and not _unknown(labels, known).any():
            notes.append(_NOTHING_FOUND.format(name=volume.name))
        return Prediction(
            label_map=LabelMap(labels, volume.geometry, self.manifest.segments),
            doubt=_doubt_of(stacks, order, known),
            slice_axis=order.axis,
            probabilities=_on_grid(stacks.probabilities, order) if probabilities else None,
            notes=tuple(notes),
        )

    def _prepared(self, volume: Volume) -> tuple[PreparedVolume, list[str]]:
        prepared = prepare_volume(volume, self.manifest.preprocessing)
        notes = list(self._notes)
        if prepared.replaced_voxels:
            notes.append(
                f"{prepared.replaced_voxels} voxels of {volume.name} were not numbers and were "
                "treated as background."
            )
        return prepared, notes

    def _labels_on_grid(
        self,
        stacks: _Stacks,
        prepared: PreparedVolume,
        geometry: Geometry,
        known: NDArray[np.uint8] | None,
    ) -> NDArray[np.uint8]:
        if self.manifest.successive is None:
            labels = restore_stack(stacks.labels, prepared)
        else:
            assert stacks.probabilities is not None
            chances = [prepared.order.from_stack(one) for one in stacks.probabilities]
            across = SliceOrder.from_geometry(geometry, self.manifest.successive)
            labels = successive_labels(
                chances, across.axis, backwards=across.flipped[0], known=known
            )
        return main_piece(labels) if self.manifest.one_piece else labels

    def _predict_all(self, prepared: PreparedVolume, every_slice: bool, run: _Run) -> _Stacks:
        if self.manifest.successive is not None:
            run = replace(run, probabilities=True)  # they decide which structure a slice gets
        if self.manifest.tilts:
            return self._predict_views(prepared, run)
        every_slice = every_slice or run.probabilities or not self.manifest.one_piece
        step = 1 if every_slice else search_step(prepared.order.spacing[0])
        return self._predict_stack(prepared, step, run)

    def _predict_stack(self, prepared: PreparedVolume, step: int, run: _Run) -> _Stacks:
        """Return labels, errors and probabilities of all slices; ``first`` is announced alone."""
        count, size = len(prepared.slices), prepared.original_shape
        search = SliceSearch(count, step)
        labels = np.zeros((count, *size), np.uint8)
        errors = np.zeros(count)
        classes = self._network.config.num_classes
        # Views are added up: half precision would make classes equal that are not.
        kind = np.float32 if run.views > 1 else np.float16
        soft = np.zeros((classes, count, *size), kind) if run.probabilities else None
        done = 0
        for chosen, found, chances, over in self._computed(prepared, search, run.first, run.notes):
            labels[chosen] = found
            errors[chosen] = expected_errors(chances).cpu().numpy()
            if soft is not None:
                soft[:, chosen] = chances.transpose(0, 1).cpu().numpy()
            if run.first is not None and done == 0:
                run.announce(labels)
            done += len(chosen)
            total = done if over else max(search.expected, done + len(chosen))
            run.reporter.report(run.view * total + done, run.views * total, "Segmenting")
        (known,) = search.known.nonzero()
        errors = np.interp(np.arange(count), known, errors[known])
        return _Stacks(labels, errors, mistrust(errors, int(np.count_nonzero(labels))), soft)

    def _predict_views(self, prepared: PreparedVolume, run: _Run) -> _Stacks:
        """Return the same as :meth:`_predict_stack`, from the mean over all views of the volume."""
        sides = prepared.order.sides
        tilts = tilts_about(self.manifest.tilts)
        part = replace(run, probabilities=True, views=1 + len(tilts))
        straight = self._predict_stack(prepared, 1, part)
        assert straight.probabilities is not None
        mean = torch.from_numpy(straight.probabilities)
        slices = torch.from_numpy(prepared.slices)[None]
        for number, tilt in enumerate(tilts, 1):
            view = replace(prepared, slices=rotated(slices, tilt, sides)[0].numpy())
            *_, soft = self._predict_stack(view, 1, replace(part, first=None, view=number))
            assert soft is not None
            # One class at a time, since turning takes several times the memory of what is turned.
            for whole, tilted in zip(mean, torch.from_numpy(soft), strict=True):
                whole += rotated(tilted[None], tilt.T, sides)[0]
        mean /= part.views
        labels = mean.max(0).indices.to(torch.uint8).numpy()
        errors = expected_errors(mean.transpose(0, 1)).double().numpy()
        # The mean over views is less certain than any of them, also where the model is at home.
        return _Stacks(labels, errors, straight.lost, mean.numpy() if run.probabilities else None)

    def _computed(
        self, prepared: PreparedVolume, search: SliceSearch, first: int | None, notes: list[str]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.uint8], Tensor, bool]]:
        """Yield batch by batch, ``first`` by itself, as the search chooses them.

        Of each batch come the indices of its slices, their labels, their probabilities, and whether
        it is the last one.
        """
        slices, size = prepared.slices, prepared.original_shape
        self._choose_runtime(slices[len(slices) // 2], notes)
        batch = self._batch_size or self._usual_batch(math.prod(slices.shape[1:]))
        chosen = search.next(batch) if first is None else np.array([first])
        compute = partial(self._probabilities, size=size)
        with closing(SideBySide(batch if self._device.type == "cpu" else 1)) as side_by_side:
            while chosen.size:
                images = torch.from_numpy(slices[chosen])[:, None]
                try:
                    parts = images.chunk(side_by_side.parts)
                    chances = torch.cat(side_by_side.map(compute, parts))
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                    batch = self._use_less_memory(len(chosen), notes)
                    chosen = chosen[:batch]
                    continue
                # The same labels as those of argmax, which takes many times as long on a CPU.
                labels = chances.max(1).indices.to(torch.uint8).cpu().numpy()
                search.learn(chosen, labels.max((1, 2)) > 0)
                following = search.next(batch)
                yield chosen, labels, chances, not following.size
                chosen = following

    def _usual_batch(self, pixels: int) -> int:
        """Slices of so many pixels that are computed together."""
        on_cpu = self._device.type == "cpu"
        most = _PIXELS_PER_CORE * torch.get_num_threads() if on_cpu else _PIXELS_PER_GPU
        return max(1, most // pixels)

    def _choose_runtime(self, example: NDArray[np.float32], notes: list[str]) -> None:
        image = torch.from_numpy(example)[None, None]
        network, precision = self._network, self._precision
        try:
            on_device = image.to(self._device)
            runtime = inference_runtime(network, self._device, precision, on_device)
            if runtime != self._runtime:
                # Autocast would convert the weights anew for every batch.
                self._ready = copy.deepcopy(network).to(runtime.dtype)
                self._runtime = runtime
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self._use_less_memory(1, notes)

    @torch.inference_mode()
    def _probabilities(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        images = images.to(self._device, self._runtime.dtype, memory_format=torch.channels_last)
        logits: Tensor = self._ready(images)
        return resample_slices(logits.float().softmax(1), size)

    def _use_less_memory(self, batch: int, notes: list[str]) -> int:
        if batch > 1:
            torch.cuda.empty_cache()
            notes.append(f"The memory is full; going on with {batch // 2} slices at a time.")
            return batch // 2
        if self._device.type == "cpu":
            raise InputError("The memory does not hold a single slice of this volume; crop it.")
        notes.append(NO_ROOM_ON_GPU)
        self._notes = (*self._notes, NO_ROOM_ON_GPU)  # for later volumes, which stay there, too
        torch.cuda.empty_cache()
        self._device = torch.device("cpu")
        self._ready = self._network.to(self._device)
        self._runtime = Runtime(self._device)
        return 1


def _unknown(labels: NDArray[np.uint8], known: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Return the labels of the voxels that nobody knew."""
    return labels if known is None else labels[known == IGNORE_LABEL]


def _announce(
    on_slice: SliceCallback | None,
    order: SliceOrder,
    index: int | None,
    stack: NDArray[np.uint8],
) -> None:
    """Pass on the slice that comes first, ``index`` along the volume's own slice axis."""
    if on_slice is not None and index is not None:
        slices = np.moveaxis(order.from_stack(stack), order.axis, 0)
        on_slice(index, slices[index].copy())


def _doubt_of(
    stacks: _Stacks, order: SliceOrder, known: NDArray[np.uint8] | None
) -> NDArray[np.float64]:
    """Return the doubt of each slice by its index along the volume's own slice axis."""
    found = {} if known is None else known_slices(known, order.axis)
    shown = {order.stack_index(index): any_shown for index, any_shown in found.items()}
    doubt = spread_doubt(stacks.errors, stacks.lost, shown)
    return doubt[[order.stack_index(index) for index in range(len(doubt))]]


def _on_grid(stacks: NDArray[np.floating] | None, order: SliceOrder) -> NDArray[np.float16]:
    assert stacks is not None
    return np.stack([order.from_stack(stack).astype(np.float16) for stack in stacks])
