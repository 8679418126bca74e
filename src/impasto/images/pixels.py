"""Pixels of any kind -> float planes: turned upright, from their color space to sRGB."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from impasto.errors import ImageError
from impasto.images.cicp import ColorSpace
from impasto.images.icc import srgb_profile, to_srgb
from impasto.images.ranges import Census, ValueRange, fractions

# EXIF orientation to the transposition that undoes it (EXIF 2.3, tag 0x0112).
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

DEEP_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
"""Modes of Pillow images of more than 8 bits per channel."""

# Names of values in messages.
_COLOR, _ALPHA = "floats", "an alpha of floats"

# The mode that an ICC profile of a color space describes.
_PROFILE_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}


@dataclass(frozen=True, eq=False)
class Deep:
    """Pixels at the depth of the file, with their stored values.

    Attributes:
        values: (H, W, 1) grey or (H, W, 3) RGB: uint16, or floats where 1 is white.
        alpha: (H, W) of the same kind, or None.
        white: the value of white in ``values`` and of opaque in ``alpha``.
        value_range: of floats: the values that are black and white (and clear and opaque) instead,
            if the user gave them.
    """

    values: NDArray[Any]
    alpha: NDArray[Any] | None = None
    white: int = 65535
    value_range: ValueRange | None = None

    def upright(self, orientation: int) -> Deep:
        """Turn rows and columns as EXIF 2.3 specifies for tag 0x0112; itself if upright already."""
        if orientation not in UPRIGHT:
            return self
        alpha = None if self.alpha is None else _turned(self.alpha, orientation)
        return replace(self, values=_turned(self.values, orientation), alpha=alpha)


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Return the picture turned by its EXIF orientation; itself if it is upright already."""
    if orientation not in UPRIGHT:
        return picture
    turned = picture.transpose(UPRIGHT[orientation])
    turned.info = picture.info
    return turned


