"""Paint the gallery of the documentation, or check that its commands still give its pictures.

python docs/website/gallery.py draw [--only NAME ...]
python docs/website/gallery.py check [--sample N] [--seed N]

`draw` paints what is not there, or was painted by other code, another model or another style, and
writes docs/gallery/README.md with the command of every picture. `check` runs the commands that
stand in that page, and compares what they write with the pictures beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import hashlib
import io
import json
import random
import re
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import impasto
from impasto.cli import cli
from impasto.images.files import write_whole
from impasto.models import DEFAULT_MODEL, find_bundle
from impasto.styles.library import list_styles

ROOT = Path(__file__).resolve().parents[2]
GALLERY = ROOT / "docs" / "gallery"
PAGE = GALLERY / "README.md"
PICTURES = GALLERY / "pictures"
RECORD = GALLERY / "painted.json"
"""Of every picture what it was painted from, as a hash, and its quality."""

START = ROOT / "docs" / "images" / "before-after.webp"
START_PICTURE = ("chelsea.jpg", "van-gogh-irises")

PHOTOS = {
    "astronaut": "An astronaut",
    "chelsea": "A cat",
    "coffee": "A cup of coffee",
    "rocket": "A rocket",
}
"""Stems of files in examples/photos, and what is seen there."""

SIZE, QUALITIES = 256, (75, 65, 55, 45, 35, 25)
LARGEST = 25_000
"""Bytes of a picture: of the qualities of WebP the first is taken that needs no more."""

ERROR = 2.0
"""By how much of 255 a picture that is painted again may differ on average."""

ENGINE: dict[str, str] = {"engine": "onnxruntime", "precision": "fp32"}
CONTROLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Half as strong", "chelsea", {"alpha": 0.5}),
    ("The full style", "chelsea", {}),
    ("Half as strong again", "chelsea", {"alpha": 1.5}),
    ("The photograph's own colors", "chelsea", {"color": "luminance"}),
    ("Strokes twice as large", "chelsea", {"coarse": 2.0}),
    ("Strokes four times as large", "chelsea", {"coarse": 4.0}),
    ("Means alone", "chelsea", {"transform": "mean"}),
    ("Deviations alone", "chelsea", {"transform": "std"}),
)
"""What the controls do: words, photograph, and the controls' values."""

CONTROLS_STYLE = "van-gogh-irises"


@dataclass(frozen=True)
class Method:
    """A way to paint that is not the default model's, and needs no weights from elsewhere.

    Attributes:
        title: of its part of the page.
        text: about it, in Markdown.
        styles: names of styles, or pictures.
        model: a file of the repository; empty for the default.
        controls: fields of :class:`impasto.Controls` that are not as by default.
    """

    title: str
    text: str
    styles: tuple[str, ...]
    model: str = ""
    controls: Mapping[str, Any] = field(default_factory=dict)


METHODS = (
    Method(
        "One network for one style",
        "The network of Johnson et al. 2016 (`johnson`), which learned this style and no other.",
        ("wave",),
        "trained/johnson-wave.impasto",
    ),
    Method(
        "One network for nine styles",
        "Conditional instance normalization, Dumoulin et al. 2017 (`cin`): of each style it learned"
        "\na scale and a shift a channel.",
        ("wave", "stained_glass", "night_sky"),
        "trained/cin-9.impasto",
    ),
    Method(
        "A filter bank for each style",
        "StyleBank, Chen et al. 2017 (`stylebank`): one encoder and one decoder, and between them a"
        "\nlayer of its own for each of five styles.",
        ("wave", "stained_glass", "night_sky"),
        "trained/stylebank-5.impasto",
    ),
    Method(
        "Colors alone",
        "Color transfer: the palette of the style, and no strokes. No network is run.",
        tuple(f"examples/styles/{name}.jpg" for name in ("wave", "stained_glass", "night_sky")),
        controls={"color": "only"},
    ),
)
METHODS_PHOTOS = ("chelsea", "coffee")


