"""The command, run as a person runs it: in a process of its own, on a tiny model."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import click
import numpy as np
import pytest
from bad_files import BAD_FILES, encoded, truncated_jpeg
from conftest import picture
from mutated_files import tiff
from PIL import Image
from warm_command import call

import impasto
from impasto.batch import figures
from impasto.cli import _COMMANDS, cli
from impasto.controls import Controls
from impasto.controls.color import METHODS
from impasto.images.options import ReadOptions
from impasto.images.photo import read_photo
from impasto.images.writing import write_image
from impasto.models import DEFAULT_MODEL, MODELS, find_bundle
from impasto.models.engine import ENGINES
from impasto.styles.library import add_style

COMMAND = [sys.executable, "-m", "impasto"]
TIMES = re.compile(r": encode \d+\.\d+ s, align \d+\.\d+ s, decode \d+\.\d+ s \(tiny, onnxruntime ")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two photographs and a style."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("street.jpg", "harbor.png", "wave.png")):
        save(Path(name), seed=seed)
    return tmp_path


@pytest.fixture
def model(tiny_path: Path) -> list[str]:
    """Options for a model that takes no time."""
    return ["--model", str(tiny_path), "--engine", "onnxruntime"]


def save(path: Path, *, height: int = 40, width: int = 52, seed: int = 0) -> None:
    values = np.rint(picture(height, width, seed=seed) * 255).astype(np.uint8)
    Image.fromarray(values).save(path)


def run(
    *words: str | Path, stdin: bytes = b"", code: int = 0
) -> subprocess.CompletedProcess[bytes]:
    done = call(*COMMAND[1:], *words, stdin=stdin)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def names(folder: Path = Path()) -> set[str]:
    return {path.name for path in folder.iterdir()}


def pixels(source: Path | bytes) -> np.ndarray:
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        return np.asarray(image.convert("RGB"))


# --- what it starts, and how fast ------------------------------------------------------------


SPY = """
import sys
from impasto.cli import main
try:
    main()
finally:
    print("modules:", *sys.modules, file=sys.stderr)
