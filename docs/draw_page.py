"""Draw the pictures of docs/page.md: the page in its main states, on a large screen and a phone.

python docs/draw_page.py [--out FOLDER] [--site FOLDER] [--packages FOLDER] [--only NAME ...]

The page is built (`impasto page build`), opened in headless Chromium and used as a visitor does.
Needed: playwright, a Chromium of the system, and the packages of the page (npm ci).
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

DOCS = Path(__file__).parent.resolve()
ROOT = DOCS.parent
PHOTOS = ROOT / "examples" / "photos"

DESKTOP, PHONE = (1440, 900), (390, 844)
QUALITY = 82
SECONDS = 120_000


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=DOCS / "images", help="default: docs/images")
    parser.add_argument("--site", type=Path, help="a page that was built before")
    parser.add_argument("--packages", type=Path, default=ROOT / "node_modules")
    parser.add_argument("--only", nargs="*", help=f"some of {', '.join(SHOTS)}")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    from browser import chromium, served

    with tempfile.TemporaryDirectory() as folder:
        site = options.site or built(Path(folder) / "site", options.packages)
        with served({"/": site}) as address, chromium() as browser:
            for name in options.only or SHOTS:
                size, scheme, use = SHOTS[name]
                context = browser.new_context(
                    viewport={"width": size[0], "height": size[1]},
                    color_scheme=scheme,
                    device_scale_factor=1 if size == DESKTOP else 2,
                    has_touch=size == PHONE,
                    reduced_motion="reduce",
                )
                page = context.new_page()
                page.set_default_timeout(SECONDS)
                page.goto(address)
                page.wait_for_selector("#sample-styles button")
                use(page)
                image = Image.open(io.BytesIO(page.screenshot()))
                context.close()
                target = options.out / f"page-{name}.webp"
                image.convert("RGB").save(target, quality=QUALITY, method=6)
                print(target)


def built(site: Path, packages: Path) -> Path:
    """Build the page into a folder."""
    command = [sys.executable, "-m", "impasto", "page", "build", str(site), "--quiet"]
    subprocess.run([*command, "--packages", str(packages)], check=True)
    return site


def bring(page: Any, *names: str) -> None:
    """Open example photographs and wait until the one that is shown is painted."""
    page.set_input_files("#photo-files", [PHOTOS / name for name in names])
    page.wait_for_selector("#view:not([hidden])")
    rest(page)


def rest(page: Any) -> None:
    """Wait until the whole picture is painted."""
    page.wait_for_timeout(600)
    page.wait_for_selector("body[data-painted=whole]")


def choose(page: Any, *titles: str) -> None:
    """Choose styles of the gallery; several are mixed."""
    if len(titles) > 1:
        page.check("#mix", force=True)
    for title in titles:
        page.click(f'#gallery button[title="{title}"]')
    page.locator("#part-style").evaluate("part => part.parentElement.scrollTo(0, 0)")
    rest(page)


def welcome(page: Any) -> None:
    """As the page opens."""
    page.wait_for_timeout(6000)


def painted(page: Any) -> None:
    """A photograph in a style, and two others."""
    bring(page, "coffee.jpg", "astronaut.jpg", "rocket.jpg")


def mixed(page: Any) -> None:
    """Four styles on the pad."""
    bring(page, "coffee.jpg")
    choose(page, "The Kiss", "Deluge", "Red and Blue Horse")


def masked(page: Any) -> None:
    """A mask under the brush."""
    bring(page, "astronaut.jpg")
    page.click("#tab-masks")
    page.get_by_role("button", name="Paint").first.click()
    box = page.locator("#compare").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 150, y - 120)
    page.mouse.down()
    for step in range(40):
        page.mouse.move(x - 150 + 8 * step, y - 120 + 60 * (step % 3 - 1))
    page.mouse.up()
    rest(page)


def saved(page: Any) -> None:
    """The file, the command and the link."""
    painted(page)
    page.click("#tab-save")


SHOTS: dict[str, tuple[tuple[int, int], str, Callable[[Any], None]]] = {
    "welcome": (DESKTOP, "light", welcome),
    "painted": (DESKTOP, "light", painted),
    "mixed": (DESKTOP, "dark", mixed),
    "masked": (DESKTOP, "light", masked),
    "saved": (DESKTOP, "dark", saved),
    "phone-welcome": (PHONE, "light", welcome),
    "phone-painted": (PHONE, "light", painted),
    "phone-mixed": (PHONE, "dark", mixed),
}


if __name__ == "__main__":
    if shutil.which("chromium") is None and shutil.which("chromium-browser") is None:
        sys.exit("draw_page.py needs Chromium: apt-get install chromium")
    main()
