"""Contract of an experiment: units of work whose rows are kept, and what is made of the rows."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import os
import signal
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image

from impasto.errors import OptionError
from impasto.images.files import write_whole
from impasto.lab.evaluate.intervals import mean_interval
from impasto.lab.nets.weights import find_vgg

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
DECODER = ROOT / "trained" / "adain-decoder.safetensors"
PUBLISHED: dict[str, dict[str, Any]] = tomllib.loads(
    (ROOT / "experiments" / "published.toml").read_text()
)
ROWS, SETTINGS = "rows.csv", "settings.json"
GROWING = ("seeds", "pairs", "decoders", "painters", "adain", "photographs", "paintings")
"""Settings that add units to those that there are, and may be raised in a folder."""

Row: TypeAlias = Mapping[str, str | float]


@dataclass(frozen=True)
class Unit:
    """A piece of work that is done as a whole; ``key`` has its cells in the key columns."""

    key: Mapping[str, str | int]

    @property
    def name(self) -> str:
        """Name of its files."""
        return "-".join(str(value) for value in self.key.values())

    @property
    def cells(self) -> tuple[str, ...]:
        """Its key as it stands in a file."""
        return tuple(str(value) for value in self.key.values())


@dataclass(frozen=True, eq=False)
class Places:
    """Pictures and weights that experiments work with.

    Attributes:
        contents: folders of photographs, and how often each is drawn from.
        styles: folders of paintings, the same.
        vgg: the normalized VGG-19; None: what training finds (``find_vgg``).
        decoder: of the paper's network; None: the one in ``trained/``.
        all_files: judge on any files, not on the held-out tenth alone.
    """

    contents: Mapping[str, float]
    styles: Mapping[str, float]
    vgg: Path | None = None
    decoder: Path | None = None
    all_files: bool = False


class Bench:
    """Pictures, weights and settings of a run of an experiment, opened when they are asked for.

    Attributes:
        settings: the experiment's.
        places: folders and files.
        work: folder of training runs and painted pictures, which results can do without.
    """

    def __init__(
        self, settings: Any, places: Places, work: Path, *, opened: Bench | None = None
    ) -> None:
        """``opened``: the bench of an experiment before, whose networks are gone on with."""
        self.settings, self.places, self.work = settings, places, work
        for name in ("vgg", "judge", "network", "bundle", "stylizer"):
            if opened is not None and name in vars(opened):
                setattr(self, name, getattr(opened, name))
        self._pairs: dict[int, Sequence[Any]] = {}
        self._looks: dict[tuple[int, int], list[Any]] = {}

    @cached_property
    def vgg_file(self) -> Path:
        """The file of the normalized VGG-19."""
        return find_vgg(self.places.vgg, normalised=True)

    @property
    def decoder_file(self) -> Path:
        """The file of the decoder of the paper's network."""
        return self.places.decoder or DECODER

    @cached_property
    def vgg(self) -> Any:
        """The network in it."""
        from impasto.lab import load_vgg

        return load_vgg(self.vgg_file)

    @cached_property
    def judge(self) -> Any:
        """Judge of pictures, as in ``impasto lab evaluate``."""
        from impasto.lab.evaluate.run import Judge

        return Judge(self.vgg, precision="fp32")

    @cached_property
    def network(self) -> Any:
        """The paper's network."""
        from impasto.lab.methods.adain import AdaINNetwork, encoder_of, load_decoder

        return AdaINNetwork(encoder_of(self.vgg), load_decoder(self.decoder_file)).eval()

    @cached_property
    def bundle(self) -> Any:
        """The same, exported."""
        from impasto.lab.evaluate.painters import adain_bundle

        return adain_bundle(self.vgg_file, self.decoder_file)

    @cached_property
    def stylizer(self) -> Any:
        """The same, as its users get it."""
        from impasto.models import open_engine
        from impasto.stylizer import stylizer_of

        engine = open_engine(self.bundle, name="onnxruntime", precision="fp32")
        return stylizer_of(self.bundle, engine)

    def pairs(self, count: int) -> Sequence[Any]:
        """Files of the pairs to judge on (``evaluate.pairs.Pair``); fewer if there are no more."""
        if count in self._pairs:
            return self._pairs[count]
        from impasto.lab import PairOptions
        from impasto.lab.evaluate.pairs import draw_pairs

        options = PairOptions(
            contents=self.places.contents,
            styles=self.places.styles,
            count=count,
            held_out=not self.places.all_files,
        )
        self._pairs[count] = draw_pairs(options).pairs
        return self._pairs[count]

    def looks(self, count: int, size: int) -> list[Any]:
        """Pairs of pictures to judge on, squares of ``size`` pixels (``evaluate.pairs.Look``)."""
        if (count, size) in self._looks:
            return self._looks[count, size]
        from impasto.lab.evaluate.pairs import look_at

        looks = [look_at(pair, size) for pair in self.pairs(count)]
        self._looks[count, size] = looks
        return looks

    def judged(self, look: Any, pictures: Sequence[Any]) -> list[dict[str, float]]:
        """Numbers of pictures (H, W, 3) of one pair."""
        from impasto.lab.evaluate.painters import Pictures

        found: list[dict[str, float]] = self.judge(
            look.content, look.style, [Pictures(each, clipped=True) for each in pictures]
        )
        return found

    def record(self, *, judged: bool = True) -> dict[str, Any]:
        """Facts that rows depend on, without the folders of this machine.

        ``judged``: whether VGG-19 is one of them.
        """
        weights = {"vgg": self.vgg_file} if judged else {}
        if self.places.decoder is not None:
            weights["decoder"] = self.places.decoder
        return {
            "settings": dataclasses.asdict(self.settings),
            "contents": _names(self.places.contents),
            "styles": _names(self.places.styles),
            "files": "all" if self.places.all_files else "held out",
            **{name: _digested(file) for name, file in weights.items()},
        }


