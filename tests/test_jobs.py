"""What the names on the command line mean: which pictures are read, and where results go."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_cli import save

from impasto.batch.inputs import (
    STDIO,
    Input,
    check_single,
    find_contents,
    find_styles,
    split_styles,
)
from impasto.batch.names import style_labels
from impasto.batch.outputs import Job, plan_outputs
from impasto.errors import OptionError
from impasto.images.formats import FORMATS, RAW_SUFFIXES, READ_SUFFIXES
from impasto.styles import library
from impasto.styles.library import add_style
from impasto.styles.style import Style

MODEL = "0" * 16


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, and two styles with names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    monkeypatch.setattr(library, "GALLERY", tmp_path / "no gallery")
    moments = (_moments(),)
    for name in ("monet-lilies", "monet-hay", "hokusai-wave"):
        add_style(Style(name, MODEL, moments), name)
    return tmp_path


def _moments() -> Any:
    from impasto.controls.moments import Moments

    return Moments(np.zeros(2), np.ones(2))


def model() -> str:
    return MODEL


def never() -> str:
    raise AssertionError("the model must not be asked")


def touch(*names: str, data: bytes = b"x") -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)


class Planned:
    """The jobs of a call, a photograph's at a time; worked out anew whenever they are asked for."""

    def __init__(
        self, inputs: Sequence[Input], mixtures: Sequence[Sequence[str]], **options: Any
    ) -> None:
        self.inputs, self.mixtures = inputs, [tuple(styles) for styles in mixtures]
        self.outputs = plan_outputs(self.inputs, self.mixtures, **options)

    def __iter__(self) -> Iterator[tuple[Job, ...]]:
        return self.outputs.jobs(self.inputs, self.mixtures)

    def __len__(self) -> int:
        return len(self.inputs) * len(self.mixtures)


plan = Planned


def targets(made: Planned) -> list[str]:
    return [str(job.target) for jobs in made for job in jobs]


def of(*names: str) -> list[Input]:
    return [(name, "") for name in names]


# --- photographs -----------------------------------------------------------------------------


def test_split_styles():
    assert split_styles(("a", "b"), ()) == (("a",), ("b",))
    assert split_styles(("a", "b"), ("s",)) == (("a", "b"), ("s",))
    assert split_styles(("a",), ("s", "t")) == (("a",), ("s", "t"))
    assert split_styles(("-", "b"), ()) == (("-",), ("b",))
    for contents, styles, others, mend in [
        (("a",), (), (), "impasto stylize a STYLE"),
        (("a", "b", "c"), (), (), "-s STYLE"),
        (("-", "-"), (), (), "only once"),
        (("-", "a"), ("-",), (), "only once"),
        (("a",), ("-",), ("-",), "only once"),
    ]:
        with pytest.raises(OptionError, match=mend):
            split_styles(contents, styles, others=others)


def test_a_folder_is_its_pictures_in_order(folder: Path):
    touch("p/b/2.PNG", "p/b/10.jpg", "p/a.webp", "p/c/d/e.heic", "single.xyz")
    touch("p/notes.txt", "p/.hidden.jpg", "p/.cache/x.jpg", "p/.impasto-0f.partial", "p/Thumbs.db")
    told: list[str] = []
    names = ["p", "single.xyz", "gone.jpg", "-"]
    sources, problems = find_contents(names, out="out", tell=told.append)
    assert told == ["p: 1 file without a picture suffix is skipped: notes.txt"]
    assert sources == (
        ("p/a.webp", "."),
        ("p/b/10.jpg", "b"),
        ("p/b/2.PNG", "b"),
        ("p/c/d/e.heic", "c/d"),
        ("single.xyz", ""),
        ("gone.jpg", ""),
        ("-", ""),
    )
    assert problems == ()


