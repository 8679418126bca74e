"""The page as files and facts: the same for a folder of files and for a server.

The page reads its kind from ``site.json`` (:func:`describe`): pictures are painted in the
browser ("device") or by the machine behind the page ("server"). Its own files are those of
:func:`page_files`. Every address is relative to the page, since it may lie in a folder of a site::

    index.html, main.js ...                  the page
    site.json                                describe()
    sample.jpg                               a photograph to begin with
    models/NAME/styles.json                  gallery()
    models/NAME/styles/STYLE.webp            thumbnail()
    models/NAME/card.json, encoder.onnx ...  of a page that paints in the browser
    models/NAME/decoder.int8.onnx            its decoder in int8, where it has one
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from PIL import Image

from impasto import __version__
from impasto.images.photo import read_photo
from impasto.images.resizing import resize
from impasto.models import Card
from impasto.painting import Content
from impasto.styles.library import Entry, list_styles
from impasto.styles.style import Style
from impasto.stylizer import Stylizer

__all__ = [
    "ENTRY",
    "POLICY",
    "SAMPLE",
    "SITE",
    "THUMBNAIL_SIDE",
    "Home",
    "Model",
    "Runtime",
    "SiteLimits",
    "describe",
    "encoded_sample",
    "folder_of",
    "gallery",
    "page_files",
    "styles_address",
    "thumbnail",
    "thumbnail_address",
]

STATIC = Path(__file__).parent / "static"

ENTRY, SITE, SAMPLE = "index.html", "site.json", "sample.jpg"

POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: not a byte from another origin."""

THUMBNAIL_SIDE = 160
"""Sides of a thumbnail of the gallery, in pixels."""

# Shorter side of the sample when it is painted for thumbnails: strokes are visible at this scale.
_PAINTED_SIDE = 240

_THUMBNAIL_QUALITY = 72

# Files of both kinds of pages: `impasto live` has them at another place.
_SHARED = ("base.css", "icon.svg")

_TYPES = ".d.ts"

_PUBLIC = ", public domain"

Home: TypeAlias = Literal["device", "server"]


class Model(Protocol):
    """Anything that has the card of a model and its identity: a bundle, or a stylizer."""

    @property
    def card(self) -> Card:
        """The card."""
        ...

    @property
    def identity(self) -> str:
        """The identity that styles are made for."""
        ...


@dataclass(frozen=True)
class Runtime:
    """Addresses of ONNX Runtime on a page that paints in the browser.

    Attributes:
        wasm: address of its module; the files that it loads are beside it.
        webgpu: address of its module for WebGPU; None: only the processor paints.
    """

    wasm: str
    webgpu: str | None = None


@dataclass(frozen=True)
class SiteLimits:
    """Limits of a server, None for no limit.

    Attributes:
        bytes: size of a request.
        pixels: pixels of a picture.
    """

    bytes: int | None = None
    pixels: int | None = None


def page_files() -> dict[str, Path]:
    """The page's own files by their addresses, relative to the page.

    Types are left out. The worker ``sw.js`` is among them, to which ``impasto page build`` adds the
    list of all files. Unchanged, it removes itself, and what a page of files had kept at the
    address of the server.

    Example:
        >>> page_files()["base.css"].name
        'base.css'
    """
    root = STATIC / "page"
    own = {
        path.relative_to(root).as_posix(): path
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(_TYPES)
    }
    return {**own, **{name: STATIC / name for name in _SHARED}}


def describe(
    home: Home,
    models: Sequence[Model],
    *,
    version: str = __version__,
    runtime: Runtime | None = None,
    films: str | None = None,
    limits: SiteLimits = SiteLimits(),
    token: bool = False,
) -> dict[str, Any]:
    """The content of ``site.json``: which page this is (``Site`` in ``types.d.ts``).

    Args:
        home: where pictures are painted.
        models: the first is the one that the page begins with.
        version: another for other files.
        runtime: runtime of a page that paints in the browser.
        films: the address of mediabunny; None: the page paints no films.
        limits: limits of a server.
        token: whether a server requires one.

    Example:
        >>> describe("server", [])["home"]
        'server'
    """
    return {
        "version": version,
        "home": home,
        "models": [_model_row(home, each) for each in models],
        "runtime": runtime and {"wasm": runtime.wasm, "webgpu": runtime.webgpu},
        "films": films,
        "sample": SAMPLE,
        "limits": {"bytes": limits.bytes, "pixels": limits.pixels},
        "token": token,
    }


