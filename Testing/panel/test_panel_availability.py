"""Buttons are enabled exactly when they can work, and say otherwise what is missing."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import pytest

from FUNetSegmentationLib.panel.availability import Facts, obstacles, purposes

READY = Facts(
    volume=True,
    segmentation=True,
    segments=True,
    model=True,
    listed=3,
    selected="corrected",
    taught=1,
    in_use=True,
    can_roll_back=True,
    undecided=True,
    named=True,
    row="own",
    batch_input=True,
    batch_output=True,
)
JOBS = {"segmentButton", "retrainButton", "rollBackButton", "trainButton", "batchButton"}
MODELS = {"activateModelButton", "renameModelButton", "deleteModelButton", "exportModelButton"}
MARKS = {"acceptSliceButton", "unmarkSliceButton"}
STEPS = {"previousSliceButton", "nextSliceButton"}


def disabled(facts: Facts) -> set[str]:
    return {name for name, obstacle in obstacles(facts).items() if obstacle}


def test_with_everything_there_only_cancel_has_nothing_to_do() -> None:
    assert disabled(READY) == {"cancelButton"}


def test_with_nothing_there_only_import_and_install_work() -> None:
    assert set(obstacles(Facts())) - disabled(Facts()) == {"importModelButton", "installButton"}


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ({"volume": False}, {"segmentButton", "retrainButton", "trainButton"}),
        ({"segmentation": False}, {"retrainButton", "trainButton"}),
        ({"segments": False}, {"trainButton"}),
        ({"model": False}, JOBS - {"trainButton"}),
        ({"listed": 0}, STEPS | MARKS),
        ({"selected": None}, MARKS),
        ({"selected": "accepted"}, {"acceptSliceButton"}),
        ({"selected": "predicted"}, {"unmarkSliceButton"}),
        ({"taught": 0}, {"retrainButton"}),
        ({"absent": "Midbrain"}, {"retrainButton"}),
        ({"in_use": False}, {"rollBackButton"}),
        ({"can_roll_back": False}, {"rollBackButton"}),
        ({"undecided": False}, {"keepButton"}),
        ({"named": False}, {"trainButton"}),
        ({"row": ""}, MODELS),
        ({"row": "shipped"}, {"renameModelButton", "deleteModelButton"}),
        ({"row": "damaged"}, MODELS - {"deleteModelButton"}),
        ({"row_in_use": True}, {"activateModelButton"}),
        ({"batch_input": False}, {"batchButton"}),
        ({"batch_output": False}, {"batchButton"}),
        ({"running": "Retraining"}, JOBS | MODELS | {"importModelButton", "installButton"}),
        ({"background": True}, set()),
    ],
)
def test_what_is_missing_takes_exactly_these_buttons_away(
    change: dict[str, object], lost: set[str]
) -> None:
    cancel_works = {"cancelButton"} if change.keys() <= {"running", "background"} else set()
    assert disabled(replace(READY, **change)) == (lost | {"cancelButton"}) - cancel_works


def test_every_fact_matters() -> None:
    tested = {field.name for field in fields(Facts)}
    assert tested == {
        "running", "background", "volume", "segmentation", "segments", "model", "listed",
        "selected", "taught", "absent", "in_use", "can_roll_back", "undecided", "named", "row",
        "row_in_use", "batch_input", "batch_output",
    }  # fmt: skip


def test_every_button_has_a_purpose_and_every_obstacle_is_a_sentence() -> None:
    assert purposes().keys() == obstacles(Facts()).keys()
    some = [
        Facts(),
        READY,
        *(replace(READY, **one) for one in ({"running": "Segmenting"}, {"absent": "Midbrain"})),
    ]
    sentences = [*purposes().values(), *itertools.chain(*(obstacles(f).values() for f in some))]
    for sentence in filter(None, sentences):
        assert sentence[0].isupper() or sentence[0] in "“"
        assert sentence.endswith(".")


def test_a_running_task_is_named() -> None:
    said = obstacles(replace(READY, running="Segmenting brain"))["retrainButton"]
    assert "Segmenting brain" in said
