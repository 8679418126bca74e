"""Models under judgment, as their users get them: through the studio."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import Affine, align
from impasto.errors import ModelError, OptionError
from impasto.images.arrays import Photo
from impasto.images.photo import read_photo
from impasto.lab.evaluate.pairs import Look, Pair
from impasto.lab.nets.weights import VARIABLE, find_vgg
from impasto.lab.optimize.painter import MethodPainter
from impasto.lab.optimize.settings import read_settings
from impasto.models import MODELS, Bundle, find_bundle, find_plugin, open_engine
from impasto.painting.adain import AdaINPainter
from impasto.painting.builtin import BuiltInPainter
from impasto.painting.plan import plan_whole
from impasto.painting.tiles import Content, encode
from impasto.stylizer import Stylizer, load

CONTENT_NAME = "(content)"
"""The photograph itself, unpainted: what every number is before anything was done."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures that a model makes of a pair.

    Attributes:
        raw: (H, W, 3), the picture; clipped it is what the user gets.
        unaligned: the decoder's picture of features to which nothing was done (scale 1, shift 0):
            the photograph as the network alone gives it back, while the studio gives the photograph
            itself at alpha = 0. None where there is no such thing.
        clipped: whether ``raw`` was clipped already.
        seconds: from both pictures to ``raw``; None if nothing was painted.
    """

    raw: Plane
    unaligned: Plane | None = None
    clipped: bool = False
    seconds: float | None = None


class Judged(Protocol):
    """A model under judgment.

    Attributes:
        label: its name in the report.
        identity: differs from that of any other model under the same label.
    """

    label: str
    identity: str

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """Paint a pair; ``unaligned``: that picture too, where there is one."""
        ...


class JudgedStylizer:
    """A loaded model, which paints as its user would have it paint.

    Attributes:
        stylizer: paints.
        label: its name in the report.
        identity: differs from that of any other model under the same label.
        quick: whether it may be asked to paint again for a sheet.
    """

    quick = True

    def __init__(self, stylizer: Stylizer, label: str) -> None:
        self.stylizer, self.label, self.identity = stylizer, label, stylizer.identity
        self._prepared: set[tuple[int, ...]] = set()

    @property
    def title(self) -> str:
        """A line for people."""
        return self.stylizer.card.title

    def check(self, styles: Sequence[Path]) -> None:
        """Refuse styles that the model cannot paint, before any work: here none."""

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Judged.paint`; the style is used at the size it comes in."""
        start = perf_counter()
        made = self.stylizer.paint(look.content, read_photo(look.style)).image
        return Pictures(made, clipped=True, seconds=perf_counter() - start)

    def _prepare(self, look: Look) -> None:
        """Paint once at each size: an engine's first picture takes longer than all that follow."""
        if look.content.shape not in self._prepared:
            self._prepared.add(look.content.shape)
            self.paint(look, unaligned=False)


class JudgedAdaIN(JudgedStylizer):
    """An encoder/decoder model, whose pictures are judged before they are clipped.

    Args:
        painter: paints.
        label: its name in the report.
    """

    def __init__(self, painter: AdaINPainter, label: str) -> None:
        super().__init__(Stylizer(painter), label)
        self._painter = painter

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Judged.paint`; the style is used at the size it comes in."""
        painter = self._painter
        self._prepare(look)
        start = perf_counter()
        height, width = look.content.shape[:2]
        source = Photo(look.content, None, "the image")
        plan = plan_whole(height, width, card=painter.card)
        cut = Content.of(source, painter.card, plan, model=painter.identity)
        encoded = encode(cut, painter.engine)
        features, moments = encoded.features or (), encoded.moments or ()
        style = painter.style(read_photo(look.style))
        maps = [
            align([own], [wanted], np.ones(1))
            for own, wanted in zip(moments, style.moments, strict=True)
        ]
        raw = self._decoded(features, maps, look.content)
        seconds = perf_counter() - start
        if not unaligned:
            return Pictures(raw, seconds=seconds)
        ones = [np.ones((level.channels, 1, 1), np.float32) for level in painter.card.levels]
        left = [Affine(scale=one, shift=np.zeros_like(one)) for one in ones]
        return Pictures(raw, self._decoded(features, left, look.content), seconds=seconds)

    def _decoded(self, features: Sequence[Plane], maps: Sequence[Affine], content: Plane) -> Plane:
        """Decode features and cut the padding off, (H, W, 3), not clipped."""
        margin = self._painter.card.margin
        height, width = content.shape[:2]
        decoded = self._painter.engine.decode(features, maps)
        return decoded[:, margin : margin + height, margin : margin + width].transpose(1, 2, 0)


class JudgedBuiltIn(JudgedStylizer):
    """A model with built-in styles; a style is found by its file's name."""

    def check(self, styles: Sequence[Path]) -> None:
        """See :meth:`JudgedStylizer.check`.

        Raises:
            OptionError: if a file is not called as a style of the model.
        """
        known = self.stylizer.limits.styles
        for style in styles:
            if style.stem not in known:
                raise OptionError(
                    f"model {self.label!r} cannot paint {style.name}: it is judged on pictures of "
                    f"the styles that are built in, by the names of their files, {', '.join(known)}"
                )

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Judged.paint`."""
        self._prepare(look)
        start = perf_counter()
        style = self.stylizer.prepare(look.pair.style.stem)
        made = self.stylizer.paint(look.content, style).image
        return Pictures(made, clipped=True, seconds=perf_counter() - start)


class JudgedMethod(JudgedStylizer):
    """A method of the lab, or another painter that is plugged in; its pictures serve sheets too."""

    quick = False

    def __init__(self, stylizer: Stylizer, label: str) -> None:
        super().__init__(stylizer, label)
        self.identity = identity_of(label)
        self._painted: dict[tuple[Pair, int], Pictures] = {}

    @property
    def title(self) -> str:
        """See :class:`JudgedStylizer`."""
        painter = self.stylizer.painter
        if isinstance(painter, MethodPainter):
            return f"{painter.method.title} ({painter.method.paper})"
        return painter.name

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Judged.paint`; a pair is painted once."""
        key = (look.pair, len(look.content))
        if key not in self._painted:
            self._painted[key] = super().paint(look, unaligned=unaligned)
        return self._painted[key]


