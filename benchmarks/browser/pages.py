"""The page that paints in browsers, built and opened in headless Chromium, for what measures it."""

from __future__ import annotations

import base64
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from impasto.models import find_bundle

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "node_modules"
# A page of nothing, beside the page's own files.
_EMPTY = "<!doctype html><title>Measured</title><link rel=icon href=data:,>"


@contextmanager
def opened(
    model: str, site: Path | None, beside: Mapping[str, Path] | None = None
) -> Iterator[Any]:
    """Open an empty page of the origin of the page that paints, in a browser of its own.

    Args:
        model: name of the model of the page.
        site: a folder of ``impasto page build``; None: built for this.
        beside: folders that are served too, by the beginning of their addresses.

    Yields:
        The page, of playwright.
    """
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        from browser import chromium, served
    finally:
        del sys.path[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if site is None:
            site = folder / "site"
            build(model, site)
        empty = folder / "empty"
        empty.mkdir()
        (empty / "index.html").write_text(_EMPTY)
        roots = {"/": site, "/empty/": empty, **(beside or {})}
        address = stack.enter_context(served(roots))
        browser = stack.enter_context(chromium())
        page = browser.new_page()
        page.set_default_timeout(0)
        page.goto(f"{address}/empty/index.html")
        # Addresses in the page are relative to its index.
        page.evaluate(
            """() => {
              const base = document.createElement("base");
              base.href = "/";
              document.head.append(base);
            }"""
        )
        yield page


def build(model: str, site: Path) -> None:
    """Write the page as a folder, as ``impasto page build`` does."""
    from impasto.web.build import BuildOptions, build_page

    print(f"building the page with model {model!r} ...", file=sys.stderr)
    build_page(site, [find_bundle(model)], BuildOptions(packages=PACKAGES, films=False))


def packed(data: bytes) -> str:
    """Bytes as a text that a page takes."""
    return base64.b64encode(data).decode()
