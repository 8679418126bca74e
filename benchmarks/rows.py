"""A file of rows (CSV) with the measurements of benchmarks, for tables in the docs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from impasto.errors import OptionError
from impasto.images.files import write_whole


class RowFile:
    """Stored rows: existing ones need not be measured again.

    Args:
        path: the file, created with the first rows; None stores nothing.
        columns: of all rows.

    Raises:
        OptionError: if the file has other columns.
    """

    def __init__(self, path: Path | None, columns: Sequence[str]) -> None:
        self.path, self.columns = path, list(columns)
        self.rows: list[dict[str, str]] = []
        if path is None or not path.exists():
            return
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            self.rows = list(reader)
        if reader.fieldnames != self.columns:
            raise OptionError(f"{path}: has different columns; give another file")

    def has(self, **cells: object) -> bool:
        """Return True if there is a row with these cells."""
        return any(all(row[k] == str(v) for k, v in cells.items()) for row in self.rows)

    def add(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Append rows to the existing ones."""
        if self.path is None:
            return
        self.rows += [{column: str(row[column]) for column in self.columns} for row in rows]
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, buffer.getvalue().encode(), overwrite=True)
