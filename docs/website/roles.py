"""Docstrings as the site shows them: references as code, examples as sessions of Python."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod|py:\w+):`~?([^`]+)`")
_EXAMPLE = re.compile(r"^( *)Examples?::?[ ]*(?=\n\s*>>>)", re.MULTILINE)
_BARE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class Roles(griffe.Extension):
    """Griffe extension that mkdocstrings loads by the name of this file."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object that was read."""
        if obj.docstring is not None:
            text = _ROLE.sub(r"`\1`", obj.docstring.value)
            text = _EXAMPLE.sub(r"\1Examples:", text)
            obj.docstring.value = _BARE.sub(_section, text)


def _section(found: re.Match[str]) -> str:
    """A session that stands by itself, as a section of examples."""
    return "Examples:\n" + "\n".join(f"    {line}" for line in found[0].splitlines())
