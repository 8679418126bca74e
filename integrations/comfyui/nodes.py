"""The nodes: for each a function, and a row that says what goes in and what comes out.

``v3`` and ``v1`` make ComfyUI's classes of the rows. The identity of a node and the names of its
inputs are in people's workflows: they never change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folder_paths

import impasto
from impasto import Controls, ImageError, ModelError, OptionError, ReadOptions, StyleError, Stylizer
from impasto.controls.color import METHODS
from impasto.images.photo import fit_photo
from impasto.models import DEFAULT_MODEL, ENGINES, MODELS
from impasto.models.bundle import SUFFIX
from impasto.styles.library import list_styles
from impasto.video.options import LEVELS

from .progress import Steps
from .tensors import arrays_of, batch_of, planes_of
from .values import Encoded, Mixture

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from impasto.images.photo import Photo

MODEL, STYLE, ENCODED = "IMPASTO_MODEL", "IMPASTO_STYLE", "IMPASTO_ENCODED"

# Choices that stand for "nothing of this".
AUTOMATIC, STYLE_COLORS = "automatic", "of the style"

WHERE, STRENGTH = "where", "strength"

# Own models lie in models/impasto of ComfyUI.
folder_paths.folder_names_and_paths.setdefault(
    "impasto", ([str(Path(folder_paths.models_dir, "impasto"))], {SUFFIX})
)


@dataclass(frozen=True)
class Socket:
    """An input of a node.

    Attributes:
        id: its name in the function and in workflows.
        kind: the type of ComfyUI, or several with commas between.
        tip: a line for people.
        optional: whether it may be left unconnected; without a widget only.
        default: of its widget; None: it has none, but is connected.
        range: smallest and largest number, and step of the widget.
        choices: gives those of a COMBO.
    """

    id: str
    kind: str
    tip: str
    optional: bool = False
    default: Any = None
    range: tuple[float, float, float] | None = None
    choices: Callable[[], list[str]] | None = None


@dataclass(frozen=True)
class Node:
    """A row of the table of nodes.

    Attributes:
        id: its name in workflows.
        name: its title.
        about: what it does, for people.
        inputs: in their order.
        output: name and type of what it returns.
        run: takes the inputs by name.
        stamp: gives what else the result depends on, such as the time of a file; it is given the
            widgets' values by name.
    """

    id: str
    name: str
    about: str
    inputs: tuple[Socket, ...]
    output: tuple[str, str]
    run: Callable[..., Any]
    stamp: Callable[..., Any] | None = None


def load_model(model: str, engine: str, precision: str) -> Stylizer:
    """Load a model that ships with Impasto, or one in models/impasto."""
    return impasto.load(
        _place(model),
        engine=None if engine == AUTOMATIC else engine,
        precision=None if precision == AUTOMATIC else precision,
    )


def make_style(
    gallery: str,
    own: str,
    size: int,
    model: Stylizer | None = None,
    image: torch.Tensor | None = None,
) -> Mixture:
    """Find a style by its name, or make one of an image."""
    model = model or impasto.load()
    if image is None:
        return Mixture(model, (model.kept(own.strip() or gallery),), (None,), (1.0,))
    if len(image) != 1:
        raise StyleError(
            f"a style is one image, not {len(image)}: take one of them (ImageFromBatch), or "
            "connect each to its own Style node and those to Mix styles"
        )
    read = ReadOptions(style_size=size or None)
    photo = fit_photo(impasto.read_photo(next(arrays_of(image))), read.style_size, enlarge=False)
    return Mixture(model, (model.style(photo, size=None),), (photo,), (1.0,))


def mix_styles(
    style_1: Mixture,
    weight_1: float,
    weight_2: float,
    weight_3: float,
    weight_4: float,
    style_2: Mixture | None = None,
    style_3: Mixture | None = None,
    style_4: Mixture | None = None,
) -> Mixture:
    """Join styles to one, each as strong as its weight."""
    weights = weight_1, weight_2, weight_3, weight_4
    pairs = zip((style_1, style_2, style_3, style_4), weights, strict=True)
    given = [(style, weight) for style, weight in pairs if style is not None]
    used = [(style, weight) for style, weight in given if weight > 0]
    if not used:
        raise OptionError("all weights are 0: give at least one style a larger weight")
    for style, _ in given:
        if style.model.identity != style_1.model.identity:
            raise StyleError(
                f"styles of {style_1.model.name!r} and {style.model.name!r} cannot be mixed: "
                "connect one Load model to all of them"
            )
    return Mixture(
        style_1.model,
        tuple(each for style, _ in used for each in style.styles),
        tuple(each for style, _ in used for each in style.photos),
        tuple(weight * own / sum(style.weights) for style, weight in used for own in style.weights),
    )


def encode(images: torch.Tensor, size: int, model: Stylizer | None = None) -> Encoded:
    """Encode images, so that other styles and strengths need not do it again."""
    model = model or impasto.load()
    steps = Steps(len(images))
    photos, contents = [], []
    for array in arrays_of(images):
        photo = fit_photo(impasto.read_photo(array), size or None)
        photos.append(photo)
        contents.append(model.encode(photo.image, opacity=photo.alpha))
        steps.image()
    return Encoded(model, tuple(photos), tuple(contents))


def stylize(
    images: torch.Tensor | Encoded,
    style: Mixture,
    strength: float,
    mask_is: str,
    color: str,
    coarse: float,
    size: int,
    steady: str,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Paint images in a style."""
    count = len(images.photos) if isinstance(images, Encoded) else len(images)
    method = None if color == STYLE_COLORS else color
    styles = style.for_color(method)
    controls = Controls(
        alpha=strength,
        weights=style.weights if len(styles) > 1 else None,
        color=method,
        coarse=coarse,
    )
    looks = [controls] if mask is None else _looks(controls, len(styles), mask, mask_is, count)
    if isinstance(images, Encoded):
        _check_encoded(images, style, size, steady)
        painted = _painted_encoded(images, style.model, styles, _each(looks, count))
        return batch_of(painted, count)
    if count == 1:
        painted = _painted_alone(images, style.model, styles, looks[0], size)
    else:
        painted = _painted_film(images, style.model, styles, looks, size, steady)
    return batch_of(painted, count).to(images.device)


