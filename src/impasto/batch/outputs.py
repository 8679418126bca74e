"""Names and folders of results: one picture for each photograph and its styles."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from impasto.batch.inputs import STDIO, Input
from impasto.batch.names import MAX_BYTES, photo_part, shared_folder, shortened, style_labels
from impasto.errors import ImageError, OptionError, interruption, one_line
from impasto.images.files import claim, destination

_STDOUT = "<stdout>"
"""Python's name of standard output."""

Existing: TypeAlias = Literal["spare", "replace", "skip"]
"""Rule for a file that exists under a result's name: "spare" it and use another name for the
result; "replace" it; or "skip" the result, which an earlier call has made."""


@dataclass(frozen=True)
class Job:
    """A picture to paint.

    Attributes:
        photo: the photograph.
        target: the file of its picture; None for standard output.
        done: True if the picture exists already.
        remark: a remark on its name, "" for none.
        styles: the styles that it is painted in, all mixed.
        existing: rule for a file that appears under the name before the picture is painted.
        is_chosen: True if a user chose the name, so that it must not be changed.
    """

    photo: str
    target: Path | None
    done: bool = False
    remark: str = ""
    styles: tuple[str, ...] = ()
    existing: Existing = "replace"
    is_chosen: bool = False


@dataclass(frozen=True)
class Outputs:
    """Plan of where results are written, made by :func:`plan_outputs`.

    Attributes:
        place: a file, a folder, or ``STDIO``; None for beside the photographs.
        is_file: True if ``place`` is a file.
        existing: rule for files that exist under the names of results.
        others: other names that are read, such as masks.
        labels: for each style its name in the names of results.
    """

    place: str | None
    is_file: bool = False
    existing: Existing = "spare"
    others: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def jobs(
        self, inputs: Sequence[Input], mixtures: Sequence[tuple[str, ...]]
    ) -> Iterator[tuple[Job, ...]]:
        """Yield the jobs of one photograph after the other, with names for their results.

        The iterator is lazy, so the first picture is painted at once, regardless of their number.
        With ``existing="skip"`` the names depend only on the arguments, not on existing files, so
        they are the same in every call.

        Args:
            inputs: the photographs.
            mixtures: for each picture of a photograph, its styles.

        Raises:
            OptionError: with ``existing="skip"``, if a result that may exist already is a picture
                that is read, or the result of two photographs.
        """
        read = [path for path, _ in inputs]
        read += [name for mixture in mixtures for name in mixture]
        names = _Names([*read, *self.others], self.existing)
        written, readable = _suffixes(written=True), _suffixes()
        endings = ["".join(f"-{self.labels[name]}" for name in styles) for styles in mixtures]
        parts = [photo_part(path, written, readable) for path, _ in inputs]
        is_folder = not self.is_file and self.place not in (None, STDIO)
        below = _sub_folders(inputs, parts) if is_folder else [""] * len(inputs)
        for (path, _), (stem, suffix), sub in zip(inputs, parts, below, strict=True):
            folder = Path(path).parent if self.place is None else Path(self.place)
            jobs = []
            for styles, ending in zip(mixtures, endings, strict=True):
                named = _Named(None, False)
                if self.is_file:
                    named = names.fixed((path, styles), folder)
                elif self.place != STDIO:
                    named = names.free((path, styles), folder / sub, stem, ending, suffix)
                jobs.append(Job(path, *named, styles, self.existing, self.is_file))
            yield tuple(jobs)

    @contextmanager
    def folder(self) -> Iterator[None]:
        """Make the folder of the results, if they go to one; see :func:`new_folder`.

        Raises:
            OptionError: if it cannot be made, since that affects every picture.
        """
        with ExitStack() as made:
            if not self.is_file and self.place is not None and self.place != STDIO:
                try:
                    made.enter_context(new_folder(Path(self.place)))
                except ImageError as error:
                    raise OptionError(str(error)) from error
            yield


