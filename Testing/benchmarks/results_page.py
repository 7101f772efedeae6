"""The results page, put together from the result files."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import results_paper as paper
import results_text as text
from measured_models import same_rules, same_weights
from results_captions import counted, provenance

from funet.evaluation.tables import Cell, Table

PAGE = "README.md"
REMARKS = ".remarks.md"
_MODELS = "../../FUNetSegmentation/Resources/Models"  # seen from the page
_DEMO_PICTURE = "../Figures/demo.png"
_DEEPER = 2  # levels that the headings of an included report go down

Blocks = list[str]


@dataclass(frozen=True)
class Sources:
    """Where the page finds what it shows.

    Attributes:
        results: folder of the results, in which the page lies.
        repository: root of the repository, for what lies elsewhere.
    """

    results: Path
    repository: Path

    @property
    def page_folder(self) -> Path:
        """The folder that links of the page start from, as committed."""
        return self.repository / "Resources" / "Results"


def page(sources: Sources) -> str:
    """The text of the page."""
    blocks = ["# Results", text.INTRODUCTION]
    for title, body in SECTIONS.items():
        found = body(sources)
        if found:
            blocks += [f"## {title}", *found]
    return "\n\n".join(block.strip() for block in blocks) + "\n"


# -- sections -----------------------------------------------------------------------------------


def shipped_models(sources: Sources) -> Blocks:
    """The metrics of the shipped models' descriptions, and how each model was made."""
    folders = sorted((sources.page_folder / _MODELS).glob("*/model.json"))
    manifests = [_read(path) for path in folders]
    rows: list[tuple[Cell, ...]] = []
    for manifest in manifests:
        for metric in manifest["metrics"]:
            deviation = metric["deviation"] if metric["count"] > 1 else None
            place = (f"`{manifest['id']}`", metric["structure"], metric["data"], metric["name"])
            rows.append((*place, metric["mean"], deviation, metric["count"]))
    if not rows:
        return []
    columns = ("model", "structure", "measured on", "metric", "mean", "deviation", "subjects")
    return [
        f"**Table.** {text.MODELS}",
        Table(columns, tuple(rows), decimals=3).to_markdown(),
        *(_model(path.parent, one) for path, one in zip(folders, manifests, strict=True)),
    ]


def _model(folder: Path, manifest: Mapping[str, Any]) -> str:
    training = manifest["training"]
    machine = {"threads": training["threads"]} if "threads" in training else None
    record = dict(training) | {"date": manifest["created"], "machine": machine}
    sentences = [f"`{manifest['id']}`: {manifest['description']}", provenance(record)]
    if (folder / PAGE).is_file():
        sentences.append(text.CARD.format(link=f"{_MODELS}/{folder.name}/{PAGE}"))
    return " ".join(sentences)


def paper_protocol(sources: Sources) -> Blocks:
    """Our repetition of the paper's comparison, and the paper's own numbers."""
    folder = sources.results / "compare_midbrain"
    ours = _comparison(folder)
    if not ours:
        return []
    return [
        *ours,
        f"### {text.PAPER_TITLE}",
        differences(_read(folder / "settings.json")),
        text.PAPER_TABLE.format(source=paper.SOURCE),
        paper.TABLE.to_markdown(),
        text.PAPER_TESTS,
        paper.TESTS.to_markdown(),
    ]


def comparisons(*names: str) -> Callable[[Sources], Blocks]:
    """A section of comparisons, in this order."""
    return lambda sources: [
        block for name in names for block in _comparison(sources.results / name)
    ]


def reports(*patterns: str) -> Callable[[Sources], Blocks]:
    """A section of reports that lie beside their result files, in this order."""
    return lambda sources: [
        block
        for pattern in patterns
        for path in sorted(sources.results.glob(pattern))
        for block in _report(path, sources)
    ]


def demo(sources: Sources) -> Blocks:
    """What the demo prints and draws."""
    folder = sources.results / "demo"
    tables = sorted(folder.glob("*.md"))
    if not tables:
        return []
    blocks = [text.DEMO, *(table.read_text(encoding="utf-8") for table in tables)]
    if (sources.page_folder / _DEMO_PICTURE).is_file():
        blocks += [f"![{_plain(text.DEMO_FIGURE)}]({_DEMO_PICTURE})", text.DEMO_FIGURE]
    if (folder / "made_by.json").is_file():
        blocks.append(provenance(_read(folder / "made_by.json")))
    return [*blocks, *_remarks(folder), _files(folder.glob("*"), sources.results)]


# The sections of the page, in its order; one without results is left out.
SECTIONS: Mapping[str, Callable[[Sources], Blocks]] = {
    "Models that ship": shipped_models,
    "Recipes of the models that ship, cross-validated": reports("cross_validation_*.json"),
    "The paper's protocol": paper_protocol,
    "Whole slices instead of their middle": comparisons("compare_midbrain_whole_slices"),
    "Losses": comparisons(
        "losses_midbrain", "losses_hippocampus", "practice_midbrain", "practice_hippocampus"
    ),
    "Other tasks": comparisons("compare_hippocampus", "compare_acdc"),
    "What a correction is worth": reports(
        "corrections_*.json", "ablation_*.json", "from_nothing_*.json", "own_models_*.json"
    ),
    "The worklist": reports("worklist_*.json", "slices_to_target_*.json"),
    "Looking at the midbrain model": reports("midbrain_pictures.json"),
    "Speed": reports("speed.json"),
    "Faults, bad input, hostile files": reports("faults.json", "fuzzing.json", "soak.json"),
    "Demo": demo,
}


# -- one result ---------------------------------------------------------------------------------


