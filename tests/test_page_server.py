"""The page's painter that asks a server, in a real browser, against the library."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import needs_browser
from PIL import Image
from served import Server, serving
from test_cli import save

import impasto

pytest.importorskip("uvicorn")
pytest.importorskip("python_multipart")
pytestmark = needs_browser

# What every test has: the painter, photographs and looks made of files in base64.
SETUP = """
globalThis.ready = (async () => {
  const { openPainter } = await import("/painters/open.js");
  globalThis.painter = await openPainter();
  globalThis.blob = async (data, type) =>
    (await fetch(`data:${type};base64,${data}`)).blob();
})();
globalThis.file = (data, type) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  return new Blob([bytes], { type });
};
globalThis.photo = (data, type, name, width, height) =>
  ({ id: name, name, file: file(data, type), width, height });
globalThis.look = (styles, changed = {}) => ({
  model: "fast", styles, weights: styles.map(() => 1), masks: [], alpha: 1, color: null,
  coarse: 1, styleSize: 512, ...changed,
});
globalThis.plane = (width, height, value) => {
  const data = Float32Array.from({ length: width * height }, (_, i) => value(i % width));
  return { width, height, data };
};
globalThis.data = async (bitmap) => {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return base64(await canvas.convertToBlob({ type: "image/png" }));
};
globalThis.base64 = async (blob) => {
  const reader = new FileReader();
  await new Promise((done) => { reader.onload = done; reader.readAsDataURL(blob); });
  return reader.result.split(",")[1];
};
globalThis.refused = async (promise) => {
  try { await promise; } catch (error) { return `${error.name}: ${error.message}`; }
  return "";
};
await ready;
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    for seed, name in enumerate(("street.jpg", "harbor.png", "wave.png", "rain.jpg")):
        save(folder / name, height=72, width=96, seed=seed)
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "Camera"})
    with Image.open(folder / "street.jpg") as image:
        image.save(folder / "turned.jpg", exif=exif, quality=95)
    return folder


@pytest.fixture(scope="module")
def server(tiny_path: Path, files: Path) -> Iterator[Server]:
    words = ["--model", "fast", "--model", tiny_path, "--engine", "onnxruntime"]
    with serving(*words, "--max-bytes", "1MB", cwd=files) as found:
        yield found


@pytest.fixture(scope="module")
def run(server: Server, browser: Any) -> Iterator[Any]:
    """A function that runs a body of JavaScript in a page of the server."""
    page = browser.new_page()
    page.goto(f"{server.address}site.json")

    def in_page(body: str, given: Any = None) -> Any:
        return page.evaluate(f"async (given) => {{ {body} }}", given)

    in_page(SETUP)
    yield in_page
    page.close()


@pytest.fixture(scope="module")
def fast() -> impasto.Stylizer:
    return impasto.load("fast", engine="onnxruntime", threads=1)


def sent(path: Path) -> list[str]:
    data = base64.b64encode(path.read_bytes()).decode()
    return [data, {"jpg": "image/jpeg", "png": "image/png"}[path.suffix[1:]]]


