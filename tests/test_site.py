"""The documentation site: complete, without dead links, and nothing from another host."""

from __future__ import annotations

import gzip
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
from browser import Answer, needs_browser, served

import checks
import diagrams
import impasto
import messages
import reference
import sitemap
import staging
from impasto import lab

ROOT = Path(__file__).parents[1]

needs_site = pytest.mark.skipif(
    find_spec("zensical") is None, reason="needs the extra docs: pip install '.[docs]'"
)


@pytest.fixture(scope="module")
def site() -> Path:
    """The site as `make docs` builds it; it is built once, and kept for the next time."""
    import building

    out = ROOT / "build" / "site"
    building.build(out)
    return out


# ------------------------------------------------------------------------------ the built site


@needs_site
def test_the_site_has_no_faults(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.check(site) == []
    printed = capsys.readouterr().out
    assert all(f"{task}: " in printed for task in checks.TASKS)


@needs_site
def test_every_option_and_name_is_in_the_site(site: Path) -> None:
    text = (site / "commands.html").read_text()
    assert "\b" not in text and "impasto stylize scan.tif wave.jpg -o painted.tif" in text
    for name, command, _ in reference.commands():
        assert f'id="{name.replace(" ", "-")}"' in text
        for param in command.params:
            if isinstance(param, click.Option) and not param.hidden:
                assert all(option in text for option in param.opts)
    for package, page in ((impasto, "python.html"), (lab, "python-lab.html")):
        names = [name for name in package.__all__ if not name.startswith("__")]
        wanted = {reference.place(package, name) for name in names}
        assert len(wanted) == len(names) > 20
        assert wanted <= checks.read(site / page).ids


@needs_site
@needs_browser
def test_nothing_comes_from_another_host_and_nothing_is_wider_than_a_phone(
    site: Path, browser: Any
) -> None:
    asked: set[str] = set()
    with served({"/": site}) as address:
        for scheme, width in (("light", 1280), ("dark", 390)):
            context = browser.new_context(
                viewport={"width": width, "height": 844}, color_scheme=scheme
            )
            page = context.new_page()
            page.on("request", lambda request: asked.add(request.url))
            for name in ("index", "gallery/index", "commands"):
                page.goto(f"{address}/{name}.html", wait_until="networkidle")
                assert page.evaluate("document.documentElement.scrollWidth") <= width
            context.close()
        assert {urlsplit(url).netloc for url in asked} == {urlsplit(address).netloc}


@needs_site
@needs_browser
def test_the_gallery_is_light_and_does_not_jump(site: Path, browser: Any) -> None:
    answers: list[Answer] = []
    with served({"/": site}, answers=answers) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{address}/gallery/index.html", wait_until="networkidle")
        files = {site / answer.path.lstrip("/") for answer in answers if answer.status == 200}
        assert sum(map(sent, files)) <= checks.FIRST_LOAD
        assert 0 < sum("pictures" in file.parts for file in files) < 80
        moved = page.evaluate(
            """() => new Promise(done => {
                let sum = 0;
                new PerformanceObserver(list => {
                    for (const entry of list.getEntries()) sum += entry.value;
                }).observe({ type: "layout-shift", buffered: true });
                setTimeout(() => done(sum), 200);
            })"""
        )
        assert moved < 0.01
        page.close()


def sent(file: Path) -> int:
    """The bytes of a file as a web server sends it: pictures as they are, texts packed."""
    data = file.read_bytes()
    return len(data if file.suffix in staging.PICTURES else gzip.compress(data))


# ------------------------------------------------------------------------------------ its pages


def test_every_page_has_a_place() -> None:
    assert sitemap.forgotten() == []
    assert {"docs/index.md", "docs/controls.md"} <= {page.source for page in sitemap.pages()}


@pytest.mark.parametrize("name", diagrams.DRAWINGS)
def test_drawings_are_those_of_now(name: str) -> None:
    made = (ROOT / "docs" / "images" / name).read_text()
    assert made == diagrams.DRAWINGS[name]().text_of_file(), "python docs/website/diagrams.py"


def test_messages_that_are_explained_are_said() -> None:
    known = messages.texts()
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    rows = re.findall(r"^\| `+ ?(.+?) ?`+ \|", text, re.MULTILINE)
    assert len(rows) >= 25
    missing = [row for row in rows if not messages.is_said(row.replace("...", "…"), known)]
    assert missing == []
    assert not messages.is_said("…: no such elephant", known)


def test_messages_are_read_from_the_code() -> None:
    found = messages.raised()
    assert "…: is a folder; give the pictures in it one by one" in found["Pictures"]
    assert sum(map(len, found.values())) > 300


# --------------------------------------------------------------------------- the checks themselves


def test_code_is_left_alone() -> None:
    text = "a `[x](y)` b\n```sh\n[x](y)\n```\n[x](y)"
    assert staging.outside_code(text, str.upper) == "A `[x](y)` B\n```sh\n[x](y)\n```\n[X](Y)"


def test_links_become_those_of_the_site(tmp_path: Path) -> None:
    page = sitemap.Page("Trained", "trained.md", "trained/README.md")
    other = sitemap.Page("Controls", "controls.md", "docs/controls.md")
    stage = staging.Stage(tmp_path, [page, other])
    text = (
        "[a](../docs/controls.md#colors) [b](../README.md) [c](../Makefile) [d](gone.md) "
        "![e](../docs/images/how-arithmetic.svg)"
    )
    assert stage._relinked(page, text) == (
        "[a](controls.md#colors) [b](index.md) c d "
        '![e](images/how-arithmetic.svg){ width="940" height="330" loading="lazy" }'
    )
    assert stage.dead == ["trained/README.md: gone.md"]
    assert (tmp_path / "images/how-arithmetic.svg").is_file()


def test_faults_are_found(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<a href="a.html#one">to a</a><a href="a.html#two">x</a><a href="b.html">y</a>'
        '<img src="c.png"><script src="https://example.org/s.js"></script>'
        '<link rel="stylesheet" href="s.css"><img src="s.css" alt="d" width="1" height="1">'
    )
    (tmp_path / "a.html").write_text('<h1 id="one">A</h1><a href="c.html">to c</a>')
    (tmp_path / "c.html").write_text('<a href="d.html">to d</a>')
    (tmp_path / "d.html").write_text("<p>far</p>")
    (tmp_path / "s.css").write_text("body { background: url(//example.org/x.png) }")
    assert checks.dead_links(tmp_path) == [
        "index.html: a.html#two: no such place in that page",
        "index.html: b.html leads nowhere",
        "index.html: c.png leads nowhere",
    ]
    assert len(checks.other_hosts(tmp_path)) == 2
    assert len(checks.bare_pictures(tmp_path)) == 2
    assert checks.clicks(tmp_path, "a.html#one") == ["to a"]
    assert checks.clicks(tmp_path, "c.html") == ["to a", "to c"]
    assert checks.clicks(tmp_path, "d.html") is None
