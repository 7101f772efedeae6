"""The rules that every Python file of the repository keeps, read from its syntax tree.

The rooms: the *engine* (funet), the *Slicer side* (FUNetSegmentationLib and the module file), which
together are the *library*, and everything else (training scripts, demo, tests).
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

MODULE_FILE = "FUNetSegmentation/FUNetSegmentation.py"
ENGINE = "FUNetSegmentation/funet/"
SLICER_SIDE = "FUNetSegmentation/FUNetSegmentationLib/"
ITK_FILES = tuple(f"{ENGINE}images/{name}.py" for name in ("volumes", "headers", "pieces"))

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60

SLICER_MODULES = {"slicer", "vtk", "vtkmodules", "qt", "ctk", "mrml", "FUNetSegmentationLib"}
TORCH_MODULES = {"torch", "torchvision", "monai"}
HEAVY_MODULES = {"torch", "SimpleITK"}  # too slow to load when a panel opens
OPTIONAL_MODULES = {"scipy", "monai", "matplotlib", "PIL", "nibabel", "nilearn", "sklearn"}
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
PROCESS_MODULES = {"multiprocessing", "torch.multiprocessing"}
TORCH_FUNCTIONS = {"torch.load", "torch.save", "torch.compile"}
TEMPLATE_STAR_IMPORT = "slicer.ScriptedLoadableModule"

# Folders of this kind exist on the machine of one developer only.
_LOCAL_PATH = re.compile(r"(?<![\w.-])/(?:work|root|home)/")


def violations(source: str, path: str) -> list[str]:
    """What a Python file does against the rules, as "path:line: what".

    Args:
        source: text of the file.
        path: where it lies, from the root of the repository with forward slashes.
    """
    tree = ast.parse(source)
    found = list(_size_rules(tree, source))
    if not path.startswith("Testing/"):
        found += [*_import_rules(tree, path), *_unsafe_calls(tree)]
    found += [*_star_imports(tree, path), *_bare_excepts(tree)]
    if is_library(path):
        found += _prints(tree)
    return [f"{path}:{line}: {text}" for line, text in sorted(set(found))]


def is_engine(path: str) -> bool:
    """Whether a file belongs to the engine."""
    return path.startswith(ENGINE)


def is_slicer_side(path: str) -> bool:
    """Whether a file belongs to the Slicer side."""
    return path.startswith(SLICER_SIDE) or path == MODULE_FILE


def is_library(path: str) -> bool:
    """Whether a file is installed on users' machines."""
    return is_engine(path) or is_slicer_side(path)


def local_paths(text: str) -> list[int]:
    """Numbers of the lines that name a folder of a developer's machine."""
    lines = text.splitlines()
    return [number for number, line in enumerate(lines, start=1) if _LOCAL_PATH.search(line)]


def writes_to_the_console(source: str) -> bool:
    """Whether a file uses the standard streams of its process."""
    return any(
        isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr")
        for node in ast.walk(ast.parse(source))
    )


def heavy_routes(engine: Mapping[str, str], source: str, path: str) -> list[str]:
    """Imports of a file of the Slicer side that would load what is heavy by way of the engine.

    Args:
        engine: text of every file of the engine by path.
        source: text of the file.
        path: where it lies.
    """
    graph = {_module_name(name): _scope_imports(text, name) for name, text in engine.items()}
    routes = {}
    for line, name in _imports(ast.parse(source), path):
        route = _heavy_route(name, graph)
        if route:
            routes[line] = f"{path}:{line}: loads {route[-1]} through {' → '.join(route)}"
    return list(routes.values())


Finding = tuple[int, str]


def _size_rules(tree: ast.Module, source: str) -> Iterator[Finding]:
    lines = len(source.splitlines())
    if lines > MOST_LINES:
        yield lines, f"has {lines} lines, more than {MOST_LINES}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MOST_LINES_OF_A_FUNCTION:
                yield node.lineno, f"{node.name} has {length} lines"


