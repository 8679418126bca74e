"""Names and folders of results: one picture for each photograph and its styles."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from impasto.batch.inputs import STDIO, Input
from impasto.errors import ImageError, OptionError

Existing: TypeAlias = Literal["spare", "replace", "skip"]
"""Rule for a file that exists under a result's name: "spare" it, by another name for the result;
"replace" it; or "skip" the result, which an earlier call has made."""


@dataclass(frozen=True)
class Job:
    """A picture to paint.

    Attributes:
        photo: the photograph.
        target: the file of its picture; None for standard output.
        styles: the styles that it is painted in, all at once.
        done: whether the picture exists already.
    """

    photo: str
    target: Path | None
    styles: tuple[str, ...] = ()
    done: bool = False


@dataclass(frozen=True)
class Outputs:
    """Plan of where results are written, made by :func:`plan_outputs`.

    Attributes:
        place: a file, a folder, or ``STDIO``; None for beside the photographs.
        is_file: whether ``place`` is a file.
        existing: rule for files that exist under the names of results.
        others: other names that are read, such as masks.
    """

    place: str | None
    is_file: bool = False
    existing: Existing = "spare"
    others: tuple[str, ...] = ()

    def jobs(
        self, inputs: Sequence[Input], mixtures: Sequence[tuple[str, ...]]
    ) -> Iterator[tuple[Job, ...]]:
        """Name the results of one photograph after the other, each photograph's in one go.

        The iterator is lazy, so the first picture is painted at once, however many there are. With
        ``existing="skip"`` the names depend on the arguments alone, not on existing files, so they
        are the same in every call.

        Args:
            inputs: the photographs.
            mixtures: for each picture of a photograph, its styles.

        Raises:
            OptionError: if a result that may be there already is a picture that is read.
        """
        read = [path for path, _ in inputs]
        read += [name for mixture in mixtures for name in mixture]
        names = _Names([*read, *self.others], self.existing)
        suffixes = _written_suffixes()
        endings = ["".join(f"-{_stem(name)}" for name in styles) for styles in mixtures]
        for path, below in inputs:
            folder = Path(path).parent if self.place is None else Path(self.place)
            suffix = Path(path).suffix
            if suffix.lower() not in suffixes:
                suffix = ".png"
            jobs = []
            for styles, ending in zip(mixtures, endings, strict=True):
                target, done = None, False
                if self.is_file:
                    target, done = names.fixed(folder, path)
                elif self.place != STDIO:
                    target, done = names.free(folder / below, _stem(path) + ending, suffix, path)
                jobs.append(Job(path, target, styles, done))
            yield tuple(jobs)

    def make_folder(self) -> None:
        """Make the folder that the results go to, if they go to one.

        Raises:
            OptionError: if it cannot be made, since that affects every picture.
        """
        if self.place is None or self.place == STDIO:
            return
        try:
            make_folder(Path(self.place))
        except ImageError as error:
            raise OptionError(str(error)) from error


def plan_outputs(
    inputs: Sequence[Input],
    mixtures: Sequence[tuple[str, ...]],
    *,
    out: str | None,
    existing: Existing = "spare",
    to_folder: bool = False,
    others: Sequence[str] = (),
) -> Outputs:
    """Plan where results are written; nothing is made or written yet.

    Args:
        inputs: the photographs, one or more.
        mixtures: for each picture of a photograph, the styles that it gets together.
        out: the place of the results as a user gives it.
        existing: rule for files that exist under the names of results.
        to_folder: whether ``out`` must be a folder even for a single result.
        others: other names that are read, such as masks.

    Raises:
        OptionError: if the names contradict each other, or ``out`` cannot be written, as far as
            that can be checked before painting.

    Example:
        >>> outputs = plan_outputs([("a/street.bmp", "")], [("wave",)], out=None)
        >>> [str(job.target) for (job,) in outputs.jobs([("a/street.bmp", "")], [("wave",)])]
        ['a/street-wave.png']
    """
    outputs = Outputs(place=out, existing=existing, others=tuple(others))
    from_stdin = STDIO in [path for path, _ in inputs]
    to_folder = to_folder or len(inputs) * len(mixtures) > 1
    if out == STDIO or (out is None and from_stdin and not to_folder):
        if to_folder:
            raise OptionError("-o - takes one picture; for several give a folder")
        if existing == "skip":
            raise OptionError("--resume needs results in files, not on standard output")
        if sys.stdout.isatty():
            raise OptionError("no picture is written to a terminal: give -o FILE, or redirect")
        return replace(outputs, place=STDIO)
    if out is None and from_stdin:
        raise OptionError("standard input (-) has no folder of its own: give -o FOLDER")
    if out is not None and not Path(out).is_dir():
        if not to_folder and not out.endswith("/"):
            _check_file(Path(out), existing)
            return replace(outputs, is_file=True)
        if os.path.lexists(out.rstrip("/")):
            raise OptionError(f"{out}: is a file; name a folder for several results")
        if Path(out).suffix.lower() in _written_suffixes() and not out.endswith("/"):
            raise OptionError(
                f"{out}: is the name of a file; for several results name a folder"
                f" (or {out}/ if that is the name of the folder)"
            )
    return outputs


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        ImageError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{folder}: cannot be made ({error.strerror})") from error


def error_line(error: BaseException, name: str, target: Path | None = None) -> str:
    """Describe an error in one line that begins with the file that failed.

    Args:
        error: the error.
        name: the picture that was read, or ``-``.
        target: the file that was written.

    Example:
        >>> error_line(OSError(28, "No space left on device"), "street.jpg")
        'street.jpg: No space left on device'
    """
    from impasto.images.formats import one_line

    if isinstance(error, MemoryError):
        text = "not enough memory for a picture of this size; give --size"
    elif isinstance(error, OSError):
        text = error.strerror or type(error).__name__
    else:
        text = one_line(error)
    read = "<stdin>" if name == STDIO else one_line(name)
    named = text.startswith((f"{read}:", f"{one_line(target)}:"))
    return text if named else f"{read}: {text}"


class _Names:
    """Free names for results, found in constant time each."""

    def __init__(self, read: Sequence[str], existing: Existing) -> None:
        self.existing = existing
        self.folders: dict[str, str] = {}
        # No result may overwrite a file that this call reads, nor another result.
        self.read = set()
        for path in (Path(name) for name in read if name != STDIO):
            self.read.add(self._real(str(path.parent), path.name, _lstat(str(path))))
        self.taken: set[str] = set()
        self.numbers: dict[tuple[str, str, str], int] = {}

    def free(self, folder: Path, stem: str, suffix: str, photo: str) -> tuple[Path, bool]:
        """Return the first of STEM, STEM-2, ... that is free, and whether the result exists."""
        plain = str(folder), stem, suffix
        number = self.numbers.get(plain, 1)
        while True:
            name = f"{stem}-{number}{suffix}" if number > 1 else f"{stem}{suffix}"
            path = f"{folder}/{name}"
            found = _lstat(path)
            real = self._real(plain[0], name, found)
            self._check(real, path, photo)
            taken = real in self.read or real in self.taken
            if not taken and (found is None or self.existing != "spare"):
                break
            number += 1
        if number > 1:  # the next search for this name starts here
            self.numbers[plain] = number + 1
        self.taken.add(real)
        return Path(path), self._is_done(path, found)

    def fixed(self, path: Path, photo: str) -> tuple[Path, bool]:
        """Return the name that a user chose, and whether the result exists."""
        found = _lstat(str(path))
        self._check(self._real(str(path.parent), path.name, found), str(path), photo)
        return path, self._is_done(str(path), found)

    def _check(self, real: str, path: str, photo: str) -> None:
        if self.existing == "skip" and real in self.read:
            raise OptionError(
                f"{path}: is read in this call, and would also be the result of {photo}: with "
                "--resume give -o a folder away from what is read"
            )

    def _is_done(self, path: str, found: os.stat_result | None) -> bool:
        if self.existing != "skip" or found is None:
            return False
        if stat.S_ISLNK(found.st_mode):
            return Path(path).is_file()
        # Results are written whole; an empty file is a name that was reserved for one.
        return stat.S_ISREG(found.st_mode) and found.st_size > 0

    def _real(self, folder: str, name: str, found: os.stat_result | None) -> str:
        """Return the real path of a file; the links to each folder are followed only once."""
        if found is not None and stat.S_ISLNK(found.st_mode):
            return os.path.realpath(f"{folder}/{name}")
        if folder not in self.folders:
            self.folders[folder] = os.path.realpath(folder)
        return f"{self.folders[folder]}/{name}"


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return None


def _stem(name: str) -> str:
    return "stdin" if name == STDIO else Path(name).stem


def _check_file(path: Path, existing: Existing) -> None:
    """Check the name of a result before painting, instead of after minutes of work."""
    if path.suffix.lower() not in _written_suffixes():
        raise OptionError(
            f"{path}: the suffix {path.suffix!r} is not of a format that is written; use one of "
            + ", ".join(_written_suffixes())
        )
    if not path.parent.is_dir():
        raise OptionError(f"{path}: there is no folder {path.parent}; make it first")
    if os.path.lexists(path) and existing == "spare":
        raise OptionError(f"{path}: exists already; give another name, or --overwrite")


def _written_suffixes() -> tuple[str, ...]:
    from impasto.images.formats import WRITTEN

    return tuple(suffix for row in WRITTEN for suffix in row.suffixes)
