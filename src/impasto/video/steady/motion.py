"""Motion between two frames: of blocks, of the picture as a whole, of every pixel; and cuts.

A motion is written backward, (dx, dy) in pixels: what is at ``(x, y)`` now was at
``(x + dx, y + dy)`` in the previous frame. So the previous frame is warped to this one by looking
up every pixel (:func:`warp`).

Motion is estimated in small gray copies (:func:`shrink`, :func:`gray`), about 320 to 640 pixels
wide, in pixels of those:

* :func:`match_blocks`: whole pixels, for blocks of 8 x 8, by libavfilter's ``mestimate``.
* :func:`dominant_motion`: one motion for the picture, the median of its textured blocks, then to
  fractions of a pixel by least squares (Lucas & Kanade 1981) over the blocks that agree.
* :func:`block_flow`: a motion for every pixel from blocks: outliers removed, then to fractions of a
  pixel by least squares around each block. For films it was found no worse than OpenCV's dense
  inverse search (the fast preset of Kroeger et al. 2016), so OpenCV is not needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.video.pyav import library

__all__ = [
    "BLOCK",
    "Shift",
    "block_flow",
    "compose",
    "dominant_motion",
    "enlarge",
    "gray",
    "is_cut",
    "match_blocks",
    "origins",
    "reduction",
    "shrink",
    "warp",
]

Floats: TypeAlias = NDArray[np.float32]

BLOCK = 8
"""Side of a block, in pixels of the small copy."""

_REACH = 32
"""The search range of a block, in pixels of the small copy: a tenth of a frame."""

_WIDEST = 700
"""The longest side of small copies; sides up to 400 are not reduced at all."""

_TEXTURED = 2.0
"""Mean slope, in levels of 255 a pixel, from which on the motion of a block can be estimated."""

_RIDGE = 9.0 * BLOCK**2
"""Texture, in squares of levels over 3 x 3 blocks, below which a block keeps the motion it has."""

_BAND = 20_000
"""Number of pixels that are moved at once."""

_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Shift:
    """The motion of a picture as a whole, in pixels of the small copy.

    Attributes:
        x: motion to the right, backward.
        y: motion down, backward.
        speed: median length of the motion of textured blocks.
        common: the part of the motion of textured blocks that it accounts for: 1 if they all
            move so, near 0 if they move apart, as in a zoom.
    """

    x: float
    y: float
    speed: float
    common: float


_NO_SHIFT = Shift(0.0, 0.0, 0.0, 0.0)


def reduction(height: int, width: int) -> int:
    """Return the power of two by which a picture is reduced to estimate motion.

    Example:
        >>> reduction(360, 640), reduction(2160, 3840), reduction(128, 192)
        (2, 8, 1)
    """
    longest, factor = max(height, width), 1
    while longest > (400 if factor == 1 else _WIDEST * factor):
        factor *= 2
    return factor


def shrink(image: NDArray[Any], factor: int) -> Floats:
    """Reduce a picture by a power of two: means of squares; the remainder is cut off.

    Args:
        image: (H, W, C) or (H, W).
        factor: side of the squares.

    Returns:
        (H // factor, W // factor, ...).
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    part = np.asarray(image[: height * factor, : width * factor], np.float32)
    if factor == 1:
        return part
    rows = part[::factor] + part[1::factor]
    for k in range(2, factor):
        rows += part[k::factor]
    # As a product of matrices, which is three times as fast as sums of columns.
    channels = math.prod(image.shape[2:])
    weights = np.tile(np.eye(channels, dtype=np.float32), (factor, 1)) / np.float32(factor**2)
    sums = rows.reshape(height * width, factor * channels) @ weights
    return np.asarray(sums.reshape(height, width, *image.shape[2:]), np.float32)


def gray(image: Floats) -> Floats:
    """Convert the colors of a picture in [0, 1] to brightness, in levels of 255.

    Args:
        image: (H, W, 3).

    Returns:
        (H, W).
    """
    return np.asarray(image @ (_WEIGHTS * np.float32(255)), np.float32)


def match_blocks(now: Floats, before: Floats) -> Floats:
    """Find for every block of a frame the best match in the previous frame.

    Args:
        now: (h, w), in levels of 255.
        before: the same.

    Returns:
        (h // 8, w // 8, 2): motions in whole pixels; all 0 in pictures too small for blocks.

    Raises:
        VideoError: if PyAV is not installed.
    """
    height, width = now.shape
    rows, columns = height // BLOCK, width // BLOCK
    vectors = np.zeros((rows, columns, 2), np.float32)
    if rows < 2 or columns < 2:
        return vectors
    av = library()
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format="gray", time_base=Fraction(1, 25))
    search = graph.add("mestimate", f"method=epzs:mb_size={BLOCK}:search_param={_REACH}")
    sink = graph.add("buffersink")
    source.link_to(search)
    search.link_to(sink)
    graph.configure()
    # The filter compares a frame with the previous and the next one, and remembers motions.
    # A new one for each pair, in the order (now, before), needs no third frame and no memory.
    for time, image in enumerate((now, before)):
        levels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(levels), format="gray")
        frame.pts = time
        source.push(frame)
    found = sink.pull().side_data.get("MOTION_VECTORS").to_ndarray()
    found = found[found["source"] > 0]
    # `motion_x` and `motion_scale` are not filled in.
    row = np.minimum(found["dst_y"] // BLOCK, rows - 1)
    column = np.minimum(found["dst_x"] // BLOCK, columns - 1)
    vectors[row, column, 0] = found["src_x"].astype(np.float32) - found["dst_x"]
    vectors[row, column, 1] = found["src_y"].astype(np.float32) - found["dst_y"]
    return vectors


def dominant_motion(now: Floats, before: Floats, vectors: Floats) -> Shift:
    """Estimate the dominant motion of a picture, to fractions of a pixel.

    Args:
        now: (h, w), in levels of 255.
        before: the same, of the same overall brightness.
        vectors: of :func:`match_blocks`.
    """
    if not vectors.size:
        return _NO_SHIFT
    slopes = _block_sums(_slope(now)) / BLOCK**2
    textured = slopes >= max(_TEXTURED, float(np.median(slopes)))
    if np.count_nonzero(textured) < 4:
        return _NO_SHIFT
    middle = np.median(vectors[textured], axis=0)
    agree = textured & (np.abs(vectors - middle).max(axis=-1) <= 1.5)
    if not agree.any():
        return _NO_SHIFT
    x, y = vectors[agree].mean(axis=0).tolist()
    now, before = _blurred(now), _blurred(before)
    for _ in range(3):
        moved, seen = _translated(before, x, y)
        equations = _equations(now, moved)
        # Blocks that move otherwise, or are new, must not bias the estimate.
        rest = _block_sums(np.abs(now - moved))
        agree &= rest <= 3 * np.median(rest[agree]) + BLOCK**2
        total = [float(sums[agree & seen].sum()) for sums in equations]
        step_x, step_y = _solved(*total, ridge=1.0)
        x, y = x + min(max(step_x, -1.0), 1.0), y + min(max(step_y, -1.0), 1.0)
        if max(abs(step_x), abs(step_y)) < 0.02:
            break
    if max(abs(x - middle[0]), abs(y - middle[1])) > 2:  # a pattern that misled
        x, y = middle.tolist()
    # The motion that blocks have of their own.
    own = np.stack(_solved(*(_around(sums) for sums in equations), ridge=_RIDGE), axis=-1)
    own = np.clip(own[textured & seen], -1, 1) - (step_x, step_y)
    if not own.size:
        return _NO_SHIFT
    speed = float(np.median(np.hypot(own[:, 0] + x, own[:, 1] + y)))
    apart = float(np.median(np.hypot(own[:, 0], own[:, 1])))
    return Shift(x, y, speed, max(0.0, 1 - apart / speed) if speed else 0.0)


def _translated(image: Floats, x: float, y: float) -> tuple[Floats, NDArray[np.bool_]]:
    """A shifted picture, and which of its blocks were seen before."""
    height, width = image.shape
    left, top = int(np.floor(x)), int(np.floor(y))
    rows = np.clip(np.arange(top, top + height + 1), 0, height - 1)
    columns = np.clip(np.arange(left, left + width + 1), 0, width - 1)
    part = image.take(rows, axis=0).take(columns, axis=1)
    across = part[:, :-1] + np.float32(x - left) * (part[:, 1:] - part[:, :-1])
    moved = across[:-1] + np.float32(y - top) * (across[1:] - across[:-1])
    ends = []
    for start, length in ((top, height), (left, width)):
        corner = np.arange(length // BLOCK) * BLOCK + start
        ends.append((corner >= 0) & (corner + BLOCK < length))
    return moved, ends[0][:, None] & ends[1]


def _equations(now: Floats, moved: Floats) -> tuple[Floats, ...]:
    """The normal equations of each block for the offset of a moved frame from this one."""
    middle = now + moved
    gx, gy = np.zeros_like(now), np.zeros_like(now)
    np.subtract(middle[:, 2:], middle[:, :-2], out=gx[:, 1:-1])
    np.subtract(middle[2:], middle[:-2], out=gy[1:-1])
    gx *= np.float32(0.25)
    gy *= np.float32(0.25)
    rest = now - moved
    products = gx * gx, gx * gy, gy * gy, gx * rest, gy * rest
    return tuple(_block_sums(product) for product in products)


def _solved(xx: Any, xy: Any, yy: Any, ex: Any, ey: Any, *, ridge: float) -> tuple[Any, Any]:
    """The offset that solves normal equations; where there is no texture, near 0."""
    xx, yy = xx + ridge, yy + ridge
    determinant = xx * yy - xy * xy
    return (yy * ex - xy * ey) / determinant, (xx * ey - xy * ex) / determinant


def is_cut(now: Floats, before: Floats, vectors: Floats) -> bool:
    """Return whether a frame begins a new shot, unrelated to the previous frame.

    A block matches if it has the same pattern, however bright; a flash, a pan or a large object
    that enters is not a cut.

    Args:
        now: (h, w), in levels of 255.
        before: the same, of the same overall brightness.
        vectors: of :func:`match_blocks`.
    """
    if not vectors.size:
        return float(np.abs(now - before).mean()) > 40
    rows, columns = vectors.shape[:2]
    height, width = rows * BLOCK, columns * BLOCK
    here = now[:height, :width]
    x, y = (place.astype(np.intp) for place in origins(_repeated(vectors)))
    np.clip(y, 0, before.shape[0] - 1, out=y)
    np.clip(x, 0, before.shape[1] - 1, out=x)
    there = before.ravel().take(y * before.shape[1] + x)
    area = np.float32(BLOCK**2)
    mean_here, mean_there = _block_sums(here) / area, _block_sums(there) / area
    pattern = here - _repeated(mean_here)
    rest = np.abs(pattern - (there - _repeated(mean_there)))
    contrast = _block_sums(np.abs(pattern)) / area
    lost = _block_sums(rest) / area > 0.5 * contrast + 3
    lost |= np.abs(mean_here - mean_there) > 24
    return float(lost.mean()) > 0.5


def block_flow(now: Floats, before: Floats, vectors: Floats) -> Floats:
    """Estimate a motion for every pixel from those of blocks.

    Args:
        now: (h, w), in levels of 255.
        before: the same.
        vectors: of :func:`match_blocks`.

    Returns:
        (h, w, 2).
    """
    height, width = now.shape
    if not vectors.size:
        return np.zeros((height, width, 2), np.float32)
    nodes = _median_of_neighbors(vectors)
    now, before = _blurred(now), _blurred(before)
    for _ in range(2):
        flow = _between_blocks(nodes, height, width)
        moved = warp(before, flow, cubic=False)
        sums = [_around(each) for each in _equations(now, moved)]
        step = np.stack(_solved(*sums, ridge=_RIDGE), axis=-1)
        nodes = _median_of_neighbors(nodes + np.clip(step, -1, 1))
    return _between_blocks(nodes, height, width)


def enlarge(
    plane: Floats, height: int, width: int, factor: float, *, part: slice | None = None
) -> Floats:
    """Scale a map of a reduced picture to the picture's size, linearly.

    Args:
        plane: (h, w).
        height: of the result; ``h * factor``, or a little more, where the last values are repeated.
        width: the same.
        factor: how many pixels of the result a value stands for.
        part: rows of the result that are wanted; None: all of them.
    """
    rows, columns = plane.shape
    top, bottom, _ = (part or slice(None)).indices(height)
    if (rows, columns) == (height, width):
        return plane[top:bottom]
    below = max(0, -(-height // int(factor)) - rows)
    behind = max(0, -(-width // int(factor)) - columns)
    if below or behind:
        plane = np.pad(plane, ((0, below), (0, behind)), mode="edge")
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    box = (0.0, top / factor, width / factor, bottom / factor)
    return np.asarray(image.resize((width, bottom - top), Image.Resampling.BILINEAR, box=box))


def origins(flow: Floats, top: int = 0) -> tuple[Floats, Floats]:
    """The positions where pixels came from: their x and their y, each (H, W).

    Args:
        flow: (H, W, 2), of a picture or of rows of it.
        top: the first row.
    """
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(top, top + height, dtype=np.float32)[:, None]
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def warp(image: Floats, flow: Floats, *, cubic: bool = True) -> Floats:
    """Warp a frame along a motion: every pixel is looked up where it came from.

    Args:
        image: (H, W) or (H, W, C).
        flow: (H, W, 2).
        cubic: by 4 x 4 neighbors (Keys 1981, a = -3/4), which keeps detail; else by 2 x 2.

    Returns:
        In the form of the image; beyond its border the border is repeated.
    """
    height, width = flow.shape[:2]
    reach, taps = (1, _cubic_taps) if cubic else (0, _linear_taps)
    planes = image[..., None] if image.ndim == 2 else image
    border = (reach, reach + 1)
    flat = [np.pad(planes[..., c], border, mode="edge").ravel() for c in range(planes.shape[2])]
    line_length = width + 2 * reach + 1
    result = np.empty(planes.shape, np.float32)
    step = max(1, _BAND // width)
    for top in range(0, height, step):  # in bands, which stay in the cache
        band = slice(top, top + step)
        x, y = origins(flow[band], top)
        np.clip(x, 0, width - 1, out=x)
        np.clip(y, 0, height - 1, out=y)
        left, above = np.floor(x), np.floor(y)
        across, down = taps(x - left), taps(y - above)
        corner = above.astype(np.intp) * line_length + left.astype(np.intp)
        places = [
            [corner + (row * line_length + column) for column in range(len(across))]
            for row in range(len(down))
        ]
        line, taken = np.empty_like(x), np.empty_like(x)
        for c, plane in enumerate(flat):
            total = np.zeros_like(x)
            for row, weight in zip(places, down, strict=True):
                line[...] = 0
                for place, tap in zip(row, across, strict=True):
                    np.take(plane, place, out=taken, mode="clip")
                    taken *= tap
                    line += taken
                line *= weight
                total += line
            result[band, :, c] = total
    return result.reshape(image.shape)


def compose(first: Floats, then: Floats) -> Floats:
    """Compose two motions: to the previous frame, and from there to an earlier one.

    Args:
        first: (H, W, 2).
        then: the same, of the frame before.
    """
    return first + warp(then, first, cubic=False)


def _linear_taps(t: Floats) -> list[Floats]:
    return [1 - t, t]


def _cubic_taps(t: Floats) -> list[Floats]:
    a = np.float32(-0.75)
    back = 1 - t

    def outer(d: Floats) -> Floats:  # of a neighbor at 1 + d
        return a * d * (1 - d) ** 2

    one, two = outer(t), outer(back)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    return [one, near, 1 - one - two - near, two]


def _slope(image: Floats) -> Floats:
    """The gradient of a picture, to the right and down."""
    slope = np.zeros_like(image)
    np.abs(image[:, 1:] - image[:, :-1], out=slope[:, 1:])
    slope[1:] += np.abs(image[1:] - image[:-1])
    return slope


def _blurred(image: Floats) -> Floats:
    """A picture without its finest detail, in which linear interpolation has the least error."""
    quarter, half = np.float32(0.25), np.float32(0.5)
    padded = np.pad(image, 1, mode="edge")
    rows = half * padded[1:-1] + quarter * (padded[:-2] + padded[2:])
    return np.asarray(half * rows[:, 1:-1] + quarter * (rows[:, :-2] + rows[:, 2:]), np.float32)


def _block_sums(image: Floats) -> Floats:
    rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    whole = image[: rows * BLOCK, : columns * BLOCK]
    lines = whole.reshape(rows, BLOCK, columns * BLOCK).sum(axis=1)
    return np.asarray(lines.reshape(rows, columns, BLOCK).sum(axis=2), np.float32)


def _repeated(blocks: Floats) -> Floats:
    return np.repeat(np.repeat(blocks, BLOCK, axis=0), BLOCK, axis=1)


def _around(blocks: Floats) -> Floats:
    """Sums over 3 x 3 blocks."""
    padded = np.pad(blocks, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:], np.float32)


def _median_of_neighbors(nodes: Floats) -> Floats:
    """The median of 3 x 3 blocks, for each axis."""
    padded = np.pad(nodes, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows, columns = nodes.shape[:2]
    near = [padded[j : j + rows, i : i + columns] for j in range(3) for i in range(3)]
    return np.asarray(np.median(np.stack(near), axis=0), np.float32)


def _between_blocks(nodes: Floats, height: int, width: int) -> Floats:
    axes = [enlarge(nodes[..., k], height, width, BLOCK) for k in range(2)]
    return np.stack(axes, axis=-1)