def folder_of(model: str) -> str:
    """The folder of a model's files, relative to the page, without a slash at its end.

    Example:
        >>> folder_of("fast")
        'models/fast'
    """
    return f"models/{model}"


def styles_address(model: str) -> str:
    """The address of the list of a model's styles.

    Example:
        >>> styles_address("fast")
        'models/fast/styles.json'
    """
    return f"{folder_of(model)}/styles.json"


def thumbnail_address(model: str, style: str) -> str:
    """The address of the thumbnail of a style.

    Example:
        >>> thumbnail_address("fast", "munch-scream")
        'models/fast/styles/munch-scream.webp'
    """
    return f"{folder_of(model)}/styles/{style}.webp"


def gallery(model: Model, home: Home, *, own: bool = False) -> list[dict[str, Any]]:
    """The rows of a model's gallery (``SiteStyle`` in ``types.d.ts``).

    Args:
        model: the model that paints.
        home: where it paints; a page without a server gets the style files.
        own: also the styles that the user has added; they come first.

    Example:
        >>> rows = gallery(find_bundle("fast"), "server")                    # doctest: +SKIP
        >>> next(row["title"] for row in rows if row["name"] == "munch-scream")  # doctest: +SKIP
        'The Scream'
    """
    card = model.card
    if card.styles:
        return [_style_row(card.name, name, _in_words(name), None) for name in card.styles]
    found = [each for each in list_styles(model=model.identity, own=own) if each.style is not None]
    return [
        _style_row(
            card.name,
            entry.name,
            _title(entry),
            base64.b64encode(entry.path.read_bytes()).decode() if home == "device" else None,
        )
        for entry in found
    ]


def thumbnail(stylizer: Stylizer, style: Style, sample: Content | None = None) -> bytes:
    """Paint the middle of the sample photograph in a style: a WebP file of a few kB.

    Args:
        stylizer: the model.
        style: a style made for it.
        sample: the photograph as :func:`encoded_sample` gives it, for more than one thumbnail.

    Example:
        >>> sample = encoded_sample(stylizer)                                # doctest: +SKIP
        >>> len(thumbnail(stylizer, stylizer.find("munch-scream"), sample))  # doctest: +SKIP
        5122
    """
    image = stylizer.paint(sample or encoded_sample(stylizer), style).image
    height, width = image.shape[:2]
    top, left = (height - THUMBNAIL_SIDE) // 2, (width - THUMBNAIL_SIDE) // 2
    part = image[top : top + THUMBNAIL_SIDE, left : left + THUMBNAIL_SIDE]
    encoded = io.BytesIO()
    Image.fromarray(np.rint(part * 255).astype(np.uint8)).save(
        encoded, "WEBP", quality=_THUMBNAIL_QUALITY, method=6
    )
    return encoded.getvalue()


def encoded_sample(stylizer: Stylizer) -> Content:
    """Encode the sample photograph, once for all thumbnails of a model.

    Example:
        >>> encoded_sample(impasto.load("fast")).model                       # doctest: +SKIP
    """
    image = read_photo(STATIC / "page" / SAMPLE).image
    return stylizer.encode(resize(image, _PAINTED_SIDE))


def _model_row(home: Home, model: Model) -> dict[str, Any]:
    card = model.card
    folder = folder_of(card.name) if home == "device" else None
    return {
        "name": card.name,
        "title": card.title,
        "identity": model.identity,
        "card": folder and f"{folder}/card.json",
        "encoder": folder and f"{folder}/encoder.onnx",
        "decoder": folder and f"{folder}/decoder.onnx",
        "decoder_int8": f"{folder}/decoder.int8.onnx" if folder and card.int8 else None,
        "reader": f"{folder}/reader.onnx" if folder and card.reader_macs_512 else None,
        "styles": styles_address(card.name),
    }


def _style_row(model: str, name: str, title: str, file: str | None) -> dict[str, Any]:
    address = thumbnail_address(model, name)
    return {"name": name, "title": title, "thumbnail": address, "file": file}


def _title(entry: Entry) -> str:
    """The title in the note of a picture of the gallery: "Painter, Title (year), public domain"."""
    note = entry.style.note if entry.style is not None and entry.gallery else ""
    _painter, comma, title = note.removesuffix(_PUBLIC).partition(", ")
    if not note.endswith(_PUBLIC) or not comma:
        return _in_words(entry.name)
    return title.partition(" (")[0]


def _in_words(name: str) -> str:
    words = name.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]
