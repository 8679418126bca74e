"""Experiments: units that are kept and gone on with, tables with known answers, pages of rows."""

from __future__ import annotations

import csv
import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab needs PyTorch")

import torch
from lab_parts import vgg_weights
from PIL import Image

import behavior
import coarse
import impasto
import methods
import pages
import prices
import study
import tuned
import weave as woven
import worst
import yardstick
from borders import BANDS, by_distance
from fig1 import equalized
from fig3 import crossing
from impasto.controls.transforms import TRANSFORMS
from impasto.errors import OptionError
from impasto.lab.data.pictures import load_collections
from impasto.lab.evaluate.painters import PainterOptions, open_painters
from impasto.lab.evaluate.pairs import Pair
from impasto.lab.evaluate.run import measure
from plots import Bar, Line, bar_plot, line_plot
from study import Bench, Experiment, Places, Results, Unit, gap_of, mean_of, run
from training import some_of, trainable

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(impasto.__file__).parents[1])}


# --- units of work


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a stand-in."""

    seeds: int = 2
    steps: int = 3


class Counted:
    """An experiment that notes the units it does; ``slow`` ones take a minute."""

    def __init__(self, *, slow: tuple[int, ...] = ()) -> None:
        self.done: list[int] = []
        self.slow = slow
        self.experiment = Experiment(
            name="counted",
            title="Counted",
            about="About.",
            settings=Settings,
            smoke=Settings(seeds=1),
            keys=("seed",),
            columns=("step", "loss"),
            units=lambda bench: [Unit({"seed": s}) for s in range(bench.settings.seeds)],
            measure=self.measure,
            tables=lambda results: mean_of(results.numbers("loss")),
            plot=lambda results: line_plot([Line("a", [(0, 0), (1, 1)])], title="t", x="x", y="y"),
        )

    def measure(self, unit: Unit, bench: Bench) -> Iterator[dict[str, Any]]:
        seed = int(unit.key["seed"])
        if seed in self.slow:
            time.sleep(60)
        self.done.append(seed)
        for step in range(bench.settings.steps):
            yield {"step": step, "loss": seed + step / 4}


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    """Make a bench with settings and a file that stands for VGG."""
    vgg = tmp_path / "vgg.pth"
    vgg.write_bytes(b"weights")

    def make(settings: Settings) -> Bench:
        places = Places({"photos/a": 1.0}, {"b": 1.0, "c": 3.0}, vgg)
        return Bench(settings, places, tmp_path / "work")

    return make


def test_a_unit_that_is_through_is_not_done_again(bench: Any, tmp_path: Path) -> None:
    counted, lines = Counted(), []
    first = run(counted.experiment, bench(Settings(seeds=1)), tmp_path / "a", say=lines.append)
    assert first is not None and counted.done == [0]
    before = (tmp_path / "a" / "rows.csv").read_text()
    found = run(counted.experiment, bench(Settings(seeds=3)), tmp_path / "a", say=lines.append)
    assert found is not None and counted.done == [0, 1, 2]
    assert (tmp_path / "a" / "rows.csv").read_text().startswith(before)
    assert found.numbers("loss", seed=2) == [2.0, 2.25, 2.5]
    assert found.values("seed") == ["0", "1", "2"] and found.about["units"] == 3
    assert found.about["styles"] == ["b 1", "c 3"] and found.about["contents"] == ["a"]
    assert [line.split(":")[0] for line in lines] == ["counted 0", "counted 1", "counted 2"]
    again = run(counted.experiment, bench(Settings(seeds=3)), tmp_path / "a", say=lines.append)
    assert again is not None and again.rows == found.rows and len(lines) == 3
    # Only the first row of a unit has its time.
    assert [bool(row["seconds"]) for row in found.rows] == [True, False, False] * 3


def test_rows_of_other_settings_do_not_mix(bench: Any, tmp_path: Path) -> None:
    counted = Counted()
    run(counted.experiment, bench(Settings(seeds=1)), tmp_path / "a", say=str)
    with pytest.raises(OptionError, match=r"settings = \{'steps': 3\}, not \{'steps': 4\}"):
        run(counted.experiment, bench(Settings(seeds=1, steps=4)), tmp_path / "a", say=str)
    (tmp_path / "vgg.pth").write_bytes(b"others")
    with pytest.raises(OptionError, match=r"was made with vgg = vgg.pth"):
        run(counted.experiment, bench(Settings(seeds=1)), tmp_path / "a", say=str)


def test_the_end_of_the_time_cuts_a_unit_off_and_the_next_call_does_it(
    bench: Any, tmp_path: Path
) -> None:
    slow, lines = Counted(slow=(1,)), []
    begin = time.monotonic()
    settings = Settings(seeds=3)
    found = run(slow.experiment, bench(settings), tmp_path, minutes=0.01, say=lines.append)
    assert time.monotonic() - begin < 20
    assert found is not None and found.values("seed") == ["0"]
    assert lines[-1] == "counted 1: stopped, the time is up; run again to resume"
    assert run(slow.experiment, bench(settings), tmp_path, minutes=0.0, say=lines.append)
    assert lines[-1] == "counted: the time is up, 2 units are left"
    quick = Counted()
    found = run(quick.experiment, bench(settings), tmp_path, minutes=1.0, say=lines.append)
    assert found is not None and quick.done == [1, 2] and found.values("seed") == ["0", "1", "2"]


def test_an_interrupt_by_the_user_goes_outward() -> None:
    with pytest.raises(KeyboardInterrupt), study.cut_after(60.0):
        raise KeyboardInterrupt


# --- numbers with known answers


def test_texts_of_means_and_gaps() -> None:
    assert mean_of([1.0, 1.0]) == "1.00 [1.00, 1.00]" and mean_of([2.5], 1) == "2.5"
    assert mean_of([]) == ""
    assert gap_of([1.5, 9.5], [1.0, 9.0]) == "+0.50 [+0.50, +0.50] *"
    assert gap_of([0.0, 1.0], [1.0, 0.0]) == "+0.00 [-1.00, +1.00]"


def test_the_step_at_which_a_curve_falls_below_a_level() -> None:
    curve = {10: 4.0, 1000: 2.0}
    assert crossing(curve, 3.0) == pytest.approx(100)  # half of the way, by logarithms
    assert crossing(curve, 2.5) == pytest.approx(10**2.5)
    assert crossing(curve, 1.0) is None and crossing(curve, 5.0) == 10 and crossing({}, 1.0) is None


def test_distances_from_the_border() -> None:
    square = np.zeros((64, 64))
    square[0], square[-1], square[:, 0], square[:, -1] = 2.0, 2.0, 2.0, 2.0
    square[1, 1:-1] = 1.0  # one of the four sides of the second ring
    found = by_distance(square)
    assert found[0] == 2.0 and found[1] == pytest.approx(62 / (4 * 62 - 4))
    assert found[2:] == [0.0] * (len(BANDS) - 2)


def test_equal_contrast() -> None:
    ramp = np.linspace(100, 140, 4096).astype(np.uint8).reshape(64, 64, 1).repeat(3, axis=2)
    gray = equalized(ramp)[..., 0]
    assert gray.min() == 0 and gray.max() == 255
    assert abs(float(np.median(gray)) - 127.5) < 5


def test_as_many_pictures_are_trained_on_as_are_asked_for(tmp_path: Path) -> None:
    folders = {str(ROOT / "examples" / "photos"): 1.0, str(ROOT / "examples" / "styles"): 1.0}
    files: dict[int, set[str]] = {}
    for count in (1, 2, 7):
        folder = some_of(folders, count, tmp_path / str(count), seed=1)
        loaded = load_collections({folder: 1.0}, shorter=64, smallest=32, memory=0.0)
        assert len(loaded) == count
        files[count] = {p.resolve().name for p in trainable([folder])}
        assert len(files[count]) == count
    assert files[1] < files[2] < files[7]
    with pytest.raises(OptionError, match="10 pictures to train on, not 400"):
        some_of(folders, 400, tmp_path / "many", seed=1)


# --- plots


def colored(image: Image.Image, red: int, green: int, blue: int) -> int:
    """How many pixels have a color, about."""
    apart = np.asarray(image).astype(int) - (red, green, blue)
    return int((np.abs(apart).max(axis=2) < 12).sum())


def test_bars_are_as_long_as_their_values() -> None:
    bars = [Bar("a", "one", 1.0, (0.8, 1.1)), Bar("a", "two", 2.0), Bar("b", "two", 4.0)]
    image = bar_plot(bars, title="title", y="unit")
    legend = 22 * 4  # its samples have the same colors
    one, two = (colored(image, *color) - legend for color in ((31, 119, 180), (214, 39, 40)))
    assert two / one == pytest.approx(6, rel=0.05)


def test_lines_lie_where_their_points_are() -> None:
    level = [Line("level", [(1, 3.0), (1000, 3.0)]), Line("", [(1, 1.0), (1000, 5.0)])]
    image = line_plot(level, title="t", x="steps", y="loss", log_x=True)
    blue, red = (
        np.nonzero(np.abs(np.asarray(image).astype(int) - color).max(axis=2) < 40)
        for color in ((31, 119, 180), (214, 39, 40))
    )
    level_row = int(np.bincount(blue[0]).argmax())
    right = blue[1][blue[0] == level_row].max()  # what lies further right is the legend
    inside = blue[0][blue[1] <= right]
    assert inside.max() - inside.min() <= 3
    sloped = red[0][red[1] <= right]
    assert (sloped.min() + sloped.max()) / 2 == pytest.approx(level_row, abs=3)


# --- the command


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run it as a user does."""
    words = [sys.executable, str(ROOT / "experiments"), *map(str, arguments)]
    return subprocess.run(
        words, capture_output=True, text=True, env=ENVIRONMENT, timeout=300, check=False
    )


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "rows.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_experiment_runs_is_gone_on_with_and_written_up(tmp_path: Path) -> None:
    torch.save(vgg_weights(), tmp_path / "vgg.pth")
    own = ("--smoke", "--vgg", tmp_path / "vgg.pth", "-o", tmp_path)
    done = command("transforms", *own)
    assert done.returncode == 0, done.stderr
    first = rows_of(tmp_path / "transforms")
    assert [row["transform"] for row in first] == ["none", *(row.name for row in TRANSFORMS)]
    assert {row["decoder"] for row in first} == {"adain-decoder.safetensors"}
    done = command("transforms", *own, "--set", "pairs=2")
    assert done.returncode == 0 and done.stdout.startswith(
        "transforms 1-adain-decoder.safetensors:"
    )
    assert (
        rows_of(tmp_path / "transforms")[:8] == first
        and len(rows_of(tmp_path / "transforms")) == 16
    )
    text = (tmp_path / "transforms" / "README.md").read_text()
    assert "Means over 2 held-out pairs at 64 px" in text and "2 of 2 units" in text
    with Image.open(tmp_path / "transforms" / "transforms.png") as plot:
        assert plot.size == (800, 420)
    refused = command("transforms", *own, "--set", "size=96")
    assert refused.returncode == 1 and "was made with settings" in refused.stderr
    assert "Traceback" not in refused.stderr
    unknown = command("transforms", *own, "--set", "pears=2")
    assert "has no setting 'pears'; its settings are pairs, size" in unknown.stderr
    words = command("transforms", *own, "--set", "pairs=many")
    assert words.stderr.strip().endswith("pairs is 'many'; it must be a number")