def _looks(
    controls: Controls, styles: int, mask: torch.Tensor, mask_is: str, count: int
) -> list[Controls]:
    """The controls of all images, or those of every one, that a mask makes of the controls."""
    planes = planes_of(mask, count)
    if not any(plane.any() for plane in planes):
        raise ImageError(
            "the mask is empty, so nothing would be painted: paint a mask (right-click Load "
            "Image, Open in MaskEditor), or leave it unconnected"
        )
    return [_look(controls, styles, plane, mask_is) for plane in planes]


def _look(controls: Controls, styles: int, plane: NDArray[np.float32], mask_is: str) -> Controls:
    if not plane.any():  # of a film, whose mask is empty for a while
        return replace(controls, alpha=0.0)
    if mask_is == STRENGTH:
        return replace(controls, alpha=plane * controls.alpha)
    return replace(controls, masks=[plane] * styles)


def _each(looks: list[Controls], count: int) -> list[Controls]:
    return looks if len(looks) == count else looks * count


def _painted_alone(
    images: torch.Tensor, model: Stylizer, styles: list[Any], controls: Controls, size: int
) -> Iterator[NDArray[Any]]:
    """One image: all threads work at it, and Cancel works within it."""
    steps = Steps(1)
    photo: Photo = fit_photo(impasto.read_photo(next(arrays_of(images))), size or None)
    painted = model.paint(photo.image, styles, controls, opacity=photo.alpha, watch=steps.within())
    yield photo.give_back(painted.image)
    steps.image()


