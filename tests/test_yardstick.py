"""`impasto lab evaluate`: pairs, models as users get them, lines kept, tables, pictures."""

from __future__ import annotations

import csv
import json
import math
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import make_tiny, open_variant, picture
from lab_parts import SHARED, vgg_weights, write_pictures
from PIL import Image

from impasto.controls import Controls
from impasto.errors import ImageError, ImpastoError, OptionError
from impasto.lab.cli import lab
from impasto.lab.cli.evaluate import folders
from impasto.lab.data.pictures import is_held_out, load_collections
from impasto.lab.evaluate import run
from impasto.lab.evaluate.lines import METRICS, Key, Line
from impasto.lab.evaluate.painters import (
    JudgedAdaIN,
    JudgedContent,
    PainterOptions,
    Pictures,
    open_painters,
)
from impasto.lab.evaluate.pairs import Look, Pair, PairOptions, draw_pairs, folder_files, square
from impasto.lab.evaluate.report import badness, summarize, worst_pairs
from impasto.lab.evaluate.run import Judge, JudgeOptions, evaluate_models
from impasto.lab.losses import CONTENT_LAYER, STYLE_LAYERS, content_loss, style_loss
from impasto.lab.nets.normalization import adain
from impasto.lab.nets.vgg import load_vgg
from impasto.lab.training.config import read_config
from impasto.lab.training.networks import BuiltInRow, find_network
from impasto.models import write_bundle
from impasto.stylizer import load

ROOT = Path(__file__).parents[1]
CONFIGS = [
    file
    for folder in ("configs", "experiments/configs", "recipes/configs")
    for file in sorted((ROOT / folder).glob("*.toml"))
]
PIXELS = 64


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Folders of pictures, a judge with random weights, two tiny models."""
    folder = tmp_path_factory.mktemp("yardstick")
    torch.save(vgg_weights(), folder / "vgg.pth")
    for seed, name in enumerate(("one", "two")):
        write_bundle(make_tiny(seed=seed), folder / f"{name}.impasto")
    write_pictures(folder / "photos", 40)
    write_pictures(folder / "paintings", 40, seed=1)
    write_pictures(folder / "textures", 40, seed=2)
    return folder


@pytest.fixture
def options(parts, tmp_path):
    return {
        "models": [str(parts / "one.impasto")],
        "reference": str(parts / "two.impasto"),
        "pairs": PairOptions(
            contents={str(parts / "photos"): 1.0},
            styles={str(parts / "paintings"): 1.0, str(parts / "textures"): 0.5},
            count=4,
            sizes=(PIXELS,),
        ),
        "judge": JudgeOptions(vgg=parts / "vgg.pth", precision="fp32"),
        "painters": PainterOptions(engine="onnxruntime", threads=1),
        "out": tmp_path / "out",
    }


def changed(options, **changes):
    """Options of a run with some changed; a dictionary changes fields of a group."""
    return options | {
        name: replace(options[name], **value) if isinstance(value, dict) else value
        for name, value in changes.items()
    }


def pairs_of(contents, styles, **options):
    return draw_pairs(PairOptions(contents=contents, styles=styles, **options))


# the split


def test_the_split_does_not_move():
    """By the name alone; whoever changes this makes every card's held-out numbers wrong."""
    names = [f"{i}.jpg" for i in range(100)]
    assert [name for name in names if is_held_out(name)] == PINNED_NAMES
    assert is_held_out("a/b.jpg".split("/")[-1]) == is_held_out("b.jpg")


PINNED_NAMES = "33.jpg 41.jpg 46.jpg 61.jpg 76.jpg 89.jpg 94.jpg".split()


