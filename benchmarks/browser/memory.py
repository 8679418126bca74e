"""A large photograph painted in a browser: time, memory, and the difference from Python's picture.

    python benchmarks/browser/memory.py [--model NAME] [--megapixels N] [--photo FILE] [--site DIR]

The page is built, opened in headless Chromium and asked for a preview, for the whole picture to be
shown, and for a file of it. Meanwhile the memory of Chromium's renderer processes, one of which the
page and its worker live in, is looked at 20 times a second: all that is resident (RSS), with what
they share with other processes. The file is compared with what Python paints in one piece: a seam
between tiles would be a difference.

Needs Chromium, playwright, psutil and the packages of the page (npm ci).
"""

from __future__ import annotations

import argparse
import base64
import io
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import impasto
from impasto.painting import Budget
from pages import ROOT, opened, packed

SAMPLE = ROOT / "src/impasto/web/static/page/sample.jpg"
STYLE = "munch-scream"
PAUSE_SECONDS = 0.05

OPEN = """async () => {
  const { openPainter } = await import("/painters/open.js");
  globalThis.painter = await openPainter();
  globalThis.look = (model, style) => ({
    model, styles: [style], weights: [1], masks: [], alpha: 1, color: null, coarse: 1,
    styleSize: 512,
  });
}"""

PHOTO = """async ({ file, width, height }) => {
  const bytes = await (await fetch(`data:image/png;base64,${file}`)).blob();
  globalThis.photo = { id: "large", name: "large.png", file: bytes, width, height };
}"""

PAINT = """async ({ model, style, size }) => {
  const { bitmap, seconds } = await painter.paint(photo, look(model, style), { size });
  globalThis.shown = bitmap;
  return seconds;
}"""

SAVE = """async ({ model, style }) => {
  const options = { size: null, format: "png", quality: 90 };
  globalThis.saved = await painter.save(photo, look(model, style), options);
}"""

FILE = """async ({ start, stop }) => {
  const bytes = new Uint8Array(await saved.slice(start, stop).arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}"""


@dataclass
class Peak:
    """The most memory of one renderer process, in bytes."""

    rss: int = 0


@contextmanager
def watched() -> Iterator[Peak]:
    """Watch the renderer processes of the browsers that this process has started."""
    import psutil

    peak, done = Peak(), threading.Event()

    def watch() -> None:
        while not done.wait(PAUSE_SECONDS):
            for process in psutil.Process().children(recursive=True):
                try:
                    if "--type=renderer" in process.cmdline():
                        peak.rss = max(peak.rss, process.memory_info().rss)
                except psutil.Error:
                    continue  # it has ended

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def large_photo(path: Path, megapixels: float) -> NDArray[np.uint8]:
    """A photograph of so many pixels, with a little noise where it is enlarged."""
    picture = Image.open(path).convert("RGB")
    scale = math.sqrt(megapixels * 1e6 / (picture.width * picture.height))
    size = (round(picture.width * scale), round(picture.height * scale))
    pixels = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
    noise = np.random.default_rng(0).integers(-4, 5, pixels.shape, dtype=np.int16)
    return (pixels + noise).clip(0, 255).astype(np.uint8)


def measure(page: Any, model: str, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint a photograph in the page, say what each step takes, and return the picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    height, width = pixels.shape[:2]
    given = {"model": model, "style": STYLE}
    print(f"{width} x {height} pixels, model {model!r}, {file.tell() / 1e6:.0f} MB of PNG")
    with watched() as peak:
        page.evaluate(OPEN)
        photo = {"file": packed(file.getvalue()), "width": width, "height": height}
        page.evaluate(PHOTO, photo)
        for what, size in (("preview of 384 px", 384), ("whole picture", None)):
            seconds = page.evaluate(PAINT, {**given, "size": size})
            print(f"{what:>20}: {seconds:6.1f} s, renderer at most {peak.rss / 1e6:.0f} MB")
        start = time.perf_counter()
        page.evaluate(SAVE, given)
        seconds = time.perf_counter() - start
        print(f"{'file of it':>20}: {seconds:6.1f} s, renderer at most {peak.rss / 1e6:.0f} MB")
    length, part, parts = page.evaluate("() => saved.size"), 3 << 20, []
    for place in range(0, length, part):
        text = page.evaluate(FILE, {"start": place, "stop": min(place + part, length)})
        parts.append(base64.b64decode(text))
    return np.asarray(Image.open(io.BytesIO(b"".join(parts))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fast", help="name of the model")
    parser.add_argument("--megapixels", type=float, default=12, help="size of the photograph")
    parser.add_argument("--photo", type=Path, default=SAMPLE, help="picture that it is made from")
    parser.add_argument("--site", type=Path, help="folder built by `impasto page build`")
    options = parser.parse_args()
    pixels = large_photo(options.photo, options.megapixels)
    with opened(options.model, options.site) as page:
        found = measure(page, options.model, pixels)
    stylizer = impasto.load(options.model, engine="onnxruntime")
    image = pixels.astype(np.float32) / 255
    wanted = stylizer.paint(image, stylizer.find(STYLE), budget=Budget(memory=10**11)).image
    apart = np.abs(np.rint(wanted * 255) - found).max(axis=2)
    print(
        f"difference from Python's picture in one piece: at most {apart.max():.0f} of 255, "
        f"{(apart > 1).mean():.2%} of the pixels by more than 1"
    )


if __name__ == "__main__":
    main()
