"""Files beside the pictures: the origin of a data set (``dataset.json``), and its manifest.

The manifest has a line for each result and each failure. While the data set is made, lines are
appended chunk by chunk, and synced; a partial line that a killed call has left is removed by the
next one. (On a remote file system they are collected: :mod:`impasto.dataset.remote`.) At the end
the lines are sorted by the names of their sources, so they do not depend on the order in which the
pictures were painted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from impasto.dataset.places import Given, Place, as_place
from impasto.dataset.work import COPIED, DONE, FAILED, SHARD, SKIPPED, Outcome
from impasto.errors import DatasetError, one_line

ABOUT, MANIFEST = "dataset.json", "manifest.jsonl"
"""Names of both files."""

MARKS = ".impasto-marks"
"""The folder of the marks of workers, which exists only while they work."""

_FORMAT = 1

# Facts in ``dataset.json`` that may differ between calls.
_FREE = ("impasto", "finished")


@dataclass
class Totals:
    """Numbers of lines of a manifest, by status.

    Attributes:
        counts: number of lines of each; ``in`` is the number of pictures to paint.
        problems: failures, each with its reason, in the order of names.
        unpainted: failures of files other than pictures.
    """

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("in", DONE, FAILED, SKIPPED, COPIED), 0)
    )
    problems: list[str] = field(default_factory=list)
    unpainted: int = 0

    def add(self, line: Mapping[str, Any], named: int) -> None:
        """Count a line; keep its problem if there are fewer than ``named``."""
        status = line["status"]
        if status != SHARD:
            self.counts[status] += 1
            self.counts["in"] += status != COPIED
            self.unpainted += status == FAILED and "style" not in line
        if "problem" in line and len(self.problems) < named:
            self.problems.append(f"{line['source']}: {line['problem']}")


class Manifest:
    """The manifest of a data set that is being made; it must be closed.

    Args:
        place: folder of the data set; made if it is missing.
        about: what it is made from, by name. A data set made from anything else is not resumed.
        common: facts that every line has: seed and model.

    Attributes:
        place: as given.
        marks: the folder for marks of workers.

    Raises:
        DatasetError: if the folder has other content, or another call is at work in it, or it
            cannot be written.
    """

    def __init__(self, place: Place, about: Mapping[str, Any], common: Mapping[str, Any]) -> None:
        self.place, self._common = place, dict(common)
        self._about = {"format": _FORMAT, **about}
        self._held = ExitStack()
        try:
            place.make()
            marks = self._held.enter_context(place.working(MANIFEST, MARKS))
            if marks is None:
                raise DatasetError(
                    f"{one_line(place)}: another run is writing there; wait for it, or give "
                    "another folder with -o"
                )
            self.marks = marks
            self._check()
            write_about(place, self._about)
            shutil.rmtree(self.marks, ignore_errors=True)
            self.marks.mkdir()
            self._log = place.log(MANIFEST)
        except (OSError, ValueError) as error:
            self._held.close()
            raise DatasetError(
                f"{one_line(place)}: cannot be written ({one_line(error)})"
            ) from error
        except BaseException:
            self._held.close()
            raise

    def lines(self) -> Iterator[dict[str, Any]]:
        """Read what earlier calls have written, line by line."""
        try:
            with self._log.reading() as file:
                yield from _parsed(file, self.place)
        except OSError as error:
            raise _unreadable(self.place, error) from error

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Write the outcomes of a chunk, so that they survive the end of this process.

        Raises:
            DatasetError: if they cannot be written.
        """
        lines = b"".join(_line(each, self._common) for each in outcomes)
        try:
            self._log.add(lines)
        except OSError as error:
            raise DatasetError(
                f"{one_line(self.place.shown(MANIFEST))}: cannot be written ({one_line(error)}); "
                "run the same command again to resume"
            ) from error

    def finish(self, named: int) -> Totals:
        """Sort the lines, keep the last one of each result, and mark the data set as finished.

        Args:
            named: number of failures whose lines are returned; the others are only counted.
        """
        places: dict[tuple[str, int], int] = {}
        totals = Totals()
        with self._log.reading() as file:
            place = 0
            for line in file:
                about = json.loads(line)
                places[about["source"], about.get("copy", 0)] = place
                place += len(line)
            with self._log.ordered() as ordered:
                for key in sorted(places):
                    file.seek(places[key])
                    line = file.readline()
                    totals.add(json.loads(line), named)
                    ordered.write(line)
        write_about(self.place, {**self._about, "finished": totals.counts})
        return totals

    def close(self) -> None:
        """Release the folder, and remove the marks."""
        self._log.close()
        shutil.rmtree(self.marks, ignore_errors=True)
        self._held.close()

    def _check(self) -> None:
        """Refuse a folder with other content, and a data set that was made from something else."""
        found = read_about(self.place)
        if not found:
            if self.place.is_used():
                raise DatasetError(
                    f"{one_line(self.place)}: contains other files; give a new or empty folder "
                    "with -o"
                )
            return
        for name, wanted in self._about.items():
            if name not in _FREE and found.get(name) != json.loads(json.dumps(wanted)):
                if not any(True for _ in read_lines(self.place)):
                    return  # nothing was made from it
                article = "other" if name.endswith("s") else "another"
                raise DatasetError(
                    f"{one_line(self.place)}: was started with {article} {name} "
                    f"({_shown(found.get(name))}, now {_shown(wanted)}): give the same options to "
                    "resume, or another folder with -o"
                )