def test_every_format_that_is_read_counts(folder: Path):
    wanted = sorted(f"p/x{suffix}" for suffix in READ_SUFFIXES)
    wanted += sorted(f"p/y{suffix.upper()}" for suffix in READ_SUFFIXES)
    touch(*wanted)
    sources, _ = find_contents(["p/"], out="out", tell=pytest.fail)
    assert sorted(path for path, _ in sources) == sorted(wanted)
    assert len(set(READ_SUFFIXES)) == len(READ_SUFFIXES)
    assert find_styles(["p"], model=model, tell=pytest.fail)[0] == tuple(sorted(wanted))


def test_no_suffix_that_a_codec_knows_is_missing():
    Image.init()
    known = {
        suffix for suffix, name in Image.EXTENSION.items() if name in {r.name for r in FORMATS}
    }
    known |= {".mpo", ".jfif", ".jpe", ".hif", ".dib", ".pnm", ".jpf"}
    assert known - set(READ_SUFFIXES) <= {".pfm"}  # floats, of another format
    assert not set(READ_SUFFIXES) & RAW_SUFFIXES


def test_what_is_not_taken_is_told_once(folder: Path):
    touch("p/a.jpg", "p/b.txt", "p/deep/c.TXT", "p/d", "p/e.mov", "p/f.NEF", "p/.g", "p/h\n.txt")
    touch("p/.DS_Store", "p/desktop.ini", "p/deep/Thumbs.db", "p/__MACOSX/._a.jpg", "other/y.jpg")
    Path("p/link").symlink_to("../other")
    told: list[str] = []
    assert find_contents(["p"], out="p/out", tell=told.append) == ((("p/a.jpg", "."),), ())
    assert told == [
        "p: 5 files without a picture suffix are skipped: b.txt, d, deep/c.TXT, ...; 1 raw "
        "photograph is skipped (export it as TIFF or JPEG): f.NEF",
        "p: 1 link to a folder is not followed: link",
    ]
    told.clear()
    touch("p/out/a.txt")
    find_contents(["p"], out="p/out", tell=told.append)
    assert "a.txt" not in told[0]
    told.clear()
    for names in (["p"], ["p/*"]):
        assert find_styles(names, model=model, tell=told.append)[0] == ("p/a.jpg",)
    assert told[0].startswith("p: 6 files") and told[2].startswith("p/*: 4 files without a picture")


def test_links_to_files_are_followed_and_those_to_folders_not(folder: Path):
    touch("elsewhere/y.jpg", "p/x.jpg")
    Path("p/link.jpg").symlink_to("../elsewhere/y.jpg")
    Path("p/circle").symlink_to("../p")
    sources, _ = find_contents(["p"], out="out")
    assert [path for path, _ in sources] == ["p/link.jpg", "p/x.jpg"]


@pytest.mark.parametrize("out", ["p/painted", "p/deep/painted/", "p/link"])
def test_results_within_the_folder_are_not_read(folder: Path, out: str):
    touch("p/x.jpg", "p/painted/x-wave.jpg", "p/deep/painted/x-wave.jpg")
    Path("p/link").symlink_to("painted")
    sources, _ = find_contents(["p"], out=out)
    others = {"p/painted/x-wave.jpg", "p/deep/painted/x-wave.jpg"}
    found = {path for path, _ in sources}
    assert "p/x.jpg" in found
    assert found & others == others - {str(Path(out).resolve().relative_to(folder) / "x-wave.jpg")}


def test_folders_that_cannot_be(folder: Path):
    touch("p/x.jpg", "text/notes.txt")
    Path("empty").mkdir()
    for names, out, error, mend in [
        (["p"], None, OptionError, "p: is a folder.*-o FOLDER"),
        (["p"], "-", OptionError, "p: is a folder.*-o FOLDER"),
        (["p"], "p", OptionError, "p: is an input, so the results cannot be written there"),
        (["p"], "./text/../p/", OptionError, "give -o another folder"),
    ]:
        with pytest.raises(error, match=mend):
            find_contents(names, out=out)
    sources, problems = find_contents(["empty", "p", "text"], out="out")
    assert sources == (("p/x.jpg", "."),)
    for name, line in zip(["empty", "text"], problems, strict=True):
        assert line.startswith(f"{name}: is a folder without any picture (.jpg, ")


