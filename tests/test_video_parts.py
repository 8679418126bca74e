"""Parts of a film that is being made: what is whole, what is left over, what does not belong."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from impasto.errors import VideoError
from impasto.video.frames import Frame
from impasto.video.parts import PartFolder, PartWriter

ABOUT = {"source": "clip.mp4, 10 bytes", "controls": "alpha=1.0"}
TIMES = (Fraction(0), Fraction(1001, 30000), Fraction(1, 3))


def folder(path: Path, **changes: object) -> PartFolder:
    return PartFolder(path / "out.mp4", ABOUT, **changes)  # type: ignore[arg-type]


def frame(number: int) -> Frame:
    return Frame(np.full((4, 4, 3), number, np.uint8), Fraction(number), seconds=Fraction(1, 2))


def test_parts_are_found_again_with_exact_times_and_state(tmp_path: Path) -> None:
    first = folder(tmp_path)
    state = {"input.shift": np.array([0.1, -3.7]), "input.before": np.eye(3, dtype=np.float32)}
    first.path(0).write_bytes(b"film")
    first.add(TIMES, Fraction(1, 7), {"old": np.zeros(1)})
    first.path(1).write_bytes(b"film")
    first.add((Fraction(2),), None, state)

    again = folder(tmp_path)
    assert [part.times for part in again.parts] == [TIMES, (Fraction(2),)]
    assert [part.seconds for part in again.parts] == [Fraction(1, 7), None]
    assert (again.frames, again.until) == (4, Fraction(2))
    assert {name: values.tolist() for name, values in again.state().items()} == {
        name: values.tolist() for name, values in state.items()
    }
    assert all(again.state()[name].dtype == state[name].dtype for name in state)
    assert len(list(again.folder.glob("state-*"))) == 1  # the older one is not needed


def test_a_part_without_a_record_does_not_count(tmp_path: Path) -> None:
    first = folder(tmp_path)
    first.path(0).write_bytes(b"film")
    first.add(TIMES, None, None)
    first.path(1).write_bytes(b"half a fi")  # killed here
    again = folder(tmp_path)
    assert again.frames == 3
    assert again.state() == {}


def test_another_film_is_not_gone_on_with(tmp_path: Path) -> None:
    first = folder(tmp_path)
    first.path(0).write_bytes(b"film")
    first.add(TIMES, None, None)
    other = {**ABOUT, "controls": "alpha=0.5"}
    with pytest.raises(
        VideoError, match=r"different controls \(alpha=1.0, now alpha=0.5\).*--over"
    ):
        PartFolder(tmp_path / "out.mp4", other)
    assert folder(tmp_path).frames == 3  # nothing is lost
    assert PartFolder(tmp_path / "out.mp4", other, anew=True).frames == 0


def test_nothing_is_lost_where_no_part_is_whole(tmp_path: Path) -> None:
    folder(tmp_path).path(0).write_bytes(b"half a fi")
    other = PartFolder(tmp_path / "out.mp4", {**ABOUT, "controls": "alpha=0.5"})
    assert (other.frames, other.is_new) == (0, True)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    strange = tmp_path / "out.mp4.part"
    strange.mkdir()
    (strange / "diary.txt").write_text("mine")
    for anew in (False, True):
        with pytest.raises(VideoError, match="contains other files"):
            folder(tmp_path, anew=anew)
    assert (strange / "diary.txt").read_text() == "mine"


def test_the_folder_goes_when_it_holds_nothing(tmp_path: Path) -> None:
    empty = folder(tmp_path)
    empty.remove_if_empty()
    assert not empty.folder.exists()


def test_a_writer_takes_frames_in_their_order(tmp_path: Path) -> None:
    seen: list[int] = []

    def write(path: Path, frames: Iterator[Frame]) -> None:
        seen.extend(int(each.image[0, 0, 0]) for each in frames)

    encoder = PartWriter(write, tmp_path / "part")
    for number in range(40):
        encoder.put(frame(number))
    encoder.close()
    encoder.wait()
    assert seen == list(range(40))
    assert encoder.times == [Fraction(number) for number in range(40)]
    assert encoder.seconds == Fraction(1, 2)


def test_the_error_of_a_writer_reaches_who_feeds_it(tmp_path: Path) -> None:
    def write(path: Path, frames: Iterator[Frame]) -> None:
        next(frames)
        raise VideoError("the disk is full")

    encoder = PartWriter(write, tmp_path / "part")
    with pytest.raises(VideoError, match="the disk is full"):
        for number in range(100):
            encoder.put(frame(number))


def test_a_writer_can_be_stopped_in_the_middle(tmp_path: Path) -> None:
    def write(path: Path, frames: Iterator[Frame]) -> None:
        for _ in frames:
            pass

    encoder = PartWriter(write, tmp_path / "part")
    encoder.put(frame(0))
    encoder.stop()
    assert encoder.is_done
