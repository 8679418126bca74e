"""Many pictures in one call of ``impasto stylize``, as a person runs it, on a tiny model."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from bad_files import truncated_jpeg
from PIL import Image
from test_cli import COMMAND, names, on_terminal, pixels, run, save

import impasto
from impasto.images.files import claim
from impasto.styles.library import add_style


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a folder of photographs, one of styles, and styles with names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    for seed, name in enumerate(
        ("photos/a.jpg", "photos/trip/b.png", "photos/trip/a.jpg", "styles/wave.png", "rain.png")
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        save(Path(name), seed=seed)
    return tmp_path


@pytest.fixture
def model(tiny_path: Path) -> list[str]:
    return ["--model", str(tiny_path), "--engine", "onnxruntime"]


def results(folder: str = "out") -> set[str]:
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}


def test_a_folder_keeps_its_structure(folder: Path, model: list[str]):
    Path("photos/.hidden.png").write_bytes(b"")
    Path("photos/notes.txt").write_bytes(b"")
    done = run("stylize", "photos", "rain.png", "-o", "out", *model)
    wanted = ["a-rain.jpg", "trip/a-rain.jpg", "trip/b-rain.png"]
    assert results() == set(wanted)
    *lines, last = done.stdout.decode().splitlines()
    assert [line.split(":")[0] for line in lines] == [f"out/{name}" for name in wanted]
    assert re.fullmatch(r"3 painted in \d+\.\d s", last)
    told = "impasto: photos: 1 file without a picture suffix is skipped: notes.txt"
    assert done.stderr.decode().splitlines() == [told]
    tiny = impasto.load(model[1], engine="onnxruntime")
    found = pixels(Path("out/trip/b-rain.png"))
    np.testing.assert_array_equal(found, np.asarray(tiny.stylize("photos/trip/b.png", "rain.png")))
    # A folder of results within the photographs is not read.
    for _ in range(2):
        run("stylize", "photos", "rain.png", "-o", "photos/new", "--overwrite", *model)
    assert results("photos/new") == set(wanted)


def test_all_pairs_with_folders_names_and_patterns(folder: Path, model: list[str]):
    tiny = impasto.load(model[1], engine="onnxruntime")
    for name in ("monet-hay", "monet-lilies"):
        add_style(tiny.style("rain.png"), name)
    styles = ("-s", "monet-*", "-s", "styles", "-s", "rain.png")
    run("stylize", "photos", *styles, "--all-pairs", "-o", "out", "--alpha", "0.8", *model)
    wanted = [
        f"{photo}-{style}{suffix}"
        for photo, suffix in (("a", ".jpg"), ("trip/a", ".jpg"), ("trip/b", ".png"))
        for style in ("monet-hay", "monet-lilies", "wave", "rain")
    ]
    assert results() == set(wanted)
    for style in ("styles/wave.png", "rain.png"):
        found = pixels(Path(f"out/trip/b-{Path(style).stem}.png"))
        wanted_image = tiny.stylize("photos/trip/b.png", style, alpha=0.8)
        np.testing.assert_array_equal(found, np.asarray(wanted_image))


@pytest.mark.parametrize("options", [("--color", "luminance"), ("--mask", "mask.png")])
def test_all_pairs_with_other_controls(folder: Path, model: list[str], options: tuple[str, str]):
    Image.linear_gradient("L").save("mask.png")
    words = ("stylize", "photos/trip/b.png", "photos/a.jpg", "-s", "styles", "-s", "rain.png")
    run(*words, "--all-pairs", "-o", "out", *options, *model)
    tiny = impasto.load(model[1], engine="onnxruntime")
    for style in ("styles/wave.png", "rain.png"):
        wanted = tiny.stylize(
            "photos/trip/b.png",
            style,
            color="luminance" if "--color" in options else None,
            masks=["mask.png"] if "--mask" in options else None,
        )
        found = pixels(Path(f"out/b-{Path(style).stem}.png"))
        np.testing.assert_array_equal(found, np.asarray(wanted))


def test_resume_paints_what_is_missing(folder: Path, model: list[str]):
    words = ("stylize", "photos", "-s", "styles", "-s", "rain.png", "--all-pairs", "-o", "out")
    run(*words, *model)
    wanted = results()
    assert len(wanted) == 6
    before = {name: Path("out", name).read_bytes() for name in wanted}
    Path("out/trip/a-wave.jpg").unlink()
    Path("out/a-rain.jpg").unlink()
    done = run(*words, "--resume", *model)
    *lines, last = done.stdout.decode().splitlines()
    assert [line.split(":")[0] for line in lines] == ["out/a-rain.jpg", "out/trip/a-wave.jpg"]
    assert re.fullmatch(r"2 painted, 4 skipped in \d+\.\d s", last)
    assert {name: Path("out", name).read_bytes() for name in results()} == before
    # With nothing to do no model is loaded, and a style need not be there.
    Path("rain.png").unlink()
    done = run(*words, "--resume", "--model", model[1])
    assert re.fullmatch(r"0 painted, 6 skipped in \d+\.\d s\n", done.stdout.decode())
    assert run(*words, "--resume", "-q", *model).stdout == b""


def test_resume_of_one_file_and_of_results_among_photographs(folder: Path, model: list[str]):
    words = ("stylize", "photos/a.jpg", "rain.png", "--resume", *model)
    assert run(*words, "-o", "new.png").stdout.startswith(b"new.png: ")
    made = Path("new.png").stat().st_mtime_ns
    assert run(*words, "-o", "new.png").stdout == b""
    assert Path("new.png").stat().st_mtime_ns == made
    run(*words)
    assert run(*words).stdout == b""
    assert names(Path("photos")) == {"a.jpg", "a-rain.jpg", "trip"}
    photos = ("photos/a-rain.jpg", "photos/a.jpg")  # what photos/*.jpg means the second time
    done = run("stylize", *photos, "-s", "rain.png", "--resume", *model)
    assert b"1 result of earlier runs skipped (photos/a-rain.jpg)" in done.stderr
    assert done.stdout == b""
    assert names(Path("photos")) == {"a.jpg", "a-rain.jpg", "trip"}


def test_resume_gives_each_photograph_and_style_its_own_result(folder: Path, model: list[str]):
    """Siblings that are added later change no name: red stays red, and none is painted twice."""
    colors = {"a.gif": (200, 0, 0), "a.png": (0, 200, 0), "sub/a.png": (0, 0, 200)}
    later = {"a.bmp": (200, 200, 0), "a.gif.png": (0, 200, 200), "0/a.png": (200, 0, 200)}
    styles = {"art/x/wave.png": 1, "art/wave.png": 2}

    def add(pictures: dict[str, tuple[int, int, int]], art: dict[str, int]) -> None:
        for name, color in pictures.items():
            Path("in", name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), color).save(Path("in", name))
        for name, seed in art.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            save(Path(name), seed=seed)

    words = ("stylize", "in", "-s", "art", "--all-pairs", "-o", "out", "--alpha", "0", "--resume")
    add(colors, styles)
    run(*words, *model)
    before = {name: Path("out", name).read_bytes() for name in results()}
    add(later, {"art/0/wave.png": 3})
    done = run(*words, *model)
    assert re.fullmatch(
        r"12 painted, 6 skipped in \d+\.\d s", done.stdout.decode().splitlines()[-1]
    )
    assert {name: Path("out", name).read_bytes() for name in before} == before
    found = sorted(tuple(pixels(Path("out", name))[16, 16]) for name in results())
    assert found == sorted([*colors.values(), *later.values()] * 3)


def test_calls_at_once_share_the_work(folder: Path, model: list[str]):
    Path("many").mkdir()
    for i in range(24):
        Path(f"many/{i:02}.jpg").write_bytes(Path("photos/a.jpg").read_bytes())
    words = [*COMMAND, "stylize", "many", "-s", "rain.png", "-s", "styles", "--all-pairs", *model]

    def at_once(*more: str) -> list[list[str]]:
        running = [
            subprocess.Popen([*words, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for _ in range(2)
        ]
        texts = [process.communicate(timeout=60)[0].decode() for process in running]
        assert [process.returncode for process in running] == [0, 0], texts
        return [text.splitlines() for text in texts]

    lines = at_once("-o", "out", "--resume")
    painted = [line.split(":")[0] for each in lines for line in each[:-1]]
    assert sorted(painted) == sorted(f"out/{name}" for name in results())  # once each
    assert len(painted) == 48
    for each in lines:
        counts = re.match(r"(\d+) painted(?:, (\d+) skipped)?", each[-1])
        assert counts and int(counts[1]) == len(each) - 1
        assert int(counts[1]) + int(counts[2] or 0) == 48
    # Without --resume each paints all, under names of its own.
    lines = at_once("-o", "more")
    assert len({line.split(":")[0] for each in lines for line in each[:-1]}) == 96
    assert len(results("more")) == 96


def test_one_name_for_two_calls(folder: Path, model: list[str]):
    with claim(Path("new.png")):
        words = ("stylize", "photos/a.jpg", "rain.png", *model)
        done = run(*words, "-o", "new.png", code=2)
        assert b"new.png: is being painted by another process" in done.stderr
        assert run(*words, "-o", "new.png", "--resume").stdout == b""
        assert not Path("new.png").exists()
        run(*words, "-o", "new.png", "--overwrite")
    assert pixels(Path("new.png")).shape == (40, 52, 3)


def test_resume_mends_what_is_no_whole_result(folder: Path, model: list[str]):
    """An empty file, where a call was killed on a disk without hard links; a link to nothing."""
    Path("out/trip").mkdir(parents=True)
    Path("out/a-rain.jpg").write_bytes(b"")
    Path("elsewhere").mkdir()
    Path("out/trip/a-rain.jpg").symlink_to(Path("elsewhere/new.jpg").absolute())
    run("stylize", "photos", "rain.png", "-o", "out", "--resume", *model)
    for name in ("out/a-rain.jpg", "elsewhere/new.jpg", "out/trip/b-rain.png"):
        assert pixels(Path(name)).shape == (40, 52, 3)
    assert Path("out/trip/a-rain.jpg").is_symlink()


def test_what_is_to_be_told_of_a_name(folder: Path, model: list[str]):
    long = "é" * 124 + ".jpg"
    Path("photos/a.jpg").rename(long)
    done = run("stylize", long, "rain.png", "-o", "out/", *model)
    assert re.search(r"; its name is shortened from \d{3} bytes to 255$", done.stdout.decode())
    Path("one.png").write_bytes(b"old")
    Path("two.png").hardlink_to("one.png")
    done = run("stylize", long, "rain.png", "-o", "one.png", "--overwrite", *model)
    assert b"; the old file remains under its other names (hard links)\n" in done.stdout
    assert Path("two.png").read_bytes() == b"old"


def test_every_failure_is_named_at_once_and_at_the_end(folder: Path, model: list[str]):
    Path("photos/bad").mkdir()
    bad = Path(truncated_jpeg(folder)).rename("photos/bad/broken.jpg")
    Path("styles/rotten.png").write_bytes(b"rotten")
    Path("empty").mkdir()
    words = ("stylize", "photos", "empty", "gone.jpg", "-s", "styles", "-s", "no-such-style")
    words = (*words, "-s", "x-*", "--all-pairs", "-o", "out", *model)
    done = run(*words, code=2)
    assert results() == {"a-wave.jpg", "trip/a-wave.jpg", "trip/b-wave.png"}
    assert not Path("out/bad").exists(), "a folder in which nothing could be painted"
    assert len(done.stdout.splitlines()) == 3
    *lines, summary = re.split(r"(?=impasto: )", done.stderr.decode())[1:]
    about = ["x-*", "empty", "styles/rotten.png", "there is no style", str(bad), "gone.jpg"]
    for line, name in zip(lines, about, strict=True):
        assert line.startswith(f"impasto: {name}") and line.count("\n") == 1
    first, *named = summary.splitlines()
    # Two folders and patterns; two styles for five photographs; two photographs in the other one.
    assert re.fullmatch(r"impasto: 3 painted, 14 failed in \d+\.\d s", first)
    for line, name in zip(named, about, strict=True):
        assert line.startswith(f"  {name}")
    assert "(5 pictures)" in named[2] and "pictures" not in named[4]
    # Quiet: each failure once, nothing else; and what failed is not taken for done.
    done = run(*words, "--resume", "-q", code=2)
    assert done.stdout == b""
    assert [line.startswith("impasto: ") for line in done.stderr.decode().splitlines()] == [
        True
    ] * 6


def test_a_bad_style_alone_stops_the_call(folder: Path, model: list[str]):
    done = run("stylize", "photos", "-s", "gone.png", "-s", "rain.png", "-o", "out", *model, code=2)
    assert done.stderr.decode().startswith("impasto: gone.png: no such file")
    assert len(done.stderr.splitlines()) == 1 and not Path("out").exists()


def test_what_contradicts_itself(folder: Path, model: list[str]):
    pairs = ("stylize", "photos", "-s", "styles", "--all-pairs")
    for words, mend in [
        (("stylize", "photos", "rain.png"), "photos: is a folder.*-o FOLDER"),
        (("stylize", "photos", "rain.png", "-o", "photos"), "give -o another folder"),
        (("stylize", "photos", "rain.png", "-o", "new.png"), "name a folder"),
        (("stylize", "photos", "rain.png", "-o", "-"), "-o FOLDER"),
        (("stylize", "photos/a.jpg", "styles"), "styles: may match several.*--all-pairs"),
        (("stylize", "photos/a.jpg", "-s", "monet-*"), "--all-pairs"),
        ((*pairs, "-o", "out", "--weights", "1,2"), "--weights mix"),
        ((*pairs, "-o", "out", "--mask", "m", "--mask", "n"), "one --mask .* not 2"),
        ((*pairs, "-o", "out", "--resume", "--overwrite"), "give one"),
        (("stylize", "-", "rain.png", "--resume"), "--resume needs"),
        (("stylize", "empty", "rain.png", "-o", "out"), "empty: is a folder without any picture"),
    ]:
        Path("empty").mkdir(exist_ok=True)
        done = run(*words, *model, code=2)
        assert re.search(mend, done.stderr.decode()), done.stderr.decode()
        assert done.stdout == b"" and not Path("out").exists()


def test_place_that_cannot_be_made(folder: Path, model: list[str]):
    Path("file").write_bytes(b"")
    done = run("stylize", "photos", "rain.png", "-o", "file/out", *model, code=2)
    assert done.stderr.decode() == "impasto: file/out: cannot be created (Not a directory)\n"
    # A sub-folder that cannot be made stops only what belongs there.
    Path("out").mkdir()
    Path("out/trip").write_bytes(b"")
    done = run("stylize", "photos", "rain.png", "-o", "out", *model, code=2)
    assert done.stderr.decode().count("out/trip: cannot be created (File exists)") == 4
    assert results() == {"a-rain.jpg", "trip"}


def test_an_interrupted_run_goes_on(folder: Path, model: list[str]):
    Path("many").mkdir()
    data = Path("photos/a.jpg").read_bytes()
    for i in range(150):
        Path(f"many/{i:03}.jpg").write_bytes(data)
    words = ["stylize", "many", "-s", "styles", "-s", "rain.png", "--all-pairs", "-o", "out"]
    process = subprocess.Popen(
        [*COMMAND, *words, *model],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    try:
        until = time.monotonic() + 60
        while len(list(Path("out").glob("[0-9]*"))) < 3:
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1].decode().strip() == "impasto: interrupted"
    finally:
        process.kill()
    assert process.returncode == 130
    # The interrupt may leave a hidden file, which the next call removes.
    there = {name for name in names(Path("out")) if not name.startswith(".")}
    assert 3 <= len(there) < 300
    last = run(*words, "--resume", *model).stdout.decode().splitlines()[-1]
    assert last.startswith(f"{300 - len(there)} painted, {len(there)} skipped in ")
    assert len(names(Path("out"))) == 300
    assert {pixels(path).shape for path in Path("out").iterdir()} == {(40, 52, 3)}


def test_progress_counts_what_is_done_and_no_time_for_it(folder: Path, model: list[str]):
    words = ("stylize", "photos", "-s", "styles", "-s", "rain.png", "--all-pairs", "-o", "out")
    run(*words, *model)
    Path("out/a-rain.jpg").unlink()
    code, text = on_terminal(*words, "--resume", *model)
    assert code == 0
    assert "a.jpg, rain.png" in text and "83 %" in text, text
    assert "wave" not in text, "a style that nothing needs is not made"