def test_an_experiment_that_trains(tmp_path: Path) -> None:
    torch.save(vgg_weights(), tmp_path / "vgg.pth")
    done = command("targets", "--smoke", "--vgg", tmp_path / "vgg.pth", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "targets")
    trained = [row for row in rows if row["pictures"] == "training"]
    judged = [row for row in rows if row["pictures"] == "pair 0"]
    assert [row["target"] for row in judged] == ["aligned", "content"]
    assert [row["step"] for row in trained] == ["1", "2", "1", "2"]
    # The same weights and the same crops: nothing but the content loss differs at first.
    assert trained[0]["style"] == trained[2]["style"]
    assert trained[0]["content"] != trained[2]["content"]
    assert "| f(c) less t, seed by seed |" in (tmp_path / "targets" / "README.md").read_text()
    # Its runs are gone on with by more steps, and not by other crops.
    further = ("--smoke", "--vgg", tmp_path / "vgg.pth", "--work", tmp_path / "work", "--set")
    done = command("targets", *further, "steps=3", "-o", tmp_path / "more")
    assert done.returncode == 0, done.stderr
    more = [row for row in rows_of(tmp_path / "more" / "targets") if row["pictures"] == "training"]
    assert [row["step"] for row in more] == ["1", "2", "3"] * 2
    losses = [[row["style"] for row in found] for found in (more[:2] + more[3:5], trained)]
    assert losses[0] == losses[1]
    done = command("targets", *further, "crop=48", "-o", tmp_path / "other")
    assert done.returncode == 1 and "has crop = 32, not 48; give another --work" in done.stderr


