"""Models to be judged, run as users run them: through the studio."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, TypeAlias, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from impasto.controls import Controls
from impasto.controls.affine import Affine
from impasto.controls.regions import StyleMap
from impasto.controls.transforms import align_level
from impasto.errors import ModelError, OptionError
from impasto.images.arrays import Photo
from impasto.images.photo import read_photo
from impasto.lab.evaluate.pairs import Look, Pair
from impasto.lab.nets.weights import VARIABLE, find_vgg
from impasto.lab.optimize.painter import Method, MethodPainter
from impasto.lab.optimize.settings import read_settings
from impasto.lab.training.painting import is_run, open_run
from impasto.models import MODELS, Bundle, find_bundle, find_plugin, open_engine, open_plugin
from impasto.painting import Budget
from impasto.painting.adain import AdaINPainter
from impasto.painting.builtin import BuiltInPainter
from impasto.painting.objects import painter_of
from impasto.painting.plan import plan_whole
from impasto.painting.tiles import Content, encode
from impasto.styles.files import style_bytes
from impasto.stylizer import Stylizer, load

SETTINGS: Mapping[str, Callable[[str], Any]] = {"transform": str, "alpha": float, "behavior": str}
"""Controls that an encoder/decoder model can be judged with, and the parsers of their text."""

CONTENT_NAME = "(content)"
"""Label of the unchanged photograph, the baseline of every number."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures that a model paints of a pair.

    Attributes:
        raw: (H, W, 3), the picture; the user gets it clipped.
        unaligned: the decoder's picture of unchanged features (scale 1, shift 0): the photograph as
            reconstructed by the network, while the studio returns the photograph itself at alpha =
            0. None where it does not exist.
        clipped: whether ``raw`` is already clipped.
        seconds: from both pictures to ``raw``; None if nothing was painted.
    """

    raw: Plane
    unaligned: Plane | None = None
    clipped: bool = False
    seconds: float | None = None


class Judged(Protocol):
    """A model to be judged.

    Attributes:
        label: its name in the report.
        identity: differs from that of any other model under the same label; known after ``check``.
        quick: whether it may be asked to paint other pairs for a sheet.
    """

    label: str
    identity: str
    quick: bool

    @property
    def title(self) -> str:
        """A human-readable line."""
        ...

    @property
    def way(self) -> tuple[str, str] | None:
        """Engine and precision; None if unknown."""
        ...

    def check(self, pairs: Sequence[Pair]) -> None:
        """Reject pairs that it cannot paint, before any work."""
        ...

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """Paint a pair; with ``unaligned``, that picture too, where it exists."""
        ...


class JudgedStylizer:
    """A loaded model, which paints as it does for its user.

    Attributes:
        stylizer: paints the pictures.
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
        """A human-readable line."""
        return self.stylizer.card.title

    @property
    def way(self) -> tuple[str, str] | None:
        """See :attr:`Judged.way`."""
        return self.stylizer.engine.name, self.stylizer.engine.precision

    def check(self, pairs: Sequence[Pair]) -> None:
        """Reject pairs that the model cannot paint, before any work: here none."""

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Judged.paint`; the style is used at the size it comes in."""
        start = perf_counter()
        made = self.stylizer.paint(look.content, read_photo(look.style)).image
        return Pictures(made, clipped=True, seconds=perf_counter() - start)

    def _prepare(self, look: Look) -> None:
        """Paint once at each size: an engine's first picture takes longer than later ones."""
        if look.content.shape not in self._prepared:
            self._prepared.add(look.content.shape)
            self.paint(look, unaligned=False)


class JudgedAdaIN(JudgedStylizer):
    """An encoder/decoder model, whose pictures are judged before clipping.

    Args:
        painter: paints.
        label: its name in the report.
        settings: controls that it paints with, names in ``SETTINGS``.

    Raises:
        OptionError: if there is no such setting, or the model does not support it.
    """

    def __init__(
        self, painter: AdaINPainter, label: str, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(Stylizer(painter), label)
        self._painter = painter
        self._controls = _controls(settings or {}, label)
        painter.limits.check(painter.name, self._controls, 1, Budget())
        if settings:
            known = f"{painter.identity} {sorted(settings.items())}"
            self.identity = hashlib.sha256(known.encode()).hexdigest()[:16]

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
        features = encoded.features or ()
        style = painter.style(read_photo(look.style), self._controls.transform)
        amounts = StyleMap(self._controls, 1, height, width)
        (changes,) = painter.fit(encoded, [style], amounts, self._controls.transform)
        strengths = amounts.window(slice(0, height), slice(0, width))
        aligned = [
            align_level([change], each, strengths, slice(0, each.shape[1]), slice(0, each.shape[2]))
            for change, each in zip(changes, features, strict=True)
        ]
        maps = [features for features, _ in aligned], [affine for _, affine in aligned]
        raw = self._decoded(*maps, look.content)
        seconds = perf_counter() - start
        if not unaligned:
            return Pictures(raw, seconds=seconds)
        ones = [np.ones((level.channels, 1, 1), np.float32) for level in painter.card.levels]
        left = [Affine(scale=one, shift=np.zeros_like(one)) for one in ones]
        return Pictures(raw, self._decoded(features, left, look.content), seconds=seconds)

    def _decoded(self, features: Sequence[Plane], maps: Sequence[Affine], content: Plane) -> Plane:
        """Decode features and crop the padding, (H, W, 3), not clipped."""
        margin = self._painter.card.margin
        height, width = content.shape[:2]
        decoded = self._painter.engine.decode(features, maps)
        return decoded[:, margin : margin + height, margin : margin + width].transpose(1, 2, 0)


class JudgedBuiltIn(JudgedStylizer):
    """A model with built-in styles; a style is found by its file's name.

    Args:
        painter: paints.
        label: its name in the report.
    """

    def __init__(self, painter: BuiltInPainter, label: str) -> None:
        super().__init__(Stylizer(painter), label)
        self._styles = painter.styles
        # The painter's identity covers its graphs only; two models may differ in their styles.
        digest = hashlib.sha256(painter.identity.encode())
        for style in painter.styles.values():
            digest.update(style_bytes(style) if style.parameters is not None else b"")
        self.identity = digest.hexdigest()[:16]

    def check(self, pairs: Sequence[Pair]) -> None:
        """See :meth:`JudgedStylizer.check`.

        Raises:
            OptionError: if a file does not have the name of a style of the model.
        """
        known = self._styles
        for pair in pairs:
            if pair.style.stem not in known:
                raise OptionError(
                    f"model {self.label!r} cannot paint {pair.style.name}: it is judged on "
                    "pictures of the styles that are built in, by the names of their files, "
                    + ", ".join(known)
                )

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Judged.paint`."""
        self._prepare(look)
        start = perf_counter()
        made = self.stylizer.paint(look.content, self._styles[look.pair.style.stem]).image
        return Pictures(made, clipped=True, seconds=perf_counter() - start)


class JudgedMethod(JudgedStylizer):
    """A method of the lab or another painter; its pictures are reused for sheets."""

    quick = False

    def __init__(self, stylizer: Stylizer, label: str) -> None:
        super().__init__(stylizer, label)
        known = label
        if not isinstance(stylizer.painter, MethodPainter):  # whose label is a full description
            known += stylizer.identity
        self.identity = hashlib.sha256(known.encode()).hexdigest()[:16]
        self._painted: dict[tuple[Pair, int], Pictures] = {}

    @property
    def title(self) -> str:
        """See :class:`JudgedStylizer`."""
        painter = self.stylizer.painter
        if isinstance(painter, MethodPainter):
            return f"{painter.method.title} ({painter.method.paper})"
        return painter.name

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Judged.paint`; each pair is painted once."""
        key = (look.pair, len(look.content))
        if key not in self._painted:
            self._painted[key] = super().paint(look, unaligned=unaligned)
        return self._painted[key]