def test_folder_that_may_not_be_looked_into(folder: Path, monkeypatch: pytest.MonkeyPatch):
    touch("p/x.jpg", "p/secret/y.jpg")
    real = os.scandir

    def scandir(path: Any) -> Any:  # who runs the tests may be allowed everything
        if str(path) == "p/secret":
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    sources, problems = find_contents(["p"], out="out")
    assert sources == (("p/x.jpg", "."),)
    assert problems == ("p/secret: cannot be listed (Permission denied)",)


# --- styles ----------------------------------------------------------------------------------


def test_patterns_and_folders_of_styles(folder: Path):
    touch("s/b.png", "s/more/a.jpg", "s/kept.safetensors", "s/notes.txt", "monet-hay/x.png")
    touch("new[1].png", "hokusai-wave.png")
    for names, wanted in [
        (["monet-*"], ["monet-hay", "monet-lilies"]),
        (["monet-?ay", "wave.jpg", "monet-*"], ["monet-hay", "wave.jpg", "monet-lilies"]),
        (["s"], ["s/b.png", "s/kept.safetensors", "s/more/a.jpg"]),
        (["s/*"], ["s/b.png", "s/kept.safetensors"]),
        (["monet-hay"], ["monet-hay"]),  # the style, which goes before a folder
        (["monet-hay/"], ["monet-hay/x.png"]),
        (["new[1].png"], ["new[1].png"]),  # a file that is there
        (["hokusai-wav[e]"], ["hokusai-wave"]),
        (["*.png"], ["hokusai-wave.png", "new[1].png"]),
        (["-", "gone", "-"], ["-", "gone"]),
    ]:
        assert find_styles(names, model=model) == (tuple(wanted), ())
    assert find_styles(["wave.jpg", "s/b.png", "s"], model=model)[0][:2] == ("wave.jpg", "s/b.png")
    assert find_styles(["wave.jpg", "-", "styles/x"], model=never)[0] == (
        "wave.jpg",
        "-",
        "styles/x",
    )


def test_styles_that_cannot_be(folder: Path):
    Path("empty").mkdir()
    styles, problems = find_styles(["manet-*", "monet-hay", "empty"], model=model)
    assert styles == ("monet-hay",)
    assert problems[0].startswith("manet-*: matches no style for this model and no file")
    assert problems[1].startswith("empty: is a folder without any style (.jpg, ")
    check_single(["monet-hay", "wave.jpg", "-", "gone"], model=model)
    for name in ("empty", "monet-*"):
        with pytest.raises(OptionError, match="--all-pairs"):
            check_single(["wave.jpg", name], model=model)


# --- results ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contents", "out", "wanted"),
    [
        (["street.jpg"], None, ["street-wave.jpg"]),
        (["trip/street.JPG"], None, ["trip/street-wave.JPG"]),
        (["old.gif", "scan.bmp"], None, ["old.gif-wave.png", "scan.bmp-wave.png"]),
        (["street.jpg"], "new.png", ["new.png"]),
        (["street.jpg"], "made", ["made/street-wave-2.jpg"]),  # street-wave.jpg is there
        (["street.jpg"], "missing/", ["missing/street-wave.jpg"]),
        (["street.jpg", "harbor.png"], "missing", [
            "missing/street-wave.jpg", "missing/harbor-wave.png"]),
        (["street.jpg", "harbor.png"], "missing.png/", [
            "missing.png/street-wave.jpg", "missing.png/harbor-wave.png"]),
        (["a/x.png", "b/x.png", "a/x.png"], "made", [
            "made/a/x-wave.png", "made/b/x-wave.png", "made/a/x-wave-2.png"]),
        (["x.png", "x-wave.png"], None, ["x-wave-2.png", "x-wave-wave.png"]),
        (["-", "x.png"], "made", ["made/stdin-wave.png", "made/x-wave.png"]),
    ],
)  # fmt: skip
def test_targets(folder: Path, contents: list[str], out: str | None, wanted: list[str]):
    touch("made/street-wave.jpg")
    made = plan(of(*contents), [["wave.png"]], out=out)
    jobs = [job for (job,) in made]
    assert [str(job.target) for job in jobs] == wanted
    assert [job.photo for job in jobs] == contents
    assert {job.styles for job in jobs} == {("wave.png",)} and not any(job.done for job in jobs)
    assert len(made) == len(contents)
    assert not Path("missing").exists() and not Path("missing.png").exists()


