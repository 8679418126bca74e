"""Check of a release before it is tagged: built twice, looked at, installed, and painted with.

    python tools/release_check.py -o runs/release

leaves the two files for PyPI in ``runs/release/dist``, and in ``runs/release/licenses.md`` the
licenses of all that is installed with them. Run by an environment with the extra ``test``; ``make
release-check`` sets one up. Needs the network for an empty environment, as pip does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from clean import ROOT, Failure, read_picture, require_painted

WHEEL_BYTES, SDIST_BYTES = 25_000_000, 30_000_000
"""The most that the two files may have."""

HELP_SECONDS = 0.1
"""Time of the processor for ``impasto --help``."""

PERMISSIVE = ("MIT", "BSD", "Apache", "PSF", "Python Software Foundation", "HPND", "ISC", "MPL")
"""Beginnings, or parts, of the licenses that what is always installed may have."""

NOTES = {
    "av": "its wheels contain FFmpeg with GPL encoders (x264, x265)",
    "pyvirtualcam": "GPL-2.0",
}
"""What licenses in the metadata do not tell."""

PHOTOGRAPH, STYLE = "examples/photos/rocket.jpg", "examples/styles/wave.jpg"


def check_version() -> str:
    """The version is written once; the changelog, the citation and the tag have the same."""
    version = read_version()
    if not re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", version):
        raise Failure(f"{version} is no version of a release")
    changelog = (ROOT / "CHANGELOG.md").read_text()
    if not re.search(rf"^## \[?{re.escape(version)}\b", changelog, re.MULTILINE):
        raise Failure(f"CHANGELOG.md has no section {version}")
    citation = re.search(r"^version: *[\"']?([^\"'\n]+)", (ROOT / "CITATION.cff").read_text(), re.M)
    if citation is None or citation[1] != version:
        raise Failure(f"CITATION.cff has not the version {version}")
    tag = os.environ.get("GITHUB_REF", "").removeprefix("refs/tags/")
    if tag.startswith("v") and tag != f"v{version}":
        raise Failure(f"the tag is {tag}, and the version is {version}")
    return version


def read_version() -> str:
    """The version, from the one place where it is written."""
    text = (ROOT / "src/impasto/__init__.py").read_text()
    match = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if match is None:
        raise Failure("src/impasto/__init__.py has no line with the version")
    return match[1]


def check_builds(out: Path) -> str:
    """Build twice: here, and in a copy elsewhere, at another hour, with other rights to files."""
    dist, again, unpacked = out / "dist", out / "again", out / "unpacked"
    for folder in (dist, again, unpacked, out / "copy"):
        shutil.rmtree(folder, ignore_errors=True)
    build(ROOT, dist)
    copy_tree(out / "copy")
    build(out / "copy", again, TZ="Pacific/Auckland")
    compare(dist, again, "a second build")
    (sdist,) = dist.glob("*.tar.gz")
    shutil.unpack_archive(sdist, unpacked, filter="data")
    shutil.rmtree(again)
    build(next(unpacked.iterdir()), again, kinds=("wheel",))
    compare(dist, again, "a build of the sdist")
    return ", ".join(f"{each.name} {digest(each)[:12]}" for each in sorted(dist.iterdir()))


def build(
    source: Path, target: Path, kinds: tuple[str, ...] = ("sdist", "wheel"), **more: str
) -> None:
    """Build the files of a source tree into a folder."""
    types = [word for kind in kinds for word in ("-t", kind)]
    run(
        sys.executable, "-m", "hatchling", "build", *types, "-d", target,
        cwd=source, SOURCE_DATE_EPOCH=epoch(), **more,
    )  # fmt: skip


def copy_tree(target: Path) -> None:
    """Copy what git knows, or would, with narrow rights and new times."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
            (target / name).chmod(0o700 if os.access(ROOT / name, os.X_OK) else 0o600)


def epoch() -> str:
    """The time of the last commit, in seconds, or what the environment says."""
    return os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct", cwd=ROOT)


