"""ICC profiles where Pillow's 8 bits are too few: floats of a profile to floats of sRGB."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Plane: TypeAlias = NDArray[np.float32]
Curve: TypeAlias = Callable[[Plane], Plane]

# Pixels converted at a time, to limit the memory.
_AT_ONCE = 1 << 20
SAME = 1.5e-3
"""Colors that differ from sRGB by less than this in every value are sRGB, and left unchanged."""
# Steps per axis of the table that approximates a profile which is a table itself.
_STEPS = 33


@dataclass(frozen=True)
class _Shaper:
    """A profile of three curves and a matrix, or of one curve for grey."""

    curves: tuple[Curve, ...]
    matrix: NDArray[np.float64]
    """Linear light, one channel per row, to XYZ (D50)."""


@cache
def srgb_profile() -> bytes:
    """Return the ICC profile of sRGB that results carry, always the same bytes.

    Example:
        >>> len(srgb_profile()) < 1000
        True
    """
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Bytes 24 to 35 are the time of its creation.
    return data[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + data[36:]


def to_srgb(values: Plane, profile: bytes) -> Plane:
    """Return values of an ICC profile in sRGB, relative colorimetric, clipped to the gamut of sRGB.

    Profiles of curves and a matrix, as displays, cameras and working spaces (Adobe RGB, Display P3,
    ProPhoto) have, are computed in floating point. Others are tables (scanners): Pillow's
    conversion is sampled at 33 values per channel and interpolated.

    Args:
        values: (H, W, 1) or (H, W, 3) in [0, 1].
        profile: for grey or RGB.

    Returns:
        (H, W, 3) in [0, 1]; grey values that are already sRGB are returned repeated.

    Raises:
        ValueError: if the profile is for another kind of picture, or broken.

    Example:
        >>> to_srgb(np.full((1, 1, 3), 0.2, np.float32), srgb_profile()).ravel()
        array([0.2, 0.2, 0.2], dtype=float32)
    """
    space = profile[16:20].strip()
    if space == b"RGB" and values.shape[2] == 1:  # grey stored with the profile of its original
        values = np.repeat(values, 3, axis=2)
    if {b"RGB": 3, b"GRAY": 1}.get(space) != values.shape[2]:
        raise ValueError(f"a profile for {space!r} on {values.shape[2]} channels")
    shaper = _shaper(profile)
    if shaper is None:
        return _through_table(values, profile)
    own = _shaper(srgb_profile())
    if own is None:  # another version of Pillow may write it differently
        return _through_table(values, profile)
    to_linear = shaper.matrix @ np.linalg.inv(own.matrix)
    if _is_srgb(shaper, to_linear):
        return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values
    flat = values.reshape(-1, values.shape[2])
    result = np.empty((len(flat), 3), np.float32)
    matrix = to_linear.astype(np.float32)
    for start in range(0, len(flat), _AT_ONCE):
        part = flat[start : start + _AT_ONCE]
        linear = np.stack([curve(part[:, i]) for i, curve in enumerate(shaper.curves)], axis=1)
        result[start : start + _AT_ONCE] = srgb_curve(linear @ matrix)
    return result.reshape(*values.shape[:2], 3)


def _is_srgb(shaper: _Shaper, to_linear: NDArray[np.float64]) -> bool:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)
    curves = all(np.abs(srgb_curve(each(ramp)) - ramp).max() < SAME for each in shaper.curves)
    wanted = np.ones((1, 3)) if len(to_linear) == 1 else np.eye(3)
    return curves and bool(np.abs(to_linear - wanted).max() < SAME)


def srgb_curve(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sRGB signal of linear light, clipped to [0, 1] (IEC 61966-2-1).

    Example:
        >>> srgb_curve(np.array([0.5], np.float32)).round(3)
        array([0.735], dtype=float32)
    """
    linear = np.clip(linear, 0, 1)
    signal: NDArray[np.float32] = linear ** np.float32(1 / 2.4)
    signal *= np.float32(1.055)  # in place, which takes half the time
    signal -= np.float32(0.055)
    np.minimum(signal, 1, out=signal)
    np.multiply(linear, np.float32(12.92), out=signal, where=linear <= np.float32(0.0031308))
    return signal


