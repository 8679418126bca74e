"""Style as an augmentation: whether a network that is trained with it goes by shape or texture."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from impasto.augment import Stylize
from impasto.errors import OptionError
from impasto.images.files import write_whole
from impasto.images.formats import READ_SUFFIXES
from impasto.images.photo import fit_photo, read_photo
from impasto.lab.evaluate.intervals import mean_interval
from impasto.models import find_bundle
from impasto.styles.library import list_styles
from plots import Bar, bar_plot
from study import Bench, Experiment, Results, Row, Unit, mean_of, table

Pictures = NDArray[np.uint8]
"""(N, H, W, 3)."""

TRAININGS = {
    "plain": "the pictures as they are",
    "jitter": "brightness, contrast, saturation and hue changed at random",
    "half": "half of them stylized, `Stylize()`",
    "all": "all of them stylized, `Stylize(p=1)`",
    "strong": "all of them at full strength, `Stylize(p=1, alpha=1)`",
}
"""Ways to train, by name."""
TESTS = ("plain", "stylized", "silhouettes", "conflict")
SHARES = {"half": 0.5, "all": 1.0, "strong": 1.0}
"""Probability that a picture is a stylized one, in the ways to train that have such."""
_SCALE = 4  # shapes are drawn larger and reduced, for smooth edges
_TEXTURE_SIDE = 160  # shorter side of a texture that crops are taken from


@dataclass(frozen=True)
class Settings:
    """Pictures of ``size`` px: ``pictures`` of each of ``classes`` for training, ``judged`` a test.

    ``files`` are those of a texture, ``variants`` the stylized versions of a picture, ``width`` the
    channels of the first layer.
    """

    seeds: int = 3
    classes: int = 8
    files: int = 6
    size: int = 48
    pictures: int = 200
    judged: int = 40
    variants: int = 1
    epochs: int = 14
    batch: int = 64
    width: int = 16
    rate: float = 2e-3
    model: str = "fast"


# --- pictures: shapes filled with textures


def _circle(radius: float = 1.0, x: float = 0.0, y: float = 0.0) -> list[tuple[float, float]]:
    angles = np.linspace(0, 2 * math.pi, 60, endpoint=False)
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def _star(points: int, inner: float) -> list[tuple[float, float]]:
    """Alternately at the radius 1 and ``inner``, beginning at the top."""
    angles = -math.pi / 2 + np.arange(2 * points) * math.pi / points
    radii = np.where(np.arange(2 * points) % 2, inner, 1.0)
    return [(r * math.cos(a), r * math.sin(a)) for a, r in zip(angles, radii, strict=True)]


def _heart() -> list[tuple[float, float]]:
    t = np.linspace(0, 2 * math.pi, 60, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [(a / 17, (-b - 2) / 17) for a, b in zip(x, y, strict=True)]


def _cross(half: float) -> list[tuple[float, float]]:
    """Bars of the width ``2 * half``."""
    arm = [(half, -half), (half, -1.0), (-half, -1.0)]  # upward; turned by quarters for the others
    turns = [(1, 0), (0, -1), (-1, 0), (0, 1)]
    return [(c * x - s * y, s * x + c * y) for c, s in turns for x, y in arm]


SHAPES: dict[str, tuple[Sequence[tuple[float, float]], ...]] = {
    "disk": (_circle(0.9),),
    "square": ([(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)],),
    "triangle": ([(0, -1), (0.95, 0.75), (-0.95, 0.75)],),
    "star": (_star(5, 0.42),),
    "cross": (_cross(1 / 3),),
    "ring": (_circle(), _circle(0.5)),
    "crescent": (_circle(), _circle(0.85, 0.5)),
    "arrow": ([(-1, -0.3), (0, -0.3), (0, -0.9), (1, 0), (0, 0.9), (0, 0.3), (-1, 0.3)],),
    "heart": (_heart(),),
    "hourglass": (
        [(-0.85, -0.95), (0.85, -0.95), (0.12, 0), (0.85, 0.95), (-0.85, 0.95), (-0.12, 0)],
    ),
}
"""Outlines about as large as a circle of radius 1, x to the right, y down; the second is a hole."""


def drawn_shape(
    name: str, size: int, *, radius: float, turn: float, at: tuple[float, float]
) -> NDArray[np.float32]:
    """A shape as a mask (size, size) in [0, 1].

    Args:
        name: in ``SHAPES``.
        size: side of the mask in pixels.
        radius: half of its size, in pixels; corners may lie further out.
        turn: in degrees.
        at: its center, x and y in pixels.
    """
    canvas = Image.new("L", (size * _SCALE,) * 2, 0)
    draw = ImageDraw.Draw(canvas)
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    for number, outline in enumerate(SHAPES[name]):
        points = [
            (
                (at[0] + radius * (c * x - s * y)) * _SCALE,
                (at[1] + radius * (s * x + c * y)) * _SCALE,
            )
            for x, y in outline
        ]
        draw.polygon(points, fill=0 if number else 255)
    reduced = canvas.resize((size, size), Image.Resampling.BOX)
    return np.asarray(reduced, np.float32) / 255


class Textures:
    """Families of textures: files whose names begin alike, ``banded_0002.webp``.

    Args:
        folders: with pictures.
        count: how many families to take, those with the most files first.
        files: how many of the files of each.

    Raises:
        OptionError: if there are not as many.
    """

    def __init__(self, folders: Sequence[str], count: int, files: int) -> None:
        found: dict[str, list[Path]] = {}
        for folder in folders:
            for path in sorted(Path(folder).iterdir()):
                if path.suffix.lower() in READ_SUFFIXES:
                    found.setdefault(path.stem.partition("_")[0], []).append(path)
        if len(found) < count:
            raise OptionError(
                f"{count} classes need as many families of textures (files named FAMILY_NUMBER), "
                f"not {len(found)}; give --contents a folder of textures"
            )
        chosen = sorted(found, key=lambda name: (-len(found[name]), name))[:count]
        self.names = sorted(chosen)
        self._textures = [[_read(path) for path in found[name][:files]] for name in self.names]

    def crop(self, family: int, size: int, random: np.random.Generator) -> Pictures:
        """A square of a texture of a family, reduced a little."""
        texture = self._textures[family]
        picture = texture[random.integers(len(texture))]
        side = int(random.integers(size, min(2 * size, *picture.shape[:2]) + 1))
        top, left = (int(random.integers(n - side + 1)) for n in picture.shape[:2])
        square = Image.fromarray(picture[top : top + side, left : left + side])
        return np.asarray(square.resize((size, size), Image.Resampling.BOX))


def _read(path: Path) -> Pictures:
    image = fit_photo(read_photo(path), _TEXTURE_SIDE).image
    return np.asarray((image * 255).round(), np.uint8)


def draw_set(
    shapes: NDArray[Any],
    textures: NDArray[Any] | None,
    source: Textures,
    size: int,
    random: np.random.Generator,
) -> Pictures:
    """Pictures of shapes on a plain ground.

    Args:
        shapes: (N,), the number of each in ``SHAPES``.
        textures: (N,), the family of each; None: filled with a plain color too.
        source: of the textures.
        size: of the pictures in pixels.
        random: for everything else.
    """
    made = np.empty((len(shapes), size, size, 3), np.uint8)
    names = list(SHAPES)
    for i, shape in enumerate(shapes):
        radius = size * random.uniform(0.3, 0.44)
        at = tuple(random.uniform(radius, size - radius, 2))
        turn = random.uniform(-25, 25)
        mask = drawn_shape(names[shape], size, radius=radius, turn=turn, at=at)[..., None]
        ground, plain = random.integers(0, 256, (2, 3))
        while np.abs(ground - plain).max() < 64:
            plain = random.integers(0, 256, 3)
        fill = plain
        if textures is not None:
            fill = source.crop(int(textures[i]), size, random)
        made[i] = (mask * fill + (1 - mask) * ground).round()
    return made


# --- training


def network(classes: int, width: int) -> Any:
    """A small convolutional network: four layers, and the mean over the picture."""
    from torch import nn

    def layer(before: int, after: int, kernel: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
        return [convolution, nn.BatchNorm2d(after), nn.ReLU()]

    return nn.Sequential(
        *layer(3, width, 5, 2),
        *layer(width, 2 * width, 3, 2),
        *layer(2 * width, 4 * width, 3, 2),
        *layer(4 * width, 4 * width, 3, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, classes),
    )


def trained(
    settings: Settings, pictures: Pictures, labels: NDArray[Any], chosen: Any, seed: int
) -> Any:
    """Train a network.

    Args:
        settings: its size, epochs and the rate, which falls to 0 along a cosine.
        pictures: (N, H, W, 3).
        labels: (N,) classes.
        chosen: from the numbers of a batch's pictures and a generator to its pictures
            (B, 3, H, W) in [0, 1].
        seed: of weights, order and what is chosen.
    """
    import torch
    from torch.nn import functional as F

    torch.manual_seed(seed)
    net = network(settings.classes, settings.width)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.rate, weight_decay=0.01)
    steps = settings.epochs * math.ceil(len(labels) / settings.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    target = torch.from_numpy(labels)
    for _ in range(settings.epochs):
        for numbers in torch.randperm(len(labels)).split(settings.batch):
            optimizer.zero_grad()
            F.cross_entropy(net(centered(chosen(numbers))), target[numbers]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def centered(pictures: Any) -> Any:
    """Pictures in [0, 1] with a mean near 0 and a deviation near 1."""
    return (pictures - 0.5) / 0.25


def decisions(net: Any, pictures: Pictures) -> NDArray[Any]:
    """The class that a network decides for, of each picture."""
    import torch

    with torch.no_grad():
        found = [net(centered(batch)).argmax(1) for batch in tensors(pictures).split(256)]
    return torch.cat(found).numpy()


def tensors(pictures: Pictures) -> Any:
    """Pictures (N, 3, H, W) in [0, 1]."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 255