def _comparison(folder: Path) -> Blocks:
    if not (folder / "settings.json").is_file():
        return []
    settings = _read(folder / "settings.json")
    facts = {
        "structures": _listed(settings["structures"]),
        "sizes": _listed(settings["sizes"]),
        "seeds": counted(len(settings["seeds"]), "seed"),
        "first_seed": settings["seeds"][0],
    }
    tables = {"table.md": text.DICE_TABLE, "tests.md": text.TESTS_TABLE}
    figures = {"comparison.png": text.BOX_FIGURE, "examples.png": text.EXAMPLES_FIGURE}
    blocks = [f"### {text.TITLES.get(folder.name, folder.name)}"]
    for name, caption in tables.items():
        table = (folder / name).read_text(encoding="utf-8")
        if len(table.splitlines()) > 2:  # more than its head
            blocks += [caption.format(**facts), table]
    for name, caption in figures.items():
        if (folder / name).is_file():
            caption = caption.format(**facts)
            blocks += [f"![{_plain(caption)}]({folder.name}/{name})", caption]
    return [
        *blocks,
        *_remarks(folder),
        provenance(settings, text.SOURCES.get(folder.name, "")),
        _files(folder.glob("*"), folder.parent),
    ]


def _report(path: Path, sources: Sources) -> Blocks:
    record = _read(path)
    blocks = []
    report = path.with_suffix(".md")
    if report.is_file():
        blocks.append(_deeper(report.read_text(encoding="utf-8")))
    if not blocks or not blocks[0].startswith("#"):
        blocks.insert(0, f"### {text.TITLES.get(path.stem, path.stem)}")
    title = blocks[0].splitlines()[0].lstrip("# ")
    picture = path.with_suffix(".png")
    if picture.is_file() and f"]({picture.name})" not in blocks[-1]:
        shows = text.FIGURES.get(path.stem.partition("_")[0], "{title}").format(title=title)
        caption = text.REPORT_FIGURE.format(title=shows)
        blocks += [f"![{_plain(caption)}]({picture.name})", caption]
    caption = provenance(record)
    if caption not in blocks[0]:
        blocks.append(caption)
    blocks += _measured_model(record, sources)
    beside = (one for one in path.parent.glob(f"{path.stem}.*") if not _is_remarks(one))
    return [*blocks, *_remarks(path.with_suffix("")), _files(beside, path.parent)]


def _measured_model(record: Mapping[str, Any], sources: Sources) -> Blocks:
    """Whether the model ships as it was when it was measured."""
    manifest = sources.page_folder / _MODELS / str(record.get("model")) / "model.json"
    if "weights_sha256" not in record or not manifest.is_file():
        return []
    description = _read(manifest)
    if not same_weights(record, description):
        return [text.OTHER_WEIGHTS]
    return [text.SHIPPED_MODEL if same_rules(record, description) else text.OTHER_RULES]


def differences(settings: Mapping[str, Any]) -> str:
    """How a comparison differs from the paper's, as one paragraph."""
    config = settings["training"]
    shares = []
    for size in settings["sizes"]:
        per_epoch = config["steps_per_epoch"] or math.ceil(size / config["batch_size"])
        shares.append(paper.share_of_iterations(config["epochs"], per_epoch, size))
    spacing = settings["preprocessing"]["spacing"]
    facts = {
        "images": settings["images"],
        "subjects": settings["subjects"],
        "per_subject": option(settings["command"], "--slices-per-subject"),
        "middle": option(settings["command"], "--middle"),
        "spacing": "×".join(f"{side:g}" for side in spacing) if spacing else None,
        "share": None if None in shares else " or ".join(str(one) for one in _unique(shares)),
        "paper_images": paper.IMAGES,
        "paper_subjects": paper.SUBJECTS,
        "paper_per_subject": paper.SLICES_PER_SUBJECT,
    }
    needed = {sentence: re.findall(r"{(\w+)}", sentence) for sentence in text.PAPER_DIFFERENCES}
    known = [one for one, names in needed.items() if all(facts[n] is not None for n in names)]
    return " ".join(known).format(**facts)


def option(command: str, name: str) -> str | None:
    """The value of an option in a command line; ``None`` if it is not given."""
    words = shlex.split(command)
    return words[words.index(name) + 1] if name in words else None


def result_files(results: Path) -> list[Path]:
    """Every file that the page must link to; single trainings are linked by their folder."""
    return sorted(
        path
        for path in results.rglob("*")
        if path.is_file()
        and path != results / PAGE
        and path.parent.name != "runs"
        and not _is_remarks(path)
    )


def _files(paths: Any, results: Path) -> str:
    names = sorted(path.relative_to(results).as_posix() for path in paths)
    links = ", ".join(f"[{name.rpartition('/')[2]}]({name})" for name in names)
    return text.FILES.format(links=links)


def _remarks(result: Path) -> Blocks:
    """What the authors wrote beside a result (a folder, or a file without its suffix)."""
    path = result.with_name(result.name + REMARKS)
    return [path.read_text(encoding="utf-8")] if path.is_file() else []


def _is_remarks(path: Path) -> bool:
    return path.name.endswith(REMARKS)


def _deeper(markdown: str) -> str:
    return re.sub(r"^(#+ )", "#" * _DEEPER + r"\1", markdown, flags=re.MULTILINE)


def _plain(caption: str) -> str:
    """A caption as the one line that stands for a picture, without emphasis."""
    sentence = " ".join(caption.split()).replace("**Figure.** ", "").partition(":")[0]
    return sentence.replace("`", "").rstrip(".")


def _listed(values: Sequence[Any]) -> str:
    *first, last = (str(value) for value in values)
    return f"{', '.join(first)} and {last}" if first else last


def _unique(values: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
