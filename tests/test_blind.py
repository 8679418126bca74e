"""Judgment without names: fair shuffling, sheets, answers, and intervals of known counts."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab needs PyTorch")

import torch
from lab_parts import vgg_weights
from PIL import Image

import blind
import impasto
from impasto.errors import OptionError
from impasto.lab.evaluate.pairs import Pair, look_at

EXAMPLES = Path(__file__).parents[1] / "examples"
FILES = [[Path(f"{kind}{i}.png") for i in range(20)] for kind in ("photo", "style")]


def drawn(**settings: int) -> list[blind.Comparison]:
    return blind.draw_comparisons(*FILES, blind.Settings(**settings), ["one", "two"])


def test_every_pair_once_and_every_painter_on_every_side() -> None:
    found = drawn()
    assert [each.number for each in found] == list(range(1, 51))
    pairs = {each.pair for each in found}
    assert len(pairs) == 50 and len({pair.content for pair in pairs}) == 10
    assert Counter(each.shown for each in found) == {("one", "two"): 25, ("two", "one"): 25}
    assert drawn() == found and drawn(seed=1) != found
    order = [each.pair.content for each in found]
    assert order != sorted(order)
    # Another folder, another order of the files: the same comparisons.
    again = blind.draw_comparisons(
        [Path("elsewhere") / file for file in reversed(FILES[0])], FILES[1], blind.Settings(),
        ["one", "two"],
    )  # fmt: skip
    assert [each.pair.content.name for each in again] == [path.name for path in order]
    with pytest.raises(OptionError, match="there are 20 files of 21"):
        drawn(photographs=21)


def test_sheets_are_drawn_and_answers_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(vgg_weights(), tmp_path / "vgg.pth")
    out = tmp_path / "sheets"
    words = [
        "blind", "sheets", out, "--painter", "fast", "--painter", "quality", "--vgg",
        tmp_path / "vgg.pth", "--photographs", 2, "--paintings", 2, "--size", 64,
    ]  # fmt: skip
    monkeypatch.setattr("sys.argv", [str(word) for word in words])
    blind.main()
    key = json.loads((out / "key.json").read_text())
    assert sorted(path.name for path in out.glob("*.png")) == [f"0{i}.png" for i in (1, 2, 3, 4)]
    with Image.open(out / "01.png") as sheet:
        assert sheet.width <= 1600
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    left, right = (pixels[40:660, x : x + 620] for x in (328, 964))
    assert left.shape == right.shape and np.abs(left - right).mean() > 1
    with pytest.raises(SystemExit, match="has sheets already"):
        blind.main()
    # Whoever likes `fast` in three and cannot decide in one.
    answers = [next(side for side in "AB" if each[side] == "fast") for each in key]
    lines = [f"{each['number']} {side}" for each, side in zip(key, answers, strict=True)]
    lines[2] = f"{key[2]['number']} =  # hard"
    file = tmp_path / "answers.txt"
    file.write_text("\n".join([*lines, ""]))
    monkeypatch.setattr("sys.argv", ["blind", "reveal", str(out), str(file)])
    capsys.readouterr()
    blind.main()
    text = capsys.readouterr().out
    assert text.startswith("`quality` beside `fast`: better in 0 of 3 (0 %, 0 to 71), 1 tie\n")
    assert "by chance in 25.0 % of cases" in text and text.count("* ") == 2
    assert f"{key[0]['number']} {answers[0]} fast" in text
    assert "; 3 of 4 not answered" in blind.reveal(out, lines[0])
    with pytest.raises(OptionError, match=r"has no key\.json"):
        blind.reveal(tmp_path, "")


def test_the_gallery_is_painted_in_its_own_styles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another picture under the name of a work: what is painted in its style is not read from it.
    work = tmp_path / "paintings" / "gallery" / "van-gogh-irises.webp"
    work.parent.mkdir(parents=True)
    with Image.open(EXAMPLES / "styles" / "wave.jpg") as wave:
        wave.save(work)
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(EXAMPLES / "photos" / "coffee.jpg", photos)
    out = tmp_path / "sheets"
    words = [
        "blind", "sheets", out, "--gallery", "--painter", "fast", "--painter", "adain",
        "--contents", photos, "--styles", work.parents[1], "--all-files",
        "--vgg", tmp_path / "vgg.pth", "--photographs", 1, "--paintings", 1, "--size", 128,
    ]  # fmt: skip
    torch.save(vgg_weights(), tmp_path / "vgg.pth")
    monkeypatch.setattr("sys.argv", [str(word) for word in words])
    blind.main()
    (key,) = json.loads((out / "key.json").read_text())
    with Image.open(out / "01.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    shown = dict(zip("AB", (pixels[40:660, x : x + 620] for x in (328, 964)), strict=True))
    by_model = {key[side]: picture for side, picture in shown.items()}
    assert set(by_model) == {"fast", "adain"}
    twice = ["adain" if word == "fast" else word for word in words]
    twice[2] = tmp_path / "others"
    monkeypatch.setattr("sys.argv", [str(word) for word in twice])
    with pytest.raises(SystemExit, match="two painters are called 'adain'"):
        blind.main()

    model = impasto.load("fast", engine="onnxruntime", precision="fp32")
    content = look_at(Pair(photos / "coffee.jpg", work), 128).content
    for style, alike in (("van-gogh-irises", True), (work, False)):
        painted = model.paint(content, model.prepare(style)).image
        wanted = Image.fromarray(np.rint(painted.clip(0, 1) * 255).astype(np.uint8))
        wanted = wanted.resize((620, 620), Image.Resampling.LANCZOS)
        difference = np.abs(np.asarray(wanted).astype(int) - by_model["fast"]).mean()
        assert bool(difference < 0.5) is alike


@pytest.mark.parametrize(
    "text, says",
    [
        ("17", "line 1, '17', is no answer"),
        ("1 A\n1 B", "line 2: 1 is there twice"),
        ("1 a\n\n51 B", "line 3: 51 is not one of 1 to 50"),
        ("2 C", "is no answer"),
    ],
)
def test_answers_that_are_none(text: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        blind.read_answers(text, range(1, 51))


def test_intervals_and_chances_by_hand() -> None:
    # None of ten: (1 - p)^10 = 0.025; all of ten the other way round.
    edge = 1 - 0.025 ** (1 / 10)
    assert blind.binomial_interval(0, 10) == pytest.approx((0, edge))
    assert blind.binomial_interval(10, 10) == pytest.approx((1 - edge, 1))
    # Published tables of Clopper and Pearson.
    assert blind.binomial_interval(8, 10) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert blind.binomial_interval(25, 50) == pytest.approx((0.3553, 0.6447), abs=1e-4)
    assert blind.sign_test(blind.Count(9, 1, 3)) == pytest.approx(2 * 11 / 2**10)
    assert blind.sign_test(blind.Count(5, 5, 0)) == 1
    low, high = blind.binomial_interval(30, 50)
    tail = sum(math.comb(50, k) * low**k * (1 - low) ** (50 - k) for k in range(30, 51))
    assert tail == pytest.approx(0.025) and low < 0.6 < high
