"""Pairs of photographs and styles: all pairs of two sets of folders, or a seeded draw."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError, OptionError
from impasto.images.formats import passed_over
from impasto.images.photo import read_photo
from impasto.images.resizing import resize
from impasto.lab.data.sources import SMALLEST, SUFFIXES, files_below, is_held_out

CONTENT_STREAM, STYLE_STREAM = 1, 2
CELL = 8
"""A size must be a multiple of this, the stride of relu4_1."""


@dataclass(frozen=True, kw_only=True)
class PairOptions:
    """Pairs on which models are judged: files, number and sizes.

    Attributes:
        contents: folders of photographs (searched recursively), or single ones, and how often each
            is drawn from.
        styles: folders of styles, or single ones, and how often each is drawn from.
        count: number of pairs; None for all, each content with each style, whatever the shares.
        seed: of the draw.
        held_out: only files of the held-out tenth (:func:`impasto.lab.data.pictures.is_held_out`),
            by hash of the file's name, which no training here uses; else only the shares and the
            suffix decide.
        sizes: sides of the squares in pixels that both pictures of a pair are scaled to, multiples
            of 8.

    Raises:
        OptionError: if a size or the count is out of range.
    """

    contents: Mapping[str, float]
    styles: Mapping[str, float]
    count: int | None = 200
    seed: int = 0
    held_out: bool = True
    sizes: Sequence[int] = (256,)

    def __post_init__(self) -> None:
        for size in self.sizes:
            if not isinstance(size, int) or size < 64 or size % CELL:
                raise OptionError(
                    f"a size must be 64 or more and a multiple of {CELL}, not {size!r}"
                )
        if not self.sizes:
            raise OptionError("there is no size to evaluate at; give one, such as 256")
        if self.count is not None and self.count < 1:
            raise OptionError(f"pairs must be 1 or more, or all, not {self.count}")


@dataclass(frozen=True)
class Pair:
    """A photograph and a style, by their files."""

    content: Path
    style: Path


@dataclass(frozen=True, eq=False)
class Look:
    """A pair as passed to models.

    Attributes:
        pair: its files.
        content: (size, size, 3) in [0, 1].
        style: the same.
    """

    pair: Pair
    content: NDArray[np.float32]
    style: NDArray[np.float32]


@dataclass(frozen=True)
class Drawn:
    """Result of :func:`draw_pairs`.

    Attributes:
        pairs: in the order of the draw, none twice.
        left_out: files that were drawn but cannot be used, with the reason.
    """

    pairs: tuple[Pair, ...]
    left_out: tuple[tuple[Path, str], ...]


def draw_pairs(options: PairOptions) -> Drawn:
    """Draw pairs of a photograph and a style.

    A draw picks a folder by its share and then the folder's files in an order shuffled by the seed,
    each once before any repeats, separately for photographs and styles. A longer draw with the same
    seed begins with the shorter one, so earlier measurements stay valid.

    Args:
        options: folders, number of pairs and seed.

    Returns:
        The pairs; fewer than ``options.count`` if there are no more.

    Raises:
        ImageError: if a folder is missing or has no usable picture on the requested side of the
            split.
        OptionError: if a share is out of range.

    Example:
        >>> options = PairOptions(contents={"photos": 1}, styles={"paintings": 1})
        >>> draw_pairs(options)                                             # doctest: +SKIP
    """
    count, check = options.count, _Check()
    sides = [
        _Side(folders, [options.seed, stream], held_out=options.held_out, check=check)
        for folders, stream in (
            (options.contents, CONTENT_STREAM),
            (options.styles, STYLE_STREAM),
        )
    ]
    if count is None:
        files = [side.all() for side in sides]
        pairs = [Pair(*both) for both in itertools.product(*files)]
        return Drawn(tuple(pairs), tuple(check.left_out.items()))
    most = sides[0].size * sides[1].size
    found: dict[Pair, None] = {}
    # Unusable files and folders of share 0 make `most` too high: then the loop ends here, after
    # about twenty chances for every pair.
    chances = 20 * most
    while len(found) < min(count, most) and chances:
        found[Pair(sides[0].draw(), sides[1].draw())] = None
        chances -= 1
    return Drawn(tuple(found), tuple(check.left_out.items()))


def folder_files(folder: str | Path, *, held_out: bool) -> list[Path]:
    """Return the pictures of a folder and its subfolders, sorted, or a single one; held-out or all.

    Raises:
        ImageError: if neither exists.
    """
    folder = Path(folder)
    below = [folder] if folder.is_file() else _below(folder)
    return _pictures(below, held_out=held_out)


def _below(folder: Path) -> list[Path]:
    if not folder.exists():
        raise ImageError(f"{folder}: no such folder; give a folder of pictures, or one picture")
    return files_below(folder)


def _pictures(files: list[Path], *, held_out: bool) -> list[Path]:
    return [
        file
        for file in files
        if file.suffix.lower() in SUFFIXES and (not held_out or is_held_out(file.name))
    ]


def square(file: str | Path, size: int) -> NDArray[np.float32]:
    """Return the largest central square of a picture, scaled: (size, size, 3) in [0, 1].

    Transparent pixels keep their stored colors.

    Raises:
        ImageError: if the file cannot be read.

    Example:
        >>> square("street.jpg", 256).shape                                 # doctest: +SKIP
        (256, 256, 3)
    """
    image = read_photo(Path(file)).image
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return resize(np.ascontiguousarray(image[top : top + side, left : left + side]), size)


def look_at(pair: Pair, size: int) -> Look:
    """Return both pictures of a pair as :func:`square` crops them.

    Raises:
        ImageError: if a file cannot be read.
    """
    return Look(pair, square(pair.content, size), square(pair.style, size))


class _Check:
    """A cache of the files that were checked and those that cannot be used."""

    def __init__(self) -> None:
        self.left_out: dict[Path, str] = {}
        self.fine: set[Path] = set()

    def __call__(self, file: Path) -> bool:
        if file in self.left_out or file in self.fine:
            return file in self.fine
        try:
            height, width = read_photo(file).image.shape[:2]
        except ImageError as error:
            self.left_out[file] = str(error)
            return False
        if min(height, width) < SMALLEST:
            self.left_out[file] = f"{width} x {height} pixels is smaller than {SMALLEST}"
            return False
        self.fine.add(file)
        return True


class _Side:
    """The folders of one side of the pairs."""

    def __init__(
        self, folders: Mapping[str, float], seed: list[int], *, held_out: bool, check: _Check
    ) -> None:
        shares = list(folders.values())
        if not shares or min(shares) < 0 or not 0 < sum(shares) < float("inf"):
            raise OptionError(
                f"folders need shares of 0 or more, at least one above 0, not {shares}"
            )
        self.shares = np.asarray(shares, np.float64) / sum(shares)
        self.random = np.random.default_rng(seed)
        self.check = check
        self.folders = []
        self.orders: list[Iterator[Path]] = []
        for folder in folders:
            below = _below(Path(folder))  # empty for a single picture
            single = [Path(folder)] if Path(folder).is_file() else []
            files = _pictures(single or below, held_out=held_out)
            others = (file.name for file in below if file.suffix.lower() not in SUFFIXES)
            if line := passed_over(others):
                check.left_out[Path(folder)] = line
            # Its own stream: adding another folder does not change this folder's order.
            random = np.random.default_rng([*seed, *Path(folder).name.encode()])
            if not any(check(file) for file in files):
                which = "held-out " if held_out else ""
                raise ImageError(
                    f"{folder}: none of {len(files)} {which}files is a usable picture of at least "
                    f"{SMALLEST} px; give more pictures"
                    + (", or --all-files for files that were not trained on" if held_out else "")
                )
            self.folders.append(files)
            self.orders.append(_shuffled_again_and_again(files, random))

    @property
    def size(self) -> int:
        return sum(map(len, self.folders))

    def draw(self) -> Path:
        order = self.orders[self.random.choice(len(self.orders), p=self.shares)]
        return next(file for file in order if self.check(file))

    def all(self) -> list[Path]:
        return [file for files in self.folders for file in files if self.check(file)]


def _shuffled_again_and_again(files: list[Path], random: np.random.Generator) -> Iterator[Path]:
    while True:
        for i in random.permutation(len(files)):
            yield files[i]
