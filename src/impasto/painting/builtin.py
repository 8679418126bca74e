"""Networks trained for their styles: whole pictures, styles by name or by file.

Their normalization takes statistics of the whole picture within the network, so they cannot paint
in tiles: a picture that does not fit into memory is refused. The parameters of a style, a bank of
filters or the gammas and betas of all layers, are a row of numbers beside the graphs, so styles are
mixed like numbers, and one that was trained elsewhere for the same graphs works like the built-in
ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls.color.matching import restore_colors
from impasto.controls.moments import cell_average
from impasto.controls.regions import StyleMap
from impasto.errors import ImageError, ModelError, StyleError
from impasto.images.arrays import Photo, in_memory
from impasto.images.windows import PaintedTile, Source
from impasto.models.bundle import Bundle
from impasto.models.card import Card
from impasto.models.engine import Engine
from impasto.painting import Budget, Limits, Progress, Watch, refuse_settings
from impasto.painting.plan import memory_at_once, plan_whole
from impasto.painting.tiles import Content, keep_photograph
from impasto.styles.files import read_style
from impasto.styles.style import Style

if TYPE_CHECKING:
    from impasto.controls import Controls


@dataclass(frozen=True, eq=False)
class BuiltInPainter:
    """A network with built-in styles; a ``Painter``.

    Attributes:
        card: the model's card; ``card.styles`` are the names of its styles.
        engine: runs it.
        identity: 16 hexadecimal digits.
        styles: the built-in styles, by name.
    """

    card: Card
    engine: Engine
    identity: str
    styles: Mapping[str, Style]

    @classmethod
    def of(cls, bundle: Bundle, engine: Engine) -> BuiltInPainter:
        """Make the painter of a bundle, with its styles.

        Raises:
            ModelError: if a style in it is damaged or for another model.
        """
        card, identity = bundle.card, bundle.identity
        styles = {name: Style(name, identity, (), model_name=card.name) for name in card.styles}
        for name, data in zip(card.styles, bundle.styles, strict=False):
            try:
                found = read_style(data)
            except ValueError as error:
                raise ModelError(f"style {name!r} of model {card.name!r}: {error}") from error
            if found.model != identity or not _fits(found, card):
                raise ModelError(
                    f"style {name!r} in model {card.name!r} is of another model; get it again"
                )
            styles[name] = replace(found, name=name, model_name=card.name)
        return cls(card, engine, identity, styles)

    @property
    def name(self) -> str:
        """See :class:`impasto.painting.Painter`."""
        return self.card.name

    @property
    def limits(self) -> Limits:
        """The controls on its card."""
        can = self.card.controls
        return Limits(
            alpha=(0.0, 2.0) if "alpha" in can else (1.0, 1.0),
            alpha_map="alpha" in can and "masks" in can,
            several="several" in can,
            masks="masks" in can,
            tiles=False,
            styles=self.card.styles,
        )

    def with_settings(self, settings: Mapping[str, object]) -> BuiltInPainter:
        """Refuse every setting, since a trained model has none.

        Raises:
            OptionError: naming the setting.
        """
        refuse_settings(self.name, settings)
        return self

    def style(self, photo: Photo, transform: str) -> Style:
        """Refuse a picture, since built-in styles have names.

        Raises:
            StyleError: always.
        """
        raise StyleError(f"a picture cannot be a style of model {self.name!r}")

    def encode(
        self,
        source: Source,
        budget: Budget,
        *,
        held: tuple[int, int] = (0, 0),
        watch: Watch | None = None,
    ) -> Content:
        """Read a whole photograph, and encode it where styles are applied after that, as banks are.

        Raises:
            ImageError: if it does not fit into memory.
        """
        height, width = source.height, source.width
        needed = memory_at_once(height, width, card=self.card)
        if needed > budget.memory:
            fixed = memory_at_once(0, 0, card=self.card)
            share = (budget.memory - fixed) / (needed - fixed)
            side = math.floor(min(height, width) * math.sqrt(max(share, 0.0)) * 0.98)
            mend = f"give --size {side} or less, or" if side >= 16 else "give"
            raise ImageError(
                f"{source.name}: {width} x {height} pixels need {needed / 1e6:,.0f} MB with model "
                f"{self.name!r}, which needs the whole picture at once and cannot paint in tiles, "
                f"but memory is {budget.memory / 1e6:,.0f} MB; {mend} more memory"
            )
        plan = plan_whole(height, width, card=self.card)
        content = Content.of(in_memory(source), self.card, plan, model=self.identity)
        if not self.card.bank_channels:
            return content
        return replace(content, features=(self.engine.run("encoder", {"image": content.planes}),))

    def paint(
        self,
        content: Content,
        styles: Sequence[Style | Photo],
        controls: Controls,
        watch: Watch | None = None,
    ) -> Iterator[PaintedTile]:
        """Paint a whole photograph; see :meth:`impasto.painting.Painter.paint`.

        Raises:
            OptionError: unless there is one weight and one mask, if any, for each style.
            EngineError: if the engine fails.
        """
        start = perf_counter()
        height, width = content.size
        rows, columns = slice(0, height), slice(0, width)
        amounts = StyleMap(controls, len(styles), height, width)
        spread = content.padded(amounts.window, *content.whole)
        if spread.ndim > 1:
            spread = cell_average(spread, self.card.multiple)
        values = self._values(styles)
        planes = content.planes
        features = None if content.features is None else content.features[0]
        aligned = perf_counter()
        made = paint_values(self.engine, planes, features, values, spread)
        top = self.card.margin
        made = made[:, top : top + height, top : top + width].transpose(1, 2, 0)
        result = np.clip(made, 0.0, 1.0, out=np.empty(made.shape, np.float32))
        image, alpha = content.source.window(rows, columns)
        if controls.color is not None:
            result = restore_colors(result, image, method=controls.color)
        result = keep_photograph(result, image, content.seen(alpha), amounts.window(rows, columns))
        times = 0.0, aligned - start, perf_counter() - aligned
        yield PaintedTile(rows, columns, result, alpha, times)
        if watch is not None:
            watch(Progress(1, 1))

    def _values(self, styles: Sequence[Any]) -> NDArray[np.float32]:
        """Return the numbers of each style, (K, P); P is 0 where the one style is the network."""
        rows = [np.zeros(0) if each.parameters is None else each.parameters for each in styles]
        return np.stack(rows).astype(np.float32)


def paint_values(
    engine: Engine,
    planes: NDArray[np.float32],
    features: NDArray[np.float32] | None,
    values: NDArray[np.float32],
    amounts: NDArray[np.floating[Any]],
) -> NDArray[np.float32]:
    """Paint a picture in styles that are rows of numbers.

    Banks ``K_k`` filter the features F, each in the region of its style, and features without a
    style stay unchanged, ``sum_k K_k * (u_k F) + (1 - sum_k u_k) F`` (StyleBank, section 3.3).
    Where the strengths ``u_k`` are uniform the banks are mixed first. In other networks the numbers
    are gammas and betas, which are mixed by the ratios of strengths.

    Args:
        engine: runs the graphs.
        planes: (3, H, W), the picture.
        features: (C, h, w), the output of the encoder; None for networks without banks.
        values: (K, P), the numbers of K styles.
        amounts: their strengths, (K,) or (K, h, w).

    Returns:
        (3, H, W) float32, not clipped.

    Raises:
        EngineError: if the engine fails.
    """
    if features is None:
        if not values.size:
            return engine.run("painter", {"image": planes})
        mixed = _column(amounts / amounts.sum() @ values.astype(np.float64))
        return engine.run("painter", {"image": planes, "style": mixed})
    rest = np.asarray(1 - amounts.sum(axis=0), np.float32)
    if amounts.ndim == 1:
        mixed = _column(amounts @ values.astype(np.float64))
        banked = engine.run("bank", {"features": features, "style": mixed})
        rest = rest.reshape(1, 1)
    else:
        banked = np.zeros_like(features)
        for row, amount in zip(values, amounts, strict=True):
            if amount.any():
                feed = {"features": features * amount.astype(np.float32), "style": _column(row)}
                banked += engine.run("bank", feed)
    if rest.any():
        banked = banked + rest * features
    feed = {"features": banked, "image": planes, "rest": np.maximum(rest, 0)[None]}
    return engine.run("decoder", feed)


def _column(values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    return values.astype(np.float32).reshape(-1, 1, 1)


def _fits(style: Style, card: Card) -> bool:
    return style.parameters is not None and style.parameters.size == card.style_numbers