# --- experiments of models and methods, in one process


class Smoke:
    """Runs experiments in their smoke form, on the examples and a VGG of random weights."""

    def __init__(self, folder: Path) -> None:
        torch.save(vgg_weights(), folder / "vgg.pth")
        photos, styles = (str(ROOT / "examples" / name) for name in ("photos", "styles"))
        places = Places({photos: 1.0}, {styles: 1.0}, folder / "vgg.pth", all_files=True)
        self.folder, self.bench = folder, Bench(None, places, folder)

    def __call__(self, experiment: Experiment) -> Results:
        work, settings = self.folder / "work" / experiment.name, experiment.smoke
        self.bench = Bench(settings, self.bench.places, work, opened=self.bench)
        found = run(experiment, self.bench, self.folder / experiment.name, say=str)
        assert found is not None
        pages.write_results(experiment, found, self.folder / experiment.name)
        return found


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    return Smoke(tmp_path_factory.mktemp("smoke"))


def test_prices_of_content_are_told_beside_adain(smoke: Smoke) -> None:
    found = smoke(prices.EXPERIMENT)
    assert [(row["model"], row["price"]) for row in found.rows] == [
        ("adain", "untuned"),
        ("fast", "untuned"),
        ("fast", "10"),
        ("fast", "1"),
    ]
    (theirs,) = found.numbers("style_loss", model="adain")
    (own,) = found.numbers("style_loss", model="fast", price="1")
    (line,) = (row for row in prices.EXPERIMENT.tables(found).splitlines() if "| 1 |" in row)
    assert line.startswith(f"| `fast` | 1 | {own / theirs:.2f} |")


