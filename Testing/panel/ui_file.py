"""What a ``.ui`` file holds, and what of that Slicer lacks."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from slicer_facts import Facts

# Properties of layouts that only Qt's form loader knows.
_OF_LAYOUTS = {"leftMargin", "topMargin", "rightMargin", "bottomMargin"}


def widgets_of(path: Path) -> dict[str, str]:
    """Return the class of every object, as ``"qt.QLabel"``, by its name."""
    return {
        element.get("name", ""): class_name(element.get("class", ""))
        for element in ElementTree.parse(path).iter()
        if element.tag in ("widget", "layout")
    }


def class_name(name: str) -> str:
    """Return a class with its module: ``"ctk.ctkPathLineEdit"``."""
    if name == "Line":  # Designer's name for it
        return "qt.QFrame"
    module = "ctk" if name.startswith("ctk") else "slicer" if name.startswith("q") else "qt"
    return f"{module}.{name}"


def violations(text: str, facts: Facts) -> list[str]:
    """Return what is wrong with a form.

    Args:
        text: the content of the file.
        facts: what there is.
    """
    form = ElementTree.fromstring(text)
    found = []
    for element in form.iter():
        if element.tag in ("widget", "layout"):
            owner = class_name(element.get("class", ""))
            if not facts.knows(owner):
                found.append(f"{owner} is not known")
                continue
            for each in element.iterfind("property"):
                found += _property_violations(owner, element.tag, each, facts)
    declared = {element.text for element in form.iterfind("customwidgets/customwidget/class")}
    used = {element.get("class", "") for element in form.iter("widget")}
    custom = {name for name in used if not name.startswith("Q") and name != "Line"}
    found += [f"{name} is not among the custom widgets" for name in sorted(custom - declared)]
    return found + _connection_violations(form, facts)


def _property_violations(
    owner: str, tag: str, element: ElementTree.Element, facts: Facts
) -> list[str]:
    name = element.get("name", "")
    if tag == "layout" and name in _OF_LAYOUTS:
        return []
    if element.get("stdset") == "0":
        return [] if name == "SlicerParameterName" else [f"{owner}: dynamic property {name}"]
    kind = facts.kind(owner, name)
    if kind != "property":
        return [f"{owner}.{name} is {kind or 'not there'}"]
    if facts.qt6_lacks(owner, name):
        return [f"{owner} of Qt 6 has no {name}"]
    value = element.findtext("enum") or element.findtext("set") or ""
    return [
        f"{owner}.{name}: {part} is not in the form of Qt 5"
        for part in value.split("|")
        if part and (part.count("::") != 1 or not _enumerator_exists(part, owner, facts))
    ]


def _enumerator_exists(value: str, owner: str, facts: Facts) -> bool:
    scope, _, name = value.partition("::")
    if scope == "Qt" or not facts.knows(class_name(scope)):
        return not facts.qt6_lacks(f"qt.{scope}", name)
    return facts.kind(class_name(scope), name) is not None or facts.kind(owner, name) is not None


def _connection_violations(form: ElementTree.Element, facts: Facts) -> list[str]:
    classes = {
        element.get("name", ""): class_name(element.get("class", ""))
        for element in form.iter("widget")
    }
    found = []
    for each in form.iterfind("connections/connection"):
        sender, receiver = (
            classes.get(each.findtext(end, ""), "") for end in ("sender", "receiver")
        )
        signal, slot = each.findtext("signal", ""), each.findtext("slot", "")
        if not facts.knows(sender) or signal not in facts.signals(sender):
            found.append(f"{sender} has no signal {signal}")
        if not facts.knows(receiver) or slot not in facts.slots(receiver):
            found.append(f"{receiver} has no slot {slot}")
    return found
