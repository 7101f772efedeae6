"""Every message survives the crossing; whatever is no message is refused in one way."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funet.errors import FunetError
from funet.worker.protocol import (
    MAX_LINE_BYTES,
    MAX_TEXT_CHARACTERS,
    AliveEvent,
    CancelledEvent,
    CancelRequest,
    ErrorEvent,
    Event,
    JobRequest,
    LineReader,
    LogEvent,
    MetricEvent,
    ProgressEvent,
    ProtocolError,
    ReadyEvent,
    Request,
    ResultEvent,
    StopRequest,
    encode,
    parse_event,
    parse_request,
)

REQUESTS: list[Request] = [
    JobRequest("a-1", "segment", {"path": "/tmp/é 中文 🧠 '\"", "nested": [1, {"x": None}]}),
    CancelRequest("a-1"),
    StopRequest(),
]
EVENTS: list[Event] = [
    ReadyEvent("0.1.0", 4711),
    AliveEvent(),
    ProgressEvent("a-1", 0.25, "Slice 3 of 12", 4.5),
    ProgressEvent("a-1", 1, "Done", None),
    MetricEvent("a-1", {"loss": 0.1, "epoch": 3}),
    LogEvent("a-1", "line one\nline two\u2028\x00 \ud800"),
    LogEvent(None, ""),
    ResultEvent("a-1", {"label": "zażółć"}),
    ErrorEvent("a-1", "InputError", "The file is empty.", ""),
    CancelledEvent("a-1"),
]

identifiers = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=64)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(st.text(), json_values, max_size=4)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda item: type(item).__name__)
def test_a_request_arrives_as_it_was_sent(request_: Request) -> None:
    line = encode(request_)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert parse_request(line[:-1]) == request_


@pytest.mark.parametrize("event", EVENTS, ids=lambda item: type(item).__name__)
def test_an_event_arrives_as_it_was_sent(event: Event) -> None:
    assert parse_event(encode(event)[:-1]) == event


@pytest.mark.parametrize("event", EVENTS, ids=lambda item: type(item).__name__)
def test_an_event_is_not_a_request(event: Event) -> None:
    with pytest.raises(ProtocolError, match="unknown type"):
        parse_request(encode(event))


def test_numbers_that_are_not_finite_are_sent_as_null() -> None:
    sent = MetricEvent("a", {"loss": math.nan, "dice": [math.inf, -math.inf], "epoch": 1})
    line = encode(sent)
    assert b"NaN" not in line
    assert b"Infinity" not in line
    arrived = parse_event(line)
    assert arrived == MetricEvent("a", {"loss": None, "dice": [None, None], "epoch": 1})


def test_numpy_numbers_tuples_and_paths_arrive_as_plain_values() -> None:
    sent = ResultEvent(
        "a", {"f": np.float32(0.5), "i": np.int64(3), "t": (1, 2), "p": Path("/tmp/é")}
    )
    assert parse_event(encode(sent)) == ResultEvent(
        "a", {"f": 0.5, "i": 3, "t": [1, 2], "p": "/tmp/é"}
    )


@pytest.mark.parametrize(
    "value",
    [{"x": object()}, {"x": np.zeros(3)}, {1: 2}, {"x": {1, 2}}, {"x": b"bytes"}, {"x": 10**5000}],
)
def test_a_value_that_json_cannot_carry_is_refused(value: dict[Any, Any]) -> None:
    with pytest.raises(ProtocolError):
        encode(ResultEvent("a", value))


def test_a_value_that_contains_itself_is_refused() -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    with pytest.raises(ProtocolError):
        encode(ResultEvent("a", value))


def test_a_result_longer_than_a_line_is_refused() -> None:
    with pytest.raises(ProtocolError, match="send large data as files"):
        encode(ResultEvent("a", {"x": "y" * MAX_LINE_BYTES}))


def test_long_texts_are_cut_but_the_end_of_a_detail_stays() -> None:
    text = "🧠" * (MAX_TEXT_CHARACTERS * 4) + "end"
    arrived = parse_event(encode(ErrorEvent("a", "", text, text)))
    assert isinstance(arrived, ErrorEvent)
    assert len(arrived.message) == len(arrived.detail) == MAX_TEXT_CHARACTERS
    assert arrived.detail.endswith("end")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b'"alive"',
        b"{}",
        b'{"type": null}',
        b'{"type": ["alive"]}',
        b'{"type": "Alive"}',
        b'{"type": "alive", "extra": 1}',
        b'{"type": "alive", "type": "alive"}',
        b'{"type": "alive"} {"type": "alive"}',
        b'{"type": "alive"',
        b'\xef\xbb\xbf{"type": "alive"}',
        b'{"type": "log", "id": null, "text": "\xff"}',
        b'{"type": "log", "id": null, "text": 3}',
        b'{"type": "log", "text": "no id"}',
        b'{"type": "cancelled", "id": null}',
        b'{"type": "cancelled", "id": ""}',
        b'{"type": "cancelled", "id": "../../etc"}',
        b'{"type": "cancelled", "id": "a\\n"}',
        b'{"type": "cancelled", "id": "' + b"a" * 65 + b'"}',
        b'{"type": "result", "id": "a", "value": null}',
        b'{"type": "result", "id": "a", "value": []}',
        b'{"type": "result", "id": "a", "value": {"x": NaN}}',
        b'{"type": "result", "id": "a", "value": {"x": -Infinity}}',
        b'{"type": "result", "id": "a", "value": {"x": 1e999}}',
        b'{"type": "result", "id": "a", "value": {"x": 1, "x": 2}}',
        b'{"type": "result", "id": "a", "value": {"x": ' + b"9" * 5000 + b"}}",
        b'{"type": "progress", "id": "a", "fraction": 1.01, "message": "", "seconds_left": 0}',
        b'{"type": "progress", "id": "a", "fraction": true, "message": "", "seconds_left": 0}',
        b'{"type": "progress", "id": "a", "fraction": null, "message": "", "seconds_left": 0}',
        b'{"type": "progress", "id": "a", "fraction": 0, "message": "", "seconds_left": -1}',
        b'{"type": "ready", "version": "1", "pid": 0}',
        b'{"type": "ready", "version": "1", "pid": true}',
        b'{"type": "ready", "version": 1, "pid": 1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"type": "alive"}' + b" " * MAX_LINE_BYTES,
    ],
    ids=lambda line: repr(line[:60]),
)
def test_what_is_not_exactly_an_event_is_refused_in_one_sentence(line: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_event(line)
    assert isinstance(caught.value, FunetError)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def _refuses_or_repeats(parse: Callable[[bytes], Any], line: bytes) -> None:
    try:
        message = parse(line)
    except ProtocolError:
        return
    assert parse(encode(message)) == message


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused_cleanly(line: bytes) -> None:
    _refuses_or_repeats(parse_event, line)
    _refuses_or_repeats(parse_request, line)


@settings(max_examples=500, deadline=None)
@given(
    message=st.sampled_from([*EVENTS, *REQUESTS]),
    field=st.integers(0, 3),
    value=json_values | identifiers,
    repeats=st.booleans(),
)
def test_a_message_with_a_strange_field_is_refused_cleanly_or_understood(
    message: Event | Request, field: int, value: Any, repeats: bool
) -> None:
    fields = json.loads(encode(message))
    fields[sorted(fields)[field % len(fields)]] = value
    line = json.dumps(fields).encode() * (2 if repeats else 1)
    _refuses_or_repeats(parse_event, line)
    _refuses_or_repeats(parse_request, line)


@settings(max_examples=1000, deadline=None)
@given(
    message=st.sampled_from([*EVENTS, *REQUESTS]),
    place=st.floats(0, 1),
    damage=st.binary(min_size=0, max_size=4),
    removed=st.integers(0, 20),
)
def test_a_damaged_line_is_refused_cleanly_or_understood(
    message: Event | Request, place: float, damage: bytes, removed: int
) -> None:
    line = encode(message)
    at = int(place * len(line))
    damaged = line[:at] + damage + line[at + removed :]
    _refuses_or_repeats(parse_event, damaged)
    _refuses_or_repeats(parse_request, damaged)


@settings(max_examples=200, deadline=None)
@given(identifier=identifiers, name=st.text(), arguments=json_objects)
def test_any_job_request_arrives_as_it_was_sent(
    identifier: str, name: str, arguments: dict[str, Any]
) -> None:
    sent = JobRequest(identifier, name, arguments)
    assert parse_request(encode(sent)) == sent


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(st.binary(max_size=30), max_size=8), cuts=st.lists(st.integers(0, 300)))
def test_lines_do_not_depend_on_the_portions_in_which_they_arrive(
    lines: list[bytes], cuts: list[int]
) -> None:
    data = b"\n".join(lines) + b"\n"
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    reader = LineReader(limit=20)
    found = []
    for start, stop in itertools.pairwise(edges):
        found += reader.feed(data[start:stop])
    expected = [line[:21] for line in data.split(b"\n") if line[:21].strip()]
    assert found == expected


def test_an_endless_line_takes_no_memory_and_the_next_one_is_read() -> None:
    reader = LineReader()
    for _ in range(64):
        assert reader.feed(b"x" * MAX_LINE_BYTES) == []
    kept = reader.feed(b"\n" + encode(AliveEvent()))
    assert [len(kept[0]), len(kept)] == [MAX_LINE_BYTES + 1, 2]
    with pytest.raises(ProtocolError, match="longer than"):
        parse_event(kept[0])
    assert parse_event(kept[1]) == AliveEvent()


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        EVENTS[0].pid = 1  # type: ignore[union-attr, misc]
