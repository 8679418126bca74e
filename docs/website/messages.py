"""The messages of Impasto's errors, read from its code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from sitemap import ROOT

PACKAGE = ROOT / "src" / "impasto"
SHOWN = "…"
"""Stands for what differs from case to case."""

_LINE = 500
"""Signs that a message has at most; docstrings have more."""

_KINDS = {
    "ImageError": "Pictures",
    "StyleError": "Styles",
    "OptionError": "Options",
    "UsageError": "Command lines",
    "BadParameter": "Command lines",
    "ModelError": "Models",
    "EngineError": "Engines",
    "VideoError": "Films and cameras",
    "WebError": "The page and the server",
    "ImpastoError": "Packages that are missing",
}


def raised() -> dict[str, list[str]]:
    """The messages that the code raises, by what they are about.

    What differs from case to case is an ellipsis. Messages that are made elsewhere and handed on
    are not among them; :func:`texts` has all their parts.
    """
    found: dict[str, set[str]] = {kind: set() for kind in _KINDS.values()}
    for tree in _trees():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            name = getattr(node.exc.func, "id", getattr(node.exc.func, "attr", ""))
            if name in _KINDS and node.exc.args:
                text = _message(node.exc.args[0])
                if len(re.sub(r"\W", "", text)) > 12:
                    found[_KINDS[name]].add(text)
    return {kind: sorted(each, key=_order) for kind, each in found.items() if each}


def texts() -> list[str]:
    """Every text of a line in the code, what differs from case to case as an ellipsis."""
    found = {_message(node) for tree in _trees() for node in _strings(tree)}
    return sorted(text for text in found if 5 < len(text) < _LINE)


@cache
def _trees() -> list[ast.Module]:
    """The code, file by file."""
    return [ast.parse(file.read_text(encoding="utf-8")) for file in sorted(PACKAGE.rglob("*.py"))]


def _strings(node: ast.AST) -> Iterator[ast.expr]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.JoinedStr) or (
            isinstance(child, ast.Constant) and isinstance(child.value, str)
        ):
            yield child
        yield from _strings(child)


def _message(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return " ".join(str(node.value).split())
    if isinstance(node, ast.BinOp):
        return _message(node.left) + _message(node.right)
    if isinstance(node, ast.JoinedStr):
        parts = (str(v.value) if isinstance(v, ast.Constant) else SHOWN for v in node.values)
        return "".join(parts)
    return SHOWN


def _order(text: str) -> str:
    return re.sub(rf"^[\W{SHOWN}]+", "", text).lower()


def messages_page() -> str:
    """The page that lists all messages."""
    lines = [
        "# Messages",
        "",
        "Every message of an error is one line: what is wrong, the numbers, and the mend, which",
        "stands behind a colon or a semicolon. … stands for names and numbers. "
        "[Troubleshooting](troubleshooting.md) explains the frequent ones.",
    ]
    for kind, messages in raised().items():
        lines += ["", f"## {kind}", ""]
        lines += [f"- `{text.replace('`', '')}`" for text in messages]
    return "\n".join(lines) + "\n"


def is_said(message: str, known: list[str]) -> bool:
    """True if the code has a text with all fixed parts of a message, in their order.

    Args:
        message: with an ellipsis for every part that differs.
        known: of :func:`texts`.
    """
    parts = [part.strip(" '`") for part in message.split(SHOWN)]
    pattern = re.compile(".*".join(re.escape(part) for part in parts if part))
    return any(pattern.search(text) for text in known)