"""


def imported(*words: str | Path) -> set[str]:
    """The modules that a call imports."""
    done = subprocess.run(
        [sys.executable, "-c", SPY, *map(str, words)], capture_output=True, check=True, timeout=60
    )
    return set(done.stderr.decode().split("modules:")[-1].split())


def test_help_imports_nothing_heavy():
    assert "click" in imported("--help")
    assert not imported("--help") & {"numpy", "PIL", "onnxruntime", "openvino", "tqdm", "torch"}
    engines = {"onnxruntime", "openvino", "torch", "onnx"}
    assert not imported("stylize", "--help") & engines


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("styles",),
        ("models", "--json"),
        ("style", "show", "gone"),
        ("grid", "street.jpg", "-s", "wave.png"),
        ("strip", "gone.jpg", "-s", "wave.png", "-o", "-"),
        ("video", "gone.mp4", "-s", "wave.png", "-o", "a.mp4"),
        ("stylize", "-", "-s", "wave.png", "-o", "-", "--engine", "onnxruntime", "--size", "32"),
    ],
    ids=lambda words: words[0],
)
def test_a_start_of_python_gives_what_the_other_tests_see(folder: Path, words: tuple[str, ...]):
    """They fork a process that has imported the command; a person starts Python."""
    photo = Path("street.jpg").read_bytes()
    started = subprocess.run(
        [*COMMAND, *words], input=photo, capture_output=True, timeout=60, check=False
    )
    forked = call(*COMMAND[1:], *words, stdin=photo)
    assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
    seconds = rb"\d+\.\d+ s"
    assert re.sub(seconds, b"", forked.stderr) == re.sub(seconds, b"", started.stderr)


def test_a_forked_call_that_takes_too_long_is_ended(tmp_path: Path):
    (tmp_path / "slow.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(60)\n")
    with pytest.raises(subprocess.TimeoutExpired) as told:
        call(tmp_path / "slow.py", timeout=1)
    assert told.value.stdout == b"begun\n"
    assert call("-m", "impasto", "--version").returncode == 0  # the next one is forked


def test_help_has_the_first_line_of_each_command():
    context = click.Context(cli)
    text = " ".join(run("--help").stdout.decode().split())
    for name in _COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None and f"{name} {command.get_short_help_str(100)}" in text
    assert "lab Command of impasto[lab]; see impasto lab --help." in text


def test_commands_of_other_packages(tmp_path: Path):
    """A package plugs in commands; what it needs is said where it cannot be imported."""
    for name, code in (
        ("shout", "import click\n@click.command()\ndef shout(): click.echo('AHOY')\n"),
        ("broken", "import no_such_package\n"),
    ):
        (tmp_path / f"{name}.py").write_text(code)
    place = tmp_path / "loud-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.0\n")
    (place / "entry_points.txt").write_text(
        "[console_scripts]\nx = y:z\n\n[impasto.commands]\nshout = shout:shout\n"
        "broken = broken:broken [extra]\n\n[other]\nno = no:no\n"
    )
    calls = {}
    for words in (("--help",), ("shout",), ("broken",)):
        calls[words[0]] = subprocess.run(
            [*COMMAND, *words],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            timeout=60,
            check=False,
            text=True,
        )
    # However wide the column of names is.
    lines = [line.split(maxsplit=1) for line in calls["--help"].stdout.splitlines()]
    assert ["shout", "Command of loud; see impasto shout --help."] in lines
    assert ["broken", "Command of loud[extra]; see impasto broken --help."] in lines
    assert not any(words[:1] == ["no"] for words in lines)
    assert (calls["shout"].returncode, calls["shout"].stdout) == (0, "AHOY\n")
    said = "impasto: 'broken' needs no_such_package: pip install 'loud[extra]'\n"
    assert (calls["broken"].returncode, calls["broken"].stderr) == (2, said)


def test_help_answers_at_once():
    def seconds() -> float:
        start = time.perf_counter()
        subprocess.run([*COMMAND, "--help"], capture_output=True, timeout=60, check=True)
        return time.perf_counter() - start

    assert statistics.median(seconds() for _ in range(5)) < 0.5


def test_stylize_imports_one_engine_and_no_laboratory(folder: Path, model: list[str]):
    used = imported("stylize", "street.jpg", "wave.png", *model)
    assert "onnxruntime" in used
    assert not used & {"torch", "onnx", "openvino", "impasto.lab"}


def test_version_and_help_texts():
    assert run("--version").stdout.decode().split() == ["impasto", impasto.__version__]
    text = " ".join(run("stylize", "--help").stdout.decode().split())
    # The defaults come from the library's signatures.
    size = str(ReadOptions.style_size)
    for default in ("1.0", "region", size, DEFAULT_MODEL, "92", "200000000"):
        assert f"[default: {default}]" in text


def test_installed_script(folder: Path):
    script = Path(sys.executable).with_name("impasto")
    if not script.exists():
        pytest.skip("the package is not installed in this environment")
    done = subprocess.run([script, "--version"], capture_output=True, check=True, timeout=60)
    assert impasto.__version__ in done.stdout.decode()


# --- what the names mean ---------------------------------------------------------------------


def test_two_names_are_photograph_and_style(folder: Path, model: list[str]):
    """And the result is named after both, the same as the library's, and never replaced."""
    before = names()
    words = ("stylize", "harbor.png", "wave.png", *model)
    line = run(*words).stdout.decode()
    assert line.startswith("harbor-wave.png: encode ") and TIMES.search(line)
    assert line.count("\n") == 1
    wanted = impasto.load(model[1], engine="onnxruntime").stylize("harbor.png", "wave.png")
    np.testing.assert_array_equal(pixels(Path("harbor-wave.png")), np.asarray(wanted))
    first = Path("harbor-wave.png").read_bytes()

    assert run(*words, "--alpha", "0").stdout.startswith(b"harbor-wave-2.png: ")
    assert Path("harbor-wave.png").read_bytes() == first
    assert names() - before == {"harbor-wave.png", "harbor-wave-2.png"}