def test_training_never_gets_a_held_out_file_and_evaluation_only_those(tmp_path):
    """Every picture is one color, which tells its file."""
    colors = {}
    for i in range(300):
        color = (i % 256, i // 256, 128)
        colors[color] = name = f"{i}.png"
        Image.new("RGB", (PIXELS, PIXELS), color).save(tmp_path / name)

    def names(held_out: bool) -> set[str]:
        loaded = load_collections([tmp_path], shorter=PIXELS, held_out=held_out)
        return {
            colors[tuple(array[0, 0].tolist())]
            for collection in loaded.collections
            for array in collection.pictures
        }

    trained, kept = names(False), names(True)
    assert trained | kept == set(colors.values()) and not trained & kept
    assert not any(map(is_held_out, trained)) and all(map(is_held_out, kept))
    folder = {str(tmp_path): 1.0}
    for count in (25, None):
        drawn = pairs_of(folder, folder, count=count).pairs
        used = {file.name for pair in drawn for file in (pair.content, pair.style)}
        assert used <= kept
    assert used == kept  # all pairs use all of them
    everything = pairs_of(folder, folder, count=300, held_out=False).pairs
    assert {pair.content.name for pair in everything} & trained


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the pictures in ../shared")
def test_the_configs_that_ship_leave_a_tenth_for_evaluation(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert len(CONFIGS) == 20
    walked: set[str] = set()  # most configs name the same folders, of thousands of files
    drawn_from = []
    for file in CONFIGS:
        config = read_config(file)
        # The styles of the others are pictures that are built in, each of them wanted.
        any_style = not isinstance(find_network(config.network), BuiltInRow)
        # Under `runs` lies what commands draw (grounds, patterns, prints); a clean clone has none.
        contents, styles = (
            {name: share for name, share in folders.items() if not name.startswith("runs/")}
            for folders in (config.data.contents, config.data.styles if any_style else {})
        )
        assert config.data.contents.keys() - contents.keys() <= {"runs/grounds"}, file
        if any_style:
            drawn = config.data.styles.keys() - styles.keys()
            assert drawn <= {"runs/patterns", "runs/prints"}, file
        for folder in {**contents, **styles}.keys() - walked:
            every = folder_files(folder, held_out=False)
            kept = [each for each in every if is_held_out(each.name)]
            assert kept == folder_files(folder, held_out=True)
            assert kept and 0.03 < len(kept) / len(every) < 0.18, folder
            walked.add(folder)
        if any_style and (contents, styles) not in drawn_from:
            drawn_from.append((contents, styles))
            pairs = pairs_of(contents, styles, count=20).pairs
            assert all(is_held_out(f.name) for pair in pairs for f in (pair.content, pair.style))


# pairs


def test_a_longer_draw_begins_with_the_shorter_and_repeats_nothing(parts):
    contents = {str(parts / "photos"): 1.0}
    styles = {str(parts / "paintings"): 1.0, str(parts / "textures"): 3.0}
    drawn = {n: pairs_of(contents, styles, count=n, held_out=False).pairs for n in (10, 80, 1000)}
    assert drawn[80][:10] == drawn[10] and drawn[1000][:80] == drawn[80]
    assert all(len(set(pairs)) == len(pairs) == n for n, pairs in drawn.items())
    # every photograph once before any comes again
    assert len({pair.content for pair in drawn[80][:40]}) == 40
    share = sum(pair.style.parent.name == "textures" for pair in drawn[1000][:300]) / 300
    assert 0.7 < share < 0.8
    assert pairs_of(contents, styles, count=10, held_out=False, seed=1).pairs != drawn[10]


def test_all_pairs_and_no_more_than_there_are(parts):
    contents, styles = ({str(parts / name): 1.0} for name in ("photos", "paintings"))
    every = pairs_of(contents, styles, count=None).pairs
    files = [folder_files(parts / name, held_out=True) for name in ("photos", "paintings")]
    assert every == tuple(Pair(*both) for both in product(*files))
    # Two sets of equal length, whose cycles would fall into step.
    assert set(pairs_of(contents, styles, count=10_000).pairs) == set(every)


def test_files_that_cannot_be_used_are_left_out_and_listed(tmp_path):
    folder = write_pictures(tmp_path / "set", 60)
    kept = folder_files(folder, held_out=True)
    kept[0].write_bytes(kept[0].read_bytes()[:100])
    Image.new("RGB", (20, 90)).save(kept[1])
    for name in ("notes.txt", ".DS_Store", "._0.png"):
        (folder / name).write_text("no picture")
    both = {str(folder): 1.0}
    for count in (30, None):
        drawn = pairs_of(both, both, count=count)
        assert {file for file, _ in drawn.left_out} == {*kept[:2], folder}
        assert (folder, "1 file without a picture suffix is skipped: notes.txt") in drawn.left_out
        assert all(reason for _, reason in drawn.left_out)
        assert not {f for p in drawn.pairs for f in (p.content, p.style)} & set(kept[:2])


def test_a_single_picture_will_do(tmp_path):
    write_pictures(tmp_path / "photos", 3)
    one = tmp_path / "photos" / "1.png"
    drawn = pairs_of({str(tmp_path / "photos"): 1.0}, {str(one): 1.0}, count=None, held_out=False)
    assert [pair.content.name for pair in drawn.pairs] == ["0.png", "1.png", "2.png"]
    assert {pair.style for pair in drawn.pairs} == {one}
    (tmp_path / "words.txt").write_text("no picture")
    with pytest.raises(ImageError, match=r"words\.txt: none of 0 files"):
        pairs_of({str(tmp_path / "words.txt"): 1.0}, {str(one): 1.0}, count=1, held_out=False)


@pytest.mark.parametrize("held_out", [True, False])
def test_folders_without_pictures_are_refused(tmp_path, held_out):
    (tmp_path / "empty").mkdir()
    for name in ("missing", "empty"):
        with pytest.raises(ImageError, match=name):
            both = {str(tmp_path / name): 1.0}
            pairs_of(both, both, count=1, held_out=held_out)


def test_shares_and_counts_out_of_range(parts):
    folder = str(parts / "photos")
    for shares in ({}, {folder: 0.0}, {folder: -1.0}, {folder: math.nan}):
        with pytest.raises(OptionError):
            pairs_of(shares, {folder: 1.0}, count=1)
    with pytest.raises(OptionError, match="0"):
        pairs_of({folder: 1.0}, {folder: 1.0}, count=0)


def test_square_is_the_middle(tmp_path):
    wide = np.zeros((64, 128, 3), np.uint8)
    wide[:, 32:96] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (square(tmp_path / "wide.png", 64) == 1).all()
    assert square(tmp_path / "wide.png", 96).shape == (96, 96, 3)


# painters and judge


@pytest.mark.parametrize("margin", [0, 8])
def test_a_model_is_judged_as_its_user_gets_it(margin):
    stylizer = open_variant(make_tiny(margin=margin), ("onnxruntime", "fp32"))
    content, style = picture(50, 62), picture(40, 40, seed=1) ** 2
    look = Look(Pair(Path("content.png"), Path("style.png")), content, style)
    made = JudgedAdaIN(stylizer.painter, "tiny").paint(look)
    wanted = stylizer.paint(content, stylizer.style(style, size=None)).image
    assert np.array_equal(np.clip(made.raw, 0, 1), wanted)
    assert made.raw.min() < 0 or made.raw.max() > 1  # not clipped
    assert made.seconds > 0 and not made.clipped
    # The tiny model's decoder undoes its encoder exactly.
    assert np.abs(made.unaligned - content).max() < 1e-4


def test_a_model_is_judged_with_controls_behind_its_name(parts):
    one = str(parts / "one.impasto")
    specs = [one, f"{one}:transform=ost", f"{one}:transform=efdm,alpha=0.5"]
    options = PainterOptions(engine="onnxruntime")
    painters = open_painters(specs, vgg="", options=options)
    assert [each.label for each in painters] == [
        "one", "one:transform=ost", "one:transform=efdm,alpha=0.5"
    ]  # fmt: skip
    assert len({each.identity for each in painters}) == 3
    content, style = picture(48, 64), picture(40, 40, seed=1) ** 2
    look = Look(Pair(Path("content.png"), Path("style.png")), content, style)
    for painter, controls in zip(
        painters,
        [Controls(), Controls(transform="ost"), Controls(transform="efdm", alpha=0.5)],
        strict=True,
    ):
        stylizer = painter.stylizer
        wave = stylizer.style(style, size=None, transform=controls.transform)
        wanted = stylizer.paint(content, wave, controls).image
        made = painter.paint(look, unaligned=False).raw
        np.testing.assert_allclose(np.clip(made, 0, 1), wanted, atol=1e-6)
    for wrong, says in (
        (f"{one}:color=only", "has no setting 'color'; it takes transform, alpha, behavior"),
        (f"{one}:alpha=much", "alpha of model .* must be a number, not 'much'"),
        (f"{one}:transform=gram", "choose one of adain"),
        ("fast:transform=wct", "'fast' does not support transform 'wct'"),
        (f"{parts}/none.impasto:transform=ost", "no model file"),
    ):
        with pytest.raises(ImpastoError, match=says):
            open_painters([wrong], vgg="", options=options)
    with pytest.raises(OptionError, match="twice"):
        open_painters([specs[1], specs[1]], vgg="", options=options)


def test_models_get_labels_of_their_own(parts, tmp_path):
    shutil.copy(parts / "two.impasto", tmp_path / "one.impasto")
    paths = [parts / "one.impasto", tmp_path / "one.impasto"]
    labels = [
        painter.label
        for painter in open_painters(paths, vgg="", options=PainterOptions(engine="onnxruntime"))
    ]
    assert len(set(labels)) == 2 and all(label.startswith("one-") for label in labels)
    for wrong, says in (([paths[0], paths[0]], "twice"), ([], "no model")):
        with pytest.raises(OptionError, match=says):
            open_painters(wrong, vgg="", options=PainterOptions(engine="onnxruntime"))


def test_the_judge_gives_the_losses_of_training(parts):
    content, style, made = (picture(PIXELS, PIXELS, seed=seed) for seed in range(3))
    vgg = load_vgg(parts / "vgg.pth")
    judge = Judge(vgg, precision="fp32")
    loud = made * 1.5 - 0.2
    found, same = judge(content, style, [Pictures(loud, content), Pictures(style, content)])
    tensors = [
        torch.from_numpy(np.clip(each, 0, 1)).permute(2, 0, 1)[None]
        for each in (content, style, loud)
    ]
    own, goal, got = (vgg(tensor, STYLE_LAYERS) for tensor in tensors)
    target = adain(own[CONTENT_LAYER], goal[CONTENT_LAYER])
    wanted = content_loss(got[CONTENT_LAYER], target).item()
    assert found["content"] == pytest.approx(wanted, rel=1e-3)
    assert found["style"] == pytest.approx(style_loss(got, goal).item(), rel=1e-3)
    assert found["clipped"] > 0 and found["identity_psnr"] == 100
    for name in ("style", "gram", "wasserstein", "colors"):
        assert same[name] == pytest.approx(0, abs=1e-4)
        assert found[name] > 1e-3
    quick = Judge(load_vgg(parts / "vgg.pth"), precision="bf16")
    (near,) = quick(content, style, [Pictures(loud, content)])
    for name in ("content", "style", "gram", "wasserstein"):
        assert near[name] == pytest.approx(found[name], rel=0.05), name


def test_a_shallow_judge_is_refused(tmp_path):
    torch.save(vgg_weights(last="conv3_1"), tmp_path / "vgg.pth")
    with pytest.raises(OptionError, match="relu4_1"):
        Judge(load_vgg(tmp_path / "vgg.pth"), precision="fp32")


# the run


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def lines_in(folder: Path) -> list[tuple[Key, dict[str, float]]]:
    """Key and values of each line of ``pairs.csv``."""
    return [
        (
            (r["model"], r["identity"], int(r["size"]), r["content_file"], r["style_file"]),
            {row.name: float(r[row.name]) for row in METRICS if r[row.name]},
        )
        for r in rows(folder / "pairs.csv")
    ]


def test_a_report_holds_everything(options):
    found = evaluate_models(**options)
    out = options["out"]
    assert found.reference == "two"
    lines = found.lines
    assert lines_in(out) == [(line.key, line.values) for line in lines]
    assert len(lines) == 3 * 4  # the photograph, the reference, the model
    for line in lines:
        # Too small for places that are smooth.
        wanted = {row.name for row in METRICS if not row.name.startswith("weave")} - {"lpips"}
        if line.model == "(content)":
            wanted -= {"identity_psnr", "clipped", "seconds"}
            assert line.values["ssim"] == line.values["edges"] == 1
            assert line.values["content_kept"] == line.values["checkerboard"] == 0
        assert set(line.values) == wanted
        assert all(map(math.isfinite, line.values.values()))
    for row in found.summary:
        values = [line.values[row.metric] for line in lines if line.model == row.model]
        assert row.mean == pytest.approx(np.mean(values))
        assert row.median == pytest.approx(np.median(values))
        theirs = [line.values[row.metric] for line in lines if line.model == "two"
                  and row.metric in line.values]  # fmt: skip
        if row.model == "two":
            assert row.ratio is row.difference is row.wins is None
            continue
        assert row.difference == pytest.approx(np.mean(values) - np.mean(theirs))
        if row.ratio is not None:
            assert row.ratio == pytest.approx(np.mean(values) / np.mean(theirs))
        better = np.greater if row.better == "higher" else np.less
        assert row.wins == pytest.approx(np.mean(better(values, theirs)))
    assert {path.name for path in found.files} == {
        "summary.csv", "folders.csv", "summary.md",
        *(f"{kind}-{name}-{PIXELS}.png" for kind in ("worst", "sheet") for name in ("one", "two")),
    }  # fmt: skip
    text = (out / "summary.md").read_text()
    assert "| the bar beside two | one |" in text and "seed 0" in text
    assert len(rows(out / "summary.csv")) == len(found.summary)
    with Image.open(out / f"worst-one-{PIXELS}.png") as sheet:
        assert sheet.width > 4 * PIXELS and sheet.height > 4 * PIXELS


def test_an_interrupted_run_goes_on_and_ends_the_same(options, monkeypatch):
    whole, part = options["out"].with_name("whole"), options["out"]
    evaluate_models(**options | {"out": whole})
    calls = 0

    def stop(*arguments, measure=run.measure):
        nonlocal calls
        calls += 1
        if calls > 2:
            raise KeyboardInterrupt
        return measure(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run, "measure", stop)
        with pytest.raises(KeyboardInterrupt):
            evaluate_models(**options)
    assert len(lines_in(part)) == 2 * 3
    # A power cut in the middle of a line.
    file = part / "pairs.csv"
    file.write_bytes(file.read_bytes()[:-40])
    measured = []

    def count(painters, *arguments, measure=run.measure):
        measured.append(len(painters))
        return measure(painters, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run, "measure", count)
        evaluate_models(**options)
    assert measured == [1, 3, 3]  # what the cut took, and the rest
    for name in ("summary.csv", "summary.md"):  # all but how long it took
        first, second = ((out / name).read_text().splitlines() for out in (part, whole))
        assert len(first) == len(second)
        assert all(a == b for a, b in zip(first, second, strict=True) if "seconds" not in a)
    assert {key for key, _ in lines_in(part)} == {key for key, _ in lines_in(whole)}


def test_more_pairs_sizes_and_models_join_a_folder(options, parts, monkeypatch):
    evaluate_models(**changed(options, models=[], pairs={"count": 2}))
    before = (options["out"] / "pairs.csv").read_text()
    more = evaluate_models(**changed(options, pairs={"count": 3, "sizes": (PIXELS, 72)}))
    after = (options["out"] / "pairs.csv").read_text()
    assert after.startswith(before)
    assert len(more.lines) == 2 * 3 * 3 == len(rows(options["out"] / "pairs.csv"))
    fewer = evaluate_models(**changed(options, pairs={"count": 1}))
    assert (options["out"] / "pairs.csv").read_text() == after  # nothing was measured again
    assert {row.pairs for row in fewer.summary} == {1}


def test_numbers_made_in_two_ways_do_not_meet(options, parts):
    evaluate_models(**changed(options, pairs={"count": 1}))
    with pytest.raises(OptionError, match="judge_precision"):
        evaluate_models(**changed(options, judge={"precision": "bf16"}))
    other = vgg_weights()
    other["2.bias"] += 1
    torch.save(other, parts / "other.pth")
    with pytest.raises(OptionError, match="vgg"):
        evaluate_models(**changed(options, judge={"vgg": parts / "other.pth"}))
    (options["out"] / "pairs.csv").write_text("something,else\n1,2\n")
    with pytest.raises(OptionError, match="columns"):
        evaluate_models(**options)
    assert (options["out"] / "pairs.csv").read_text() == "something,else\n1,2\n"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"pairs": {"sizes": (60,)}}, "60"),
        ({"pairs": {"sizes": (100,)}}, "multiple of 8"),
        ({"pairs": {"sizes": ()}}, "no size"),
        ({"judge": {"precision": "fp8"}}, "fp8"),
        ({"worst_by": "beauty"}, "beauty"),
        ({"worst_by": "lpips"}, "lpips"),
        ({"pairs": {"count": 0}}, "pairs"),
        ({"painters": {"precision": "fp8"}}, "fp8"),
    ],
)
def test_options_out_of_range_are_refused_before_the_work(options, wrong, says):
    with pytest.raises(OptionError, match=says):
        evaluate_models(**changed(options, **wrong))
    assert not (options["out"] / "pairs.csv").exists()


