"""Where a mean comes from: folder of styles by folder of styles."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from impasto.lab.evaluate.lines import Line
from impasto.lab.evaluate.pairs import Pair
from impasto.lab.evaluate.report import by_style_folder, folder_table, markdown, summarize


def line(model: str, file: str, **values: float) -> Line:
    base = {"content": 1.0, "style": 1.0, "wasserstein": 1.0, "ssim": 0.5} | values
    return Line(model, model, 64, Pair(Path("c.png"), Path(file)), base)


LINES = [
    line("ours", "art/a.png", style=1.0),
    line("ours", "art/old/b.png", style=2.0),
    line("ours", "art/loud/c.png", style=9.0),
    line("(content)", "art/a.png", style=5.0),
    line("(content)", "art/old/b.png", style=5.0),
    line("(content)", "art/loud/c.png", style=5.0),
]


def test_means_and_shares_by_the_innermost_folder():
    rows = {
        (row.model, row.folder, row.metric): row
        for row in by_style_folder(LINES, ["art", "art/loud"])
    }
    assert len(rows) == 2 * 2 * 3
    quiet, loud = (rows["ours", folder, "style"] for folder in ("art", str(Path("art/loud"))))
    assert (quiet.mean, quiet.share, quiet.pairs) == (1.5, pytest.approx(0.25), 2)
    assert (loud.mean, loud.share, loud.pairs) == (9.0, pytest.approx(0.75), 1)
    # Of two values a draw has the one twice, the other twice, or both.
    assert (quiet.low, quiet.high) == (1.0, 2.0) and (loud.low, loud.high) == (None, None)
    assert rows["ours", "art", "content"].share == pytest.approx(2 / 3)


def test_one_place_is_no_table_and_strangers_count_nowhere():
    assert by_style_folder(LINES, ["art"]) == []
    assert by_style_folder(LINES, ["art/loud", "elsewhere"]) == []
    assert folder_table([]) == ""
    # Single pictures are places too.
    rows = by_style_folder(LINES, ["art/a.png", "art/old"])
    assert {row.folder for row in rows} == {str(Path("art/a.png")), str(Path("art/old"))}


def test_the_table_for_people():
    rows = by_style_folder(LINES, ["art", "art/loud"])
    table = folder_table(rows).splitlines()
    assert table[2] == "| styles of | pairs | ours |"
    assert table[4] == (
        "| art | 2 | 1.000 [1.000, 1.000] (67 %), 1.500 [1.000, 2.000] (25 %), "
        "1.000 [1.000, 1.000] (67 %) |"
    )
    assert table[5] == "| loud | 1 | 1.000 (33 %), 9.000 (75 %), 1.000 (33 %) |"
    text = markdown(summarize(LINES, reference=None), reference=None, by_folder=rows)
    assert "\n".join(table) in text


def test_nothing_at_all_is_no_share():
    lines = [line("ours", "a/1.png", style=0.0), line("ours", "b/1.png", style=0.0)]
    assert [r.share for r in by_style_folder(lines, "ab") if r.metric == "style"] == [0.0, 0.0]


def test_layers_have_a_table_of_their_own():
    lines = [
        line(model, f"a/{i}.png", style_relu1_1=value + i, gram_relu4_1=0.5)
        for model, value in (("ours", 1.0), ("theirs", 2.0))
        for i in range(2)
    ]
    text = markdown(summarize(lines, reference="theirs"), reference="theirs")
    assert (
        "| style_relu1_1 (mean square) | lower | 1.500 [1.000, 2.000] (1.500) x0.60 100 % | "
        "2.500 [2.000, 3.000] (2.500) |" in text
    )
    assert "| gram_relu4_1 | lower | 0.500" in text and "| style_relu2_1" not in text
    # None where no layer was measured.
    assert markdown(summarize(LINES, reference=None), reference=None).count("| | better |") == 1
