"""The page as a visitor has it, in a real browser: files in, turned, painted, files out."""

from __future__ import annotations

import base64
import io
import json
import shlex
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import (
    PACKAGES,
    PAGE,
    ROOT,
    main_thread_tasks,
    needs_browser,
    needs_packages,
    served,
)
from numpy.typing import NDArray
from PIL import Image

from impasto.models import find_bundle
from impasto.models.card import write_card
from impasto.styles.files import load_style
from impasto.web.site import Runtime, describe, folder_of, gallery, styles_address

pytestmark = [needs_browser, needs_packages]

POLICY = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; worker-src 'self' blob:; "
    "connect-src 'self'"
}
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}

PHOTO = ROOT / "examples/photos/coffee.jpg"
STYLE = ROOT / "examples/styles/wave.jpg"

READ = """async () => {
  const { photograph, painting } = document.getElementById("compare");
  const pixels = (bitmap) => {
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    const { data } = canvas.getContext("2d").getImageData(0, 0, bitmap.width, bitmap.height);
    let text = "";
    for (let i = 0; i < data.length; i += 4096) {
      text += String.fromCharCode(...data.subarray(i, i + 4096));
    }
    return [bitmap.width, bitmap.height, btoa(text)];
  };
  return [photograph, painting].map(pixels);
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page with one model, from where its parts lie: nothing is built."""
    out = tmp_path_factory.mktemp("page")
    bundle = find_bundle("fast")
    folder = out / folder_of("fast")
    (folder / "styles").mkdir(parents=True)
    for part, graph in bundle.parts.items():
        (folder / f"{part}.onnx").write_bytes(graph)
    (folder / "decoder.int8.onnx").write_bytes(bundle.decoder_int8)
    (folder / "card.json").write_text(write_card(bundle.card))
    rows = gallery(bundle, "device")
    (out / styles_address("fast")).write_text(json.dumps(rows))
    with io.BytesIO() as thumbnail:
        Image.new("RGB", (160, 160), "#a05030").save(thumbnail, "WEBP")
        for row in rows:
            (out / row["thumbnail"]).write_bytes(thumbnail.getvalue())
    site = describe(
        "device",
        [bundle],
        runtime=Runtime("runtime/ort.wasm.min.mjs"),
        films="films/mediabunny.min.mjs",
    )
    (out / "site.json").write_text(json.dumps(site))
    roots = {
        "/": PAGE,
        "/site.json": out / "site.json",
        "/models/fast/": folder,
        "/runtime/": PACKAGES / "onnxruntime-web/dist",
        "/films/": PACKAGES / "mediabunny/dist/bundles",
        "/base.css": PAGE.parent / "base.css",
        "/icon.svg": PAGE.parent / "icon.svg",
    }
    with served(roots, POLICY) as origin:
        yield f"{origin}/"


