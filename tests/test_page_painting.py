"""Painting in the browser: the same pictures as Python's, in tiles or in one piece."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import PACKAGES, PAGE, needs_browser, needs_packages, served
from conftest import picture
from numpy.typing import NDArray

from impasto.controls.affine import Affine
from impasto.controls.moments import Moments
from impasto.models import MODELS, find_bundle
from impasto.models.engine import open_engine
from impasto.painting.plan import cut_tiles, far_from_borders, reach_of
from impasto.styles.files import read_style, style_bytes
from impasto.styles.style import Style

pytestmark = [needs_browser, needs_packages]

NAMES = ("fast", "quality")


def write_site(folder: Path) -> None:
    """What `impasto page build` writes beside the page: models, styles and `site.json`."""
    rows = []
    for name in NAMES:
        bundle = find_bundle(name)
        place = folder / name
        place.mkdir()
        for part, graph in bundle.parts.items():
            (place / f"{part}.onnx").write_bytes(graph)
        (place / "card.json").write_text(json.dumps(asdict(bundle.card)))
        files = sorted((Path(MODELS[0].path or "").parent / "gallery" / name).iterdir())
        styles = [
            {
                "name": file.stem,
                "title": file.stem.replace("-", " ").title(),
                "thumbnail": "none.webp",
                "file": base64.b64encode(file.read_bytes()).decode(),
            }
            for file in files
        ]
        (place / "styles.json").write_text(json.dumps(styles))
        row = {"name": name, "title": bundle.card.title, "identity": bundle.identity}
        row |= {part: f"{name}/{part}.onnx" for part in ("encoder", "decoder", "reader")}
        rows.append({**row, "card": f"{name}/card.json", "styles": f"{name}/styles.json"})
    site = {
        "version": "1",
        "home": "device",
        "models": rows,
        "runtime": {"wasm": "runtime/ort.wasm.min.mjs", "webgpu": None},
        "films": None,
        "sample": "sample.jpg",
        "limits": {"bytes": None, "pixels": None},
        "token": False,
    }
    (folder / "site.json").write_text(json.dumps(site))
    (folder / "index.html").write_text("<!doctype html><title>Painting</title>")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's modules, both models and the engine, served as a plain static server does."""
    folder = tmp_path_factory.mktemp("site")
    write_site(folder)
    roots = {"/": folder, "/page/": PAGE, "/runtime/": PACKAGES / "onnxruntime-web/dist"}
    with served(roots) as found:
        yield found


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Iterator[Any]:
    """An empty page, with the modules of ours to import."""
    context = browser.new_context()
    found = context.new_page()
    found.goto(f"{address}/index.html")
    yield found
    context.close()


def packed(values: NDArray[Any] | bytes) -> str:
    return base64.b64encode(values if isinstance(values, bytes) else values.tobytes()).decode()


def unpacked(text: str, dtype: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), dtype)


# Typed arrays as base64 and back: a list of numbers takes a second for each million.
PACKING = """
  const toText = (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) {
      text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    }
    return btoa(text);
  };
  const toBytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const toFloats = (text) => new Float32Array(toBytes(text).buffer);
"""


def run(page: Any, body: str, argument: Any = None) -> Any:
    """Run a function's body in the page, with ``given`` and what packs arrays."""
    return page.evaluate(f"async (given) => {{ {PACKING} {body} }}", argument)


@pytest.mark.parametrize("name", NAMES)
def test_tiles_are_cut_as_in_python(page: Any, name: str) -> None:
    card = find_bundle(name).card
    cases = [(512, 512, 512), (544, 336, 256), (2000, 1504, 640), (1048, 32, 256)]
    found = run(
        page,
        """
        const plan = await import("/page/painting/plan.js");
        return given.cases.map(([height, width, side]) =>
          plan.cutTiles(height, width, side, given.card));
        """,
        {"cases": cases, "card": asdict(card)},
    )
    for (height, width, side), tiles in zip(cases, found, strict=True):
        wanted = cut_tiles(height, width, side=side, card=card)
        assert [
            [[axis[key] for key in ("core", "sight", "view", "window")] for axis in tile.values()]
            for tile in tiles
        ] == [
            [
                [
                    {"start": cut.start, "stop": cut.stop}
                    for cut in (axis.core, axis.sight, axis.view, axis.window)
                ]
                for axis in (tile.rows, tile.columns)
            ]
            for tile in wanted
        ]