@dataclass(frozen=True)
class Entry:
    """A picture of the gallery.

    Attributes:
        photo: stem of a file in examples/photos.
        style: name of a style, or a picture in the repository.
        words: for those who do not see it.
        controls: fields of :class:`impasto.Controls` that are not as by default.
        model: a file of the repository; empty for the default.
    """

    photo: str
    style: str
    words: str
    controls: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""

    @property
    def name(self) -> str:
        """The name of the file."""
        more = "".join(f"-{key}-{value:g}" if isinstance(value, float) else f"-{key}-{value}"
                       for key, value in self.controls.items())  # fmt: skip
        by = f"-{Path(self.model).stem}" if self.model else ""
        return f"{self.photo}-{Path(self.style).stem}{by}{more}.webp"

    def command(self, quality: int) -> str:
        """The command that paints it."""
        model = {"model": self.model} if self.model else {}
        given = {**model, **self.controls, "size": SIZE, "quality": quality, **ENGINE}
        options = " ".join(f"--{key} {value}" for key, value in given.items())
        photo = f"examples/photos/{self.photo}.jpg"
        return f"impasto stylize {photo} -s {self.style} {options} -o {self.name}"


def main() -> int:
    """Draw or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=("draw", "check"))
    parser.add_argument("--only", nargs="*", default=["*"], help="patterns of names of pictures")
    parser.add_argument("--sample", type=int, help="so many pictures, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.action == "draw":
        draw(options.only)
        return 0
    faults, count = check(options.sample, options.seed)
    for fault in faults:
        print(f"gallery: {fault}", file=sys.stderr)
    print(f"{count} pictures of the gallery painted again, {len(faults)} faults")
    return 1 if faults else 0


# --------------------------------------------------------------------------------- drawing


def parts() -> list[tuple[str, str, list[Entry]]]:
    """Every style of the gallery: what it is, its name, and its pictures."""
    bundle = find_bundle(DEFAULT_MODEL)
    found = []
    for row in list_styles(model=bundle.identity, own=False):
        if row.style is not None:
            what = re.sub(r", public domain$", "", row.style.note)
            entries = [
                Entry(photo, row.name, f"{seen} in the style of {what}")
                for photo, seen in PHOTOS.items()
            ]
            found.append((what, row.name, entries))
    return found


def controls() -> list[Entry]:
    """One photograph in one style with each of the controls."""
    return [Entry(photo, CONTROLS_STYLE, words, more) for words, photo, more in CONTROLS]


def methods() -> list[tuple[Method, list[Entry]]]:
    """Every other method with its pictures."""
    return [
        (
            method,
            [
                Entry(photo, style, f"{PHOTOS[photo]}: {method.title.lower()}, {seen_in(style)}",
                      method.controls, method.model)
                for style in method.styles
                for photo in METHODS_PHOTOS
            ],
        )
        for method in METHODS
    ]  # fmt: skip


def seen_in(style: str) -> str:
    """The name of a style as words."""
    return Path(style).stem.replace("_", " ")


def draw(only: list[str]) -> None:
    """Paint what is missing or old, write the page, and remove pictures that it does not show."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    styles = parts()
    entries = [*controls(), *(entry for _, _, each in styles for entry in each)]
    entries += [entry for _, each in methods() for entry in each]
    record = RECORD.read_text() if RECORD.is_file() else "{}"
    known: dict[str, list[Any]] = json.loads(record)
    models = {
        name: impasto.load(ROOT / name if name else DEFAULT_MODEL, **ENGINE)
        for name in {entry.model for entry in entries}
    }
    made_of = code()
    state: dict[str, list[Any]] = {}
    for entry in entries:
        model = models[entry.model]
        key = fingerprint(entry, model, made_of)
        there = (PICTURES / entry.name).is_file()
        wanted = any(fnmatch.fnmatch(entry.name, pattern) for pattern in only)
        if there and entry.name in known and (known[entry.name][0] == key or not wanted):
            state[entry.name] = known[entry.name]
            continue
        state[entry.name] = [key, paint(entry, model)]
        print(PICTURES / entry.name, flush=True)
        write_whole(RECORD, packed({**known, **state}), overwrite=True)
    write_whole(RECORD, packed(state), overwrite=True)
    qualities = {name: quality for name, (_, quality) in state.items()}
    write_whole(PAGE, page(styles, qualities).encode(), overwrite=True)
    for file in PICTURES.iterdir():
        if file.name not in state:
            file.unlink()
    if any(fnmatch.fnmatch(START.name, pattern) for pattern in only):
        draw_start(models[""])


