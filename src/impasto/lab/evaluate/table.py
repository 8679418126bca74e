"""The columns of an evaluation, one typed row each: what is measured, in which unit, what is good.

The report, the command's help and the choice of the worst pairs are read from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from impasto.lab.losses import STYLE_LAYERS


@dataclass(frozen=True)
class Metric:
    """A column.

    Attributes:
        name: of the column.
        unit: in words; empty for a plain ratio.
        better: what is good: ``lower`` or ``higher``.
        versus: how two means are compared: as a ``ratio``, or as a ``difference`` where 0 has no
            meaning or is common.
        digits: behind the point, in the table for people.
        meaning: a line.
        by_layer: one of several columns that another one sums up; kept out of the table for people.
    """

    name: str
    unit: str
    better: Literal["lower", "higher"]
    versus: Literal["ratio", "difference"]
    digits: int
    meaning: str
    by_layer: bool = False


def _layers(name: str, unit: str, meaning: str) -> tuple[Metric, ...]:
    return tuple(
        Metric(f"{name}_{layer}", unit, "lower", "ratio", 3, f"{meaning} {layer}", by_layer=True)
        for layer in STYLE_LAYERS
    )


METRICS: tuple[Metric, ...] = (
    Metric("content", "mean square", "lower", "ratio", 3, "relu4_1 against the AdaIN target"),
    Metric("content_kept", "mean square", "lower", "ratio", 3, "relu4_1 against the content's own"),
    Metric("content_norm", "2-norm", "lower", "ratio", 1, "content, eq. 12 as printed"),
    Metric("style", "mean square", "lower", "ratio", 3, "mean and deviation, four layers summed"),
    *_layers("style", "mean square", "mean and deviation at"),
    Metric("style_paper", "sum of squares", "lower", "ratio", 1, "style, summed over channels"),
    Metric("style_norm", "2-norm", "lower", "ratio", 2, "style, eq. 13 as printed"),
    Metric("gram", "", "lower", "ratio", 3, "relative distance of Gram matrices, mean of layers"),
    *_layers("gram", "", "relative distance of Gram matrices at"),
    Metric("wasserstein", "features", "lower", "ratio", 3, "sliced Wasserstein, mean of layers"),
    *_layers("wasserstein", "features", "sliced Wasserstein at"),
    Metric("colors", "Lab", "lower", "ratio", 2, "colors to the style's, sliced Wasserstein"),
    Metric("ssim", "", "higher", "difference", 3, "structural similarity with the content"),
    Metric("edges", "", "higher", "difference", 3, "gradient similarity with the content"),
    Metric("identity_psnr", "dB", "higher", "difference", 2, "alpha = 0 by the network alone"),
    Metric("clipped", "share", "lower", "difference", 4, "pixels that clipping changes"),
    Metric("checkerboard", "dB", "lower", "difference", 2, "highest frequencies over content's"),
    Metric("seconds", "s", "lower", "ratio", 3, "to paint it, its style looked at anew"),
    Metric("lpips", "", "lower", "difference", 3, "LPIPS with the content (weights of the user)"),
)

COLUMNS: tuple[str, ...] = tuple(metric.name for metric in METRICS)


@dataclass(frozen=True)
class Criterion:
    """What a model must show beside the reference, over the same pairs.

    Attributes:
        metric: a column.
        least: the reference's mean divided by the model's, or for a column that is compared by
            difference the model's mean less the reference's, must exceed this.
        strict: whether being equal fails.
    """

    metric: str
    least: float
    strict: bool


BAR: tuple[Criterion, ...] = (
    Criterion("content", 1.0, strict=True),
    Criterion("style", 1.0, strict=True),
    Criterion("ssim", 0.05, strict=False),
    Criterion("wasserstein", 1.0, strict=False),
)
"""Better than the reference: nearer to the target and to the style, crisper, and not by a gain
that only the training loss sees."""

BADNESS: tuple[str, ...] = ("content", "style", "wasserstein")
"""What makes a pair one of the worst, with SSIM: see ``report.badness``."""


def metric(name: str) -> Metric:
    """The row of a column."""
    return next(row for row in METRICS if row.name == name)
