"""Which code a job depends on: the definitions it reaches, and the libraries they use."""

import ast
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from helpers.project import ROOT

SOURCE = ROOT / "src"
WHOLE = "*"  # every definition of a module


@dataclass(frozen=True)
class Reached:
    """Code that a job reaches."""

    digests: dict[str, str]
    """Project module -> digest of the definitions reached in it."""
    versions: dict[str, str]
    """Library those definitions use -> installed version."""


def trace_code(roots: Iterable[tuple[str, str]]) -> Reached:
    """Everything reached from definitions of the project, each given as (module, name).

    A definition reaches the names it mentions, in its own module or imported from another, and
    so on. Docstrings and comments do not count: they change no number, so they re-run nothing.
    """
    found: set[tuple[str, str]] = set()
    libraries: set[str] = set()
    waiting = list(roots)
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        found.add(place)
        for kind, module, name in _reached_from(*place):
            if kind == "library":
                libraries.add(module)
            else:
                waiting.append((module, name))
    by_module: dict[str, list[str]] = {}
    for module, name in sorted(found):
        by_module.setdefault(module, []).append(_definition_digest(module, name))
    digests = {
        module: sha256("".join(parts).encode()).hexdigest()[:16]
        for module, parts in by_module.items()
    }
    return Reached(digests, _versions(libraries))


def _versions(libraries: set[str]) -> dict[str, str]:
    providers = _providers()
    packages = {package for name in libraries for package in providers.get(name, ())}
    return {package: _version(package) for package in sorted(packages, key=str.casefold)}


@cache
def _version(package: str) -> str:
    return metadata.version(package)


@cache
def _providers() -> dict[str, set[str]]:
    return {name: set(found) for name, found in metadata.packages_distributions().items()}


def module_file(name: str) -> Path:
    """Where a module of the project lies, by its dotted name."""
    path = SOURCE / Path(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@dataclass(frozen=True)
class _Module:
    """The top level of a module."""

    definitions: dict[str, tuple[ast.stmt, ...]]
    imports: dict[str, tuple[str, str]]
    """Local name -> (module, name in it or WHOLE)."""


@cache
def _read(name: str) -> _Module:
    tree = ast.parse(module_file(name).read_text(encoding="utf-8"))
    definitions: dict[str, tuple[ast.stmt, ...]] = {}
    imports: dict[str, tuple[str, str]] = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= dict(_imported(node))
        for defined in _defined(node):
            definitions[defined] = (*definitions.get(defined, ()), node)
    return _Module(definitions, imports)


def _defined(node: ast.stmt) -> Iterator[str]:
    """Names a top-level statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, tuple[str, str]]]:
    """Local name and what it stands for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            local = alias.asname or alias.name.split(".")[0]
            yield local, (alias.name if alias.asname else local, WHOLE)
    elif node.module:
        for alias in node.names:
            inside = f"{node.module}.{alias.name}"
            is_module = inside.startswith("helpers.") and module_file(inside).is_file()
            target = (inside, WHOLE) if is_module else (node.module, alias.name)
            yield alias.asname or alias.name, target


@cache
def _reached_from(module: str, name: str) -> frozenset[tuple[str, str, str]]:
    """(kind, module, name) of everything one definition mentions."""
    return frozenset(_mentioned(module, name))


def _mentioned(module: str, name: str) -> Iterator[tuple[str, str, str]]:
    content = _read(module)
    if name == WHOLE:
        yield from (("project", module, defined) for defined in content.definitions)
        return
    if name not in content.definitions and name in content.imports:
        yield _kind(content.imports[name])
        return
    for node in content.definitions.get(name, ()):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                yield from (_kind(target) for _, target in _imported(inner))
            elif isinstance(inner, ast.Name):
                if inner.id in content.definitions and inner.id != name:
                    yield "project", module, inner.id
                elif inner.id in content.imports:
                    yield _kind(content.imports[inner.id])


def _kind(target: tuple[str, str]) -> tuple[str, str, str]:
    module, name = target
    if module.split(".")[0] == "helpers":
        return "project", module, name
    return "library", module.split(".")[0], ""


@cache
def _definition_digest(module: str, name: str) -> str:
    nodes = _read(module).definitions.get(name, ())
    return sha256("".join(_dump(node) for node in nodes).encode()).hexdigest()


def _dump(node: ast.stmt) -> str:
    """The syntax tree as text, without docstrings."""
    tree = ast.parse(ast.unparse(node))
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for inner in ast.walk(tree):
        if isinstance(inner, holders) and ast.get_docstring(inner, clean=False) is not None:
            inner.body = inner.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def notebook_cells(path: Path) -> list[tuple[str, str]]:
    """Kind and text of every cell of a notebook, without outputs."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [(cell["cell_type"], "".join(cell["source"])) for cell in content["cells"]]


def notebook_imports(path: Path) -> list[tuple[str, str]]:
    """Definitions of the project that the code of a notebook imports."""
    code = "\n".join(text for kind, text in notebook_cells(path) if kind == "code")
    nodes = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Import | ast.ImportFrom)]
    targets = [target for node in nodes for _, target in _imported(node)]
    return [target for target in targets if target[0].startswith("helpers")]


def notebook_digest(path: Path) -> str:
    """Digest of what a reader of a notebook sees before it runs: texts and code."""
    return sha256(json.dumps(notebook_cells(path)).encode()).hexdigest()[:16]