def test_usage_errors_exit_2(folder: Path):
    for words, mend in [
        (("stylize",), b"CONTENT"),
        (("stylize", "street.jpg"), b"style is missing"),
        (("stylize", "street.jpg", "harbor.png", "-s", "wave.png", "-o", "-"), b"one picture"),
        (("stylize", "-", "b.jpg", "-s", "wave.png"), b"-o FOLDER"),
        (("stylize", "a.jpg", "-s", "b", "-s", "c", "--mask", "d"), b"1 mask for 2 styles"),
        (("stylize", "-", "wave.png", "--mask", "-"), b"only once"),
        (("stylize", "a.jpg", "wave.png", "--weights", "0.7;0.3"), b"separated by commas"),
    ]:
        done = run(*words, code=2)
        assert mend in done.stderr
        assert done.stdout == b""


# --- the work --------------------------------------------------------------------------------


def test_options_reach_the_library(folder: Path, model: list[str]):
    options = ("--alpha", "0.5", "--size", "33", "--style-size", "24", "--max-pixels", "9999")
    done = run("stylize", "street.jpg", "-s", "wave.png", *options, *model, "-o", "-")
    tiny = impasto.load(model[1], engine="onnxruntime")
    style = tiny.style("wave.png", size=24)
    wanted = np.asarray(tiny.stylize("street.jpg", style, alpha=0.5, size=33))
    assert wanted.shape == (33, 43, 3)
    np.testing.assert_array_equal(pixels(done.stdout), wanted)
    assert TIMES.search(done.stderr.decode()), "the line must not be mixed with the picture"


def test_several_styles_with_weights(folder: Path, model: list[str]):
    save(Path("rain.png"), seed=3)
    words = ("stylize", "street.jpg", "-s", "wave.png", "-s", "rain.png", *model)
    assert run(*words, "--weights", "0.7,0.3").stdout.startswith(b"street-wave-rain.jpg: ")
    done = run(*words, "--weights", "7,3", "-o", "-")
    tiny = impasto.load(model[1], engine="onnxruntime")
    wanted = tiny.stylize("street.jpg", ["wave.png", "rain.png"], weights=(0.7, 0.3))
    np.testing.assert_array_equal(pixels(done.stdout), np.asarray(wanted))


def test_masks_alpha_map_and_statistics(folder: Path, model: list[str]):
    save(Path("rain.png"), seed=3)
    ramp = Image.linear_gradient("L")
    ramp.save("down.png")
    Image.merge("LA", [Image.new("L", (256, 256)), ramp.rotate(90)]).save("across.png")
    options = ("--mask", "down.png", "--mask", "across.png", "--statistics", "image")
    words = ("stylize", "street.jpg", "-s", "wave.png", "-s", "rain.png", *options, *model)
    done = run(*words, "--alpha", "down.png", "-o", "-")
    tiny = impasto.load(model[1], engine="onnxruntime")
    wanted = tiny.stylize(
        "street.jpg",
        ["wave.png", "rain.png"],
        alpha="down.png",
        masks=["down.png", "across.png"],
        statistics="image",
    )
    np.testing.assert_array_equal(pixels(done.stdout), np.asarray(wanted))
    mask = Path("down.png").read_bytes()
    again = run("stylize", "street.jpg", "wave.png", "--mask", "-", *model, "-o", "-", stdin=mask)
    wanted = tiny.stylize("street.jpg", "wave.png", masks=["down.png"])
    np.testing.assert_array_equal(pixels(again.stdout), np.asarray(wanted))


@pytest.mark.parametrize("method", [row.name for row in METHODS])
def test_color(folder: Path, model: list[str], method: str):
    photos = ("street.jpg", "harbor.png")
    run("stylize", *photos, "-s", "wave.png", "--color", method, *model, "-o", "out")
    tiny = impasto.load(model[1], engine="onnxruntime")
    wanted = tiny.stylize("harbor.png", "wave.png", color=method)
    np.testing.assert_array_equal(pixels(Path("out/harbor-wave.png")), np.asarray(wanted))