def test_styles_that_ship_are_judged_beside_adain(smoke: Smoke) -> None:
    found = smoke(tuned.EXPERIMENT)
    assert [(row["model"], row["state"]) for row in found.rows] == [
        ("adain", "untuned"),
        ("fast", "untuned"),
        ("fast", "tuned"),
    ]
    (theirs,) = found.numbers("content", model="adain")
    (own,) = found.numbers("content", model="fast", state="tuned")
    lines = [row for row in tuned.EXPERIMENT.tables(found).splitlines() if "| tuned |" in row]
    assert lines[0].endswith(f"| {own / theirs:.2f} |")
    assert lines[1:] == ["| `fast` | tuned |  |  |  |"]  # too small for a smooth area


def test_the_models_that_ship_are_judged_as_the_command_judges_them(smoke: Smoke) -> None:
    found = smoke(yardstick.EXPERIMENT)
    models = ["(content)", "adain", "quality", "fast"]
    assert [row["model"] for row in found.rows] == models
    (photograph,) = found.where(model="(content)")
    assert float(photograph["ssim"]) == pytest.approx(1) and float(photograph["content_kept"]) == 0
    text = yardstick.size_tables(found)
    assert "**1 pairs at 64 px**" in text and "| the bar beside adain | quality | fast |" in text
    style = [found.numbers("style", model=model)[0] for model in models]
    assert f"x{style[2] / style[1]:.2f}" in text
    assert f"style loss {style[3] / style[1]:.2f}," in yardstick.verdict(found).splitlines()[1]
    assert yardstick.front(found) is None  # of so few pairs
    assert f"| style loss | lower | {style[1]:.3f} |" in yardstick.overview(found)
    # The worst pairs are painted again, by the numbers of the rows.
    drawn = worst.sheet(found, smoke.bench, model="quality", size=64)
    assert drawn.width <= 1600 and drawn.height > 64
    with pytest.raises(OptionError, match="no pairs at 128 px; their sizes are 64"):
        worst.sheet(found, smoke.bench, model="quality", size=128)
    other = Results(found.name, found.rows, found.about | {"vgg": "another"})
    with pytest.raises(OptionError, match=r"the results have vgg = another, not vgg\.pth"):
        worst.sheet(other, smoke.bench, model="quality", size=64)
    # Painting once is what the experiment of larger strokes begins with, on the same pair.
    strokes = smoke(coarse.EXPERIMENT)
    assert [(row["coarse"], row["detail"]) for row in strokes.rows] == [
        ("1", "0.7"),
        ("2", "0"),
        ("2", "0.7"),
    ]
    assert strokes.numbers("style", coarse=1)[0] == pytest.approx(style[2], rel=1e-3)
    assert len(set(strokes.numbers("ssim"))) == 3
    assert coarse.coarse.DETAIL == 0.7
    assert "70 % of the detail (this is used)" in coarse.EXPERIMENT.tables(strokes)