def packed(state: Mapping[str, list[Any]]) -> bytes:
    """The record of what was painted, as a file."""
    rows = [f" {json.dumps(name)}: {json.dumps(state[name])}" for name in sorted(state)]
    return ("{\n" + ",\n".join(rows) + "\n}\n").encode()


def code() -> str:
    """A hash of the code that paints."""
    state = hashlib.sha256()
    for folder in ("controls", "images", "models", "painting", "styles"):
        for file in sorted((ROOT / "src" / "impasto" / folder).rglob("*.py")):
            state.update(file.read_bytes())
    return state.hexdigest()


def fingerprint(entry: Entry, model: impasto.Stylizer, made_of: str) -> str:
    """A hash of all that a picture follows from."""
    style = style_of(entry, model)
    state = hashlib.sha256(f"{made_of} {model.identity} {entry.command(0)}".encode())
    if entry.model:  # its identity leaves out what it learned of each style
        state.update((ROOT / entry.model).read_bytes())
    if isinstance(style, Path):
        state.update(style.read_bytes())
    else:
        for level in style.moments:
            state.update(level.mean.tobytes() + level.std.tobytes())
    state.update((ROOT / "examples" / "photos" / f"{entry.photo}.jpg").read_bytes())
    return state.hexdigest()[:32]


def style_of(entry: Entry, model: impasto.Stylizer) -> impasto.Style | Path:
    """The style of an entry: what the model has kept of it, or its picture."""
    return ROOT / entry.style if "/" in entry.style else model.kept(entry.style)


def paint(entry: Entry, model: impasto.Stylizer) -> int:
    """Paint a picture in the best quality that is small enough, and return that quality."""
    for quality in QUALITIES:
        model.stylize_file(
            ROOT / "examples" / "photos" / f"{entry.photo}.jpg",
            PICTURES / entry.name,
            style_of(entry, model),
            impasto.Controls(**entry.controls),
            read=impasto.ReadOptions(size=SIZE),
            save=impasto.SaveOptions(quality=quality, overwrite=True),
        )
        if (PICTURES / entry.name).stat().st_size <= LARGEST:
            return quality
    raise impasto.ImageError(f"{entry.name}: more than {LARGEST} bytes at quality {quality}")


def draw_start(model: impasto.Stylizer) -> None:
    """Draw the picture of the start page: a photograph, and what becomes of it."""
    with Image.open(ROOT / "examples" / "photos" / START_PICTURE[0]) as image:
        photo = image.convert("RGB")
    painted = model.stylize(photo, model.kept(START_PICTURE[1]))
    both = Image.new("RGB", (2 * photo.width, photo.height))
    both.paste(photo, (0, 0))
    both.paste(painted, (photo.width, 0))
    stream = io.BytesIO()
    both.save(stream, "WEBP", quality=80, method=6)
    write_whole(START, stream.getvalue(), overwrite=True)


