"""Installs Impasto into the Python of ComfyUI; ComfyUI-Manager runs this after a download.

``pip install impasto`` also installs the package ``onnxruntime``. Where one of its relatives is
there (onnxruntime-gpu, -directml, -openvino ...), that would overwrite its files, and nodes that
need it would lose the GPU. Then Impasto is installed without its dependencies, and after it those
that are missing.

By hand, with the Python of ComfyUI: ``python install.py``; ``--dry-run`` prints the commands.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata

# Packages that bring the module `onnxruntime`.
RUNTIMES = (
    "onnxruntime",
    *(f"onnxruntime-{kind}" for kind in (
        "gpu", "directml", "openvino", "rocm", "migraphx", "qnn", "silicon", "training",
    )),
)  # fmt: skip


def runtime(path: list[str] | None = None) -> str | None:
    """Return the installed package that brings ``onnxruntime``; the plain one if it is alone.

    Args:
        path: folders to look in; by default where Python looks.
    """
    installed = {_normal(each.metadata["Name"] or "") for each in _distributions(path)}
    return next((name for name in RUNTIMES[1:] if name in installed), None) or (
        RUNTIMES[0] if RUNTIMES[0] in installed else None
    )


def commands(found: str | None) -> Iterator[list[str]]:
    """Yield the arguments of the calls of pip for what :func:`runtime` has found, one by one.

    The second is known when the first is done: it follows from Impasto's own requirements.
    """
    if found in (None, RUNTIMES[0]):
        yield ["install", "impasto"]
        return
    yield ["install", "--no-deps", "impasto"]
    importlib.invalidate_caches()
    try:
        yield ["install", *without_runtimes(metadata.requires("impasto") or [])]
    except metadata.PackageNotFoundError:  # nothing was installed: a dry run
        yield ["install", "(what impasto requires, without onnxruntime)"]


def without_runtimes(requirements: Iterable[str]) -> list[str]:
    """Return those requirements that are for everybody, and do not bring ``onnxruntime``."""
    names = {each: _normal(re.split(r"[^A-Za-z0-9._-]", each)[0]) for each in requirements}
    return [each for each, name in names.items() if "extra ==" not in each and name not in RUNTIMES]


def main(arguments: list[str]) -> int:
    """Install, and return the exit status of pip."""
    found = runtime()
    if found not in (None, RUNTIMES[0]):
        print(f"Impasto: {found} is installed and is left as it is")
    for command in commands(found):
        call = [sys.executable, "-m", "pip", *command]
        print("Impasto:", *call, flush=True)
        if "--dry-run" not in arguments and (status := subprocess.call(call)):
            return status
    return 0


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _distributions(path: list[str] | None) -> Iterable[metadata.Distribution]:
    return metadata.distributions() if path is None else metadata.distributions(path=path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
