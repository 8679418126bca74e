"""What is judged: a model as its user gets it, through the studio's engine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.affine import Affine
from impasto.engines import open_engine
from impasto.errors import ModelError, OptionError
from impasto.images import read_photo
from impasto.lab.vgg import load_vgg, read_weights
from impasto.lab.weights import VARIABLE, find_vgg
from impasto.models import MODELS, Bundle, find_bundle, lab_module
from impasto.painting import Content, affines
from impasto.styles import Style
from impasto.stylizer import Stylizer, load

CONTENT_NAME = "(content)"
"""The photograph itself, unpainted: what every number is before anything was done."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a model makes of a pair.

    Attributes:
        raw: (H, W, 3), the decoder's picture, not clipped; clipped it is what the user gets.
        unaligned: the same with nothing aligned (scale 1, shift 0): the photograph as the network
            alone gives it back. The studio gives the photograph itself at alpha = 0.
    """

    raw: Plane
    unaligned: Plane


class Painter(Protocol):
    """A model under judgment.

    Attributes:
        label: what it is called in the report.
        identity: what tells it from another under the same label.
    """

    label: str
    identity: str

    def paint(self, content: Plane, style: Plane, *, unaligned: bool = True) -> Pictures:
        """What the model makes of (H, W, 3) pictures in [0, 1]."""
        ...


class StudioPainter:
    """A bundle through the studio."""

    def __init__(self, stylizer: Stylizer, label: str) -> None:
        self.stylizer, self.label, self.identity = stylizer, label, stylizer.identity

    def paint(self, content: Plane, style: Plane, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Painter.paint`; the style is used at the size it comes in."""
        stylizer = self.stylizer
        encoded = stylizer.encode(content)
        raw = self._aligned(encoded, self._value(style))
        if not unaligned:
            return Pictures(raw, content)
        ones = [np.ones((level.channels, 1, 1), np.float32) for level in stylizer.card.levels]
        left = [Affine(scale=one, shift=np.zeros_like(one)) for one in ones]
        alone = self._cropped(stylizer.engine.decode(encoded.features, left), content)
        return Pictures(raw, alone)

    def paint_all(self, contents: Sequence[Plane], styles: Sequence[Plane]) -> list[list[Plane]]:
        """The decoder's picture, not clipped, of each content (a row) in each style; every picture
        is encoded once."""
        values = [self._value(style) for style in styles]
        rows = []
        for content in contents:
            encoded = self.stylizer.encode(content)
            rows.append([self._aligned(encoded, value) for value in values])
        return rows

    def _value(self, style: Plane) -> Style:
        return self.stylizer.style(read_photo(style), size=None)

    def _aligned(self, encoded: Content, value: Style) -> Plane:
        maps = affines(encoded, [value], np.ones(1), None, card=self.stylizer.card)
        decoded = self.stylizer.engine.decode(encoded.features, maps)
        return self._cropped(decoded, encoded.image)

    def _cropped(self, decoded: Plane, content: Plane) -> Plane:
        margin = self.stylizer.card.margin
        height, width = content.shape[:2]
        return decoded[:, margin : margin + height, margin : margin + width].transpose(1, 2, 0)


