"""Checks that all is installed that the nodes need, and says in one line how to mend what is not.

An error here is what ComfyUI shows as "IMPORT FAILED" in its list of custom nodes.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

RESTART = "then restart ComfyUI"


class NoV3(ImportError):
    """This ComfyUI is of before the V3 schema."""


def check() -> None:
    """Refuse to be imported without Impasto, or without an engine for it.

    Raises:
        ImportError: one line with the mend.
    """
    script = Path(__file__).resolve().with_name("install.py")
    command = f'"{sys.executable}" "{script}"'
    spec = importlib.util.find_spec("impasto")
    if spec is None or spec.origin is None:  # an empty folder of that name counts as a package
        raise ImportError(
            f"Impasto's nodes need the package impasto, which is not installed in the Python of "
            f"ComfyUI; run: {command}, {RESTART}"
        )
    try:
        from impasto.models import ENGINES
    except ImportError as error:
        raise ImportError(
            f"the package impasto cannot be imported ({_one_line(error)}); run: {command}, "
            f"{RESTART}"
        ) from None
    if not any(row.installed for row in ENGINES):
        raise ImportError(
            "Impasto's nodes need ONNX Runtime (onnxruntime, onnxruntime-gpu or another of its "
            f"packages) or OpenVINO, and none is installed; run: {command}, {RESTART}"
        )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
