"""What shows pictures in the page, in a real browser: before and after, masks, the mixing pad."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import PACKAGES, PAGE, main_thread_tasks, needs_browser, needs_packages, served
from numpy.typing import NDArray
from PIL import Image

from impasto.controls.masks import fit, read_mask

pytestmark = needs_browser

Pixels = NDArray[np.uint8]

POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'"
)

HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The view</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/base.css">
<link rel="stylesheet" href="/page/view/view.css">
<link rel="stylesheet" href="/view.css">
<main>
  <div class="stage"><compare-view></compare-view><mask-brush></mask-brush></div>
  <mix-pad></mix-pad>
</main>
<script type="module" src="/view.js"></script>
</html>
"""

CSS = """
main { display: grid; grid-template-columns: 600px 360px; }
.stage { position: relative; height: 400px; }
compare-view { height: 100%; }
"""

JS = """
import "/page/view/compare.js";
import "/page/view/brush.js";
import * as pad from "/page/view/pad.js";
import { MaskLayer } from "/page/view/mask_layer.js";

const found = {
  view: document.querySelector("compare-view"),
  brush: document.querySelector("mask-brush"),
  mixer: document.querySelector("mix-pad"),
  pad,
  MaskLayer,
  events: [],
  // The frame that is asked for now, and those that it asks for.
  drawn: () => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
  }),
  bitmap: async (name) => createImageBitmap(await (await fetch(name)).blob()),
  file: async (name) => new File([await (await fetch(name)).blob()], name),
  // What a canvas shows, as base64 of RGBA.
  shown: (selector, top, rows) => {
    const canvas = document.querySelector(selector);
    const width = canvas.width;
    const height = rows ?? canvas.height;
    const { data } = canvas.getContext("2d").getImageData(0, top, width, height);
    return { width, height, data: found.packed(data) };
  },
  packed: (data) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) {
      text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    }
    return btoa(text);
  },
};
for (const [element, kinds] of [
  [found.view, ["splitchange", "viewchange"]],
  [found.brush, ["maskchange", "brushchange"]],
  [found.mixer, ["input", "change"]],
]) {
  for (const kind of kinds) element.addEventListener(kind, () => found.events.push(kind));
}
found.brush.view = found.view;
Object.assign(window, found);
document.documentElement.dataset.ready = "yes";
"""