def test_styles_by_name(folder: Path, model: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("IMPASTO_STYLES", str(folder / "kept"))
    tiny = impasto.load(model[1], engine="onnxruntime")
    add_style(tiny.style("wave.png"), "great-wave")
    run("stylize", "harbor.png", "great-wave", *model)
    wanted = np.asarray(tiny.stylize("harbor.png", "wave.png")).astype(int)
    assert np.abs(pixels(Path("harbor-great-wave.png")) - wanted).max() <= 1
    done = run("stylize", "harbor.png", "-s", "great-wave", "--color", "eigen", *model, code=2)
    assert b"give the picture itself" in done.stderr


def test_results_spare_masks_and_maps(folder: Path, model: list[str]):
    for name in ("harbor-wave.png", "harbor-wave-2.png"):
        Image.linear_gradient("L").save(name)
    options = ("--mask", "harbor-wave.png", "--alpha", "harbor-wave-2.png", "--overwrite")
    done = run("stylize", "harbor.png", "wave.png", *options, *model)
    assert done.stdout.startswith(b"harbor-wave-3.png: ")


def test_grid_and_strip(folder: Path, model: list[str]):
    for seed, name in enumerate(("rain.png", "sun.png", "ink.png"), 3):
        save(Path(name), seed=seed)
    styles = ["wave.png", "rain.png", "sun.png", "ink.png"]
    four = [word for style in styles for word in ("-s", style)]
    small = ("--steps", "3", "--size", "20")
    done = run("grid", "street.jpg", *four, "-o", "grid.png", *small, *model)
    assert done.stdout == b"grid.png: 9 pictures (178 x 92 pixels)\n"
    tiny = impasto.load(model[1], engine="onnxruntime")
    wanted = figures.grid(tiny, "street.jpg", styles, steps=3, size=20)
    np.testing.assert_array_equal(pixels(Path("grid.png")), np.asarray(wanted))
    done = run("strip", "street.jpg", "-s", "wave.png", "--alphas", "0,1.5", "-o", "-", *model)
    wanted = figures.strip(tiny, "street.jpg", "wave.png", alphas=(0, 1.5))
    np.testing.assert_array_equal(pixels(done.stdout), np.asarray(wanted))
    Image.linear_gradient("L").save("sky.png")
    masked, sky = ("--mask", "sky.png", "-o", "-", *model), Controls(masks=["sky.png"])
    done = run("strip", "street.jpg", "-s", "wave.png", *masked)
    wanted = figures.strip(tiny, "street.jpg", "wave.png", sky)
    np.testing.assert_array_equal(pixels(done.stdout), np.asarray(wanted))
    done = run("grid", "street.jpg", *four, *small, *masked)
    wanted = figures.grid(tiny, "street.jpg", styles, sky, steps=3, size=20)
    np.testing.assert_array_equal(pixels(done.stdout), np.asarray(wanted))
    strip = ("strip", "street.jpg", "-s", "wave.png", "-o")
    for words, mend in [
        ((*strip, "s.png", "--mask", "gone.png", *model), "gone.png: no such file"),
        ((*strip, "s.png", "--mask", "wave.png", *model), "wave.png: is a picture in color"),
        ((*strip, "s.png", "--mask", "-", "-s", "-", *model), "only once"),
        (("grid", "street.jpg", "-s", "wave.png", "-o", "g.png"), "give -s 4 times, not 1"),
        (("grid", "street.jpg", *four, "-o", "grid.png"), "already exists"),
        (("grid", "street.jpg", *four, "-o", "g.png", "--steps", "1"), "2 steps or more"),
        (("strip", "street.jpg", "-s", "wave.png"), "--out"),
        (("strip", "gone.jpg", "-s", "wave.png", "-o", "s.png", *model), "gone.jpg: no such file"),
        (("strip", "street.jpg", "-s", "wave.png", "-o", "s.png", "--alphas", "0,x"), "commas"),
    ]:
        done = run(*words, code=2)
        assert mend in done.stderr.decode()
    assert not Path("g.png").exists() and not Path("s.png").exists()


def test_folder_of_results(folder: Path, model: list[str]):
    Path("other").mkdir()
    save(Path("other/street.jpg"), height=33, width=17)
    photos = ("street.jpg", "harbor.png", "other/street.jpg")
    done = run("stylize", *photos, "-s", "wave.png", "-o", "new/painted", *model)
    wanted = {
        "street-wave.jpg": (40, 52, 3),
        "harbor-wave.png": (40, 52, 3),
        "other/street-wave.jpg": (33, 17, 3),
    }
    made = [path for path in Path("new/painted").rglob("*") if path.is_file()]
    assert {
        str(path.relative_to("new/painted")): pixels(path).shape for path in made
    } == wanted  # photographs of one name keep their folders
    *lines, last = done.stdout.decode().splitlines()
    assert [line.split(":")[0] for line in lines] == [f"new/painted/{name}" for name in wanted]
    assert re.fullmatch(r"3 painted in \d+\.\d s", last)
    assert done.stderr == b"", "no progress bar outside a terminal"

    # Once more: replaced when allowed, quiet when asked.
    words = ("stylize", *photos, "-s", "wave.png", "-o", "new/painted", *model)
    done = run(*words, "--overwrite", "--quiet")
    assert {path for path in Path("new/painted").rglob("*") if path.is_file()} == set(made)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_explicit_file_is_replaced_only_when_allowed(folder: Path, model: list[str]):
    words = ("stylize", "street.jpg", "wave.png", "-o", "harbor.png", *model)
    before = Path("harbor.png").read_bytes()
    assert run(*words, code=2).stderr.decode().startswith("impasto: harbor.png: already exists")
    assert Path("harbor.png").read_bytes() == before
    run(*words, "--overwrite")
    assert Path("harbor.png").read_bytes() != before


def test_standard_streams(folder: Path, model: list[str]):
    before = names()
    photo = Path("street.jpg").read_bytes()
    done = run("stylize", "-", "wave.png", *model, stdin=photo)
    wanted = run(
        "stylize", "street.jpg", "-", "-o", "-", "-q", *model, stdin=Path("wave.png").read_bytes()
    )
    assert done.stdout.startswith(b"\x89PNG")
    np.testing.assert_array_equal(pixels(done.stdout), pixels(wanted.stdout))
    assert wanted.stderr == b""
    assert names() == before
    done = run("stylize", "-", "harbor.png", "-s", "wave.png", "-o", "out", *model, stdin=photo)
    assert names(Path("out")) == {"stdin-wave.png", "harbor-wave.png"}
    done = run("stylize", "-", "wave.png", *model, stdin=b"no picture", code=2)
    assert done.stderr.decode().startswith("impasto: <stdin>: ")
    assert done.stdout == b""


def test_names_of_any_kind(folder: Path, model: list[str]):
    odd = ["-dash.png", "été 東京.png", os.fsdecode(b"latin-\xe9.png"), "two\nlines.png"]
    for name in odd:
        save(Path(name))
    done = run("stylize", *model, "-s", "wave.png", "-o", "out", "--", *odd)
    assert names(Path("out")) == {f"{Path(name).stem}-wave.png" for name in odd}
    assert TIMES.search(done.stdout.decode())


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_deep_photographs_stay_deep(folder: Path, model: list[str], suffix: str, channels: int):
    """What is not painted comes back in all its 65,536 steps."""
    ramp = np.arange(40 * 52 * channels, dtype=np.uint16).reshape(40, 52, channels) * 7 + 1
    write_image(ramp, f"deep.{suffix}")
    words = ("stylize", f"deep.{suffix}", "wave.png", *model)
    run(*words, "--alpha", "0", "-o", f"same.{suffix}")
    photo = read_photo(f"same.{suffix}")
    np.testing.assert_array_equal(photo.rendered(photo.image).pixels(photo.depth), ramp)
    assert read_photo(io.BytesIO(run(*words, "-o", "-").stdout)).depth == 16

    run(*words, "-o", "painted.png")
    painted = read_photo("painted.png").image * 65535
    tiny = impasto.load(model[1], engine="onnxruntime")
    wanted = np.asarray(tiny.stylize(f"deep.{suffix}", "wave.png"))[..., :3]
    np.testing.assert_allclose(painted / 257, wanted, atol=0.51)
    assert len(np.unique(np.rint(painted))) > 1000, "steps that 8 bits do not have"


def test_depth_of_results(folder: Path, model: list[str]):
    write_image(np.full((20, 20, 3), 1000, np.uint16), "deep.png")
    for photo, out, depth, wanted in [
        ("deep.png", "a.png", None, 16),
        ("deep.png", "a.jpg", None, 8),
        ("deep.png", "b.tif", "8", 8),
        ("street.jpg", "c.png", None, 8),
        ("street.jpg", "d.tiff", "16", 16),
    ]:
        options = ("--depth", depth) if depth else ()
        run("stylize", photo, "wave.png", "-o", out, *options, *model)
        assert read_photo(out).depth == wanted
        with Image.open(out) as result:
            assert b"sRGB" in result.info["icc_profile"].replace(b"\0", b"")
    done = run("stylize", "deep.png", "wave.png", "-o", "e.webp", "--depth", "16", code=2)
    assert done.stderr == (b"impasto: WEBP holds 8 bits per channel, not 16: use PNG or TIFF\n")
    done = run("stylize", "deep.png", "wave.png", "--depth", "12", code=2)
    assert b"give 8 or 16" in done.stderr


def test_the_place_is_kept_only_when_asked(folder: Path, model: list[str]):
    exif = Image.Exif()
    exif.update({0x010F: "Camera", 0x8825: {1: "S", 2: (33.0, 51.0, 25.0)}})
    with Image.open("street.jpg") as picture:
        picture.load()
    picture.save("street.jpg", exif=exif)
    for options, wanted in ((), None), (("--keep-gps",), "S"):
        run("stylize", "street.jpg", "wave.png", "-o", "out.jpg", *options, "--overwrite", *model)
        with Image.open("out.jpg") as result:
            kept = result.getexif()
        assert kept[0x010F] == "Camera"
        assert kept.get_ifd(0x8825).get(1) == wanted
        tiny = impasto.load(model[1], engine="onnxruntime")
        same = tiny.stylize("street.jpg", "wave.png", keep_gps=wanted is not None).getexif()
        assert same.get_ifd(0x8825).get(1) == wanted


def test_bits_that_are_not_read_are_told(folder: Path, model: list[str]):
    inks = np.full((40, 52, 4), 9000, np.uint16)
    Path("inks.tif").write_bytes(tiff(inks, tags={262: (5,), 338: ()}))
    line = run("stylize", "inks.tif", "wave.png", *model).stdout.decode()
    assert line.endswith("; its 16 bits per channel are read as 8\n")
    assert line.count("\n") == 1


# --- what goes wrong -------------------------------------------------------------------------


def test_bad_files_are_told_and_the_others_done(folder: Path, model: list[str]):
    bad = [each.make(folder) for each in BAD_FILES]
    save(Path("small.png"), height=15, width=40)
    photos = ["street.jpg", *bad, "small.png", "harbor.png"]
    done = run("stylize", *photos, "-s", "wave.png", "-o", "out", *model, code=2)
    assert names(Path("out")) == {"street-wave.jpg", "harbor-wave.png"}
    lines = done.stderr.decode().splitlines()
    count = len(bad) + 1
    lines, summary = lines[:count], lines[count:]
    by_name = {line.split(": ")[1]: line for line in lines}
    assert len(by_name) == count
    for each, path in zip(BAD_FILES, bad, strict=True):
        line = by_name[str(path)]
        assert line.startswith("impasto: ") and line.count(str(path)) == 1
        assert all(part in line for part in each.says)
    assert "15 pixels is too small" in by_name["small.png"]
    assert re.fullmatch(rf"impasto: 2 painted, {count} failed in \d+\.\d s", summary[0])
    assert [f"impasto: {line.strip()}" for line in summary[1:]] == lines
    assert len(done.stdout.splitlines()) == 2


def test_one_bad_photograph_leaves_nothing(folder: Path, model: list[str]):
    bad = truncated_jpeg(folder)
    before = names()
    done = run("stylize", bad, "wave.png", *model, code=2)
    assert len(done.stderr.splitlines()) == 1
    assert names() == before


def test_bad_style_model_engine_or_value_does_nothing(folder: Path, model: list[str]):
    bad = truncated_jpeg(folder)
    Path("text.impasto").write_text("no model")
    Image.new("L", (9, 9)).save("black.png")
    before = names()
    good = ("stylize", "street.jpg", "-s", "wave.png")
    for words, mend in [
        (("stylize", "street.jpg", "-s", bad, *model), f"{bad}: .*damaged, truncated"),
        (("stylize", "street.jpg", "-s", "gone.png", *model), "gone.png: no such file"),
        ((*good, "--model", "fsat"), "did you mean 'fast'"),
        ((*good, "--model", "text.impasto"), "text.impasto: is a text file, not an Impasto model"),
        ((*good, *model, "--engine", "steam"), "choose .*onnxruntime"),
        ((*good, *model, "--precision", "fp3"), "choose fp32"),
        ((*good, *model, "--threads", "0"), "1 or more"),
        ((*good, *model, "--alpha", "2.5"), "from 0 to 2"),
        ((*good, *model, "--alpha", "much"), "there is no file 'much'"),
        ((*good, *model, "--weights", "1,2"), "2 weights for 1 style"),
        ((*good, *model, "--weights", "-1"), "0 or more"),
        ((*good, *model, "--mask", "gone.png"), "gone.png: no such file"),
        ((*good, *model, "--mask", "wave.png"), "wave.png: is a picture in color"),
        ((*good, *model, "--mask", "black.png"), "mask 1 is empty"),
        ((*good, *model, "--statistics", "mask"), "region or image"),
        ((*good, *model, "--color", "sepia"), "choose one of cholesky"),
        ((*good, *model, "--size", "15"), "16 pixels or more"),
        ((*good, *model, "--quality", "101"), "1 to 100"),
        ((*good, *model, "--max-pixels", "99"), "wave.png: .*more than max_pixels = 99"),
    ]:
        done = run(*words, "-o", "out/", code=2)
        lines = done.stderr.decode().splitlines()
        assert len(lines) == 1 and lines[0].startswith("impasto: ") and re.search(mend, lines[0])
        assert done.stdout == b""
    assert names() - before <= {"out"}
    assert not Path("out").exists() or not names(Path("out"))


def test_interrupt(folder: Path, model: list[str]):
    """Ctrl-C in the middle: exit code 130, and whatever is there is whole."""
    process = subprocess.Popen(
        [*COMMAND, "stylize", *["street.jpg"] * 3000, "-s", "wave.png", "-o", "out", *model],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # A shell that starts us in the background has it ignored, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    try:
        until = time.monotonic() + 30
        while len(list(Path("out").glob("street-*"))) < 3:
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=30)[1].decode()
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors.strip() == "impasto: interrupted"
    results = list(Path("out").iterdir())
    assert 3 <= len(results) < 3000
    assert {pixels(path).shape for path in results} == {(40, 52, 3)}


@pytest.mark.parametrize("out", ["-", "out.png"])
def test_reader_that_goes_away(folder: Path, model: list[str], out: str):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "stylize", "street.jpg", "wave.png", "-o", out, *model],
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_format_of_standard_output(folder: Path, model: list[str]):
    """As it is asked for; of a file its name says it."""
    data = Path("street.jpg").read_bytes()
    words = ["-", "wave.png", "-o", "-", "--format", "jpeg", *model]
    done = run("stylize", *words, stdin=data)
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert image.format == "JPEG" and image.size == (52, 40)
    run("stylize", "street.jpg", "wave.png", "-o", "made.jpg", *model)
    assert np.array_equal(pixels(done.stdout), pixels(Path("made.jpg")))
    done = run("stylize", "street.jpg", "wave.png", "--format", "jpeg", *model, code=2)
    assert b"--format is for standard output" in done.stderr
    done = run("stylize", *words[: -len(model) - 1], "gif", *model, stdin=data, code=2)
    assert b"format 'gif' cannot be written" in done.stderr
    done = run("stylize", *words, "--depth", "16", stdin=data, code=2)
    assert b"JPEG holds 8 bits per channel" in done.stderr


