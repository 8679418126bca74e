"""Pictures that other programs made, and objects of other people's code, in our tables."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from click.testing import CliRunner
from conftest import make_tiny, picture
from lab_parts import vgg_weights, write_pictures
from PIL import Image

from impasto.errors import ImageError, ImpastoError, OptionError
from impasto.images.options import SaveOptions
from impasto.images.writing import write_image
from impasto.lab.cli import lab
from impasto.lab.evaluate.foreign import BETWEEN, JudgedPictures
from impasto.lab.evaluate.painters import PainterOptions, split_settings
from impasto.lab.evaluate.pairs import Pair, PairOptions, square
from impasto.lab.evaluate.run import JudgeOptions, evaluate_models, score_pictures
from impasto.models import write_bundle
from impasto.painting.objects import painter_of
from impasto.stylizer import Stylizer

PIXELS = 64
TIMED = ("seconds", "clipped", "identity_psnr")
"""Columns that only whoever paints can give."""


class Gray:
    """Somebody's method: the photograph without its colors, as strong as it is told."""

    name = "gray"

    def stylize(self, content, style, alpha=1.0):
        assert content.dtype == style.dtype == np.float32 and content.shape[2] == 3
        return content + alpha * (content.mean(axis=2, keepdims=True) - content)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Two photographs and two styles, a judge, and a report on one model."""
    folder = tmp_path_factory.mktemp("score")
    torch.save(vgg_weights(), folder / "vgg.pth")
    write_bundle(make_tiny(), folder / "one.impasto")
    for name, kind, seed in (("photos", "street", 0), ("looks", "wave", 1)):
        for file in write_pictures(folder / name, 2, seed=seed).iterdir():
            file.rename(file.with_name(f"{kind}{file.name}"))
    evaluate_models(
        [str(folder / "one.impasto"), Gray()],
        pairs=PairOptions(
            contents={str(folder / "photos"): 1.0},
            styles={str(folder / "looks"): 1.0},
            count=None,
            held_out=False,
            sizes=(PIXELS,),
        ),
        judge=JudgeOptions(vgg=folder / "vgg.pth", precision="fp32"),
        painters=PainterOptions(engine="onnxruntime", threads=1),
        out=folder / "report",
    )
    return folder


@pytest.fixture
def report(parts, tmp_path):
    """A copy of the report."""
    return Path(shutil.copytree(parts / "report", tmp_path / "report"))


def pairs_of(parts) -> list[Pair]:
    return [
        Pair(parts / "photos" / f"street{i}.png", parts / "looks" / f"wave{j}.png")
        for i in range(2)
        for j in range(2)
    ]


def paint_all(parts, folder: Path, between: str = "-", *, size: int = PIXELS) -> Path:
    """Pictures of another program: the gray squares of all pairs, in 16 bits."""
    folder.mkdir()
    for pair in pairs_of(parts):
        content, style = square(pair.content, size), square(pair.style, size)
        name = f"{pair.content.stem}{between}{pair.style.stem}.png"
        made = Gray().stylize(content, style)
        write_image(made, folder / name, save=SaveOptions(depth=16))
    return folder


def means(found) -> dict[tuple[str, str], float]:
    return {(row.model, row.metric): row.mean for row in found.summary}


def score(parts, report, folder, **options):
    judge = JudgeOptions(vgg=parts / "vgg.pth", precision="fp32")
    return score_pictures({"theirs": folder}, judge=judge, out=report, **options)


def test_pictures_get_the_numbers_of_the_model_that_painted_them(parts, report, tmp_path):
    found = score(parts, report, paint_all(parts, tmp_path / "made"), reference="one")
    there = means(found)
    assert {model for model, _ in there} == {"(content)", "one", "gray", "theirs"}
    columns = {metric for model, metric in there if model == "gray"} - set(TIMED)
    assert {metric for model, metric in there if model == "theirs"} == columns
    for metric in columns:
        assert there["theirs", metric] == pytest.approx(there["gray", metric], rel=2e-3, abs=2e-4)
    assert there["theirs", "colors"] != pytest.approx(there["(content)", "colors"], rel=0.05)
    text = (report / "summary.md").read_text()
    assert "| | better | (content) | one | gray | theirs |" in text
    assert "theirs painted elsewhere" in text and "4 pictures of 64 x 64 px in made" in text
    assert (report / f"worst-theirs-{PIXELS}.png").exists()


@pytest.mark.parametrize("between", BETWEEN)
def test_names_of_pictures(parts, tmp_path, between):
    judged = JudgedPictures("theirs", paint_all(parts, tmp_path / "made", between, size=32))
    judged.check(pairs_of(parts))
    assert judged.title == "4 pictures of 32 x 32 px in made" and len(judged.identity) == 16


def test_whole_photographs_are_judged_by_their_middle_square(parts, report, tmp_path):
    folder = tmp_path / "whole"
    folder.mkdir()
    for pair in pairs_of(parts):
        shutil.copy(pair.content, folder / f"{pair.content.stem}_{pair.style.stem}.PNG")
    there = means(score(parts, report, folder))
    for metric in ("content", "style", "gram", "colors", "ssim"):
        assert there["theirs", metric] == pytest.approx(there["(content)", metric], rel=1e-5)


def test_what_was_scored_is_not_measured_again_until_it_changes(parts, report, tmp_path):
    folder = paint_all(parts, tmp_path / "made")
    lines = [len(score(parts, report, folder).lines)]
    size = (report / "pairs.csv").stat().st_size
    lines.append(len(score(parts, report, folder).lines))
    assert (report / "pairs.csv").stat().st_size == size
    shutil.copy(folder / "street0-wave0.png", folder / "street1-wave0.png")
    lines.append(len(score(parts, report, folder).lines))
    assert (report / "pairs.csv").stat().st_size > size
    assert lines == [4 * 4] * 3  # what is replaced is in no table


def test_models_that_lack_pairs_are_told_and_left_out(parts, report, tmp_path):
    with (report / "pairs.csv").open() as file:
        rows = list(csv.reader(file))
    kept = [row for i, row in enumerate(rows) if row[0] != "gray" or i < 6]
    with (report / "pairs.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(kept)
    found = score(parts, report, paint_all(parts, tmp_path / "made"))
    assert "gray" not in {model for model, _ in means(found)}
    assert "skipped: gray: was measured on" in (report / "summary.md").read_text()


def spoil_missing(folder: Path) -> None:
    for name in ("street0-wave1.png", "street1-wave1.png"):
        (folder / name).unlink()


def spoil_shape(folder: Path) -> None:
    Image.new("RGB", (96, 64)).save(folder / "street1-wave1.png")


def spoil_file(folder: Path) -> None:
    (folder / "street1-wave1.png").write_bytes(b"\x89PNG no more")


def spoil_twice(folder: Path) -> None:
    shutil.copy(folder / "street1-wave1.png", folder / "street1_wave1.png")


def spoil_all(folder: Path) -> None:
    for file in folder.iterdir():
        file.rename(file.with_suffix(".txt"))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_missing, "2 of 4 pairs have no picture in .*: street0-wave1, street1-wave1; .*"),
        (spoil_shape, r"street1-wave1.png has 96 x 64 pixels, .* street1.png, 112 x 96"),
        (spoil_file, r"street1-wave1\.png"),
        (spoil_twice, "street1-wave1.png and street1_wave1.png are both pictures of"),
        (spoil_all, "there is no picture in"),
    ],
)
def test_folders_that_do_not_fit_are_refused_before_the_work(parts, report, tmp_path, spoil, says):
    folder = paint_all(parts, tmp_path / "made", size=32)
    spoil(folder)
    before = (report / "pairs.csv").read_bytes()
    with pytest.raises(ImpastoError, match=says) as caught:
        score(parts, report, folder)
    assert "\n" not in str(caught.value)
    assert (report / "pairs.csv").read_bytes() == before


def test_a_name_of_two_pairs_is_refused(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "a-b-c.png")
    judged = JudgedPictures("theirs", tmp_path)
    pairs = [Pair(Path("a.png"), Path("b-c.png")), Pair(Path("a-b.png"), Path("c.png"))]
    with pytest.raises(OptionError, match=r"a-b-c.png fits both a.png with b-c.png and a-b.png"):
        judged.check(pairs)


def test_the_command(parts, report, tmp_path):
    folder = paint_all(parts, tmp_path / "made")

    def run(*words):
        return CliRunner().invoke(lab, ["score", *map(str, words)])

    options = ("--vgg", parts / "vgg.pth", "--judge-precision", "fp32", "-o")
    done = run(f"theirs={folder}", *options, report, "--reference", "gray")
    assert done.exit_code == 0, done.output
    assert "| the bar beside gray | one | theirs |" in done.output
    sides = ("--contents", parts / "photos", "--styles", parts / "looks")
    alone = run(
        f"theirs={folder}", *options, tmp_path / "new", *sides,
        "--pairs", "all", "--all-files", "--size", PIXELS,
    )  # fmt: skip
    assert "| | better | (content) | theirs |" in alone.output, alone.output
    for words, says in (
        ((folder, *options, report), "is not NAME=FOLDER"),
        ((f"a={folder}", f"a={folder}", *options, report), "two folders are named 'a'"),
        ((f"a={folder}", "-o", report), "give --vgg"),
        ((f"a={folder}", *options, report, "--pairs", 3), "give --contents"),
    ):
        assert says in run(*words).output
    with pytest.raises(OptionError, match="no report to take the pairs from"):
        score(parts, tmp_path / "nothing", folder)
    with pytest.raises(OptionError, match="'two' is not in the report; it has one, gray"):
        score(parts, report, folder, reference="two")
    with pytest.raises(OptionError, match="was measured with judge_precision = 'fp32', not 'bf16'"):
        score_pictures(
            {"theirs": folder},
            judge=JudgeOptions(vgg=parts / "vgg.pth", precision="bf16"),
            out=report,
        )


# objects


def stylizer(thing) -> Stylizer:
    return Stylizer(painter_of(thing, "odd"))


class Odd:
    def __init__(self, made):
        self.made = made

    def stylize(self, content, style):
        return self.made(content)


@pytest.mark.parametrize(
    ("given", "gain"),
    [
        (lambda content: np.rint(content * 255).astype(np.uint8), 1),
        (lambda content: Image.fromarray(np.rint(content * 255).astype(np.uint8)), 1),
        (lambda content: torch.from_numpy(content).permute(2, 0, 1).requires_grad_(), 1),
        (lambda content: (content - 0.5) * 1.9 + 0.5, 1.9),  # beyond black and white
    ],
)
def test_what_an_object_may_give(given, gain):
    content = np.rint(picture(40, 48) * 255).astype(np.float32) / 255
    made = stylizer(Odd(given)).stylize(content, picture(20, 20, seed=1))
    np.testing.assert_allclose(made, ((content - 0.5) * gain + 0.5).clip(0, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda content: content[:-8], ".odd. has 48 x 32 pixels, for a photograph of 48 x 40"),
        (lambda content: content * 255, "the result of model .* is not a picture"),
        (lambda content: content * np.nan, "the result of model .* is not a picture"),
        (lambda content: None, "is of type NoneType"),
    ],
)
def test_what_is_no_picture_is_refused(given, says):
    model = stylizer(Odd(given))
    with pytest.raises(ImageError, match=says):
        model.stylize(picture(40, 48), picture(20, 20, seed=1))


def test_an_object_has_the_controls_that_it_takes():
    gray = stylizer(Gray())
    content, style = picture(40, 48), picture(20, 20, seed=1)
    half = gray.stylize(content, style, alpha=0.5)
    np.testing.assert_allclose(half, (content + Gray().stylize(content, style)) / 2, atol=1e-6)
    assert np.array_equal(gray.stylize(content, style, alpha=0), content)
    kept = gray.stylize(content, style, color="luminance")
    chroma = [image[..., 0] - image[..., 2] for image in (kept, content)]
    assert np.abs(chroma[0] - chroma[1])[((kept > 0) & (kept < 1)).all(axis=2)].max() < 1e-3
    odd = stylizer(Odd(lambda x: x))
    for model, asked, says in (
        (odd, {"alpha": 0.5}, "a strength other than 1"),
        (gray, {"alpha": 1.5}, r"must lie in \[0, 1\]"),
        (gray, {"steps": 3}, "has no option 'steps'"),
    ):
        with pytest.raises(OptionError, match=says):
            model.stylize(content, style, **asked)
    with pytest.raises(OptionError, match="mix styles"):
        gray.stylize(content, [style, style])


def test_settings_stand_behind_a_colon_with_an_equals_sign():
    assert split_settings("adain.impasto:transform=ost") == ("adain.impasto", {"transform": "ost"})
    assert split_settings("a.b:C") == ("a.b:C", {})
    assert split_settings("a.b:C:layers=relu1_1,relu2_1:0.5,steps=9") == (
        "a.b:C", {"layers": "relu1_1,relu2_1:0.5", "steps": "9"},
    )  # fmt: skip
