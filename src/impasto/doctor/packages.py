"""Versions of Python, the system and packages; packages that do not fit, or are in conflict."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import impasto
from impasto.doctor.report import Package, Problem, tilde
from impasto.errors import counted
from impasto.models.engines import ENGINES
from impasto.models.providers import Provider, mend, providers

# A requirement as it stands in our own metadata: pillow-heif>=1.0; extra == "heic"
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?([^;]*)(?:;.*extra == ['\"](.*?)['\"])?")
_BOUND = re.compile(r"(>=|<=|==|<|>)\s*([0-9][0-9.]*)")

# Extras for developers of Impasto.
_LEFT_OUT = ("test",)


def version_line() -> str:
    """The version of Impasto, and its location."""
    place = Path(impasto.__file__).parent
    return f"{impasto.__version__} in {tilde(place)}"


def python_line() -> str:
    """The version of Python, and its kind."""
    return f"{platform.python_version()} ({platform.python_implementation()})"


def system_line() -> str:
    """The operating system, the processor, its cores and the memory."""
    parts = (platform.platform(), _processor(), counted(_cores(), "core"), _memory())
    return ", ".join(part for part in parts if part)


def shadowed() -> list[Problem]:
    """A problem if the running code is not that of the installed package."""
    try:
        installed = version("impasto")
    except PackageNotFoundError:
        return [
            Problem(
                "this copy of Impasto is unknown to pip, so its plug-ins are missing",
                "install it with pip: a copy of its files is not enough",
            )
        ]
    if installed == impasto.__version__:
        return []
    place = tilde(Path(impasto.__file__).parent)
    return [
        Problem(
            f"version {impasto.__version__} runs, from {place}, but {installed} is installed",
            "reinstall this version with pip, or run it outside that folder and without PYTHONPATH",
        )
    ]


def examine_packages() -> tuple[tuple[Package, ...], list[Problem]]:
    """The packages that Impasto needs or can use; and those that do not fit, or are there twice."""
    engines = {row.imports: row for row in ENGINES}
    sources = {module: providers(module) for module in engines}
    found: list[Package] = []
    problems: list[Problem] = []
    for package in _requirements(sources):
        found.append(package)
        if package.version and not fits(package.version, package.wanted):
            problems.append(
                Problem(
                    f"{package.name} is {package.version}, and {package.wanted} is needed",
                    f"pip install '{package.name}{package.wanted}'",
                )
            )
        elif not package.version and not package.extra:
            problems.append(
                Problem(
                    f"{package.name} is not installed",
                    f"pip install '{package.name}{package.wanted}'",
                )
            )
    for module, several in sources.items():
        if len(several) > 1:
            names = ", ".join(str(each) for each in several)
            problems.append(
                Problem(f"the module {module} comes from {names}", mend(engines[module], several))
            )
    return tuple(found), problems


def fits(found: str, wanted: str) -> bool:
    """Return True if a version is within bounds such as ">=17,<20".

    Example:
        >>> fits("18.1.0", ">=17,<20"), fits("11.2", ">=11.3"), fits("2.0rc1", ">=2.0")
        (True, False, True)
    """
    mine = _numbers(found)
    for sign, text in _BOUND.findall(wanted):
        bound = _numbers(text)
        length = max(len(mine), len(bound))
        left, right = (each + (0,) * (length - len(each)) for each in (mine, bound))
        holds = {
            ">=": left >= right,
            "<=": left <= right,
            "==": left == right,
            "<": left < right,
            ">": left > right,
        }
        if not holds[sign]:
            return False
    return True


def _requirements(sources: Mapping[str, tuple[Provider, ...]]) -> list[Package]:
    try:
        lines = distribution("impasto").requires or []
    except PackageNotFoundError:
        return []
    found = []
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match is None or (match[3] or "") in _LEFT_OUT:
            continue
        name, wanted = match[1], match[2].strip()
        provided = sources.get(name, ())
        found.append(Package(name, wanted, match[3] or "", _version(name, provided)))
    return found


def _version(name: str, provided: tuple[Provider, ...]) -> str:
    """The version of a package, or of the one that provides its module in its place."""
    try:
        return version(name)
    except PackageNotFoundError:
        return provided[0].version if provided else ""


def _numbers(text: str) -> tuple[int, ...]:
    match = re.match(r"[0-9.]+", text)
    return tuple(int(part) for part in match[0].split(".") if part) if match else ()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.processor()


def _memory() -> str:
    try:
        count = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return ""
    return f"{count / 1e9:.1f} GB of memory"
