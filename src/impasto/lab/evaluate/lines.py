"""Columns of a report and its file of measurements, one line per model, size and pair."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from impasto.errors import OptionError
from impasto.images.files import write_whole
from impasto.lab.evaluate.pairs import Pair
from impasto.lab.evaluate.weave import PERIODS
from impasto.lab.losses import STYLE_LAYERS


@dataclass(frozen=True)
class Metric:
    """A column.

    Attributes:
        name: of the column.
        unit: in words; empty for a plain ratio.
        better: the better direction: ``lower`` or ``higher``.
        versus: how two means are compared: as a ``ratio``, or as a ``difference`` where 0 has no
            meaning or is common.
        digits: decimals in the readable table.
        meaning: a line of text.
        by_layer: one of several columns that another one summarizes; left out of the readable
            table.
    """

    name: str
    unit: str
    better: Literal["lower", "higher"]
    versus: Literal["ratio", "difference"]
    digits: int
    meaning: str
    by_layer: bool = False


def _layers(name: str, unit: str, meaning: str) -> tuple[Metric, ...]:
    return tuple(
        Metric(f"{name}_{layer}", unit, "lower", "ratio", 3, f"{meaning} {layer}", by_layer=True)
        for layer in STYLE_LAYERS
    )


METRICS: tuple[Metric, ...] = (
    Metric("content", "mean square", "lower", "ratio", 3, "relu4_1 against the AdaIN target"),
    Metric("content_kept", "mean square", "lower", "ratio", 3, "relu4_1 against the content's own"),
    Metric("content_norm", "2-norm", "lower", "ratio", 1, "content, eq. 12 as printed"),
    Metric("style", "mean square", "lower", "ratio", 3, "mean and deviation, four layers summed"),
    *_layers("style", "mean square", "mean and deviation at"),
    Metric("style_paper", "sum of squares", "lower", "ratio", 1, "style, summed over channels"),
    Metric("style_norm", "2-norm", "lower", "ratio", 2, "style, eq. 13 as printed"),
    Metric("gram", "", "lower", "ratio", 3, "relative distance of Gram matrices, mean of layers"),
    *_layers("gram", "", "relative distance of Gram matrices at"),
    Metric("wasserstein", "features", "lower", "ratio", 3, "sliced Wasserstein, mean of layers"),
    *_layers("wasserstein", "features", "sliced Wasserstein at"),
    Metric("colors", "Lab", "lower", "ratio", 2, "colors to the style's, sliced Wasserstein"),
    Metric("ssim", "", "higher", "difference", 3, "structural similarity with the content"),
    Metric("edges", "", "higher", "difference", 3, "gradient similarity with the content"),
    Metric("identity_psnr", "dB", "higher", "difference", 2, "alpha = 0 by the network alone"),
    Metric("clipped", "share", "lower", "difference", 4, "pixels that clipping changes"),
    Metric("checkerboard", "dB", "lower", "difference", 2, "highest frequencies over content's"),
    *(
        Metric(f"weave_{p}", "dB", "lower", "difference", 2, f"lines every {p} px, smooth places")
        for p in PERIODS
    ),
    Metric("seconds", "s", "lower", "ratio", 3, "to paint it, including reading its style"),
    Metric("lpips", "", "lower", "difference", 3, "LPIPS with the content (weights of the user)"),
)

COLUMNS: tuple[str, ...] = tuple(metric.name for metric in METRICS)


@dataclass(frozen=True)
class Criterion:
    """Required advantage of a model over the reference, on the same pairs.

    Attributes:
        metric: a column.
        least: the reference's mean divided by the model's must exceed this; for a column compared
            by difference, the model's mean minus the reference's.
        strict: whether being equal fails.
    """

    metric: str
    least: float
    strict: bool


BAR: tuple[Criterion, ...] = (
    Criterion("content", 1.0, strict=True),
    Criterion("style", 1.0, strict=True),
    Criterion("ssim", 0.05, strict=False),
    Criterion("wasserstein", 1.0, strict=False),
)
"""Better than the reference: closer to the target and to the style, sharper, and not only by the
training loss."""

BADNESS: tuple[str, ...] = ("content", "style", "wasserstein")
"""Columns that, with SSIM, decide the worst pairs: see ``report.badness``."""


def metric(name: str) -> Metric:
    """Return the row of a column."""
    return next(row for row in METRICS if row.name == name)


LINES, SETTINGS = "pairs.csv", "settings.json"
TABLES = ("summary.csv", "summary.md", "folders.csv")
FORMAT = 1
"""Version of the lines and of the meaning of their numbers: raised when a metric changes."""

_KEYS = ("model", "identity", "size", "content_file", "style_file")

Key: TypeAlias = tuple[str, str, int, str, str]


@dataclass(frozen=True)
class Line:
    """Measurements of one picture.

    Attributes:
        model: label of the model.
        identity: of its bundle, 16 hexadecimal digits; empty for the photograph itself.
        size: side of the square in pixels.
        pair: the files.
        values: by column of ``table.METRICS``; columns that were not requested are missing.
    """

    model: str
    identity: str
    size: int
    pair: Pair
    values: Mapping[str, float]

    @property
    def place(self) -> tuple[int, Pair]:
        """Size and pair."""
        return self.size, self.pair

    @property
    def key(self) -> Key:
        """Key by which a line is unique."""
        return key_of(self.model, self.identity, self.size, self.pair)


def key_of(model: str, identity: str, size: int, pair: Pair) -> Key:
    """Return the key of a line that is not measured yet."""
    return (model, identity, size, str(pair.content), str(pair.style))


class LineFile:
    """``pairs.csv`` in a folder: read at once, appended to line by line.

    A line truncated by an interruption is removed first, so the file is valid after any
    interruption.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Open or create the file; settings that its lines do not depend on yet may be left out.

        Raises:
            OptionError: if the folder's lines were made with other settings, so that the numbers do
                not belong in one table, or if a report would overwrite unrelated files.
        """
        self.folder, self.path = folder, folder / LINES
        if not self.path.exists():
            _check_free(folder)
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"format": FORMAT, **settings}
        _check_settings(folder / SETTINGS, settings, fresh=not self.path.exists())
        self.lines: dict[Key, Line] = {}
        header = ",".join((*_KEYS, *COLUMNS))
        if self.path.exists():
            text = self.path.read_text(encoding="utf-8", errors="replace")
            whole = text[: text.rfind("\n") + 1]
            if whole and whole.split("\n", 1)[0].strip() != header:
                raise OptionError(f"{self.path}: has different columns; give another folder")
            if whole != text:
                write_whole(self.path, whole.encode(), overwrite=True)
            self.lines = {line.key: line for line in _read(whole)}
        if not self.path.exists() or not self.path.stat().st_size:
            write_whole(self.path, f"{header}\n".encode(), overwrite=True)

    def add(self, lines: Iterable[Line]) -> None:
        """Append lines in one write."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        rounded = []
        for line in lines:
            fields = [_text(line.values.get(column)) for column in COLUMNS]
            key = (line.model, line.identity, line.size, line.pair.content, line.pair.style)
            writer.writerow([*key, *fields])
            values = {c: float(f) for c, f in zip(COLUMNS, fields, strict=True) if f}
            rounded.append(Line(line.model, line.identity, line.size, line.pair, values))
        with self.path.open("ab") as file:
            file.write(buffer.getvalue().encode())
        # As in the file, so that an interrupted and resumed run gives the same tables.
        self.lines |= {line.key: line for line in rounded}