def judged_rows(settings: yardstick.Settings) -> list[dict[str, str]]:
    """Rows in which `quality` has 1.5 times AdaIN's style loss, and a better SSIM by 0.1."""
    styles = {"(content)": 9.0, "adain": 0.5, "quality": 0.75, "fast": 0.5}
    ssims = {"(content)": 1.0, "adain": 0.4, "quality": 0.5, "fast": 0.4}
    rows = []
    for size, count in zip(settings.sizes, settings.pairs, strict=True):
        for pair in range(count):
            cells = {"size": str(size), "pair": str(pair), "identity": "", "paintings": "a"}
            for model, style in styles.items():
                numbers = {
                    "style": f"{style * (1 + pair % 3)}",
                    "content": "2",
                    "ssim": f"{ssims[model]}",
                    "weave_4": "1.5" if pair % 2 and model == "fast" else "",
                }
                if model == "fast":  # better or worse by chance
                    numbers["style"] = f"{style * (1 + pair % 3) + 0.1 * (-1) ** pair}"
                rows.append(
                    dict.fromkeys(yardstick.COLUMNS, "") | cells | {"model": model} | numbers
                )
    return rows


def test_the_overview_says_what_is_better_and_what_is_worse() -> None:
    settings = yardstick.Settings(sizes=(256, 512), pairs=(12, 6))
    about = {"contents": ["photos 0.5", "more 1"], "styles": ["paintings"]}
    text = yardstick.overview(Results("yardstick", judged_rows(settings), about)).splitlines()
    assert text[0].startswith(
        "Means over held-out pairs, 12 at 256 px and 6 at 512 px; photographs of photos 0.5, "
        "more 1, paintings of paintings. **Better**"
    )
    assert text[2] == (
        "| | good is | AdaIN, 256 px | `quality`, 256 px | `fast`, 256 px | AdaIN, 512 px | "
        "`quality`, 512 px | `fast`, 512 px |"
    ).replace("| | good", "|  | good")
    rows = {line.split(" | ")[0]: line for line in text[4:]}
    assert rows["| style loss"] == (
        "| style loss | lower | 1.000 | 1.500 worse | 1.000 | 1.000 | 1.500 worse | 1.000 |"
    )
    ssim = "0.400 | 0.500 **better** | 0.400"
    assert rows["| likeness to the photograph (SSIM)"].endswith(f"| higher | {ssim} | {ssim} |")
    assert rows["| weave of 4 px, dB"] == "| weave of 4 px, dB | lower |  |  | 1.50 |  |  | 1.50 |"
    assert "| Gram distance" not in rows  # not measured


def test_the_front_page_has_the_overview_of_a_whole_run() -> None:
    rows, about = judged_rows(yardstick.Settings()), {"contents": ["a"], "styles": ["b"]}
    whole = Results("yardstick", rows, about)
    front = yardstick.front(whole)
    assert front is not None
    # The same table, below words for people who do not know the folders.
    assert front.partition("\n\n")[2] == yardstick.overview(whole).partition("\n\n")[2]
    assert "not tuned" in front and "photographs of a" not in front
    assert yardstick.front(Results("yardstick", rows[4:], about)) is None


