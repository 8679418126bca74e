"""Colors declared by numbers instead of an ICC profile: to sRGB, and HDR to a display's range.

The numbers are those of ITU-T H.273 (CICP), which PNG (cICP), AVIF, HEIC (nclx), JPEG 2000 and
films share; PNG has gAMA and cHRM besides. Pure arithmetic on arrays, so it works for pictures,
their strips and frames of films alike.

**Signals of cameras.** BT.709, BT.601, SMPTE 240M, xvYCC, BT.1361 and BT.2020 have curves for
cameras, not for displays. Their numbers are meant to be shown unchanged, so they get the curve of
sRGB, as in browsers; undoing the camera's curve would wash them out.

**HDR.** 203 cd/m2 are the white of printed paper (BT.2408) and become the white of sRGB. To keep
shades in brighter parts, the upper fifth of the range is a shoulder that reaches white at the peak
of the picture (1,000 cd/m2 if it declares none): below 162 cd/m2 nothing changes, 203 become 90 %
of white. It acts on the largest of the three channels, which keeps the hue.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.images.icc import SAME, srgb_curve

Plane: TypeAlias = NDArray[np.float32]
Chromaticities: TypeAlias = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green and blue (CIE 1931), in the order of the cHRM chunk."""

REFERENCE_WHITE = 203.0
"""cd/m2 of HDR that are white in SDR (BT.2408)."""
PEAK = 1000.0
"""cd/m2 of the brightest light where a picture declares none."""
# The part of the range below the shoulder.
_KNEE = 0.8

