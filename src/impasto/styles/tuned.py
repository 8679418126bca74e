"""Record of a tuned style: how it was tuned, and the effect on the losses."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

from impasto.errors import counted


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """Facts about the tuning of a style (``impasto lab tune``), kept in its file.

    Losses are pairs of content loss and style loss, in mean units, averaged over photographs that
    the tuning did not see.

    Attributes:
        better: True if the tuned moments were better, and are kept; else the moments are those
            from the model.
        content: weight of the content loss; that of the style loss is always the same.
        steps: number of steps.
        before: losses of the moments from the model.
        after: losses of the tuned ones.
        photographs: number of photographs behind the losses.
        size: shorter side of the largest of them, in pixels.
        recipe: hash of all inputs of the result: model, picture, photographs, judge, settings.
    """

    better: bool
    content: float
    steps: int
    before: tuple[float, float]
    after: tuple[float, float]
    photographs: int
    size: int
    recipe: str

    def __str__(self) -> str:
        losses = ", ".join(
            f"{name} loss {before:.3f} -> {after:.3f}"
            for name, before, after in zip(
                ("style", "content"), self.before[::-1], self.after[::-1], strict=True
            )
        )
        kept = "" if self.better else "not better, so left unchanged; "
        return (
            f"{kept}{self.steps} steps at content weight {self.content:g}: {losses} on "
            f"{counted(self.photographs, 'photograph')} of up to {self.size} px"
        )


def tuned_text(tuned: Tuned | None) -> str:
    """Return a record as the text in a style file; "" for none.

    Example:
        >>> tuned_text(None)
        ''
    """
    return "" if tuned is None else json.dumps(asdict(tuned))


def read_tuned(text: str) -> Tuned | None:
    """Parse the text of a style file; "" is a style that was not tuned.

    Raises:
        ValueError: with the reason, if it is no such record.

    Example:
        >>> read_tuned("") is None
        True
    """
    if not text:
        return None
    try:
        found = json.loads(text)
        pairs = {name: tuple(float(each) for each in found[name]) for name in ("before", "after")}
        made = Tuned(
            better=bool(found["better"]),
            content=float(found["content"]),
            steps=int(found["steps"]),
            before=(pairs["before"][0], pairs["before"][1]),
            after=(pairs["after"][0], pairs["after"][1]),
            photographs=int(found["photographs"]),
            size=int(found["size"]),
            recipe=str(found["recipe"]),
        )
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise ValueError("its record of tuning is damaged") from error
    if not all(map(math.isfinite, (made.content, *made.before, *made.after))):
        raise ValueError("its record of tuning holds NaN or infinity")
    return made
