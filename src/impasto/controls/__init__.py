"""Controls: all settings of how a picture is painted, one file each.

==============  ===============================================================
Nothing heavy is imported here: the command line builds its options from the fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from impasto.errors import OptionError, counted
from impasto.images.options import option

if TYPE_CHECKING:
    from impasto.controls.masks import Mask
    from impasto.images.photo import Picture

    Map: TypeAlias = Picture | Mask
    """A mask or a map of strength: a picture of it, or an array of numbers."""

__all__ = ["STATISTICS", "Controls"]

STATISTICS = ("region", "image")
"""The parts of a photograph that a style can be fitted to: that of its mask, or all of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Controls:
    """All settings of a painting, checked on construction.

    :meth:`check_count` checks what depends on the number of styles. Pictures of masks and maps may
    be given as files, which :meth:`opened` reads.

    Attributes:
        alpha: strength in [0, 2], a number or a map: 0 is the photograph, 1 the full style, higher
            values exaggerate it.
        weights: one for each style, 0 or more; only their ratios count. None: all equal.
        masks: one for each style, which selects its region; what no mask covers stays the
            photograph. Empty: every style is applied everywhere.
        statistics: "region" aligns each style with the photograph's statistics within its mask, as
            the paper's code does; "image" aligns all of them with those of the whole.
        color: a name in ``impasto.controls.color.METHODS``, or None.
        transform: a name in ``impasto.controls.transforms.TRANSFORMS``: the statistics to align.
            "adain" is the paper's.
        coarse: from 1 to 4, the factor by which strokes become larger.
        descreen: from 0 to 1, the share of the fine mesh that is removed from smooth areas; None:
            the share that each style asks for.
        behavior: "impasto", or "authors" or "port" to follow their code where the paper leaves room
            (:data:`impasto.controls.behavior.BEHAVIORS`).

    Raises:
        OptionError: if a value is out of its range, or a mask is 0 everywhere.

    Example:
        >>> Controls(alpha=0.8, weights=[2, 1]).weights
        (2, 1)
        >>> Controls(alpha=3)
        Traceback (most recent call last):
        impasto.errors.OptionError: alpha must be a number from 0 to 2, not 3
    """

    alpha: float | Map = option(
        1.0,
        "Strength: 0 the photograph, 1 the full style, up to 2; or a gray picture as a map of "
        "strength.",
        metavar="A|FILE",
    )
    weights: Sequence[float] | None = option(
        None,
        "Weight of each style, in the order of -s.",
        metavar="W,W,...",
        shown="equal",
    )
    masks: Sequence[Map] = option(
        (),
        "Mask of a style's area, one for each -s (with --all-pairs one for all): a gray picture, "
        "or one with an alpha channel. Areas outside all masks keep the photograph.",
        flag="mask",
        metavar="FILE",
    )
    statistics: str = option(
        "region",
        "Part of the photograph that a style's statistics are matched to: region, its mask; image, "
        "all of it.",
        metavar="region|image",
    )
    color: str | None = option(
        None,
        "Keep the photograph's colors: cholesky, eigen, monge-kantorovich, coral or luminance; or "
        "only, to take just the style's colors.",
        metavar="NAME",
        complete=("cholesky", "eigen", "monge-kantorovich", "coral", "luminance", "only"),
    )
    transform: str = option(
        "adain",
        "Feature transform: adain, mean, std, min-max, wct, ost or efdm. All but the first three "
        "need a model with a VGG encoder.",
        metavar="NAME",
        complete=("adain", "mean", "std", "min-max", "wct", "ost", "efdm"),
    )
    coarse: float = option(
        1.0,
        "Factor by which strokes are enlarged, 1 to 4.",
        metavar="K",
        special="paint larger strokes",
    )
    descreen: float | None = option(
        None,
        "Share of the model's fine mesh to remove from smooth areas, 0 to 1.",
        metavar="SHARE",
        shown="1 for tuned styles, such as the gallery's; 0 for others",
        special="remove a mesh",
    )
    behavior: str = option(
        "impasto",
        "Implementation to follow where the paper leaves details open, to compare results: authors "
        "and port use hard masks, and the decoder's output at strength 0.",
        metavar="impasto|authors|port",
        special="follow another implementation",
    )

    def __post_init__(self) -> None:
        changed: dict[str, Any] = {}  # a frozen value is normalized once, here
        if self.statistics not in STATISTICS:
            raise OptionError(
                f"statistics must be {' or '.join(STATISTICS)}, not {self.statistics!r}"
            )
        if type(self.alpha) is not float or not 0 <= self.alpha <= 2:
            from impasto.controls.masks import prepare_alpha

            changed["alpha"] = prepare_alpha(self.alpha)
        if self.weights is not None:
            from impasto.controls.affine import check_weights

            changed["weights"] = tuple(self.weights)
            check_weights(changed["weights"], len(changed["weights"]))
        if self.color is not None:
            from impasto.controls.color import find_method

            find_method(self.color)
        if self.transform != "adain":
            from impasto.controls.transforms import find_transform

            find_transform(self.transform)
        if not isinstance(self.masks, tuple) or self.masks:
            from impasto.controls.masks import as_list, prepare_mask

            masks = [] if self.masks is None else as_list(self.masks)
            changed["masks"] = tuple(
                prepare_mask(each, f"mask {i + 1}") for i, each in enumerate(masks)
            )
        if self.coarse != 1:
            from impasto.controls.coarse import check_coarse

            changed["coarse"] = check_coarse(self.coarse)
        if self.descreen is not None:
            from impasto.controls.descreen import check_descreen

            changed["descreen"] = check_descreen(self.descreen)
        if self.behavior != "impasto":
            from impasto.controls.behavior import find_behavior

            find_behavior(self.behavior)
        for name, value in changed.items():
            object.__setattr__(self, name, value)

    def check_count(self, styles: int) -> None:
        """Refuse weights or masks unless there is one for each style.

        Raises:
            OptionError: with both numbers.

        Example:
            >>> Controls(weights=[2, 1]).check_count(2)
        """
        if self.weights is not None or styles < 1:
            from impasto.controls.affine import check_weights

            check_weights(self.weights, styles)
        if self.masks and len(self.masks) != styles:
            raise OptionError(
                f"there must be one mask for each style, not {counted(len(self.masks), 'mask')} "
                f"for {counted(styles, 'style')}: give as many masks as styles, in their order"
            )

    def opened(self, files: ExitStack, *, max_pixels: int) -> Controls:
        """Return the same controls with all pictures of masks and maps read.

        Args:
            files: closes the files that stay open, since large pictures are read in parts.
            max_pixels: larger pictures are refused.

        Raises:
            ImageError: if a picture cannot be read, or a mask is in color without transparency.
            OptionError: if a mask is 0 everywhere.

        Example:
            >>> with ExitStack() as files:                                   # doctest: +SKIP
            ...     Controls(masks=["sky.png"]).opened(files, max_pixels=10**9).masks[0].shape
        """
        from impasto.controls.masks import open_mask

        return replace(
            self,
            alpha=open_mask(self.alpha, files, max_pixels=max_pixels),
            masks=[open_mask(mask, files, max_pixels=max_pixels) for mask in self.masks],
        )
