"""What is judged: a model as its user gets it, through the studio's engine."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import Affine
from impasto.errors import ModelError, OptionError
from impasto.images.photo import read_photo
from impasto.lab.evaluate.pairs import Look, Pair
from impasto.lab.nets.weights import VARIABLE, find_vgg
from impasto.lab.optimize.settings import read_settings
from impasto.models import MODELS, Bundle, find_bundle, lab_module
from impasto.models.engine import open_engine
from impasto.painting.steps import affines
from impasto.stylizer import BuiltInStylizer, Stylizer, load

CONTENT_NAME = "(content)"
"""The photograph itself, unpainted: what every number is before anything was done."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a model makes of a pair.

    Attributes:
        raw: (H, W, 3), the picture; clipped it is what the user gets.
        unaligned: what a decoder makes of features to which nothing was done (scale 1, shift 0):
            the photograph as the network alone gives it back, while the studio gives the photograph
            itself at alpha = 0. None where there is no such thing.
        clipped: whether ``raw`` was clipped already.
        seconds: from both pictures to ``raw``; None if nothing was painted.
    """

    raw: Plane
    unaligned: Plane | None = None
    clipped: bool = False
    seconds: float | None = None


class Painter(Protocol):
    """A model under judgment.

    Attributes:
        label: what it is called in the report.
        identity: what tells it from another under the same label.
    """

    label: str
    identity: str

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """What the model makes of a pair; ``unaligned``: that picture too, where there is one."""
        ...


class StudioPainter:
    """A bundle for any style, through the studio."""

    quick = True
    """Whether it may be asked to paint again for a sheet."""

    def __init__(self, stylizer: Stylizer, label: str) -> None:
        self.stylizer, self.label, self.identity = stylizer, label, stylizer.identity
        self._prepared: set[tuple[int, ...]] = set()

    def check(self, styles: Sequence[Path]) -> None:
        """Refuse styles that the model cannot paint, before any work: here none."""

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Painter.paint`; the style is used at the size it comes in."""
        stylizer = self.stylizer
        self._prepare(look)
        start = perf_counter()
        encoded = stylizer.encode(look.content)
        style = stylizer.style(read_photo(look.style), size=None)
        maps = affines(encoded, [style], np.ones(1), None, card=stylizer.card)
        raw = self._cropped(stylizer.engine.decode(encoded.features, maps), look.content)
        seconds = perf_counter() - start
        if not unaligned:
            return Pictures(raw, seconds=seconds)
        ones = [np.ones((level.channels, 1, 1), np.float32) for level in stylizer.card.levels]
        left = [Affine(scale=one, shift=np.zeros_like(one)) for one in ones]
        alone = self._cropped(stylizer.engine.decode(encoded.features, left), look.content)
        return Pictures(raw, alone, seconds=seconds)

    def _prepare(self, look: Look) -> None:
        """Once a size: an engine's first picture takes longer than all that follow."""
        if look.content.shape not in self._prepared:
            self._prepared.add(look.content.shape)
            self.paint(look, unaligned=False)

    def _cropped(self, decoded: Plane, content: Plane) -> Plane:
        margin = self.stylizer.card.margin
        height, width = content.shape[:2]
        return decoded[:, margin : margin + height, margin : margin + width].transpose(1, 2, 0)


class BuiltInPainter(StudioPainter):
    """A bundle with built-in styles, through the studio; a style is found by its file's name."""

    def check(self, styles: Sequence[Path]) -> None:
        """See :meth:`StudioPainter.check`.

        Raises:
            OptionError: if a file is not called as a style of the model.
        """
        known = self.stylizer.card.styles
        for style in styles:
            if style.stem not in known:
                raise OptionError(
                    f"model {self.label!r} cannot paint {style.name}: it is judged on pictures of "
                    f"the styles that are built in, by the names of their files, {', '.join(known)}"
                )

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Painter.paint`."""
        self._prepare(look)
        start = perf_counter()
        style = self.stylizer.found(look.pair.style.stem)
        made = self.stylizer.paint(look.content, style).image
        return Pictures(made, clipped=True, seconds=perf_counter() - start)


class MethodPainter(StudioPainter):
    """A method of the lab. What it painted is kept for the sheets."""

    quick = False

    def __init__(self, stylizer: Stylizer, label: str) -> None:
        super().__init__(stylizer, label)
        self.identity = identity_of(label)
        self._painted: dict[tuple[Pair, int], Pictures] = {}

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Painter.paint`; the style is used at the size it comes in."""
        key = (look.pair, len(look.content))
        if key not in self._painted:
            start = perf_counter()
            made = self.stylizer.paint(look.content, read_photo(look.style)).image
            self._painted[key] = Pictures(made, clipped=True, seconds=perf_counter() - start)
        return self._painted[key]


class ContentPainter:
    """The photograph as it is: the baseline that Fig. 3 calls "content image"."""

    label = CONTENT_NAME
    identity = ""

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Painter.paint`."""
        return Pictures(look.content, clipped=True)


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
        models: names or ``.impasto`` files. Methods of the lab are among the names, with options
            behind a colon where others than the defaults are wanted
            (``"gatys:steps=100,start=noise"``); they look
            through the VGG-19 of ``$IMPASTO_VGG`` or the one that was fetched, else through that
            of ``vgg``, which is the judge and may end too early for them.
        vgg: weights of VGG-19, the encoder of ``decoder``.
        decoder: weights of an AdaIN decoder for ``vgg``, in the layout of pytorch-AdaIN: one more
            model, called ``adain``, the first.
        engine: as for :func:`impasto.load`.
        precision: as for :func:`impasto.load`.
        threads: as for :func:`impasto.load`.

    Raises:
        ModelError: if a model or weights cannot be used.
        OptionError: if there is nothing to judge, or a model is given twice.

    Example:
        >>> open_painters(["fast", "adain.impasto"], vgg="vgg.pth")         # doctest: +SKIP
    """
    bundles = [(_label(model), find_bundle(model)) for model in models if not _method(model)]
    if decoder is not None:
        bundles.insert(0, ("adain", adain_bundle(vgg, decoder)))
    methods = [str(model) for model in models if _method(model)]
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
        judged, kind = StudioPainter, Stylizer
        if bundle.card.styles:
            judged, kind = BuiltInPainter, BuiltInStylizer
        stylizer = kind(card=bundle.card, engine=opened, identity=bundle.identity)
        painters.append(judged(stylizer, name))
    for spec in methods:
        name, _, options = spec.partition(":")
        method: Any = load(name, vgg=_eyes(vgg), precision=precision, threads=threads)
        if options:
            each = re.split(r",(?=[\w-]+=)", options)  # a value may hold commas
            method = method.set(options=read_settings(each))
        painters.append(MethodPainter(method, spec))
    return tuple(painters)


def adain_bundle(vgg: str | Path, decoder: str | Path) -> Bundle:
    """The paper's network of the user's weights as a bundle in memory, for judging only.

    Raises:
        ModelError: if the files are no VGG-19 to relu4_1 or no decoder of that layout.
    """
    from impasto.lab.export.graphs import export
    from impasto.lab.export.publish import adain_from

    return export(*adain_from(vgg, decoder))


def _method(model: str | Path) -> bool:
    """Whether a method of the lab is meant, with options or without."""
    return isinstance(model, str) and lab_module(model.partition(":")[0]) is not None


def identity_of(model: str | Path) -> str:
    """What tells a model from others: that of its bundle; with other options a method is another.

    Raises:
        ModelError: if there is no such model.
    """
    if _method(model):
        return hashlib.sha256(str(model).encode()).hexdigest()[:16]
    return find_bundle(model).identity


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