def compare(one: Path, other: Path, what: str) -> None:
    """Fail if files of the second folder are not those of the first, to the last bit."""
    for file in sorted(other.iterdir()):
        if not (one / file.name).exists() or digest(one / file.name) != digest(file):
            raise Failure(f"{what} gives another {file.name}")


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def check_files(out: Path) -> str:
    """Sizes, metadata and contents of the two files."""
    (wheel,), (sdist,) = (out / "dist").glob("*.whl"), (out / "dist").glob("*.tar.gz")
    for file, most in ((wheel, WHEEL_BYTES), (sdist, SDIST_BYTES)):
        if (size := file.stat().st_size) > most:
            raise Failure(f"{file.name} has {size / 1e6:.1f} MB, and {most / 1e6:.0f} are the most")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    run(sys.executable, "-m", "check_wheel_contents", wheel)
    return f"{wheel.stat().st_size / 1e6:.1f} and {sdist.stat().st_size / 1e6:.1f} MB"


def check_install(out: Path) -> str:
    """Install each of the files into an empty environment; pip finds nothing missing."""
    (wheel,), (sdist,) = (out / "dist").glob("*.whl"), (out / "dist").glob("*.tar.gz")
    python = venv_python(out)
    shutil.rmtree(out / "venv", ignore_errors=True)
    run(sys.executable, "-m", "venv", out / "venv")
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", sdist)
    run(*pip, "check")
    first = installed(python)
    run(*pip, "install", "--quiet", "--no-deps", "--force-reinstall", wheel)
    run(*pip, "check")
    if installed(python) != first:
        raise Failure("the sdist installs other files than the wheel")
    return f"{len(first)} files"


def venv_python(out: Path) -> Path:
    """Python of the empty environment."""
    return out / "venv" / "bin" / "python"


def installed(python: Path) -> dict[str, str]:
    """The files of the package that an environment has, with their sums."""
    code = (
        "import importlib.metadata as m, json; print(json.dumps({str(f): f.hash.value for f in "
        "m.distribution('impasto').files if f.hash and f.parts[0] == 'impasto'}))"
    )
    found: dict[str, str] = json.loads(run(python, "-c", code))
    return found


def check_command(out: Path) -> str:
    """The command of the empty environment: its version, its help in time, and its own verdict."""
    python = venv_python(out)
    command = python.with_name("impasto")
    if (said := run(command, "--version")) != f"impasto {read_version()}":
        raise Failure(f"impasto --version says {said!r}")
    taken = seconds(command, "--help")
    alone = seconds(python, "-c", "import click")
    # A machine that is slow or busy takes as much longer for click alone.
    if taken > HELP_SECONDS and taken > 2 * alone:
        raise Failure(f"impasto --help takes {taken:.2f} s, and {alone:.2f} s to import click")
    report = json.loads(run(command, "doctor", "--json"))
    if report["problems"]:
        raise Failure(f"impasto doctor finds {report['problems']}")
    return f"help in {taken:.2f} s, doctor finds nothing wrong"


def seconds(*command: str | Path) -> float:
    """Time of the processor for a command, the best of some runs."""
    best = float("inf")
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(*command)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def check_painting(out: Path) -> str:
    """The example, painted by the empty environment, is what the checkout paints."""
    command = venv_python(out).with_name("impasto")
    words = ("stylize", ROOT / PHOTOGRAPH, "-s", ROOT / STYLE, "--engine", "onnxruntime")
    run(command, *words, "-o", out / "demo.png", "--overwrite", cwd=out)
    run(
        sys.executable, "-m", "impasto", *words, "-o", out / "here.png", "--overwrite",
        PYTHONPATH=str(ROOT / "src"),
    )  # fmt: skip
    demo, here = read_picture(out / "demo.png"), read_picture(out / "here.png")
    require_painted(demo, read_picture(ROOT / PHOTOGRAPH))
    if (off := np.abs(demo - here).mean()) > 1:
        raise Failure(f"the example is off by {off:.1f} of 255 from what the checkout paints")
    pixels = hashlib.sha256(demo.astype(np.uint8).tobytes()).hexdigest()
    return f"{demo.shape[1]} x {demo.shape[0]} pixels, sha256 {pixels[:12]}"


# Run by the Python of an environment; prints each distribution with its license.
_LICENSES = """
import importlib.metadata as m, json
found = {}
for each in m.distributions():
    about = each.metadata
    names = [c.split(" :: ")[-1] for c in about.get_all("Classifier", []) if c[:7] == "License"]
    text = about["License-Expression"] or ", ".join(names) or about["License"] or ""
    found[about["Name"]] = [each.version, text.strip().split(chr(10))[0]]
print(json.dumps(found))
"""


