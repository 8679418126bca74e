"""Pictures made by other programs, judged like those of a model: a file for each pair."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from impasto.errors import ImageError, OptionError, counted
from impasto.images.sources import open_picture
from impasto.lab.data.sources import SUFFIXES
from impasto.lab.evaluate.painters import CONTENT_NAME, Pictures
from impasto.lab.evaluate.pairs import Look, Pair, square

BETWEEN = ("-", "_", "--", "__", "_stylized_", "-stylized-", "+", " ")
"""Separators between the names of photograph and style, as programs write them: ours, and those of
pytorch-AdaIN, StyTr2 and the like."""

SAME_SHAPE = 0.02
"""Share by which the ratio of a picture's sides may differ from that of its photograph."""

_SHOWN = 3


class JudgedPictures:
    """A folder of pictures painted by another program; see :class:`painters.Judged`.

    The picture of a pair is named after its photograph and its style, ``street-wave.png`` for
    ``street.jpg`` and ``wave.jpg``, with any of ``BETWEEN`` between the two and any picture suffix;
    subfolders are not searched. It shows the whole photograph, or its middle square, at any size:
    the largest square in its middle is scaled to the size of the evaluation, as those of photograph
    and style are.

    Args:
        label: its name in the report.
        folder: contains the pictures.

    Raises:
        ImageError: if there is no such folder, or no picture in it.
        OptionError: if the label is that of the photograph itself, or empty.
    """

    quick = False
    way = None

    def __init__(self, label: str, folder: str | Path) -> None:
        self.label, self.folder = label, Path(folder)
        if not label or label == CONTENT_NAME:
            raise OptionError(f"pictures cannot be named {label!r}; write NAME=FOLDER")
        if not self.folder.is_dir():
            raise ImageError(f"{label}: there is no folder {self.folder}; write NAME=FOLDER")
        self._there: dict[str, list[Path]] = {}
        for file in sorted(self.folder.iterdir()):
            if file.suffix.lower() in SUFFIXES and not file.name.startswith("."):
                self._there.setdefault(file.stem, []).append(file)
        if not self._there:
            raise ImageError(f"{label}: there is no picture in {self.folder}")
        self._files: dict[Pair, Path] = {}
        self._sizes: set[tuple[int, int]] = set()
        self.identity = ""

    @property
    def title(self) -> str:
        """A human-readable line."""
        sides = sorted(self._sizes)
        told = f"{sides[0][0]} x {sides[0][1]}"
        if len(sides) > 1:
            told += f" to {sides[-1][0]} x {sides[-1][1]}"
        return f"{counted(len(self._files), 'picture')} of {told} px in {self.folder.name}"

    def check(self, pairs: Sequence[Pair]) -> None:
        """Find the picture of every pair, and check its size.

        Raises:
            ImageError: if pairs have no picture, or a picture cannot be read or has another shape
                than its photograph.
            OptionError: if a name may mean two pairs or two files.
        """
        found = {pair: self._named(pair) for pair in pairs}
        missing = [_name(pair) for pair, files in found.items() if not files]
        if missing:
            more = ", ..." if len(missing) > _SHOWN else ""
            raise ImageError(
                f"{self.label}: {len(missing)} of {counted(len(pairs), 'pair')} have no picture in "
                f"{self.folder}: {', '.join(missing[:_SHOWN])}{more}; name the picture "
                "of a pair after its photograph and its style, PHOTOGRAPH-STYLE.png"
            )
        owners: dict[Path, Pair] = {}
        for pair, files in found.items():
            if len(files) > 1:
                raise OptionError(
                    f"{self.label}: {files[0].name} and {files[1].name} are both pictures of "
                    f"{_name(pair)}; keep only one of them in {self.folder}"
                )
            other = owners.setdefault(files[0], pair)
            if other != pair:
                raise OptionError(
                    f"{self.label}: {files[0].name} fits both {_told(other)} and {_told(pair)}; "
                    "rename photographs or styles"
                )
        self._files = {pair: files[0] for pair, files in found.items()}
        self._sizes = {self._size(pair) for pair in pairs}
        digest = hashlib.sha256()
        for file in sorted(self._files.values()):
            digest.update(file.name.encode(errors="surrogateescape") + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        self.identity = digest.hexdigest()[:16]

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """Read the picture of a pair; see :meth:`painters.Judged.paint`."""
        return Pictures(square(self._files[look.pair], len(look.content)), clipped=True)

    def _named(self, pair: Pair) -> list[Path]:
        names = (f"{pair.content.stem}{sign}{pair.style.stem}" for sign in BETWEEN)
        return [file for name in names for file in self._there.get(name, ())]

    def _size(self, pair: Pair) -> tuple[int, int]:
        """Return width and height of the picture of a pair, from its header."""
        sizes = []
        for file in (self._files[pair], pair.content):
            with open_picture(file) as picture:
                sizes.append((picture.width, picture.height))
        (width, height), (own_width, own_height) = sizes
        ratio = width / height
        if min(abs(ratio / wanted - 1) for wanted in (1, own_width / own_height)) > SAME_SHAPE:
            raise ImageError(
                f"{self.label}: {self._files[pair].name} has {width} x {height} pixels, which is "
                f"neither a square nor the shape of {pair.content.name}, {own_width} x "
                f"{own_height}; paint the whole photograph or its middle square"
            )
        return width, height


def _name(pair: Pair) -> str:
    return f"{pair.content.stem}-{pair.style.stem}"


def _told(pair: Pair) -> str:
    return f"{pair.content.name} with {pair.style.name}"
