"""Hundreds of tasks in one session, with random cancels and kills: is anything left each time?

From the root of the repository, the run that is on record:

    make soak

which is ``python Testing/faults/soak.py --jobs 200 --seed 0`` with the folders of the test helpers
on the path, writes soak.json and soak.md into Resources/Results. A real scene, a real background
process and a small model whose labels are known; after every task the memory and the descriptors
of both processes are written down, and in the end the first prediction is made again.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from logic_tools import ENVIRONMENT, new_logic
from scene_nodes import new_scene, paint, volume_of
from threshold_models import image, publish

from funet.files import atomic_file
from funet.provenance import run_record
from funet.worker.transport import SubprocessTransport
from FUNetSegmentationLib.jobs.runner import JobRunner
from FUNetSegmentationLib.workflow.logic import SegmentationLogic
from FUNetSegmentationLib.workflow.task import Task

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "Resources" / "Results"
CORRECTED = 4
FATES = {"finish": 0.76, "cancel": 0.2, "kill": 0.04}
# States that a task may end in. A cancel or a kill may come too late.
ENDS = {"finish": {"done"}, "cancel": {"cancelled", "done"}, "kill": {"failed", "done"}}
_LONGEST_WAIT = 0.4  # seconds until a cancel or a kill
_MEGABYTE = 2**20
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Entry:
    """What is known after one task.

    Attributes:
        kind, fate, state: what was done, what was done to it, and how it ended.
        seconds: that it took.
        worker: process id of the background process; 0 if none was left.
        worker_megabytes, own_megabytes: resident memory of the two processes.
        worker_descriptors, own_descriptors: their open files, pipes and the like.
    """

    kind: str
    fate: str
    state: str
    seconds: float
    worker: int
    worker_megabytes: float
    own_megabytes: float
    worker_descriptors: int
    own_descriptors: int


class Session:
    """A scene with a volume and a segmentation, and a logic with one model.

    Args:
        runner: the background process.
        folder: for the models and whatever is exported.
    """

    def __init__(self, runner: JobRunner, folder: Path) -> None:
        publish(folder / "models")
        self.runner = runner
        self.logic: SegmentationLogic = new_logic(runner, folder / "models")
        self._folder = folder
        slicer.mrmlScene = new_scene()
        self._volume = volume_of(slicer.mrmlScene, array=image())
        self._node = self.logic.segment(self._volume, "boxes", device="cpu")
        first = self._node.GetSegmentation().GetNthSegmentID(0)
        paint(self._node, first, self._volume, 0, CORRECTED)
        self.logic.exportModel("boxes", folder / "boxes.zip")

    def kinds(self) -> dict[str, Callable[[], Task | None]]:
        """What a user does; each returns its task, or nothing if it is over already."""
        logic, node, later = self.logic, self._node, {"waitForCompletion": False}
        return {
            "segment": lambda: logic.segment(
                self._volume, "boxes", segmentationNode=node, device="cpu", **later
            ),
            "update": lambda: logic.update(node, "boxes", device="cpu", **later),
            "retrain": lambda: logic.retrain(
                node, "boxes", steps=3, update=False, device="cpu", **later
            ),
            "train": lambda: logic.trainNewModel(
                self._volume, node, "New", epochs=1, device="cpu", **later
            ),
            "import": lambda: logic.importModel(self._folder / "boxes.zip", **later),
            "review": self._review,
        }

    def _review(self) -> None:
        worst = self.logic.review(self._node)[0].sliceIndex
        self.logic.acceptSlice(self._node, worst)
        self.logic.unmarkSlice(self._node, worst)

    def forget_new_models(self) -> None:
        """Delete what was learned or imported, so that every task meets the same store."""
        for info in self.logic.models():
            if not info.shipped and info.id != "boxes":
                self.logic.deleteModel(info.id)

    def prediction(self) -> bytes:
        """The labels and the doubt of all slices, to the bit."""
        made = self.logic.predict(self._node, "boxes", device="cpu")
        return made.labels.tobytes() + np.array(made.doubt).tobytes()


def soak(session: Session, jobs: int, seed: int) -> list[Entry]:
    """Run tasks of random kinds and fates, one after another.

    Raises:
        AssertionError: if one ends as it must not.
    """
    rng = np.random.default_rng(seed)
    kinds = session.kinds()
    entries = []
    for _ in range(jobs):
        kind = str(rng.choice(list(kinds)))
        fate = str(rng.choice(list(FATES), p=list(FATES.values())))
        wait = float(rng.uniform(0, _LONGEST_WAIT))
        began = time.monotonic()
        task = kinds[kind]()
        if task is None:
            fate, state = "finish", "done"
        else:
            _meet(session.runner, task, fate, wait)
            state = task.state
            assert state in ENDS[fate], f"{kind} was to {fate} and is {state}: {task.error}"
        session.forget_new_models()
        entries.append(_entry(session.runner, kind, fate, state, time.monotonic() - began))
    return entries


def _meet(runner: JobRunner, task: Task, fate: str, wait: float) -> None:
    act_at = time.monotonic() + wait if fate != "finish" else float("inf")
    while not task.finished:
        runner.pump(0.01)
        if time.monotonic() >= act_at:
            act_at = float("inf")
            if fate == "cancel":
                task.cancel()
            elif runner.worker_pid is not None:
                os.kill(runner.worker_pid, signal.SIGKILL)


def _entry(runner: JobRunner, kind: str, fate: str, state: str, seconds: float) -> Entry:
    pid = runner.worker_pid or 0
    return Entry(
        kind=kind,
        fate=fate,
        state=state,
        seconds=round(seconds, 3),
        worker=pid,
        worker_megabytes=_megabytes(pid),
        own_megabytes=_megabytes(os.getpid()),
        worker_descriptors=_descriptors(pid),
        own_descriptors=_descriptors(os.getpid()),
    )


def _megabytes(pid: int) -> float:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]
    except OSError:  # it was killed a moment ago
        return 0.0
    return round(int(pages) * _PAGE / _MEGABYTE, 2)


def _descriptors(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def slope(points: Sequence[tuple[int, int, float]]) -> float:
    """How a number grows with the tasks, by least squares, each process from where it began.

    Args:
        points: process id, number of the task, and value.

    Returns:
        Change of the value for each task; 0.0 with too few tasks.
    """
    groups: dict[int, list[tuple[int, float]]] = {}
    for pid, job, value in points:
        groups.setdefault(pid, []).append((job, value))
    above = below = 0.0
    for group in groups.values():
        if len(group) > 1:
            kept = np.array(group)
            jobs, values = (kept - kept.mean(axis=0)).T
            above += float(jobs @ values)
            below += float(jobs @ jobs)
    return above / below if below else 0.0


def warm(entries: Sequence[Entry]) -> list[tuple[int, Entry]]:
    """The tasks, with their numbers, of processes that have trained a model before.

    Until then a process loads parts of PyTorch for good, which is no leak.
    """
    trained: set[int] = set()
    found = []
    for number, one in enumerate(entries):
        if one.worker in trained:
            found.append((number, one))
        elif one.worker and (one.kind, one.state) == ("train", "done"):
            trained.add(one.worker)
    return found


def summary(entries: Sequence[Entry], *, same: bool) -> dict[str, Any]:
    """What the run says.

    Args:
        entries: of all tasks.
        same: whether the last prediction is the first one.
    """
    worked = [(number, one) for number, one in enumerate(entries) if one.worker_megabytes]
    own = [(0, number, one.own_megabytes) for number, one in enumerate(entries)]
    return {
        "jobs": len(entries),
        "ends": dict(Counter(f"{one.fate}: {one.state}" for one in entries)),
        "kinds": dict(Counter(one.kind for one in entries)),
        "processes": len({one.worker for _, one in worked}),
        "worker_megabytes_per_job": round(
            slope([(one.worker, number, one.worker_megabytes) for number, one in warm(entries)]), 4
        ),
        "own_megabytes_per_job": round(slope(own), 4),
        "own_descriptors": sorted({one.own_descriptors for _, one in worked}),
        "worker_descriptors": sorted({one.worker_descriptors for _, one in worked}),
        "last_prediction_equals_first": same,
    }


@contextmanager
def own_temporary_folder(parent: Path) -> Iterator[Path]:
    """A temporary folder for this process and its children, to see what they leave there."""
    folder = parent / "temporary"
    folder.mkdir()
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    try:
        yield folder
    finally:
        tempfile.tempdir = None
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before


def run(folder: Path, jobs: int, seed: int) -> tuple[list[Entry], dict[str, Any]]:
    """The whole soak: entries and summary; afterwards nothing is left in the temporary folder."""
    with own_temporary_folder(folder) as temporary:
        with closing(JobRunner(SubprocessTransport(environment=ENVIRONMENT))) as runner:
            session = Session(runner, folder)
            first = session.prediction()
            entries = soak(session, jobs, seed)
            same = session.prediction() == first
            slicer.mrmlScene.Clear(1)
        assert list(temporary.glob("funet-*")) == []
    return entries, summary(entries, same=same)


_TEXT = """# Soak

