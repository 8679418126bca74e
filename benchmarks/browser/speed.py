"""Speed in a browser, against magenta's arbitrary image stylization in TensorFlow.js.

    npm install --prefix peer @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
    git clone https://github.com/reiinakano/arbitrary-image-stylization-tfjs peer/stylization
    python benchmarks/browser/speed.py --peer peer [--model NAME] [--sizes N ...] [--site DIR]

Both paint the same pixels in one page of headless Chromium, taking turns, in one thread of
WebAssembly with SIMD: ours from pixels to pixels with a style of the gallery, theirs with the
smaller ("separable") of their transformer networks and a random style, from pixels to pixels too.
Without the folder of the peer, ours alone is measured. A model with a decoder in int8 takes turns
with itself in single precision too.

Needs Chromium, playwright and the packages of the page (npm ci).
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from pages import opened

STYLE = "munch-scream"
SIZES = (256, 512)
TURNS = 7
PEER = {
    "library": "node_modules/@tensorflow/tfjs/dist/tf.min.js",
    "backend": "node_modules/@tensorflow/tfjs-backend-wasm/dist/tf-backend-wasm.min.js",
    "network": "stylization/saved_model_transformer_separable_js/model.json",
}

OURS = """async ({ name, style }) => {
  const { openRuntime } = await import("/models/runtime.js");
  const { Model } = await import("/models/model.js");
  const { readStyle, fromBase64 } = await import("/models/style_file.js");
  const { paintPixels } = await import("/painting/adain.js");
  const { PixelSource } = await import("/images/windows.js");
  const site = await (await fetch("/site.json")).json();
  const base = document.baseURI;
  const row = site.models.find((each) => each.name === name);
  const wasm = new URL(site.runtime.wasm, base).href;
  const runtime = await openRuntime({ wasm, webgpu: null });
  const model = await Model.open(row, base, runtime);
  const exact = row.decoder_int8
    ? await Model.open({ ...row, decoder_int8: null }, base, runtime)
    : null;
  const styles = await (await fetch(new URL(row.styles, base))).json();
  const file = styles.find((each) => each.name === style).file;
  const { moments } = readStyle(fromBase64(file), style);
  const controls = { alpha: 1, weights: null, masks: [], color: null, coarse: 1 };
  globalThis.pixelsOf = (size) => {
    const data = new Uint8ClampedArray(4 * size * size);
    for (let i = 0; i < data.length; i++) {
      data[i] = i % 4 === 3 ? 255 : 128 + 90 * Math.sin(i / 97) + 30 * Math.sin(i / size / 11);
    }
    return { width: size, height: size, data };
  };
  globalThis.ours = (size) =>
    paintPixels(model, new PixelSource(pixelsOf(size)), [{ moments }], controls);
  if (exact) {
    globalThis.fp32 = (size) =>
      paintPixels(exact, new PixelSource(pixelsOf(size)), [{ moments }], controls);
  }
  return [runtime.provider, runtime.threads, model.precision];
}"""

THEIRS = """async ({ folder, network }) => {
  tf.wasm.setWasmPaths(folder);
  tf.wasm.setThreadsCount(1);
  await tf.setBackend("wasm");
  await tf.ready();
  const model = await tf.loadGraphModel(network);
  const style = tf.randomNormal([1, 1, 1, 100], 0, 0.3, "float32", 1);
  globalThis.theirs = async (size) => {
    const { data, width, height } = pixelsOf(size);
    const image = tf.tidy(() => {
      const content = tf.browser.fromPixels(new ImageData(data, width, height));
      const batch = content.toFloat().div(tf.scalar(255)).expandDims();
      return model.predict([batch, style]).squeeze();
    });
    const pixels = await tf.browser.toPixels(image);
    image.dispose();
    return { width, height, data: pixels };
  };
  return [tf.getBackend(), tf.version.tfjs];
}"""

TURN = """async ({ name, size }) => {
  const start = performance.now();
  const { data } = await globalThis[name](size);
  const [low, high] = data.reduce(([a, b], each, i) => i % 4 === 3 ? [a, b] :
    [Math.min(a, each), Math.max(b, each)], [255, 0]);
  if (high - low < 20) throw new Error(`${name} painted nothing`);
  return performance.now() - start;
}"""


def find_peer(folder: Path | None) -> str | None:
    """Say what is missing of the peer; None if nothing is."""
    if folder is None:
        return "no --peer was given"
    for path in PEER.values():
        if not (folder / path).is_file():
            return f"{folder / path} is missing"
    return None


def open_theirs(page: Any) -> None:
    for script in ("library", "backend"):
        page.add_script_tag(url=f"/peer/{PEER[script]}")
    folder = "/peer/" + PEER["backend"].rpartition("/")[0] + "/"
    backend, version = page.evaluate(
        THEIRS, {"folder": folder, "network": f"/peer/{PEER['network']}"}
    )
    print(f"theirs: TensorFlow.js {version}, {backend}, 1 thread")


def measure(page: Any, names: list[str], sizes: list[int]) -> None:
    """Let both take turns, and print the median of each."""
    for size in sizes:
        turns: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(TURNS + 1):
            for name in names:
                seconds = page.evaluate(TURN, {"name": name, "size": size}) / 1000
                if turn > 0:  # the first prepares memory
                    turns[name].append(seconds)
        medians = {name: statistics.median(each) for name, each in turns.items()}
        least = {name: min(each) for name, each in turns.items()}
        line = ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in medians.items())
        for name in names[1:]:
            line += f"; {medians[name] / medians['ours']:.2f} times as fast as {name}"
            line += f" ({least[name] / least['ours']:.2f} by the quickest turns)"
        print(f"{size:>5} px: {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, help="folder with the peer, as the docstring says")
    parser.add_argument("--model", default="fast", help="name or file of our model")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="sides in pixels")
    parser.add_argument("--site", type=Path, help="folder built by `impasto page build`")
    options = parser.parse_args()
    missing = find_peer(options.peer)
    beside = {} if missing else {"/peer/": options.peer}
    with opened(options.model, options.site, beside) as page:
        provider, threads, precision = page.evaluate(
            OURS, {"name": Path(options.model).stem, "style": STYLE}
        )
        print(
            f"ours: model {options.model!r}, ONNX Runtime, {provider}, {threads} thread, "
            f"{precision}"
        )
        if missing:
            print(f"theirs: skipped, since {missing}")
        else:
            open_theirs(page)
        names = ["ours", *(["fp32"] if precision != "fp32" else [])]
        measure(page, names if missing else [*names, "theirs"], options.sizes)


if __name__ == "__main__":
    main()
