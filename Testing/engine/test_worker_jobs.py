"""Jobs in a real child process: what goes in, what comes back, and that nothing is left behind."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from worker_tools import open_client, output_of, seconds_until

from funet import __version__
from funet.errors import InputError, WorkerError
from funet.progress import Progress
from funet.worker.client import WorkerClient
from funet.worker.handle import JobHandle, JobState
from funet.worker.protocol import MAX_TEXT_CHARACTERS, ProtocolError
from funet.worker.transport import worker_environment


def test_a_job_reports_progress_and_metrics_and_then_its_result(client: WorkerClient) -> None:
    progress: list[Progress] = []
    metrics: list[dict[str, object]] = []
    done: list[JobHandle] = []
    handle = client.submit(
        "count",
        {"steps": 4},
        on_progress=progress.append,
        on_metric=metrics.append,
        on_done=done.append,
    )
    assert client.wait(handle, 10) == {"steps": 4}
    assert [item.fraction for item in progress] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert progress[-1].message == "Done"
    assert metrics[1] == {"step": 1, "loss": 0.5}
    assert done == [handle]
    assert handle.state is JobState.DONE
    assert client.idle


def test_the_worker_describes_itself(tmp_path: Path) -> None:
    with open_client(tmp_path) as client:
        report = client.wait(client.submit("describe"), 60)
    assert report["funet"] == __version__
    assert report["torch"].startswith("2.")
    assert report["devices"][0]["id"] == "cpu"


def test_the_worker_starts_without_torch_and_numpy(tmp_path: Path) -> None:
    script = "import sys, funet.worker.__main__, funet.worker.jobs; print(*sys.modules)"
    environment = worker_environment()
    modules = output_of(["-c", script], environment).split()
    assert "funet.worker.server" in modules
    assert not {"torch", "numpy", "SimpleITK"} & set(modules)


def test_names_in_any_language_cross_unchanged(client: WorkerClient) -> None:
    name = "/tmp/é 中文 🧠 'quoted' \"twice\" \\ \u2028 İı"
    logs: list[str] = []
    progress: list[Progress] = []
    handle = client.submit("greet", {"name": name}, on_log=logs.append, on_progress=progress.append)
    assert client.wait(handle, 10) == {"name": name, "path": name}
    assert logs == [f"hello {name}"]
    assert progress[0].message == name


def test_the_worker_runs_in_a_folder_with_a_name_in_any_language(tmp_path: Path) -> None:
    folder = tmp_path / "é 中文 🧠 '"
    folder.mkdir()
    with open_client(folder, environment={"LC_ALL": "C"}) as client:
        handle = client.submit("double", arrays={"image": np.arange(3)})
        result = client.wait(handle, 10)
        np.testing.assert_array_equal(handle.take_array(result["labels"]), [0, 2, 4])


def test_strange_numbers_arrive_as_sensible_ones(client: WorkerClient) -> None:
    progress: list[Progress] = []
    metrics: list[dict[str, object]] = []
    handle = client.submit("strange_numbers", on_progress=progress.append, on_metric=metrics.append)
    assert client.wait(handle, 10) == {"value": None}
    assert [(item.fraction, item.seconds_left) for item in progress] == [
        (0.0, None),
        (0.0, None),
        (1.0, 0.0),
    ]
    assert metrics == [{"loss": None, "dice": None}]


def test_arrays_cross_both_ways_and_leave_no_file(client: WorkerClient) -> None:
    image = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    handle = client.submit("double", arrays={"image": image})
    result = client.wait(handle, 10)
    assert result["left"] == [f"{result['labels']}.npy"]
    np.testing.assert_array_equal(handle.take_array(result["labels"]), image * 2)
    assert handle.folder is not None
    assert list(handle.folder.iterdir()) == []


def test_a_queued_job_uses_its_array_as_it_was_when_submitted(client: WorkerClient) -> None:
    image = np.ones(5, np.float32)
    client.submit("count", {"steps": 2, "seconds": 0.05})
    handle = client.submit("double", arrays={"image": image})
    image[:] = 7
    result = client.wait(handle, 10)
    np.testing.assert_array_equal(handle.take_array(result["labels"]), np.full(5, 2, np.float32))


def test_jobs_run_in_the_order_of_their_submission(client: WorkerClient) -> None:
    ended: list[str] = []
    handles = [
        client.submit("count", {"steps": 1}, on_done=lambda done: ended.append(done.id))
        for _ in range(5)
    ]
    client.wait(handles[-1], 10)
    assert ended == [handle.id for handle in handles]


def test_an_error_for_the_user_arrives_as_the_class_that_was_raised(client: WorkerClient) -> None:
    handle = client.submit("fail", {"kind": "input"})
    with pytest.raises(InputError, match=r"^The file scan.nii.gz is empty; choose another\.$"):
        client.wait(handle, 10)
    assert handle.state is JobState.FAILED
    assert handle.detail == ""
    assert handle.folder is not None
    assert not handle.folder.exists()


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("value", "ValueError: bad é 中文"),
        ("memory", "ran out of memory"),
        ("exit", "SystemExit: 4"),
        ("unprintable", "UnprintableError"),
    ],
)
def test_an_unforeseen_error_is_told_and_the_worker_lives_on(
    client: WorkerClient, kind: str, sentence: str
) -> None:
    client.wait(client.submit("count", {"steps": 1}), 10)
    pid = client.worker_pid
    handle = client.submit("fail", {"kind": kind})
    with pytest.raises(WorkerError, match=sentence):
        client.wait(handle, 10)
    assert "Traceback" in handle.detail
    assert "worker_jobs.py" in handle.detail
    client.wait(client.submit("count", {"steps": 1}), 10)
    assert client.worker_pid == pid


@pytest.mark.parametrize("kind", ["list", "object", "huge", "key"])
def test_a_result_that_cannot_be_sent_is_an_error_of_the_job(
    client: WorkerClient, kind: str
) -> None:
    with pytest.raises(WorkerError):
        client.wait(client.submit("return_odd_value", {"kind": kind}), 10)
    assert client.wait(client.submit("count", {"steps": 1}), 10) == {"steps": 1}


def test_an_unknown_job_is_refused_with_the_names_there_are(client: WorkerClient) -> None:
    with pytest.raises(WorkerError, match=r"no job 'segmentt'; the worker offers .*describe"):
        client.wait(client.submit("segmentt"), 10)


def test_arguments_and_arrays_that_cannot_be_sent_are_refused_at_once(client: WorkerClient) -> None:
    with pytest.raises(ProtocolError):
        client.submit("count", {"steps": object()})
    with pytest.raises(ProtocolError):
        client.submit("count", {"steps": "x" * (2 << 20)})
    with pytest.raises(WorkerError, match="only numbers"):
        client.submit("double", arrays={"image": np.array([None])})
    with pytest.raises(WorkerError, match="cannot name an array"):
        client.submit("double", arrays={"../image": np.zeros(1)})
    assert client.idle


def test_what_libraries_print_does_not_disturb_the_protocol(client: WorkerClient) -> None:
    handle = client.submit("talk_on_output")
    assert client.wait(handle, 20) == {"input": ""}


def test_a_very_long_log_line_is_cut_and_the_job_goes_on(client: WorkerClient) -> None:
    logs: list[str] = []
    handle = client.submit("log_long_line", on_log=logs.append)
    assert client.wait(handle, 10) == {"done": True}
    assert [len(text) for text in logs] == [MAX_TEXT_CHARACTERS]


def test_a_wait_can_run_out_while_the_job_goes_on(client: WorkerClient) -> None:
    handle = client.submit("count", {"steps": 2, "seconds": 0.2})
    with pytest.raises(WorkerError, match=r"not done after 0\.1 seconds"):
        client.wait(handle, 0.1)
    assert client.wait(handle, 10) == {"steps": 2}


def test_callbacks_come_on_the_thread_that_drives_the_client(client: WorkerClient) -> None:
    threads: set[int] = set()
    handle = client.submit(
        "count",
        {"steps": 3},
        on_progress=lambda _: threads.add(threading.get_ident()),
        on_done=lambda _: threads.add(threading.get_ident()),
    )
    client.wait(handle, 10)
    assert threads == {threading.get_ident()}


def test_a_callback_may_submit_and_wait_for_another_job(client: WorkerClient) -> None:
    inner: list[object] = []
    handle = client.submit(
        "count",
        {"steps": 1},
        on_done=lambda _: inner.append(client.wait(client.submit("count", {"steps": 2}), 10)),
    )
    client.wait(handle, 10)
    assert inner == [{"steps": 2}]


def test_a_callback_that_raises_loses_nothing_that_follows(client: WorkerClient) -> None:
    def refuse(progress: Progress) -> None:
        raise RuntimeError(progress.message)

    handle = client.submit("count", {"steps": 3}, on_progress=refuse)
    raised = 0
    while not handle.finished:
        try:
            client.pump()
        except RuntimeError:
            raised += 1
    assert raised == 4
    assert client.wait(handle) == {"steps": 3}


def test_many_jobs_leave_no_thread_descriptor_or_file(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = (threading.active_count(), descriptors())
    for _ in range(2):
        with open_client(tmp_path) as client:
            client.wait(client.submit("count", {"steps": 1}), 10)
            during = descriptors()
            for _ in range(50):
                client.wait(client.submit("count", {"steps": 1}), 10)
            assert descriptors() == during
            child = Path(f"/proc/{client.worker_pid}/fd")
            assert len(list(child.iterdir())) < 12
    seconds_until(lambda: (threading.active_count(), descriptors()) == before, 2)