def jittered(pictures: Any) -> Any:
    """Change brightness, contrast and saturation by up to 40 %, and hue by up to a tenth.

    Args:
        pictures: (B, 3, H, W) in [0, 1].
    """
    import torch

    count = len(pictures)
    bright, contrast, saturation = 0.6 + 0.8 * torch.rand(3, count, 1, 1, 1)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    x = pictures * bright
    mean = (x * luma).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    x = mean + (x - mean) * contrast
    gray = (x * luma).sum(1, keepdim=True)
    # Hue turns the two axes of color of YIQ.
    axes = torch.tensor([[0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    color = torch.einsum("kc,bchw->bkhw", axes, x - gray)
    angle = (torch.rand(count, 1, 1) * 2 - 1) * 0.1 * 2 * math.pi
    i, q = color[:, 0], color[:, 1]
    turned = torch.stack([i * angle.cos() - q * angle.sin(), i * angle.sin() + q * angle.cos()], 1)
    back = torch.tensor([[0.956, 0.621], [-0.272, -0.647], [-1.106, 1.703]])
    return (gray + saturation * torch.einsum("ck,bkhw->bchw", back, turned)).clamp(0, 1)


# --- the experiment


def _units(bench: Bench) -> list[Unit]:
    return [
        Unit({"training": training, "seed": seed})
        for seed in range(bench.settings.seeds)
        for training in TRAININGS
    ]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    settings: Settings = bench.settings
    training, seed = str(unit.key["training"]), int(unit.key["seed"])
    sets = _sets(bench, seed)
    chosen = _chooser(training, tensors(sets["train"]), _variants(bench, training, seed, sets))
    net = trained(settings, sets["train"], sets["train classes"], chosen, seed)
    for test in TESTS:
        found = decisions(net, sets[test])
        shapes, textures = sets["shapes"], sets["textures" if test == "conflict" else "shapes"]
        row: dict[str, str | float] = {"test": test, "shape": float((found == shapes).mean())}
        if test == "conflict":
            row["texture"] = float((found == textures).mean())
        yield row


def _chooser(training: str, pictures: Any, variants: Sequence[Any]) -> Any:
    """From numbers of pictures to what a network is trained on, by the way to train."""
    import torch

    def chosen(numbers: Any) -> Any:
        plain = pictures[numbers]
        if training == "jitter":
            return jittered(plain)
        if not variants:
            return plain
        which = torch.randint(len(variants), (len(numbers), 1, 1, 1))
        painted = plain
        for number, variant in enumerate(variants):
            painted = torch.where(which == number, variant[numbers], painted)
        return torch.where(torch.rand(len(numbers), 1, 1, 1) < SHARES[training], painted, plain)

    return chosen


def _sets(bench: Bench, seed: int) -> dict[str, Any]:
    """Pictures for training and of the tests, with their classes; kept in the work folder."""

    def made() -> dict[str, Any]:
        settings: Settings = bench.settings
        random = np.random.default_rng(seed)
        folders = list(bench.places.contents)
        source = Textures(folders, settings.classes, settings.files)
        classes = np.arange(settings.classes)
        train, shapes = classes.repeat(settings.pictures), classes.repeat(settings.judged)
        others = shapes + random.integers(1, settings.classes, len(shapes))
        textures = others % settings.classes
        size = settings.size
        plain = draw_set(shapes, shapes, source, size, random)
        test_styles, _ = styles_of(settings.model)
        transform = Stylize(1.0, 1.0, test_styles, model=settings.model, seed=seed)
        return {
            "train": draw_set(train, train, source, size, random),
            "train classes": train,
            "plain": plain,
            "stylized": transform(plain),
            "silhouettes": draw_set(shapes, None, source, size, random),
            "conflict": draw_set(shapes, textures, source, size, random),
            "shapes": shapes,
            "textures": textures,
        }

    return _kept(bench, f"sets-{seed}", made)


def _variants(bench: Bench, training: str, seed: int, sets: dict[str, Any]) -> list[Any]:
    """Stylized versions of the pictures for training; none where the training has no styles."""
    if training not in SHARES:
        return []

    def made() -> dict[str, Any]:
        settings: Settings = bench.settings
        _, styles = styles_of(settings.model)
        strength = {"alpha": 1.0} if training == "strong" else {}
        transform = Stylize(1.0, styles=styles, model=settings.model, seed=seed, **strength)
        return {str(i): transform(sets["train"]) for i in range(settings.variants)}

    name = "strong" if training == "strong" else "stylized"
    return [tensors(each) for each in _kept(bench, f"{name}-{seed}", made).values()]


def styles_of(model: str) -> tuple[list[str], list[str]]:
    """The names of every fourth style of the gallery, which is for the tests, and of the others."""
    entries = list_styles(model=find_bundle(model).identity, own=False)
    names = [entry.name for entry in entries]
    return names[::4], [name for name in names if name not in names[::4]]


def _kept(bench: Bench, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Arrays that are made once for the same settings."""
    facts = f"{replace(bench.settings, seeds=0)} {sorted(bench.places.contents)}"
    path = bench.work / f"{name}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}.npz"
    if not path.exists():
        buffer = io.BytesIO()
        np.savez(buffer, **make())
        write_whole(path, buffer.getvalue(), overwrite=True)
    with np.load(path) as arrays:
        return dict(arrays)


def _percent(results: Results, column: str, **cells: object) -> list[float]:
    return [100 * value for value in results.numbers(column, **cells)]


def biases(results: Results, training: str) -> list[float]:
    """Decisions by shape in those by shape or texture, in percent, seed by seed."""
    cells = {"training": training, "test": "conflict"}
    shape, texture = (_percent(results, name, **cells) for name in ("shape", "texture"))
    return [100 * s / (s + t) for s, t in zip(shape, texture, strict=True) if s + t]


def _tables(results: Results) -> str:
    head = [
        "trained on",
        "plain",
        "stylized",
        "silhouettes",
        "by shape",
        "by texture",
        "shape bias",
    ]
    rows = []
    for training, about in TRAININGS.items():
        cells = {"training": training}
        rows.append(
            [
                about,
                *(mean_of(_percent(results, "shape", **cells, test=test), 1) for test in TESTS),
                mean_of(_percent(results, "texture", **cells, test="conflict"), 1),
                mean_of(biases(results, training), 1),
            ]
        )
    settings = results.settings
    judged = settings["classes"] * settings["judged"]
    return (
        f"Percent of {judged} pictures per test, means over the seeds. First the correct "
        "decisions: on pictures as in training, on the same in styles that no training used, and "
        "on shapes of a plain color. Then, on shapes with the texture of another class, the "
        "decisions for the class of the shape, for that of the texture, and the share of the first "
        "in both together (the shape bias):\n\n" + table(head, rows)
    )


def verdict(results: Results) -> str:
    """Sentences on the training that is the transform's default, beside the others."""

    def mean(training: str, test: str) -> str:
        values = _percent(results, "shape", training=training, test=test)
        return f"{np.mean(values):.0f} %"

    def bias(training: str) -> str:
        return f"{np.mean(biases(results, training)):.0f} %"

    return (
        f"With half of its pictures stylized, the network is right on {mean('half', 'stylized')} "
        f"of the pictures in unseen styles instead of {mean('plain', 'stylized')}, and on "
        f"{mean('half', 'plain')} of the pictures as in training instead of "
        f"{mean('plain', 'plain')}. Where shape and texture disagree, {bias('half')} of its "
        f"decisions for one or the other are for the shape, instead of {bias('plain')}. "
        f"Color jitter gives {mean('jitter', 'stylized')}, {mean('jitter', 'plain')} and "
        f"{bias('jitter')}; stylizing all pictures gives {mean('all', 'stylized')}, "
        f"{mean('all', 'plain')} and {bias('all')}."
    )


def _plot(results: Results) -> Image.Image:
    bars = []
    for training in TRAININGS:
        for test in TESTS:
            values = _percent(results, "shape", training=training, test=test)
            group = "conflict: by shape" if test == "conflict" else test
            if values:
                interval = mean_interval(values)
                bars.append(Bar(group, training, float(np.mean(values)), interval))
        if values := _percent(results, "texture", training=training, test="conflict"):
            interval = mean_interval(values)
            bars.append(Bar("by texture", training, float(np.mean(values)), interval))
    return bar_plot(bars, title="Decisions of networks, by what they were trained on", y="percent")


EXPERIMENT = Experiment(
    name="shape",
    title="Shape against texture: style as an augmentation",
    about=(
        "Geirhos et al. (ICLR 2019) found that networks for ImageNet decide by texture where "
        "texture and shape disagree, and by shape after training on stylized pictures. This "
        "repeats it on a small scale: shapes drawn by code at random positions, sizes and angles, "
        "on a plain background. In training each class has its own family of textures, so a "
        "network can use either cue. The same network is trained in five ways, with equally many "
        "steps. The pictures are stylized in advance, with three quarters of the gallery; the "
        "other quarter is for the test. The tests use other crops of the same textures."
    ),
    settings=Settings,
    smoke=Settings(
        seeds=1, classes=3, files=1, size=32, pictures=4, judged=2, variants=1, epochs=1, width=4
    ),
    keys=("training", "seed"),
    columns=("test", "shape", "texture"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
    drawn=False,
    judged=False,
)