class View:
    """A page with the elements, as large as 600 x 400 pixels of CSS."""

    def __init__(self, page: Any, folder: Path) -> None:
        self.page, self._folder = page, folder

    def do(self, script: str, argument: object = None) -> Any:
        """What an expression gives, or the body of a function with statements."""
        return self.page.evaluate(script, argument)

    def picture(self, pixels: Pixels, side: str = "photograph") -> None:
        """Show a picture on one side."""
        name = f"{side}-{abs(hash(pixels.tobytes()))}.png"
        Image.fromarray(pixels).save(self._folder / name)
        self.do(f"async () => {{ view.{side} = await bitmap('/{name}'); await drawn(); }}")

    def shown(
        self, selector: str = ".compare-view-canvas", top: int = 0, rows: int | None = None
    ) -> Pixels:
        """What a canvas shows, (H, W, 4), or some rows of it."""
        found = self.do(
            "async (part) => { await drawn(); return shown(...part); }", [selector, top, rows]
        )
        data = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
        return data.reshape(found["height"], found["width"], 4)

    def plane(self, layer: str = "brush.layer") -> NDArray[np.float32]:
        """The numbers of a mask."""
        found = self.do(
            f"() => {{ const {{width, height, data}} = {layer}.toPlane();"
            " return {width, height, data: packed(data)}; }"
        )
        data = np.frombuffer(base64.b64decode(found["data"]), np.float32)
        return data.reshape(found["height"], found["width"])

    def events(self) -> list[str]:
        """What was told since the last call."""
        found: list[str] = self.do("() => events.splice(0)")
        return found

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the picture, in pixels of CSS."""
        found = self.do("() => view.pictureBox")
        return found["left"], found["top"], found["width"], found["height"]

    def drag(self, *places: tuple[float, float], button: str = "left") -> None:
        mouse = self.page.mouse
        mouse.move(*places[0])
        mouse.down(button=button)
        for place in places[1:]:
            mouse.move(*place, steps=4)
        mouse.up(button=button)


class Fingers:
    """Touches, through the protocol of the browser."""

    def __init__(self, page: Any) -> None:
        self._session = page.context.new_cdp_session(page)

    def touch(self, kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def along(self, *steps: tuple[tuple[float, float], ...]) -> None:
        """Fingers go down at the first places, through the others, and up."""
        self.touch("touchStart", *steps[0])
        for before, after in itertools.pairwise(steps):
            for share in np.linspace(0, 1, 6)[1:]:
                self.touch(
                    "touchMove",
                    *(
                        (x + share * (u - x), y + share * (v - y))
                        for (x, y), (u, v) in zip(before, after, strict=True)
                    ),
                )
        self.touch("touchEnd")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("view")
    for name, text in (("index.html", HTML), ("view.css", CSS), ("view.js", JS)):
        (folder / name).write_text(text)
    roots = {"/": folder, "/page": PAGE, "/static": PAGE.parent, "/packages": PACKAGES}
    with served(roots, {"Content-Security-Policy": POLICY}) as address:
        yield address, folder


@pytest.fixture(scope="module")
def pages(browser: Any) -> Iterator[Callable[..., Any]]:
    """One page for all tests that want the same device."""
    made: dict[str, Any] = {}

    def page(**options: Any) -> Any:
        key = repr(sorted(options.items()))
        if key not in made:
            context = browser.new_context(viewport={"width": 980, "height": 420}, **options)
            made[key] = context.new_page()
        return made[key]

    yield page
    for each in made.values():
        each.context.close()


@pytest.fixture
def opened(pages: Callable[..., Any], site: tuple[str, Path]) -> Iterator[Callable[..., View]]:
    """Opens the page anew; whatever its console says of errors fails the test."""
    problems: list[str] = []
    used = []

    def failed(error: Any) -> None:
        problems.append(str(error))

    def said(line: Any) -> None:
        if line.type == "error":
            problems.append(line.text)

    def opened(**options: Any) -> View:
        page = pages(**options)
        used.append(page)
        page.on("pageerror", failed)
        page.on("console", said)
        page.goto(f"{site[0]}/index.html")
        page.wait_for_selector("html[data-ready]", state="attached")
        return View(page, site[1])

    yield opened
    for page in used:
        page.remove_listener("pageerror", failed)
        page.remove_listener("console", said)
    assert problems == []


def noise(height: int, width: int, channels: int = 3, *, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def flat(height: int, width: int, *color: int) -> Pixels:
    return np.full((height, width, len(color)), color, np.uint8)


# --- before and after ---------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_at_100_percent_every_pixel_of_the_picture_is_one_of_the_screen(opened, ratio):
    view = opened(device_scale_factor=ratio)
    picture = noise(301, 403)
    view.picture(picture)
    view.do("async () => { view.zoomTo(1); await drawn(); }")
    screen = view.page.screenshot(clip={"x": 0, "y": 0, "width": 600, "height": 400})
    pixels = np.asarray(Image.open(io.BytesIO(screen)).convert("RGB"))
    left, top, width, height = (round(ratio * each) for each in view.box())
    assert (width, height) == (403, 301)
    assert np.array_equal(pixels[top : top + height, left : left + width], picture)


def test_zoomed_pixels_are_squares_from_300_percent_on_and_smooth_before(opened):
    view = opened()
    picture = noise(100, 150)
    view.picture(picture)
    view.do("() => view.zoomTo(3)")
    left, top = (round(each) for each in view.box()[:2])
    squares = picture.repeat(3, axis=0).repeat(3, axis=1)
    expected = squares[max(0, -top) :, max(0, -left) :][:400, :600]
    shown = view.shown()[max(0, top) :, max(0, left) :][: len(expected), : expected.shape[1]]
    assert np.array_equal(shown[..., :3], expected)
    view.do("() => view.zoomTo(2.9)")
    smooth = view.shown()[100:300, 200:400, :3].astype(int)
    assert np.mean(np.abs(np.diff(smooth, axis=1)) == 0) < 0.1  # squares: two thirds


def test_small_picture_that_stands_in_for_a_large_one_is_smooth(opened):
    view = opened()
    view.do("() => { view.pictureSize = {width: 150, height: 100}; }")
    view.picture(noise(20, 30), "painting")
    assert view.do("() => view.scale") == 4
    assert view.box() == (0, 0, 600, 400)
    shown = view.shown()[50:350, 50:550, :3].astype(int)
    assert np.abs(np.diff(shown, axis=1)).max() < 40  # the pictures' own pixels differ by 255


def test_divider_parts_photograph_and_painting_to_the_pixel(opened):
    view = opened(device_scale_factor=2)
    view.picture(flat(200, 400, 255, 0, 0))
    view.picture(flat(100, 200, 0, 0, 255), "painting")  # stretched to the photograph
    for split in (0, 0.25, 0.6181, 1):
        view.do("(split) => { view.split = split; }", split)
        row = view.shown(top=400, rows=1)[0, :, :3]
        assert len(row) == 1200
        at = round(split * 1200)
        assert np.all(row[:at] == (255, 0, 0)) and np.all(row[at:] == (0, 0, 255))
    assert view.events().count("splitchange") == 0  # only what the user does is told


def test_one_picture_alone_has_no_divider(opened):
    view = opened()
    divider = view.page.locator(".compare-view-divider")
    view.picture(flat(20, 30, 255, 0, 0))
    assert not divider.is_visible()
    assert np.all(view.shown(top=200, rows=1)[..., 0] == 255)
    view.picture(flat(20, 30, 0, 0, 255), "painting")
    assert divider.is_visible()
    view.do("async () => { view.photograph = view.painting = null; await drawn(); }")
    assert not divider.is_visible() and not view.shown().any()


def test_checkerboard_is_seen_through_what_is_transparent(opened):
    view = opened()
    picture = flat(200, 300, 255, 0, 0, 255)
    picture[:, :100, 3] = 0
    picture[:, 100:200, 3] = 128
    view.picture(picture)
    view.do("() => view.zoomTo(1)")
    left, top = (round(each) for each in view.box()[:2])
    shown = view.shown()[top : top + 200, left : left + 300].astype(int)
    rows, columns = np.mgrid[:200, :300] // 8
    checks = np.where((rows + columns) % 2, 255, 0xD6)[..., None]
    opacity = picture[..., 3:] / 255
    expected = opacity * picture[..., :3] + (1 - opacity) * checks
    assert np.abs(shown[..., :3] - expected).max() <= 1
    assert shown[..., 3].min() == 255


def test_reduced_picture_is_the_mean_of_its_pixels_and_not_aliased(opened):
    view = opened()
    rows, columns = np.mgrid[:1601, :2401]
    fine = np.where((rows + columns) % 2, 255, 0).astype(np.uint8)  # gray, seen from afar
    view.picture(np.repeat(fine[..., None], 3, axis=2))
    view.page.wait_for_timeout(400)  # copies are made between frames
    shown = view.shown()[10:390, 10:590, :3]
    assert np.abs(shown.astype(int) - 127.5).max() < 3


def test_copies_of_odd_sizes_lie_where_the_picture_does(opened):
    view = opened()
    picture = flat(1333, 1999, 0, 0, 0)
    picture[333:999, 500:1500] = 255
    view.picture(picture)
    view.page.wait_for_timeout(400)
    left, top, width, height = view.box()
    shown = view.shown()[..., 0].astype(float) / 255
    assert shown.sum() == pytest.approx(666 * 1000 * (width / 1999) ** 2, rel=0.01)
    rows, columns = np.mgrid[: len(shown), : shown.shape[1]] + 0.5
    middle = (columns * shown).sum() / shown.sum(), (rows * shown).sum() / shown.sum()
    wanted = left + 1000 / 1999 * width, top + 666 / 1333 * height
    assert middle == pytest.approx(wanted, abs=0.3)


def test_wheel_zooms_at_the_cursor(opened):
    view = opened()
    view.picture(noise(400, 600))
    view.page.mouse.move(437, 111)
    for turn in (-300, -120, 60, -500):
        before = view.do("() => view.toPicture(437, 111)")
        scale = view.do("() => view.scale")
        view.page.mouse.wheel(0, turn)
        view.do("drawn")
        assert (view.do("() => view.scale") > scale) == (turn < 0)
        after = view.do("() => view.toPicture(437, 111)")
        assert after["x"] == pytest.approx(before["x"], abs=0.6)
        assert after["y"] == pytest.approx(before["y"], abs=0.6)
    assert "viewchange" in view.events()
    for _ in range(20):
        view.page.mouse.wheel(0, 500)
    assert view.do("() => [view.fitted, view.scale]") == [True, 1]
    for _ in range(30):
        view.page.mouse.wheel(0, -500)
    assert view.do("() => view.scale") == 32


def test_mouse_drags_divider_and_picture(opened):
    view = opened()
    view.picture(noise(400, 600))
    view.picture(noise(400, 600, seed=1), "painting")
    view.drag((300, 100), (420, 120))
    assert view.do("() => view.split") == pytest.approx(0.7)
    assert "splitchange" in view.events()
    view.drag((100, 100), (40, 100))  # nothing to pan: the whole picture is a handle
    assert view.do("() => view.split") == pytest.approx(0.6)
    view.drag((360, 100), (-50, 100))
    assert view.do("() => view.split") == 0
    view.page.mouse.dblclick(200, 150)
    assert view.do("() => view.scale") == 2  # 100 % is as small as the whole here
    before = view.do("() => view.toPicture(300, 200)")
    view.drag((300, 200), (350, 160))
    after = view.do("() => view.toPicture(350, 160)")
    assert (after["x"], after["y"]) == pytest.approx((before["x"], before["y"]), abs=0.5)
    assert view.do("() => view.split") == 0
    view.drag((300, 200), (2000, 2000))  # no further than its corner
    assert view.box()[:2] == (0, 0)
    view.page.mouse.dblclick(200, 150)
    assert view.do("() => view.fitted")


def test_keys_move_divider_and_zoom_and_say_what_they_did(opened):
    view = opened()
    view.picture(noise(800, 1200))
    view.picture(noise(800, 1200, seed=1), "painting")
    page = view.page
    page.keyboard.press("Tab")
    assert view.do("() => document.activeElement.tagName") == "CANVAS"
    page.keyboard.press("1")
    assert view.do("() => view.scale") == 1
    before = view.box()
    page.keyboard.press("ArrowRight")
    assert view.box()[0] == before[0] - 64
    page.keyboard.press("+")
    assert view.do("() => view.scale") == 1.25
    page.keyboard.press("-")
    assert view.do("() => view.scale") == 1
    page.keyboard.press("0")
    assert view.do("() => view.fitted")
    page.keyboard.press("Tab")
    slider = page.get_by_role("slider", name="Divider: Photograph | Painted")
    assert slider.evaluate("(each) => each === document.activeElement")
    steps = {
        "ArrowRight": 51, "ArrowUp": 52, "ArrowLeft": 51, "ArrowDown": 50, "Shift+ArrowRight": 60,
        "PageDown": 50, "End": 100, "ArrowRight ": 100, "Home": 0,
    }  # fmt: skip
    for key, percent in steps.items():
        page.keyboard.press(key.strip())
        assert slider.get_attribute("aria-valuenow") == str(percent)
        words = f"{percent} % photograph, {100 - percent} % painted"
        assert slider.get_attribute("aria-valuetext") == words
    assert view.events().count("splitchange") == len(steps) - 1


def test_fingers_pinch_pan_and_move_the_divider(opened):
    view = opened(has_touch=True)
    view.picture(noise(400, 600))
    view.picture(noise(400, 600, seed=1), "painting")
    fingers = Fingers(view.page)
    fingers.along(((150, 100),), ((210, 100),))
    assert view.do("() => view.split") == pytest.approx(0.6)
    before = view.do("() => view.toPicture(200, 200)")
    fingers.along(((150, 200), (250, 200)), ((100, 200), (300, 200)))
    assert view.do("() => view.scale") == pytest.approx(2, rel=0.02)
    after = view.do("() => view.toPicture(200, 200)")
    assert (after["x"], after["y"]) == pytest.approx((before["x"], before["y"]), abs=1)
    fingers.along(((300, 200), (320, 200)), ((250, 150), (270, 150)))  # two fingers pan too
    moved = view.do("() => view.toPicture(150, 150)")
    assert (moved["x"], moved["y"]) == pytest.approx((before["x"], before["y"]), abs=1)
    fingers.along(((100, 300),), ((150, 350),))
    moved = view.do("() => view.toPicture(200, 200)")
    assert (moved["x"], moved["y"]) == pytest.approx((before["x"], before["y"]), abs=1)
    assert view.do("() => view.split") == pytest.approx(0.6)
    view.page.touchscreen.tap(300, 200)
    view.page.touchscreen.tap(300, 200)
    assert view.do("() => view.fitted")


def test_pinch_on_a_touchpad_zooms_where_the_browser_is_safari(opened):
    view = opened()
    view.picture(noise(400, 600))
    before = view.do("() => view.toPicture(437, 111)")
    view.do(
        """() => {
          for (const [kind, scale] of [["start", 1], ["change", 1.5], ["change", 3], ["end", 3]]) {
            const event = new Event(`gesture${kind}`, { bubbles: true, cancelable: true });
            Object.assign(event, { scale, clientX: 437, clientY: 111 });
            document.querySelector(".compare-view-canvas").dispatchEvent(event);
          }
        }"""
    )
    assert view.do("() => view.scale") == pytest.approx(3)
    after = view.do("() => view.toPicture(437, 111)")
    assert (after["x"], after["y"]) == pytest.approx((before["x"], before["y"]), abs=0.3)


def test_resizing_fits_again_or_keeps_the_middle(opened):
    view = opened(device_scale_factor=2)
    view.picture(noise(400, 600))
    view.do("() => { document.querySelector('.stage').style.height = '200px'; }")
    assert view.shown().shape == (400, 1200, 4)
    assert view.box() == (150, 0, 300, 200)
    view.do("() => view.zoomTo(4)")
    middle = view.do("() => view.toPicture(300, 100)")
    view.do("() => { document.querySelector('.stage').style.height = '300px'; }")
    view.shown()
    assert view.do("() => view.scale") == 4
    after = view.do("() => view.toPicture(300, 150)")
    assert (after["x"], after["y"]) == pytest.approx((middle["x"], middle["y"]), abs=0.5)


def test_padding_is_the_room_around_a_fitted_picture(opened):
    view = opened()
    view.do("() => { view.style.padding = '10px 30px 50px 70px'; }")
    view.picture(noise(340, 500))
    assert view.box() == (70, 10, 500, 340)


def test_pictures_that_were_closed_are_not_drawn(opened):
    view = opened()
    view.picture(noise(400, 600))
    view.do("() => { view.photograph.close(); view.split = 0.3; }")
    view.shown()  # nothing is thrown, see `opened`


PAIR = """async () => {
  const bitmaps = [];
  for (const hue of [20, 200]) {
    const canvas = new OffscreenCanvas(4000, 3000);
    const context = canvas.getContext("2d");
    for (let x = 0; x < 4000; x += 10) {
      context.fillStyle = `hsl(${hue + x / 40} 60% ${30 + (x % 50)}%)`;
      context.fillRect(x, 0, 10, 3000);
    }
    bitmaps.push(await createImageBitmap(canvas));
  }
  await drawn();
  window.bitmaps = bitmaps;
}"""


def test_two_photographs_of_12_megapixels_never_block_the_page(browser, opened):
    view = opened()
    view.do(PAIR)
    with main_thread_tasks(browser, view.page) as tasks:
        view.do(
            """async () => {
              [view.photograph, view.painting] = bitmaps;
              for (let i = 0; i < 60; i++) {
                if (i < 20) view.split = i / 20;
                else if (i < 40) view.zoomBy(1.1, 200, 200);
                else view.panBy(5, 3);
                await new Promise(requestAnimationFrame);
              }
              await new Promise((done) => setTimeout(done, 200));
            }"""
        )
    assert max(tasks) < 50


def test_largest_and_softest_brush_never_blocks_the_page(browser, opened):
    view = opened()
    view.do(PAIR)
    view.do(
        """async () => {
          view.photograph = bitmaps[0];
          Object.assign(brush, { size: 2500, softness: 1, layer: new MaskLayer(4000, 3000) });
          await drawn();
        }"""
    )
    with main_thread_tasks(browser, view.page) as tasks:
        view.drag((50, 50), (550, 350), (50, 350), (550, 50))
        view.do("drawn")
    assert view.plane().mean() > 0.5
    assert max(tasks) < 50


@needs_packages
def test_axe_finds_nothing_to_complain_about(opened):
    view = opened()
    view.picture(noise(400, 600))
    view.picture(noise(400, 600, seed=1), "painting")
    mixing(view, 4)
    view.page.add_script_tag(url="/packages/axe-core/axe.min.js")
    for mask in ("null", "new MaskLayer(600, 400, 0.5)"):
        view.do(f"async () => {{ brush.layer = {mask}; await drawn(); }}")
        found = view.do("async () => (await axe.run()).violations")
        # That pages have a heading is for the page to see to.
        assert [each["help"] for each in found if each["id"] != "page-has-heading-one"] == []


# --- masks --------------------------------------------------------------------------------------


def editing(view: View, **brush: object) -> None:
    """Edit an empty mask over a picture of 600 x 400 pixels, one a pixel of CSS."""
    view.picture(noise(400, 600))
    view.do(
        "async (brush_) => { Object.assign(brush, brush_);"
        " brush.layer = new MaskLayer(600, 400); await drawn(); }",
        {"size": 80, "softness": 0.5, "erase": False, **brush},
    )


def distances(points: list[tuple[float, float]], height: int = 400, width: int = 600) -> Any:
    """How far every pixel's middle is from a line through points."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    found = np.full((height, width), np.inf)
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        dx, dy = bx - ax, by - ay
        square = dx * dx + dy * dy
        along = ((columns - ax) * dx + (rows - ay) * dy) / square if square else 0.0
        along = np.clip(along, 0, 1)
        found = np.minimum(found, np.hypot(columns - ax - along * dx, rows - ay - along * dy))
    return found


