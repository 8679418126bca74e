"""Numbered pictures as films: a folder of them or a pattern of their names, read and written."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from impasto.errors import ImageError, VideoError, counted, one_line
from impasto.images.formats import READ_SUFFIXES, is_hidden, passed_over
from impasto.images.metadata import Metadata
from impasto.images.options import SaveOptions
from impasto.images.sources import open_picture
from impasto.images.writing import format_of, quantized, write_image
from impasto.video.frames import Damage, FilmInfo, Frame, Pixels

__all__ = ["RATE", "NumberedFilm", "NumberedTarget", "is_pattern", "open_numbered"]

RATE = Fraction(25)
"""Frames a second of numbered pictures, which do not state it."""

# The names of results in a folder.
_NAMES = "frame-%06d.png"

_NUMBER = re.compile(r"%(0[0-9]{1,2})?d")
_DIGITS = re.compile(r"([0-9]+)")

# Number of missing numbers that a remark names.
_SHOWN = 6


@dataclass(frozen=True)
class Names:
    """The names of numbered files, as C's printf writes them.

    Attributes:
        folder: folder of the files.
        template: template of their names, with one number such as ``%04d``.
    """

    folder: Path
    template: str

    @classmethod
    def of(cls, pattern: str | os.PathLike[str]) -> Names:
        """Return the names that a pattern stands for.

        Raises:
            VideoError: if the name of the file does not have exactly one number.

        Example:
            >>> Names.of("shots/shot-%04d.png").path(7).name
            'shot-0007.png'
        """
        path = Path(pattern)
        rest = _NUMBER.sub("", path.name.replace("%%", ""))
        if len(_NUMBER.findall(path.name.replace("%%", ""))) != 1 or "%" in rest:
            raise VideoError(
                f"{one_line(path)}: the file name needs exactly one place for the number, such as "
                "shot-%04d.png (%% stands for a percent sign)"
            )
        return cls(path.parent, path.name)

    def path(self, number: int) -> Path:
        """Return the file of a number."""
        return self.folder / (self.template % number)

    def found(self) -> dict[int, Path]:
        """Return the existing files, by their numbers in order.

        Raises:
            OSError: if the folder cannot be listed.
        """
        place = _NUMBER.search(self.template.replace("%%", "\0\0"))
        assert place is not None
        before, behind = self.template[: place.start()] % (), self.template[place.end() :] % ()
        numbers = []
        for each in os.listdir(self.folder):  # noqa: PTH208 (names alone, of many files)
            digits = each[len(before) : len(each) - len(behind)]
            if digits.isascii() and digits.isdigit() and self.template % int(digits) == each:
                numbers.append(int(digits))
        return {number: self.path(number) for number in sorted(numbers)}


def is_pattern(name: str | os.PathLike[str]) -> bool:
    """Return True for a pattern of names of pictures, unless a file has that name.

    Example:
        >>> [is_pattern(name) for name in ("shot-%04d.png", "shot-*.png", "shot-*.mp4", "a.png")]
        [True, True, False, False]
    """
    text = os.fspath(name)
    base = os.path.basename(text)  # noqa: PTH119 (which takes a slash at the end for a folder)
    if "://" in text or not (_NUMBER.search(base) or glob.has_magic(text)):
        return False
    suffix = Path(base).suffix.lower()
    of_pictures = suffix in READ_SUFFIXES or not suffix or glob.has_magic(suffix)
    return of_pictures and not os.path.lexists(text)


def open_numbered(
    source: str | os.PathLike[str], *, rate: Fraction | None = None, max_pixels: int
) -> NumberedFilm:
    """Open a folder or a pattern of numbered pictures as a film.

    Their headers are read, so that errors are reported before any work.

    Args:
        source: a folder, of which all pictures are taken; a pattern with the place of the number,
            ``shot-%04d.png``; or one with wildcards of the shell, ``shot-*.png``. They are in the
            order of numbers: ``frame2.png`` comes before ``frame10.png``.
        rate: frames a second; None: 25.
        max_pixels: larger pictures are refused.

    Raises:
        VideoError: if there are none, none can be read, or their sizes differ.
    """
    name = one_line(os.fspath(source))
    try:
        files, remarks = _files(source)
    except OSError as error:
        raise VideoError(f"{name}: cannot be read ({one_line(error)})") from None
    if not files:
        raise VideoError(f"{name}: has no pictures; check the path and the suffix")
    return NumberedFilm(name, files, rate or RATE, max_pixels, remarks)


class NumberedFilm:
    """Numbered pictures that are open for reading, one after the other at an even rate.

    Args:
        name: name for messages.
        files: the pictures in their order.
        rate: frames a second.
        max_pixels: larger pictures are refused.
        remarks: remarks on the names.

    Raises:
        VideoError: if none of them can be read, or their sizes differ.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        rate: Fraction,
        max_pixels: int,
        remarks: Sequence[str] = (),
    ) -> None:
        self._files, self._max_pixels = files, max_pixels
        size: tuple[int, int] | None = None
        like, deep, alpha, told, error = "", False, False, False, ""
        for file in files:
            try:
                with open_picture(file, max_pixels=max_pixels) as picture:
                    own = picture.width, picture.height
                    if size is None:
                        size, like = own, one_line(file)
                        told = picture.metadata != Metadata(dpi=picture.metadata.dpi)
                    deep, alpha = deep or picture.depth > 8, alpha or picture.has_opacity
            except ImageError as found:  # it is reported when its turn comes
                error = error or str(found)
                continue
            if own != size:
                raise VideoError(
                    f"{one_line(file)}: {own[0]} x {own[1]} pixels, but {like} has {size[0]} x "
                    f"{size[1]}; all pictures of a film need the same size"
                )
        if size is None:
            raise VideoError(f"{name}: none of its pictures can be read; {error}")
        about = ["the metadata of its pictures (EXIF, XMP) is not kept"] * told
        self.info = FilmInfo(
            name=name,
            height=size[1],
            width=size[0],
            rate=rate,
            seconds=float(len(files) / rate),
            frames=len(files),
            alpha=alpha,
            deep=deep,
            tick=1 / rate,
            remarks=(*remarks, *about),
        )

    def frames(
        self, start: Fraction = Fraction(0), end: Fraction | None = None
    ) -> Iterator[Frame | Damage]:
        """Decode the frames that appear at ``start`` or later and before ``end``, in seconds."""
        before, step = None, self.info.tick
        for number in range(max(0, -(-start // step)), len(self._files)):
            time, last = number * step, number + 1 == len(self._files)
            if end is not None and time >= end:
                return
            try:
                image, opacity = self._pixels(self._files[number])
            except ImageError as error:
                yield Damage(before, str(error))
                continue
            yield Frame(image, time, opacity, step if last else None)
            before = time

    def close(self) -> None:
        """Do nothing: a picture is open only while it is read."""

    def __enter__(self) -> NumberedFilm:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _pixels(self, file: Path) -> tuple[Pixels, Pixels | None]:
        depth = 16 if self.info.deep else 8
        with open_picture(file, max_pixels=self._max_pixels) as picture:
            photo = picture.photo()
        if (photo.height, photo.width) != (self.info.height, self.info.width):
            raise ImageError(
                f"{photo.name}: {photo.width} x {photo.height} pixels, a different size"
            )
        opacity = None
        if self.info.alpha:
            opaque = np.ones(photo.image.shape[:2], np.float32)
            opacity = quantized(opaque if photo.alpha is None else photo.alpha, depth)
        return quantized(photo.image, depth), opacity


class NumberedTarget:
    """A folder or a pattern of numbered pictures that a film is written into.

    Every picture is written whole or not at all, so existing ones are safe: a resumed call reads
    their numbers (:meth:`done`) and skips them (:meth:`skip`).

    Args:
        target: a folder, in which they are named ``frame-000001.png``, or a pattern with the
            place of the number, ``shot-%04d.png``. Folders are made.
        info: the facts about the film.
        save: quality, depth, and whether existing pictures are replaced.

    Attributes:
        deep: whether frames are written with 16 bits.

    Raises:
        VideoError: if no pictures can be written there.
    """

    def __init__(
        self, target: str | os.PathLike[str], info: FilmInfo, save: SaveOptions = SaveOptions()
    ) -> None:
        text = os.fspath(target)
        if glob.has_magic(text) and not _NUMBER.search(text):
            raise VideoError(
                f"{one_line(text)}: give the pictures a number pattern, such as painted-%04d.png"
            )
        self._names = Names.of(text) if is_pattern(text) else Names(Path(text), _NAMES)
        self._save, self._number = save, 0
        try:
            row = format_of(self._names.path(1))
            self._names.folder.mkdir(parents=True, exist_ok=True)
        except ImageError as error:
            raise VideoError(str(error)) from None
        except (OSError, ValueError) as error:
            raise VideoError(f"{one_line(text)}: cannot be written ({one_line(error)})") from None
        self.deep = info.deep and row.deep and save.depth != 8
        self._remarks = []
        if info.alpha and not row.alpha:
            self._remarks.append(f"{row.name} has no alpha channel: the frames are placed on white")
        if info.deep and not row.deep:
            self._remarks.append(f"{row.name} holds 8 bits per channel, not 16")

    def done(self) -> frozenset[int]:
        """Return the numbers, from 1 on, of the existing pictures."""
        return frozenset(self._names.found())

    def skip(self, count: int) -> None:
        """Skip the next frames, which exist already."""
        self._number += count

    def write(self, frame: Frame) -> None:
        """Write the next frame.

        Raises:
            VideoError: if it cannot be written.
        """
        self._number += 1
        pixels = frame.image if frame.opacity is None else np.dstack([frame.image, frame.opacity])
        try:
            write_image(pixels, self._names.path(self._number), save=self._save)
        except ImageError as error:
            raise VideoError(str(error)) from None

    def finish(self) -> tuple[str, ...]:
        """Return what the pictures cannot hold, one line each."""
        return tuple(self._remarks)

    def stop(self) -> None:
        """Do nothing: every existing picture is whole."""


def natural(name: str) -> tuple[list[str | int], str]:
    """Return the key that sorts names in the order of their numbers.

    Example:
        >>> sorted(["frame10.png", "frame2.png"], key=natural)
        ['frame2.png', 'frame10.png']
    """
    parts = _DIGITS.split(name.casefold())
    return [int(each) if i % 2 else each for i, each in enumerate(parts)], name


def _files(source: str | os.PathLike[str]) -> tuple[list[Path], list[str]]:
    """The pictures of a folder or a pattern in their order, and remarks on the names."""
    text = os.fspath(source)
    if _NUMBER.search(Path(text).name) and is_pattern(text):
        numbered = Names.of(text).found()
        return list(numbered.values()), _gaps(list(numbered), text)
    if is_pattern(text):
        paths = [Path(each) for each in glob.glob(text, recursive=True)]  # noqa: PTH207
    else:
        paths = list(Path(text).iterdir())
    paths = [each for each in paths if not is_hidden(each.name) and each.is_file()]
    files = [each for each in paths if each.suffix.lower() in READ_SUFFIXES]
    files.sort(key=lambda each: natural(str(each)))
    remarks = (
        [passed_over(each.name for each in set(paths) - set(files))]
        if len(paths) > len(files)
        else []
    )
    return files, [*remarks, *_gaps(_numbers(files), text)]


def _numbers(files: Sequence[Path]) -> list[int]:
    """The numbers of files whose names differ only in the last number; else none."""
    parts = [_DIGITS.split(each.name) for each in files]
    alike = {(*each[:-2], each[-1]) for each in parts}
    if len(alike) != 1 or any(len(each) < 3 for each in parts):
        return []
    return [int(each[-2]) for each in parts]


def _gaps(numbers: Sequence[int], source: str) -> list[str]:
    """A remark on numbers that are missing; none if all have the same spacing."""
    steps = {after - before for before, after in pairwise(numbers)}
    if len(steps) < 2:
        return []
    missing = [(before + 1, after - 1) for before, after in pairwise(numbers) if after - before > 1]
    shown = [f"{a}" if a == b else f"{a} to {b}" for a, b in missing[:_SHOWN]]
    many = counted(sum(b - a + 1 for a, b in missing), "number")
    return [
        f"{many} missing ({', '.join(shown + ['...'] * (len(missing) > _SHOWN))}): the pictures "
        "are shown without a gap"
    ]