{jobs} tasks one after another in one session, with random cancels and kills of the background
process, of which there were {processes} for that reason. A real scene, a real background process,
a small model whose labels are known.

| what | measured |
| --- | --- |
{rows}

Memory is the slope of the resident memory over the tasks, by least squares; for the background
process each by itself, and from its first training on, until which it loads parts of PyTorch.

Made by `{command}` on {date}, in {seconds:.0f} s, with PyTorch {torch}.
"""


def report(record: Mapping[str, Any]) -> str:
    """The result in Markdown."""
    found = record["summary"]
    rows = {
        **{f"tasks: {kind}": count for kind, count in sorted(found["kinds"].items())},
        **{f"tasks that were to {end}": count for end, count in sorted(found["ends"].items())},
        "memory of the background process": f"{found['worker_megabytes_per_job']:+.3f} MB a task",
        "memory of the session": f"{found['own_megabytes_per_job']:+.3f} MB a task",
        "descriptors of the session": ", ".join(map(str, found["own_descriptors"])),
        "descriptors of the background process": ", ".join(map(str, found["worker_descriptors"])),
        "last prediction equal to the first, to the bit": (
            "yes" if found["last_prediction_equals_first"] else "**no**"
        ),
    }
    return _TEXT.format(
        jobs=found["jobs"],
        processes=found["processes"],
        rows="\n".join(f"| {what} | {value} |" for what, value in rows.items()),
        command=record["command"],
        date=record["date"],
        seconds=record["seconds"],
        torch=record["versions"]["torch"],
    )


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, run, and write the record."""
    words = list(sys.argv[1:] if words is None else words)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the record")
    arguments = parser.parse_args(words)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        entries, found = run(Path(folder), arguments.jobs, arguments.seed)
    record = {
        "command": f"python Testing/faults/soak.py --jobs {arguments.jobs} --seed {arguments.seed}",
        **run_record(time.monotonic() - began),
        "summary": found,
    }
    lines = ",\n".join("  " + json.dumps(asdict(one)) for one in entries)
    head = json.dumps(record, indent=1)[:-2]
    for name, text in (
        ("soak.json", f'{head},\n "tasks": [\n{lines}\n ]\n}}\n'),
        ("soak.md", report(record)),
    ):
        with atomic_file(arguments.output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if found["last_prediction_equals_first"] else 1


if __name__ == "__main__":
    sys.exit(main())