def read_lines(folder: Path) -> list[Line]:
    """Return the complete lines of a report; none where there is no report."""
    try:
        text = (folder / LINES).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return list(_read(text[: text.rfind("\n") + 1]))


def _read(text: str) -> Iterator[Line]:
    for row in csv.DictReader(io.StringIO(text)):
        yield Line(
            model=row["model"],
            identity=row["identity"],
            size=int(row["size"]),
            pair=Pair(Path(row["content_file"]), Path(row["style_file"])),
            values={column: float(row[column]) for column in COLUMNS if row.get(column)},
        )


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _check_free(folder: Path) -> None:
    for path in sorted(folder / name for name in (SETTINGS, *TABLES)):
        if path.exists():
            raise OptionError(
                f"{path}: does not belong to a report that can be resumed (there is no {LINES}) "
                "and would be overwritten; give another folder"
            )


def _check_settings(path: Path, settings: dict[str, Any], *, fresh: bool) -> None:
    if not fresh and path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise OptionError(f"{path}: is damaged; give another folder") from error
        for name, value in settings.items():
            if name in before and before[name] != value:
                raise OptionError(
                    f"{path.parent}: was measured with {name} = {before.get(name)!r}, not "
                    f"{value!r}; one table cannot mix both: give another folder or the same "
                    "options"
                )
        if before.keys() >= settings.keys():
            return
        settings = before | settings
    write_whole(path, (json.dumps(settings, indent=1) + "\n").encode(), overwrite=True)
