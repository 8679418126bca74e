"""Painting in the browser: the same pictures as Python's, in tiles or in one piece."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import ARGUMENTS, CHROMIUM, PACKAGES, PAGE, needs_browser, needs_packages, served
from conftest import make_tiny, picture
from numpy.typing import NDArray
from PIL import Image

from impasto.controls import Controls
from impasto.controls.affine import Affine
from impasto.controls.moments import Moments
from impasto.models import MODELS, find_bundle
from impasto.models.engine import open_engine
from impasto.painting.plan import cut_tiles, far_from_borders, reach_of
from impasto.styles.files import read_style, style_bytes
from impasto.styles.style import Style
from impasto.stylizer import Stylizer, stylizer_of

pytestmark = [needs_browser, needs_packages]

NAMES = ("fast", "quality")
GALLERY = Path(MODELS[0].path or "").parent / "gallery"


def write_site(folder: Path) -> None:
    """What `impasto page build` writes beside the page: models, styles and `site.json`."""
    rows = []
    for name in (*NAMES, "tiny"):
        bundle = make_tiny() if name == "tiny" else find_bundle(name)
        place = folder / name
        place.mkdir()
        for part, graph in bundle.parts.items():
            (place / f"{part}.onnx").write_bytes(graph)
        (place / "card.json").write_text(json.dumps(asdict(bundle.card)))
        files = [] if name == "tiny" else sorted((GALLERY / name).iterdir())
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
    (folder / "index.html").write_text(
        "<!doctype html><title>Painting</title><link rel=icon href=data:,>"
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(folder)
    return folder


def roots_of(site: Path) -> dict[str, Path]:
    """The page's modules, its models and the engine, by their addresses."""
    return {"/": site, "/page/": PAGE, "/runtime/": PACKAGES / "onnxruntime-web/dist"}


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """All of it, served as a plain static server does."""
    with served(roots_of(site)) as found:
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
    path = GALLERY / "fast/munch-scream.safetensors"
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


@pytest.fixture(scope="module")
def painter(page: Any) -> Any:
    """The page with its painter."""
    open_painter(page)
    return page


def open_painter(page: Any) -> None:
    """Open ``painter`` in a page, and give it what makes photographs and looks for it."""
    page.evaluate(
        f"""async () => {{
          {PACKING}
          const {{ openPainter }} = await import("/page/painters/open.js");
          globalThis.painter = await openPainter();
          globalThis.photoOf = ({{ id, file, width, height }}) =>
            ({{ id, name: id, file: new File([toBytes(file)], id), width, height }});
          const planeOf = (plane) => plane && ({{ ...plane, data: toFloats(plane.data) }});
          globalThis.lookOf = (look) => ({{
            ...look,
            masks: look.masks.map(planeOf),
            alpha: typeof look.alpha === "number" ? look.alpha : planeOf(look.alpha),
          }});
        }}"""
    )


@pytest.fixture(scope="module")
def models() -> dict[str, Stylizer]:
    bundles = {name: find_bundle(name) for name in NAMES}
    return {
        name: stylizer_of(bundle, open_engine(bundle, name="onnxruntime", threads=1))
        for name, bundle in bundles.items()
    }


Pixels = NDArray[np.uint8]


def pixels_of(height: int, width: int, *, seed: int = 0) -> Pixels:
    return np.rint(picture(height, width, seed=seed) * 255).astype(np.uint8)


def png(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def photo(pixels: Pixels, name: str) -> dict[str, Any]:
    height, width = pixels.shape[:2]
    return {"id": name, "file": packed(png(pixels)), "width": width, "height": height}


def plane(values: NDArray[np.float32]) -> dict[str, Any]:
    height, width = values.shape
    return {"height": height, "width": width, "data": packed(values.astype(np.float32))}


def look(model: str, *styles: str, **changed: Any) -> dict[str, Any]:
    return {
        "model": model,
        "styles": list(styles),
        "weights": [1] * len(styles),
        "masks": [],
        "alpha": 1,
        "color": None,
        "coarse": 1,
        "styleSize": 512,
        **changed,
    }


def painted(
    painter: Any, pixels: Pixels, wanted: dict[str, Any], *, name: str, size: int | None = None
) -> Pixels:
    """Paint in the browser, and read the file that is saved."""
    found = run(
        painter,
        """
        const options = { size: given.size, format: "png", quality: 90 };
        const blob = await painter.save(photoOf(given.photo), lookOf(given.look), options);
        return toText(new Uint8Array(await blob.arrayBuffer()));
        """,
        {"photo": photo(pixels, name), "look": wanted, "size": size},
    )
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found))))


