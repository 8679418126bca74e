"""Verification of a data set against its manifest: missing, changed and extra files."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from impasto.dataset.manifest import ABOUT, MANIFEST, Totals, is_kept, read_about, read_lines
from impasto.dataset.places import Given, Place, as_place
from impasto.dataset.shards import about_file, samples_of
from impasto.dataset.work import COPIED, DONE, FAILED, SHARD, SKIPPED
from impasto.errors import DatasetError, one_line
from impasto.images.formats import is_hidden

__all__ = ["Report", "verify_dataset"]

_PIECE = 1 << 20
_TAR = ".tar/"


@dataclass
class Report:
    """Differences between a data set and its manifest, by the names of results.

    Attributes:
        counts: number of lines of the manifest, by status; "in" is done, failed and skipped.
        missing: results that do not exist.
        changed: results that differ from what was written.
        extra: files that are not in the manifest.
        unfinished: whether the call that makes it has not finished.
        problems: other reasons, in lines.
    """

    counts: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    unfinished: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """True if nothing is wrong. Failed pictures are not errors of the data set."""
        return not (self.missing or self.changed or self.extra or self.unfinished or self.problems)


def verify_dataset(folder: Given, *, watch: Callable[[int], None] | None = None) -> Report:
    """Compare all files of a data set with its manifest: names, sizes and SHA-256.

    Args:
        folder: a data set that :func:`impasto.dataset.making.stylize_dataset` has made.
        watch: called with the number of files compared.

    Raises:
        DatasetError: if it is not a data set, or its manifest is damaged.

    Example:
        >>> verify_dataset("painted").is_right                               # doctest: +SKIP
        True
    """
    root = as_place(folder)
    about = read_about(root)
    if not about:
        raise DatasetError(
            f"{one_line(root)}: is not a data set made by Impasto: it has no {ABOUT}"
        )
    report = Report(unfinished="finished" not in about)
    totals = Totals()
    files: set[str] = {ABOUT, MANIFEST}
    members: dict[str, dict[str, dict[str, Any]]] = {}
    shards: dict[str, dict[str, Any]] = {}
    for line in read_lines(root):
        if line["status"] not in (DONE, COPIED, FAILED, SKIPPED, SHARD):
            raise DatasetError(
                f"{one_line(root.shown(MANIFEST))}: {one_line(line['source'])} has the unknown "
                f"status {one_line(line['status'])}"
            )
        totals.add(line, 0)
        if not is_kept(line):
            continue
        result = line["result"]
        shard, mark, member = result.partition(_TAR)
        if mark:
            members.setdefault(f"{shard}.tar", {})[member] = line
            continue
        files.add(result)
        if line["status"] == SHARD:
            shards[result] = line
            files.add(about_file(result))
            continue
        _compare(report, root, result, line)
        if watch is not None:
            watch(len(files))
    for name, line in shards.items():
        if _compare(report, root, name, line):
            _compare_members(report, root, name, members.pop(name, {}))
        else:
            members.pop(name, None)
        if watch is not None:
            watch(len(files))
    for name in members:
        report.problems.append(
            f"{name}: the manifest lists its pictures but not the tar file itself"
        )
    report.counts = totals.counts
    if not report.unfinished and about["finished"] != totals.counts:
        report.problems.append(
            f"{MANIFEST} has {_counts(totals.counts)}, but had {_counts(about['finished'])} when "
            "it was finished"
        )
    report.extra += (each for each in _files(root, "") if each not in files)
    return report


def _compare(report: Report, root: Place, name: str, line: dict[str, Any]) -> bool:
    """Compare a file with its line; return whether it is unchanged."""
    digest = hashlib.sha256()
    try:
        with root.open(name) as file:
            if file.seek(0, os.SEEK_END) != line["size"]:
                report.changed.append(name)
                return False
            file.seek(0)
            while piece := file.read(_PIECE):
                digest.update(piece)
    except FileNotFoundError:
        report.missing.append(name)
        return False
    except OSError as error:
        report.problems.append(f"{name}: cannot be read ({one_line(error)})")
        return False
    if digest.hexdigest() != line["sha256"]:
        report.changed.append(name)
        return False
    return True


def _compare_members(
    report: Report, root: Place, name: str, lines: dict[str, dict[str, Any]]
) -> None:
    """Compare the pictures in a tar file with their lines."""
    left = dict(lines)
    try:
        for sample in samples_of(root, name):
            for member in sample:
                line = left.pop(member.name, None)
                if line and hashlib.sha256(member.data).hexdigest() != line["sha256"]:
                    report.changed.append(f"{name}/{member.name}")
    except tarfile.ReadError as error:
        report.problems.append(f"{name}: {one_line(error)}")
    report.missing += (f"{name}/{each}" for each in left)


def _files(root: Place, below: str) -> Iterator[str]:
    """All files but hidden ones, relative to the data set, in the order of names."""
    for each in root.entries(below):
        name = f"{below}/{each.name}" if below else each.name
        if is_hidden(each.name):
            continue
        if each.is_dir(follow_symlinks=False):
            yield from _files(root, name)
        else:
            yield name


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