def test_a_card_says_how_far_its_model_sees(page: Any) -> None:
    for name in NAMES:
        card = find_bundle(name).card
        reach, margin = run(
            page,
            """
            const plan = await import("/page/painting/plan.js");
            return [plan.reachOf(given), plan.farFromBorders(given).margin];
            """,
            asdict(card),
        )
        assert reach == asdict(reach_of(card))
        assert margin == far_from_borders(card).margin


def test_the_plan_keeps_within_the_budget_and_gives_way_to_smaller_tiles(page: Any) -> None:
    small, large, huge, sides = run(
        page,
        """
        const plan = await import("/page/painting/plan.js");
        const sides = [];
        for (let each = plan.planWhole(4000, 3000, given); each; each = plan.smallerPlan(each)) {
          sides.push(each.side);
        }
        return [
          plan.planTiles(480, 640, given),
          plan.planTiles(4000, 3000, given, { held: 96e6 }),
          plan.planTiles(4000, 3000, given, { held: 96e6, memory: 1e6 }),
          sides,
        ];
        """,
        asdict(find_bundle("fast").card),
    )
    assert small == {"side": 672, "keep": True, "whole": True}
    assert 256 <= large["side"] < 2000 and not large["whole"]
    assert huge == {"side": 256, "keep": False, "whole": False}
    assert sides[0] == 4032 and sides[-1] == 256 and sides == sorted(sides, reverse=True)


NAMED = ["wave.jpg", 'a "b" \\ c\n\x7f/\x01', "Größe 波 😀", "half \ud83d of one"]


@pytest.mark.parametrize("name", NAMED)
def test_style_files_are_those_of_python(page: Any, name: str) -> None:
    rng = np.random.default_rng(3)
    moments = tuple(Moments(rng.normal(size=c), rng.uniform(0, 3, size=c)) for c in (48, 96))
    style = Style(name, "0123456789abcdef", moments, "Hokusai, 1831", b"RIFF\x00\xff", "fast")
    given = {
        "name": name,
        "moments": [[each.mean.tolist(), each.std.tolist()] for each in moments],
        "thumbnail": packed(style.thumbnail or b""),
    }
    found = run(
        page,
        """
        const files = await import("/page/models/style_file.js");
        const moments = given.moments.map(([mean, std]) => ({
          mean: Float64Array.from(mean), std: Float64Array.from(std), count: null,
        }));
        return toText(files.styleBytes({
          name: given.name, model: "0123456789abcdef", moments, modelName: "fast",
          note: "Hokusai, 1831", thumbnail: toBytes(given.thumbnail),
        }));
        """,
        given,
    )
    assert base64.b64decode(found) == style_bytes(style)


def test_style_files_of_python_are_read(page: Any) -> None:
    path = Path(MODELS[0].path or "").parent / "gallery/fast/munch-scream.safetensors"
    data = path.read_bytes()
    wanted = read_style(data)
    name, model, means, stds, again = run(
        page,
        """
        const files = await import("/page/models/style_file.js");
        const style = files.readStyle(toBytes(given), "munch-scream.safetensors");
        return [
          style.name, style.model, style.moments.map((each) => toText(each.mean)),
          style.moments.map((each) => toText(each.std)), toText(files.styleBytes(style)),
        ];
        """,
        packed(data),
    )
    assert (name, model) == (wanted.name, wanted.model)
    for i, level in enumerate(wanted.moments):
        assert np.array_equal(unpacked(means[i], "<f8"), level.mean)
        assert np.array_equal(unpacked(stds[i], "<f8"), level.std)
    assert base64.b64decode(again) == data


