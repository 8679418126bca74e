"""Impasto: arbitrary style transfer. A picture in the style of another, fast and offline.

Example::

    import impasto

    model = impasto.load("fast")
    wave = model.style("wave.jpg")  # a value, kept and used again
    model.stylize("street.jpg", wave, alpha=0.8).save("out.png")

Names are loaded on first use, so that ``import impasto`` is nearly free.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impasto import augment
    from impasto.batch.figures import grid, strip
    from impasto.controls import Controls
    from impasto.dataset.making import stylize_dataset
    from impasto.dataset.options import DatasetOptions
    from impasto.errors import (
        DatasetError,
        EngineError,
        ImageError,
        ImpastoError,
        ModelError,
        OptionError,
        StyleError,
        VideoError,
        WebError,
    )
    from impasto.images.options import ReadOptions, SaveOptions
    from impasto.images.photo import read_photo
    from impasto.painting import Budget
    from impasto.styles.files import load_style, save_style
    from impasto.styles.style import Style, blend_styles
    from impasto.stylizer import Painted, Stylizer, load
    from impasto.video.film import stylize_video
    from impasto.video.options import VideoOptions
    from impasto.video.painting import stylize_frames

__version__ = "0.1.0"

__all__ = [
    "Budget",
    "Controls",
    "DatasetError",
    "DatasetOptions",
    "EngineError",
    "ImageError",
    "ImpastoError",
    "ModelError",
    "OptionError",
    "Painted",
    "ReadOptions",
    "SaveOptions",
    "Style",
    "StyleError",
    "Stylizer",
    "VideoError",
    "VideoOptions",
    "WebError",
    "__version__",
    "augment",
    "blend_styles",
    "grid",
    "load",
    "load_style",
    "read_photo",
    "save_style",
    "strip",
    "stylize_dataset",
    "stylize_frames",
    "stylize_video",
]

_HOMES = {
    "impasto.batch.figures": ("grid", "strip"),
    "impasto.controls": ("Controls",),
    "impasto.dataset.making": ("stylize_dataset",),
    "impasto.dataset.options": ("DatasetOptions",),
    "impasto.errors": (
        "DatasetError",
        "EngineError",
        "ImageError",
        "ImpastoError",
        "ModelError",
        "OptionError",
        "StyleError",
        "VideoError",
        "WebError",
    ),
    "impasto.images.options": ("ReadOptions", "SaveOptions"),
    "impasto.images.photo": ("read_photo",),
    "impasto.painting": ("Budget",),
    "impasto.styles.files": ("load_style", "save_style"),
    "impasto.styles.style": ("Style", "blend_styles"),
    "impasto.stylizer": ("Painted", "Stylizer", "load"),
    "impasto.video.film": ("stylize_video",),
    "impasto.video.options": ("VideoOptions",),
    "impasto.video.painting": ("stylize_frames",),
}
_MODULES = ("augment",)
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})