def test_sub_folders_are_kept(folder: Path):
    sources = [("p/x.jpg", "."), ("p/a/x.jpg", "a"), ("q/a/x.jpg", "a")]
    made = plan(sources, [["wave.png"]], out="out")
    assert targets(made) == ["out/x-wave.jpg", "out/p/a/x-wave.jpg", "out/q/a/x-wave.jpg"]


def test_all_pairs(folder: Path):
    made = plan(of("x.jpg", "y.png"), [["a/wave.png"], ["b/wave.png"], ["monet-hay"]], out="out")
    assert len(made) == 6
    assert targets(made) == [
        "out/x-a-wave.jpg",
        "out/x-b-wave.jpg",
        "out/x-monet-hay.jpg",
        "out/y-a-wave.png",
        "out/y-b-wave.png",
        "out/y-monet-hay.png",
    ]
    first = next(iter(made))
    assert [job.styles for job in first] == [("a/wave.png",), ("b/wave.png",), ("monet-hay",)]
    alone = plan(of("x.jpg"), [["wave.png"]], out="out", to_folder=True)
    assert targets(alone) == ["out/x-wave.jpg"]


def test_overwriting_spares_what_is_read(folder: Path):
    touch("x.png", "x-wave.png", "y-wave.png", "z.png", "z-wave.png")
    made = plan(
        of("x.png", "x-wave.png", "y.png", "z.png"),
        [["wave.png"]],
        out=None,
        existing="replace",
        others=["z-wave.png"],
    )
    assert targets(made) == ["x-wave-2.png", "x-wave-wave.png", "y-wave.png", "z-wave-2.png"]


def test_what_is_read_is_spared_through_links(folder: Path):
    touch("real/x-wave.png")
    Path("link").symlink_to("real")
    Path("linked-wave.png").symlink_to("real/x-wave.png")
    made = plan(
        of("real/x.png", "linked.png"),
        [["wave.png"]],
        out=None,
        existing="replace",
        others=["link/x-wave.png"],
    )
    assert targets(made) == ["real/x-wave-2.png", "linked-wave-2.png"]


def test_resume_finds_what_is_done_under_the_same_names(folder: Path):
    contents = of("a/x.png", "b/x.png", "c/x.gif", "d/x.bmp", "y.jpg")
    styles = [["wave.png"], ["rain.png"]]
    wanted = targets(plan(contents, styles, out="out"))
    touch(wanted[1], wanted[2], wanted[9])
    touch(wanted[4], data=b"")  # a name that was only reserved
    Path(wanted[6]).mkdir()
    made = plan(contents, styles, out="out", existing="skip")
    assert targets(made) == wanted
    done = [job.done for jobs in made for job in jobs]
    assert [i for i, each in enumerate(done) if each] == [1, 2, 9]
    single = plan(of("y.jpg"), [["wave.png"]], out=wanted[9], existing="skip")
    assert [jobs[0].done for jobs in single] == [True]


def test_resume_refuses_results_among_what_is_read(folder: Path):
    """Else the second call with *.jpg would paint paintings, or take a photograph for one."""
    touch("x.png", "x-wave.png")
    made = plan(of("x.png", "x-wave.png"), [["wave.png"]], out=None, existing="skip")
    with pytest.raises(
        OptionError, match=r"x-wave.png: is an input, and would.*result of x.png.*-o"
    ):
        list(made)
    made = plan(of("x.png"), [["x.png"]], out="x.png", existing="skip")
    with pytest.raises(OptionError, match=r"x.png: is an input, and would also"):
        list(made)


