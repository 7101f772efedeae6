"""The README shows the numbers of the committed result files, and files that exist."""

from __future__ import annotations

import json
import re

import pytest
from source_tree import ROOT
from written_numbers import strange_numbers

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "Resources" / "Results"
MODELS = ROOT / "FUNetSegmentation" / "Resources" / "Models"


@pytest.mark.parametrize(
    "table",
    [
        "compare_acdc/table.md",
        "compare_hippocampus/table.md",
        "compare_midbrain/table.md",
        "demo/dice_on_slices_never_annotated.md",
        "faults.md",
    ],
)
def test_a_table_of_the_readme_is_that_of_its_result_file(table: str) -> None:
    assert (RESULTS / table).read_text(encoding="utf-8").strip() in README


@pytest.mark.parametrize("model", ["hippocampus-t1", "midbrain-t1"])
def test_the_numbers_of_a_shipped_model_are_those_of_its_description(model: str) -> None:
    rows = [line for line in README.splitlines() if line.startswith(f"| `{model}` |")]
    metrics = json.loads((MODELS / model / "model.json").read_text(encoding="utf-8"))["metrics"]
    for metric in metrics:
        row = next(line for line in rows if metric["data"] in line)
        assert metric["structure"] in row
        assert f"{metric['mean']:.3f}" in row


@pytest.mark.parametrize("model", ["hippocampus-t1", "midbrain-t1"])
def test_the_numbers_of_the_worklist_are_those_of_its_result_file(model: str) -> None:
    report = (RESULTS / f"worklist_{model}.md").read_text(encoding="utf-8")
    row = next(line for line in README.splitlines() if line.startswith(f"| worklist, `{model}` |"))
    for number in re.findall(r"\d+\.\d+(?:±\d+\.\d+)?", row):
        assert number in report


@pytest.mark.parametrize(
    ("head", "report"),
    [
        ("| way | corrected slices |", "corrections_hippocampus-t1_scanner.md"),
        ("|  | measured | value", "speed.md"),
    ],
)
def test_a_table_of_the_readme_is_one_of_its_report(head: str, report: str) -> None:
    start = README.index(head)
    table = README[start:].partition("\n\n")[0]
    assert table.count("\n") > 2
    assert table in (RESULTS / report).read_text(encoding="utf-8")


def linked_from(paragraph: str) -> list[str]:
    """The texts that a paragraph links to."""
    return re.findall(r"\]\(([^)#:]+\.md)\)", paragraph)


def test_every_number_in_prose_stands_where_the_links_of_its_paragraph_lead() -> None:
    paragraphs = [one for one in README.split("\n\n") if linked_from(one)]
    assert len(paragraphs) > 5
    for paragraph in paragraphs:
        texts = [(ROOT / link).read_text(encoding="utf-8") for link in linked_from(paragraph)]
        assert strange_numbers(paragraph, "\n".join(texts)) == [], paragraph


def test_every_file_that_the_readme_links_to_exists() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(targets) > 5
    assert [target for target in targets if not (ROOT / target).exists()] == []
