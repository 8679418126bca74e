"""Impasto: arbitrary style transfer. A picture in the style of another, fast and offline.

Example::

    import impasto

    model = impasto.load("fast")
    wave = model.style("wave.jpg")  # a value, kept and used again
    model.stylize("street.jpg", wave, alpha=0.8).save("out.png")

Names are loaded at their first use, so that ``import impasto`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impasto.errors import (
        EngineError,
        ImageError,
        ImpastoError,
        ModelError,
        OptionError,
        StyleError,
    )
    from impasto.painting.steps import Painted
    from impasto.styles.files import load_style, save_style
    from impasto.styles.style import Style, blend_styles
    from impasto.stylizer import Stylizer, load

__version__ = "0.1.0.dev0"

__all__ = [
    "EngineError",
    "ImageError",
    "ImpastoError",
    "ModelError",
    "OptionError",
    "Painted",
    "Style",
    "StyleError",
    "Stylizer",
    "__version__",
    "blend_styles",
    "load",
    "load_style",
    "save_style",
]

_HOMES = {
    "EngineError": "impasto.errors",
    "ImageError": "impasto.errors",
    "ImpastoError": "impasto.errors",
    "ModelError": "impasto.errors",
    "OptionError": "impasto.errors",
    "Painted": "impasto.painting.steps",
    "Style": "impasto.styles.style",
    "StyleError": "impasto.errors",
    "Stylizer": "impasto.stylizer",
    "blend_styles": "impasto.styles.style",
    "load": "impasto.stylizer",
    "load_style": "impasto.styles.files",
    "save_style": "impasto.styles.files",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