def _import_rules(tree: ast.Module, path: str) -> Iterator[Finding]:
    for line, name in _imports(tree, path):
        yield from ((line, text) for text in _room_rules(name.split(".")[0], path))
        if name.split(".")[0] in UNSAFE_MODULES:
            yield line, f"{name} runs code from files"
        if any(f"{name}.".startswith(f"{module}.") for module in PROCESS_MODULES):
            yield line, f"{name} starts processes"
        if name in TORCH_FUNCTIONS:
            yield line, f"{name} is imported"
    if is_engine(path):
        for line, name in _imports_of_a_scope(tree.body, path):
            if name.split(".")[0] in OPTIONAL_MODULES:
                yield line, f"{name}, an optional extra, is imported at file scope"


def _room_rules(root: str, path: str) -> Iterator[str]:
    if is_engine(path) and root in SLICER_MODULES:
        yield f"the engine imports {root}"
    if is_slicer_side(path) and root in TORCH_MODULES:
        yield f"the Slicer side imports {root}"
    if is_library(path) and root == "SimpleITK" and path not in ITK_FILES:
        yield f"SimpleITK is imported outside {' and '.join(ITK_FILES)}"


def _unsafe_calls(tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if ast.unparse(node) in TORCH_FUNCTIONS:
                yield node.lineno, f"{ast.unparse(node)} is used"
            if node.attr == "ProcessPoolExecutor":
                yield node.lineno, "ProcessPoolExecutor starts processes"
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else True
                if keyword.arg in ("allow_pickle", "num_workers") and value:
                    yield node.lineno, f"{keyword.arg} is set"


def _star_imports(tree: ast.Module, path: str) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            template = path == MODULE_FILE and node.module == TEMPLATE_STAR_IMPORT
            if not template:
                yield node.lineno, f"imports everything from {node.module}"


def _bare_excepts(tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "catches every exception without naming one"


def _prints(tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "print":
            yield node.lineno, "prints"


def _imports(tree: ast.Module, path: str) -> Iterator[Finding]:
    """Line and full name of everything that a file imports, anywhere in it."""
    for node in ast.walk(tree):
        yield from _imports_of(node, path)


def _imports_of_a_scope(body: list[ast.stmt], path: str) -> Iterator[Finding]:
    """The imports that run when the file itself is imported."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
            continue
        yield from _imports_of(statement, path)
        for field in ("body", "orelse", "finalbody", "handlers"):
            yield from _imports_of_a_scope(getattr(statement, field, []), path)


def _imports_of(node: ast.AST, path: str) -> Iterator[Finding]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield node.lineno, alias.name
    elif isinstance(node, ast.ImportFrom):
        module = _absolute(node, path)
        yield node.lineno, module
        for alias in node.names:
            yield node.lineno, f"{module}.{alias.name}"
    elif isinstance(node, ast.Call) and node.args:
        called = ast.unparse(node.func).rsplit(".", 1)[-1]
        first = node.args[0]
        if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
            yield node.lineno, str(first.value)


def _absolute(node: ast.ImportFrom, path: str) -> str:
    if not node.level:
        return node.module or ""
    package = PurePosixPath(path.removeprefix("FUNetSegmentation/")).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def _module_name(path: str) -> str:
    name = path.removeprefix("FUNetSegmentation/").removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


@functools.cache
def _scope_imports(source: str, path: str) -> list[str]:
    return [name for _, name in _imports_of_a_scope(ast.parse(source).body, path)]


def _heavy_route(name: str, graph: Mapping[str, list[str]]) -> list[str]:
    """The chain of modules of the engine that an import runs up to a heavy one; empty if none."""
    waiting: list[tuple[list[str], str]] = [([], name)]
    seen = set()
    while waiting:
        route, imported = waiting.pop()
        parts = imported.split(".")
        if parts[0] in HEAVY_MODULES and route:
            return [*route, parts[0]]
        for depth in range(1, len(parts) + 1):
            module = ".".join(parts[:depth])
            if module in graph and module not in seen:
                seen.add(module)
                waiting += [([*route, module], further) for further in graph[module]]
    return []
