"""Models, styles and folders: check that they can be read and written, and are unchanged."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from impasto.doctor.report import FolderFacts, ModelFacts, Problem, StyleFacts, tilde
from impasto.errors import ImpastoError, counted, one_line

_AGAIN = "pip install --force-reinstall --no-deps impasto"

# Number of names in a line.
_NAMED = 3


def examine_models() -> tuple[tuple[ModelFacts, ...], list[Problem]]:
    """The models of the table, with their identities."""
    found: list[ModelFacts] = []
    problems: list[Problem] = []
    try:
        from impasto.models.table import MODELS, find_bundle
    except Exception as error:  # a package that they need is broken
        return (), [Problem(f"models cannot be read ({one_line(error)})", "see the lines above")]
    for row in MODELS:
        if row.file is None:
            found.append(ModelFacts(row.name, "", 0))
            continue
        try:
            identity, problem = find_bundle(row.name).identity, ""
        except ImpastoError as error:
            identity, problem = "", tilde(error)
            problems.append(Problem(f"model {row.name!r}: {problem}", _AGAIN))
        size = row.path.stat().st_size if row.path else 0
        found.append(ModelFacts(row.name, identity, size, problem))
    return tuple(found), problems


def examine_styles() -> tuple[StyleFacts, list[Problem]]:
    """The number of named styles, and those that cannot be used."""
    try:
        from impasto.styles.library import list_styles

        entries = list_styles()
    except Exception as error:  # as above
        return StyleFacts(0, 0), [Problem(f"styles cannot be read ({tilde(one_line(error))})", "")]
    usable = [entry for entry in entries if entry.style is not None]
    gallery = sum(entry.gallery for entry in usable)
    problems = [
        Problem(
            f"style {entry.name!r} cannot be used: {tilde(entry.problem)}",
            _AGAIN if entry.gallery else f"impasto style remove {entry.name}, and add it again",
        )
        for entry in entries
        if entry.style is None
    ]
    return StyleFacts(gallery, len(usable) - gallery), problems


def examine_folders() -> tuple[tuple[FolderFacts, ...], list[Problem]]:
    """Folders that are written to, and those that cannot be."""
    from impasto.styles.places import VARIABLE, styles_folder

    found: list[FolderFacts] = []
    problems: list[Problem] = []
    uses = [
        ("results beside photographs", Path.cwd, "give -o FOLDER for results"),
        ("temporary files", _temporary, "set TMPDIR to a folder that you can write to"),
        ("your styles", styles_folder, f"set {VARIABLE} to a folder that you can write to"),
    ]
    for use, find, mend in uses:
        try:
            path = find()
        except (ImpastoError, OSError) as error:
            problems.append(Problem(f"{use}: {one_line(error)}", mend))
            continue
        state = _state(path)
        found.append(FolderFacts(use, tilde(path), state))
        if state == "not writable":
            problems.append(Problem(f"{tilde(path)}, for {use}, cannot be written", mend))
    return tuple(found), problems


def changed_files() -> list[Problem]:
    """Files of the package that changed since the installation, by the sums that pip keeps."""
    try:
        files = distribution("impasto").files or []
    except PackageNotFoundError:
        return []
    changed = []
    for file in files:
        # Compiled modules are made here, and the command is written for this Python.
        if file.hash is None or file.parts[0] != "impasto" or file.suffix == ".pyc":
            continue
        try:
            data = Path(str(file.locate())).read_bytes()
        except OSError:
            changed.append(str(file))
            continue
        digest = hashlib.new(file.hash.mode, data).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            changed.append(str(file))
    if not changed:
        return []
    names = ", ".join(changed[:_NAMED]) + (", ..." if len(changed) > _NAMED else "")
    return [Problem(f"{counted(len(changed), 'file')} changed since installation: {names}", _AGAIN)]


def _temporary() -> Path:
    return Path(tempfile.gettempdir())


def _state(path: Path) -> str:
    """The state of a folder; if it does not exist, that of its nearest existing parent."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return "not writable"
    if there != path:
        return "will be created"
    try:  # nothing else detects a drive that is read-only or full
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"0")
    except OSError:
        return "not writable"
    return "writable"
