"""Learning in the background while somebody corrects, without ever interrupting them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from funet.errors import FunetError

from ..scene.history import ReviewHistory
from ..scene.labels import content_digests
from ..scene.segmentation_nodes import alive
from ..scene.writing import require_writable
from ..translation import tr as _
from .applying import Prediction
from .logic import SegmentationLogic
from .task import Task

LiveState = Literal["off", "watching", "learning", "predicting", "ready"]

QUIET_SECONDS = 4.0
_STILL_SECONDS = 1.0

Finished = frozenset[tuple[int, tuple[tuple[str, str], ...]]]
"""Slices that somebody has finished, each with the digests of what it shows."""


class LiveLearning:
    """Retrains whenever a corrected slice is finished, and refreshes the untouched slices.

    A slice is finished when it is accepted, or corrected and no longer the one that is looked at,
    once nobody has edited for a while. A task of the user always comes first. Nothing happens by
    itself: call :meth:`tick` a few times a second and :meth:`edited` after every change.

    Args:
        logic: what does the work.
        may_write: whether the segmentation may change now; ``False`` while a mouse button is
            pressed.
        quiet_seconds: without an edit, before learning begins.
        device: as for the logic.
        steps: batches of each retraining; the default of the engine if ``None``.
        model: id of the version to improve; the one that made the prediction if ``None``.

    Attributes:
        state: what it is doing; ``"ready"`` while a newer prediction waits for a quiet moment.
        message: the last thing to tell the user, as a sentence; may be empty.
        observers: called without arguments whenever state or message change.
    """

    def __init__(
        self,
        logic: SegmentationLogic,
        *,
        may_write: Callable[[], bool] = lambda: True,
        quiet_seconds: float = QUIET_SECONDS,
        device: str = "auto",
        steps: int | None = None,
        model: str | None = None,
    ) -> None:
        self.state: LiveState = "off"
        self.message = ""
        self.observers: list[Callable[[], None]] = []
        self.device = device
        self.steps = steps
        self.model = model
        self._logic = logic
        self._may_write = may_write
        self._quiet_seconds = quiet_seconds
        self._node: Any = None
        self._last_node: Any = None  # that what was learned belongs to
        self._history: ReviewHistory | None = None  # of the node; kept, or each tick would parse it
        self._task: Task | None = None
        self._newer_model: str | None = None  # kept, but not predicted with yet
        self._prediction: Prediction | None = None
        self._learned: Finished = frozenset()
        self._learning: Finished = frozenset()
        self._edited_at = 0.0
        self._looked_at: int | None = None
        self._unsettled = False  # whether something changed since the slices were last examined
        self._beginning = False  # whether our task is just being queued
        self._yielded = False  # whether our task was given up for one of the user's
        logic.onTaskChanged.append(self._on_task_changed)

    def start(self, segmentationNode: Any, now: float) -> None:
        """Watch a segmentation; what is corrected and was not learned yet is learned first."""
        self.stop()
        self._history = ReviewHistory(segmentationNode)
        if segmentationNode is not self._last_node:
            self._learned = frozenset()
        self._node = self._last_node = segmentationNode
        self.edited(now)
        self._set("watching")

    def stop(self) -> None:
        """Stop watching and give up what runs in the background; again is without effect."""
        task, self._task = self._task, None
        self._node = self._history = self._prediction = self._newer_model = None
        self._set("off")
        if task is not None:
            task.cancel()

    def edited(self, now: float) -> None:
        """Take note that the segmentation, or a state of a slice, has just changed."""
        self._edited_at = now
        self._unsettled = True

    def tick(self, now: float) -> None:
        """Do what it is time for.

        Args:
            now: seconds, of any clock that runs forward, such as ``time.monotonic()``.
        """
        if self._node is None:
            return
        if not alive(self._node):
            self.stop()
            return
        self._notice_view()
        if self._task is not None:
            return
        if self._prediction is not None:
            if now - self._edited_at >= _STILL_SECONDS and self._may_write():
                self._write()
        elif self._newer_model is not None:
            self._predict(self._newer_model)
        elif self._unsettled and now - self._edited_at >= self._quiet_seconds:
            self._consider()

    def _notice_view(self) -> None:
        """Leaving a corrected slice finishes it."""
        history = self._history
        assert history is not None  # the caller has looked
        volume_node, axis = history.volume_node, history.slice_axis
        if volume_node is None or axis is None:
            return
        visible = self._logic.visibleSlice(volume_node, axis)
        if visible != self._looked_at:
            self._looked_at = visible
            self._unsettled = True

    def _consider(self) -> None:
        """Begin to learn, if there is something new and nobody else needs the worker."""
        if self._logic.busy:
            return
        self._unsettled = False
        try:
            finished = self._finished_slices()
        except FunetError as error:
            self._set("watching", str(error))
            return
        if not finished or finished == self._learned:
            return
        self._learning = finished
        start = partial(
            self._logic.retrain,
            self._node,
            self.model,
            slices=_indices(finished),
            device=self.device,
            steps=self.steps,
            update=False,
            waitForCompletion=False,
        )
        self._begin("learning", start)

    def _predict(self, model: str) -> None:
        if not self._logic.busy:
            start = partial(
                self._logic.predict,
                self._node,
                model,
                self.device,
                slices=_indices(self._learned),
                waitForCompletion=False,
            )
            self._begin("predicting", start)

    def _finished_slices(self) -> Finished:
        history = self._history
        assert history is not None  # the caller has looked
        states, axis = history.states(), history.slice_axis
        finished = [
            index
            for index, state in states.items()
            if state == "accepted" or index != self._looked_at
        ]
        if axis is None or not finished:
            return frozenset()
        require_writable(self._node, history.volume_node)  # now, not when it is learned
        content = content_digests(
            self._node, history.segment_ids.values(), history.volume_node, axis
        )
        return frozenset(
            (index, tuple(sorted(content.of_slice(index).items()))) for index in finished
        )

    def _begin(self, state: LiveState, start: Callable[[], Task]) -> None:
        self._yielded = False
        self._beginning = True
        task = start()
        self._beginning = False
        self._task = task
        self._set(state)
        self._on_task_changed(task)  # it may have failed at once

    def _on_task_changed(self, task: Task) -> None:
        own = self._task
        if self._beginning or not task.title:  # our own, or one that the user knows nothing of
            return
        if task is own:
            if task.finished:
                self._task = None
                self._own_task_ended(task)
        elif self._node is not None and task.kind != "batch":
            self._newer_model = self._prediction = None  # the user's result is the newer one
        if own is not None and task is not own and task.state == "queued":
            self._yielded = True  # the user comes first
            own.cancel()

    def _own_task_ended(self, task: Task) -> None:
        if self._yielded:
            # Again when the user's task is done.
            self._unsettled = self._unsettled or task.kind == "retrain"
            self._set("watching")
        elif task.kind == "retrain":
            self._learned = self._learning
            kept = task.state == "done" and task.result.kept
            self._newer_model = task.result.model if kept else None
            reason = task.result.reason if task.state == "done" else task.error
            self._set("watching", reason)
        elif task.state == "done":
            self._newer_model, self._prediction = None, task.result
            self._set("ready", _("A newer prediction is ready."))
        else:
            self._newer_model = None
            self._set("watching", task.error)

    def _write(self) -> None:
        prediction, self._prediction = self._prediction, None
        assert prediction is not None  # the caller has looked
        try:
            notes = self._logic.writePrediction(self._node, prediction)
        except FunetError as error:
            self._set("watching", str(error))
            return
        self._set("watching", " ".join([_("The untouched slices were refreshed."), *notes]))

    def _set(self, state: LiveState, message: str = "") -> None:
        self.state, self.message = state, message
        for observer in tuple(self.observers):
            observer()


def _indices(finished: Finished) -> list[int]:
    return sorted(index for index, _digests in finished)
