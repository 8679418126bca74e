"""The parts of a film that is being made: about a second each, safe as soon as they are complete.

They are in the folder ``RESULT.part`` beside the result. A part is a separate film, one closed
group of pictures, so interrupted and uninterrupted films have the same parts. Its record
(``000012.json``) is written last: a part without one is a leftover.
"""

from __future__ import annotations

import json
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import VideoError, one_line
from impasto.images.files import remove_leftovers, whole_file, write_whole
from impasto.video.frames import Frame

_FORMAT = 1
_ABOUT = "film.json"
_STATE = "state-{}.npz"

# Number of frames that wait for the encoder.
_WAITING = 2


@dataclass(frozen=True)
class Part:
    """A complete part.

    Attributes:
        path: path of its film.
        times: times of its frames, in seconds of the source.
        seconds: how long its last frame is shown; None: as long as those before it.
    """

    path: Path
    times: tuple[Fraction, ...]
    seconds: Fraction | None


class PartFolder:
    """The folder of the parts of one film.

    Args:
        target: the result.
        about: what the film is made from, by name: source, styles, options. Parts made from
            anything else are not resumed.
        anew: discard what another call has begun.

    Attributes:
        folder: where the parts are.
        parts: the complete parts.
        is_new: whether no call has begun this film before.

    Raises:
        VideoError: if there are parts that were made from something else, or the folder cannot be
            made.
    """

    def __init__(self, target: Path, about: Mapping[str, str], *, anew: bool = False) -> None:
        self.folder = target.with_name(target.name + ".part")
        self._target = target
        try:
            if self.folder.exists():
                self._check(about, anew)
            self.is_new = not self.folder.exists()
            if not self.folder.exists():
                self.folder.mkdir()
                facts = {"format": _FORMAT, **about}
                text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
                write_whole(self.folder / _ABOUT, text.encode(), overwrite=False)
            remove_leftovers(self.folder)
            self.parts = list(self._whole_parts())
        except (OSError, ValueError) as error:
            raise VideoError(f"{self.folder}: cannot be used ({one_line(error)})") from error

    @property
    def frames(self) -> int:
        """The number of frames that are safe."""
        return sum(len(part.times) for part in self.parts)

    @property
    def until(self) -> Fraction | None:
        """The time of the last frame that is safe; None if there is none."""
        return self.parts[-1].times[-1] if self.parts else None

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state after the last complete part."""
        file = self.folder / _STATE.format(len(self.parts))
        if not file.exists():
            return {}
        with np.load(file, allow_pickle=False) as values:
            return {name: values[name] for name in values.files}

    def path(self, number: int) -> Path:
        """Return the file of a part."""
        return self.folder / f"{number:06d}.mkv"

    def add(
        self,
        times: tuple[Fraction, ...],
        seconds: Fraction | None,
        state: Mapping[str, NDArray[Any]] | None,
    ) -> Part:
        """Record the next part, whose film is written, with the state after it."""
        number = len(self.parts)
        part = Part(self.path(number), times, seconds)
        if state:
            # Directly into the file: for frames of 4K a copy would take hundreds of megabytes.
            with whole_file(self.folder / _STATE.format(number + 1), overwrite=True) as file:
                np.savez(file, allow_pickle=False, **state)
        record = {
            "times": [str(time) for time in times],
            "seconds": None if seconds is None else str(seconds),
        }
        write_whole(self._record(number), json.dumps(record).encode(), overwrite=True)
        (self.folder / _STATE.format(number)).unlink(missing_ok=True)
        self.parts.append(part)
        return part

    def remove(self) -> None:
        """Remove the folder with all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_if_empty(self) -> None:
        """Remove the folder if no part is complete."""
        if not self.parts:
            self.remove()

    def _check(self, about: Mapping[str, str], anew: bool) -> None:
        try:
            found = json.loads((self.folder / _ABOUT).read_text(encoding="utf-8"))
        except FileNotFoundError:
            if any(self.folder.iterdir()):
                raise VideoError(
                    f"{self.folder}: contains other files; move it, or give the result another name"
                ) from None
            found = {}
        facts = {"format": _FORMAT, **about}
        other = [name for name in facts if found.get(name) != facts[name]]
        if not other:
            return
        if anew or not found or not self._record(0).exists():
            self.remove()
            return
        name = other[0]
        raise VideoError(
            f"{self.folder}: holds an unfinished film with different {name} "
            f"({one_line(found.get(name))}, now {one_line(facts[name])}): give the same options to "
            "resume, --overwrite to start over, or another name for the result"
        )

    def _record(self, number: int) -> Path:
        return self.path(number).with_suffix(".json")

    def _whole_parts(self) -> Iterator[Part]:
        number = 0
        while (file := self._record(number)).exists():
            record = json.loads(file.read_text(encoding="utf-8"))
            seconds = record["seconds"]
            yield Part(
                self.path(number),
                tuple(Fraction(text) for text in record["times"]),
                None if seconds is None else Fraction(seconds),
            )
            number += 1


class PartWriter:
    """Encoder of one part in a separate thread, frame by frame as they come.

    Args:
        write: encodes frames into a file: ``write_part`` with its encoding.
        path: path of the part.
    """

    def __init__(self, write: Callable[[Path, Iterator[Frame]], None], path: Path) -> None:
        self._write, self._path = write, path
        self._frames: queue.Queue[Frame | None] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._stopped = False
        self.times: list[Fraction] = []
        self.seconds: Fraction | None = None
        self._thread = threading.Thread(target=self._run, name="impasto-encoder", daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> None:
        """Pass on the next frame; wait while the encoder is behind.

        Raises:
            VideoError: if encoding has failed.
        """
        self._send(frame)
        self.times.append(frame.time)
        self.seconds = frame.seconds

    def close(self) -> None:
        """Signal that this was the last frame, without waiting for the encoder."""
        self._send(None)

    def wait(self) -> None:
        """Wait until the part is written.

        Raises:
            VideoError: if encoding has failed.
        """
        self._thread.join()
        self._tell()

    def stop(self) -> None:
        """Abort the part."""
        self._stopped = True
        with suppress(queue.Empty):
            while True:
                self._frames.get_nowait()
        self._frames.put(None)
        self._thread.join()

    @property
    def is_done(self) -> bool:
        """True if the thread has ended."""
        return not self._thread.is_alive()

    def _send(self, frame: Frame | None) -> None:
        while True:
            self._tell()
            try:
                self._frames.put(frame, timeout=0.2)
            except queue.Full:
                continue
            return

    def _tell(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._write(self._path, iter(self._frames.get, None))
        except BaseException as error:
            if not self._stopped:
                self._error = error
