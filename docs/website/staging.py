"""Pages of the repository as pages of the site, with links that hold there and sized pictures."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from PIL import Image

from sitemap import ROOT, Page

_FENCE = re.compile(r"^ *(`{3,}|~{3,})")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_CODE = re.compile(r"`[^`\n]+`")
_SIDES = re.compile(r'<svg[^>]* width="(\d+)"[^>]* height="(\d+)"')
PICTURES = {".jpg", ".png", ".svg", ".webp"}


class Stage:
    """The folder that the site is built from.

    Args:
        folder: gets the pages and their pictures.
        pages: all pages of the site.
    """

    def __init__(self, folder: Path, pages: list[Page]) -> None:
        self.folder = folder
        self.dead: list[str] = []
        """Links that lead nowhere, each with its page."""
        self._paths = {page.source: page.path for page in pages if page.source}
        self._paths["README.md"] = "index.md"

    def add(self, page: Page) -> None:
        """Put a file of the repository into the folder."""
        text = (ROOT / page.source).read_text(encoding="utf-8")
        self.write(page, outside_code(text, lambda part: self._relinked(page, part)))

    def write(self, page: Page, text: str) -> None:
        """Put a page that was made into the folder."""
        target = self.folder / page.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def _relinked(self, page: Page, text: str) -> str:
        """A page's text with the links of the site."""

        def relink(found: re.Match[str]) -> str:
            mark, label, address = found.groups()
            if re.match(r"[a-z]+:", address) or address.startswith("#"):
                return found[0]
            name, hash, anchor = address.partition("#")
            file = os.path.normpath(PurePosixPath(page.source).parent / name)
            if (path := self._paths.get(file)) is not None:
                return f"[{self._relabeled(page, label)}]({_way(page.path, path)}{hash}{anchor})"
            if not (ROOT / file).exists():
                self.dead.append(f"{page.source}: {address}")
                return label
            if PurePosixPath(file).suffix in PICTURES:
                target = file.removeprefix("docs/")
                self._copy(ROOT / file, target)
                if not mark:
                    return f"[{self._relabeled(page, label)}]({_way(page.path, target)})"
                width, height = sides(ROOT / file)
                return (
                    f"![{label}]({_way(page.path, target)})"
                    f'{{ width="{width}" height="{height}" loading="lazy" }}'
                )
            return label  # a file of the repository, which is not in the site

        return _LINK.sub(relink, text)

    def _relabeled(self, page: Page, label: str) -> str:
        return self._relinked(page, label) if label.startswith("!") else label

    def _copy(self, file: Path, target: str) -> None:
        place = self.folder / target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change the text of a page, but neither its blocks of code nor code within lines."""
    lines: list[str] = []
    prose: list[str] = []
    fence = ""

    def flush() -> None:
        kept: list[str] = []

        def keep(found: re.Match[str]) -> str:
            kept.append(found[0])
            return f"\0{len(kept) - 1}\0"

        changed = change(_CODE.sub(keep, "\n".join(prose)))
        changed = re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], changed)
        if prose:
            lines.extend(changed.split("\n"))
            prose.clear()

    for line in text.split("\n"):
        found = _FENCE.match(line)
        if fence:
            lines.append(line)
            if found and found[1].startswith(fence):
                fence = ""
        elif found:
            flush()
            fence = found[1]
            lines.append(line)
        else:
            prose.append(line)
    flush()
    return "\n".join(lines)


def sides(file: Path) -> tuple[int, int]:
    """Width and height of a picture in pixels.

    Raises:
        ValueError: for a drawing that does not say its size.
    """
    if file.suffix == ".svg":
        found = _SIDES.search(file.read_text(encoding="utf-8"))
        if found is None:
            raise ValueError(f"{file}: the drawing has no width and height")
        return int(found[1]), int(found[2])
    with Image.open(file) as image:
        return image.size


def _way(start: str, target: str) -> str:
    """The relative address of a page or picture."""
    return os.path.relpath(target, PurePosixPath(start).parent).replace(os.sep, "/")