class MethodPainter(StudioPainter):
    """A method of the lab, with its own default options; there is nothing to leave unaligned."""

    def paint(self, content: Plane, style: Plane, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Painter.paint`; the style is used at the size it comes in."""
        return Pictures(self.stylizer.paint(content, read_photo(style)).image, content)

    def paint_all(self, contents: Sequence[Plane], styles: Sequence[Plane]) -> list[list[Plane]]:
        """See :meth:`StudioPainter.paint_all`; one by one."""
        return [[self.paint(content, style).raw for style in styles] for content in contents]


class ContentPainter:
    """The photograph as it is: the baseline that Fig. 3 calls "content image"."""

    label = CONTENT_NAME
    identity = ""

    def paint(self, content: Plane, style: Plane, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Painter.paint`."""
        return Pictures(content, content)


def open_painters(
    models: Sequence[str | Path],
    *,
    vgg: str | Path,
    decoder: str | Path | None = None,
    engine: str | None = None,
    precision: str | None = "fp32",
    threads: int | None = None,
) -> tuple[StudioPainter, ...]:
    """The models to judge, each under a label of its own.

    Args:
        models: names or ``.impasto`` files. Methods of the lab are among the names; they look
            through the VGG-19 of ``$IMPASTO_VGG`` or the one that was fetched, else through that
            of ``vgg``, which is the judge and may end too early for them.
        vgg: weights of VGG-19, the encoder of ``decoder``.
        decoder: weights of an AdaIN decoder for ``vgg``, in the layout of pytorch-AdaIN: one more
            model, called ``adain``.
        engine: as for :func:`impasto.load`.
        precision: as for :func:`impasto.load`.
        threads: as for :func:`impasto.load`.

    Raises:
        ModelError: if a model or weights cannot be used.
        OptionError: if there is nothing to judge, or a model is given twice.

    Example:
        >>> open_painters(["fast", "adain.impasto"], vgg="vgg.pth")         # doctest: +SKIP
    """
    bundles = [(_label(model), find_bundle(model)) for model in models if not lab_module(model)]
    if decoder is not None:
        bundles.append(("adain", adain_bundle(vgg, decoder)))
    methods = [str(model) for model in models if lab_module(model)]
    for name in methods:
        if methods.count(name) > 1:
            raise OptionError(f"model {name!r} is given twice; give each once")
    if not bundles and not methods:
        raise OptionError("there is no model to evaluate; give one, or a decoder")
    labels = [label for label, _ in bundles]
    identities = [bundle.identity for _, bundle in bundles]
    for label, identity in zip(labels, identities, strict=True):
        if identities.count(identity) > 1:
            raise OptionError(f"model {label!r} is given twice ({identity}); give each once")
    painters: list[StudioPainter] = []
    for label, bundle in bundles:
        name = label if labels.count(label) == 1 else f"{label}-{bundle.identity[:4]}"
        opened = open_engine(bundle, name=engine, precision=precision, threads=threads)
        stylizer = Stylizer(card=bundle.card, engine=opened, identity=bundle.identity)
        painters.append(StudioPainter(stylizer, name))
    for name in methods:
        method = load(name, vgg=_eyes(vgg), precision=precision, threads=threads)
        painters.append(MethodPainter(method, name))
    return tuple(painters)


def adain_bundle(vgg: str | Path, decoder: str | Path) -> Bundle:
    """The paper's network of the user's weights as a bundle in memory, for judging only.

    Raises:
        ModelError: if the files are no VGG-19 to relu4_1 or no decoder of that layout.
    """
    from impasto.lab.export import Story, export
    from impasto.lab.methods.adain import LAYER, AdaINNetwork, decoder_from

    encoder = load_vgg(vgg)
    for name in list(encoder.convolutions):
        if name > LAYER.replace("relu", "conv"):
            del encoder.convolutions[name]
    network = AdaINNetwork(encoder, decoder_from(read_weights(decoder)).eval())
    source = f"that of {Path(vgg).name} and {Path(decoder).name}"
    story = Story(
        name="adain",
        title="The network of Huang & Belongie 2017",
        architecture="VGG-19 to relu4_1, AdaIN, mirrored decoder",
        data=source,
        iterations=0,
        losses={},
        licence=source,
    )
    return export(network, story)


def _label(model: str | Path) -> str:
    if isinstance(model, str) and model in {row.name for row in MODELS}:
        return model
    return Path(model).stem


def _eyes(judge: str | Path) -> Path:
    """The file of VGG-19 that methods look through."""
    try:
        return find_vgg()
    except ModelError:
        if os.environ.get(VARIABLE):
            raise
        return find_vgg(judge)