class JudgedContent:
    """The unchanged photograph: the baseline that Fig. 3 calls "content image"."""

    label = CONTENT_NAME
    identity = ""
    title = "the photograph"
    way = None
    quick = True

    def check(self, pairs: Sequence[Pair]) -> None:
        """See :meth:`Judged.check`: any style is accepted, since the photograph stays unchanged."""

    def paint(self, look: Look, *, unaligned: bool = True) -> Pictures:
        """See :meth:`Judged.paint`."""
        return Pictures(look.content, clipped=True)


@dataclass(frozen=True, kw_only=True)
class PainterOptions:
    """Options of the models to be judged.

    Attributes:
        decoder: weights of an AdaIN decoder for the judge's VGG, in the layout of pytorch-AdaIN
            (its ``decoder.pth``): an additional model ``adain``, which is the reference unless
            another is named.
        engine: as for :func:`impasto.load`.
        precision: as for :func:`impasto.load`. ``fp32`` gives the same numbers on other machines.
        threads: as for :func:`impasto.load`.
    """

    decoder: str | Path | None = None
    engine: str | None = None
    precision: str | None = "fp32"
    threads: int | None = None


Model: TypeAlias = "str | Path | Judged | Any"
"""A name, a file, a ``Judged``, or an object with ``stylize(content, style)``."""