def check_licenses(out: Path) -> str:
    """List the licenses of all that is installed, always or by extras."""
    always = json.loads(run(venv_python(out), "-c", _LICENSES))
    known = json.loads(run(sys.executable, "-c", _LICENSES))
    for name in ("pip", "setuptools", "impasto"):
        always.pop(name, None)
    for name, (_, text) in always.items():
        if not any(part.lower() in text.lower() for part in PERMISSIVE):
            raise Failure(f"{name} is always installed, and its license is {text or 'unknown'!r}")
    extras = {
        name: row for name, row in known.items() if name in extra_names() and name not in always
    }
    if unknown := [name for name, (_, text) in extras.items() if not text and name not in NOTES]:
        raise Failure(f"the licenses of {', '.join(unknown)} are unknown")
    (out / "licenses.md").write_text(license_table(always, extras))
    return f"{len(always)} always installed, {len(extras)} more by extras: licenses.md"


def extra_names() -> set[str]:
    """Names of all that our extras bring, with what that needs in its turn."""
    from importlib.metadata import PackageNotFoundError, distribution

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    names: set[str] = set()
    project = tomllib_project()
    extras = {k: v for k, v in project["optional-dependencies"].items() if k != "test"}
    waiting = [Requirement(line) for lines in extras.values() for line in lines]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if canonicalize_name(requirement.name) in seen:
            continue
        seen.add(canonicalize_name(requirement.name))
        try:
            found = distribution(requirement.name)
        except PackageNotFoundError:
            continue
        names.add(found.metadata["Name"])
        for line in found.requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed)
    return names


def tomllib_project() -> dict[str, dict[str, list[str]]]:
    """The table ``project`` of pyproject.toml."""
    import tomllib

    project: dict[str, dict[str, list[str]]] = tomllib.loads((ROOT / "pyproject.toml").read_text())[
        "project"
    ]
    return project


def license_table(always: Mapping[str, list[str]], extras: Mapping[str, list[str]]) -> str:
    """The licenses as a page in Markdown."""
    lines = ["# Licenses of what Impasto is installed with", ""]
    for title, rows in (("Always", always), ("By extras", extras)):
        lines += [f"## {title}", "", "| package | version | license |", "| --- | --- | --- |"]
        for name in sorted(rows, key=str.lower):
            version, text = rows[name]
            note = NOTES.get(name, "")
            lines.append(f"| {name} | {version} | {'; '.join(filter(None, (text, note)))} |")
        lines.append("")
    return "\n".join(lines)


def check_workflows(out: Path) -> str:
    """Lint the workflows without the network, where the linter is."""
    if shutil.which("zizmor", path=str(Path(sys.executable).parent)) is None:
        raise Failure("zizmor is not installed: pip install 'impasto[test]'")
    zizmor = Path(sys.executable).with_name("zizmor")
    run(zizmor, "--offline", "--no-progress", "--quiet", ROOT / ".github" / "workflows")
    return "zizmor finds nothing"


CHECKS: tuple[tuple[str, Callable[[Path], str]], ...] = (
    ("version", lambda out: check_version()),
    ("workflows", check_workflows),
    ("builds", check_builds),
    ("files", check_files),
    ("install", check_install),
    ("licenses", check_licenses),
    ("command", check_command),
    ("painting", check_painting),
)


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    """Run a command and return what it prints.

    Raises:
        Failure: if it fails, with the end of what it says.
    """
    # The sources of this checkout must not stand in for what is installed.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | variables
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise Failure(f"{' '.join(map(str, command[:6]))} ... failed: {said[-2000:]}")
    return done.stdout.strip()


def main() -> int:
    """Run all checks; the exit code is 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "runs" / "release")
    out = parser.parse_args().out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for name, check in CHECKS:
        begin = time.perf_counter()
        try:
            found = check(out)
        except Failure as failure:
            print(f"release-check: {name}: {failure}", file=sys.stderr)
            return 1
        print(f"release-check: {name}: {found} ({time.perf_counter() - begin:.0f} s)", flush=True)
    print(f"release-check: {read_version()} is ready to be tagged: {out / 'dist'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