D65 = (0.3127, 0.3290)
_SRGB: Chromaticities = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ADOBE_RGB: Chromaticities = (*D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
ADOBE_GAMMA = 563 / 256

PRIMARIES: dict[int, tuple[str, Chromaticities]] = {
    1: ("BT.709", _SRGB),
    4: ("BT.470 M", (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08)),
    5: ("BT.601 of 625 lines", (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06)),
    6: ("BT.601 of 525 lines", (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    7: ("SMPTE 240M", (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    8: ("film", (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049)),
    9: ("BT.2020", (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)),
    10: ("XYZ", (1 / 3, 1 / 3, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0)),
    11: ("DCI-P3", (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    12: ("Display P3", (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    22: ("EBU Tech. 3213", (*D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077)),
}
"""Names and chromaticities by their numbers (H.273, table 2)."""

_PQ, _HLG = 16, 18
_UNSPECIFIED = 2


def pq_to_light(signal: NDArray[Any]) -> NDArray[Any]:
    """Light in cd/m2 of a PQ signal in [0, 1] (SMPTE ST 2084).

    Example:
        >>> round(float(pq_to_light(np.array(0.58))), 1)
        201.7
    """
    root = np.maximum(signal, 0) ** (32 / 2523)
    ratio = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
    return np.asarray(10_000 * ratio ** (16384 / 2610))


def hlg_to_scene(signal: NDArray[Any]) -> NDArray[Any]:
    """Scene light in [0, 1] of an HLG signal (BT.2100, table 5).

    Example:
        >>> float(hlg_to_scene(np.array(0.5))) * 12
        1.0
    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.maximum(signal, 0)
    high = (np.exp((np.maximum(signal, 0.5) - c) / a) + b) / 12
    return np.asarray(np.where(signal <= 0.5, signal * signal / 3, high))


# Signal to light, where 1 is white, by their numbers (H.273, table 3).
_CURVES: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    4: lambda v: v**2.2,
    5: lambda v: v**2.8,
    8: lambda v: v,
    9: lambda v: np.where(v > 0, 10 ** (2 * v - 2), 0),
    10: lambda v: np.where(v > 0, 10 ** (2.5 * v - 2.5), 0),
    _PQ: lambda v: pq_to_light(v) / REFERENCE_WHITE,
    17: lambda v: v**2.6 * (52.37 / 48),
    _HLG: hlg_to_scene,
}
_NAMES = {4: "gamma 2.2", 5: "gamma 2.8", 8: "linear", 9: "logarithmic", 10: "logarithmic",
          _PQ: "PQ", 17: "SMPTE 428", _HLG: "HLG"}  # fmt: skip
# Curves of sRGB, and of cameras.
_LIKE_SRGB = frozenset((1, 6, 7, 11, 12, 13, 14, 15))


@dataclass(frozen=True)
class ColorSpace:
    """A mapping from numbers to colors.

    Attributes:
        primaries: chromaticities.
        transfer: number of H.273 of the curve.
        gamma: the exponent from signal to light, instead of ``transfer``; 0 for none.
        narrow: 8 or 16, bits of numbers limited to 16 to 235 (in 8 bits); 0 for the full range.
        peak: cd/m2 of the brightest light, for HDR.
    """

    primaries: Chromaticities = _SRGB
    transfer: int = 13
    gamma: float = 0.0
    narrow: int = 0
    peak: float = PEAK

    @property
    def remark(self) -> str:
        """A clause on what is lost in :meth:`to_srgb`, "" for nothing."""
        if self.gamma or self.transfer not in (_PQ, _HLG):
            return ""
        return f"its HDR ({_NAMES[self.transfer]}) is reduced to the range of sRGB"

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3), from light of these primaries to light of those of sRGB."""
        return np.asarray(np.linalg.inv(_to_xyz(_SRGB)) @ _adapted(self.primaries))

    @cached_property
    def same(self) -> bool:
        """True if it is visually the same as sRGB."""
        curve = not self.gamma and self.transfer in _LIKE_SRGB and not self.narrow
        return curve and bool(np.abs(self.matrix - np.eye(3)).max() < SAME)

    def to_srgb(self, values: Plane) -> Plane:
        """Return values of this space in sRGB, clipped to the gamut of sRGB.

        Args:
            values: (H, W, 1) or (H, W, 3) in [0, 1], read to 16 bits, of pixels of any part of a
                picture.

        Returns:
            (H, W, 3) in [0, 1].

        Example:
            >>> gray = np.full((1, 1, 1), 0.5, np.float32)
            >>> ColorSpace(transfer=8).to_srgb(gray).round(3).ravel()
            array([0.735, 0.735, 0.735], dtype=float32)
        """
        result = np.empty((*values.shape[:2], 3), np.float32)
        rows = max(1, (1 << 18) // max(1, values.shape[1]))
        for top in range(0, len(values), rows):
            part = values[top : top + rows]
            result[top : top + rows] = part if self.same else self._converted(part)
        return result

    @cached_property
    def _light(self) -> Plane:
        """Light of every 16-bit signal, which includes those of 8 bits."""
        signal = np.clip(_widened(np.arange(65536) / 65535, self.narrow), 0, 1)
        if self.gamma:
            light = signal**self.gamma
        else:
            light = _light_of_srgb(signal)
            if self.transfer not in _LIKE_SRGB:
                light = _CURVES[self.transfer](signal)
        return np.asarray(light, np.float32)

    def _converted(self, values: Plane) -> Plane:
        light = self._light[np.rint(values * np.float32(65535)).astype(np.uint16)]
        hdr = not self.gamma and self.transfer in (_PQ, _HLG)
        if hdr and self.transfer == _HLG:
            # The glow of a display of 1,000 cd/m2 (BT.2100, table 5: gamma 1.2).
            weights = _to_xyz(self.primaries)[1].astype(np.float32)
            bright = light @ weights if light.shape[2] == 3 else light[..., 0]
            light *= (bright ** np.float32(0.2))[..., None] * np.float32(1000 / REFERENCE_WHITE)
        if hdr:
            light = tone_mapped(light, self.peak)
        if light.shape[2] == 3:
            light = light @ self.matrix.T.astype(np.float32)
        return srgb_curve(light)


def color_space(
    primaries: int, transfer: int, *, narrow: int = 0, peak: float = 0.0
) -> ColorSpace | None:
    """Return the space of two numbers of H.273, or None if one of them is reserved.

    Args:
        primaries: 2 for unspecified, which is treated as those of sRGB.
        transfer: the same.
        narrow: as in :class:`ColorSpace`.
        peak: cd/m2 of the brightest light, 0 if unknown.

    Example:
        >>> color_space(1, 13).same
        True
    """
    primaries = 1 if primaries == _UNSPECIFIED else primaries
    transfer = 13 if transfer == _UNSPECIFIED else transfer
    if primaries not in PRIMARIES or transfer not in {*_CURVES, *_LIKE_SRGB}:
        return None
    peak = min(max(peak, REFERENCE_WHITE), 10_000) if peak else PEAK
    return ColorSpace(PRIMARIES[primaries][1], transfer, narrow=narrow, peak=peak)


def gamma_space(file_gamma: float | None, primaries: tuple[float, ...] | None) -> ColorSpace | None:
    """Return the space of PNG's gAMA and cHRM, or None if they make no sense.

    A gamma of 1/2.2 stands for the curve of sRGB: the specification tells writers of sRGB to store
    that number (PNG, 3rd edition, 11.3.2.5).

    Args:
        file_gamma: the exponent of the stored light, usually 0.45455; None if missing.
        primaries: chromaticities; None for those of sRGB.

    Example:
        >>> gamma_space(0.45455, None).same
        True
    """
    space = ColorSpace()
    if primaries is not None:
        white_x, white_y, rx, ry, gx, gy, bx, by = primaries
        space = replace(space, primaries=(white_x, white_y, rx, ry, gx, gy, bx, by))
        try:
            with np.errstate(all="ignore"):
                sound = bool(np.isfinite(space.matrix).all()) and np.abs(space.matrix).max() < 100
        except (ZeroDivisionError, np.linalg.LinAlgError):
            sound = False
        if not sound:
            return None
    if file_gamma is None or 0.45 <= file_gamma <= 0.46:
        return space
    return replace(space, gamma=1 / file_gamma) if 0.01 <= file_gamma <= 10 else None


def tone_mapped(light: NDArray[Any], peak: float = PEAK) -> NDArray[Any]:
    """Map HDR to [0, 1]: unchanged up to 0.8, above with a shoulder that ends at the peak.

    With s = (x - k) / (1 - k) for the largest channel x and the knee k = 0.8, and p the same of the
    peak, the result is k + (1 - k) s (1 + s / p^2) / (1 + s) (Reinhard et al. 2002, equation 4):
    slope 1 at the knee, 1 at the peak.

    Args:
        light: (..., C), where 1 is reference white.
        peak: cd/m2 of the brightest light.

    Example:
        >>> tone_mapped(np.array([[0.5], [1.0], [1000 / 203]])).round(2).ravel()
        array([0.5, 0.9, 1. ])
    """
    top = (peak / REFERENCE_WHITE - _KNEE) / (1 - _KNEE)
    largest = np.asarray(light.max(axis=-1, keepdims=True))
    above = np.clip((largest - _KNEE) / (1 - _KNEE), 0, top)
    shoulder = _KNEE + (1 - _KNEE) * above * (1 + above / top**2) / (1 + above)
    scale = np.where(largest > _KNEE, shoulder / np.maximum(largest, _KNEE), 1)
    return np.asarray(light * scale)


def _widened(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Expand numbers of a narrow range (BT.2100, table 9: 16 to 235 times a power of two)."""
    if not bits:
        return values
    most, step = (1 << bits) - 1, 1 << (bits - 8)
    return (values * most - 16 * step) / (219 * step)


def _light_of_srgb(signal: NDArray[Any]) -> NDArray[Any]:
    """IEC 61966-2-1."""
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _to_xyz(primaries: Chromaticities) -> NDArray[np.float64]:
    """Light of three primaries to XYZ, white with Y = 1 (SMPTE RP 177)."""
    white_x, white_y = primaries[:2]
    xy = np.array(primaries[2:]).reshape(3, 2)
    colors = np.column_stack([xy, 1 - xy.sum(axis=1)]).T
    white = np.array([white_x, white_y, 1 - white_x - white_y]) / white_y
    return np.asarray(colors * np.linalg.solve(colors, white))


def _adapted(primaries: Chromaticities) -> NDArray[np.float64]:
    """The same, with the eye adapted to D65 from another white (Bradford)."""
    matrix = _to_xyz(primaries)
    if math.dist(primaries[:2], D65) < 1e-3:
        return matrix
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    seen = bradford @ matrix.sum(axis=1)
    wanted = bradford @ _to_xyz(_SRGB).sum(axis=1)
    return np.asarray(np.linalg.inv(bradford) @ np.diag(wanted / seen) @ bradford @ matrix)