# the report


def line(model: str, i: int, **values: float) -> Line:
    base = {"content": 1.0, "style": 1.0, "wasserstein": 1.0, "ssim": 0.5} | values
    return Line(model, model, 64, Pair(Path(f"{i}.png"), Path("s.png")), base)


def test_the_worst_pairs_are_those_where_the_reference_does_better():
    lines = [line("ours", i, style=float(i + 1)) for i in range(12)]
    # The reference fails just as much where we fail most, and not at the fifth.
    lines += [line("ref", i, style=0.5 if i == 4 else float(i + 1)) for i in range(12)]
    worst = worst_pairs(lines, "ours", reference="ref")
    assert len(worst) == 10
    assert worst[0] == (Pair(Path("4.png"), Path("s.png")), pytest.approx(math.log(10) / 4))
    alone = badness(lines, "ours", reference=None)
    assert max(alone, key=alone.__getitem__).content.name == "11.png"
    assert alone[Pair(Path("0.png"), Path("s.png"))] == pytest.approx(-math.log(6.5) / 4)
    by_ssim = worst_pairs(
        [line("ours", i, ssim=i / 20) for i in range(12)], "ours", reference=None, by="ssim"
    )
    assert [pair.content.name for pair, _ in by_ssim[:2]] == ["0.png", "1.png"]
    assert by_ssim[1][1] == pytest.approx(0.05)