def profile(distance: Any, radius: float, softness: float) -> Any:
    """Coverage of a brush: from all to nothing along a smooth step, half a pixel beyond it."""
    outer = radius + 0.5
    inner = max(0, min(radius * (1 - softness), radius - 0.5))
    share = np.clip((outer - distance) / (outer - inner), 0, 1)
    return share * share * (3 - 2 * share)


@pytest.mark.parametrize("softness", [0, 0.5, 1])
def test_stroke_is_as_soft_as_asked_however_often_it_passes(opened, softness):
    view = opened()
    editing(view, softness=softness)
    there, back = (150, 200), (450, 200)
    view.drag(there, back)
    once = view.plane()
    expected = profile(distances([there, back]), 40, softness)
    assert np.abs(once - expected).max() <= 1.01 / 255
    view.do("() => brush.layer.fill(0)")
    view.drag(there, back, there, back, there)
    assert np.abs(view.plane() - once).max() <= 1.01 / 255
    assert view.events().count("maskchange") == 2
    view.drag(there, back)  # another stroke adds to it
    assert np.all(view.plane() >= once) and (
        softness == 0 or view.plane().sum() > once.sum() * 1.02
    )


def test_stroke_through_points_that_lie_apart_is_a_smooth_curve(opened):
    view = opened()
    editing(view, size=30, softness=0)
    angles = np.linspace(0, 1.5 * np.pi, 10)
    places = [(300 + 120 * float(np.cos(a)), 200 + 120 * float(np.sin(a))) for a in angles]
    mouse = view.page.mouse
    mouse.move(*places[0])
    mouse.down()
    for place in places[1:]:
        mouse.move(*place)
    mouse.up()
    rows, columns = np.nonzero(view.plane() > 0.5)
    radii = np.hypot(columns + 0.5 - 300, rows + 0.5 - 200)
    # Straight pieces would bulge by 4 pixels at the points, which lie 30 degrees apart.
    angles = np.arctan2(rows + 0.5 - 200, columns + 0.5 - 300)
    edge = [radii[np.abs(angles - angle) < 0.03].max() for angle in np.linspace(0.3, 2.8, 26)]
    assert np.ptp(edge) < 2
    assert 120 * np.cos(np.pi / 12) + 15 == pytest.approx(np.mean(edge), abs=1)