class JudgedContent:
    """The photograph as it is: the baseline that Fig. 3 calls "content image"."""

    label = CONTENT_NAME
    identity = ""

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Judged.paint`."""
        return Pictures(look.content, clipped=True)


@dataclass(frozen=True, kw_only=True)
class PainterOptions:
    """Options of the models under judgment.

    Attributes:
        decoder: weights of an AdaIN decoder for the judge's VGG, in the layout of pytorch-AdaIN
            (its ``decoder.pth``): one more model, called ``adain``, and the reference unless
            another is named.
        engine: as for :func:`impasto.load`.
        precision: as for :func:`impasto.load`. ``fp32`` gives the same numbers on other machines.
        threads: as for :func:`impasto.load`.
    """

    decoder: str | Path | None = None
    engine: str | None = None
    precision: str | None = "fp32"
    threads: int | None = None


def open_painters(
    models: Sequence[str | Path],
    *,
    vgg: str | Path,
    options: PainterOptions = PainterOptions(),
) -> tuple[JudgedStylizer, ...]:
    """Open the models to judge, each under a label of its own.

    Args:
        models: names or ``.impasto`` files. Methods of the lab are among the names, with options
            behind a colon where others than the defaults are wanted
            (``"gatys:steps=100,start=noise"``); they look through the VGG-19 of ``$IMPASTO_VGG``
            or the one that was fetched, else through that of ``vgg``, which is the judge and may
            end too early for them.
        vgg: weights of VGG-19, the encoder of ``options.decoder``.
        options: engine of the models, and the decoder of one more, the first.

    Raises:
        ModelError: if a model or weights cannot be used.
        OptionError: if there is nothing to judge, or a model is given twice.

    Example:
        >>> open_painters(["fast", "adain.impasto"], vgg="vgg.pth")         # doctest: +SKIP
    """
    bundles = [(_label(model), find_bundle(model)) for model in models if not _method(model)]
    if options.decoder is not None:
        bundles.insert(0, ("adain", adain_bundle(vgg, options.decoder)))
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
    painters: list[JudgedStylizer] = []
    for label, bundle in bundles:
        name = label if labels.count(label) == 1 else f"{label}-{bundle.identity[:4]}"
        opened = open_engine(
            bundle, name=options.engine, precision=options.precision, threads=options.threads
        )
        if bundle.card.styles:
            built_in = BuiltInPainter(bundle.card, opened, bundle.identity)
            painters.append(JudgedBuiltIn(Stylizer(built_in), name))
        else:
            painters.append(JudgedAdaIN(AdaINPainter(bundle.card, opened, bundle.identity), name))
    for spec in methods:
        name, _, settings = spec.partition(":")
        method = load(
            name,
            vgg=_vgg_of_methods(vgg),
            precision=options.precision,
            threads=options.threads,
        )
        if settings:
            each = re.split(r",(?=[\w-]+=)", settings)  # a value may hold commas
            method = method.with_settings(options=read_settings(each))
        painters.append(JudgedMethod(method, spec))
    return tuple(painters)


def adain_bundle(vgg: str | Path, decoder: str | Path) -> Bundle:
    """Make a bundle in memory of the paper's network with the user's weights, for judging only.

    Raises:
        ModelError: if the files are no VGG-19 to relu4_1 or no decoder of that layout.
    """
    from impasto.lab.export.graphs import export
    from impasto.lab.export.publish import adain_from

    return export(*adain_from(vgg, decoder))


def _method(model: str | Path) -> bool:
    """Return True for the name of a plugged-in painter, with options or without."""
    return isinstance(model, str) and find_plugin(model.partition(":")[0]) is not None


def identity_of(model: str | Path) -> str:
    """Return the identity of a model's bundle; of a method, a hash of its name and its options.

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


def _vgg_of_methods(judge: str | Path) -> Path:
    """The file of VGG-19 that methods look through."""
    try:
        return find_vgg()
    except ModelError:
        if os.environ.get(VARIABLE):
            raise
        return find_vgg(judge)