@dataclass
class Visit:
    """A tab with the page, and what went wrong in it."""

    page: Any
    problems: list[str]

    def see(self, selector: str, **settings: Any) -> Any:
        return self.page.wait_for_selector(selector, timeout=60_000, **settings)

    def rest(self) -> None:
        """Wait until the whole picture is painted."""
        self.see("body[data-painted=whole]")

    def bring(self, *files: Path | Mapping[str, Any]) -> None:
        self.page.set_input_files("#photo-files", list(files))
        self.see("#view:not([hidden])")

    def choose(self, title: str) -> None:
        self.page.click(f'#gallery button[title="{title}"]')

    def turn(self, label: str, value: float) -> None:
        """Turn a slider as a pointer does: some inputs, then a change."""
        self.page.get_by_label(label, exact=True).evaluate(
            """(slider, value) => {
              slider.value = value;
              slider.dispatchEvent(new Event("input", { bubbles: true }));
              slider.dispatchEvent(new Event("change", { bubbles: true }));
            }""",
            str(value),
        )

    def pictures(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The photograph and the painting that are shown, (H, W, 3)."""
        photograph, painting = (
            np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3]
            for width, height, data in self.page.evaluate(READ)
        )
        return photograph, painting

    def saved(self, act: Callable[[], None]) -> tuple[str, bytes]:
        with self.page.expect_download(timeout=60_000) as waited:
            act()
        download = waited.value
        return download.suggested_filename, Path(download.path()).read_bytes()

    def tab(self, name: str) -> None:
        self.page.click(f"#tab-{name}")

    @property
    def hash(self) -> str:
        return str(self.page.evaluate("location.hash"))


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Visit]]:
    """Opens the page; whatever its console has to say fails the test."""
    contexts, visits = [], []

    def open_page(hash: str = "", **settings: Any) -> Visit:
        settings = {"viewport": DESKTOP, "service_workers": "block", **settings}
        context = browser.new_context(**settings)
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda line: problems.append(line.text) if line.type == "error" else None,
        )
        page.goto(f"{address}{hash}")
        found = Visit(page, problems)
        found.see("body[data-ready]")
        visits.append(found)
        return found

    yield open_page
    told = [problem for each in visits for problem in each.problems]
    for context in contexts:
        context.close()
    assert told == []


def small_photo(side: int = 96, seed: int = 0) -> bytes:
    """A photograph that is painted in no time: soft noise, as a JPEG with a camera and a place."""
    noise = np.random.default_rng(seed).integers(0, 255, (8, 12, 3), np.uint8)
    image = Image.fromarray(noise).resize((side * 3 // 2, side), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0110] = "Test camera"
    exif.get_ifd(0x8825)[1] = "N"
    with io.BytesIO() as file:
        image.save(file, "JPEG", quality=95, exif=exif)
        return file.getvalue()


def as_file(name: str, content: bytes, kind: str = "image/jpeg") -> dict[str, Any]:
    return {"name": name, "mimeType": kind, "buffer": content}


# --- the flow ------------------------------------------------------------------------------------


def test_a_photograph_is_painted_turned_and_taken_back(visit: Callable[..., Visit]) -> None:
    here = visit()
    assert "Your pictures do not leave this device." in here.page.inner_text("#welcome")
    here.bring(PHOTO)
    here.rest()
    photograph, first = here.pictures()
    with Image.open(PHOTO) as image:
        assert first.shape[:2] == (image.height, image.width)
    assert np.abs(first.astype(int) - photograph).mean() > 10
    here.turn("Strength", 0)
    here.rest()
    assert np.array_equal(here.pictures()[1], photograph)
    assert "alpha=0" in here.hash
    here.choose("The Kiss")
    here.turn("Strength", 1)
    here.rest()
    assert np.abs(here.pictures()[1].astype(int) - first).mean() > 2
    for _ in range(3):
        here.page.keyboard.press("Control+z")
    here.rest()
    assert np.array_equal(here.pictures()[1], first)
    assert here.page.is_disabled("#undo")
    here.page.keyboard.press("Control+Shift+z")
    here.rest()
    assert np.array_equal(here.pictures()[1], photograph)


def test_all_is_done_with_the_keyboard(visit: Callable[..., Visit]) -> None:
    here = visit()
    keys = here.page.keyboard
    photo = as_file("a.jpg", small_photo())
    here.page.on("filechooser", lambda chooser: chooser.set_files([photo]))
    here.page.focus("#choose")
    keys.press("Enter")
    here.see("#view:not([hidden])")
    here.rest()
    here.page.focus("#tab-style")
    keys.press("Tab")  # save the style
    keys.press("Tab")  # mix
    keys.press("Space")
    keys.press("Tab")  # a style of one's own
    keys.press("Tab")
    keys.press("Enter")
    assert "style=munch-scream,blake-abel" in here.hash
    here.page.focus(".mix-pad-handle")
    keys.press("ArrowLeft")
    here.rest()
    assert "pad=0.5,0.5" not in here.hash
    here.page.focus("#tab-style")
    keys.press("ArrowRight")
    assert here.page.is_visible("#part-strokes") and not here.page.is_visible("#part-style")
    keys.press("Tab")
    keys.press("ArrowRight")
    assert "coarse=1.25" in here.hash
    here.page.focus("#tab-strokes")
    keys.press("End")
    keys.press("Tab")
    keys.press("ArrowRight")  # from JPEG to PNG
    name, _ = here.saved(lambda: (here.page.focus("text=Save the picture"), keys.press("Enter")))
    assert name == "a-munch-scream-blake-abel.png"


def test_a_link_brings_its_settings_back(visit: Callable[..., Visit]) -> None:
    link = (
        "#model=fast&style=klimt-kiss,munch-scream&pad=0.25,0.5&alpha=0.7&color=luminance&coarse=2"
    )
    here = visit(link)
    assert here.hash == link
    assert here.page.inner_text("#chosen-title") == "2 styles, mixed"
    assert here.page.input_value("#slider-strength") == "0.7"
    assert here.page.is_hidden("#notice")
    here.page.evaluate("location.hash = '#style=nobody&alpha=0.5'")
    here.see("#notice:not([hidden])")
    assert "style nobody" in here.page.inner_text("#notice-line")
    assert here.page.input_value("#slider-strength") == "0.5"


def test_what_no_mask_covers_stays_the_photograph(visit: Callable[..., Visit]) -> None:
    here = visit()
    here.bring(as_file("a.jpg", small_photo(256)))
    here.rest()
    here.tab("masks")
    here.page.click("text=Paint where The Scream goes")
    left, top, width, height = here.page.evaluate(
        """() => { const view = document.getElementById("compare");
          const box = view.pictureBox, place = view.getBoundingClientRect();
          return [place.left + box.left, place.top + box.top, box.width, box.height]; }"""
    )
    mouse = here.page.mouse
    mouse.move(left + 0.2 * width, top + 0.3 * height)
    mouse.down()
    mouse.move(left + 0.25 * width, top + 0.7 * height, steps=6)
    mouse.up()
    here.rest()
    photograph, painting = here.pictures()
    half = photograph.shape[1] // 2
    changed = np.abs(painting.astype(int) - photograph).max(axis=2)
    assert changed[:, half:].max() == 0
    assert changed[:, :half].max() > 20
    here.page.click("text=Invert")
    here.rest()
    changed = np.abs(here.pictures()[1].astype(int) - photograph).max(axis=2)
    assert changed[:, half:].mean() > 5
    name, mask = here.saved(lambda: here.page.click(".mask-editor >> text=Save"))
    assert name == "a-mask-1.png"
    with Image.open(io.BytesIO(mask)) as image:
        gray = np.asarray(image.convert("L"))
    assert gray[:, half:].min() == 255 and gray[:, :half].min() == 0
    here.tab("save")
    words = shlex.split(here.page.inner_text(".command"))
    assert words[words.index("--mask") + 1] == name
    here.page.click("#undo")
    here.rest()
    assert np.array_equal(here.pictures()[1], painting)


def test_pictures_are_saved_in_every_format_with_what_they_tell(
    visit: Callable[..., Visit],
) -> None:
    here = visit()
    here.bring(as_file("a.jpg", small_photo()))
    here.rest()
    here.tab("save")
    shown = here.pictures()[1]
    for title, suffix, kind in (("JPEG", "jpg", "JPEG"), ("PNG", "png", "PNG"),
                                ("WebP", "webp", "WEBP")):  # fmt: skip
        here.page.click(f"#part-save label:has-text('{title}')")
        name, content = here.saved(lambda: here.page.click("text=Save the picture"))
        assert name == f"a-munch-scream.{suffix}"
        with Image.open(io.BytesIO(content)) as image:
            assert image.format == kind
            assert image.size == (shown.shape[1], shown.shape[0])
            exif = image.getexif()
            assert exif[0x0110] == "Test camera" and not exif.get_ifd(0x8825)
            if kind == "PNG":
                assert np.array_equal(np.asarray(image.convert("RGB")), shown)
    here.page.click("#copy-command")
    copied = here.page.evaluate("navigator.clipboard.readText()")
    assert copied == here.page.inner_text(".command")
    assert copied == ("impasto stylize a.jpg -s munch-scream --model fast -o a-munch-scream.webp")


def test_several_photographs_become_one_zip(visit: Callable[..., Visit]) -> None:
    here = visit()
    here.bring(*(as_file(f"{name}.jpg", small_photo(seed=i)) for i, name in enumerate("abc")))
    here.see("#strip li:nth-child(3)")
    here.rest()
    here.page.click("#strip button[title='c.jpg']")
    here.rest()
    here.page.hover("#strip li:nth-child(2)")
    here.page.click("#strip li:nth-child(2) .shot-remove")
    here.tab("save")
    name, content = here.saved(lambda: here.page.click("text=Save all 2 as a ZIP"))
    assert name == "impasto.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a-munch-scream.jpg", "c-munch-scream.jpg"]
        pictures = [Image.open(archive.open(each)).size for each in archive.namelist()]
    assert pictures == [(144, 96)] * 2
    assert "a.jpg c.jpg -s munch-scream" in here.page.inner_text(".command")


DROP = """([selector, kind, files]) => {
  const data = new DataTransfer();
  for (const [name, type, text] of files) {
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    data.items.add(new File([bytes], name, { type }));
  }
  const options = { bubbles: true, cancelable: true };
  document.querySelector(selector).dispatchEvent(kind === "paste"
    ? new ClipboardEvent("paste", { ...options, clipboardData: data })
    : new DragEvent(kind, { ...options, dataTransfer: data }));
}"""


def test_files_are_dropped_and_pasted(visit: Callable[..., Visit]) -> None:
    here = visit()
    here.see("#sample-styles li")

    def give(selector: str, kind: str, *files: tuple[str, str, bytes]) -> None:
        texts = [(name, type, base64.b64encode(each).decode()) for name, type, each in files]
        here.page.evaluate(DROP, [selector, kind, texts])

    give("#stage", "dragover", ("a.jpg", "image/jpeg", b""))
    assert here.page.is_visible("#veil")
    give("#stage", "drop", ("a.jpg", "image/jpeg", small_photo()))
    here.see("#view:not([hidden])")
    assert here.page.is_hidden("#veil")
    give("body", "paste", ("b.jpg", "image/jpeg", small_photo(seed=1)))
    here.see("#strip button[title='b.jpg']")
    give("#gallery", "drop", ("wave.jpg", "image/jpeg", STYLE.read_bytes()))
    here.see("#gallery button[aria-pressed='true'][title='wave']")
    here.rest()

    name, content = here.saved(lambda: here.page.click("#save-style"))
    assert name == "wave.safetensors"
    here.choose("The Kiss")
    give("#stage", "drop", ("mine.safetensors", "", content))  # a style wherever it is dropped
    here.see("#gallery li:nth-child(3) button[aria-pressed='true']")
    here.rest()
    here.tab("save")
    assert shlex.split(here.page.inner_text(".command"))[3:6] == ["b.jpg", "-s", "mine.safetensors"]


def test_a_style_that_was_saved_is_one_for_the_command(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    here = visit("#style=klimt-kiss")
    here.bring(as_file("a.jpg", small_photo()))
    name, content = here.saved(lambda: here.page.click("#save-style"))
    (tmp_path / name).write_bytes(content)
    style = load_style(tmp_path / name)
    assert name == "klimt-kiss.safetensors"
    assert style.model == find_bundle("fast").identity


def test_what_cannot_be_read_gets_one_sentence(visit: Callable[..., Visit]) -> None:
    here = visit()
    here.page.set_input_files("#photo-files", [as_file("notes.txt", b"hello", "text/plain")])
    here.see("#notice:not([hidden])")
    line = here.page.inner_text("#notice-line")
    assert line.startswith("notes.txt") and line.endswith(".")
    here.page.click("#notice-dismiss")
    assert here.page.is_hidden("#notice")
    here.page.set_input_files(
        "#photo-files", [as_file("a.jpg", small_photo()), as_file("b.jpg", b"nothing")]
    )
    here.see("#view:not([hidden])")
    here.see("#notice:not([hidden])")
    assert here.page.locator("#strip li").count() == 1


def test_nothing_heavy_is_done_by_the_page_itself(
    browser: Any, visit: Callable[..., Visit], tmp_path: Path
) -> None:
    """With 12 megapixels brought, turned, masked and taken back."""
    photo = tmp_path / "large.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    Image.fromarray(noise).resize((4000, 3000), Image.Resampling.BICUBIC).save(photo)
    here = visit("#size=480")
    here.see("#sample-styles li")
    with main_thread_tasks(browser, here.page) as tasks:
        here.bring(photo)
        here.rest()
        for alpha in (0.2, 0.4, 0.6):
            here.turn("Strength", alpha)
        here.choose("The Kiss")
        here.rest()
        here.tab("masks")
        here.page.click("text=Paint where The Kiss goes")
        here.page.click("text=Fill")
        here.page.mouse.move(500, 300)
        here.page.mouse.down()
        here.page.mouse.move(600, 500, steps=10)
        here.page.mouse.up()
        here.page.click("#undo")
        here.rest()
    # Without a graphics processor a commit of the compositor may take long, once.
    assert max(tasks) < 200
    assert sorted(tasks)[-2] < 50


# --- for everybody -------------------------------------------------------------------------------


def serious(page: Any) -> list[str]:
    """What axe-core finds wrong, if it is serious: in light by all rules, in dark by contrast."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((PACKAGES / "axe-core/axe.min.js").read_text())
    found = []
    for scheme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme)
        run = "(options) => axe.run(document, { ...options, resultTypes: ['violations'] })"
        for each in page.evaluate(run, options)["violations"]:
            if each["impact"] in ("serious", "critical"):
                found += [f"{scheme}: {each['id']}: {node['html']}" for node in each["nodes"]]
    return found


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious_in_any_state(
    visit: Callable[..., Visit], size: dict[str, int]
) -> None:
    here = visit(viewport=size, reduced_motion="reduce")  # no color is on its way
    here.see("#sample-styles li")
    found = {"welcome": serious(here.page)}
    here.bring(as_file("a.jpg", small_photo()), as_file("b.jpg", small_photo(seed=1)))
    here.see("#strip li:nth-child(2)")
    here.page.click(".switch")
    for title in ("The Kiss", "Irises", "The Dream"):
        here.choose(title)
    here.rest()
    found["mixed"] = serious(here.page)
    for part in ("strokes", "colors", "save", "masks"):
        here.tab(part)
        if part == "masks":
            here.page.click("#part-masks li button >> nth=0")
            notes = as_file("notes.txt", b"hello", "text/plain")
            here.page.set_input_files("#photo-files", [notes])
            here.see("#notice:not([hidden])")
        found[part] = serious(here.page)
    for mode in ("camera", "film"):
        here.page.check(f"input[name=mode][value={mode}]", force=True)
        here.see(f"{mode}-panel")
        found[mode] = serious(here.page)
    assert {state: issues for state, issues in found.items() if issues} == {}
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert here.page.evaluate(overflow) == 0