def damaged_styles() -> dict[str, bytes]:
    whole = style_bytes(
        Style("one", "0123456789abcdef", (Moments(np.ones(4), np.ones(4)),), model_name="fast")
    )
    return {
        "cut": whole[:-3],
        "short": b"abc",
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(60),
        "more": whole + b"\0\0\0\0",
        "format": whole.replace(b"impasto-style 1", b"impasto-style 9"),
        "kind": whole.replace(b"impasto-style 1", b"impasto-stile 1"),
        "model": whole.replace(b"0123456789abcdef", b"0123456789abcdeg"),
        "tensor": whole.replace(b"mean_0", b"mean_7"),
        "infinite": whole[:-4] + np.float32(np.inf).tobytes(),
        "negative": whole[:-4] + np.float32(-1).tobytes(),
        "json": whole.replace(b'"F32"', b'"F32,'),
    }


def test_files_that_are_no_styles_are_refused_in_one_sentence(page: Any) -> None:
    for what, data in damaged_styles().items():
        with pytest.raises(ValueError):
            read_style(data)
        name, message = run(
            page,
            """
            const files = await import("/page/models/style_file.js");
            try {
              files.readStyle(toBytes(given), "mine.safetensors");
            } catch (error) {
              return [error.name, error.message];
            }
            return ["none", ""];
            """,
            packed(data),
        )
        assert name == "PaintError", what
        assert message.startswith("mine.safetensors is not a style that can be used ("), message
        assert "\n" not in message


@pytest.mark.parametrize("name", NAMES)
def test_graphs_give_what_they_give_in_python(page: Any, name: str) -> None:
    bundle = find_bundle(name)
    engine = open_engine(bundle, name="onnxruntime", threads=1)
    image = np.ascontiguousarray(picture(64, 96).transpose(2, 0, 1))
    features, moments = engine.encode(image)
    counts = np.ones((8, 12), np.float32)
    read = engine.read(image, moments, counts)
    found = run(
        page,
        """
        const { openRuntime } = await import("/page/models/runtime.js");
        const { Model } = await import("/page/models/model.js");
        const site = await (await fetch("/site.json")).json();
        const base = document.baseURI;
        const wasm = new URL(site.runtime.wasm, base).href;
        const runtime = await openRuntime({ wasm, webgpu: null });
        const row = site.models.find((each) => each.name === given.name);
        const shares = [];
        const model = await Model.open(row, base, runtime, (share) => shares.push(share));
        const planes = toFloats(given.image);
        const { features, moments } = await model.encode(planes, 64, 96);
        const read = await model.read(planes, 64, 96, moments, new Float32Array(96).fill(1));
        const ones = (each) => new Float32Array(each.channels).fill(1);
        const nothing = (each) => new Float32Array(each.data.length);
        const affines = features.map((each) => ({ scale: ones(each), shift: nothing(each) }));
        const texts = (values) => values.map((each) => [toText(each.mean), toText(each.std)]);
        return {
          provider: runtime.provider, threads: runtime.threads, shares,
          features: features.map((each) => toText(each.data)),
          moments: texts(moments), read: texts(read),
          counts: moments.map((each) => each.count),
          image: toText(await model.decode(features, affines)),
        };
        """,
        {"name": name, "image": packed(image)},
    )
    assert (found["provider"], found["threads"]) == ("wasm", 1)  # the server isolates no page
    assert found["shares"][-1] == 1 and found["shares"] == sorted(found["shares"])
    for text, wanted in zip(found["features"], features, strict=True):
        assert np.allclose(unpacked(text, "<f4"), wanted.ravel(), atol=2e-4)
    for key, levels in (("moments", moments), ("read", read)):
        for (mean, std), level in zip(found[key], levels, strict=True):
            assert np.allclose(unpacked(mean, "<f8"), level.mean, atol=2e-4)
            assert np.allclose(unpacked(std, "<f8"), level.std, atol=2e-4)
    assert found["counts"] == [each.count for each in moments]
    unchanged = [
        Affine(np.ones((len(each), 1, 1), np.float32), np.zeros((len(each), 1, 1), np.float32))
        for each in features
    ]
    wanted = engine.decode(features, unchanged)
    assert np.allclose(unpacked(found["image"], "<f4"), wanted.ravel(), atol=1e-4)
