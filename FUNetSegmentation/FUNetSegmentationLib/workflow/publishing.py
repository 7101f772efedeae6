"""A task that is given up at its last moment leaves no model."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from funet.errors import FunetError
from funet.models.store import ModelStore

from ..scene.history import ReviewHistory
from ..scene.segmentation_nodes import alive


@contextmanager
def withdrawn_unless_done(store: ModelStore, nodes: Sequence[Any] = ()) -> Iterator[str]:
    """Give a job the text by which its model is known; delete that model if the block raises.

    A cancel may come when the job has just published its model, or while the answer is on its
    way. A model with which a segmentation was predicted already stays, or that could not go on.

    Args:
        store: where the job publishes.
        nodes: segmentations that may be predicted with the model.
    """
    run = uuid.uuid4().hex
    try:
        yield run
    except Exception:
        used = {ReviewHistory(node).model for node in nodes if alive(node)}
        with suppress(FunetError):  # the reason why the task ended counts
            for manifest in store.list():
                if manifest.training.get("run") == run and manifest.id not in used:
                    store.delete(manifest.id)
        raise