def difference(one: Pixels, two: Pixels) -> int:
    assert one.shape == two.shape
    return int(np.abs(one.astype(int) - two).max())


SIZES = [(64, 64), (256, 256), (300, 511)]
MIX = ("munch-scream", "klimt-kiss", "marc-girl-with-cat")


def soft_halves(height: int, width: int) -> list[NDArray[np.float32]]:
    """Two masks of other sizes than the picture, which overlap and leave a corner free."""
    across = np.linspace(-1, 2, 40, dtype=np.float32).clip(0, 1)
    left = np.tile(1 - across, (30, 1))
    right = np.tile(across, (height, 1))[:, np.arange(width) * 40 // width]
    right[: height // 4, -width // 4 :] = 0
    return [left, right]


def cases(height: int, width: int) -> dict[str, dict[str, Any]]:
    """Controls of Python by what they show."""
    ramp = np.linspace(0, 1.5, 50, dtype=np.float32)[:, None] * np.ones(20, np.float32)
    return {
        "one": {},
        "stronger": {"alpha": 1.4},
        "weights": {"weights": [3, 0, 1]},
        "alpha map": {"alpha": ramp},
        "masks": {"masks": soft_halves(height, width)},
        "luminance": {"color": "luminance", "alpha": 0.8},
        "coarse": {"coarse": 2.0},
        "all": {
            "weights": [1, 2],
            "masks": soft_halves(height, width),
            "alpha": ramp,
            "color": "luminance",
            "coarse": 1.5,
        },
    }


def styles_for(controls: dict[str, Any]) -> tuple[str, ...]:
    count = len(controls.get("weights", ())) or len(controls.get("masks", ())) or 1
    return MIX[:count]


def look_for(model: str, controls: dict[str, Any]) -> dict[str, Any]:
    changed = dict(controls)
    if "masks" in changed:
        changed["masks"] = [plane(mask) for mask in changed["masks"]]
    if isinstance(changed.get("alpha"), np.ndarray):
        changed["alpha"] = plane(changed["alpha"])
    return look(model, *styles_for(controls), **changed)


def in_python(
    model: Stylizer, pixels: Pixels, styles: Any, controls: Controls, **options: Any
) -> Pixels:
    image = pixels[..., :3].astype(np.float32) / 255
    if pixels.shape[2] == 4:
        options["opacity"] = pixels[..., 3].astype(np.float32) / 255
    found = model.paint(image, styles, controls, **options).image
    return np.rint(found * 255).astype(np.uint8)


def gallery(model: Stylizer, names: tuple[str, ...]) -> list[Any]:
    return [model.find(name) for name in names]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_those_of_python(
    painter: Any, models: dict[str, Stylizer], name: str, size: tuple[int, int]
) -> None:
    pixels = pixels_of(*size, seed=1)
    for what, controls in cases(*size).items():
        if name == "quality" and max(size) > 64 and what not in ("one", "all"):
            continue  # the other model has shown it
        styles = gallery(models[name], styles_for(controls))
        wanted = in_python(models[name], pixels, styles, Controls(**controls))
        found = painted(painter, pixels, look_for(name, controls), name=f"{name} {size}")
        assert difference(found, wanted) <= 2, what


def test_pictures_of_another_size_are_those_of_python(
    painter: Any, models: dict[str, Stylizer]
) -> None:
    pixels = pixels_of(300, 211, seed=3)
    for size in (96, 150, 260):
        found = painted(painter, pixels, look("fast", MIX[0]), name="sized", size=size)
        wanted = models["fast"].stylize(Image.fromarray(pixels), MIX[0], size=size)
        assert difference(found, np.asarray(wanted)) <= 2, size


def test_what_is_transparent_stays_and_does_not_count(
    painter: Any, models: dict[str, Stylizer]
) -> None:
    pixels = np.dstack([pixels_of(120, 90, seed=2), np.full((120, 90), 255, np.uint8)])
    pixels[:50, :40, 3] = 0
    pixels[:50, :40, :3] = (255, 0, 255)  # a color that would be seen in the statistics
    pixels[50:70, :40, 3] = np.linspace(10, 250, 20, dtype=np.uint8)[:, None]
    styles = gallery(models["fast"], MIX[:1])
    wanted = in_python(models["fast"], pixels, styles, Controls())
    found = painted(painter, pixels, look("fast", MIX[0]), name="cut out")
    assert np.array_equal(found[..., 3], pixels[..., 3])
    assert np.array_equal(found[:50, :40, :3], pixels[:50, :40, :3])
    assert difference(found[..., :3], wanted) <= 2


def test_a_picture_without_contrast_is_given_a_tone_and_no_pattern(
    painter: Any, models: dict[str, Stylizer]
) -> None:
    for spread in (0, 9):
        pixels = np.full((80, 96, 3), (90, 120, 200), np.uint8)
        pixels[40:] += np.uint8(spread)
        wanted = in_python(models["fast"], pixels, gallery(models["fast"], MIX[:1]), Controls())
        found = painted(painter, pixels, look("fast", MIX[0]), name=f"plain {spread}")
        assert difference(found, wanted) <= 2


def test_strength_0_is_the_photograph_bit_for_bit(painter: Any) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    half = np.tile(np.repeat(np.float32([0, 1]), 25), (70, 1))
    left = painted(painter, pixels, look("fast", MIX[0], masks=[plane(half)]), name="noise")
    assert np.array_equal(left[:, :25], pixels[:, :25])
    assert difference(left[:, 25:], pixels[:, 25:]) > 20
    for changed in ({"alpha": 0}, {"alpha": 0, "coarse": 3}, {"alpha": 0, "color": "luminance"}):
        found = painted(painter, pixels, look("fast", MIX[0], **changed), name="noise")
        assert np.array_equal(found, pixels), changed


def add_style(painter: Any, data: bytes, name: str) -> dict[str, Any]:
    found: dict[str, Any] = run(
        painter,
        "return painter.addStyle(new File([toBytes(given.data)], given.name), given.name);",
        {"data": packed(data), "name": name},
    )
    return found


def saved_style(painter: Any, name: str, model: str, size: int = 512) -> bytes:
    text = run(
        painter,
        """
        const blob = await painter.saveStyle(given.name, given.model, given.size);
        return toText(new Uint8Array(await blob.arrayBuffer()));
        """,
        {"name": name, "model": model, "size": size},
    )
    return base64.b64decode(text)


@pytest.mark.parametrize("name", NAMES)
def test_own_pictures_are_read_as_styles(
    painter: Any, models: dict[str, Stylizer], name: str
) -> None:
    style = pixels_of(90, 130, seed=5)[..., ::-1] // 2
    clear = np.dstack([style, np.full(style.shape[:2], 255, np.uint8)])
    clear[:30, :50] = 0
    pixels = pixels_of(64, 80, seed=1)
    for picture_of, size in ((style, 512), (style, 64), (clear, 64)):
        info = add_style(painter, png(picture_of), "My style.png")
        assert (info["title"], info["own"], info["picture"]) == ("My style", True, True)
        made = models[name].style(Image.fromarray(picture_of), size=size)
        wanted = in_python(models[name], pixels, made, Controls())
        found = painted(painter, pixels, look(name, info["id"], styleSize=size), name="small")
        assert difference(found, wanted) <= 2
        # What is saved is what Python reads and paints the same with.
        kept = read_style(saved_style(painter, info["id"], name, size))
        assert (kept.name, kept.model, kept.model_name) == (
            "My style.png",
            models[name].identity,
            name,
        )
        assert 120 < max(Image.open(io.BytesIO(kept.thumbnail or b"")).size) <= 128
        assert difference(in_python(models[name], pixels, kept, Controls()), wanted) <= 1


COLORS = ("monge-kantorovich", "cholesky", "eigen", "coral", "only")


def test_color_methods_that_need_the_picture_of_a_style(
    painter: Any, models: dict[str, Stylizer]
) -> None:
    style = pixels_of(80, 80, seed=6) // 2 + 40
    pixels = pixels_of(96, 64, seed=1)
    info = add_style(painter, png(style), "colors.png")
    source = models["fast"].prepare(Image.fromarray(style), Controls(color="eigen"))
    for color in COLORS:
        controls = Controls(color=color, alpha=0.9)
        wanted = in_python(models["fast"], pixels, source, controls)
        found = painted(
            painter, pixels, look("fast", info["id"], color=color, alpha=0.9), name="colors"
        )
        assert difference(found, wanted) <= 2, color


def test_style_files_are_taken_and_given(painter: Any, models: dict[str, Stylizer]) -> None:
    data = (GALLERY / "fast/monet-waterlilies.safetensors").read_bytes()
    assert saved_style(painter, "monet-waterlilies", "fast") == data
    info = add_style(painter, data, "mine.safetensors")
    assert (info["own"], info["picture"]) == (True, False)
    assert saved_style(painter, info["id"], "fast") == data
    pixels = pixels_of(64, 64)
    assert np.array_equal(
        painted(painter, pixels, look("fast", info["id"]), name="64"),
        painted(painter, pixels, look("fast", "monet-waterlilies"), name="64"),
    )
    listed = {
        name: [each["id"] for each in run(painter, "return painter.styles(given);", name)]
        for name in NAMES
    }
    assert info["id"] in listed["fast"] and info["id"] not in listed["quality"]
    assert len(set(listed["fast"])) > 40 and "munch-scream" in listed["quality"]


def refused(page: Any, body: str, argument: Any = None) -> tuple[str, str]:
    name, message = run(
        page,
        f"""
        try {{ {body} }} catch (error) {{ return [error.name, error.message]; }}
        return ["none", ""];
        """,
        argument,
    )
    return name, message


def test_what_cannot_be_done_is_said_in_one_sentence(painter: Any) -> None:
    paint = """
        const options = { size: null };
        await painter.paint(photoOf(given.photo), lookOf(given.look), options);
    """
    small = photo(pixels_of(64, 64), "photo")
    cases = [
        (look("fast", "no-such-style"), "There is no style 'no-such-style' for the model 'fast'."),
        (look("slow", MIX[0]), "This page has no model 'slow'; it has fast, quality, tiny."),
        (look("fast", MIX[0], color="cholesky"), "the picture of 'Munch Scream' is not here"),
        (look("fast", MIX[0], weights=[1, 2]), "one weight for each style"),
        (look("fast", MIX[0], color="sepia"), "There is no color method sepia"),
    ]
    for wanted, part in cases:
        name, message = refused(painter, paint, {"photo": small, "look": wanted})
        assert name == "PaintError" and part in message and "\n" not in message, message
    tiny = {"photo": photo(pixels_of(12, 40), "tiny.png"), "look": look("fast", MIX[0])}
    name, message = refused(painter, paint, tiny)
    assert (name, message) == (
        "PaintError",
        "tiny.png has 40 x 12 pixels: at least 16 x 16 are needed.",
    )
    add = "await painter.addStyle(new File([toBytes(given.data)], given.name), given.name);"
    nothing = np.zeros((40, 40, 4), np.uint8)
    quality = GALLERY / "quality/klimt-kiss.safetensors"
    own = find_bundle("quality").identity
    other = quality.read_bytes().replace(own.encode(), b"0" * len(own))
    for data, file, part in (
        (png(nothing), "nothing.png", "nothing.png is fully transparent, so it has no style."),
        (b"no picture", "words.jpg", "words.jpg"),
        (b"no style", "words.safetensors", "words.safetensors is not a style that can be used"),
        (other, "other.safetensors", "other.safetensors was made for the model 'quality' (0000"),
    ):
        name, message = refused(painter, add, {"data": packed(data), "name": file})
        assert name == "PaintError" and part in message, message


# Paints pictures whole and in tiles, with features kept and not, and where memory runs out.
TILED = """
  const { openRuntime } = await import("/page/models/runtime.js");
  const { Model } = await import("/page/models/model.js");
  const { paintPixels, styleMoments } = await import("/page/painting/adain.js");
  const { PixelSource } = await import("/page/images/windows.js");
  const site = await (await fetch("/site.json")).json();
  const wasm = new URL(site.runtime.wasm, document.baseURI).href;
  const runtime = await openRuntime({ wasm, webgpu: null });
  const row = site.models.find((each) => each.name === given.model);
  const model = await Model.open(row, document.baseURI, runtime);
  const { width, height } = given;
  const source = (text) => new PixelSource({
    width, height, data: new Uint8ClampedArray(toBytes(text).buffer),
  });
  const styles = [];
  for (const text of given.styles) {
    styles.push({ moments: await styleMoments(model, source(text)) });
  }
  const controls = (changed) => ({
    alpha: 1, weights: null, color: null, coarse: 1, ...changed,
    masks: changed.masks.map((mask) => mask && { ...mask, data: toFloats(mask.data) }),
  });
  const apart = (one, two) =>
    one.data.reduce((most, each, i) => Math.max(most, Math.abs(each - two.data[i])), 0);
  let refused = 0;
  const scarce = Object.assign(Object.create(model), {
    encode(planes, ...size) {
      if (planes.length <= 3 * given.most) return model.encode(planes, ...size);
      refused++;
      throw new RangeError("Array buffer allocation failed");
    },
  });
  const ways = {
    kept: [model, { tile: given.tile }],
    "not kept": [model, { tile: given.tile, memory: 1 }],
    scarce: [scarce, {}],
  };
  const found = {};
  for (const [name, { pixels, changed }] of Object.entries(given.cases)) {
    const own = styles.slice(0, changed.masks.length || 1);
    const whole = await paintPixels(model, source(pixels), own, controls(changed));
    for (const way of given.ways) {
      const [painter, limits] = ways[way];
      let content = null;
      const shares = [];
      const options = {
        ...limits, keep: (each) => { content = each; }, watch: (share) => { shares.push(share); },
      };
      const tiled = await paintPixels(painter, source(pixels), own, controls(changed), options);
      const again = await paintPixels(painter, source(pixels), own, controls(changed), { content });
      found[`${name}, ${way}`] = {
        apart: apart(whole, tiled), again: apart(tiled, again), tiles: content.tiles.length,
        kept: content.features !== null, last: shares.at(-1),
        rising: shares.every((each, i) => i === 0 || each >= shares[i - 1]),
      };
    }
  }
  return { found, refused };
"""


def tiled(page: Any, model: str, ways: list[str], sizes: tuple[int, int, int, int]) -> Any:
    height, width, tile, most = sizes
    opaque = np.full((height, width), 255, np.uint8)
    pixels = np.dstack([pixels_of(height, width, seed=7), opaque])
    clear = pixels.copy()
    clear[height // 3 : height // 2, width // 3 : width * 2 // 3, 3] = 0
    styles = [np.dstack([pixels_of(height, width, seed=seed) // 2, opaque]) for seed in (8, 9)]
    mask = plane(soft_halves(height, width)[1])
    cases = {
        "one": {"pixels": packed(pixels), "changed": {"masks": []}},
        "clear": {"pixels": packed(clear), "changed": {"masks": []}},
        "masks": {"pixels": packed(pixels), "changed": {"masks": [mask, None]}},
        "coarse": {"pixels": packed(pixels), "changed": {"masks": [], "coarse": 2}},
    }
    given = {
        "model": model,
        "height": height,
        "width": width,
        "tile": tile,
        "most": most,
        "ways": ways,
        "styles": [packed(style) for style in styles],
        "cases": cases if model == "tiny" else {"one": cases["one"]},
    }
    return run(page, TILED, given)


@pytest.mark.parametrize(
    ("model", "ways", "sizes"),
    [
        ("tiny", ["kept", "not kept", "scarce"], (300, 330, 96, 280 * 280)),
        ("fast", ["not kept"], (200, 240, 128, 0)),
    ],
    ids=["tiny", "fast"],
)
def test_a_picture_in_tiles_is_that_in_one_piece(
    page: Any, model: str, ways: list[str], sizes: tuple[int, int, int, int]
) -> None:
    answer = tiled(page, model, ways, sizes)
    for what, facts in answer["found"].items():
        assert facts["apart"] <= 1 and facts["again"] <= 1, what
        assert facts["tiles"] > 1 and facts["rising"] and facts["last"] == 1, what
        assert facts["kept"] is what.endswith(", kept"), what
    assert (answer["refused"] > 0) is ("scarce" in ways)


def test_a_picture_for_which_no_memory_suffices_is_refused(page: Any) -> None:
    name, message = refused(
        page,
        """
        const { paintPixels } = await import("/page/painting/adain.js");
        const { PixelSource } = await import("/page/images/windows.js");
        const data = new Uint8ClampedArray(4 * 600 * 400).map((_, i) => i % 255);
        const encode = () => { throw new Error("failed to call OrtRun(): std::bad_alloc"); };
        const source = new PixelSource({ width: 600, height: 400, data });
        const controls = { alpha: 1, weights: null, masks: [], color: null, coarse: 1 };
        await paintPixels({ card: given, encode }, source, [{ moments: [] }], controls);
        """,
        asdict(find_bundle("fast").card),
    )
    assert (name, message) == (
        "PaintError",
        "A picture of 600 x 400 pixels needs more memory than this browser allows: choose a "
        "smaller size.",
    )


def test_the_newest_picture_wins_and_work_can_be_cancelled(painter: Any) -> None:
    found = run(
        painter,
        """
        const large = photoOf(given.large);
        const small = photoOf(given.small);
        const wanted = lookOf(given.look);
        const outcome = (promise) => promise.then(
          ({ bitmap }) => [bitmap.width, bitmap.height], (error) => error.name);
        const strength = (alpha) => ({ ...wanted, alpha });
        const paint = (photo, alpha, options = {}) =>
          outcome(painter.paint(photo, strength(alpha), { size: null, ...options }));
        // One that takes long, two that are overtaken, and the newest.
        const many = await Promise.all([
          paint(large, 1), paint(small, 0.5), paint(small, 0.6), paint(small, 0.7),
        ]);
        // A preview comes before what it is a preview of.
        const order = [];
        const noted = (promise, name) => promise.then((size) => (order.push(name), size));
        await Promise.all([
          noted(paint(small, 0.25), "first"), noted(paint(large, 0.35, { size: 64 }), "preview"),
          noted(paint(large, 0.35, { size: 128 }), "whole"),
        ]);
        // A small one that runs already is finished.
        const first = paint(small, 0.8);
        await new Promise((resolve) => setTimeout(resolve, 1));
        const pair = await Promise.all([first, paint(small, 0.9)]);
        // Files that are saved wait for their turn, and none takes the place of another.
        const save = (alpha) => painter.save(small, strength(alpha), {
          size: null, format: "jpeg", quality: 90 }).then((blob) => blob.type);
        const saves = await Promise.all([save(0.2), save(0.3), paint(small, 0.4)]);
        const shares = [];
        const controller = new AbortController();
        const start = performance.now();
        const cancelled = paint(large, 1.1, {
          signal: controller.signal,
          watch(share) { shares.push(share); controller.abort(); },
        });
        const stopped = await cancelled;
        const reduced = await paint(large, 1, { size: 100 });
        const bitmap = await createImageBitmap(small.file);
        const frames = await Promise.all([1, 0.5].map(async (alpha) =>
          painter.paintFrame(await createImageBitmap(small.file), strength(alpha))));
        bitmap.close();
        painter.forget(large);
        return {
          many, pair, order, saves, stopped, shares: shares.length, reduced,
          frames: frames.map(({ width, height }) => [width, height]),
        };
        """,
        {
            "large": photo(pixels_of(1000, 1010), "large"),
            "small": photo(pixels_of(64, 80), "overtaken"),
            "look": look("fast", MIX[0]),
        },
    )
    assert found["many"] == ["AbortError", "AbortError", "AbortError", [80, 64]]
    assert found["order"] == ["first", "preview", "whole"]
    assert found["pair"][1] == [80, 64]
    assert found["saves"] == ["image/jpeg", "image/jpeg", [80, 64]]
    assert found["stopped"] == "AbortError" and found["shares"] == 1
    assert found["reduced"] == [101, 100]
    assert found["frames"] == [[80, 64], [80, 64]]


POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'"
)


def test_an_isolated_page_paints_the_same_in_several_threads_under_its_policy(
    browser: Any, address: str, painter: Any, site: Path
) -> None:
    pixels = pixels_of(64, 64)
    wanted = painted(painter, pixels, look("fast", MIX[0]), name="64")
    headers = {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Content-Security-Policy": POLICY,
    }
    with served(roots_of(site), headers) as isolated:
        context = browser.new_context()
        page = context.new_page()
        refused_by_policy: list[str] = []
        page.on("console", lambda message: refused_by_policy.append(message.text))
        page.goto(f"{isolated}/index.html")
        assert page.evaluate("crossOriginIsolated")
        threads, cores = run(
            page,
            """
            const { threadCount } = await import("/page/models/runtime.js");
            return [threadCount(), navigator.hardwareConcurrency];
            """,
        )
        assert threads == min(4, cores)
        open_painter(page)
        found = painted(page, pixels, look("fast", MIX[0]), name="64")
        context.close()
    assert refused_by_policy == []
    assert difference(found, wanted) <= 1


@pytest.fixture(scope="module")
def software_page(browser: Any, address: str) -> Iterator[Any]:
    """A page of a browser whose only graphics card is an imitation."""
    flags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    started = browser.browser_type.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *flags])
    page = started.new_page()
    page.goto(f"{address}/index.html")
    yield page
    started.close()


BUILDS = """
  const { openRuntime } = await import("/page/models/runtime.js");
  const at = (name) => new URL(`/runtime/${name}`, document.baseURI).href;
  const builds = { wasm: at("ort.wasm.min.mjs"), webgpu: at("ort.webgpu.min.mjs") };
"""


def test_a_graphics_card_that_is_an_imitation_is_passed_over(software_page: Any) -> None:
    if not run(software_page, "return Boolean(await navigator.gpu?.requestAdapter());"):
        pytest.skip("this Chromium has no adapter, not even one in software")
    body = f"{BUILDS} return (await openRuntime(builds)).provider;"
    assert run(software_page, body) == "wasm"


@pytest.mark.long
def test_the_build_for_graphics_cards_computes_the_same(software_page: Any) -> None:
    if not run(software_page, "return Boolean(await navigator.gpu?.requestAdapter());"):
        pytest.skip("this Chromium has no adapter, not even one in software")
    providers, apart = run(
        software_page,
        f"""
        {BUILDS}
        const {{ Model }} = await import("/page/models/model.js");
        const site = await (await fetch("/site.json")).json();
        const runtimes = [
          await openRuntime(builds), await openRuntime(builds, {{ software: true }}),
        ];
        const [a, b] = await Promise.all(runtimes.map(async (runtime) => {{
          const model = await Model.open(site.models[0], document.baseURI, runtime);
          const planes = Float32Array.from({{ length: 3 * 32 * 32 }}, (_, i) => (i % 97) / 96);
          return (await model.encode(planes, 32, 32)).features[0].data;
        }}));
        const apart = a.reduce((most, each, i) => Math.max(most, Math.abs(each - b[i])), 0);
        return [runtimes.map((each) => each.provider), apart];
        """,
    )
    assert providers == ["wasm", "webgpu"]
    assert apart < 1e-3
