"""How code is laid out: layers, who judges whom, what every function and every test says."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.project import ROOT

SOURCE = ROOT / "src" / "helpers"
TESTS = ROOT / "tests"
# From top to bottom; the four of one line never import each other.
LAYERS = [
    {"report"},
    {"stages"},
    {"io", "compute", "plot", "synth"},
    {"params"},
    {"schema"},
    {"project"},
    {"errors"},
]
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def layer_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """Modules of the project a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.startswith("helpers.")}


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef):
            yield node


def test_layers__are_those_the_contract_of_lint_imports_names():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    (contract,) = settings["importlinter"]["contracts"]
    assert settings["importlinter"]["root_package"] == "helpers"
    assert contract["type"] == "layers"
    named = [set(re.findall(r"helpers\.(\w+)", line)) for line in contract["layers"]]
    assert named == LAYERS
    assert all(
        "|" in line
        for line, names in zip(contract["layers"], LAYERS, strict=True)
        if len(names) > 1
    )


def test_layers__hold_every_module():
    found = {layer_of(path) for path in python_files(SOURCE)} - {"__init__"}
    assert found == set(DEPTH)


def test_imports__point_down_only():
    wrong = []
    for path in python_files(SOURCE):
        mine = layer_of(path)
        for name in imported(path):
            other = name.split(".")[1]
            if (
                mine != "__init__"
                and other in DEPTH
                and other != mine
                and DEPTH[other] <= DEPTH[mine]
            ):
                wrong.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert wrong == []


@pytest.mark.parametrize("layer", ["synth", "compute", "plot", "io"])
def test_imports__keep_the_four_in_the_middle_apart(layer):
    below = {layer, "params", "schema", "project", "errors"}
    used = {n.split(".")[1] for path in python_files(SOURCE / layer) for n in imported(path)}
    assert used <= below


def test_synth__has_no_function_in_common_with_compute():
    """The judge does not learn from the accused: not by import, and not by copy."""
    bodies = {}
    for layer in ("synth", "compute"):
        for path in python_files(SOURCE / layer):
            for function in functions(path):
                statements = [n for n in function.body if not is_docstring(n)]
                bodies.setdefault(layer, {})["".join(map(ast.dump, statements))] = function.name
    assert len(bodies["synth"]) > 20
    shared = bodies["synth"].keys() & bodies["compute"].keys()
    assert [bodies["synth"][body] for body in shared] == []


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_init_files__hold_one_sentence():
    for path in SOURCE.glob("*/__init__.py"):
        assert [is_docstring(node) for node in tree_of(path).body] == [True], path


def test_modules__say_what_they_are_about():
    bare = [
        str(p.relative_to(SOURCE))
        for p in python_files(SOURCE)
        if not ast.get_docstring(tree_of(p))
    ]
    assert bare == []


def test_public_functions__say_what_they_do():
    bare = [
        f"{path.relative_to(SOURCE)}:{node.name}"
        for path in python_files(SOURCE)
        for node in tree_of(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ]
    assert bare == []


def test_modules__are_named_for_a_subject():
    vague = {"utils", "common", "misc", "shared", "base", "helpers"}
    assert [p.name for p in python_files(SOURCE) if p.stem in vague] == []


def test_functions__take_no_open_ended_settings():
    loose = [
        f"{path.relative_to(SOURCE)}:{function.name}"
        for path in python_files(SOURCE)
        for function in functions(path)
        if function.args.kwarg is not None
    ]
    assert loose == []


def test_package__names_no_test_of_pytest():
    """pytest would collect a function of the package that a test module imports."""
    named = [f.name for path in python_files(SOURCE) for f in functions(path)]
    assert [name for name in named if name.startswith("test_")] == []


# Tests


def all_tests() -> list[tuple[Path, ast.FunctionDef]]:
    return [
        (path, function)
        for path in python_files(TESTS)
        if path.name.startswith("test_")
        for function in functions(path)
        if function.name.startswith("test_")
    ]


def test_tests__are_named_as_sentences():
    odd = [
        f"{path.name}:{function.name}"
        for path, function in all_tests()
        if not re.fullmatch(r"test_[a-z0-9]\w*?__[a-z0-9]\w+", function.name)
    ]
    assert odd == []


def test_tests__assert_something_and_not_under_an_if():
    hollow, hidden = [], []
    for path, function in all_tests():
        name = f"{path.name}:{function.name}"
        if not any(checks(node) for node in ast.walk(function)):
            hollow.append(name)
        conditions = [node for node in ast.walk(function) if isinstance(node, ast.If)]
        if any(isinstance(n, ast.Assert) for c in conditions for n in ast.walk(c)):
            hidden.append(name)
    assert (hollow, hidden) == ([], [])


def checks(node: ast.AST) -> bool:
    """An assertion, numpy's or pandas' own, an expected error, or a helper that asserts."""
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name == "raises" or name.startswith(("assert_", "check_", "agree", "expect"))


def test_tests__say_which_message_they_expect_of_the_projects_errors():
    ours = {n.name for n in tree_of(SOURCE / "errors.py").body if isinstance(n, ast.ClassDef)}
    silent = [
        f"{path.name}:{function.name}"
        for path, function in all_tests()
        for node in ast.walk(function)
        if isinstance(node, ast.withitem)
        and node.optional_vars is None
        and expected_error(node) in ours
        and "match" not in {keyword.arg for keyword in node.context_expr.keywords}
    ]
    assert silent == []


def expected_error(node: ast.withitem) -> str:
    """Name of the error in ``with pytest.raises(...)``, or nothing."""
    call = node.context_expr
    if not isinstance(call, ast.Call) or getattr(call.func, "attr", "") != "raises":
        return ""
    return getattr(call.args[0], "id", "")