def _painted_film(
    images: torch.Tensor,
    model: Stylizer,
    styles: list[Any],
    looks: list[Controls],
    size: int,
    steady: str,
) -> Iterator[NDArray[Any]]:
    """Several images: as many at once as there are cores, and steadied if that is wanted."""
    steps = Steps(len(images))
    controls = looks[0] if len(looks) == 1 else looks
    read = ReadOptions(size=size or None, style_size=None)
    frames = impasto.stylize_frames(
        model, arrays_of(images), styles, controls, steady=steady, read=read
    )
    with closing(frames):  # Cancel ends what is under way
        for frame in frames:
            yield frame
            steps.image()


def _painted_encoded(
    images: Encoded, model: Stylizer, styles: list[Any], looks: list[Controls]
) -> Iterator[NDArray[Any]]:
    steps = Steps(len(images.photos))
    for photo, content, controls in zip(images.photos, images.contents, looks, strict=True):
        painted = model.paint(content, styles, controls, watch=steps.within())
        yield photo.give_back(painted.image)
        steps.image()


def _check_encoded(images: Encoded, style: Mixture, size: int, steady: str) -> None:
    if images.model.identity != style.model.identity:
        raise StyleError(
            f"the images were encoded by {images.model.name!r}, and the style is for "
            f"{style.model.name!r}: connect one Load model to both"
        )
    if size:
        raise OptionError(
            f"encoded images already have a size: set size to 0 here, and to {size} in Encode"
        )
    if steady != LEVELS[0] and len(images.photos) > 1:
        raise OptionError(
            f"steady needs images that are not encoded: connect the images directly, or set "
            f"steady to {LEVELS[0]!r}"
        )


def _place(model: str) -> str:
    """The name of a model that ships, or the path of one in models/impasto."""
    if any(model == row.name for row in MODELS):
        return model
    place = folder_paths.get_full_path("impasto", model)
    if place is None:
        raise ModelError(f"there is no model {model!r} in models/impasto: copy its file there")
    return str(place)


def _models() -> list[str]:
    shipped = [row.name for row in MODELS if row.path is not None]
    return [*shipped, *folder_paths.get_filename_list("impasto")]


def _engines() -> list[str]:
    return [AUTOMATIC, *(row.name for row in ENGINES)]


def _precisions() -> list[str]:
    offered = [each for row in ENGINES for each in row.precisions]
    return [AUTOMATIC, *dict.fromkeys(offered)]


def _gallery() -> list[str]:
    return list(dict.fromkeys(entry.name for entry in list_styles(own=False)))


def _colors() -> list[str]:
    return [STYLE_COLORS, *(row.name for row in METHODS)]


def _time_of_model(model: str, **others: object) -> int:
    place = Path(_place(model))
    return place.stat().st_mtime_ns if place.is_file() else 0


def _times_of_style(gallery: str, own: str, **others: object) -> list[int]:
    found = list_styles(like=own.strip() or gallery)
    return [entry.path.stat().st_mtime_ns for entry in found]


_MODEL = Socket("model", MODEL, f"From Load model; default {DEFAULT_MODEL!r}.", optional=True)
_SIZE = Socket(
    "size",
    "INT",
    "Shorter side of the result in pixels; 0 keeps the size of the image.",
    default=0,
    range=(0, 16384, 8),
)


def _weight(number: int) -> Socket:
    tip = f"Weight of style {number}; only the ratios matter."
    return Socket(f"weight_{number}", "FLOAT", tip, default=1.0, range=(0, 100, 0.05))


def _style(number: int, *, optional: bool = True) -> Socket:
    return Socket(f"style_{number}", STYLE, f"Style {number}.", optional=optional)


