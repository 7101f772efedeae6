"""Live learning: at quiet moments only, and never before the tasks of the user."""

from __future__ import annotations

import numpy as np
import pytest
from logic_tools import pump_until
from scene_nodes import make_surfaces_the_source, paint, slice_view, volume_of
from threshold_models import boxes, image, labels_of

from FUNetSegmentationLib.scene.history import ReviewHistory
from FUNetSegmentationLib.scene.records import Record
from FUNetSegmentationLib.scene.views import jump_to_slice
from FUNetSegmentationLib.workflow.live import LiveLearning

QUIET = 4.0


class Bench:
    """A person at a segmentation, a clock, and live learning turned on."""

    def __init__(self, logic, runner, scene):
        self.logic, self.runner = logic, runner
        self.volume = volume_of(scene, array=image())
        slice_view(scene, "Axial")
        self.node = logic.segment(self.volume, "boxes", device="cpu")
        self.look_at(0)
        self.now = 100.0
        self.quiet_hands = True
        self.live = LiveLearning(
            logic, may_write=lambda: self.quiet_hands, quiet_seconds=QUIET, device="cpu", steps=2
        )
        self.states = []
        self.live.observers.append(lambda: self.states.append(self.live.state))
        self.live.start(self.node, self.now)

    def look_at(self, index):
        jump_to_slice(self.volume, 0, index)

    def correct(self, index, *, erase=False):
        segment = self.node.GetSegmentation().GetNthSegmentID(0)
        paint(self.node, segment, self.volume, 0, index, erase=erase)
        self.live.edited(self.now)

    def wait(self, seconds):
        """Let the clock run; a tick at the end of each half second."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.5
            self.live.tick(self.now)

    def drive(self, state):
        """Let the background work until live learning is in this state; the clock stands still."""

        def reached():
            if self.live.state != state:
                self.live.tick(self.now)
            return self.live.state == state

        pump_until(self.runner, reached)

    @property
    def model(self):
        return ReviewHistory(self.node).model


@pytest.fixture
def bench(own_logic, runner, scene):
    bench = Bench(own_logic, runner, scene)
    yield bench
    bench.live.stop()
    own_logic.cancel()
    pump_until(runner, lambda: not own_logic.busy)


def test_a_finished_correction_is_learned_and_the_other_slices_follow(bench):
    bench.correct(4)
    bench.wait(QUIET - 0.5)
    assert bench.live.state == "watching"
    bench.wait(1)
    assert bench.live.state == "learning"
    bench.drive("ready")
    assert bench.model == "boxes"
    assert "newer prediction is ready" in bench.live.message
    bench.wait(1)
    assert (bench.live.state, bench.model) == ("watching", "boxes.v2")
    assert bench.logic.correctedSlices(bench.node) == (4,)
    assert bench.states[1:6] == ["watching", "learning", "watching", "predicting", "ready"]
    bench.wait(3 * QUIET)  # nothing new: nothing is learned again
    assert not bench.logic.busy


def test_the_slice_that_is_looked_at_is_finished_when_it_is_left_or_accepted(bench):
    bench.look_at(5)
    bench.correct(5)
    bench.wait(2 * QUIET)
    assert bench.live.state == "watching"
    bench.look_at(6)
    bench.wait(0.5)
    assert bench.live.state == "learning"
    bench.live.stop()
    pump_until(bench.runner, lambda: not bench.logic.busy)
    bench.live.start(bench.node, bench.now)
    bench.look_at(5)
    bench.logic.acceptSlice(bench.node, 5)
    bench.live.edited(bench.now)
    bench.wait(QUIET + 0.5)
    assert bench.live.state == "learning"


def test_nothing_is_written_while_a_button_is_pressed_or_the_user_has_just_edited(bench):
    bench.correct(4)
    bench.wait(QUIET + 0.5)
    bench.quiet_hands = False
    bench.drive("ready")
    bench.wait(3)
    assert bench.live.state == "ready"
    bench.quiet_hands = True
    bench.correct(7)
    bench.wait(0.5)
    assert bench.live.state == "ready"
    bench.wait(1)
    assert bench.model == "boxes.v2"
    assert bench.logic.correctedSlices(bench.node) == (4, 7)


def test_nothing_is_learned_for_a_segmentation_that_cannot_take_the_prediction(bench):
    bench.correct(4)
    bench.node.CreateClosedSurfaceRepresentation()
    make_surfaces_the_source(bench.node)
    bench.wait(2 * QUIET)
    assert bench.live.state == "watching"
    assert "made of surfaces" in bench.live.message
    assert not bench.logic.busy


def test_what_was_edited_since_is_not_overwritten(bench):
    bench.correct(4)
    bench.wait(QUIET + 0.5)
    bench.drive("ready")
    bench.correct(6, erase=True)
    bench.wait(1.5)
    assert bench.model == "boxes.v2"
    now = labels_of(bench.node, bench.volume)
    assert not (now[6] == 1).any()
    np.testing.assert_array_equal(np.delete(now, (4, 6), 0), np.delete(boxes(), (4, 6), 0))


def test_a_task_of_the_user_comes_first_and_learning_follows(bench):
    bench.live.steps = 100_000
    bench.correct(4)
    bench.wait(QUIET + 0.5)
    assert bench.live.state == "learning"
    task = bench.logic.segment(bench.volume, "boxes", device="cpu", waitForCompletion=False)
    assert pump_until(bench.runner, lambda: task.finished) < 3
    assert task.state == "done"
    assert bench.live.state == "watching"
    bench.live.steps = 2
    bench.wait(0.5)
    assert bench.live.state == "learning"
    bench.drive("ready")


def test_it_waits_until_the_user_has_finished(bench):
    task = bench.logic.segment(bench.volume, "boxes", device="cpu", waitForCompletion=False)
    bench.correct(4)
    bench.wait(QUIET + 2)
    assert bench.live.state == "watching"
    pump_until(bench.runner, lambda: task.finished)
    bench.wait(0.5)
    assert bench.live.state == "learning"


def test_a_result_of_the_user_is_not_overwritten_by_an_older_one(bench):
    bench.correct(4)
    bench.wait(QUIET + 0.5)
    bench.quiet_hands = False
    bench.drive("ready")
    bench.logic.rollBack(bench.node, device="cpu")
    bench.quiet_hands = True
    bench.wait(2)
    assert bench.model == "boxes"


def test_turned_off_it_gives_up_what_runs(bench):
    bench.live.steps = 100_000
    bench.correct(4)
    bench.wait(QUIET + 0.5)
    task = bench.logic.task
    bench.live.stop()
    assert pump_until(bench.runner, lambda: task.finished) < 2
    assert (bench.live.state, task.state) == ("off", "cancelled")
    bench.correct(6)
    bench.wait(2 * QUIET)
    assert not bench.logic.busy


def test_turned_on_again_it_learns_nothing_twice(bench):
    bench.correct(4)
    bench.wait(QUIET + 0.5)
    bench.drive("ready")
    bench.wait(1)
    assert bench.model == "boxes.v2"
    bench.live.stop()
    bench.live.start(bench.node, bench.now)
    bench.wait(3 * QUIET)
    assert (bench.live.state, bench.logic.busy) == ("watching", False)
    bench.correct(5)
    bench.wait(QUIET + 0.5)
    assert bench.live.state == "learning"


def test_a_cancel_by_the_user_holds_until_there_is_something_new(bench):
    bench.live.steps = 100_000
    bench.correct(4)
    bench.wait(QUIET + 0.5)
    bench.logic.cancel()
    pump_until(bench.runner, lambda: not bench.logic.busy)
    bench.live.steps = 2
    bench.wait(2 * QUIET)
    assert bench.live.state == "watching"
    bench.correct(6)
    bench.wait(QUIET + 0.5)
    assert bench.live.state == "learning"


def test_a_failure_is_told_once_and_nothing_is_tried_again_until_something_is_new(bench):
    bench.node.GetSegmentation().RemoveSegment(bench.node.GetSegmentation().GetNthSegmentID(1))
    bench.correct(4)
    bench.wait(QUIET + 0.5)
    assert "has no segment Small box" in bench.live.message
    bench.wait(2 * QUIET)
    assert bench.states.count("learning") == 1


def test_a_tick_that_finds_nothing_new_reads_no_record_again(bench, monkeypatch):
    read, from_json = [], Record.from_json
    monkeypatch.setattr(
        Record, "from_json", lambda fields: read.append(fields) or from_json(fields)
    )
    bench.wait(3 * QUIET)
    assert len(read) == 1
    bench.logic.segment(bench.volume, "boxes", segmentationNode=bench.node, device="cpu")
    read.clear()
    bench.wait(3 * QUIET)
    assert len(read) == 2  # both predictions, once


def test_a_closed_scene_turns_it_off(bench, scene):
    bench.correct(4)
    bench.wait(QUIET + 0.5)
    scene.Clear(0)
    bench.wait(1)
    assert bench.live.state == "off"
