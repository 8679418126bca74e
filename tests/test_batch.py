"""The loop over jobs: what is read, encoded and written how often, and what a failure stops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import open_variant, picture
from numpy.typing import NDArray
from test_controls import Counting

from impasto.batch.outputs import Job
from impasto.batch.run import Outcome, Tally, run
from impasto.errors import ImageError, OptionError
from impasto.images.photo import Photo, read_photo
from impasto.models import Bundle
from impasto.stylizer import Stylizer

PHOTOS = {name: picture(40, 52, seed=seed) for seed, name in enumerate(["a.png", "b.png"])}
PICTURES = {name: picture(32, 32, seed=seed) for seed, name in enumerate(["s.png", "t.png"], 5)}


class Studio:
    """Reads photographs and keeps results, in memory, and notes the order of it all."""

    def __init__(self, bundle: Bundle) -> None:
        tiny = open_variant(bundle, ("onnxruntime", "fp32"))
        self.engine = Counting(tiny.engine)
        self.model = Stylizer(card=tiny.card, engine=self.engine, identity=tiny.identity)
        self.log: list[str] = []
        self.results: dict[str, NDArray[np.float32]] = {}
        self.errors: dict[str, BaseException] = {}

    def read(self, source: str) -> Photo:
        self.log.append(f"read {source}")
        if source in self.errors:
            raise self.errors[source]
        return read_photo(PHOTOS[source])

    def write(self, photo: Photo, image: NDArray[np.float32], job: Job) -> None:
        self.log.append(f"write {job.target}")
        if str(job.target) in self.errors:
            raise self.errors[str(job.target)]
        self.results[str(job.target)] = image

    def run(self, groups: list[list[Job]], styles: Any = None, **options: Any) -> list[Outcome]:
        def start(job: Job) -> None:
            self.log.append(f"start {job.target}")

        return list(
            run(
                self.model,
                groups,
                styles or {name: self.model.style(image) for name, image in PICTURES.items()},
                read=self.read,
                write=self.write,
                start=start,
                options=options,
            )
        )


@pytest.fixture
def studio(tiny_bundle: Bundle) -> Studio:
    return Studio(tiny_bundle)


def pairs(*done: str) -> list[list[Job]]:
    return [
        [
            Job(photo, Path(f"{photo[0]}-{style[0]}"), (style,), f"{photo[0]}-{style[0]}" in done)
            for style in PICTURES
        ]
        for photo in PHOTOS
    ]


def test_each_picture_is_encoded_once_and_written_at_once(studio: Studio):
    outcomes = studio.run(pairs(), alpha=0.7)
    assert (studio.engine.encoded, len(studio.engine.shapes)) == (4, 4)
    assert [str(job.target) for each in outcomes for job in each.jobs] == list(studio.results)
    assert all(each.seconds and not each.problem for each in outcomes)
    assert studio.log[:6] == [
        "start a-s", "read a.png", "start a-s", "write a-s", "start a-t", "write a-t",
    ]  # fmt: skip
    for photo, image in PHOTOS.items():
        for style, look in PICTURES.items():
            wanted = studio.model.paint(image, studio.model.style(look), alpha=0.7)
            np.testing.assert_array_equal(studio.results[f"{photo[0]}-{style[0]}"], wanted.image)


@pytest.mark.parametrize("color", ["monge-kantorovich", "luminance", "only"])
def test_colors_are_matched_for_each_photograph(studio: Studio, color: str):
    photos = {name: read_photo(image) for name, image in PICTURES.items()}
    studio.run(pairs(), photos, color=color)
    assert len(studio.results) == 4
    encoded = studio.engine.encoded
    assert encoded == (0 if color == "only" else 2 + 4)
    for photo, image in PHOTOS.items():
        for style, look in photos.items():
            wanted = studio.model.paint(image, look, color=color).image
            np.testing.assert_array_equal(studio.results[f"{photo[0]}-{style[0]}"], wanted)


def test_what_is_done_is_not_read(studio: Studio):
    outcomes = studio.run(pairs("a-s", "a-t", "b-s"))
    assert studio.log == ["start b-t", "read b.png", "start b-t", "write b-t"]
    skipped = [tuple(str(job.target) for job in each.jobs) for each in outcomes if not each.seconds]
    assert skipped == [("a-s", "a-t"), ("b-s",)]


def test_a_mixture_of_styles_is_one_picture(studio: Studio):
    job = Job("a.png", Path("mixed"), tuple(PICTURES))
    studio.run([[job]], weights=(2, 1))
    styles = [studio.model.style(look) for look in PICTURES.values()]
    wanted = studio.model.paint(PHOTOS["a.png"], styles, weights=(2, 1)).image
    np.testing.assert_array_equal(studio.results["mixed"], wanted)


def test_failures_are_told_and_the_others_done(studio: Studio):
    styles = {"s.png": studio.model.style(PICTURES["s.png"]), "t.png": "t.png: is no style"}
    studio.errors["a.png"] = ImageError("a.png: is damaged")
    outcomes = studio.run(pairs(), styles)
    assert [(len(each.jobs), each.problem) for each in outcomes] == [
        (1, "t.png: is no style"),
        (1, "a.png: is damaged"),
        (1, "t.png: is no style"),
        (1, ""),
    ]
    assert list(studio.results) == ["b-s"]


def test_a_photograph_fails_once_for_all_its_pictures(studio: Studio):
    studio.errors = {"a.png": MemoryError(), "b-s": OSError(28, "No space left on device")}
    outcomes = studio.run(pairs())
    first, second, third = outcomes
    assert (len(first.jobs), first.problem.split(":")[0]) == (2, "a.png")
    assert "not enough memory" in first.problem
    assert second.problem == "b.png: No space left on device"
    assert third.seconds and list(studio.results) == ["b-t"]


@pytest.mark.parametrize("error", [OptionError("alpha"), BrokenPipeError(), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["a.png", "a-s"])
def test_what_the_next_would_raise_too_stops(studio: Studio, error: BaseException, where: str):
    studio.errors[where] = error
    with pytest.raises(type(error)):
        studio.run(pairs())
    assert not studio.results


def test_a_bad_option_stops_at_once(studio: Studio):
    with pytest.raises(OptionError, match="alpha must be"):
        studio.run(pairs(), alpha=3)
    assert not studio.results


def test_tally():
    jobs = tuple(jobs[0] for jobs in pairs())
    tally = Tally()
    assert not tally.add(Outcome(jobs))
    assert not tally.add(Outcome(jobs[:1], (0.1, 0.1, 0.1)))
    assert tally.summary(2) == ["1 painted, 2 skipped in 2.0 s"]
    assert tally.add(Outcome(jobs, problem="a.png: bad"))
    assert not tally.add(Outcome(jobs[:1], problem="a.png: bad"))
    assert tally.add_problem("t.png: no style")
    assert not tally.add_problem("t.png: no style", 1)
    assert tally.failed == 4
    assert tally.summary(3661.04) == [
        "1 painted, 2 skipped, 4 failed in 3661.0 s",
        "  a.png: bad (3 pictures)",
        "  t.png: no style",
    ]