def read_lines(folder: Given) -> Iterator[dict[str, Any]]:
    """Read the complete lines of the manifest of a data set.

    Args:
        folder: folder of the data set.

    Raises:
        DatasetError: if it cannot be read.

    Example:
        >>> [line["style"] for line in read_lines("painted")]                # doctest: +SKIP
        ['monet-waterlilies', 'munch-scream']
    """
    place = as_place(folder)
    try:
        with place.lines(MANIFEST) as file:
            yield from _parsed(file, place)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(place, error) from error


def _parsed(file: BinaryIO, place: Place) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            return
        try:
            found = json.loads(line)
            found["source"], found["status"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{one_line(place.shown(MANIFEST))}: line {number} is damaged ({one_line(error)})"
            ) from error
        yield found


def _unreadable(place: Place, error: OSError) -> DatasetError:
    return DatasetError(f"{one_line(place.shown(MANIFEST))}: cannot be read ({one_line(error)})")


def read_about(folder: Given) -> dict[str, Any]:
    """Read what a data set is made from; {} if the folder is not a data set.

    Raises:
        DatasetError: if the file is damaged.

    Example:
        >>> read_about("no such folder")
        {}
    """
    place = as_place(folder)
    try:
        found = json.loads(place.read(ABOUT).decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{one_line(place.shown(ABOUT))}: cannot be read ({one_line(error)})"
        ) from error
    return found if isinstance(found, dict) and found.get("format") == _FORMAT else {}


def write_about(place: Place, about: Mapping[str, Any]) -> None:
    """Write what a data set is made from."""
    text = json.dumps(about, indent=1, ensure_ascii=True) + "\n"
    place.write(ABOUT, text.encode())


def is_kept(line: Mapping[str, Any]) -> bool:
    """Return True for a line of a result, False for one of a failure.

    Example:
        >>> is_kept({"status": "failed"})
        False
    """
    return line["status"] in (DONE, COPIED, SHARD)


def _line(outcome: Outcome, common: Mapping[str, Any]) -> bytes:
    about: dict[str, Any] = {"source": outcome.source, "status": outcome.status}
    if outcome.result:
        about["result"] = outcome.result
    if outcome.copy:
        about["copy"] = outcome.copy
    if outcome.style:
        about |= {"style": outcome.style, "alpha": outcome.alpha, **common}
    if is_kept(about):
        about |= {"size": outcome.size, "sha256": outcome.sha256}
    if outcome.problem:
        about["problem"] = outcome.problem
    return json.dumps(about).encode() + b"\n"


def _shown(value: Any) -> str:
    text = one_line(json.dumps(value) if not isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:59] + "…"