def test_press_paints_at_once_and_tint_and_ring_are_seen(opened):
    view = opened(device_scale_factor=2)
    editing(view)
    view.page.mouse.move(200, 100)
    view.page.mouse.down()
    tint = view.shown(".mask-brush-tint")
    assert tint.shape == (800, 1200, 4)
    assert tint[200, 400, 3] == 255 and tint[200, 700, 3] == 0
    assert tuple(tint[200, 400, :3]) == (0xF5, 0x14, 0x6E)
    ring = view.page.locator(".mask-brush-ring").bounding_box()
    assert ring == pytest.approx({"x": 160, "y": 60, "width": 80, "height": 80}, abs=0.6)
    assert view.events().count("maskchange") == 0
    view.page.mouse.up()
    assert view.events().count("maskchange") == 1
    view.do("() => { brush.layer = null; }")
    assert not view.page.locator("mask-brush").is_visible()


def test_stroke_tells_the_mask_before_and_escape_takes_it_back(opened):
    view = opened()
    editing(view)
    view.do(
        "() => brush.addEventListener('maskchange', (e) => { window.before = e.detail.before; })"
    )
    view.drag((100, 100), (200, 100))
    assert view.do("() => before.isEmpty && !brush.layer.isEmpty")
    painted = view.plane()
    view.do("() => { brush.erase = true; }")
    view.drag((100, 100), (200, 100))
    assert np.array_equal(view.plane("before"), painted)
    assert view.plane()[100, 100:200].max() == 0
    view.do("() => { brush.erase = false; brush.layer.fill(0); }")
    view.page.mouse.move(300, 300)
    view.page.mouse.down()
    view.page.mouse.move(350, 300)
    view.shown()
    assert view.plane().any()
    view.page.keyboard.press("Escape")
    assert not view.plane().any()
    view.page.mouse.up()
    assert view.events().count("maskchange") == 2


