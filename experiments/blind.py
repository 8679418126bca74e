"""Judgment by eye without names: two painters side by side, shuffled; then the count.

python experiments/blind.py sheets runs/blind --standard data/ --vgg vgg_normalised.pth --decoder decoder.pth
python experiments/blind.py reveal runs/blind answers.txt

A line of answers is the number of a comparison and the better picture, `17 A`, or `17 =`. With
--gallery, the paintings are the works of the gallery that are found below --styles, and a model
paints in the tuned styles that come with it.
"""  # noqa: E501

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from impasto.errors import ImpastoError, OptionError, counted
from impasto.images.files import write_whole
from impasto.images.options import SaveOptions
from impasto.images.writing import write_image
from impasto.lab.evaluate.pairs import Look, Pair, folder_files, look_at
from impasto.lab.export.gallery import read_works
from options import add_places, places_of
from shelves import style_files
from study import Bench, Places

KEY = "key.json"
"""File beside the sheets that tells who painted what; for the second step alone."""
SIDES = ("A", "B")
TIE = "="
SIZE, SMALL, GAP, HEAD = 620, 296, 16, 40
"""Pixels: painted pictures on a sheet, photograph and style, the gap, the line with the number."""
LEVEL = 0.95


@dataclass(frozen=True)
class Settings:
    """Held-out ``photographs`` x ``paintings``, at ``size`` px, in an order of ``seed``."""

    photographs: int = 10
    paintings: int = 5
    size: int = 512
    seed: int = 0


@dataclass(frozen=True)
class Comparison:
    """Two pictures of a pair.

    Attributes:
        number: on its sheet, from 1.
        pair: the files.
        shown: labels of who painted A and B.
    """

    number: int
    pair: Pair
    shown: tuple[str, str]


@dataclass(frozen=True)
class Count:
    """Comparisons that one painter won.

    Attributes:
        wins: how many it won.
        losses: how many the other won.
        ties: those of neither.
    """

    wins: int
    losses: int
    ties: int

    def __str__(self) -> str:
        decided = self.wins + self.losses
        text = f"{self.wins} of {decided}"
        if decided:
            low, high = binomial_interval(self.wins, decided)
            text += f" ({100 * self.wins / decided:.0f} %, {100 * low:.0f} to {100 * high:.0f})"
        return f"{text}, {counted(self.ties, 'tie')}"


def main() -> None:
    """Draw the sheets, or count the answers."""
    options = parser().parse_args()
    try:
        if options.step == "sheets":
            _sheets(options)
        elif options.answers is None:
            raise OptionError("give the file of the answers behind the folder")
        else:
            print(reveal(options.folder, options.answers.read_text()))
    except (ImpastoError, OSError) as error:
        sys.exit(f"blind: {error}")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="blind", description=(__doc__ or "").splitlines()[0])
    add = made.add_argument
    add("step", choices=("sheets", "reveal"), help="draw numbered sheets; or count the answers")
    add("folder", type=Path, help="of the sheets; a new one")
    add("answers", type=Path, nargs="?", help="a file: `17 A`, `18 B`, `19 =`, line by line")
    add_places(made)
    add("--gallery", action="store_true", help="compare the tuned styles that ship")
    add("--painter", action="append", metavar="NAME|FILE", help="two (default: adain, quality)")
    for name, value in vars(Settings()).items():
        add(f"--{name}", type=int, default=value, metavar="N", help=f"(default: {value})")
    return made


def draw_comparisons(
    contents: Sequence[Path], styles: Sequence[Path], settings: Settings, labels: Sequence[str]
) -> list[Comparison]:
    """All pairs of a seeded choice of photographs and styles, shuffled, sides by the coin."""
    random = np.random.default_rng(settings.seed)
    chosen = []
    for files, count in ((contents, settings.photographs), (styles, settings.paintings)):
        if len(files) < count:
            raise OptionError(f"there are {len(files)} files of {count} that are asked for")
        # Sorted by the hash of the name, so that the folder they lie in does not matter.
        ordered = sorted(files, key=lambda file: hashlib.sha256(file.name.encode()).digest())
        chosen.append([ordered[i] for i in random.permutation(len(ordered))[:count]])
    pairs = [Pair(content, style) for content in chosen[0] for style in chosen[1]]
    # Each of them is A in half of the comparisons: a liking for one side then favors nobody.
    turned = random.permutation(np.arange(len(pairs)) % 2)
    found = []
    for number, (i, turn) in enumerate(zip(random.permutation(len(pairs)), turned, strict=True), 1):
        first, second = labels if not turn else reversed(labels)
        found.append(Comparison(number, pairs[i], (first, second)))
    return found