def pixels(data: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_painting_is_that_of_the_library(run: Any, files: Path, fast: impasto.Stylizer):
    """Own and kept styles, mixed, in masks, at a strength that changes from place to place."""
    found = run(
        """
        const own = await painter.addStyle(file(...given.rain), "rain.jpg");
        const styles = await painter.styles("fast");
        const info = styles.map(({ id, own, picture }) => [id, own, picture]);
        const street = photo(...given.harbor, "harbor.png", 96, 72);
        const masks = [plane(96, 72, (x) => x < 48 ? 1 : 0), plane(96, 72, (x) => x < 48 ? 0 : 1)];
        const looks = [
          look(["munch-scream", own.id], { weights: [1, 3] }),
          look(["munch-scream", own.id], { masks, alpha: plane(96, 72, (x) => x / 95) }),
          look(["munch-scream", own.id], { masks: [masks[0], null] }),
          look([own.id], { color: "cholesky", alpha: 0.8 }),
        ];
        const shown = [];
        for (const each of looks) {
          const { bitmap } = await painter.paint(street, each, { size: null });
          shown.push(await data(bitmap));
        }
        return { own, info, shown };
        """,
        {"rain": sent(files / "rain.jpg"), "harbor": sent(files / "harbor.png")},
    )
    assert found["own"]["title"] == "rain" and found["own"]["thumbnail"].startswith("blob:")
    assert found["info"][0] == ["own-1", True, True]
    assert ["munch-scream", False, False] in found["info"]
    left = np.zeros((72, 96), np.float32)
    left[:, :48] = 1
    ramp = np.rint(np.linspace(0, 255, 96))[None].repeat(72, 0).astype(np.float32) / 255
    both, rain = ["munch-scream", files / "rain.jpg"], [files / "rain.jpg"]
    for shown, styles, controls in zip(
        found["shown"],
        (both, both, both, rain),
        (
            {"weights": [1, 3]},
            {"masks": [left, 1 - left], "alpha": ramp},
            {"masks": [left, np.ones((72, 96), np.float32)]},
            {"color": "cholesky", "alpha": 0.8},
        ),
        strict=True,
    ):
        wanted = np.asarray(fast.stylize(files / "harbor.png", styles, **controls))
        assert np.abs(pixels(shown) - wanted).max() <= 2, controls


def test_preview_is_reduced_before_it_is_sent(run: Any, files: Path, fast: impasto.Stylizer):
    """A few kB for a photograph that is upright, and as large as was asked for."""
    found = run(
        """
        const turned = photo(...given, "turned.jpg", 72, 96);
        const sizes = [];
        const fetched = globalThis.fetch;
        globalThis.fetch = (address, options) => {
          if (options?.body) sizes.push(options.body.get("content").size);
          return fetched(address, options);
        };
        const scream = look(["munch-scream"]);
        const options = { size: 36, preview: true };
        const { bitmap, seconds } = await painter.paint(turned, scream, options);
        globalThis.fetch = fetched;
        const { width, height } = bitmap;
        return { width, height, seconds, sizes, data: await data(bitmap) };
        """,
        sent(files / "turned.jpg"),
    )
    assert (found["width"], found["height"]) == (36, 48) and found["seconds"] > 0
    assert found["sizes"][0] < len((files / "turned.jpg").read_bytes())
    wanted = np.asarray(fast.stylize(files / "turned.jpg", "munch-scream", size=36)).astype(int)
    assert np.abs(pixels(found["data"]) - wanted).mean() < 12  # scaled by the browser, and JPEG


def test_saving_keeps_metadata(run: Any, files: Path, fast: impasto.Stylizer):
    found = run(
        """
        const turned = photo(...given, "turned.jpg", 72, 96);
        const shares = [];
        const blob = await painter.save(turned, look(["munch-scream"]), {
          size: 48, format: "webp", quality: 90, watch: (share) => shares.push(share),
        });
        return { type: blob.type, shares, data: await base64(blob) };
        """,
        sent(files / "turned.jpg"),
    )
    assert found["type"] == "image/webp" and found["shares"] == [0, 1]
    with Image.open(io.BytesIO(base64.b64decode(found["data"]))) as image:
        assert image.format == "WEBP" and image.size == (48, 64)
        exif = image.getexif()
    assert exif[0x010F] == "Camera" and exif.get(0x0112, 1) == 1


def test_style_that_is_saved_and_brought_again(run: Any, files: Path, fast: impasto.Stylizer):
    found = run(
        """
        const own = await painter.addStyle(file(...given), "wave.png");
        const saved = await painter.saveStyle(own.id, "fast", 256);
        const again = await painter.addStyle(saved, "wave.safetensors");
        const scream = await painter.saveStyle("munch-scream", "fast", 512);
        const other = await painter.saveStyle(own.id, "tiny", 256);
        return {
          again, saved: await base64(saved), scream: await base64(scream),
          ids: [(await painter.styles("fast")), (await painter.styles("tiny"))]
            .map((list) => list.filter((each) => each.own).map((each) => each.id)),
          own: own.id, other: await base64(other),
        };
        """,
        sent(files / "wave.png"),
    )
    from impasto.styles.files import read_style, style_bytes

    style = read_style(base64.b64decode(found["saved"]))
    assert style.model == fast.identity and style.thumbnail
    wanted = fast.style(files / "wave.png", size=256)
    for mine, theirs in zip(style.moments, wanted.moments, strict=True):
        assert np.allclose(mine.mean, theirs.mean, rtol=1e-6)
    assert base64.b64decode(found["scream"]) == style_bytes(fast.kept("munch-scream"))
    assert read_style(base64.b64decode(found["other"])).model != fast.identity
    again = found["again"]
    assert again["title"] == "wave" and not again["picture"] and again["own"]
    assert again["id"] in found["ids"][0] and again["id"] not in found["ids"][1]
    assert found["own"] in found["ids"][1]


def test_newest_preview_wins(run: Any, files: Path):
    """One is painted, the newest waits, the others end; a picture of full size gives way."""
    found = run(
        """
        const street = photo(...given, "street.jpg", 96, 72);
        const all = [0, 0.2, 0.4, 0.6, 0.8].map((alpha) =>
          painter.paint(street, look(["munch-scream"], { alpha }), { size: 48, preview: true }));
        const small = (await Promise.allSettled(all)).map((each) => each.reason?.name ?? "painted");
        const full = painter.paint(street, look(["munch-scream"]), { size: null });
        const next = painter.paint(street, look(["munch-scream"]), { size: 48, preview: true });
        const large = (await Promise.allSettled([full, next])).map(
          (each) => each.reason?.name ?? "painted");
        const stop = new AbortController();
        const ended = refused(painter.paint(street, look(["munch-scream"]),
          { size: null, signal: stop.signal }));
        stop.abort();
        return { small, large, ended: (await ended).split(":")[0] };
        """,
        sent(files / "street.jpg"),
    )
    assert found["small"] == ["painted", "AbortError", "AbortError", "AbortError", "painted"]
    assert found["large"] == ["AbortError", "painted"]
    assert found["ended"] == "AbortError"


def test_frames(run: Any, files: Path, fast: impasto.Stylizer):
    """Two at a time, in their order, each in its look; a look that is refused says why."""
    found = run(
        """
        const bitmap = () => createImageBitmap(file(...given.street));
        const first = look(["munch-scream"]);
        const own = await painter.addStyle(file(...given.rain), "rain.jpg");
        const second = look([own.id], { masks: [plane(8, 8, (x) => x < 4 ? 1 : 0)], alpha: 0.9 });
        const pairs = [];
        for (const each of [first, second]) {
          const both = await Promise.all([
            painter.paintFrame(await bitmap(), each), painter.paintFrame(await bitmap(), each)]);
          pairs.push(await Promise.all(both.map(data)));
        }
        const bad = await refused(painter.paintFrame(await bitmap(), look(["nobody"])));
        const good = await painter.paintFrame(await bitmap(), first);
        return { pairs, bad, good: await data(good) };
        """,
        {"street": sent(files / "street.jpg"), "rain": sent(files / "rain.jpg")},
    )
    scream, rain = found["pairs"]
    assert scream[0] == scream[1] == found["good"] and rain[0] == rain[1]
    assert found["bad"].startswith("PaintError: there is no style 'nobody'")
    left = np.zeros((8, 8), np.float32)
    left[:, :4] = 1
    wanted = fast.stylize(files / "street.jpg", files / "rain.jpg", masks=[left], alpha=0.9)
    assert np.abs(pixels(rain[0]) - np.asarray(wanted)).mean() < 8  # JPEG there and back


def test_refusals_are_sentences(run: Any, files: Path):
    found = run(
        """
        const street = photo(...given.street, "street.jpg", 96, 72);
        const large = new Blob([new Uint8Array(1_100_000)], { type: "image/jpeg" });
        return [
          await refused(painter.paint(street, look(["nobody"]), { size: 48, preview: true })),
          await refused(painter.save({ ...street, file: large }, look(["munch-scream"]),
            { size: null, format: "png", quality: 90 })),
          await refused(painter.paint({ ...street, id: "x", file: file("AAAA", "image/jpeg") },
            look(["munch-scream"]), { size: 48, preview: true })),
          await refused(painter.addStyle(file(...given.odd), "odd.safetensors")),
          await refused(painter.styles("slow")),
        ];
        """,
        {
            "street": sent(files / "street.jpg"),
            "odd": [base64.b64encode(b"\x02\0\0\0\0\0\0\0{}").decode(), ""],
        },
    )
    assert found[0].startswith("PaintError: There is no style 'nobody'")
    assert found[1] == "PaintError: street.jpg has 1.1 MB, and this server accepts 1.0 MB at most."
    assert found[2].startswith("PaintError: street.jpg cannot be read by this browser")
    assert found[3].startswith("PaintError: odd.safetensors is not a style")
    assert found[4] == "PaintError: This server has no model slow."
    assert not [each for each in found if "undefined" in each]


def test_page_opens_with_its_gallery(server: Server, browser: Any):
    """The page itself, from this origin alone, without an error; and it says who paints."""
    page = browser.new_page()
    asked, told = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: told.append(message) if message.type == "error" else None)
    page.on("pageerror", lambda error: told.append(error))
    page.goto(server.address)
    page.locator("img[src$='.webp']").first.wait_for()
    assert not told, [getattr(each, "text", each) for each in told]
    assert all(url.startswith((server.address, "blob:", "data:")) for url in asked), asked
    assert f"127.0.0.1:{server.port}" in page.inner_text("body")
    page.close()


def test_server_that_has_gone(tiny_path: Path, browser: Any):
    with serving("--model", tiny_path) as server:
        page = browser.new_page()
        page.goto(f"{server.address}site.json")
        page.evaluate(f"async () => {{ {SETUP} }}")
        server.end()
    line = page.evaluate("refused(painter.saveStyle('munch-scream', 'tiny', 512))")
    assert line == (
        f"PaintError: The machine at 127.0.0.1:{server.port} does not answer: is impasto serve "
        "running?"
    )
    page.close()