def test_brush_keys_turn_size_and_eraser_and_paint(opened):
    view = opened()
    editing(view)
    press = view.page.keyboard.press
    press("]")
    assert view.do("() => brush.size") == 92
    press("[")
    press("[")
    assert view.do("() => brush.size") < 80
    press("x")
    assert view.do("() => brush.erase")
    press("x")
    kinds = [kind for kind in view.events() if kind != "viewchange"]
    assert kinds == ["brushchange"] * 5
    view.do("() => { brush.size = 80; brush.focus(); }")
    press("ArrowRight")
    assert view.page.locator(".mask-brush-ring").bounding_box()["x"] == pytest.approx(280, abs=1)
    said = view.page.locator("mask-brush [role=status]").inner_text()
    assert said == "53 % from the left, 50 % from the top"
    view.page.keyboard.down(" ")
    for _ in range(3):
        press("ArrowRight")
    view.page.keyboard.up(" ")
    plane = view.plane()
    assert plane[200, 320:380].min() == 1 and plane[200, 430:].max() == 0
    assert view.events() == ["maskchange"]
    press("+")
    assert view.do("() => view.scale") == 1.25


def test_fingers_on_the_brush_paint_alone_and_zoom_in_twos(opened):
    view = opened(has_touch=True)
    editing(view)
    fingers = Fingers(view.page)
    fingers.along(((100, 100),), ((250, 100),))
    assert view.plane()[100, 100:250].min() == 1
    painted = view.plane()
    view.events()
    fingers.touch("touchStart", (150, 200))
    fingers.touch("touchStart", (150, 200), (250, 200))
    for step in range(1, 6):
        fingers.touch("touchMove", (150 - 10 * step, 200), (250 + 10 * step, 200))
    fingers.touch("touchEnd")
    assert view.do("() => view.scale") == pytest.approx(2, rel=0.02)
    assert np.array_equal(view.plane(), painted)
    assert "maskchange" not in view.events()
    fingers.along(((300, 300),), ((320, 300),))  # painting goes on where one sees it
    place = view.do("() => view.toPicture(310, 300)")
    assert view.plane()[round(place["y"]), round(place["x"])] == 1


