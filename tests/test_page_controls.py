"""The page's arithmetic: its modules give what their Python originals give, in a real browser."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from browser import PAGE, needs_browser, served
from numpy.typing import NDArray
from PIL import Image

from impasto.controls import Controls, affine, coarse, masks, moments, plain
from impasto.controls.color import (
    METHODS,
    ColorMoments,
    linear_map,
    matching,
    moments_of,
    palette,
    palette_map,
    palette_of,
    put_luminance,
)
from impasto.controls.regions import StyleMap, shares
from impasto.errors import ImageError, OptionError, StyleError
from impasto.images import resizing
from impasto.images.arrays import Photo
from impasto.images.windows import PillowSource, ScaledSource
from impasto.painting.survey import scaled
from impasto.painting.tiles import reflected

pytestmark = needs_browser

Run: TypeAlias = Callable[..., Any]
"""Run the body of an async function in the page; its arguments are the names in it."""

# Arrays go to the page and back as base64 of their bytes: numbers as text would take seconds.
BRIDGE = """
const KINDS = { f4: Float32Array, f8: Float64Array, i4: Int32Array, u1: Uint8ClampedArray };
function toPage(value) {
  if (Array.isArray(value)) return value.map(toPage);
  if (value === null || typeof value !== "object") return value;
  if ("bytes" in value) {
    const bytes = Uint8Array.from(atob(value.bytes), (c) => c.charCodeAt(0));
    return new KINDS[value.kind](bytes.buffer);
  }
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toPage(each)]));
}
function fromPage(value) {
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    let text = "";
    for (let i = 0; i < bytes.length; i += 4096) {
      text += String.fromCharCode(...bytes.subarray(i, i + 4096));
    }
    const [kind] = Object.entries(KINDS).find(([, each]) => value instanceof each);
    return { kind, bytes: btoa(text) };
  }
  if (Array.isArray(value)) return value.map(fromPage);
  if (value === null || typeof value !== "object") return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fromPage(each)]));
}
async function thrown(action) {
  const { PaintError } = await import("/errors.js");
  try {
    await action();
  } catch (error) {
    return error instanceof PaintError ? error.message : `not for users: ${error}`;
  }
  return "nothing was thrown";
}
"""


def to_page(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        kind = {"f4": "f4", "f8": "f8", "i4": "i4", "i8": "i4", "u1": "u1"}[value.dtype.str[1:]]
        whole = np.ascontiguousarray(value, np.dtype(kind))
        return {"kind": kind, "bytes": base64.b64encode(whole.tobytes()).decode()}
    if isinstance(value, moments.Moments):
        return to_page({"mean": value.mean, "std": value.std, "count": value.count})
    if isinstance(value, ColorMoments):
        return {
            "weight": value.weight,
            "mean": to_page(value.mean),
            "covariance": value.covariance.tolist(),
        }
    if isinstance(value, slice):
        return {"start": value.start, "stop": value.stop}
    if isinstance(value, list | tuple):
        return [to_page(each) for each in value]
    if isinstance(value, dict):
        return {name: to_page(each) for name, each in value.items()}
    return value


def from_page(value: Any) -> Any:
    if isinstance(value, list):
        return [from_page(each) for each in value]
    if isinstance(value, dict):
        if "bytes" in value:
            return np.frombuffer(base64.b64decode(value["bytes"]), np.dtype(value["kind"]))
        return {name: from_page(each) for name, each in value.items()}
    return value


@pytest.fixture(scope="module")
def run(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run JavaScript in an empty page beside our modules."""
    folder: Path = tmp_path_factory.mktemp("empty")
    (folder / "empty.html").write_text("<!doctype html><title>empty</title>")
    with served({"/": PAGE, "/test/": folder}) as address:
        page = browser.new_page()
        page.goto(f"{address}/test/empty.html")

        def call(script: str, **arguments: Any) -> Any:
            body = f"const {{ {', '.join(arguments)} }} = toPage(given); {script}"
            found = page.evaluate(
                f"async (given) => {{ {BRIDGE} return fromPage(await (async () => {{ {body} }})())"
                "; }",
                to_page(arguments),
            )
            return from_page(found)

        yield call
        page.close()


def random_moments(rng: np.random.Generator, channels: int) -> moments.Moments:
    return moments.Moments(rng.normal(size=channels), rng.uniform(0.01, 3, channels), 100.0)


def assert_moments(found: Any, wanted: moments.Moments) -> None:
    np.testing.assert_allclose(found["mean"], wanted.mean, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found["std"], wanted.std, rtol=1e-10)
    assert found["count"] == pytest.approx(wanted.count, rel=1e-12)


SHAPES = [(1, 1, 1), (2, 1, 3), (3, 5, 7), (16, 33, 18), (4, 64, 96)]


def test_moments_with_and_without_weights(run: Run) -> None:
    rng = np.random.default_rng(1)
    cases = []
    for shape in SHAPES:
        # Far from 0, where sums of squares alone would lose all their digits.
        features = (rng.normal(size=shape) * 0.01 + 100).astype(np.float32)
        weights = rng.random(shape[1:])
        weights[rng.random(shape[1:]) < 0.3] = 0
        weights.flat[0] = 0.5
        cases += [(features, None), (features, weights), (features, weights.astype(np.float32))]
    found = run(
        """const { moments } = await import("/controls/moments.js");
        return cases.map(([features, channels, weights]) => moments(features, channels, weights));
        """,
        cases=[(features, len(features), weights) for features, weights in cases],
    )
    for (features, weights), each in zip(cases, found, strict=True):
        assert_moments(each, moments.moments(features, weights=weights))