class Results:
    """Rows of an experiment and what they depend on, as they stand in its folder."""

    def __init__(self, name: str, rows: Sequence[Mapping[str, str]], about: dict[str, Any]) -> None:
        self.name, self.rows, self.about = name, list(rows), about

    @property
    def published(self) -> dict[str, Any]:
        """The paper's numbers; empty where it has none."""
        return PUBLISHED.get(self.name, {})

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the run."""
        found: dict[str, Any] = self.about["settings"]
        return found

    def values(self, column: str) -> list[str]:
        """Cells of a column, each once, in their order."""
        return list(dict.fromkeys(row[column] for row in self.rows))

    def where(self, **cells: object) -> list[Mapping[str, str]]:
        """The rows with these cells."""
        return [r for r in self.rows if all(r[k] == str(v) for k, v in cells.items())]

    def numbers(self, column: str, **cells: object) -> list[float]:
        """The numbers of a column in the rows with these cells; empty cells are left out."""
        return [float(row[column]) for row in self.where(**cells) if row[column]]

    def minutes(self) -> float:
        """Minutes of work in all units."""
        return sum(float(row["seconds"]) for row in self.rows if row["seconds"]) / 60


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment as a value.

    Attributes:
        name: of its module, its folder and the command.
        title: heading of its section.
        about: a paragraph: the claim, how it is examined, and how that differs from the paper.
        settings: a frozen dataclass; its defaults are those of the committed results.
        smoke: settings that take seconds.
        keys: columns that name a unit.
        columns: further columns; ``seconds`` is added, in the first row of each unit.
        units: all units, in the order in which they are worth having.
        measure: the rows of one, without its key.
        tables: Markdown made of the rows: tables, and sentences with their numbers.
        plot: a figure made of the rows.
        pictures: writes further pictures to a folder, from what is in the work folder.
        drawn: whether its pictures come from the bench's folders; else it has its own.
        judged: whether VGG-19 has a part in its numbers.
    """

    name: str
    title: str
    about: str
    settings: type
    smoke: Any
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    units: Callable[[Bench], list[Unit]]
    measure: Callable[[Unit, Bench], Iterable[Row]]
    tables: Callable[[Results], str]
    plot: Callable[[Results], Image.Image]
    pictures: Callable[[Bench, Path], None] | None = None
    drawn: bool = True
    judged: bool = True

    def read(self, folder: Path) -> Results:
        """The rows in a folder.

        Raises:
            OptionError: if there are none, or they are of other columns.
        """
        path = folder / ROWS
        if not path.is_file():
            raise OptionError(f"{path}: no such file; run `python experiments {self.name}`")
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
        if tuple(reader.fieldnames or ()) != self.header:
            raise OptionError(f"{path}: has different columns; give another folder")
        return Results(self.name, rows, json.loads((folder / SETTINGS).read_text()))

    @property
    def header(self) -> tuple[str, ...]:
        """All columns of the file."""
        return (*self.keys, *self.columns, "seconds")


def pair_units(bench: Bench) -> list[Unit]:
    """A unit for each of the pairs of pictures that the settings ask for."""
    pairs = range(len(bench.looks(bench.settings.pairs, bench.settings.size)))
    return [Unit({"pair": pair}) for pair in pairs]