def _sheets(options: argparse.Namespace) -> None:
    settings = Settings(**{name: getattr(options, name) for name in vars(Settings())})
    out: Path = options.folder
    if (out / KEY).exists():
        raise OptionError(f"{out}: has sheets already; give another folder")
    places = places_of(options)
    bench = Bench(settings, places, out)
    painters = _painters(bench, options.painter or ["adain", "quality"], gallery=options.gallery)
    contents = _held_out(places, places.contents)
    styles = _works(places.styles) if options.gallery else _held_out(places, places.styles)
    comparisons = draw_comparisons(contents, styles, settings, list(painters))
    out.mkdir(parents=True, exist_ok=True)
    for each in comparisons:
        look = look_at(each.pair, settings.size)
        painted = [painters[label](look) for label in each.shown]
        save = SaveOptions(overwrite=True)
        write_image(sheet(each.number, look, painted), out / f"{each.number:02}.png", save=save)
    write_whole(
        out / KEY, (json.dumps(_key(comparisons), indent=1) + "\n").encode(), overwrite=False
    )
    print(f"{len(comparisons)} sheets in {out}; do not look into {KEY}")


def _held_out(places: Places, folders: Iterable[str]) -> list[Path]:
    return [
        file for folder in folders for file in folder_files(folder, held_out=not places.all_files)
    ]


def _works(folders: Iterable[str]) -> list[Path]:
    """Pictures of the gallery's works below the folders."""
    files = [Path(folder, work.file) for folder in folders for work in read_works()]
    return [file for file in files if file.exists()]


def _painters(
    bench: Bench, names: Sequence[str], *, gallery: bool
) -> Mapping[str, Callable[[Look], Any]]:
    """Two painters by their labels; ``adain`` is the paper's network with the bench's weights."""
    if len(names) != len(SIDES):
        raise OptionError(f"give two painters, not {len(names)}")
    opened = _gallery_painter if gallery else _judged_painter
    found = dict(opened(bench, name) for name in names)
    if len(found) != len(SIDES):
        raise OptionError(f"two painters are called {next(iter(found))!r}; rename a file")
    return found


def _judged_painter(bench: Bench, name: str) -> tuple[str, Callable[[Look], Any]]:
    """Label and painter as ``impasto lab evaluate`` has them: styles are read in one pass."""
    from impasto.lab.evaluate.painters import JudgedAdaIN, PainterOptions, open_painters

    if name == "adain":
        painter: Any = JudgedAdaIN(bench.stylizer.painter, name)
    else:
        options = PainterOptions(engine="onnxruntime", precision="fp32")
        (painter,) = open_painters([name], vgg=bench.vgg_file, options=options)
    return painter.label, lambda look: painter.paint(look, unaligned=False).raw


def _gallery_painter(bench: Bench, name: str) -> tuple[str, Callable[[Look], Any]]:
    """A painter in a model's own styles of works; without one, as it reads the whole picture."""
    import impasto

    stylizer = bench.stylizer
    if name != "adain":
        stylizer = impasto.load(name, engine="onnxruntime", precision="fp32")
    shelf = style_files(stylizer.identity)
    names = {Path(work.file).name: work.name for work in read_works()}

    def paint(look: Look) -> Any:
        file = look.pair.style
        style = stylizer.prepare(shelf.get(names[file.name], file))
        return stylizer.paint(look.content, style).image

    return name, paint


def sheet(number: int, look: Look, painted: Sequence[Any]) -> Image.Image:
    """Photograph and style small on the left, the two pictures beside, and the number."""
    width = SMALL + 2 * SIZE + 4 * GAP
    made = Image.new("RGB", (width, SIZE + HEAD + GAP), "white")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(24)
    draw.text((GAP, 8), f"{number}", "black", font)
    for i, image in enumerate((look.content, look.style)):
        made.paste(_fitted(image, SMALL), (GAP, HEAD + i * (SIZE - SMALL)))
    for i, image in enumerate(painted):
        left = SMALL + 2 * GAP + i * (SIZE + GAP)
        draw.text((left, 8), SIDES[i], "black", font)
        made.paste(_fitted(image, SIZE), (left, HEAD))
    return made


