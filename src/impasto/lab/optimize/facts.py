"""Facts about the lab for ``impasto doctor``: PyTorch, its devices, and the weights of VGG-19."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from impasto.doctor.report import Facts, Problem, tilde
from impasto.errors import ImpastoError
from impasto.lab.nets.weights import VARIABLE, cache_folder, find_vgg


def facts() -> Facts:
    """Return the facts for a bug report about the lab.

    Example:
        >>> facts().lines[0].startswith("PyTorch ")
        True
    """
    problems: list[Problem] = []
    lines = [f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads", _devices()]
    try:
        lines.append(f"VGG-19: {tilde(find_vgg())}")
    except ImpastoError as error:
        lines.append("VGG-19: not found; needed only for methods and training")
        if os.environ.get(VARIABLE):
            problems.append(Problem(tilde(error), f"correct or unset {VARIABLE}"))
    try:
        lines.append(_cache(cache_folder()))
    except ImpastoError as error:
        problems.append(Problem(tilde(error), "set HOME"))
    return Facts(tuple(lines), tuple(problems))


def _devices() -> str:
    names = ["cpu"]
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        names += [f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(count)]
    if torch.backends.mps.is_available():
        names.append("mps")
    return f"devices: {', '.join(names)}"


def _cache(folder: Path) -> str:
    if not folder.is_dir():
        return f"cache: {tilde(folder)} (will be created)"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"cache: {tilde(folder)}, {size / 1e6:.1f} MB"
