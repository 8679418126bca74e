"""Rules for docstrings, signatures and contracts that no other tool checks."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "impasto"
FOLDERS = ("src", "recipes", "experiments", "benchmarks")

QUESTION = re.compile(r"(what|where|which|how|whether|who)\b", re.IGNORECASE)
MAX_PARAMETERS = 8
EXEMPT = {"impasto/stylizer.py:Stylizer.stylize"}
"""The verb that spells every control for users, so that editors complete them."""

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*folders: str) -> list[Path]:
    """List the Python files in folders of the repository."""
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert files, "a moved folder must not make these tests pass"
    return files


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Find all docstrings with their lines: of modules, classes, functions and attributes."""
    for node in ast.walk(tree):
        if not isinstance(node, Documented):
            continue
        if text := ast.get_docstring(node):
            yield node.body[0].lineno, text
        if isinstance(node, Function):
            continue
        for before, after in zip(node.body, node.body[1:], strict=False):
            if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr):
                value = after.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield after.lineno, value.value.strip()


def questions(path: Path) -> list[str]:
    """List the docstrings of a file that begin with a question word."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for line, text in docstrings(ast.parse(path.read_text(encoding="utf-8")))
        if QUESTION.match(text)
    ]


def public_functions(
    body: list[ast.stmt], prefix: str = "", in_class: bool = False
) -> Iterator[tuple[str, int, int]]:
    """Find public functions and methods: name, line, number of parameters besides self or cls."""
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With):
            yield from public_functions(node.body, prefix, in_class)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body, f"{prefix}{node.name}.", in_class=True)
        elif isinstance(node, Function) and (
            not node.name.startswith("_") or node.name in ("__init__", "__new__", "__call__")
        ):
            static = any(
                isinstance(each, ast.Name) and each.id == "staticmethod"
                for each in node.decorator_list
            )
            arguments = node.args
            count = len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs)
            yield f"{prefix}{node.name}", node.lineno, count - (in_class and not static)


def test_first_lines_say_what_it_is_or_does() -> None:
    """A question word hides the verb or noun that an editor shows of a docstring."""
    found = [line for path in python_files(*FOLDERS) for line in questions(path)]
    assert not found, "begin with an imperative or a noun phrase:\n" + "\n".join(found)


def test_public_functions_have_few_parameters() -> None:
    """More than eight belong together in a value, such as ``Controls``."""
    found, exempt = [], set()
    for path in python_files("src/impasto"):
        file = path.relative_to(PACKAGE.parent).as_posix()
        for name, line, count in public_functions(ast.parse(path.read_text(encoding="utf-8")).body):
            if f"{file}:{name}" in EXEMPT:
                exempt.add(f"{file}:{name}")
            elif count > MAX_PARAMETERS:
                found.append(f"{file}:{line}: {name} has {count} parameters")
    assert not found, f"more than {MAX_PARAMETERS}:\n" + "\n".join(found)
    assert exempt == EXEMPT, "an exemption names nothing"


def test_no_type_error_is_ignored() -> None:
    """A comment is read as a comment, so a text about ``type: ignore`` is none."""
    found = []
    for path in python_files("src"):
        for token in tokenize.generate_tokens(
            io.StringIO(path.read_text(encoding="utf-8")).readline
        ):
            if token.type == tokenize.COMMENT and re.search(r"type:\s*ignore", token.string):
                found.append(f"{path.relative_to(ROOT)}:{token.start[0]}")
    assert not found, "mend the types instead:\n" + "\n".join(found)


def modules_in_contracts(config: object) -> Iterator[tuple[str, str]]:
    """Find the modules that import contracts name, as (contract, module in full)."""
    assert isinstance(config, dict)
    for contract in config["tool"]["importlinter"]["contracts"]:
        containers = contract.get("containers", [])
        for layer in contract.get("layers", []):
            for name in re.split(r"[:|]", layer):
                for container in containers or [""]:
                    yield contract["name"], f"{container}.{name.strip(' ()')}".strip(".")
        for key, modules in contract.items():
            if isinstance(modules, list) and key not in ("layers", "exhaustive_ignores"):
                for module in modules:
                    for name in re.split(r"\s*->\s*", str(module)):
                        yield contract["name"], name


def test_import_contracts_name_packages_only() -> None:
    """The modules at the top of the package are layers themselves; others are their package's."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    top = {f"impasto.{path.stem}" for path in PACKAGE.glob("*.py")}
    found, checked = [], 0
    for contract, module in modules_in_contracts(config):
        name = module.removesuffix(".**").removesuffix(".*")
        if name.partition(".")[0] != "impasto" or name in top:
            continue
        checked += 1
        if not (PACKAGE.parent / Path(*name.split(".")) / "__init__.py").is_file():
            found.append(f"{contract!r}: {module}")
    assert checked, "no contract was read"
    assert not found, "files in contracts:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('"""What it is."""', 1),
        ('"""Whatever comes."""', 0),
        ('"""The sum."""\n\ndef f():\n    """Whether it is so."""', 1),
        ('class A:\n    x = 1\n    """How many."""', 1),
        ('class A:\n    """A thing.\n\n    Where it is.\n    """', 0),
    ],
)
def test_questions_are_found(text: str, count: int) -> None:
    """The rule finds them in all four places, at the start of a docstring only."""
    assert sum(bool(QUESTION.match(each)) for _, each in docstrings(ast.parse(text))) == count


def test_parameters_are_counted() -> None:
    """Counted are all but self and cls; private functions are left out."""
    text = (
        "def f(a, /, b, *c, d, **e): ...\n"
        "def _g(a): ...\n"
        "class A:\n"
        "    def m(self, a): ...\n"
        "    @classmethod\n"
        "    def n(cls, a, b): ...\n"
        "    @staticmethod\n"
        "    def o(a): ...\n"
        "class _B:\n"
        "    def p(self): ...\n"
    )
    found = {name: count for name, _, count in public_functions(ast.parse(text).body)}
    assert found == {"f": 3, "A.m": 1, "A.n": 2, "A.o": 1}