def test_weave_and_flat_pictures_of_painters(smoke: Smoke) -> None:
    found = smoke(woven.EXPERIMENT)
    assert [(row["painter"], row["kind"]) for row in found.rows] == [
        ("(content)", "weave"), ("fast", "flat"), ("fast", "weave"),
    ]  # fmt: skip
    photograph, flat, painted = found.rows
    for period in woven.PERIODS:
        assert abs(float(photograph[period])) < 1.5 and painted[period]
    assert 0 <= float(flat["ring"]) <= float(flat["spread"]) < 64 and float(flat["ground"]) > 0
    text = woven.EXPERIMENT.tables(found)
    assert "1 photographs x 1 paintings at 192 px" in text
    assert f"| `fast` | {float(flat['spread']):.1f} ({float(flat['spread']):.1f}) |" in text


def test_the_published_programs_are_met_by_any_weights(smoke: Smoke) -> None:
    found = smoke(behavior.EXPERIMENT)
    assert len(found.rows) == 5 and min(found.numbers("with")) > 55
    assert found.numbers("without", case="strength 0")[0] < 40  # the photograph itself


def test_methods_paint_in_processes_of_their_own(smoke: Smoke) -> None:
    found = smoke(methods.EXPERIMENT)
    photograph, fast, gatys = found.rows
    assert float(photograph["ssim"]) == pytest.approx(1) and photograph["peak_bytes"] == ""
    assert gatys["steps"] == "2" and fast["steps"] == ""
    for row in (fast, gatys):
        assert float(row["cpu_seconds"]) > 0 and 5e7 < float(row["peak_bytes"]) < 4e9
    # The same pair, as the command has it painted and judged.
    pair = Pair(*(ROOT / "examples" / name for name in (methods.PHOTO, methods.STYLE)))
    options = PainterOptions(engine="onnxruntime")
    painters = open_painters(["fast"], vgg=smoke.bench.vgg_file, options=options)
    (line,) = measure(painters, smoke.bench.judge, pair, 64)
    for column in methods.COLUMNS:
        assert float(fast[column]) == pytest.approx(line.values[column], rel=1e-3)
    text = methods.EXPERIMENT.tables(found)
    assert "| `gatys`, 2 steps | nothing |" in text


# --- pages


def test_pages_are_what_their_rows_make_of_them() -> None:
    done = command("page", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_table_that_is_stale_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counted = Counted().experiment
    (tmp_path / "counted").mkdir()
    (tmp_path / "counted" / "rows.csv").write_text("seed,step,loss,seconds\n0,0,2.5,60\n")
    about = '{"settings": {"seeds": 1}, "units": 2, "contents": ["a"], "styles": ["b"], '
    about += '"files": "held out", "vgg": "vgg.pth (0)"}'
    (tmp_path / "counted" / "settings.json").write_text(about)
    monkeypatch.setattr(pages, "RESULTS", tmp_path)
    monkeypatch.setattr(pages, "TABLES", {"counted loss": (counted, counted.tables)})
    page = tmp_path / "page.md"
    page.write_text(
        "Before.\n\n<!-- made of results: counted loss -->\n9.9\n<!-- end -->\n\nAfter.\n"
    )
    made = pages.made_pages([counted], [page])
    wanted = "Before.\n\n<!-- made of results: counted loss -->\n2.50\n<!-- end -->\n\nAfter.\n"
    assert made[page] == wanted
    section = made[tmp_path / "counted" / "README.md"]
    assert section.startswith(
        "# Counted\n\nAbout.\n\n*`python experiments counted`: 1 of 2 units, "
    )
    assert "1.0 minutes of work (seeds 1)" in section and section.endswith("(counted.png)\n")
    assert "](../experiments/results/counted/counted.png)" in made[pages.PAGE]


def test_the_published_numbers_belong_to_experiments() -> None:
    listed = command("list").stdout.split()
    assert set(study.PUBLISHED) <= set(listed)
    assert study.PUBLISHED["fig3"]["passes"]["adain"] == 78
    assert Results("fig1", [], {}).published["batch"]["styled"] == 1.75