def test_wheel_and_middle_button_on_the_brush_move_the_view(opened):
    view = opened()
    editing(view)
    view.page.mouse.move(300, 200)
    view.page.mouse.wheel(0, -400)
    assert view.do("() => view.scale") > 1.5
    before = view.do("() => view.toPicture(300, 200)")
    view.drag((300, 200), (340, 230), button="middle")
    after = view.do("() => view.toPicture(340, 230)")
    assert (after["x"], after["y"]) == pytest.approx((before["x"], before["y"]), abs=0.6)
    assert view.do("() => brush.layer.isEmpty")


def test_layer_is_filled_inverted_copied_and_small(opened):
    view = opened()
    found = view.do(
        """() => {
          const layer = new MaskLayer(4000, 3000);
          const size = [layer.width, layer.height, layer.isEmpty, layer.isFull];
          layer.fill(0.2);
          const copy = layer.copy();
          layer.invert();
          layer.invert();
          copy.fill(1);
          return [size, layer.toPlane().data[5], copy.isFull, new MaskLayer(30, 20).width];
        }"""
    )
    assert found[0] == [1024, 768, True, False]
    assert found[1:] == [pytest.approx(0.2), True, 30]


def test_painted_mask_is_the_same_numbers_on_the_command_line(opened, tmp_path):
    view = opened()
    editing(view, softness=1)
    view.drag((50, 60), (500, 300), (100, 350))
    data = view.do(
        "async () => packed(new Uint8Array(await (await brush.layer.toFile()).arrayBuffer()))"
    )
    path = tmp_path / "mask.png"
    path.write_bytes(base64.b64decode(data))
    assert Image.open(path).mode == "L"
    read = read_mask(path)
    assert 0 < np.mean((0.1 < read) & (read < 0.9))
    assert np.abs(read - view.plane()).max() < 1e-6


