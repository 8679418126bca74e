"""The loop over jobs: what is read, encoded and written how often, and what a failure stops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import open_variant, picture
from numpy.typing import NDArray
from PIL import Image
from test_controls import Counting

from impasto.batch import run as batch
from impasto.batch.outputs import Job
from impasto.batch.run import Outcome, Tally, run
from impasto.controls import Controls
from impasto.errors import ImageError, ImpastoError, OptionError
from impasto.images.photo import read_photo
from impasto.images.sources import open_picture
from impasto.models import Bundle
from impasto.stylizer import Stylizer, Written, stylizer_of

PHOTOS = {name: picture(40, 52, seed=seed) for seed, name in enumerate(["a.png", "b.png"])}
PICTURES = {name: picture(32, 32, seed=seed) for seed, name in enumerate(["s.png", "t.png"], 5)}


class Studio(Stylizer):
    """Paints, and notes the order of all that is read and written."""

    def __init__(self, bundle: Bundle) -> None:
        tiny = open_variant(bundle, ("onnxruntime", "fp32"))
        self.counts = Counting(tiny.engine)
        super().__init__(stylizer_of(tiny, self.counts).painter)
        self.log: list[str] = []
        self.errors: dict[str, BaseException] = {}

    def open(self, path: str, **options: Any) -> Any:
        self.log.append(f"read {path}")
        if path in self.errors:
            raise self.errors[path]
        return open_picture(path, **options)

    def write(self, content: Any, picture: Any, target: Any, *rest: Any) -> Written:
        self.log.append(f"write {target}")
        if str(target) in self.errors:
            raise self.errors[str(target)]
        return super().write(content, picture, target, *rest)

    def run(self, groups: list[list[Job]], styles: Any = None, **controls: Any) -> list[Outcome]:
        styles = styles or {name: self.style(image) for name, image in PICTURES.items()}
        outcomes = []
        for event in run(self, groups, styles, Controls(**controls)):
            if isinstance(event, Job):
                self.log.append(f"start {event.target}")
            else:
                outcomes.append(event)
        return outcomes


def results() -> list[str]:
    """The files that were written, in the order in which they were."""
    return [
        path.name for path in sorted(Path().glob("*-*.png"), key=lambda p: p.stat().st_mtime_ns)
    ]


def pixels(name: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(name))


def rounded(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(image * 255).astype(np.uint8)


def shown(name: str) -> NDArray[np.float32]:
    return read_photo(name).image


@pytest.fixture
def studio(tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.chdir(tmp_path)
    for name, image in PHOTOS.items():
        Image.fromarray(rounded(image)).save(name)
    made = Studio(tiny_bundle)
    monkeypatch.setattr(batch, "open_picture", made.open)
    return made


def pairs(*done: str) -> list[list[Job]]:
    return [
        [
            Job(
                photo,
                Path(f"{photo[0]}-{style[0]}.png"),
                styles=(style,),
                done=f"{photo[0]}-{style[0]}.png" in done,
            )
            for style in PICTURES
        ]
        for photo in PHOTOS
    ]


def test_each_picture_is_encoded_once_and_written_at_once(studio: Studio):
    outcomes = studio.run(pairs(), alpha=0.7)
    assert (studio.counts.encoded, len(studio.counts.shapes)) == (4, 4)
    assert [str(job.target) for each in outcomes for job in each.jobs] == results()
    assert all(each.seconds and not each.problem for each in outcomes)
    assert studio.log[:6] == [
        "start a-s.png", "read a.png", "write a-s.png", "start a-t.png", "write a-t.png",
        "start b-s.png",
    ]  # fmt: skip
    for photo in PHOTOS:
        for style, look in PICTURES.items():
            wanted = studio.paint(shown(photo), studio.style(look), Controls(alpha=0.7)).image
            found = pixels(f"{photo[0]}-{style[0]}.png")
            np.testing.assert_array_equal(found, rounded(wanted))


@pytest.mark.parametrize("color", ["monge-kantorovich", "luminance", "only"])
def test_colors_are_matched_for_each_photograph(studio: Studio, color: str):
    photos = {name: read_photo(image) for name, image in PICTURES.items()}
    studio.run(pairs(), photos, color=color)
    assert len(results()) == 4
    encoded = studio.counts.encoded
    assert encoded == (0 if color == "only" else 2 + 4)
    for photo in PHOTOS:
        for style, look in photos.items():
            wanted = studio.paint(shown(photo), look, Controls(color=color)).image
            found = pixels(f"{photo[0]}-{style[0]}.png")
            np.testing.assert_array_equal(found, rounded(wanted))


def test_what_is_done_is_not_read(studio: Studio):
    outcomes = studio.run(pairs("a-s.png", "a-t.png", "b-s.png"))
    assert studio.log == ["start b-t.png", "read b.png", "write b-t.png"]
    skipped = [tuple(str(job.target) for job in each.jobs) for each in outcomes if not each.seconds]
    assert skipped == [("a-s.png", "a-t.png"), ("b-s.png",)]


def test_a_mixture_of_styles_is_one_picture(studio: Studio):
    job = Job("a.png", Path("mixed.png"), styles=tuple(PICTURES))
    studio.run([[job]], weights=(2, 1))
    styles = [studio.style(look) for look in PICTURES.values()]
    wanted = studio.paint(shown("a.png"), styles, Controls(weights=(2, 1))).image
    np.testing.assert_array_equal(pixels("mixed.png"), rounded(wanted))


def test_failures_are_told_and_the_others_done(studio: Studio):
    styles = {
        "s.png": studio.style(PICTURES["s.png"]),
        "t.png": ImpastoError("t.png: is no style"),
    }
    studio.errors["a.png"] = ImageError("a.png: is damaged")
    outcomes = studio.run(pairs(), styles)
    assert [(len(each.jobs), each.problem) for each in outcomes] == [
        (1, "t.png: is no style"),
        (1, "a.png: is damaged"),
        (1, "t.png: is no style"),
        (1, ""),
    ]
    assert results() == ["b-s.png"]


def test_a_photograph_fails_once_for_all_its_pictures(studio: Studio):
    studio.errors = {"a.png": MemoryError(), "b-s.png": OSError(28, "No space left on device")}
    outcomes = studio.run(pairs())
    first, second, third = outcomes
    assert (len(first.jobs), first.problem.split(":")[0]) == (2, "a.png")
    assert "not enough memory" in first.problem
    assert second.problem == "b.png: No space left on device"
    assert third.seconds and results() == ["b-t.png"]


@pytest.mark.parametrize("error", [OptionError("alpha"), BrokenPipeError(), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["a.png", "a-s.png"])
def test_what_the_next_would_raise_too_stops(studio: Studio, error: BaseException, where: str):
    studio.errors[where] = error
    with pytest.raises(type(error)):
        studio.run(pairs())
    assert not results()


def test_a_bad_option_stops_at_once(studio: Studio):
    with pytest.raises(OptionError, match="alpha must be"):
        studio.run(pairs(), alpha=3)
    assert not results()


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