def test_what_is_no_number_comes_first_among_the_worst():
    lines = [line("ours", i, style=math.nan if i == 3 else 1.0) for i in range(5)]
    ((first, _), *_) = worst_pairs(lines, "ours", reference=None, by="style")
    assert first.content.name == "3.png"


@pytest.mark.parametrize(
    ("ours", "met"),
    [
        ({"content": 0.9, "style": 0.9, "ssim": 0.55}, "yes yes yes yes"),
        ({"content": 1.0, "style": 1.1, "ssim": 0.549, "wasserstein": 1.01}, "no no no no"),
        ({"content": 0.5, "style": 1.0, "ssim": 0.4, "wasserstein": 0.8}, "yes no no yes"),
    ],
)
def test_the_bar(ours, met):
    from impasto.lab.evaluate.report import markdown

    lines = [line("ref", i) for i in range(3)] + [line("ours", i, **ours) for i in range(3)]
    text = markdown(summarize(lines, reference="ref"), reference="ref")
    table = text[text.index("| the bar beside ref | ours |") :].splitlines()[2:6]
    assert " ".join(row.split("|")[2].strip() for row in table) == met


# the command


def test_folders_and_shares(tmp_path):
    odd = tmp_path / "a=2"
    odd.mkdir()
    given = ("photos", "paintings=0.5", str(odd), f"{odd}=3", "x=y")
    assert folders(given) == {
        "photos": 1, "paintings": 0.5, str(odd): 3, "x=y": 1,
    }  # fmt: skip