@pytest.mark.parametrize(
    ("contents", "options", "error", "mend"),
    [
        (["a.jpg"], {"out": "wave.png"}, OptionError, "already exists.*--overwrite"),
        (["a.jpg"], {"out": "a.xyz"}, OptionError, "'.xyz' is not supported for output.*.jpg"),
        (["a.jpg"], {"out": "nowhere/a.png"}, OptionError, "no folder nowhere; make it first"),
        (["a.jpg", "b.jpg"], {"out": "wave.png"}, OptionError, "is a file; name a folder"),
        (["a.jpg"], {"out": "wave.png/"}, OptionError, "is a file; name a folder"),
        (["a.jpg", "b.jpg"], {"out": "new.png"}, OptionError, "new.png/ if that is the name of"),
        (["a.jpg"], {"out": "new.png", "to_folder": True}, OptionError, "name a folder"),
        (["a.jpg", "b.jpg"], {"out": "-"}, OptionError, "one picture"),
        (["a.jpg"], {"out": "-", "to_folder": True}, OptionError, "one picture"),
        (["a.jpg"], {"out": "-", "existing": "skip"}, OptionError, "--resume needs"),
        (["-"], {"out": None, "existing": "skip"}, OptionError, "--resume needs"),
        (["-", "b.jpg"], {"out": None}, OptionError, "-o FOLDER"),
        (["-"], {"out": None, "to_folder": True}, OptionError, "-o FOLDER"),
    ],
)
def test_output_that_cannot_be(
    folder: Path, contents: list[str], options: dict[str, Any], error: type[Exception], mend: str
):
    save(Path("wave.png"))
    with pytest.raises(error, match=mend):
        plan(of(*contents), [["wave.png"]], **options)


def test_names_depend_on_no_sibling(folder: Path):
    """Whatever is added to a folder, what was there before keeps its name, and no two share one."""
    sources = [(f"p/{name}", ".") for name in [
        "a.bmp", "a.gif", "a.gif.gif", "a.gif.png", "a.gif.png.png", "a.jpg", "a.JPG", "a.jpeg",
        "a.png", "a.v2.png", "b.gif", "b.ppm"]]  # fmt: skip
    alone = {path: targets(plan([(path, ".")], [["w.png"]], out="out", to_folder=True))[0]
             for path, _ in sources}  # fmt: skip
    assert len(set(alone.values())) == len(sources)
    assert targets(plan(sources, [["w.png"]], out="out", existing="skip")) == [*alone.values()]
    assert [alone[f"p/{name}"] for name in ("a.jpg", "a.v2.png", "b.gif")] == [
        "out/a-w.jpg",
        "out/a.v2-w.png",
        "out/b.gif-w.png",
    ]


@pytest.mark.parametrize(
    ("named", "styles", "labels"),
    [
        (["art"], ["art/a/wave.png", "art/b/c/wave.png", "art/wave.png"],
         ["a-wave", "b-c-wave", "wave"]),
        (["art/"], ["art/wave.png"], ["wave"]),
        (["s", "t"], ["s/wave.png", "t/x/rain.png"], ["s-wave", "t-x-rain"]),
        (["s/*"], ["s/wave.png", "s/rain.png"], ["wave", "rain"]),
        (["*/wave.png"], ["s/wave.png", "t/wave.png"], ["s-wave", "t-wave"]),
        (["monet-*", "s"], ["monet-hay", "s/wave.png"], ["monet-hay", "wave"]),
        (["s/wave.png", "t/rain.png"], ["s/wave.png", "t/rain.png"], ["wave", "rain"]),
        (["t/wave.png", "s/wave.png"], ["t/wave.png", "s/wave.png"], ["t-wave", "s-wave"]),
        (["/x/s/wave.png", "/x/t/wave.png"], ["/x/s/wave.png", "/x/t/wave.png"],
         ["s-wave", "t-wave"]),
        (["../s/wave.png", "wave.png"], ["../s/wave.png", "wave.png"], ["s-wave", None]),
        (["wave.png", "wave.jpg"], ["wave.png", "wave.jpg"], ["wave.png", "wave.jpg"]),
        (["wave", "wave.jpg"], ["wave", "wave.jpg"], ["wave", "wave.jpg"]),
        (["-", "stdin.png"], ["-", "stdin.png"], ["stdin", "stdin.png"]),
    ],
)  # fmt: skip
def test_styles_in_names(folder: Path, named: list[str], styles: list[str], labels: list[Any]):
    found = style_labels(named, styles)
    assert list(found) == styles and len(set(found.values())) == len(styles)
    for style, label in zip(styles, labels, strict=True):
        assert label in (None, found[style])
    assert style_labels(named, styles[::-1]) == found  # in whatever order
    for style, label in found.items():
        assert "/" not in label, (style, label)


