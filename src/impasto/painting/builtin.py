"""Networks whose styles are built in: styles by name alone, pictures as a whole.

Their normalization takes statistics of the whole picture within the network, so nothing can be
painted in tiles: a picture that does not fit into memory is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls.color.matching import restore_colors
from impasto.controls.moments import cell_average
from impasto.controls.regions import StyleMap
from impasto.errors import ImageError, StyleError
from impasto.images.arrays import Photo, in_memory
from impasto.images.windows import PaintedTile, Source
from impasto.models.card import Card
from impasto.models.engine import Engine
from impasto.painting import Budget, Limits, Progress, Watch, refuse_settings
from impasto.painting.plan import memory_at_once, plan_whole
from impasto.painting.tiles import Content, keep_photograph
from impasto.styles.style import Style

if TYPE_CHECKING:
    from impasto.controls import Controls


@dataclass(frozen=True, eq=False)
class BuiltInPainter:
    """A network with built-in styles; a ``Painter``.

    Attributes:
        card: the facts about the model; ``card.styles`` are the names of its styles.
        engine: runs it.
        identity: 16 hexadecimal digits.
    """

    card: Card
    engine: Engine
    identity: str

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
        """Refuse every setting: a trained model has none.

        Raises:
            OptionError: naming the setting.
        """
        refuse_settings(self.name, settings)
        return self

    def style(self, photo: Photo, transform: str) -> Style:
        """Refuse a picture: a built-in style has a name.

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
        """Read a photograph whole; nothing is computed yet.

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
                f"{self.name!r}, which sees pictures as a whole and cannot paint in tiles, and "
                f"memory is {budget.memory / 1e6:,.0f} MB; {mend} more memory"
            )
        plan = plan_whole(height, width, card=self.card)
        return Content.of(in_memory(source), self.card, plan, model=self.identity)

    def paint(
        self,
        content: Content,
        styles: Sequence[Style | Photo],
        controls: Controls,
        watch: Watch | None = None,
    ) -> Iterator[PaintedTile]:
        """Paint a photograph whole; see :meth:`impasto.painting.Painter.paint`.

        Raises:
            OptionError: if weights or masks are not one for each style.
            EngineError: if the engine fails.
        """
        start = perf_counter()
        height, width = content.size
        rows, columns = slice(0, height), slice(0, width)
        amounts = StyleMap(controls, len(styles), height, width)
        weights = self._weights(styles, content.padded(amounts.window, *content.whole))
        planes = content.planes
        aligned = perf_counter()
        made = self.engine.paint(planes, weights)
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

    def _weights(
        self, styles: Sequence[Any], amounts: NDArray[np.floating[Any]]
    ) -> NDArray[np.float32] | None:
        """Weights of all styles that the model has: (S, 1, 1), or (S, h, w)."""
        if not self.card.weighted:
            return None
        if amounts.ndim == 1:
            cells = amounts[:, None, None]
        else:
            cells = cell_average(amounts, self.card.multiple)
        found = np.zeros((len(self.card.styles), *cells.shape[1:]), np.float32)
        for style, amount in zip(styles, cells, strict=True):
            found[self.card.styles.index(style.name)] += amount
        return found