def soft(height: int, width: int) -> Pixels:
    rows, columns = np.mgrid[:height, :width]
    wave = np.sin(columns / width * 9) * np.cos(rows / height * 7)
    return np.round(127.5 + 100 * wave).astype(np.uint8)


def gray_file(path: Path) -> None:
    Image.fromarray(soft(300, 450)).save(path)


def gray_jpeg(path: Path) -> None:
    Image.fromarray(np.repeat(soft(300, 450)[..., None], 3, axis=2)).save(path, quality=90)


def turned_jpeg(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(soft(300, 450)).save(path, quality=95, exif=exif)


def cut_out(path: Path) -> None:
    pixels = np.dstack([noise(300, 450), soft(300, 450)])
    Image.fromarray(pixels).save(path)


def opaque_alpha(path: Path) -> None:
    Image.fromarray(np.dstack([soft(300, 450), flat(300, 450, 255)[..., 0]])).save(path)


def one_bit(path: Path) -> None:
    Image.fromarray(soft(300, 450) > 127).save(path)


def deep(path: Path) -> None:
    Image.fromarray(soft(300, 450).astype(np.uint16) * 257).save(path)


def large(path: Path) -> None:
    Image.fromarray(soft(1000, 1500)).save(path)


def all_gray(path: Path) -> None:
    Image.fromarray(flat(1500, 1500, 51)[..., 0]).save(path)


FILES = [
    (gray_file, "png"),
    (gray_jpeg, "jpg"),
    (turned_jpeg, "jpg"),
    (cut_out, "png"),
    (cut_out, "webp"),
    (opaque_alpha, "png"),
    (one_bit, "png"),
    (deep, "png"),
    (large, "png"),
    (all_gray, "png"),
]


def load(view: View, name: str, width: int | None = None, height: int | None = None) -> str:
    """Read a mask as ``layer`` in the page; what it complains of, or nothing."""
    size = None if width is None else {"width": width, "height": height}
    found: str = view.do(
        """async ([name, size]) => {
          try {
            window.layer = await MaskLayer.fromFile(await file(name), size);
            return "";
          } catch (error) {
            return `${error.name}: ${error.message}`;
          }
        }""",
        [name, size],
    )
    return found


def test_masks_of_all_kinds_are_read_as_on_the_command_line(opened, site):
    view = opened()
    for number, (make, ending) in enumerate(FILES):
        path = site[1] / f"{number}-{make.__name__}.{ending}"
        make(path)
        expected = read_mask(path)
        assert load(view, path.name) == ""
        found = view.plane("layer")
        if max(expected.shape) > 1024:
            expected = fit(expected, *found.shape)
        assert found.shape == expected.shape
        # A browser's JPEG decoder and its way from 16 bits to 8 are its own.
        assert np.abs(found - expected).max() < 1.51 / 255, path.name


def test_small_mask_is_stretched_to_the_photograph_as_on_the_command_line(opened, site):
    view = opened()
    gray_file(site[1] / "small.png")
    assert load(view, "small.png", 3000, 2000) == ""
    found = view.plane("layer")
    expected = fit(read_mask(site[1] / "small.png"), 683, 1024)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 0.51 / 255


def test_pictures_that_are_no_masks_are_refused_with_a_sentence(opened, site):
    view = opened()
    Image.fromarray(flat(20, 20, 200, 40, 10)).save(site[1] / "color.png")
    (site[1] / "words.png").write_text("no picture")
    complaints = [load(view, name) for name in ("color.png", "words.png")]
    assert complaints[0] == (
        "PaintError: color.png is a picture in color, whose channels differ by up to 190 of 255; "
        "a mask is a gray picture, or one with an alpha channel."
    )
    assert complaints[1].startswith("PaintError: words.png ")


# --- the mixing pad -----------------------------------------------------------------------------


def weights(view: View, count: int, places: list[tuple[float, float]]) -> Any:
    return np.array(
        view.do(
            "([count, places]) => places.map(([x, y]) => pad.padWeights(count, {x, y}))",
            [count, places],
        )
    )


def test_weights_of_the_pad_are_those_of_the_papers_figure(opened):
    view = opened()
    steps = np.linspace(0, 1, 5)
    places = [(float(h), float(v)) for v in steps for h in steps]
    bilinear = [[(1 - v) * (1 - h), (1 - v) * h, v * (1 - h), v * h] for h, v in places]
    assert np.array_equal(weights(view, 4, places), bilinear)
    assert np.array_equal(weights(view, 2, places), [[1 - h, h] for h, _ in places])
    assert np.array_equal(weights(view, 1, places), np.ones((25, 1)))


def test_weights_of_three_styles_are_barycentric_and_stay_in_the_triangle(opened):
    view = opened()
    corners = np.array([[0.5, 0, 1], [0, 1, 1], [1, 1, 1]])  # x, y, 1 of each corner
    grid = np.linspace(0, 1, 201)
    shares = np.array([(a, b, 1 - a - b) for a in grid for b in grid if a + b <= 1])
    inside = shares @ corners[:, :2]
    steps = np.linspace(-0.2, 1.2, 9)
    places = [(float(x), float(y)) for x in steps for y in steps]
    found = weights(view, 3, places)
    assert found.min() >= 0 and found.sum(axis=1) == pytest.approx(1, abs=1e-12)
    for place, got in zip(places, found, strict=True):
        exact = np.linalg.solve(corners.T, [*place, 1])
        if exact.min() >= 0:
            assert got == pytest.approx(exact, abs=1e-12)
        held = np.clip(place, 0, 1)  # the square of the pad first, then the triangle
        nearest = np.min(np.hypot(*(inside - held).T))
        assert np.hypot(*(got @ corners[:, :2] - held)) <= nearest + 1e-9
    assert weights(view, 3, [(0.5, 2 / 3)])[0] == pytest.approx([1 / 3] * 3, abs=1e-12)
    assert np.array_equal(weights(view, 3, [(0.5, 0), (0, 1), (1, 1)]), np.eye(3))


def mixing(view: View, count: int) -> Any:
    """A pad of styles, and its handle."""
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    styles = [{"title": title, "thumbnail": pixel} for title in ("Wave", "Rain", "Ink", "Oil")]
    view.do(
        "(styles) => { mixer.styles = styles; mixer.place = {x: 0.5, y: 0.5}; }", styles[:count]
    )
    return view.page.get_by_role("slider", name="Mixture")


def test_pad_is_dragged_clicked_and_reset(opened):
    view = opened()
    handle = mixing(view, 4)
    field = view.page.locator(".mix-pad-field").bounding_box()

    def at(x: float, y: float) -> tuple[float, float]:
        return field["x"] + x * field["width"], field["y"] + y * field["height"]

    view.drag(at(0.5, 0.5), at(0.75, 0.25))
    assert view.do("() => mixer.weights") == pytest.approx(
        [3 / 16, 9 / 16, 1 / 16, 3 / 16], abs=0.02
    )
    assert handle.get_attribute("aria-valuetext").startswith("Wave 19 %, Rain 56 %")
    told = view.events()
    assert told[-1] == "change" and "input" in told and told.count("change") == 1
    view.drag(at(0.2, 0.2), (0, 0))  # a press elsewhere brings the handle; outside it is held
    assert view.do("() => mixer.place") == {"x": 0, "y": 0}
    view.page.get_by_role("button", name="Only Oil").click()
    assert view.do("() => mixer.weights") == [0, 0, 0, 1]
    view.page.mouse.dblclick(*at(0.3, 0.3))
    assert view.do("() => mixer.weights") == [0.25] * 4


def test_pad_of_three_keeps_its_handle_in_the_triangle(opened):
    view = opened(has_touch=True)
    mixing(view, 3)
    field = view.page.locator(".mix-pad-field").bounding_box()
    left, top = field["x"], field["y"]
    middle = left + field["width"] / 2, top + field["height"] / 2
    Fingers(view.page).along((middle,), ((left, top),))
    found = view.do("() => [mixer.place, mixer.weights]")
    assert found[0] == pytest.approx({"x": 0.4, "y": 0.2}, abs=0.02)  # the nearest to the corner
    assert found[1] == pytest.approx([0.8, 0.2, 0], abs=0.02)


def test_pad_keys_move_its_handle(opened):
    view = opened()
    handle = mixing(view, 4)
    handle.focus()
    for key in ("ArrowRight", "Shift+ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowUp"):
        view.page.keyboard.press(key)
    assert view.do("() => mixer.place") == pytest.approx({"x": 0.48, "y": 0.58})
    view.page.keyboard.press("2")
    assert view.do("() => mixer.weights") == [0, 1, 0, 0]
    view.page.keyboard.press("Home")
    assert view.do("() => mixer.weights") == [0.25] * 4
    handle = mixing(view, 2)
    handle.focus()
    view.page.keyboard.press("ArrowUp")
    assert view.do("() => mixer.weights") == pytest.approx([0.48, 0.52])
    assert handle.get_attribute("aria-valuetext") == "Wave 48 %, Rain 52 %"
    assert handle.get_attribute("aria-valuenow") == "48"
