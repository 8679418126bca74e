"""The page as files: what it is made of, and the folder that `impasto page build` writes."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from browser import PAGE, ROOT
from PIL import Image

import impasto
from impasto.models import find_bundle
from impasto.styles.files import read_style
from impasto.stylizer import Stylizer
from impasto.web import site


@pytest.fixture(scope="module")
def fast() -> Stylizer:
    return impasto.load("fast", engine="onnxruntime", threads=1)


def test_files_of_the_page_are_there_and_types_are_not_served():
    files = site.page_files()
    assert {"errors.js", "base.css", "icon.svg", site.SAMPLE} <= set(files)
    assert all(path.is_file() for path in files.values())
    served = {path for path in PAGE.rglob("*") if path.is_file() and path.suffix != ".ts"}
    assert set(files.values()) > served


def test_page_of_a_server_knows_no_address_of_a_graph(fast: Stylizer):
    found = site.describe("server", [fast], limits=site.SiteLimits(bytes=100), token=True)
    (row,) = found["models"]
    assert row["identity"] == find_bundle("fast").identity
    assert [row[part] for part in ("card", "encoder", "decoder", "reader")] == [None] * 4
    assert found["runtime"] is None and found["limits"] == {"bytes": 100, "pixels": None}
    assert all(each["file"] is None for each in site.gallery(fast, "server"))


def test_gallery_has_the_style_files_and_titles(fast: Stylizer):
    rows = {row["name"]: row for row in site.gallery(fast, "device")}
    assert len(rows) == 43
    scream = rows["munch-scream"]
    assert scream["title"] == "The Scream"
    assert scream["thumbnail"] == "models/fast/styles/munch-scream.webp"
    assert read_style(base64.b64decode(scream["file"])) == fast.find("munch-scream")
    assert "public domain" not in " ".join(row["title"] for row in rows.values())


def test_own_styles_are_listed_on_request(fast: Stylizer, tmp_path, monkeypatch):
    from impasto.styles.library import VARIABLE, add_style

    monkeypatch.setenv(VARIABLE, str(tmp_path))
    wave = fast.style(ROOT / "examples/styles/wave.jpg")
    add_style(wave, "my-wave")
    assert "my-wave" not in {row["name"] for row in site.gallery(fast, "server")}
    first = site.gallery(fast, "server", own=True)[0]
    assert (first["name"], first["title"]) == ("my-wave", "My wave")


def test_thumbnail_is_the_middle_of_the_painted_sample(fast: Stylizer):
    style = fast.find("munch-scream")
    data = site.thumbnail(fast, style)
    assert len(data) < 12_000
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32) / 255
    assert shown.shape == (160, 160, 3)
    # Painted by another way: the whole photograph by its file, then reduced and cut.
    whole = fast.stylize(PAGE / "sample.jpg", style, size=240)
    width, height = whole.size
    left, top = (width - 160) // 2, (height - 160) // 2
    wanted = np.asarray(whole.crop((left, top, left + 160, top + 160)), np.float32) / 255
    assert np.abs(shown - wanted).mean() < 0.03  # what WebP leaves
