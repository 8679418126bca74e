"""Words for the weight of content, without heavy imports, since the command completes them."""

from __future__ import annotations

from impasto.errors import OptionError, one_line

CONTENT: dict[str, float] = {"strokes": 4.0, "balanced": 10.0, "photograph": 25.0}
"""Words for weights of the content loss: importance of the photograph relative to the strokes."""


def content_weight(text: str) -> float:
    """Parse a weight of the content loss: a word of ``CONTENT`` or a number of 0 or more.

    Raises:
        OptionError: if it is neither.

    Example:
        >>> content_weight("strokes"), content_weight("2.5")
        (4.0, 2.5)
    """
    if text in CONTENT:
        return CONTENT[text]
    try:
        return float(text)
    except ValueError:
        words = ", ".join(f"{word} ({weight:g})" for word, weight in CONTENT.items())
        raise OptionError(
            f"content is {one_line(text)!r}; give {words}, or a number of 0 or more"
        ) from None