def open_painters(
    models: Sequence[Model],
    *,
    vgg: str | Path,
    options: PainterOptions = PainterOptions(),
) -> tuple[Judged, ...]:
    """Open the models to judge, each under its own label.

    Args:
        models: names, ``.impasto`` files, folders of training runs, which paint with PyTorch and
            their current weights, or ``module:NAME``. After a colon an encoder/decoder model takes
            the controls in ``SETTINGS`` (``"adain.impasto:transform=ost"``). Methods of the lab are
            among the names, with options that differ from the defaults
            (``"gatys:steps=100,start=noise"``); they use the VGG-19 of ``$IMPASTO_VGG`` or the
            fetched one, else that of ``vgg``, which is the judge and may end too early for them.
            Also any object that paints (:func:`impasto.painting.objects.painter_of`), under its
            ``name``, else that of its class; and any ``Judged``, such as
            :class:`impasto.lab.evaluate.foreign.JudgedPictures`.
        vgg: weights of VGG-19, the encoder of ``options.decoder``.
        options: engine of the models, and the decoder of an additional model, which comes first.

    Raises:
        ModelError: if a model or weights cannot be used.
        OptionError: if there is nothing to judge, or a model is given twice.

    Example:
        >>> open_painters(["fast", "adain.impasto"], vgg="vgg.pth")         # doctest: +SKIP
    """
    models = [open_run(model) if _run(model) else model for model in models]
    bundles: dict[int, tuple[str, Bundle, dict[str, str]]] = {}
    if options.decoder is not None:
        bundles[-1] = "adain", adain_bundle(vgg, options.decoder), {}
    for i, model in enumerate(models):
        if isinstance(model, str | Path) and not _method(model):
            file, settings = _split(model)
            bundles[i] = _label(model), find_bundle(file), settings
    labels = [label for label, _, _ in bundles.values()]
    known = [(bundle.fingerprint, sorted(each.items())) for _, bundle, each in bundles.values()]
    for label, each in zip(labels, known, strict=True):
        if known.count(each) > 1:
            raise OptionError(f"model {label!r} is given twice ({each[0]}); give each once")
    named = [str(model) for model in models if isinstance(model, str)]
    for name in named:
        if named.count(name) > 1:
            raise OptionError(f"model {name!r} is given twice; give each once")
    painters: list[Judged] = []
    for i in range(-1, len(models)):
        if i in bundles:
            label, bundle, settings = bundles[i]
            name = label if labels.count(label) == 1 else f"{label}-{bundle.identity[:4]}"
            painters.append(_bundled(bundle, name, settings, options))
        elif i >= 0:
            painters.append(_opened(models[i], vgg, options))
    if not painters:
        raise OptionError("there is no model to evaluate; give one, or a decoder")
    labels = [painter.label for painter in painters]
    for label in labels:
        if labels.count(label) > 1:
            raise OptionError(f"two models are named {label!r}; give one of them another name")
    return tuple(painters)


def _bundled(
    bundle: Bundle, name: str, settings: Mapping[str, str], options: PainterOptions
) -> Judged:
    engine = open_engine(
        bundle, name=options.engine, precision=options.precision, threads=options.threads
    )
    if bundle.card.styles:
        _controls(settings, name, known={})
        return JudgedBuiltIn(BuiltInPainter.of(bundle, engine), name)
    return JudgedAdaIN(AdaINPainter(bundle.card, engine, bundle.identity), name, settings)


