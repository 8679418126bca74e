"""The checks of a site that was built: links, other hosts, pictures, size, and ten tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

START = "index.html"
LARGEST = 30_000_000
"""Bytes that a site may have."""

FIRST_LOAD = 1_500_000
"""Bytes that a page may load before it is scrolled, by the pictures that are not lazy."""

TASKS = {
    "paint a part only, with a mask": "controls.html#masks-and-regions",
    "paint a film": "films.html",
    "keep a style of one's own": "get-started.html#a-style-of-your-own-kept",
    "paint many photographs": "get-started.html#many-photographs",
    "keep the photograph's colors": "controls.html#colors",
    "larger strokes": "controls.html#larger-strokes",
    "train on one's own paintings": "training.html#a-model-for-your-own-collection",
    "paint a data set": "datasets.html",
    "paint in the browser": "page.html",
    "report a bug": "troubleshooting.html#report-a-bug",
}
"""Ten tasks, and where each is explained."""

CLICKS = 2


@dataclass
class Link:
    """A link of a page: where it leads, and what it says."""

    target: str
    text: str = ""


@dataclass
class Content:
    """What the checks look at in a page."""

    links: list[Link] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    pictures: list[dict[str, str | None]] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    """Addresses that a browser loads by itself."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.content = Content()
        self._open: Link | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.content.ids.add(values["id"] or "")
        if tag == "a" and values.get("href") is not None:
            self._open = Link(values["href"] or "")
            self.content.links.append(self._open)
        elif tag == "img":
            self.content.pictures.append(values)
            self.content.loaded.append(values.get("src") or "")
        elif tag in ("script", "iframe", "video", "audio", "source", "embed") and values.get("src"):
            self.content.loaded.append(values["src"] or "")
        elif tag == "link" and values.get("rel") != "canonical" and values.get("href"):
            self.content.loaded.append(values["href"] or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open.text += data


@cache
def read(page: Path) -> Content:
    """What is in a page of the site."""
    reader = _Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader.content


def check(site: Path) -> list[str]:
    """Every fault of a site, one line each; prints the clicks to the ten tasks."""
    faults = [*dead_links(site), *other_hosts(site), *bare_pictures(site)]
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    if size > LARGEST:
        faults.append(f"the site has {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}")
    for task, target in TASKS.items():
        way = clicks(site, target)
        if way is None:
            faults.append(f"{task}: {target} is more than {CLICKS} clicks from the start page")
        else:
            print(f"{task}: {' > '.join(way)}")
    print(f"{len(pages(site))} pages, {size / 1e6:.1f} MB, {len(faults)} faults")
    return faults


def pages(site: Path) -> list[Path]:
    """All pages of a site."""
    return sorted(site.rglob("*.html"))


def dead_links(site: Path) -> list[str]:
    """Links within the site that lead to no page, or to no place in it."""
    faults = []
    for page in pages(site):
        if page.name == "404.html":  # served at any address, so its links are absolute
            continue
        content = read(page)
        for address in {*(link.target for link in content.links), *content.loaded}:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or not address:
                continue
            file = target_of(page, parts.path)
            anchor = unquote(parts.fragment)
            if not file.is_file():
                faults.append(f"{page.relative_to(site)}: {address} leads nowhere")
            elif anchor and file.suffix == ".html" and anchor not in read(file).ids:
                faults.append(f"{page.relative_to(site)}: {address}: no such place in that page")
    return sorted(faults)


def target_of(page: Path, path: str) -> Path:
    """The file that an address in a page means."""
    file = (page.parent / unquote(path)).resolve() if path else page.resolve()
    return file / START if file.is_dir() else file


def other_hosts(site: Path) -> list[str]:
    """What a browser would load from elsewhere, in pages and style sheets."""
    faults = []
    for page in pages(site):
        for address in read(page).loaded:
            if urlsplit(address).netloc:
                faults.append(f"{page.relative_to(site)}: loads {address}")
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"url\(\s*['\"]?((?:https?:)?//[^'\")]+)", sheet.read_text()):
            faults.append(f"{sheet.relative_to(site)}: loads {address}")
    return faults


def bare_pictures(site: Path) -> list[str]:
    """Pictures without words, without a size, or too much of them at once."""
    faults = []
    for page in pages(site):
        at_once = 0
        for picture in read(page).pictures:
            source, place = picture.get("src") or "", page.relative_to(site)
            if not (picture.get("alt") or "").strip():
                faults.append(f"{place}: {source} has no words for those who do not see it")
            if not (picture.get("width") and picture.get("height")):
                faults.append(f"{place}: {source} has no width and height")
            file = target_of(page, urlsplit(source).path)
            if picture.get("loading") != "lazy" and file.is_file():
                at_once += file.stat().st_size
        if at_once > FIRST_LOAD:
            faults.append(f"{place}: {at_once / 1e6:.1f} MB of pictures are loaded at once")
    return faults


def clicks(site: Path, target: str) -> list[str] | None:
    """What is clicked on from the start page to a place, or None if it takes too many clicks."""
    page, _, anchor = target.partition("#")
    goal, seen = (site / page).resolve(), set[Path]()
    ways: list[tuple[Path, list[str]]] = [(site / START, [])]
    for _ in range(CLICKS):
        further = []
        for start, way in ways:
            for link in read(start).links:
                parts = urlsplit(link.target)
                if parts.scheme or parts.netloc:
                    continue
                file, text = target_of(start, parts.path), " ".join(link.text.split())
                if file == goal and unquote(parts.fragment) == anchor:
                    return [*way, text]
                if file.suffix == ".html" and file.is_file() and file not in seen:
                    seen.add(file)
                    further.append((file, [*way, text]))
        ways = further
    return None
