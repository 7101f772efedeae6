"""Finds what source code uses of ``qt``, ``ctk`` and ``slicer``, and what of that Slicer lacks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slicer_facts import DIFFERS, NEWER_NAMES, SETTERS, Facts

_SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef)
_MODULES = ("qt", "ctk", "slicer")
_UI = "ui"  # type of what holds the widgets of the .ui file
_VALUE = "value"  # type of what belongs to a class: an enumerator, a static function
_RETURNS = {
    ("QTableView", "horizontalHeader"): "qt.QHeaderView",
    ("QTableView", "verticalHeader"): "qt.QHeaderView",
    ("app", "layoutManager"): "slicer.app.layoutManager()",
    ("slicer.util", "childWidgetVariables"): _UI,
}


@dataclass
class Usage:
    """Walks one source file.

    Args:
        facts: what there is.
        widgets: class of every object in the ``.ui``, as ``"qt.QLabel"``.
        own: names of attributes that are our own.
        known: names of attributes of other things, which one may read.
        modules: names of our own scripted modules, in lower case.
    """

    facts: Facts
    widgets: Mapping[str, str]
    own: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    _types: dict[str, str] = field(default_factory=dict)  # of "name" and "self.name"
    _found: list[tuple[int, str]] = field(default_factory=list)
    _parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    _imported: set[str] = field(default_factory=set)
    _calls: dict[str, dict[int | str | None, str]] = field(default_factory=dict)

    def learn_calls(self, sources: Iterable[str]) -> None:
        """Note which classes our own functions and constructors are called with."""
        for source in sources:
            for node in self._walk(source):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    given = [(position, each) for position, each in enumerate(node.args)]
                    given += [(keyword.arg, keyword.value) for keyword in node.keywords]
                    kinds = {key: self._type(value) for key, value in given}
                    self._calls.setdefault(node.func.id, {}).update(
                        {key: kind for key, kind in kinds.items() if kind is not None}
                    )

    def violations(self, source: str) -> list[str]:
        """Return what Slicer has not got, or not so, each with its line."""
        self._found = []
        for node in self._walk(source):
            self._check(node)
        return [f"{line}: {text}" for line, text in sorted(set(self._found))]

    def _walk(self, source: str) -> Iterator[ast.AST]:
        """Yield every node, while the classes of the variables around it are known."""
        tree = ast.parse(source)
        self._parents = {kid: node for node in ast.walk(tree) for kid in ast.iter_child_nodes(node)}
        self._imported = _imported(tree)
        for scope in ast.walk(tree):
            if isinstance(scope, _SCOPES):
                self._types = {}
                for outer in self._around(scope):
                    if isinstance(outer, ast.ClassDef):
                        self._learn_class(outer)
                    self._learn(outer)
                yield from _own_nodes(scope)

    def _around(self, scope: ast.AST) -> list[ast.AST]:
        """Return the scopes that a scope is in, the outermost first, and itself."""
        around = [scope]
        while scope in self._parents:
            scope = self._parents[scope]
            if isinstance(scope, _SCOPES):
                around.insert(0, scope)
        return around

    # What things are.

    def _learn_class(self, scope: ast.ClassDef) -> None:
        """Note the classes of the attributes that the methods give to ``self``."""
        before = dict(self._types)
        for method in ast.walk(scope):
            if isinstance(method, ast.FunctionDef):
                self._learn(method)
        self._types = before | {n: t for n, t in self._types.items() if n.startswith("self.")}

    def _learn(self, scope: ast.AST) -> None:
        """Note the classes of the variables of a function, a class body or a module."""
        if isinstance(scope, ast.FunctionDef):
            self._learn_arguments(scope)
        for node in _own_nodes(scope):
            if isinstance(node, ast.AnnAssign):
                kind = self._annotated(node.annotation)
                prefix = "self." if isinstance(scope, ast.ClassDef) else ""
                self._note(prefix + (_dotted(node.target) or ""), kind or self._type(node.value))
            elif isinstance(node, ast.Assign):
                for target, value in _pairs(node):
                    self._note(_dotted(target), self._type(value))
            elif isinstance(node, ast.For | ast.comprehension):
                kinds = {self._type(each) for each in getattr(node.iter, "elts", ())}
                self._note(_dotted(node.target), kinds.pop() if len(kinds) == 1 else None)

    def _learn_arguments(self, function: ast.FunctionDef) -> None:
        owner = self._parents[function]
        constructor = isinstance(owner, ast.ClassDef) and function.name == "__init__"
        given = self._calls.get(owner.name if constructor else function.name, {})
        arguments = [*function.args.posonlyargs, *function.args.args]
        positional = arguments[isinstance(owner, ast.ClassDef) :]
        for argument in [*arguments, *function.args.kwonlyargs]:
            position = positional.index(argument) if argument in positional else None
            called = given.get(position) or given.get(argument.arg)
            self._note(argument.arg, self._annotated(argument.annotation) or called)

    def _note(self, name: str | None, kind: str | None) -> None:
        if name is not None and kind is not None:
            self._types[name] = kind

    def _annotated(self, annotation: ast.expr | None) -> str | None:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            return self._annotated(ast.parse(annotation.value, mode="eval").body)
        if isinstance(annotation, ast.BinOp):
            return self._annotated(annotation.left) or self._annotated(annotation.right)
        name = _dotted(annotation)
        return name if name is not None and name.partition(".")[0] in _MODULES else None

    def _type(self, node: ast.expr | None) -> str | None:
        """Return the class of an expression's value, ``class …`` for a class itself."""
        name = _dotted(node)
        if name in self._types:
            return self._types[name]
        if name in (*_MODULES, "slicer.app", "slicer.util", "slicer.modules"):
            return name
        if isinstance(node, ast.IfExp):
            return self._type(node.body)
        if isinstance(node, ast.Attribute):
            owner = self._type(node.value)
            if owner == _UI:
                return self.widgets.get(node.attr)
            if owner in _MODULES:
                return f"class {owner}.{node.attr}"
            if owner is not None and owner.startswith("class "):
                return _VALUE
            return _UI if node.attr == "ui" else None
        if isinstance(node, ast.Name) and node.id == "ui":
            return _UI
        return self._type_of_call(node) if isinstance(node, ast.Call) else None

    def _type_of_call(self, node: ast.Call) -> str | None:
        made = self._type(node.func)
        if made is not None and made.startswith("class "):
            return made.removeprefix("class ")
        if not isinstance(node.func, ast.Attribute):
            return None
        owner = self._type(node.func.value)
        bases = [owner, *self.facts.inherits(owner)] if owner else []
        found = (_RETURNS.get((base, node.func.attr)) for base in bases)
        return next((kind for kind in found if kind), None)

    # What is done with them.

    def _check(self, node: ast.AST) -> None:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _MODULES:
            module, *inner = (node.module or "").split(".")
            for name in inner[:1] or [alias.name for alias in node.names]:
                self._check_name(node, module, name)
        if isinstance(node, ast.Attribute):
            self._check_attribute(node, self._type(node.value))

    def _check_attribute(self, node: ast.Attribute, owner: str | None) -> None:
        if owner is None:
            self._check_unknown(node)
        elif owner == _UI:
            if node.attr not in self.widgets:
                self._report(node, f"the .ui has no {node.attr}")
        elif owner in _MODULES:
            self._check_name(node, owner, node.attr)
        elif owner == "slicer.util":
            self._check_util(node)
        elif owner == "slicer.modules":
            if node.attr not in {*self.facts.names(owner), *self.modules}:
                self._report(node, f"Slicer 5.2.2 has no {owner}.{node.attr}")
        elif owner.startswith("class "):
            self._check_class_member(node, owner.removeprefix("class "))
        elif owner != _VALUE:
            self._check_member(node, owner)

    def _check_name(self, node: ast.AST, module: str, name: str) -> None:
        full = f"{module}.{name}"
        if full in NEWER_NAMES or full == "slicer.util":
            return
        if name not in self.facts.names(module):
            self._report(node, f"Slicer 5.2.2 has no {full}")
        elif self.facts.qt6_lacks(full):
            self._report(node, f"Qt 6 has no {full}")
        elif full in ("qt.Signal", "qt.Slot", "qt.Property"):
            self._report(node, f"{full} of PythonQt crashes; use plain functions")

    def _check_util(self, node: ast.Attribute) -> None:
        if node.attr not in self.facts.util:
            self._report(node, f"Slicer 5.2.2 has no slicer.util.{node.attr}")
            return
        call = self._parents[node]
        signature = self.facts.util[node.attr]
        if isinstance(call, ast.Call) and call.func is node and "**" not in signature:
            parameters = re.findall(r"(\w+)(?=[,=)])", signature)
            for keyword in call.keywords:
                if keyword.arg is not None and keyword.arg not in parameters:
                    self._report(node, f"slicer.util.{node.attr} has no argument {keyword.arg}")

    def _check_class_member(self, node: ast.Attribute, owner: str) -> None:
        if self.facts.is_enumeration(owner, node.attr):
            self._report(node, f"{owner}.{node.attr}: Qt 5 has the values in the class itself")
        elif self.facts.knows(owner) and self.facts.kind(owner, node.attr) is None:
            self._report(node, f"{owner} has no {node.attr}")
        elif self.facts.qt6_lacks(owner, node.attr):
            self._report(node, f"{owner} of Qt 6 has no {node.attr}")
        self._check_difference(node, owner)

    def _check_difference(self, node: ast.Attribute, owner: str) -> None:
        for base in self.facts.inherits(owner):
            if f"{base}.{node.attr}" in DIFFERS:
                self._report(node, f"{base}.{node.attr}: {DIFFERS[f'{base}.{node.attr}']}")

    def _check_member(self, node: ast.Attribute, owner: str) -> None:
        if not self.facts.knows(owner):
            if self.facts.qt6_lacks(owner, node.attr):
                self._report(node, f"{owner} of Qt 6 has no {node.attr}")
            elif not owner.startswith("qt."):
                self._check_unknown(node)
            return
        wrong = self._wrong_member(node, owner, self.facts.kind(owner, node.attr))
        if wrong:
            self._report(node, f"{owner}.{node.attr} {wrong}")
        self._check_difference(node, owner)
        self._check_connection(node, owner)

    def _wrong_member(self, node: ast.Attribute, owner: str, kind: str | None) -> str:
        """Return what is wrong with the use of a member, or an empty text."""
        if kind is None:
            return "is not there"
        if self.facts.qt6_lacks(owner, node.attr) and not self._is_setter(owner, node.attr):
            return "is not there in Qt 6"
        if isinstance(node.ctx, ast.Store):
            wrong = {"property": "", "read-only": "cannot be written"}
            return wrong.get(kind, "is no property")
        if self._called(node):
            if kind in ("property", "read-only"):
                return "is a property, not a method"
            return "sets a property: assign it" if self._is_setter(owner, node.attr) else ""
        return "is a method, and always true" if kind == "other" and self._is_tested(node) else ""

    def _is_setter(self, owner: str, name: str) -> bool:
        if not name.startswith("set") or name in SETTERS:
            return False
        return self.facts.kind(owner, name[3:4].lower() + name[4:]) == "property"

    def _is_tested(self, node: ast.Attribute) -> bool:
        parent = self._parents[node]
        if isinstance(parent, ast.If | ast.While | ast.IfExp):
            return parent.test is node
        return isinstance(parent, ast.BoolOp | ast.Compare | ast.UnaryOp)

    def _called(self, node: ast.Attribute) -> bool:
        parent = self._parents[node]
        return isinstance(parent, ast.Call) and parent.func is node

    def _check_connection(self, node: ast.Attribute, owner: str) -> None:
        parent = self._parents[node]
        if node.attr not in ("connect", "disconnect") or not isinstance(parent, ast.Call):
            return
        signature = getattr(parent.args[0], "value", None) if parent.args else None
        if signature not in self.facts.signals(owner):
            self._report(node, f"{owner} has no signal {signature}")
        elif self.facts.qt6_lacks_signal(owner, signature):
            self._report(node, f"{owner} of Qt 6 has no signal {signature}")

    def _check_unknown(self, node: ast.Attribute) -> None:
        """Hold an attribute of something unknown against every name that there is anywhere."""
        name = _dotted(node.value) or ""
        if node.attr in self.own or name == "self" or name.partition(".")[0] in self._imported:
            return
        if isinstance(node.ctx, ast.Store):
            names = self.facts.every_writable
        else:
            names = self.facts.every_member | self.known
        if node.attr not in names:
            self._report(node, f"nothing has an attribute {node.attr}")

    def _report(self, node: ast.AST, text: str) -> None:
        self._found.append((node.lineno, text))


def _dotted(node: ast.AST | None) -> str | None:
    """Return ``"a.b.c"`` for such an expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return f"{owner}.{node.attr}" if owner is not None else None
    return None


def _pairs(node: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield what is assigned to what, one by one."""
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(target.elts, node.value.elts, strict=False)
        else:
            yield target, node.value


def _imported(tree: ast.Module) -> set[str]:
    """Return the names that imports give, other than Slicer's."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.asname or alias.name.partition(".")[0] for n in imports for alias in n.names}
    return names - set(_MODULES)


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in a scope, in the order of the source, without the scopes inside it."""
    for child in ast.iter_child_nodes(scope):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            continue
        yield child
        yield from _own_nodes(child)


def own_names(sources: list[Path]) -> frozenset[str]:
    """Return the names of every function, attribute and argument that source files define."""
    found: set[str] = set()
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                if _dotted(node.value) == "self":
                    found.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
    return frozenset(found)
