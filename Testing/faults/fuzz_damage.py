"""Random damage to a valid input; the same generator gives the same damage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

# What parsers stumble over.
_TOKENS = (
    *(
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\0",
        b"\n",
        b"\xff",
        b"\xc3",
        b"\xef\xbb\xbf",
    ),
    *(b"NaN", b"Infinity", b"-0", b"1e999", b"1e-999", b"9" * 400, b"true", b"null", b"\\ud800"),
    *(
        b"[" * 5000,
        b'{"a":' * 2000,
        b"../",
        b"/etc/passwd",
        b"C:\\",
        b"%s%n",
        b"\xe4\xb8\xad",
        b" " * 99,
    ),
    *(b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x80\x04\x95", b"--", b"=", b"-", b"@active"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 255, 256, 2**31, 2**53 + 1, 2**64, -(2**70), 0.5, -0.0, 1e308),
    *("", " ", "../x", "/x", "con", "x" * 300, "\x00", "\x1b[2J", "\u202e", "é中😀", "1", "NaN"),
    *([], {}, [[]], [0] * 300, {"a": {"b": {}}}, {"": 1}),
)


def damaged(data: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Return the data with one to four random changes.

    Args:
        data: a valid input.
        others: more of them, to take pieces from.
        rng: decides.
    """
    for _ in range(int(rng.integers(1, 5))):
        change = _CHANGES[int(rng.integers(len(_CHANGES)))]
        data = change(data, others, rng)
    return data


def _place(data: bytes, rng: np.random.Generator) -> int:
    """A position; the beginning and the end, where the structure often is, are likelier."""
    span = len(data) + 1
    if rng.random() < 0.4:
        near = int(min(span - 1, rng.integers(64)))
        return near if rng.random() < 0.5 else span - 1 - near
    return int(rng.integers(span))


def _flip(data: bytes, _others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[min(_place(data, rng), len(data) - 1)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _overwrite(data: bytes, _others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    start, noise = _place(data, rng), rng.bytes(int(rng.integers(1, 9)))
    return data[:start] + noise + data[start + len(noise) :]


def _insert(data: bytes, _others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    start, token = _place(data, rng), _TOKENS[int(rng.integers(len(_TOKENS)))]
    return data[:start] + token + data[start:]


def _cut(data: bytes, _others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    return data[:start] + data[start + int(rng.integers(1, 64)) :]


def _end(data: bytes, _others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def _repeat(data: bytes, _others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    stop = start + int(rng.integers(1, 64))
    return data[:stop] + data[start:stop] * int(rng.integers(1, 4)) + data[stop:]


def _splice(data: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    other = others[int(rng.integers(len(others)))]
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _value(data: bytes, _others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Put another value, or another key, somewhere into JSON; what is none is flipped."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return _flip(data, _others, rng)
    place, parents = content, []
    while isinstance(place, dict | list) and place and (not parents or rng.random() < 0.7):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[int(rng.integers(len(keys)))]
        parents.append((place, key))
        place = place[key]
    new = _VALUES[int(rng.integers(len(_VALUES)))]
    if not parents:
        return json.dumps(new).encode()
    parent, key = parents[-1]
    kind = rng.random()
    if kind < 0.7:
        parent[key] = new
    elif kind < 0.85:
        del parent[key]
    elif isinstance(parent, dict):
        parent[str(new)[:40]] = parent[key]
    else:
        parent.append(new)
    return json.dumps(content).encode()


_CHANGES = (_flip, _overwrite, _insert, _cut, _end, _repeat, _splice, _value, _value)