def _controls(
    settings: Mapping[str, str], label: str, known: Mapping[str, Callable[[str], Any]] = SETTINGS
) -> Controls:
    """Return the controls for the settings after a model's name."""
    values = {}
    for name, text in settings.items():
        if name not in known:
            takes = ", ".join(known) or "none"
            raise OptionError(f"model {label!r} has no setting {name!r}; it takes {takes}")
        try:
            values[name] = known[name](text)
        except ValueError:
            raise OptionError(f"{name} of model {label!r} must be a number, not {text!r}") from None
    return Controls(**values)


def _opened(model: Model, vgg: str | Path, options: PainterOptions) -> Judged:
    """Open a method, another plugged-in painter, or an object."""
    if isinstance(model, str):
        name, settings = split_settings(model)
        method = load(name, **_loading(name, vgg, options))
        if settings:
            method = method.with_settings(options=settings)
        return JudgedMethod(method, model)
    if all(hasattr(model, member) for member in ("label", "check", "way", "paint")):
        return cast(Judged, model)
    own: object = getattr(model, "name", None)
    label = own if isinstance(own, str) and own else type(model).__name__
    painter = painter_of(model, label)
    if isinstance(painter, AdaINPainter):
        return JudgedAdaIN(painter, label)
    if isinstance(painter, BuiltInPainter):
        return JudgedBuiltIn(painter, label)
    return JudgedMethod(Stylizer(painter), label)


def adain_bundle(vgg: str | Path, decoder: str | Path) -> Bundle:
    """Build an in-memory bundle of the paper's network with the user's weights, for judging only.

    Raises:
        ModelError: if the files are not a VGG-19 up to relu4_1 and a decoder of that layout.
    """
    from impasto.lab.export.graphs import export
    from impasto.lab.export.publish import adain_from

    return export(*adain_from(vgg, decoder))


def split_settings(model: str) -> tuple[str, dict[str, str]]:
    """Split a model's name, file or location from the settings after it.

    Settings begin at a colon followed by NAME=, so other colons may come before.

    >>> split_settings("tinting:Tint:steps=3,start=noise")
    ('tinting:Tint', {'steps': '3', 'start': 'noise'})
    >>> split_settings("C:wave.impasto")
    ('C:wave.impasto', {})
    """
    found = re.search(r":(?=[\w-]+=)", model)
    if found is None:
        return model, {}
    each = re.split(r",(?=[\w-]+=)", model[found.end() :])  # a value may hold commas
    return model[: found.start()], read_settings(each)


def same_model(one: Model, other: Model) -> bool:
    """Return True if two models are the same: by a bundle's identity, else by name or as objects.

    Raises:
        ModelError: if there is no such model.
    """
    if not (isinstance(one, str | Path) and isinstance(other, str | Path)):
        return one is other
    if any(_method(each) or _run(each) for each in (one, other)):
        return str(one) == str(other)
    (file, settings), (another, others) = _split(one), _split(other)
    return settings == others and find_bundle(file).fingerprint == find_bundle(another).fingerprint


def _run(model: Model) -> TypeGuard[str | Path]:
    return isinstance(model, str | Path) and is_run(model)


def _method(model: Model) -> bool:
    """Return True for the name of a plugged-in painter, with options or without."""
    return isinstance(model, str) and find_plugin(split_settings(model)[0]) is not None


def _loading(name: str, vgg: str | Path, options: PainterOptions) -> dict[str, Any]:
    """Return options of :func:`impasto.load` for a plugged-in painter."""
    given: dict[str, Any] = {"precision": options.precision, "threads": options.threads}
    plugin = find_plugin(name)
    method = None if plugin is None else open_plugin(plugin)
    if isinstance(getattr(method, "__self__", method), Method):
        return given | {"vgg": _vgg_of_methods(vgg)}
    if options.precision == PainterOptions.precision:  # another painter may have no such option
        del given["precision"]
    return given


def _split(model: str | Path) -> tuple[str | Path, dict[str, str]]:
    """Split a model from its settings; a path has none."""
    return split_settings(model) if isinstance(model, str) else (model, {})


def _label(model: str | Path) -> str:
    file, settings = _split(model)
    named = file if file in {row.name for row in MODELS} else Path(file).stem
    shown = ",".join(f"{name}={value}" for name, value in settings.items())
    return f"{named}:{shown}" if shown else str(named)


def _vgg_of_methods(judge: str | Path) -> Path:
    """Return the VGG-19 file that methods use."""
    try:
        return find_vgg()
    except ModelError:
        if os.environ.get(VARIABLE):
            raise
        return find_vgg(judge)
