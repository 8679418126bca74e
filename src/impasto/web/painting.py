"""Processing of requests: bytes in, bytes out, in a thread, within limits of pixels and memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import PurePath
from threading import Lock
from time import perf_counter
from typing import Any, cast

from impasto.batch.names import photo_part, shortened
from impasto.controls import Controls
from impasto.errors import ImageError, ModelError, OptionError, StyleError, one_line
from impasto.images.formats import FORMATS
from impasto.images.options import ReadOptions, SaveOptions
from impasto.images.photo import Photo, fit_photo
from impasto.images.resizing import scaled_size
from impasto.images.sources import open_picture
from impasto.images.writing import check_depth, quantized, result_format, write_image
from impasto.models import Card
from impasto.models.memory import give_back_memory
from impasto.painting import Budget
from impasto.painting.plan import memory_at_once, process_bytes
from impasto.styles.files import SUFFIX, read_style, style_bytes
from impasto.styles.style import Style, make_thumbnail
from impasto.stylizer import Stylizer
from impasto.web.forms import Asked, Upload
from impasto.web.limits import Limits
from impasto.web.places import Turn

__all__ = ["Answer", "FrameLook", "Models", "Served", "Studio"]

# Masks and styles are briefly held as floats: at most this many pixels of each in a request.
_MASK_PIXELS, _STYLE_PIXELS = 16_000_000, 25_000_000

# JPEG quality of frames, which are seen for a tenth of a second, where none is requested.
_FRAME_QUALITY = 85

# A safetensors file begins with the length of its header, and its header with a brace.
_BRACE = 8


@dataclass(frozen=True)
class Served:
    """A model that is served.

    Attributes:
        card: card of the model.
        identity: identity that styles are made for.
        load: function that opens it.
    """

    card: Card
    identity: str
    load: Callable[[], Stylizer]


class Models:
    """Models by their names, each loaded on its first use."""

    def __init__(self, served: Sequence[Served]) -> None:
        """Take models with different names; the first is the default.

        Raises:
            ModelError: if two have one name.
        """
        self._served = {each.card.name: each for each in served}
        if len(self._served) < len(served):
            names = ", ".join(each.card.name for each in served)
            raise ModelError(f"served models must have different names, not {names}")
        self._loaded: dict[str, Stylizer] = {}
        self._lock = Lock()

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())

    def find(self, name: str | None) -> Served:
        """Return the model of that name; the first for None.

        Raises:
            ModelError: with the names that there are.
        """
        if name is None:
            return next(iter(self))
        if name not in self._served:
            raise ModelError(
                f"there is no model {one_line(name[:100])!r}; this server has "
                + ", ".join(self._served)
            )
        return self._served[name]

    def open(self, name: str | None) -> Stylizer:
        """Return the same, loaded.

        Raises:
            ImpastoError: as :meth:`find`, or if it cannot be loaded.
        """
        served = self.find(name)
        with self._lock:  # one at a time: a model that is loaded twice is held twice
            if served.card.name not in self._loaded:
                self._loaded[served.card.name] = served.load()
            return self._loaded[served.card.name]


@dataclass(frozen=True, eq=False)
class Answer:
    """A result for a client.

    Attributes:
        data: the file.
        name: name of the file.
        kind: its media type.
        model: model that made it.
        size: width and height in pixels; zeros for what is no picture.
        seconds: seconds that the steps took, by name.
        remark: what was lost from the photograph, "" for nothing.
    """

    data: memoryview
    name: str
    kind: str
    model: str
    size: tuple[int, int] = (0, 0)
    seconds: Mapping[str, float] | None = None
    remark: str = ""


@dataclass(frozen=True, eq=False)
class FrameLook:
    """All that frames are painted with, ready to use.

    Attributes:
        model: the model that paints.
        styles: prepared styles.
        controls: controls with their maps read.
        size: shorter side that larger frames are reduced to; None: their own.
        quality: quality of the JPEGs.
    """

    model: Stylizer
    styles: tuple[Style | Photo, ...]
    controls: Controls
    size: int | None
    quality: int


class Studio:
    """The work of a server's threads: nothing is kept from one call to the next."""

    def __init__(self, models: Models, limits: Limits, *, memory: int, jobs: int) -> None:
        """Share the memory among the pictures that are painted at once.

        Args:
            models: models that paint.
            limits: limits of pixels.
            memory: bytes that the process may use.
            jobs: pictures that are painted at once.
        """
        self.models, self._limits = models, limits
        self._memory, self._jobs = memory, jobs

    def paint(self, asked: Asked, turn: Turn) -> Answer:
        """Paint a photograph, and make a file from it as the command line does.

        Raises:
            ImpastoError: naming what is wrong with the request.
            Left: see :meth:`Turn.check`.
        """
        try:
            return self._painted(asked, turn)
        finally:
            give_back_memory()  # requests are of all sizes, and a server runs for weeks

    def _painted(self, asked: Asked, turn: Turn) -> Answer:
        if asked.content is None:
            raise OptionError("content is missing: send a photograph as the file content")
        model = self.models.open(asked.model)
        budget = self._budget(model)
        named, save = _result(asked)
        read = replace(asked.read, max_pixels=self._limits.max_pixels)
        format = result_format(None, save)
        check_depth(save.depth, format)
        begin = perf_counter()
        with ExitStack() as files:
            styles, controls = self._look(asked, model, files, budget, turn)
            picture = files.enter_context(open_picture(asked.content.stream, **read.opening))
            self._check_size(model, budget, picture.height, picture.width, read.size)
            turn.check()
            ready = perf_counter()
            encoded = model.encode_picture(picture, controls, None, read, save, budget, turn.check)
            stream = io.BytesIO()
            written = model.write(encoded, picture, stream, styles, controls, save, turn.check)
        return Answer(
            data=stream.getbuffer(),
            name=named,
            kind=f"image/{format.name.lower()}",
            model=model.name,
            size=(written.width, written.height),
            seconds={"read": ready - begin, "paint": perf_counter() - ready},
            remark=written.remark,
        )

    def make_style(self, asked: Asked, turn: Turn) -> Answer:
        """Make the style file of a picture, as ``impasto style add`` does; or return a saved one's.

        Raises:
            ImpastoError: naming what is wrong with the request.
        """
        if len(asked.styles) != 1:
            raise OptionError(f"give one style, a file or a name, not {len(asked.styles)}")
        model = self.models.open(asked.model)
        given = asked.styles[0]
        if isinstance(given, str):
            style, name = model.kept(given), given
        else:
            name = PurePath(given.name).stem
            found = self._uploaded(given, asked.read)
            if isinstance(found, Photo):
                self._check_style(model, self._budget(model), found, asked.read)
                turn.check()
                made = model.style(found, size=asked.read.style_size)
                style = replace(
                    made,
                    model_name=model.name,
                    note=one_line(given.name),
                    thumbnail=make_thumbnail(found),
                )
            else:
                model.check_style(found)
                style = found
        kind = "application/octet-stream"
        return Answer(memoryview(style_bytes(style)), f"{name}{SUFFIX}", kind, model.name)

    def look(self, asked: Asked, files: ExitStack, turn: Turn) -> FrameLook:
        """Prepare what frames are painted with.

        Raises:
            ImpastoError: naming what is wrong with the request.
        """
        model = self.models.open(asked.model)
        styles, controls = self._look(asked, model, files, self._budget(model), turn)
        quality = asked.save.quality
        if quality == SaveOptions.quality:
            quality = _FRAME_QUALITY
        return FrameLook(model, styles, controls, asked.read.size, quality)

    def paint_frame(self, look: FrameLook, frame: bytes, turn: Turn) -> Answer:
        """Paint a frame: a small picture of any format becomes a JPEG without metadata.

        Raises:
            ImpastoError: if it is not such a picture.
        """
        budget = self._budget(look.model)
        upload = Upload("the frame", io.BytesIO(frame))
        with open_picture(upload.stream, max_pixels=self._limits.max_pixels) as picture:
            photo = picture.photo()
        size = look.size if min(photo.height, photo.width) > (look.size or 0) else None
        self._check_size(look.model, budget, photo.height, photo.width, size)
        photo = fit_photo(photo, size)
        turn.check()
        painted = look.model.paint(
            photo.image,
            look.styles,
            look.controls,
            opacity=photo.alpha,
            budget=budget,
            watch=turn.check,
        )
        stream, save = io.BytesIO(), SaveOptions(quality=look.quality)
        write_image(quantized(painted.image, 8), stream, format="jpeg", save=save)
        height, width = photo.image.shape[:2]
        data = stream.getbuffer()
        return Answer(data, "", "image/jpeg", look.model.name, (width, height))

    def _look(
        self, asked: Asked, model: Stylizer, files: ExitStack, budget: Budget, turn: Turn
    ) -> tuple[tuple[Style | Photo, ...], Controls]:
        """Styles and controls of a request, ready for painting."""
        if not asked.styles:
            raise OptionError("style is missing: send the name of one, or a picture of it")
        controls = Controls(**cast(dict[str, Any], asked.controls))
        model.check(controls, len(asked.styles), budget)
        maps: tuple[Any, ...] = (controls.alpha, *controls.masks)
        sent = sum(isinstance(each, Upload) for each in maps)
        if sent:
            pixels = min(self._limits.max_pixels, _MASK_PIXELS // sent)
            controls = controls.opened(files, max_pixels=pixels)
            model.check(controls, len(asked.styles), budget)
        styles = []
        for each in asked.styles:
            turn.check()
            found: Style | Photo
            if isinstance(each, str):
                found = model.kept(each)
            else:
                found = self._uploaded(each, asked.read)
                if isinstance(found, Photo):
                    self._check_style(model, budget, found, asked.read)
            styles.append(model.prepare(found, controls, asked.read))
        return tuple(styles), controls

    def _uploaded(self, given: Upload, read: ReadOptions) -> Style | Photo:
        """A style file, or the picture of a style."""
        given.seek(0)
        if given.read(_BRACE + 1)[_BRACE:] == b"{":
            given.seek(0)
            try:
                return read_style(given.read())
            except ValueError as error:
                raise StyleError(
                    f"{given.name}: not a style that can be used ({one_line(error)})"
                ) from error
        pixels = min(self._limits.max_pixels, _STYLE_PIXELS)
        with open_picture(given.stream, **{**read.opening, "max_pixels": pixels}) as picture:
            return picture.photo()

    def _check_style(
        self, model: Stylizer, budget: Budget, photo: Photo, read: ReadOptions
    ) -> None:
        """Refuse a style that takes more memory than available: its picture is read at once."""
        height, width = photo.height, photo.width
        if min(height, width) > (read.style_size or 0):
            height, width = scaled_size(height, width, read.style_size or 0)
        self._check_whole(model, budget, height, width, f"{photo.name}: give a smaller style_size")

    def _check_size(
        self, model: Stylizer, budget: Budget, height: int, width: int, size: int | None
    ) -> None:
        """Refuse a result that is too large, before anything is decoded."""
        if size is not None:
            height, width = scaled_size(height, width, size)
        if height * width > self._limits.max_pixels:
            raise OptionError(
                f"a result of {width} x {height} pixels is more than the "
                f"{self._limits.max_pixels:,} that this server allows: give a smaller size"
            )
        if not model.limits.memory:
            self._check_whole(model, budget, height, width, "give a smaller size")

    def _check_whole(
        self, model: Stylizer, budget: Budget, height: int, width: int, mend: str
    ) -> None:
        needed = memory_at_once(height, width, card=model.card)
        if needed > self._share(model):
            raise ImageError(
                f"{width} x {height} pixels at once need {needed / 1e6:,.0f} MB, and this server "
                f"has {self._share(model) / 1e6:,.0f} MB per picture; {mend}"
            )

    def _share(self, model: Stylizer) -> int:
        """Memory of one of the pictures that are painted at once, with that of the process."""
        base = process_bytes(model.card)
        return base + max(0, self._memory - base) // self._jobs

    def _budget(self, model: Stylizer) -> Budget:
        return Budget(memory=self._share(model)) if model.limits.memory else Budget()


def _result(asked: Asked) -> tuple[str, SaveOptions]:
    """The name of a result, as the command line would name it, and how it is written."""
    written = [suffix for row in FORMATS if row.written for suffix in row.suffixes]
    known = [suffix for row in FORMATS for suffix in row.suffixes]
    assert asked.content is not None
    stem, suffix = photo_part(asked.content.name, written, known)
    save = asked.save
    own = next(row for row in FORMATS if suffix.lower() in row.suffixes)
    if save.format is None:
        save = replace(save, format=own.name.lower())
    elif save.format != own.name.lower():
        suffix = next(row.suffixes[0] for row in FORMATS if row.name.lower() == save.format)
    names = [each if isinstance(each, str) else PurePath(each.name).stem for each in asked.styles]
    return shortened(stem, "".join(f"-{name}" for name in names), suffix), save