def test_the_command(parts, tmp_path):
    out = tmp_path / "judged"
    words = [
        "evaluate", "--contents", f"{parts / 'photos'}=2", "--styles", parts / "paintings",
        "--vgg", parts / "vgg.pth", "--model", parts / "one.impasto", "--size", PIXELS,
        "--pairs", 2, "--engine", "onnxruntime", "--judge-precision", "fp32", "-o", out,
    ]  # fmt: skip
    result = CliRunner().invoke(lab, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "## 2 pairs at 64 px" in result.output and "photos 2" in result.output
    assert "the bar" not in result.output  # nothing to compare with
    assert len(rows(out / "pairs.csv")) == 2 * 2
    assert json.loads((out / "settings.json").read_text())["judge_precision"] == "fp32"
    for missing in ("--vgg", "--styles"):
        at = words.index(missing)
        less = [str(word) for word in words[:at] + words[at + 2 :]]
        refused = CliRunner().invoke(lab, less)
        assert refused.exit_code == 2 and missing in refused.output
    help_text = CliRunner().invoke(lab, ["evaluate", "--help"]).output
    assert "[default: 200]" in help_text and "[default: held-out]" in help_text


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the weights in ../shared")
def test_the_papers_network_of_the_users_weights_is_the_reference(parts, tmp_path):
    found = evaluate_models(
        [parts / "one.impasto"],
        pairs=PairOptions(
            contents={str(SHARED / "data/photos/bsds500"): 1.0},
            styles={str(SHARED / "data/paintings/seventy-painters"): 1.0},
            count=2,
            sizes=(128,),
        ),
        judge=JudgeOptions(vgg=SHARED / "weights/vgg_normalised.pth"),
        painters=PainterOptions(decoder=SHARED / "weights/decoder.pth"),
        out=tmp_path,
    )
    assert found.reference == "adain"
    means = {(row.model, row.metric): row.mean for row in found.summary}
    # A photograph is far from the style, AdaIN near, a model that only scales channels between.
    assert means["adain", "style"] < 0.5 * means["(content)", "style"]
    assert means["adain", "wasserstein"] < means["one", "wasserstein"]
    assert 10 < means["adain", "identity_psnr"] < 30 < means["one", "identity_psnr"]
    assert means["adain", "ssim"] < means["(content)", "ssim"]


def test_the_photograph_is_its_own_baseline():
    content = picture(40, 40)
    look = Look(Pair(Path("content.png"), Path("style.png")), content, content)
    made = JudgedContent().paint(look)
    assert made.raw is content and made.unaligned is made.seconds is None


def test_a_model_with_built_in_styles_is_judged_on_those(options, tmp_path):
    trained = Path(__file__).parents[1] / "trained" / "johnson-wave.impasto"
    looks = tmp_path / "looks"
    looks.mkdir()
    shutil.copy(Path(__file__).parents[1] / "examples" / "styles" / "wave.jpg", looks)
    asked = changed(
        options,
        models=[options["models"][0], trained],
        reference=None,
        pairs={"styles": {str(looks): 1.0}, "held_out": False, "count": 2},
    )
    found = evaluate_models(**asked)
    means = {(row.model, row.metric): row.mean for row in found.summary}
    assert ("johnson-wave", "identity_psnr") not in means  # it has nothing to leave unaligned
    assert ("johnson-wave", "clipped") not in means
    # It has learned that picture, which the tiny model only takes colors from.
    assert means["johnson-wave", "gram"] < means["(content)", "gram"]
    assert means["johnson-wave", "seconds"] > 0
    pair = found.drawn.pairs[0]
    model = load(trained, engine="onnxruntime")
    wanted = model.paint(square(pair.content, PIXELS), model.find("wave"))
    (painter,) = open_painters([trained], vgg="", options=options["painters"])
    made = painter.paint(Look(pair, square(pair.content, PIXELS), square(pair.style, PIXELS)))
    assert np.allclose(made.raw, wanted.image, atol=1e-5)

    (looks / "wave.jpg").rename(looks / "weave.jpg")
    with pytest.raises(OptionError, match=r"'johnson-wave' cannot paint weave\.jpg: .* wave$"):
        evaluate_models(**asked | {"out": tmp_path / "other"})


def test_a_method_is_a_reference_beside_bundles(options, parts, monkeypatch):
    monkeypatch.setenv("IMPASTO_VGG", str(parts / "vgg.pth"))
    short, shorter = (f"style-swap:layer=relu2_1,steps={steps}" for steps in (2, 1))
    models = [options["models"][0], shorter]
    asked = changed(options, models=models, reference=short, pairs={"count": 1})
    found = evaluate_models(**asked)
    assert found.reference == short
    assert [line.model for line in found.lines] == ["(content)", short, "one", shorter]
    again = evaluate_models(**asked | {"models": [short, shorter]})
    assert [line.model for line in again.lines] == ["(content)", short, shorter]
    assert {path.name for path in again.files} >= {
        f"sheet-style-swap-layer-relu2_1-steps-{steps}-{PIXELS}.png" for steps in (1, 2)
    }