def test_closed_streams(folder: Path, model: list[str]):
    line = " ".join([*COMMAND, "stylize", "street.jpg", "wave.png", "-o", "out.png", *model])
    done = subprocess.run(["sh", "-c", f"{line} <&- >&- 2>&-"], timeout=60, check=False)
    assert done.returncode == 0
    assert Path("out.png").exists()


# --- on a terminal ---------------------------------------------------------------------------


def on_terminal(*words: str, both: bool = False) -> tuple[int, str]:
    """Exit code, and what a terminal gets that is stderr, or stdout and stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *words],
        stdin=subprocess.DEVNULL,
        stdout=theirs if both else subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        text += part
    os.close(ours)
    return process.wait(timeout=60), text.decode()


def test_progress_on_a_terminal_only(folder: Path, model: list[str]):
    words = ("stylize", "street.jpg", "harbor.png", "-s", "wave.png", "-o", "out", *model)
    code, text = on_terminal(*words)
    assert code == 0
    assert "loading the model" in text and "harbor.png" in text and " % " in text
    assert text.rstrip(" \r\n").endswith(text.split("\r")[-3].rstrip(" \r\n")), "bar not erased"
    assert on_terminal(*words, "--quiet", "--overwrite") == (0, "")


def test_no_picture_is_written_to_a_terminal(folder: Path, model: list[str]):
    code, text = on_terminal("stylize", "street.jpg", "wave.png", "-o", "-", *model, both=True)
    assert code == 2
    assert "no picture is written to a terminal" in text and "PNG\r" not in text


# --- models ----------------------------------------------------------------------------------


def test_models_lists_models_and_engines():
    text = run("models").stdout.decode()
    flat = " ".join(text.split())
    for row in MODELS:
        assert re.search(rf"^{'[*]' if row.name == DEFAULT_MODEL else ' '} {row.name}$", text, re.M)
        if row.path is None:
            assert row.instructions in flat
            continue
        card = find_bundle(row.name).card
        for fact in (card.title, card.licence, card.data, f"{card.iterations:,} iterations"):
            assert " ".join(fact.split()) in flat
        assert f"{row.path.stat().st_size / 1e6:.1f} MB" in flat
    for engine in ENGINES:
        assert engine.summary in flat
        assert engine.installed or f"pip install {engine.pip}" in flat
    assert "--model path/to/NAME.impasto" in flat


def test_picture_with_alpha_and_grey(folder: Path, model: list[str]):
    """Transparency survives where the format has it."""
    color = Image.open("harbor.png").convert("RGBA")
    color.putalpha(Image.linear_gradient("L").resize(color.size))
    color.save("glass.png")
    Path("grey.webp").write_bytes(encoded("WEBP", Image.new("L", (30, 20), 90)))
    run("stylize", "glass.png", "grey.webp", "-s", "wave.png", *model)
    with Image.open("glass-wave.png") as glass, Image.open("grey-wave.webp") as grey:
        assert glass.mode == "RGBA"
        np.testing.assert_array_equal(glass.getchannel("A"), color.getchannel("A"))
        assert grey.size == (30, 20)