def run(
    experiment: Experiment,
    bench: Bench,
    folder: Path,
    *,
    minutes: float | None = None,
    say: Callable[[str], object] = print,
) -> Results | None:
    """Do the units that are left to do, as far as the time goes.

    A unit's rows are added to the file when it is through. One that the end of the time cuts off
    leaves none; where it is a training run or an optimization with a checkpoint in the work folder,
    the next call goes on from there.

    Args:
        experiment: what.
        bench: its settings and pictures.
        folder: of the rows; made if it is missing.
        minutes: time for this call; None: as long as it takes.
        say: gets a line a unit.

    Returns:
        All rows in the folder, or None where no unit is through.

    Raises:
        OptionError: if the folder's rows were made with other settings.
    """
    end = None if minutes is None else time.monotonic() + 60 * minutes
    folder.mkdir(parents=True, exist_ok=True)
    bench.work.mkdir(parents=True, exist_ok=True)
    units = experiment.units(bench)
    _check(folder, bench.record(judged=experiment.judged) | {"units": len(units)})
    path = folder / ROWS
    done: set[tuple[str, ...]] = set()
    if path.exists():
        rows = experiment.read(folder).rows
        done = {tuple(row[key] for key in experiment.keys) for row in rows}
    todo = [unit for unit in units if unit.cells not in done]
    for number, unit in enumerate(todo):
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            say(f"{experiment.name}: the time is up, {len(todo) - number} units are left")
            break
        begin = time.monotonic()
        rows = []
        with cut_after(left) as cut:
            rows = list(experiment.measure(unit, bench))
        seconds = time.monotonic() - begin
        if cut.is_set() and not rows:
            say(f"{experiment.name} {unit.name}: stopped, the time is up; run again to resume")
            break
        _append(experiment, path, unit, rows, seconds)
        say(f"{experiment.name} {unit.name}: {seconds:.1f} s")
    if not path.exists():
        return None
    if experiment.pictures is not None:
        experiment.pictures(bench, folder)
    return experiment.read(folder)


@contextmanager
def cut_after(seconds: float | None) -> Iterator[threading.Event]:
    """Interrupt the work within after a time, as Ctrl-C does; a training run keeps its checkpoint.

    The event is set if that was what ended it; an interrupt by the user goes on outward.
    """
    cut = threading.Event()
    if seconds is None:
        yield cut
        return

    def interrupt() -> None:
        cut.set()
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        try:
            yield cut
        finally:
            timer.cancel()
            timer.join()
    except KeyboardInterrupt:
        if not cut.is_set():
            raise
    finally:
        signal.signal(signal.SIGINT, before)


def _append(
    experiment: Experiment, path: Path, unit: Unit, rows: Sequence[Row], seconds: float
) -> None:
    """Write the rows of a unit in one piece; the time stands in the first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if not path.exists():
        writer.writerow(experiment.header)
    for i, row in enumerate(rows):
        cells = [_text(row[c]) if c in row else "" for c in experiment.columns]
        writer.writerow([*unit.cells, *cells, _text(seconds) if i == 0 else ""])
    before = path.read_bytes() if path.exists() else b""
    write_whole(path, before + buffer.getvalue().encode(), overwrite=True)


def _text(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _check(folder: Path, about: dict[str, Any]) -> None:
    """Keep what the rows depend on; ``OptionError`` where there are rows that depend on others."""
    path = folder / SETTINGS
    if (folder / ROWS).exists() and path.exists():
        before, now = (_fixed(each) for each in (json.loads(path.read_text()), _as_read(about)))
        for name in before | now:
            if before.get(name) != now.get(name):
                raise OptionError(
                    f"{folder}: was made with {name} = {before.get(name)}, not {now.get(name)}; "
                    "use the same options, or give another folder"
                )
    write_whole(path, (json.dumps(about, indent=1) + "\n").encode(), overwrite=True)


def _digested(file: Path) -> str:
    """Name and digest of a file of weights."""
    return f"{file.name} ({hashlib.sha256(file.read_bytes()).hexdigest()[:8]})"


def _names(folders: Mapping[str, float]) -> list[str]:
    """Names of folders, with their shares where these differ."""
    even = len(set(folders.values())) == 1
    return [Path(each).name + ("" if even else f" {share:g}") for each, share in folders.items()]


def _as_read(about: dict[str, Any]) -> dict[str, Any]:
    """Facts as they come back from their file."""
    found: dict[str, Any] = json.loads(json.dumps(about))
    return found


def _fixed(about: dict[str, Any]) -> dict[str, Any]:
    """Facts that may not change in a folder."""
    settings = {k: v for k, v in about["settings"].items() if k not in GROWING}
    return {**about, "settings": settings, "units": None}


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: int = 1) -> str:
    """A table in Markdown; the columns after the first ``text_columns`` are set to the right."""
    marks = ["---" if i < text_columns else "---:" for i in range(len(head))]
    lines = [head, marks, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mean_of(values: Sequence[float], digits: int = 2) -> str:
    """The mean of values with its interval, as text."""
    if not values:
        return ""
    text = f"{sum(values) / len(values):.{digits}f}"
    found = mean_interval(values)
    return text if found is None else f"{text} [{found[0]:.{digits}f}, {found[1]:.{digits}f}]"


def gap_of(one: Sequence[float], other: Sequence[float], digits: int = 2) -> str:
    """The mean of ``one - other``, pair by pair, with its interval; a star where 0 is outside."""
    differences = [a - b for a, b in zip(one, other, strict=True)]
    if not differences:
        return ""
    text = f"{sum(differences) / len(differences):+.{digits}f}"
    found = mean_interval(differences)
    if found is None:
        return text
    sure = " *" if found[0] > 0 or found[1] < 0 else ""
    return f"{text} [{found[0]:+.{digits}f}, {found[1]:+.{digits}f}]{sure}"