NODES = (
    Node(
        id="Impasto_Model",
        name="Load model (Impasto)",
        about="A model for the other nodes. It runs on the processor, so the GPU stays free.",
        inputs=(
            Socket(
                "model",
                "COMBO",
                "'fast' is quicker, 'quality' better; your own models (.impasto) go into "
                "models/impasto.",
                default=DEFAULT_MODEL,
                choices=_models,
            ),
            Socket(
                "engine",
                "COMBO",
                "The library that runs the model; automatic: the best one installed.",
                default=AUTOMATIC,
                choices=_engines,
            ),
            Socket(
                "precision",
                "COMBO",
                "The precision to compute in; automatic: what suits model and processor.",
                default=AUTOMATIC,
                choices=_precisions,
            ),
        ),
        output=("model", MODEL),
        run=load_model,
        stamp=_time_of_model,
    ),
    Node(
        id="Impasto_Style",
        name="Style (Impasto)",
        about="A style of the gallery, or the style of an image, which is read only once.",
        inputs=(
            Socket(
                "gallery",
                "COMBO",
                "A style that ships with Impasto; a connected image replaces it.",
                default="munch-scream",
                choices=_gallery,
            ),
            Socket(
                "own",
                "STRING",
                "Instead of the gallery: the name of a style that you have added "
                "(impasto style add), or of one built into the model.",
                default="",
            ),
            Socket(
                "size",
                "INT",
                "A larger style image is reduced to this shorter side, which sets the scale of "
                "strokes; 0 keeps its size.",
                default=ReadOptions.style_size or 0,
                range=(0, 16384, 8),
            ),
            _MODEL,
            Socket("image", "IMAGE", "A painting or pattern as the style.", optional=True),
        ),
        output=("style", STYLE),
        run=make_style,
        stamp=_times_of_style,
    ),
    Node(
        id="Impasto_Mix",
        name="Mix styles (Impasto)",
        about="Mixes two to four styles by weight. Mixtures can be mixed again.",
        inputs=(
            _style(1, optional=False),
            *(_weight(number) for number in range(1, 5)),
            *(_style(number) for number in range(2, 5)),
        ),
        output=("style", STYLE),
        run=mix_styles,
    ),
    Node(
        id="Impasto_Encode",
        name="Encode (Impasto)",
        about="Does the first half of painting, so that Stylize repeats only the second half when "
        "style, strength or mask change. Takes about three times the memory of the images.",
        inputs=(Socket("images", "IMAGE", "Images to paint more than once."), _SIZE, _MODEL),
        output=("encoded", ENCODED),
        run=encode,
    ),
    Node(
        id="Impasto_Stylize",
        name="Stylize (Impasto)",
        about="Paints images in a style. A batch is a film: steady reduces its flicker.",
        inputs=(
            Socket("images", f"IMAGE,{ENCODED}", "Images, or the output of Encode."),
            Socket("style", STYLE, "From Style or Mix styles."),
            Socket(
                "strength",
                "FLOAT",
                "0 the image, 1 the full style, up to 2 exaggerated.",
                default=1.0,
                range=(0, 2, 0.05),
            ),
            Socket(
                "mask_is",
                "COMBO",
                "What a mask sets: where the style is applied, fitted to that part of the image; "
                "or how strong it is at every place.",
                default=WHERE,
                choices=lambda: [WHERE, STRENGTH],
            ),
            Socket(
                "color",
                "COMBO",
                "Colors of the style, or a method that keeps those of the image; 'only' takes "
                "only the colors of the style. All but 'luminance' need a style image.",
                default=STYLE_COLORS,
                choices=_colors,
            ),
            Socket(
                "coarse",
                "FLOAT",
                "The factor by which strokes are enlarged.",
                default=Controls.coarse,
                range=(1, 4, 0.1),
            ),
            _SIZE,
            Socket(
                "steady",
                "COMBO",
                "For films: off paints every frame by itself; light and strong reduce flicker.",
                default=LEVELS[0],
                choices=lambda: list(LEVELS),
            ),
            Socket(
                "mask",
                "MASK",
                "Areas outside the mask stay unchanged; one mask for all images, or one for each.",
                optional=True,
            ),
        ),
        output=("images", "IMAGE"),
        run=stylize,
    ),
)
