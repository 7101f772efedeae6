"""Structures that follow one another through the slices of a plane, one in each slice.

So anatomists part some organs by convention where no edge is to be seen: the anterior hippocampus
from the posterior one, for instance, at a coronal slice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .known_labels import require_known
from .segmentations import IGNORE_LABEL

# The least chance that counts, so that no single voxel can decide.
_LEAST_CHANCE = 1e-3
# Weight of a known label that is not what would be found without it, beside one that is: a slice
# whose border was moved outweighs four in which something else was corrected, and a slip of the
# hand does not outweigh a slice.
_MOVED = 5


def successive_labels(
    chances: Sequence[NDArray[np.floating]],
    axis: int,
    *,
    backwards: bool,
    known: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Label voxels such that each slice along an axis shows one structure at most.

    A voxel belongs to a structure where all of them together are likelier than the background. To
    which one is decided slice by slice: of all sequences of the structures in the order of their
    values, the one is taken under which the labels of all these voxels are the likeliest, as if
    they were independent.

    Args:
        chances: an array of any shape for every class, the background first; in [0, 1], summing
            to 1 over the classes.
        axis: of the arrays, along which the structures follow one another.
        backwards: whether they do so from its end to its beginning.
        known: the labels of voxels of which they are certain,
            :data:`~funet.images.segmentations.IGNORE_LABEL` elsewhere. They outweigh all others,
            and among them count most those that show another structure than would be found
            without them, since who corrects something in a slice may leave its border as it was.

    Returns:
        Labels in the shape of the arrays.

    Raises:
        InputError: if the known labels have another shape.
    """
    if known is None:
        known = np.full(chances[0].shape, IGNORE_LABEL, np.uint8)
    else:
        require_known(known, chances[0].shape)
    shown = np.where(known == IGNORE_LABEL, chances[0] < 0.5, known > 0)
    places, certain = np.nonzero(shown)[axis], known[shown]
    count = shown.shape[axis]
    predicted = np.array([np.log(np.maximum(one[shown], _LEAST_CHANCE)) for one in chances[1:]])
    values = _likeliest(predicted, places, count, backwards=backwards)
    is_known = certain != IGNORE_LABEL
    if is_known.any():
        weights = np.where(certain == values[places], 1, _MOVED) * places.size
        wrong = certain != np.arange(1, len(chances))[:, None]
        evidence = np.where(is_known, wrong * weights * np.log(_LEAST_CHANCE), predicted)
        values = _likeliest(evidence, places, count, backwards=backwards)
    labels = np.zeros(shown.shape, np.uint8)
    labels[shown] = values[places]
    return labels


def _likeliest(
    logarithms: NDArray[np.float64], places: NDArray[np.intp], count: int, *, backwards: bool
) -> NDArray[np.uint8]:
    """Return the structure of every slice, one after the other, under which all is the likeliest.

    Args:
        logarithms: (structures, voxels), of the chances.
        places: (voxels,), the slice of each.
        count: number of slices.
        backwards: whether the structures follow one another from the last slice to the first.

    Returns:
        (count,), from 1.
    """
    evidence = np.array([np.bincount(places, one, count) for one in logarithms])
    if backwards:
        return _rising(evidence[:, ::-1])[::-1]
    return _rising(evidence)


def _rising(evidence: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the rising sequence of values from 1 with the largest sum of evidence.

    Args:
        evidence: (structures, slices), logarithms.

    Returns:
        (slices,)
    """
    structures = np.arange(len(evidence))
    total = np.zeros(len(evidence))
    origins = []
    for column in evidence.T:
        # The best of all structures that may come before each one.
        best = np.maximum.accumulate(total)
        origins.append(np.maximum.accumulate(np.where(total == best, structures, 0)))
        total = best + column
    values = np.zeros(len(origins), np.uint8)
    last = int(total.argmax())
    for place in range(len(origins) - 1, -1, -1):
        values[place] = last + 1
        last = int(origins[place][last])
    return values


def count_out_of_succession(labels: NDArray[np.uint8], axis: int, *, backwards: bool) -> int:
    """Return how many labels contradict the sequence that agrees with the most of them.

    Args:
        labels: of any shape, 0 is background.
        axis, backwards: as for :func:`successive_labels`.
    """
    values = range(int(labels.max(initial=1)) + 1)
    best = successive_labels([labels == value for value in values], axis, backwards=backwards)
    return int(np.count_nonzero(best != labels))
