"""The file of measurements: one line a model, size and pair, added as it is made."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from impasto.errors import OptionError
from impasto.images.files import write_whole
from impasto.lab.evaluate.pairs import Pair
from impasto.lab.evaluate.table import COLUMNS

LINES, SETTINGS = "pairs.csv", "settings.json"
FORMAT = 1
"""Of the lines and of what their numbers mean: raised when a metric changes."""

_KEYS = ("model", "identity", "size", "content_file", "style_file")

Key: TypeAlias = tuple[str, str, int, str, str]


@dataclass(frozen=True)
class Line:
    """What was measured of one picture.

    Attributes:
        model: label of the model.
        identity: of its bundle, 16 hexadecimal digits; empty for the photograph itself.
        size: side of the square in pixels.
        pair: the files.
        values: by column of ``table.METRICS``; what was not asked for is not there.
    """

    model: str
    identity: str
    size: int
    pair: Pair
    values: Mapping[str, float]

    @property
    def key(self) -> Key:
        """What there is only one line of."""
        return key_of(self.model, self.identity, self.size, self.pair)


def key_of(model: str, identity: str, size: int, pair: Pair) -> Key:
    """The key of a line that is not made yet."""
    return (model, identity, size, str(pair.content), str(pair.style))


class LineFile:
    """``pairs.csv`` in a folder: read at once, added to line by line.

    A line that a sudden end cut off is taken away first, so the file is valid whenever it is left.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Open or begin the file.

        Raises:
            OptionError: if the folder's lines were made with other settings, whose numbers must not
                stand in one table with these.
        """
        self.path = folder / LINES
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"format": FORMAT, **settings}
        _check_settings(folder / SETTINGS, settings, fresh=not self.path.exists())
        self.lines: dict[Key, Line] = {}
        header = ",".join((*_KEYS, *COLUMNS))
        if self.path.exists():
            text = self.path.read_text(encoding="utf-8", errors="replace")
            whole = text[: text.rfind("\n") + 1]
            if whole and whole.split("\n", 1)[0].strip() != header:
                raise OptionError(f"{self.path}: has other columns; give another folder")
            if whole != text:
                write_whole(self.path, whole.encode(), overwrite=True)
            self.lines = {line.key: line for line in _read(whole)}
        if not self.path.exists() or not self.path.stat().st_size:
            write_whole(self.path, f"{header}\n".encode(), overwrite=True)

    def add(self, lines: Iterable[Line]) -> None:
        """Write lines at the end, in one piece."""
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
        # As they are in the file, so that a run in parts ends with the same tables.
        self.lines |= {line.key: line for line in rounded}


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


def _check_settings(path: Path, settings: Mapping[str, Any], *, fresh: bool) -> None:
    if not fresh and path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise OptionError(f"{path}: damaged ({error}); give another folder") from error
        for name, value in settings.items():
            if before.get(name) != value:
                raise OptionError(
                    f"{path.parent}: was measured with {name} = {before.get(name)!r}, not "
                    f"{value!r}; numbers made in two ways do not belong in one table: give "
                    "another folder, or the same options"
                )
        return
    write_whole(path, (json.dumps(settings, indent=1) + "\n").encode(), overwrite=True)