def _fitted(image: Any, side: int) -> Image.Image:
    picture = Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))
    return ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)


def _key(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    return [
        {
            "number": each.number,
            "photograph": each.pair.content.name,
            "painting": each.pair.style.name,
            **dict(zip(SIDES, each.shown, strict=True)),
        }
        for each in comparisons
    ]


def read_answers(text: str, numbers: Sequence[int]) -> dict[int, str]:
    """Answers by number: ``A``, ``B`` or ``=``; empty lines and what follows a # do not count.

    Raises:
        OptionError: for a line that is none, a number that is not on the sheets, or one twice.
    """
    found: dict[int, str] = {}
    for i, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or not words[0].isdigit() or words[1].upper() not in (*SIDES, TIE):
            raise OptionError(
                f"line {i}, {line.strip()!r}, is no answer; write as `17 A` or `17 =`"
            )
        number = int(words[0])
        if number not in numbers or number in found:
            how = "is there twice" if number in found else f"is not one of 1 to {max(numbers)}"
            raise OptionError(f"line {i}: {number} {how}")
        found[number] = words[1].upper()
    return found


def reveal(folder: Path, answers: str) -> str:
    """The counts of the answers in words: in all, and by painting.

    Raises:
        OptionError: if the folder has no sheets, or answers cannot be read.
    """
    if not (folder / KEY).exists():
        raise OptionError(f"{folder}: has no {KEY}; give the folder of the sheets")
    key = json.loads((folder / KEY).read_text())
    found = read_answers(answers, [each["number"] for each in key])
    names = sorted({key[0][side] for side in SIDES})
    first, second = names
    winners: dict[str, list[str]] = {}
    lines = []
    for each in key:
        if each["number"] in found:
            answer = found[each["number"]]
            winner = TIE if answer == TIE else each[answer]
            winners.setdefault(each["painting"], []).append(winner)
            lines.append(f"{each['number']} {answer} {winner}")
    everything = [winner for some in winners.values() for winner in some]
    count = count_of(everything, second)
    missing = len(key) - len(found)
    told = [
        f"`{second}` beside `{first}`: better in {count}"
        + (f"; {missing} of {len(key)} not answered" if missing else ""),
        f"In brackets the share and its {100 * LEVEL:.0f} % interval (Clopper and Pearson); a "
        f"difference at least as large comes by chance in {100 * sign_test(count):.1f} % of cases.",
        *(f"* {name}: {count_of(some, second)}" for name, some in sorted(winners.items())),
        "",
        *lines,
    ]
    return "\n".join(told)


def count_of(winners: Sequence[str], name: str) -> Count:
    """Wins of a painter, those of the other, and ties."""
    wins, ties = winners.count(name), winners.count(TIE)
    return Count(wins, len(winners) - wins - ties, ties)


def binomial_interval(wins: int, trials: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a share, exact: Clopper & Pearson (Biometrika 1934).

    The shares under which neither so few nor so many wins are rarer than half of what ``level``
    leaves.

    >>> tuple(round(end, 3) for end in binomial_interval(8, 10))
    (0.444, 0.975)
    """
    rare = (1 - level) / 2
    low = 0.0 if wins == 0 else _bisect(lambda share: _at_least(wins, trials, share) - rare)
    high = 1.0
    if wins < trials:
        high = _bisect(lambda share: rare - (1 - _at_least(wins + 1, trials, share)))
    return low, high


def sign_test(count: Count) -> float:
    """Chance that two equal painters are as far apart or further, on either side.

    >>> round(sign_test(Count(8, 2, 0)), 4)
    0.1094
    """
    trials = count.wins + count.losses
    return min(1.0, 2 * _at_least(max(count.wins, count.losses), trials, 0.5))


def _at_least(wins: int, trials: int, share: float) -> float:
    """Chance of so many wins or more."""
    return sum(
        math.comb(trials, k) * share**k * (1 - share) ** (trials - k)
        for k in range(wins, trials + 1)
    )


def _bisect(rising: Callable[[float], float]) -> float:
    """Zero of a function that rises from 0 to 1."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


if __name__ == "__main__":
    main()
