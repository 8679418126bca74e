"""The values that flow between the nodes.

Nodes have no state and there is no cache here: ComfyUI keeps what a node has returned until one of
its inputs changes. So whatever takes long is the result of a node of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impasto import Style, Stylizer
    from impasto.images.photo import Photo
    from impasto.painting import Content


@dataclass(frozen=True, eq=False)
class Mixture:
    """One style or several of one model, each as strong as its weight.

    Attributes:
        model: the model that made them.
        styles: one or more.
        photos: for each style its picture, which color methods need; None for those of the gallery.
        weights: one for each style.
    """

    model: Stylizer
    styles: tuple[Style, ...]
    photos: tuple[Photo | None, ...]
    weights: tuple[float, ...]

    def for_color(self, color: str | None) -> list[Style | Photo]:
        """Return the styles, as their pictures if colors are kept by a method."""
        if color is None:
            return list(self.styles)
        pairs = zip(self.styles, self.photos, strict=True)
        return [style if photo is None else photo for style, photo in pairs]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Images that a model has encoded, to be painted more than once.

    Attributes:
        model: the model.
        photos: the images, at the size of the results.
        contents: what the model has made of each.
    """

    model: Stylizer
    photos: tuple[Photo, ...]
    contents: tuple[Content, ...]