def test_resume_refuses_what_could_be_taken_for_another(folder: Path):
    """a-b in c, and a in b-c: numbered, the second would move when the first is taken away."""
    made = plan(of("a-b.jpg", "a.jpg"), [["c.png"], ["b-c.png"]], out="out", existing="skip")
    with pytest.raises(OptionError, match=r"out/a-b-c.jpg: .*a-b.jpg in c.png and of a.jpg in b-c"):
        list(made)
    made = plan(of("a.jpg", "b.jpg", "a.jpg"), [["c.png"]], out="out", existing="skip")
    assert targets(made) == ["out/a-c.jpg", "out/b-c.jpg", "out/a-c.jpg"]
    assert [job.done for jobs in made for job in jobs] == [False, False, True]


@pytest.mark.parametrize("sign", ["l", "é", "東", "🎨", "\udcff", "e\u0301"])
def test_long_names_are_cut_between_characters(folder: Path, sign: str):
    bytes_each = len(os.fsencode(sign))
    photo = sign * (251 // bytes_each)
    sources = of(f"{photo}.png", f"{photo[:-1]}.gif", f"{photo[:-1]}.png", "short.png")
    mixtures = [["wave.png"], [f"{photo}.jpg"], ["a" * 200 + ".jpg", "b" * 200 + ".png"]]
    made = plan(sources, mixtures, out="out")
    jobs = [job for group in made for job in group]
    found = [Path(name).name for name in targets(made)]
    assert len(set(found)) == len(found) == 12
    for name, job in zip(found, jobs, strict=True):
        assert len(os.fsencode(name)) <= 255
        assert os.fsencode(name).decode("utf-8", "replace" if sign == "\udcff" else "strict")
        assert bool(job.remark) == bool(re.search(r"-[0-9a-f]{8}[-.]", name))
        assert not job.remark or job.remark.startswith("its name is shortened from ")
        touch(f"out/{name}")
    assert jobs[0].remark and not jobs[9].remark
    again = [job for group in plan(sources, mixtures, out="out", existing="skip") for job in group]
    assert [job.target and job.target.name for job in again] == found


def test_a_place_that_is_a_link(folder: Path):
    Path("loop.png").symlink_to("loop.png")
    Path("away.png").symlink_to("gone/x.png")
    for name, mend in [("loop.png", "points back to itself"), ("away.png", "make it first")]:
        with pytest.raises(OptionError, match=f"^{name}: cannot be written .*{mend}"):
            plan(of("a.jpg"), [["wave.png"]], out=name, existing="replace")
        with pytest.raises(OptionError, match=f"^{name}/: is a broken link; name a folder"):
            plan(of("a.jpg", "b.jpg"), [["wave.png"]], out=f"{name}/")
    Path("link.png").symlink_to("new.png")
    assert targets(plan(of("a.jpg"), [["wave.png"]], out="link.png", existing="replace")) == [
        "link.png"
    ]


# --- properties ------------------------------------------------------------------------------

STEMS = st.sampled_from(["x", "y", "x-w", "x-w-2", "x-2", "w"])
PHOTOS = st.builds(
    lambda folder, stem, suffix: f"{folder}{stem}{suffix}",
    st.sampled_from(["", "a/", "b/"]),
    STEMS,
    st.sampled_from([".jpg", ".png", ".gif"]),
)
SOURCES = st.lists(st.tuples(PHOTOS, st.sampled_from(["", ".", "sub"])), max_size=8)
MIXTURES = st.lists(st.tuples(st.sampled_from(["w.png", "b/w.png", "w-2.png", "v"])), max_size=3)
THERE = st.lists(st.builds(lambda stem: f"out/{stem}-w.png", STEMS), max_size=4)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    return lambda: tmp_path_factory.mktemp("plan")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(sources=SOURCES, mixtures=MIXTURES, there=THERE, rule=st.sampled_from(["spare", "replace"]))
def test_results_never_meet(
    ground: Callable[[], Path],
    sources: list[Input],
    mixtures: list[tuple[str]],
    there: list[str],
    rule: Any,
):
    """No result takes the place of another, of what is read or, unless allowed, of a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ground())
        touch(*there, "out/keep.txt")
        for out in (None, "out"):
            made = plan(sources, mixtures, out=out, existing=rule, to_folder=True)
            found = [os.path.realpath(target) for target in targets(made)]
            assert len(found) == len(made) == len(set(found))
            read = {*(path for path, _ in sources), *(name for (name,) in mixtures)}
            assert not set(found) & {os.path.realpath(name) for name in read}
            if rule == "spare":
                assert not any(map(os.path.lexists, found))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(sources=SOURCES, mixtures=MIXTURES, data=st.data())
def test_a_run_goes_on_where_it_stopped(
    ground: Callable[[], Path], sources: list[Input], mixtures: list[tuple[str]], data: Any
):
    """Whatever of a run is there, in a new folder, the next names the same and paints the rest."""
    sources = list({path: (path, below) for path, below in sources}.values())
    mixtures = list(dict.fromkeys(mixtures))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ground())
        wanted = targets(plan(sources, mixtures, out="out", to_folder=True))
        there = data.draw(st.sets(st.sampled_from(wanted))) if wanted else set()
        touch(*there)
        made = plan(sources, mixtures, out="out", existing="skip", to_folder=True)
        shared = [
            name for name in wanted if re.sub(r"-\d(?=\.\w+$)", "", name) in {*wanted} - {name}
        ]
        try:
            jobs = [job for group in made for job in group]
        except OptionError as error:  # never a number, which another picture could take over
            assert shared and "--resume could not tell them apart" in str(error)
            return
        assert [str(job.target) for job in jobs] == wanted
        assert {str(job.target) for job in jobs if job.done} == there


def test_planning_costs_the_same_for_each(folder: Path):
    """10 000 photographs of one name: numbered without counting up to each of them again."""

    def seconds(count: int) -> float:
        sources = [("p/x.jpg", "")] * count
        start = time.process_time()
        names = targets(plan(sources, [["wave.png"]], out="out"))
        assert names[-1] == f"out/x-wave-{count}.jpg"
        return time.process_time() - start

    few = min(seconds(500) for _ in range(3))
    assert seconds(10_000) < 20 * few * 5  # it would be 20 x 20 if each looked at all before


def test_the_first_does_not_wait_for_all(folder: Path):
    made = plan([(f"p/{i}.jpg", ".") for i in range(10_000)], [["wave.png"]] * 40, out="out")

    def seconds(count: int) -> float:
        start = time.process_time()
        assert len(list(itertools.islice(made, count))) == count
        return time.process_time() - start

    assert seconds(1) < seconds(10_000) / 8


def test_stdio_is_no_file_that_is_spared():
    made = plan([(STDIO, "")], [["wave.png"]], out="out", to_folder=True)
    assert targets(made) == ["out/stdin-wave.png"]
