"""The lab: everything to make and study models.  Needs PyTorch: ``pip install 'impasto[lab]'``.

Its public names are loaded on first use, so that ``impasto lab --help`` needs no PyTorch::

    from impasto.lab import AdaIN, gram_loss, load_vgg
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from impasto.errors import ImpastoError

_NAMES: dict[str, tuple[str, ...]] = {
    "impasto.lab.evaluate.foreign": ("JudgedPictures",),
    "impasto.lab.evaluate.painters": ("PainterOptions",),
    "impasto.lab.evaluate.pairs": ("PairOptions",),
    "impasto.lab.evaluate.run": (
        "Evaluation",
        "JudgeOptions",
        "evaluate_models",
        "score_pictures",
    ),
    "impasto.lab.export.publish": (
        "publish_adain",
        "publish_decoder",
        "publish_run",
    ),
    "impasto.lab.losses": (
        "adversarial_loss",
        "content_loss",
        "critic_loss",
        "gram",
        "gram_loss",
        "histogram_loss",
        "mmd_loss",
        "moment_loss",
        "sliced_wasserstein_loss",
        "style_loss",
        "style_moments",
        "total_variation",
    ),
    "impasto.lab.losses.patches": (
        "Bank",
        "patch_loss",
        "style_swap",
    ),
    "impasto.lab.methods.adain": (
        "AdaINNetwork",
        "Decoder",
    ),
    "impasto.lab.methods.cin": (
        "CIN",
        "CINShape",
    ),
    "impasto.lab.methods.cnnmrf": ("CNNMRF",),
    "impasto.lab.methods.compact.losses": (
        "color_loss",
        "mesh_loss",
        "weave_loss",
    ),
    "impasto.lab.methods.compact.network": (
        "FAST",
        "QUALITY",
        "Compact",
    ),
    "impasto.lab.methods.compact.scales": ("CompactShape",),
    "impasto.lab.methods.gatys": ("Gatys",),
    "impasto.lab.methods.johnson": (
        "Johnson",
        "JohnsonShape",
    ),
    "impasto.lab.methods.style_swap": (
        "Inverse",
        "StyleSwap",
    ),
    "impasto.lab.methods.stylebank": (
        "StyleBank",
        "StyleBankShape",
    ),
    "impasto.lab.methods.ulyanov": (
        "Ulyanov",
        "UlyanovShape",
    ),
    "impasto.lab.nets.batchnorm": (
        "BatchNorm",
        "BatchRenorm",
        "reestimate",
    ),
    "impasto.lab.nets.codes": (
        "Noise",
        "StyleCode",
    ),
    "impasto.lab.nets.network": ("EncoderDecoder",),
    "impasto.lab.nets.normalization": (
        "AdaIN",
        "ConditionalInstanceNorm",
        "GroupNorm",
        "InstanceNorm",
        "LayerNorm",
        "adain",
        "mean_std",
        "min_max",
        "normalize",
        "standardize",
        "whiten",
    ),
    "impasto.lab.nets.vgg": (
        "VGG",
        "load_vgg",
    ),
    "impasto.lab.optimize.painter": ("Method",),
    "impasto.lab.training.builtin": ("Layers",),
    "impasto.lab.training.config": (
        "BuiltInMethod",
        "ManyStylesMethod",
        "Tables",
        "TrainConfig",
        "read_config",
        "built_in_tables",
        "write_config",
    ),
    "impasto.lab.training.loop": ("train",),
    "impasto.lab.training.networks": (
        "BuiltInRow",
        "NetworkRow",
    ),
    "impasto.lab.training.painting": (
        "RunPainter",
        "open_run",
    ),
    "impasto.lab.training.terms": (
        "GRAM_TERMS",
        "STYLE_TERMS",
        "Term",
    ),
}
"""The public names, by their module."""

_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_HOMES)


def require_torch() -> None:
    """Raise ``ImpastoError`` where PyTorch is not installed."""
    try:
        import_module("torch")
    except ModuleNotFoundError as error:
        raise ImpastoError("impasto.lab needs PyTorch; pip install 'impasto[lab]'") from error


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_torch()
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