def deep_planes(
    deep: Deep, profile: bytes | None, *, name: str, space: ColorSpace | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return color (H, W, 3), sRGB, and alpha (H, W) or None, in [0, 1], of deep pixels.

    Args:
        deep: with their stored values.
        profile: their ICC profile, if they have one.
        name: what to call the picture in a message.
        space: their colors, where they are declared otherwise; overrides the profile.

    Raises:
        ImageError: if the values are not fractions of white.
    """

    def scaled(values: NDArray[Any], what: str) -> NDArray[np.float32]:
        return fractions(values, deep.value_range, white=deep.white, name=name, what=what)

    color = scaled(deep.values, _COLOR)
    alpha = None if deep.alpha is None else scaled(deep.alpha, _ALPHA)
    color = np.ascontiguousarray(_deep_srgb(color, profile, space))
    return color, None if alpha is None else np.ascontiguousarray(alpha)


def deep_error(parts: Iterable[Deep], *, name: str) -> ImageError | None:
    """Return the error about values that are not fractions of white, with the numbers of all parts.

    Args:
        parts: the picture, rows from the top.
        name: what to call it.

    Returns:
        None if the values are valid.
    """
    counts: dict[str, Census] = {}
    for deep in parts:
        for what, values in ((_COLOR, deep.values), (_ALPHA, deep.alpha)):
            if values is not None:
                counts.setdefault(what, Census(white=deep.white)).add(values)
    errors = [census.error(name, what) for what, census in counts.items()]
    return next((error for error in errors if error is not None), None)


def planes(
    picture: Image.Image,
    *,
    name: str,
    space: ColorSpace | None = None,
    value_range: ValueRange | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return sRGB color (H, W, 3) and alpha (H, W) or None, in [0, 1], of any Pillow image.

    Args:
        picture: upright, with its ICC profile, if it has one.
        name: what to call it in a message.
        space: its colors, where they are declared otherwise; overrides the profile.
        value_range: black and white of floats and integers of 32 bits, if the user gave them.

    Raises:
        ImageError: if grey of more than 8 bits is not within the range.
    """
    profile = picture.info.get("icc_profile")
    if picture.mode in DEEP_MODES:
        return _grey_planes(picture, profile, name, space, value_range)
    alpha = None
    if picture.mode == "1":
        picture = picture.convert("L")
        # White as the transparent color is 1 in some releases of Pillow, 255 in others.
        if picture.info.get("transparency"):
            picture.info["transparency"] = 255
    if picture.has_transparency_data:
        both = picture.convert("LA" if picture.mode in ("L", "LA", "La") else "RGBA")
        alpha = np.asarray(both.getchannel("A"), np.float32) / np.float32(255)
        picture = both.convert(both.mode[:-1])
    if picture.mode not in _PROFILE_MODES.values():
        picture = picture.convert("RGB")
    if space is not None and picture.mode in ("L", "RGB"):
        values = np.asarray(picture, np.float32) / np.float32(255)
        return space.to_srgb(values.reshape(*values.shape[:2], -1)), alpha
    return np.asarray(_to_srgb(picture, profile), np.float32) / np.float32(255), alpha


def profile_remark(picture: Image.Image, *, deep: bool) -> str:
    """Return a clause about an ICC profile that cannot be used, "" for none.

    Args:
        picture: with its profile, if it has one; not necessarily decoded.
        deep: True if a reader other than Pillow reads its pixels, so that its mode does not matter.
    """
    profile = picture.info.get("icc_profile")
    if not profile or profile == srgb_profile():
        return ""
    mode = picture.mode if picture.mode in ("CMYK", "LAB") else "RGB"
    if picture.mode in ("1", "L", "LA", "La", *DEEP_MODES):
        mode = "L"
    try:
        space = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip()
    except Exception:  # Pillow's own for a broken one, and any that malformed bytes cause
        return "its ICC profile is damaged: sRGB is assumed"
    of = _PROFILE_MODES.get(space)
    if of is not None and (deep or of == mode or (of == "RGB" and mode == "L")):
        return ""
    return f"its ICC profile is for {space}, not for mode {picture.mode}, and is ignored"


def as_stored(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Lay values of an upright picture, (H, W) or (H, W, C), out in its stored orientation.

    Example:
        >>> as_stored(np.array([[1, 2]]), 6)
        array([[2],
               [1]])
    """
    return _turned(values, {6: 8, 8: 6}.get(orientation, orientation))


def _turned(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values


def _grey_planes(
    picture: Image.Image,
    profile: bytes | None,
    name: str,
    space: ColorSpace | None,
    value_range: ValueRange | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Read grey of more than 8 bits; Pillow's own ``convert`` would clip it at 255."""
    values, white = grey_values(picture)
    what = f"mode {picture.mode}, values"
    grey = fractions(values, value_range, white=white, name=name, what=what)
    hole = picture.info.get("transparency")
    alpha = None if hole is None else (values != hole).astype(np.float32)
    return _deep_srgb(grey[..., None], profile, space), alpha


def grey_error(picture: Image.Image, *, name: str) -> ImageError | None:
    """Return the error about grey of more than 8 bits, with the numbers of the whole picture."""
    values, white = grey_values(picture)
    census = Census(white=white)
    census.add(values)
    return census.error(name, f"mode {picture.mode}, values")


def grey_values(picture: Image.Image) -> tuple[NDArray[Any], int]:
    """Return the values of a deep grey Pillow image, and their white."""
    return np.asarray(picture), 1 if picture.mode == "F" else 65535


def _deep_srgb(
    values: NDArray[np.float32], profile: bytes | None, space: ColorSpace | None
) -> NDArray[np.float32]:
    """Convert grey or RGB to (H, W, 3), from its space, or through its ICC profile if that fits."""
    if space is not None:
        return space.to_srgb(values)
    if profile:
        with suppress(Exception):  # a broken profile is no reason to refuse the picture
            return to_srgb(values, profile)
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert 8-bit pictures of mode L, RGB, CMYK or LAB to RGB, by ICC profile if it fits."""
    if profile and profile == srgb_profile():
        profile = None
    try:
        if profile or picture.mode == "LAB":
            return _through_profile(picture, profile)
    except Exception:  # a broken profile is no reason to refuse the picture
        if picture.mode == "LAB":
            return _through_profile(picture, None)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _through_profile(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    else:
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    mode = _PROFILE_MODES.get(source.profile.xcolor_space.strip())
    if mode == "RGB" and picture.mode == "L":  # grey stored with the profile of its color original
        picture = picture.convert("RGB")
    if mode != picture.mode:
        raise ValueError(f"a profile for {mode} on a picture of mode {picture.mode}")
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        picture.mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return transform.apply(picture)
