"""The committed splits: no person is in two parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from split import read_split

from funet.annotations.pairing import subject_names


def person_of(study: str, name: str) -> str:
    """Who an image shows; the hippocampus crops of one person have numbers 2n - 1 and 2n."""
    if study == "hippocampus":
        return str((int(name.rpartition("_")[2]) + 1) // 2)
    (person,) = subject_names([Path(name)])
    return person


@pytest.mark.parametrize("study", ["hippocampus", "midbrain"])
def test_no_person_is_in_two_parts(study: str) -> None:
    split = read_split(study)
    train, validation, test = (
        {person_of(study, name) for name in part}
        for part in (split.train, split.validation, split.test)
    )
    assert train and validation and test
    assert not train & validation
    assert not train & test
    assert not validation & test