def plan_outputs(
    inputs: Sequence[Input],
    mixtures: Sequence[tuple[str, ...]],
    *,
    out: str | None,
    existing: Existing = "spare",
    to_folder: bool = False,
    others: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> Outputs:
    """Plan where results are written, without creating anything yet.

    Args:
        inputs: the photographs, one or more.
        mixtures: for each picture of a photograph, the styles that are mixed in it.
        out: the place of the results as given by a user.
        existing: rule for files that exist under the names of results.
        to_folder: True if ``out`` must be a folder even for a single result.
        others: other names that are read, such as masks.
        labels: for each style its name in the names of results; by default as if each was named
            by itself.

    Raises:
        OptionError: if the names contradict each other, or ``out`` cannot be written, as far as
            that can be checked before painting.

    Example:
        >>> outputs = plan_outputs([("a/street.bmp", "")], [("wave",)], out=None)
        >>> [str(job.target) for (job,) in outputs.jobs([("a/street.bmp", "")], [("wave",)])]
        ['a/street.bmp-wave.png']
    """
    if labels is None:
        styles = [name for mixture in mixtures for name in mixture]
        labels = style_labels(styles, styles)
    outputs = Outputs(place=out, existing=existing, others=tuple(others), labels=labels)
    from_stdin = STDIO in [path for path, _ in inputs]
    to_folder = to_folder or len(inputs) * len(mixtures) > 1
    if out == STDIO or (out is None and from_stdin and not to_folder):
        if to_folder:
            raise OptionError("-o - takes one picture; for several, give a folder")
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
            kind = "a file" if Path(out.rstrip("/")).exists() else "a broken link"
            raise OptionError(f"{out}: is {kind}; name a folder for several results")
        if Path(out).suffix.lower() in _suffixes(written=True) and not out.endswith("/"):
            raise OptionError(
                f"{out}: is the name of a file; for several results name a folder"
                f" (or {out}/ if that is the name of the folder)"
            )
    return outputs


def leave_out_results(
    inputs: Sequence[Input], mixtures: Sequence[tuple[str, ...]], labels: Mapping[str, str]
) -> tuple[tuple[Input, ...], tuple[str, ...]]:
    """Separate photographs from results of an earlier call, since ``*.jpg`` matches both.

    A result is named PHOTO-STYLE and lies beside its photograph. So files are excluded if their
    name is that of another photograph of this call, in the same folder, followed by that of a
    style: one of this call or a saved one, but not a mere number, as cameras number their files.

    Args:
        inputs: of :func:`impasto.batch.inputs.find_contents`, where results are written beside the
            photographs.
        mixtures: for each picture of a photograph, its styles.
        labels: of the styles, by :func:`impasto.batch.names.style_labels`.

    Returns:
        The photographs; and the excluded files.

    Example:
        >>> leave_out_results([("a.jpg", ""), ("a-wave.jpg", "")], [("w.png",)], {"w.png": "wave"})
        ((('a.jpg', ''),), ('a-wave.jpg',))
    """
    from impasto.styles.places import kept_names

    if len(inputs) < 2:
        return tuple(inputs), ()
    of_call = ("-".join(labels[name] for name in styles) for styles in mixtures)
    endings = [f"-{each}" for each in {*of_call, *kept_names()} if not each.isdigit()]
    written, readable = _suffixes(written=True), _suffixes()
    named = {
        os.path.join(os.path.dirname(path), photo_part(path, written, readable)[0])  # noqa: PTH118, PTH120
        for path, _ in inputs
    }
    results = []
    for path, _ in inputs:
        stem = re.sub(r"-[0-9]+$", "", own := os.path.splitext(path)[0])  # noqa: PTH122
        for each in (own, stem):
            if any(each.endswith(end) and each.removesuffix(end) in named for end in endings):
                results.append(path)
                break
    return tuple(each for each in inputs if each[0] not in results), tuple(results)


@contextmanager
def reserved(job: Job) -> Iterator[Job | None]:
    """Hold the name of a job's result while it is painted, against other running calls.

    Args:
        job: the job; the folder of its result must exist.

    Yields:
        The job, with another name if a file or another call has taken its name meanwhile and the
        user did not choose it; None if it is to be skipped.

    Raises:
        ImageError: if another call holds a name that the user chose.
    """
    if job.target is None or job.existing == "replace":
        yield job
        return
    path, number = job.target, 1
    while True:
        with claim(path) as ours:
            if job.existing == "skip":
                yield job if ours and not is_done(path) else None
                return
            if job.is_chosen and not ours:
                raise ImageError(
                    f"{path}: is being painted by another process; give another name, or wait for "
                    "it"
                )
            if ours and (job.is_chosen or not os.path.lexists(path)):
                yield replace(job, target=path)
                return
        number += 1
        target = job.target
        name = shortened(target.stem, f"-{number}", target.suffix, _name_limit(str(target.parent)))
        path = target.with_name(name)


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make a folder and its parents, unless it exists; those left empty are removed at the end.

    So a call that fails leaves no new folder behind.

    Raises:
        ImageError: if it cannot be made.
    """
    made = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{folder}: cannot be created ({error.strerror})") from error
    try:
        yield
    finally:
        with suppress(OSError):  # it is not empty
            for each in made:
                each.rmdir()


def error_line(error: BaseException, name: str, target: Path | None = None) -> str:
    """Describe an error in one line that begins with the failed file.

    Args:
        error: the error.
        name: the picture that was read, or ``-``.
        target: the file that was written.

    Raises:
        KeyboardInterrupt: if it caused the error.

    Example:
        >>> error_line(OSError(28, "No space left on device"), "street.jpg")
        'street.jpg: No space left on device'
    """

    if (stop := interruption(error)) is not None:
        raise stop
    if isinstance(error, MemoryError):
        text = "not enough memory for a picture of this size; give --size"
    elif isinstance(error, OSError):
        text = error.strerror or type(error).__name__
    else:
        text = one_line(error)
    read = "<stdin>" if name == STDIO else one_line(name)
    if target is None and text.startswith(_STDOUT):
        return f"standard output{text.removeprefix(_STDOUT)}"
    named = text.startswith((f"{read}:", f"{one_line(target)}:"))
    return text if named else f"{read}: {text}"


class _Named(NamedTuple):
    target: Path | None
    done: bool
    remark: str = ""


_Wish: TypeAlias = tuple[str, tuple[str, ...]]
"""A photograph and its styles."""


class _Names:
    """Free names for results, found in constant time each."""

    def __init__(self, read: Sequence[str], existing: Existing) -> None:
        self.existing = existing
        self.folders: dict[str, tuple[str, int]] = {}
        # No result may overwrite a file that this call reads, nor another result.
        self.read = set()
        for path in (Path(name) for name in read if name != STDIO):
            self.read.add(self._real(str(path.parent), path.name, _lstat(str(path))))
        self.taken: dict[str, _Wish] = {}
        self.numbers: dict[tuple[str, str, str], int] = {}

    def free(self, wish: _Wish, folder: Path, stem: str, ending: str, suffix: str) -> _Named:
        """Return the first of PHOTO-STYLE, PHOTO-STYLE-2, ... that is free.

        With "skip" no name is numbered: the mapping of results must not depend on what else a call
        paints.
        """
        plain = str(folder), f"{stem}{ending}", suffix
        limit = self._folder(plain[0])[1]
        number = self.numbers.get(plain, 1)
        while True:
            numbered = f"{ending}-{number}" if number > 1 else ending
            name = shortened(stem, numbered, suffix, limit)
            path = f"{folder}/{name}"
            found = _lstat(path)
            real = self._real(plain[0], name, found)
            self._check(real, path, wish)
            taken = real in self.read or real in self.taken
            if self.existing == "skip":
                # The same photograph named twice has one result, made by the first of the two.
                done = taken or self._is_done(path, found)
                break
            if not taken and (found is None or self.existing != "spare"):
                done = False
                break
            number += 1
        if number > 1:  # the next search for this name starts here
            self.numbers[plain] = number + 1
        self.taken.setdefault(real, wish)
        remark = ""
        if name != (whole := f"{stem}{numbered}{suffix}"):
            remark = f"its name is shortened from {len(os.fsencode(whole))} bytes to {limit}"
        return _Named(Path(path), done, remark)

    def fixed(self, wish: _Wish, path: Path) -> _Named:
        """Return the name that a user chose."""
        found = _lstat(str(path))
        self._check(self._real(str(path.parent), path.name, found), str(path), wish)
        return _Named(path, self._is_done(str(path), found))

    def _check(self, real: str, path: str, wish: _Wish) -> None:
        if self.existing != "skip":
            return
        if real in self.read:
            raise OptionError(
                f"{path}: is an input, and would also be the result of {wish[0]}: with --resume, "
                "give -o a folder without inputs"
            )
        other = self.taken.get(real)
        if other is None or other == wish:
            return
        about = [f"{photo} in {' + '.join(styles)}" for photo, styles in (other, wish)]
        raise OptionError(
            f"{path}: would be the result of {about[0]} and of {about[1]}, and --resume could not "
            "tell them apart: paint them in separate runs with separate -o folders"
        )

    def _is_done(self, path: str, found: os.stat_result | None) -> bool:
        return self.existing == "skip" and _is_whole(path, found)

    def _real(self, folder: str, name: str, found: os.stat_result | None) -> str:
        """Return the real path of a file; the links to each folder are followed only once."""
        if found is not None and stat.S_ISLNK(found.st_mode):
            return os.path.realpath(f"{folder}/{name}")
        return f"{self._folder(folder)[0]}/{name}"

    def _folder(self, folder: str) -> tuple[str, int]:
        """Return a folder's real path, and the maximum length of a name in it in bytes."""
        if folder not in self.folders:
            real = os.path.realpath(folder)
            self.folders[folder] = real, _name_limit(real)
        return self.folders[folder]


def is_done(path: Path | None) -> bool:
    """Return True if a complete result exists; an empty file is a name that was reserved for one.

    Example:
        >>> is_done(Path("no such result.png"))
        False
    """
    return path is not None and _is_whole(str(path), _lstat(str(path)))


def _is_whole(path: str, found: os.stat_result | None) -> bool:
    if found is None:
        return False
    if stat.S_ISLNK(found.st_mode):
        return Path(path).is_file()
    return stat.S_ISREG(found.st_mode) and found.st_size > 0


def _name_limit(folder: str) -> int:
    """Return the maximum length of a name in a folder in bytes; it need not exist yet."""
    there = folder
    while True:
        try:
            return min(MAX_BYTES, os.pathconf(there, "PC_NAME_MAX"))
        except FileNotFoundError:
            there = os.path.dirname(there)  # noqa: PTH120
        except (AttributeError, OSError, ValueError):  # not supported by this system
            return MAX_BYTES


def _sub_folders(inputs: Sequence[Input], parts: Sequence[tuple[str, str]]) -> list[str]:
    """Return the sub-folder for the result of each photograph.

    It is the photograph's, relative to the named folder. Photographs of one name from several
    folders keep their path below the common folder.
    """
    alike: dict[tuple[str, ...], set[str]] = {}
    for (path, below), part in zip(inputs, parts, strict=True):
        alike.setdefault((below, *part), set()).add(path)
    if all(len(paths) == 1 for paths in alike.values()):
        return [below for _, below in inputs]
    roots = [_named_folder(path, below) for path, below in inputs]
    common = shared_folder([root for root in roots if root is not None])
    sub_folders = []
    for (_, below), part, root in zip(inputs, parts, roots, strict=True):
        if root is not None and len(alike[below, *part]) > 1:
            below = str(Path(os.path.relpath(root or os.curdir, common), below))
        sub_folders.append(below)
    return sub_folders


def _named_folder(path: str, below: str) -> str | None:
    """Return the folder that was named for a photograph, or that of one named by itself."""
    if path == STDIO:
        return None
    folder = os.path.dirname(path)  # noqa: PTH120
    return folder.removesuffix(below).rstrip("/") or "/" if below not in ("", ".") else folder


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return None


def _check_file(path: Path, existing: Existing) -> None:
    """Check the name of a result before painting, instead of after minutes of work."""
    if not path.suffix and not os.path.lexists(path):
        raise OptionError(
            f"{path}: there is no such folder; write {path}/ to create it, or {path}.jpg for a file"
        )
    if path.suffix.lower() not in _suffixes(written=True):
        raise OptionError(
            f"{path}: the suffix {path.suffix!r} is not supported for output; use one of "
            + ", ".join(_suffixes(written=True))
        )
    if not path.parent.is_dir():
        raise OptionError(f"{path}: there is no folder {path.parent}; make it first")
    if os.path.lexists(path) and existing == "spare":
        raise OptionError(f"{path}: already exists; give another name or pass --overwrite")
    try:
        destination(path)
    except OSError as error:
        raise OptionError(f"{path}: cannot be written ({error.strerror})") from None


def _suffixes(*, written: bool = False) -> tuple[str, ...]:
    from impasto.images.formats import FORMATS

    return tuple(suffix for row in FORMATS if row.written or not written for suffix in row.suffixes)