def page(styles: list[tuple[str, str, list[Entry]]], qualities: Mapping[str, int]) -> str:
    """The page of the gallery."""
    lines = [
        "# Gallery",
        "",
        f"All {len(styles)} styles that come with Impasto, each on {len(PHOTOS)} photographs",
        "([examples](../../examples/README.md)), what the controls do to one, and other",
        "methods. Each picture is what its command writes; `make gallery-check` paints them again",
        "and compares. The model is `quality`, the default, unless the command names another.",
        "",
        "The commands name an engine and a precision, so that the same picture comes out on every",
        "machine. Without both, the fastest engine that you have is used. The size and the quality",
        "keep this page small: without them a painting is as large as its photograph.",
        "",
        "## Styles",
        "",
    ]
    for what, name, entries in styles:
        lines += [f"### {name}", "", what, "", *shown(entries, qualities)]
    lines += [
        "## Controls",
        "",
        f"One photograph in the style `{CONTROLS_STYLE}`; [Controls](../controls.md) has the rest.",
        "",
    ]
    for entry in controls():
        lines += [
            f"### {entry.words}",
            "",
            f"![{PHOTOS[entry.photo]}: {entry.words.lower()}](pictures/{entry.name})",
            "",
            "<!-- not run: make gallery-check runs it -->",
            "```sh",
            entry.command(qualities[entry.name]),
            "```",
            "",
        ]
    lines += [
        "## Methods",
        "",
        "Other ways to paint than the default model, in styles of",
        "[examples](../../examples/README.md). The networks are in the repository and not in the",
        "package; [Built-in styles](../methods-trained.md) tells of them. The methods that",
        "optimize a picture for minutes (`gatys`, `cnnmrf`, `style-swap`) need the weights of",
        "VGG-19, which are not ours to pass on: [Methods](../methods.md#side-by-side) shows their",
        "pictures.",
        "",
    ]
    for method, entries in methods():
        lines += [f"### {method.title}", "", method.text, "", *shown(entries, qualities)]
    return "\n".join(lines)


def shown(entries: list[Entry], qualities: Mapping[str, int]) -> list[str]:
    """Pictures side by side, with their commands below."""
    return [
        '<div class="pictures" markdown="1">',
        "",
        *(f"![{each.words}](pictures/{each.name})" for each in entries),
        "",
        "</div>",
        "",
        '<details markdown="1"><summary>The commands</summary>',
        "",
        "<!-- not run: make gallery-check runs them -->",
        "```sh",
        *(each.command(qualities[each.name]) for each in entries),
        "```",
        "",
        "</details>",
        "",
    ]


# -------------------------------------------------------------------------------- checking


def check(sample: int | None = None, seed: int = 0) -> tuple[list[str], int]:
    """Run the commands of the page and compare what they write with its pictures.

    Args:
        sample: so many of them; by default all.
        seed: of the drawing of the sample.

    Returns:
        Every fault in a line, and how many commands were run.
    """
    text = PAGE.read_text(encoding="utf-8")
    commands = {words[-1]: words for words in map(shlex.split, printed(text))}
    shown = set(re.findall(r"\(pictures/([^)]+)\)", text))
    there = {file.name for file in PICTURES.iterdir()}
    faults = [f"{name}: has no command" for name in sorted(shown - set(commands))]
    faults += [f"{name}: is not shown" for name in sorted((there | set(commands)) - shown)]
    faults += [f"{name}: is not there" for name in sorted(shown - there)]
    names = sorted(shown & there & set(commands))
    if sample is not None and sample < len(names):
        names = sorted(random.Random(seed).sample(names, sample))
    for name in names:
        size = (PICTURES / name).stat().st_size
        if size > LARGEST:
            faults.append(f"{name}: {size} bytes, more than {LARGEST}")
        error = difference(run(commands[name]), PICTURES / name)
        if error > ERROR:
            faults.append(f"{name}: its command gives another picture, {error:.1f} of 255 off")
    return faults, len(names)


def printed(text: str) -> list[str]:
    """The commands of the page."""
    return re.findall(r"^impasto stylize .+$", text, re.MULTILINE)


def run(words: list[str]) -> bytes:
    """Run a command as it is printed, and return the file that it writes."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name in ("examples", "trained"):
            Path(name).symlink_to(ROOT / name)
        code = cli.main([*words[1:], "--quiet"], prog_name="impasto", standalone_mode=False)
        if code:
            raise impasto.ImpastoError(f"{shlex.join(words)} ended with {code}")
        return Path(words[-1]).read_bytes()


def difference(painted: bytes, picture: Path) -> float:
    """The mean difference of two pictures, of 255; all of it where their sizes differ."""
    with Image.open(io.BytesIO(painted)) as one, Image.open(picture) as other:
        if one.size != other.size:
            return 255.0
        values = [np.asarray(image.convert("RGB"), np.float64) for image in (one, other)]
    return float(np.abs(values[0] - values[1]).mean())


if __name__ == "__main__":
    sys.exit(main())
