"""The site, built from the pages of the repository by Zensical, offline."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distributions, version
from pathlib import Path

import roles
from messages import messages_page
from reference import commands_page, lab_page, python_page
from sitemap import COMMANDS, LAB, MESSAGES, PYTHON, ROOT, SECTIONS, forgotten, pages
from staging import Stage

HERE = Path(__file__).resolve().parent
STAMP = ".built-from"
_SLUGIFY = '!!python/object/apply:pymdownx.slugs.slugify {"kwds": {"case": "lower"}}'
"""Names of headings as on GitHub, so that links to them hold on both."""
_CODE = re.compile(r"(?<!</span>)<code>[^<\n]*</code>")  # not of blocks, which scroll
_OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")


class SiteError(Exception):
    """A page that cannot be built, in one line."""


def build(out: Path) -> bool:
    """Build the site, unless it is there and nothing has changed.

    Args:
        out: the folder of the site, replaced when the new one is whole.

    Returns:
        True if it was built.

    Raises:
        SiteError: for dead links, forgotten pages, and what Zensical warns of.
    """
    if without := forgotten():
        raise SiteError(f"{', '.join(without)}: no place in SECTIONS of docs/website/sitemap.py")
    out.parent.mkdir(parents=True, exist_ok=True)
    with (out.parent / f".{out.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests in several processes ask for one site
        return _build(out)


def _build(out: Path) -> bool:
    source = _fingerprint()
    stamp = out / STAMP
    if stamp.is_file() and stamp.read_text() == source:
        return False
    work = out.with_name(f".{out.name}.new")
    shutil.rmtree(work, ignore_errors=True)
    _stage(work / "docs")
    settings = json.loads((HERE / "settings.json").read_text())
    settings |= {"docs_dir": "docs", "site_dir": "site", "nav": _navigation()}
    text = json.dumps(settings, indent=1)  # JSON is YAML
    for name, value in (
        ('"SLUGIFY"', _SLUGIFY),
        ('"SOURCES"', json.dumps(str(ROOT / "src"))),
        ('"ROLES"', json.dumps(roles.__file__)),
    ):
        text = text.replace(name, value)
    (work / "mkdocs.yml").write_text(text)
    _zensical(work)
    for needless in ("sitemap.xml", "sitemap.xml.gz", "objects.inv"):
        (work / "site" / needless).unlink(missing_ok=True)
    for page in (work / "site").rglob("*.html"):
        page.write_text(_CODE.sub(_mark_options, page.read_text(encoding="utf-8")), "utf-8")
    (work / "site" / STAMP).write_text(source)
    shutil.rmtree(out, ignore_errors=True)
    (work / "site").rename(out)
    shutil.rmtree(work)
    return True


def _stage(folder: Path) -> None:
    """Put all pages into a folder."""
    stage = Stage(folder, pages())
    for page in pages():
        if page.source:
            stage.add(page)
    for page, make in (
        (COMMANDS, commands_page),
        (PYTHON, python_page),
        (LAB, lab_page),
        (MESSAGES, messages_page),
    ):
        stage.write(page, make())
    shutil.copyfile(HERE / "extra.css", folder / "extra.css")
    if stage.dead:
        raise SiteError("dead links: " + "; ".join(stage.dead))


def _mark_options(code: re.Match[str]) -> str:
    """Code with its options marked, for the style sheet: browsers break lines behind hyphens."""
    return _OPTION.sub(r'<span class="option">\g<0></span>', code[0])


def _navigation() -> list[dict[str, object]]:
    return [
        {section: [{page.title: page.path} for page in entries if page.there]}
        for section, entries in SECTIONS.items()
    ]


def _zensical(folder: Path) -> None:
    """Run Zensical in a folder with its settings.

    Raises:
        SiteError: with what it says, if it warns or is not installed.
    """
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", "mkdocs.yml"]
    ended = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    said = (ended.stdout + ended.stderr).strip()
    if "No module named zensical" in said:
        raise SiteError("the site needs Zensical: pip install -c constraints.txt '.[docs]'")
    if ended.returncode or not (folder / "site" / "index.html").is_file():
        raise SiteError(said or f"zensical ended with {ended.returncode}")


def _fingerprint() -> str:
    """A hash of all that the site is made of."""
    state = hashlib.sha256(version("zensical").encode())
    # Commands that are plugged in are part of the reference.
    state.update(" ".join(sorted(f"{d.name}{d.version}" for d in distributions())).encode())
    files = [ROOT / page.source for page in pages() if page.source]
    files += [path for path in (ROOT / "docs").rglob("*") if path.is_file()]
    files += [path for path in (ROOT / "experiments/results").rglob("*.*") if path.is_file()]
    files += (ROOT / "src/impasto").rglob("*.py")
    for file in sorted({file for file in files if "__pycache__" not in file.parts}):
        state.update(str(file.relative_to(ROOT)).encode() + b"\0")
        state.update(hashlib.sha256(file.read_bytes()).digest())
    return state.hexdigest()