def _shaper(profile: bytes) -> _Shaper | None:
    """Return curves and matrix of a profile, or None if missing or overridden by a table."""
    tags = _tags(profile)
    if profile[20:24] != b"XYZ " or any(name in tags for name in (b"A2B0", b"A2B1", b"D2B1")):
        return None
    try:
        if b"kTRC" in tags and profile[16:20] == b"GRAY":
            white = np.array([[0.9642, 1.0, 0.8249]])
            return _Shaper((_curve(tags[b"kTRC"]),), white)
        curves = tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
        matrix = np.array([_fixed(tags[name], 8, 3) for name in (b"rXYZ", b"gXYZ", b"bXYZ")])
    except (KeyError, struct.error):
        return None
    return _Shaper(curves, matrix)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        table = (struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 200)))
        return {name: profile[place : place + size] for name, place, size in table}
    except struct.error:
        raise ValueError("the profile is truncated") from None


def _fixed(data: bytes, at: int, count: int) -> list[float]:
    return [value / 65536 for value in struct.unpack_from(f">{count}i", data, at)]


def _curve(data: bytes) -> Curve:
    """Return the function of a curve of an ICC profile (curveType or parametricCurveType)."""
    if data[:4] == b"curv":
        (count,) = struct.unpack_from(">I", data, 8)
        if count == 0:
            return lambda x: x
        if count == 1:
            gamma = np.float32(struct.unpack_from(">H", data, 12)[0] / 256)
            return lambda x: x**gamma
        heights = np.array(struct.unpack_from(f">{count}H", data, 12)) / 65535
        places = np.linspace(0, 1, count)
        return lambda x: np.interp(x, places, heights).astype(np.float32)
    if data[:4] != b"para":
        raise KeyError(data[:4])
    kind = struct.unpack_from(">H", data, 8)[0]
    counts = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}
    # Above d: (a x + b) ** g + e; below: c x + f (ICC.1:2022, 10.18).
    g, *rest = _fixed(data, 12, counts[kind])
    a, b, c, d, e, f = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if kind in (1, 2):
        a, b = rest[:2]
        e = f = rest[2] if kind == 2 else 0.0
        d = -b / a if a else 0.0
    elif kind in (3, 4):
        a, b, c, d = rest[:4]
        e, f = rest[4:] if kind == 4 else (0.0, 0.0)

    def curve(x: Plane) -> Plane:
        power = np.maximum(a * x + b, 0).astype(np.float32) ** np.float32(g) + np.float32(e)
        return np.where(x >= d, power, c * x + f).astype(np.float32)

    return curve


def _through_table(values: Plane, profile: bytes) -> Plane:
    """Interpolate between samples of Pillow's 8-bit conversion."""
    channels = values.shape[2]
    steps = 256 if channels == 1 else _STEPS
    axis = np.rint(np.linspace(0, 255, steps)).astype(np.uint8)
    if channels == 1:
        samples = Image.fromarray(axis[None])
    else:
        corners = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
        samples = Image.fromarray(corners.reshape(steps * steps, steps, 3))
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        samples.mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    table = np.asarray(transform.apply(samples), np.float32).reshape(-1, 3) / np.float32(255)
    places = (axis / 255).astype(np.float32)
    flat = values.reshape(-1, channels)
    result = np.empty((len(flat), 3), np.float32)
    for start in range(0, len(flat), _AT_ONCE):
        part = flat[start : start + _AT_ONCE]
        below = np.clip(np.searchsorted(places, part, side="right") - 1, 0, steps - 2)
        share = (part - places[below]) / (places[below + 1] - places[below])
        total = np.zeros((len(part), 3), np.float32)
        for corner in np.ndindex((2,) * channels):
            cell, weight = np.zeros(len(part), np.intp), np.ones(len(part), np.float32)
            for channel, side in enumerate(corner):
                cell = cell * steps + below[:, channel] + side
                weight = weight * (share[:, channel] if side else 1 - share[:, channel])
            total += weight[:, None] * table[cell]
        result[start : start + _AT_ONCE] = total
    return np.clip(result, 0, 1).reshape(*values.shape[:2], 3)