def test_moments_gathered_tile_by_tile(run: Run) -> None:
    rng = np.random.default_rng(2)
    cases = []
    for channels, height, width in SHAPES:
        features = rng.normal(3, 0.1, (channels, height, width)).astype(np.float32)
        counts = rng.random((height, width))
        counts[: height // 2] = 0  # so that some tiles do not count at all
        counts[-1, -1] = 1
        down, across = sorted({0, height // 2, height}), sorted({0, width // 3, width})
        cuts = [
            {"rows": slice(*rows), "columns": slice(*columns)}
            for rows in pairwise(down)
            for columns in pairwise(across)
        ]
        cases.append((features, counts, cuts))
    found = run(
        """const { Gathered } = await import("/controls/moments.js");
        const { cutOut } = await import("/images/windows.js");
        return cases.map(([features, [channels, height, width], counts, parts, cuts]) => {
          const all = [new Gathered(channels), new Gathered(channels), new Gathered(channels)];
          for (const [k, cut] of cuts.entries()) {
            all[0].add(features, channels, height, width, null, cut);
            all[1].add(features, channels, height, width, counts[k], cut);
            const high = cut.rows.stop - cut.rows.start;
            const wide = cut.columns.stop - cut.columns.start;
            all[2].add(parts[k], channels, high, wide, counts[k]);
          }
          const whole = all[0].moments;
          return all.map((each) => ({
            moments: each.moments, effective: each.effective, own: each.momentsOr(whole) !== whole,
          }));
        });""",
        cases=[
            (
                features,
                features.shape,
                [counts[cut["rows"], cut["columns"]] for cut in cuts],
                [features[:, cut["rows"], cut["columns"]] for cut in cuts],
                cuts,
            )
            for features, counts, cuts in cases
        ],
    )
    for (features, counts, _), each in zip(cases, found, strict=True):
        plain_ones, counted, copied = each
        assert_moments(plain_ones["moments"], moments.gathered(features))
        for one in (counted, copied):
            assert_moments(one["moments"], moments.moments(features, weights=counts))
            assert one["effective"] == pytest.approx(moments.effective_cells(counts), rel=1e-12)
            assert one["own"] == moments.enough(moments.effective_cells(counts))
    assert {each[1]["own"] for each in found} == {False, True}


def test_masks_at_the_positions_of_a_level(run: Run) -> None:
    rng = np.random.default_rng(3)
    cases = [
        (rng.random((height * stride, width * stride), np.float32), stride)
        for stride, height, width in ((1, 3, 4), (2, 1, 1), (4, 5, 3), (8, 16, 9))
    ]
    found = run(
        """const { cellAverage } = await import("/controls/moments.js");
        return cases.map(([data, height, width, stride]) =>
          cellAverage({ height, width, data }, stride));""",
        cases=[(plane, *plane.shape, stride) for plane, stride in cases],
    )
    for (plane, stride), each in zip(cases, found, strict=True):
        wanted = moments.cell_average(plane, stride)
        assert (each["height"], each["width"]) == wanted.shape
        np.testing.assert_allclose(each["data"], wanted.ravel(), rtol=1e-12)


def test_regions_too_small_have_the_moments_of_the_whole(run: Run) -> None:
    rng = np.random.default_rng(4)
    features = rng.normal(size=(3, 8, 8)).astype(np.float32)
    counts = []
    for cells in (1, 15, 16, 17, 64):  # just below, at and above the bound
        hard = np.zeros(64)
        hard[:cells] = 0.3
        counts.append(hard.reshape(8, 8))
    counts.append(rng.random((8, 8)))
    whole = moments.moments(features)
    found = run(
        """const { regionMoments } = await import("/controls/moments.js");
        return counts.map((each) => {
          const region = regionMoments(features, 3, each, whole);
          return { ...region, same: region === whole };
        });""",
        features=features,
        counts=counts,
        whole=whole,
    )
    for each, own in zip(found, counts, strict=True):
        wanted = moments.region_moments(features, own, whole=whole)
        assert_moments(each, wanted)
        assert each["same"] == (wanted is whole)


def test_alignment_to_one_style_and_to_several(run: Run) -> None:
    rng = np.random.default_rng(5)
    alphas = (0, 1e-3, 0.25, 1, 1.7, 2)
    pairs = [(random_moments(rng, 64), random_moments(rng, 64)) for _ in alphas]
    mixtures = []
    for count, size in ((1, None), (3, None), (1, (5, 7)), (2, (4, 3)), (4, (16, 9))):
        contents = [random_moments(rng, 6) for _ in range(count)]
        styles = [random_moments(rng, 6) for _ in range(count)]
        amounts = rng.random((count, *(size or ())))
        amounts.reshape(count, -1)[:, 0] = 0
        mixtures.append((contents, styles, amounts))
        mixtures.append((contents, styles, amounts.astype(np.float32)))
    found = run(
        """const { adain, align } = await import("/controls/affine.js");
        return {
          single: single.map(([content, style, alpha]) => adain(content, style, alpha)),
          mixed: mixed.map(([contents, styles, [count, height, width], data]) =>
            align(contents, styles, { count, size: height ? { width, height } : null, data })),
        };""",
        single=[(*pair, alpha) for pair, alpha in zip(pairs, alphas, strict=True)],
        mixed=[(x, y, (*amounts.shape, 0, 0)[:3], amounts) for x, y, amounts in mixtures],
    )
    for pair, alpha, each in zip(pairs, alphas, found["single"], strict=True):
        wanted = affine.adain(*pair, alpha=alpha)
        np.testing.assert_array_equal(each["scale"], wanted.scale.ravel())
        np.testing.assert_array_equal(each["shift"], wanted.shift.ravel())
    for mixture, each in zip(mixtures, found["mixed"], strict=True):
        wanted = affine.align(*mixture)
        # float32 of the same float64, but for the order of additions
        np.testing.assert_allclose(each["scale"], wanted.scale.ravel(), rtol=2e-7)
        np.testing.assert_allclose(each["shift"], wanted.shift.ravel(), rtol=2e-7, atol=1e-9)


def test_mixtures_of_styles(run: Run) -> None:
    rng = np.random.default_rng(6)
    weights = [None, [3, 1, 0], [1e300, 1e300, 1e-300], [5e-324, 0, 0]]
    styles = [random_moments(rng, 9) for _ in range(3)]
    found = run(
        """const { blend, checkWeights } = await import("/controls/affine.js");
        return weights.map((each) => [checkWeights(each, 3), blend(styles, each)]);""",
        weights=weights,
        styles=styles,
    )
    for each, (own, mixture) in zip(weights, found, strict=True):
        np.testing.assert_allclose(own, affine.check_weights(each, 3), rtol=1e-15)
        wanted = affine.blend(styles, affine.check_weights(each, 3))
        np.testing.assert_allclose(mixture["mean"], wanted.mean, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(mixture["std"], wanted.std, rtol=1e-12)


def test_what_python_refuses_is_refused_with_a_sentence(run: Run) -> None:
    x, y = (random_moments(np.random.default_rng(7), channels) for channels in (3, 4))
    bad: list[Any] = [[1], [1, -1], [0, 0], [1, math.nan], [math.inf, 1]]
    for weights in bad:
        with pytest.raises(OptionError):
            affine.check_weights(weights, 2)
    with pytest.raises(OptionError):
        affine.check_weights(None, 0)
    for alpha in (-0.1, 2.1, math.nan):
        with pytest.raises(OptionError):
            affine.adain(x, x, alpha=alpha)
    with pytest.raises(StyleError):
        affine.adain(x, y)
    sizes: list[Any] = [0, -1, 2.5]
    for size in sizes:
        with pytest.raises(OptionError):
            resizing.scaled_size(8, 8, size)
    found = run(
        """const { adain, blend, checkWeights } = await import("/controls/affine.js");
        const { moments } = await import("/controls/moments.js");
        const { scaledSize } = await import("/images/resizing.js");
        const ones = new Float32Array(4).fill(1);
        return [
          ...await Promise.all(bad.map((each) => thrown(() => checkWeights(each, 2)))),
          await thrown(() => checkWeights(null, 0)),
          await thrown(() => adain(x, x, -0.1)),
          await thrown(() => adain(x, x, 2.1)),
          await thrown(() => adain(x, x, NaN)),
          await thrown(() => adain(x, y)),
          await thrown(() => blend([x, y], null)),
          await thrown(() => scaledSize(8, 8, 0)),
          await thrown(() => scaledSize(8, 8, -1)),
          await thrown(() => scaledSize(8, 8, 2.5)),
          await thrown(() => scaledSize(8, 80_000, 6000)),
          await thrown(() => moments(new Float32Array(0), 1)),
          await thrown(() => moments(ones, 1, new Float32Array(4))),
          await thrown(() => moments(ones, 1, new Float32Array(3).fill(1))),
        ];""",
        bad=bad,
        x=x,
        y=y,
    )
    for sentence in found:
        assert sentence[0].isupper() and sentence.endswith("."), sentence
        assert not sentence.startswith("nothing was thrown")
    assert found[0] == "There must be one weight for each style, not 1 weight for 2 styles."


def test_plain_pictures(run: Run) -> None:
    rng = np.random.default_rng(8)
    contrasts = [0, 3.9 / 255, 4 / 255, 10 / 255, 16 / 255, 0.5, 1]
    content, style = random_moments(rng, 5), random_moments(rng, 5)
    found = run(
        """const { textureShare, tonedDown } = await import("/controls/plain.js");
        const { adain } = await import("/controls/affine.js");
        return contrasts.map((contrast) => {
          const share = textureShare(contrast);
          const toned = tonedDown(content, share);
          return { share, same: toned === content, ...adain(toned, style) };
        });""",
        contrasts=contrasts,
        content=content,
        style=style,
    )
    for contrast, each in zip(contrasts, found, strict=True):
        share = plain.texture_share(contrast)
        toned = plain.toned_down(content, share)
        wanted = affine.adain(toned, style)
        assert each["share"] == pytest.approx(share, abs=1e-15)
        assert each["same"] == (toned is content)
        np.testing.assert_allclose(each["scale"], wanted.scale.ravel(), rtol=1e-6)
        np.testing.assert_allclose(each["shift"], wanted.shift.ravel(), rtol=1e-6)


def smooth(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """A picture with edges and fine detail, and all the way from black to white."""
    noise = rng.random((height, width, 4))
    noise[: height // 2, width // 3 :] = rng.random(4)
    noise[..., 3] = np.where(rng.random((height, width)) < 0.3, 0, noise[..., 3])
    return (noise * 255.999).astype(np.uint8)


def picture_of(pixels: NDArray[np.uint8]) -> Any:
    height, width = pixels.shape[:2]
    return {"height": height, "width": width, "data": pixels}


def test_windows_of_a_picture(run: Run) -> None:
    rng = np.random.default_rng(9)
    clear = smooth(rng, 13, 17)
    opaque = clear.copy()
    opaque[..., 3] = 255
    cuts = [(slice(0, 13), slice(0, 17)), (slice(4, 5), slice(16, 17)), (slice(3, 9), slice(0, 6))]
    found = run(
        """const { FloatSource, PixelSource } = await import("/images/windows.js");
        return pictures.map((picture) => {
          const source = new PixelSource(picture);
          const rows = { start: 0, stop: picture.height };
          const columns = { start: 0, stop: picture.width };
          const floats = new FloatSource(source.window(rows, columns));
          return cuts.map((cut) => [source.window(...cut), floats.window(...cut)]);
        });""",
        pictures=[picture_of(clear), picture_of(opaque)],
        cuts=cuts,
    )
    for pixels, windows in zip((clear, opaque), found, strict=True):
        mode = "RGBA" if pixels is clear else "RGB"
        picture = Image.fromarray(pixels).convert(mode)
        for cut, both in zip(cuts, windows, strict=True):
            image, alpha = PillowSource(picture, "a picture").window(*cut)
            for each in both:
                assert (each["height"], each["width"]) == image.shape[:2]
                np.testing.assert_array_equal(each["image"], image.ravel())
                if alpha is None:
                    assert each["alpha"] is None
                else:
                    np.testing.assert_array_equal(each["alpha"], alpha.ravel())


def test_pictures_scaled_as_pillow_scales_them(run: Run) -> None:
    rng = np.random.default_rng(10)
    fill = rng.random(3)
    cases = []
    sizes = [(40, 31, 20, 15), (40, 31, 7, 90), (200, 301, 16, 24), (9, 8, 100, 77), (1, 1, 3, 2)]
    for height, width, high, wide in sizes:
        pixels = smooth(rng, height, width)
        cuts = [(slice(0, high), slice(0, wide)), (slice(high // 2, high), slice(wide // 3, wide))]
        for row in (None, fill):
            cases += [(pixels, high, wide, row, *cut) for cut in cuts]
    found = run(
        """const { PixelSource, ScaledSource } = await import("/images/windows.js");
        return cases.map(([pixels, height, width, fill, rows, columns]) =>
          new ScaledSource(new PixelSource(pixels), height, width, fill).window(rows, columns));
        """,
        cases=[(picture_of(pixels), *rest) for pixels, *rest in cases],
    )
    for (pixels, high, wide, own, rows, columns), each in zip(cases, found, strict=True):
        source = PillowSource(Image.fromarray(pixels), "a picture")
        image, alpha = ScaledSource(source, high, wide, own).window(rows, columns)
        assert (each["height"], each["width"]) == image.shape[:2]
        np.testing.assert_allclose(each["image"], image.ravel(), atol=1e-6)
        assert alpha is not None
        np.testing.assert_allclose(each["alpha"], alpha.ravel(), atol=1e-6)
        if own is None:  # what Pillow itself makes of the whole, whichever way it finds quicker
            red = Image.fromarray(pixels[..., 0] / np.float32(255))
            whole = np.asarray(red.resize((wide, high), Image.Resampling.LANCZOS)).clip(0, 1)
            red_ones = each["image"].reshape(image.shape)[..., 0]
            np.testing.assert_allclose(red_ones, whole[rows, columns], atol=1e-6)


def test_a_large_picture_is_scaled_in_strips(run: Run) -> None:
    """Of a picture that no strip holds as a whole; Python scales it as a whole."""
    rng = np.random.default_rng(11)
    pixels = np.dstack([rng.integers(0, 256, (450, 300, 3)), np.full((450, 300), 255)])
    found = run(
        """const { PixelSource, ScaledSource } = await import("/images/windows.js");
        const source = new PixelSource(picture);
        const largest = { rows: 0 };
        const watched = {
          width: source.width,
          height: source.height,
          window(rows, columns) {
            largest.rows = Math.max(largest.rows, rows.stop - rows.start);
            return source.window(rows, columns);
          },
        };
        const all = [{ start: 0, stop: 75 }, { start: 0, stop: 50 }];
        return { ...new ScaledSource(watched, 75, 50, null).window(...all), ...largest };""",
        picture=picture_of(pixels.astype(np.uint8)),
    )
    source = PillowSource(Image.fromarray(pixels[..., :3].astype(np.uint8)), "a picture")
    wanted, _ = scaled(source, 75, 50).window(slice(0, 75), slice(0, 50))
    np.testing.assert_allclose(found["image"], wanted.ravel(), atol=1e-6)
    assert 0 < found["rows"] < 450
    assert found["alpha"] is None


def test_planes_and_sizes_when_scaling(run: Run) -> None:
    rng = np.random.default_rng(12)
    planes = [
        (rng.random(shape, np.float32), *size)
        for shape, size in (((5, 7), (9, 4)), ((64, 64), (3, 5)), ((2, 3), (2, 3)))
    ]
    # Halves among them: 5 * 3 / 2 and the like must be rounded to the even number.
    sizes = [tuple(map(int, rng.integers(30, 3000, 3))) for _ in range(200)]
    sizes += [(5, 2, 3), (7, 2, 1), (7, 2, 3), (9, 6, 3), (2, 2, 2), (4000, 3000, 512)]
    found = run(
        """const { MAX_PIXELS, resizePlane, scaledSize } = await import("/images/resizing.js");
        return {
          planes: planes.map(([data, [height, width], high, wide]) =>
            resizePlane({ height, width, data }, high, wide)),
          sizes: sizes.map((each) => scaledSize(...each)),
          most: MAX_PIXELS,
        };""",
        planes=[(plane, plane.shape, *size) for plane, *size in planes],
        sizes=sizes,
    )
    assert found["most"] == resizing.MAX_PIXELS
    for (plane, *size), each in zip(planes, found["planes"], strict=True):
        wanted = resizing.resize_plane(plane, *size)
        assert (each["height"], each["width"]) == wanted.shape
        np.testing.assert_allclose(each["data"], wanted.ravel(), atol=1e-6)
    for size, each in zip(sizes, found["sizes"], strict=True):
        assert (each["height"], each["width"]) == resizing.scaled_size(*size)


def test_padding_by_reflection(run: Run) -> None:
    rng = np.random.default_rng(13)
    parts = [
        (slice(0, 8), 2, 4),
        (slice(0, 20), 8, 1),
        (slice(5, 40), 16, 9),  # reflected more than once
        (slice(30, 64), 24, 100),
    ]
    photo = Photo(rng.random((9, 100, 3), np.float32), None, "a picture")
    maps = rng.random((2, 9, 100))
    rows, columns = slice(5, 40), slice(30, 64)
    down, across = reflected(rows, 16, 9), reflected(columns, 24, 100)
    span = slice(int(across.min()), int(across.max()) + 1)
    assert (down.min(), down.max()) == (0, 8)
    found = run(
        """const { paddedMaps, paddedPlanes, reflected, spanOf } =
          await import("/images/windows.js");
        const down = reflected(rows, 16, 9);
        const across = reflected(columns, 24, 100);
        return {
          places: parts.map((each) => reflected(...each)),
          span: spanOf(across),
          planes: paddedPlanes(image, down, across),
          maps: paddedMaps(maps, 2, down, across),
          halves: paddedMaps(Float32Array.from(maps), 2, down, across),
        };""",
        parts=parts,
        rows=rows,
        columns=columns,
        image=photo.window(slice(0, 9), span)[0],
        maps=maps[:, :, span],
    )
    for part, places in zip(parts, found["places"], strict=True):
        np.testing.assert_array_equal(places, reflected(*part))
    assert found["span"] == {"start": span.start, "stop": span.stop}
    padded = photo.image.transpose(2, 0, 1)[:, down][:, :, across]
    np.testing.assert_array_equal(found["planes"], padded.ravel())
    wanted = maps[:, down][:, :, across]
    np.testing.assert_array_equal(found["maps"], wanted.ravel())
    np.testing.assert_array_equal(found["halves"], wanted.astype(np.float32).ravel())


def plane_of(values: NDArray[np.float32]) -> Any:
    return {"height": values.shape[0], "width": values.shape[1], "data": values}


def test_masks_read_from_pictures(run: Run) -> None:
    rng = np.random.default_rng(14)
    clear = smooth(rng, 5, 7)
    gray = np.repeat(clear[..., :1], 3, axis=2)
    off = gray.copy()  # as JPEG makes it
    off[..., 1] = np.clip(off[..., 1].astype(int) - 3, 0, 255)
    pictures = [clear, gray, off, clear[..., :3]]
    found = run(
        """const { readMask } = await import("/controls/masks.js");
        return Promise.all(pictures.map(async (picture) => {
          let plane = null;
          const error = await thrown(() => { plane = readMask(picture, "sky.png"); });
          return { plane, error };
        }));""",
        pictures=[picture_of(np.asarray(Image.fromarray(x).convert("RGBA"))) for x in pictures],
    )
    for pixels, each in zip(pictures[:3], found, strict=False):
        wanted = masks.read_mask(pixels)
        assert (each["plane"]["height"], each["plane"]["width"]) == wanted.shape
        np.testing.assert_allclose(each["plane"]["data"], wanted.ravel(), atol=1e-7)
    with pytest.raises(ImageError, match="is a picture in color"):
        masks.read_mask(pictures[3])
    assert found[3]["plane"] is None
    assert found[3]["error"].startswith("sky.png is a picture in color")


def test_masks_stretched_to_pictures(run: Run) -> None:
    rng = np.random.default_rng(15)
    hard = (rng.random((12, 9)) < 0.5).astype(np.float32)
    planes = [
        hard,
        (rng.random((12, 9)) * 2).astype(np.float32),  # a map of strength
        rng.uniform(0.3, 0.4, (40, 50)).astype(np.float32),
        np.full((3, 3), 0.7, np.float32),
        np.array([[0, 1]], np.float32),
    ]
    sizes = [(12, 9), (100, 77), (7, 5)]
    cuts = [
        (height, width, *cut)
        for height, width in sizes
        for cut in (
            (slice(0, height), slice(0, width)),
            (slice(height // 2, height), slice(1, width // 2)),
        )
    ]
    found = run(
        """const { PlaneWindows, fit } = await import("/controls/masks.js");
        return planes.map((plane) => cuts.map(([height, width, ...cut]) => {
          const windows = new PlaneWindows(plane, height, width);
          return [windows.level, windows.window(...cut), fit(plane, height, width)];
        }));""",
        planes=[plane_of(plane) for plane in planes],
        cuts=cuts,
    )
    for plane, per_plane in zip(planes, found, strict=True):
        for (height, width, *cut), (level, part, whole) in zip(cuts, per_plane, strict=True):
            windows = masks.PlaneWindows(plane, height, width)
            assert level == windows.level
            np.testing.assert_allclose(part, windows.window(*cut).ravel(), atol=1e-6)
            assert (whole["height"], whole["width"]) == (height, width)
            wanted = masks.fit(plane, height, width).ravel()
            np.testing.assert_allclose(whole["data"], wanted, atol=1e-6)
            # The last digit of a sum that is 0 decides whose place it is.
            np.testing.assert_array_equal(part == 0, windows.window(*cut).ravel() == 0)


def test_planes_that_are_no_masks(run: Run) -> None:
    rng = np.random.default_rng(16)
    good = [
        rng.random((2, 3), np.float32),
        np.array([[-1e-4, 1 + 1e-4]], np.float32),
        np.array([[2.0001]], np.float32),
    ]
    bad = [(math.nan, 1), (math.inf, 1), (-0.1, 1), (1.5, 1), (2.1, 2)]
    for value, high in bad:
        with pytest.raises(OptionError):
            masks.check_plane(np.array([[value]], np.float32), "the mask", high=high)
    found = run(
        """const { checkPlane } = await import("/controls/masks.js");
        return {
          good: good.map(([plane, high]) => checkPlane(plane, "The mask", high).data),
          bad: await Promise.all(bad.map(([plane, high]) =>
            thrown(() => checkPlane(plane, "The mask", high)))),
          short: await thrown(() => checkPlane({ ...good[0][0], width: 9 }, "The mask")),
        };""",
        good=[(plane_of(plane), 2 if plane.max() > 1.5 else 1) for plane in good],
        bad=[(plane_of(np.array([[value]], np.float32)), high) for value, high in bad],
    )
    for plane, each in zip(good, found["good"], strict=True):
        wanted = masks.check_plane(plane, "the mask", high=2 if plane.max() > 1.5 else 1)
        np.testing.assert_array_equal(each, wanted.ravel())
    for sentence in (*found["bad"], found["short"]):
        assert sentence.startswith(("The mask", "The values of The mask"))


def style_maps(rng: np.random.Generator) -> Iterator[tuple[Any, list[float] | None, list[Any]]]:
    """Strength, weights and masks of all kinds, None for a mask of everywhere."""
    soft = rng.random((9, 7), np.float32)
    hard = (rng.random((32, 24)) < 0.5).astype(np.float32)
    strength = (rng.random((8, 8)) * 2).astype(np.float32)
    for alpha in (0.0, 0.6, 1.0, strength, np.full((2, 2), 0.3, np.float32)):
        yield alpha, None, []
        yield alpha, [3, 1], []
        yield alpha, [1], [soft]
        yield alpha, [0, 2], [soft, hard]
        yield alpha, [1, 2, 3], [soft, None, hard]
        yield alpha, [1, 2], [None, np.full((3, 3), 0.25, np.float32)]


def test_how_much_of_each_style_goes_where(run: Run) -> None:
    rng = np.random.default_rng(17)
    height, width, margin, stride = 32, 24, 12, 4
    rows, columns = slice(0, 56), slice(4, 44)  # of the padded picture, whole cells
    down, across = reflected(rows, margin, height), reflected(columns, margin, width)
    cases = [
        (alpha, weights, planes, len(weights or planes or [1]))
        for alpha, weights, planes in style_maps(rng)
    ]
    found = run(
        """const { StyleMap } = await import("/controls/regions.js");
        const { reflected } = await import("/images/windows.js");
        return cases.map(([alpha, weights, masks, count]) => {
          const map = new StyleMap({ alpha, weights, masks }, count, height, width);
          const padded = map.padded(
            reflected(rows, margin, height), reflected(columns, margin, width));
          return {
            window: map.window({ start: 3, stop: 20 }, { start: 0, stop: 24 }),
            padded,
            cells: map.cells(padded, stride),
            regions: map.regions.map((region) =>
              region && region.window({ start: 3, stop: 20 }, { start: 0, stop: 24 })),
          };
        });""",
        cases=[
            (
                alpha if isinstance(alpha, float) else plane_of(alpha),
                weights,
                [mask if mask is None else plane_of(mask) for mask in planes],
                count,
            )
            for alpha, weights, planes, count in cases
        ],
        height=height,
        width=width,
        margin=margin,
        stride=stride,
        rows=rows,
        columns=columns,
    )
    everywhere = np.ones((1, 1), np.float32)
    for (alpha, weights, planes, count), each in zip(cases, found, strict=True):
        given = [everywhere if mask is None else mask for mask in planes]
        controls = Controls(alpha=alpha, weights=weights, masks=given)
        wanted = StyleMap(controls, count, height, width)
        part = slice(3, 20), slice(0, 24)
        spread = wanted.window(slice(0, height), slice(0, width))
        cells = spread
        if spread.ndim > 1:
            spread = spread[:, down][:, :, across]
            cells = moments.cell_average(spread, stride)
        for name, values in {
            "window": wanted.window(*part),
            "padded": spread,
            "cells": cells,
        }.items():
            assert each[name]["count"] == count
            assert (each[name]["size"] is None) == (values.ndim == 1)
            if values.ndim > 1:
                assert each[name]["size"] == {"height": values.shape[1], "width": values.shape[2]}
            np.testing.assert_allclose(each[name]["data"], values.ravel(), rtol=1e-6, atol=1e-6)
        for region, own in zip(each["regions"], wanted.regions, strict=True):
            assert (region is None) == (own is None)
            if own is not None:
                np.testing.assert_allclose(region, own.window(*part).ravel(), atol=1e-6)


def test_what_styles_of_no_weight_cover_stays_the_photograph(run: Run) -> None:
    rng = np.random.default_rng(18)
    weights = np.array([0, 0.5, 0.5])
    planes = rng.random((3, 50))
    planes[:, :10] = 0
    planes[1:, 10:20] = 0
    found = run(
        """const { shares } = await import("/controls/regions.js");
        return shares(weights, planes, new Float64Array(150));""",
        weights=weights,
        planes=list(planes),
    )
    wanted = shares(weights, planes[:, None])[:, 0]
    np.testing.assert_allclose(found, wanted.ravel(), rtol=1e-14)
    assert not found.reshape(3, 50)[:, :20].any()


def test_masks_and_strengths_that_do_not_fit(run: Run) -> None:
    found = run(
        """const { StyleMap } = await import("/controls/regions.js");
        const { checkCoarse } = await import("/controls/coarse.js");
        const plane = { width: 1, height: 1, data: new Float32Array(1) };
        const make = (changes, count) => thrown(() =>
          new StyleMap({ alpha: 1, weights: null, masks: [], ...changes }, count, 8, 8));
        return [
          await make({ masks: [plane] }, 2),
          await make({ alpha: 3 }, 1),
          await make({ weights: [1, 2, 3] }, 2),
          await thrown(() => checkCoarse(0.5)),
          await thrown(() => checkCoarse(NaN)),
          await thrown(() => checkCoarse(5)),
        ];"""
    )
    assert found[0] == "There must be one mask for each style, not 1 for 2."
    assert found[1] == "The strength must be a number from 0 to 2, not 3."
    assert found[2] == "There must be one weight for each style, not 3 weights for 2 styles."
    assert found[3:] == [
        f"The size of strokes must be a number from 1 to 4, not {value}."
        for value in ("0.5", "NaN", "5")
    ]


def test_larger_strokes(run: Run) -> None:
    rng = np.random.default_rng(19)
    height, width = 48, 37
    pixels = smooth(rng, height, width)
    sizes = [(300, 200, 2), (17, 4000, 4), (31, 33, 1.5), (25, 27, 1.25), (4000, 3000, 3.3)]
    high, wide = coarse.small_size(height, width, 2)
    painted = rng.random((high, wide, 3), np.float32)
    mask = rng.random((8, 8), np.float32)
    mask[:, 4:] = 0
    cuts = [(slice(0, height), slice(0, width)), (slice(10, 33), slice(7, 37))]
    found = run(
        """const { CoarseSource, DETAIL, MAX_COARSE, MIN_SIDE, smallSize } =
          await import("/controls/coarse.js");
        const { StyleMap } = await import("/controls/regions.js");
        const { PixelSource, ScaledSource } = await import("/images/windows.js");
        const { width, height } = picture;
        const small = smallSize(height, width, 2);
        const photograph = new PixelSource(picture);
        const reduced = new ScaledSource(photograph, small.height, small.width, null);
        return {
          sizes: sizes.map((each) => smallSize(...each)),
          numbers: [DETAIL, MAX_COARSE, MIN_SIDE],
          windows: [[], [mask]].map((masks) => {
            const map = new StyleMap({ alpha: 1, weights: null, masks }, 1, height, width);
            const source = new CoarseSource(
              photograph, reduced, { ...small, image: painted, alpha: null }, map);
            return cuts.map((cut) => source.window(...cut));
          }),
        };""",
        sizes=sizes,
        picture=picture_of(pixels),
        painted=painted,
        mask=plane_of(mask),
        cuts=cuts,
    )
    for size, each in zip(sizes, found["sizes"], strict=True):
        assert (each["height"], each["width"]) == coarse.small_size(*size)
    wanted_numbers = [np.float32(coarse.DETAIL), coarse.MAX_COARSE, coarse.MIN_SIDE]
    assert found["numbers"] == wanted_numbers
    photograph = PillowSource(Image.fromarray(pixels), "a picture")
    reduced = ScaledSource(photograph, high, wide, None)
    for own, windows in zip(([], [mask]), found["windows"], strict=True):
        amounts = StyleMap(Controls(masks=own), 1, height, width)
        strokes = Photo(painted, None, "strokes")
        source = coarse.CoarseSource(photograph, reduced, strokes, amounts)
        for cut, each in zip(cuts, windows, strict=True):
            image, alpha = source.window(*cut)
            np.testing.assert_allclose(each["image"], image.ravel(), atol=2e-6)
            assert alpha is not None
            np.testing.assert_array_equal(each["alpha"], alpha.ravel())
            if own:  # the photograph itself outside the mask
                outside = amounts.window(*cut)[0] == 0
                kept = each["image"].reshape(image.shape)[outside]
                assert outside.any()
                np.testing.assert_array_equal(kept, photograph.window(*cut)[0][outside])


def window_of(image: NDArray[np.float32], alpha: NDArray[np.float32] | None) -> Any:
    return {"height": image.shape[0], "width": image.shape[1], "image": image, "alpha": alpha}


def assert_colors(found: Any, wanted: ColorMoments) -> None:
    assert found["weight"] == pytest.approx(wanted.weight, rel=1e-12)
    np.testing.assert_allclose(found["mean"], wanted.mean, atol=1e-12)
    np.testing.assert_allclose(found["covariance"], wanted.covariance, atol=1e-13)


def test_the_table_of_color_methods(run: Run) -> None:
    rows = run("""return (await import("/controls/color/index.js")).METHODS;""")
    found = {row.pop("name"): row for row in rows}
    assert len({row.pop("title") for row in rows}) == len(METHODS)
    assert found == {
        row.name: {
            "summary": row.summary,
            "use": row.use,
            "stage": row.stage,
            "clip": row.clip,
            "needsPicture": matching.needs_picture(row.name),
        }
        for row in METHODS
    }


def test_axes_powers_and_turns_of_small_matrices(run: Run) -> None:
    rng = np.random.default_rng(20)
    symmetric, near = [], []
    for size in (1, 2, 3):
        for spread in (1, 1e-3, 1e-9):
            base = rng.normal(size=(size, size)) * np.logspace(0, math.log10(spread), size)
            symmetric.append(base @ base.T)
            near.append(base)
            near.append(base[: rng.integers(1, size + 1)])
            near.append(near[-1].T)
    symmetric += [np.eye(3), np.zeros((3, 3)), np.diag([3.0, 1.0, 2.0]), np.ones((3, 3))]
    found = run(
        """const { eigen, inverse, matrixPower, nearestOrthonormal } =
          await import("/controls/color/matrices.js");
        return {
          symmetric: symmetric.map((each) => [eigen(each), matrixPower(each, 0.5)]),
          turns: near.map(nearestOrthonormal),
          nothing: nearestOrthonormal([[0, 0, 0], [0, 2, 0]]),
          inverse: inverse(square),
        };""",
        symmetric=[each.tolist() for each in symmetric],
        near=[each.tolist() for each in near],
        square=(square := rng.normal(size=(3, 3))).tolist(),
    )
    for matrix, (parts, root) in zip(symmetric, found["symmetric"], strict=True):
        axes = np.array(parts["axes"])
        np.testing.assert_allclose(parts["values"], np.linalg.eigvalsh(matrix), atol=1e-14)
        np.testing.assert_allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-14)
        np.testing.assert_allclose((axes.T * parts["values"]) @ axes, matrix, atol=1e-14)
        np.testing.assert_allclose(np.array(root) @ root, matrix, atol=1e-12)
    for matrix, turn in zip(near, found["turns"], strict=True):
        left, _, right = np.linalg.svd(matrix, full_matrices=False)
        np.testing.assert_allclose(turn, left @ right, atol=1e-6)
        flat = np.array(turn if len(turn) <= len(turn[0]) else np.transpose(turn))
        np.testing.assert_allclose(flat @ flat.T, np.eye(len(flat)), atol=1e-13)
    nothing = np.array(found["nothing"])
    np.testing.assert_allclose(nothing @ nothing.T, np.eye(2), atol=1e-15)
    np.testing.assert_allclose(nothing[1], [0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(np.array(found["inverse"]) @ square, np.eye(3), atol=1e-12)


def pictures() -> dict[str, NDArray[np.float32]]:
    """Pictures of all kinds of colors, those without any among them."""
    rng = np.random.default_rng(21)
    noise = rng.random((60, 70, 3))
    turn = np.array([[0.5, 0.3, 0.1], [0.2, 0.4, 0.2], [0.1, 0.2, 0.6]])
    found = {
        "noise": noise,
        "warm": noise @ turn * [1, 0.8, 0.5],
        "cold": 0.3 + 0.2 * noise @ turn.T,
        "gray": np.repeat(noise[..., :1], 3, axis=2),
        "two": np.where(noise[..., :1] < 0.4, [0.9, 0.2, 0.1], [0.1, 0.3, 0.8]),
        "duotone": noise[..., :1] * [0.5, 0.2, 0.1] + noise[..., 1:2] * [0.1, 0.2, 0.4],
        "rounded": np.round((0.5 + 0.002 * noise) * 255) / 255,
        "plain": np.broadcast_to([0.2, 0.5, 0.7], noise.shape),
    }
    return {name: picture.astype(np.float32) for name, picture in found.items()}


def test_moments_of_colors(run: Run) -> None:
    rng = np.random.default_rng(22)
    cases: list[Any] = [(picture, None) for picture in pictures().values()]
    opacity = rng.random((60, 70), np.float32)
    opacity[:59] = 0  # whole blocks of nothing
    cases += [(cases[1][0], opacity), (cases[2][0], rng.random((60, 70), np.float32) * 1e-30)]
    found = run(
        """const { ColorMoments, paletteOf } = await import("/controls/color/index.js");
        return {
          all: cases.map(([image, weights]) => [
            ColorMoments.of(image, weights), paletteOf(image, weights)]),
          none: await thrown(() => ColorMoments.of(cases[0][0], new Float32Array(4200))),
          negative: await thrown(() =>
            ColorMoments.of(cases[0][0], new Float32Array(4200).fill(-1))),
          short: await thrown(() => ColorMoments.of(cases[0][0], new Float32Array(1))),
          nan: await thrown(() => ColorMoments.of(new Float32Array(30).fill(NaN))),
        };""",
        cases=cases,
    )
    for (image, weights), (colors, tones) in zip(cases, found["all"], strict=True):
        assert_colors(colors, moments_of(image, weights))
        assert_colors(tones, palette_of(image, weights))
    assert found["none"].startswith("The picture has no usable pixels")
    assert found["negative"] == "The weights of pixels must be numbers of 0 or more."
    assert found["short"] == "There are 1 weights for 4200 pixels."
    assert found["nan"] == "The picture has values that are not colors."


def test_maps_from_colors_to_colors(run: Run) -> None:
    colors = {name: moments_of(picture) for name, picture in pictures().items()}
    methods = [row.name for row in METHODS if row.stage != "after"]
    cases = [
        (have, want, method)
        for have in colors
        for want in colors
        for method in methods
        if have != want
    ]
    found = run(
        """const { linearMap } = await import("/controls/color/index.js");
        return {
          maps: cases.map(([have, want, method]) => linearMap(colors[have], colors[want], method)),
          after: await thrown(() => linearMap(colors.noise, colors.warm, "only")),
          unknown: await thrown(() => linearMap(colors.noise, colors.warm, "sepia")),
        };""",
        colors=colors,
        cases=cases,
    )
    for (have, want, method), each in zip(cases, found["maps"], strict=True):
        matrix, offset = linear_map(colors[have], colors[want], method=method)
        message = f"{have} to {want} by {method}"
        scale = max(1, np.abs(matrix).max())
        np.testing.assert_allclose(each["matrix"], matrix, atol=1e-6 * scale, err_msg=message)
        np.testing.assert_allclose(each["offset"], offset, atol=1e-6 * scale, err_msg=message)
    assert found["after"].startswith("The color method only acts after")
    assert found["unknown"].startswith("There is no color method sepia")


def test_styles_in_the_colors_of_a_photograph(run: Run) -> None:
    rng = np.random.default_rng(23)
    known = {name: picture[:20, :30] for name, picture in pictures().items()}
    alpha = rng.random((20, 30), np.float32)
    references = {name: moments_of(known[name]) for name in ("warm", "duotone")}
    cases = [
        (style, own, reference, row.name)
        for style in ("noise", "cold", "gray")
        for own in (None, alpha)
        for reference in references
        for row in METHODS
        if row.stage != "after"
    ]
    found = run(
        """const { matchColors } = await import("/controls/color/index.js");
        return cases.map(([window, reference, method]) =>
          matchColors(window, references[reference], method));""",
        cases=[(window_of(known[style], own), *rest) for style, own, *rest in cases],
        references=references,
    )
    for (style, own, reference, method), each in zip(cases, found, strict=True):
        photo = Photo(known[style], own, style)
        wanted = matching.match_colors(photo, references[reference], method=method)
        np.testing.assert_allclose(each["image"], wanted.image.ravel(), atol=2e-6)
        assert (each["height"], each["width"]) == (20, 30)


def test_hues_of_the_photograph_with_painted_light(run: Run) -> None:
    rng = np.random.default_rng(24)
    painted = np.concatenate([rng.random((40, 50, 3)), rng.integers(0, 2, (40, 50, 3))])
    photograph = np.concatenate([rng.integers(0, 2, (40, 50, 3)), rng.random((40, 50, 3))])
    painted, photograph = painted.astype(np.float32), photograph.astype(np.float32)
    found = run(
        """const { putLuminance, restoreColors } = await import("/controls/color/index.js");
        const put = painted.slice();
        putLuminance(put, photograph);
        const restored = restoreColors(painted.slice(), photograph, "luminance");
        const left = restoreColors(painted.slice(), photograph, "cholesky");
        const sizes = await thrown(() => putLuminance(put, new Float32Array(3)));
        return { put, restored, left, sizes };""",
        painted=painted,
        photograph=photograph,
    )
    wanted = put_luminance(painted, photograph).ravel()
    np.testing.assert_allclose(found["put"], wanted, atol=1e-7)
    np.testing.assert_array_equal(found["restored"], found["put"])
    np.testing.assert_array_equal(found["left"], painted.ravel())
    assert found["sizes"].startswith("Pictures of 4000 and 1 pixels must be the same size")


def test_which_pixels_count_in_statistics_of_color(run: Run) -> None:
    rng = np.random.default_rng(25)
    soft, ones = rng.random((8, 9), np.float32), np.ones((8, 9), np.float32)
    small = np.zeros((8, 9), np.float32)
    small[2, 2:6] = 0.5
    planes = [None, soft, ones, small, 0 * ones]
    cases = [(opacity, region) for opacity in planes for region in planes]
    found = run(
        """const { pixelCounts } = await import("/controls/color/index.js");
        return cases.map((each) => pixelCounts(...each));""",
        cases=cases,
    )
    for case, each in zip(cases, found, strict=True):
        wanted = matching.pixel_counts(*case)
        if wanted is None:
            assert each is None
        else:
            np.testing.assert_array_equal(each, wanted.ravel())


def test_tones_and_back(run: Run) -> None:
    rng = np.random.default_rng(26)
    colors = np.concatenate([rng.random((500, 3)), rng.integers(0, 2, (20, 3)), [[-0.5, 2, 0.02]]])
    tones = palette.to_tones(colors)
    vivid = tones * rng.uniform(0.5, 4, tones.shape)  # most of them no colors of sRGB
    found = run(
        """const { fromTones, toTones } = await import("/controls/color/palette.js");
        const there = colors.slice();
        toTones(there, there.length / 3);
        fromTones(vivid, vivid.length / 3);
        return { there, vivid };""",
        colors=colors,
        vivid=vivid,
    )
    np.testing.assert_allclose(found["there"], tones.ravel(), atol=1e-12)
    wanted = palette.from_tones(vivid)
    assert (np.abs(palette.from_tones(vivid) - 0.5).max(axis=1) > 0.499).mean() > 0.3
    np.testing.assert_allclose(found["vivid"], wanted.ravel(), atol=1e-9)


def test_palettes_laid_on_a_photograph(run: Run) -> None:
    rng = np.random.default_rng(27)
    known = pictures()
    names = list(known)
    palettes = {name: palette_of(picture) for name, picture in known.items()}
    amounts = rng.random((2, 60, 70)) / 2
    found = run(
        """const { applyPalettes, paletteMap, paletteTo } =
          await import("/controls/color/index.js");
        const maps = names.map((have) => names.map((want) =>
          paletteMap(palettes[have], palettes[want])));
        const two = [paletteTo(palettes.warm, noise), maps[1][2]];
        const size = { width: 70, height: 60 };
        return {
          maps,
          numbers: applyPalettes(warm, two, {
            count: 2, size: null, data: Float64Array.of(0.75, 0.25) }),
          spread: applyPalettes(warm, two, { count: 2, size, data: amounts }),
        };""",
        names=names,
        palettes=palettes,
        warm=known["warm"],
        noise=window_of(known["noise"], None),
        amounts=amounts,
    )
    for have, row in zip(names, found["maps"], strict=True):
        for want, each in zip(names, row, strict=True):
            matrix, offset = palette_map(palettes[have], palettes[want])
            message = f"{have} to {want}"
            np.testing.assert_allclose(each["matrix"], matrix, atol=1e-6, err_msg=message)
            np.testing.assert_allclose(each["offset"], offset, atol=1e-6, err_msg=message)
    maps = [palette_map(palettes["warm"], palettes[name]) for name in ("noise", "cold")]
    for name, own in {"numbers": np.array([0.75, 0.25]), "spread": amounts}.items():
        wanted = matching.apply_palettes(known["warm"], maps, own)
        np.testing.assert_allclose(found[name], wanted.ravel(), atol=1e-6)
