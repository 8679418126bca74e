"""Fig. 6 of Huang & Belongie 2017: AdaIN against concatenation and layers in the decoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from plots import Line, line_plot
from study import Bench, Experiment, Results, Row, Unit, mean_of, table
from training import learn, logged

DECODERS = {
    "adain": "AdaIN",
    "concat": "concatenation in its place",
    "batch": "AdaIN, batch normalization in the decoder",
    "instance": "AdaIN, instance normalization in the decoder",
}
PAPERS = {
    "adain": "adain",
    "concat": "adain-concat",
    "batch": "adain-bn",
    "instance": "adain-in",
}
"""Names of the networks, in configs and among the published numbers."""


@dataclass(frozen=True)
class Settings:
    """Steps of ``batch`` crops of ``crop`` px, of pictures of ``resize`` px."""

    seeds: int = 1
    steps: int = 2000
    crop: int = 128
    resize: int = 256
    batch: int = 6
    learning_rate: float = 1e-4
    preview: int = 500


def run_name(decoder: str, seed: int) -> str:
    """Name of a run folder in the work folder."""
    return f"{decoder}-{seed}" if seed else decoder


def _units(bench: Bench) -> list[Unit]:
    seeds = range(bench.settings.seeds)
    return [Unit({"decoder": decoder, "seed": seed}) for seed in seeds for decoder in DECODERS]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    settings: Settings = bench.settings
    decoder, seed = str(unit.key["decoder"]), int(unit.key["seed"])
    changes = {
        "data.crop": settings.crop,
        "data.resize": settings.resize,
        "batch": settings.batch,
        "optimizer.learning_rate": settings.learning_rate,
        "iterations": settings.steps,
        "seed": seed,
        "log_every": max(min(settings.steps // 20, 20), 1),
        "preview_every": settings.preview,
    }
    run = learn(bench, bench.work / run_name(decoder, seed), decoder, changes)
    for file, pictures in (("log.csv", "training"), ("held-out.csv", "held out")):
        if (run / file).exists():
            for row in logged(run, "style", "content", steps=settings.steps, file=file):
                yield {"pictures": pictures, **row}


def _last(results: Results, decoder: str, loss: str, pictures: str) -> list[float]:
    """Loss at the end, seed by seed: mean of the last fifth of the training, or the preview's."""
    steps, found = results.settings["steps"], []
    for seed in results.values("seed"):
        rows = results.where(decoder=decoder, seed=seed, pictures=pictures)
        late = rows[-1:] if pictures == "held out" else []
        if pictures == "training":
            late = [row for row in rows if float(row["step"]) > 0.8 * steps]
        if late:
            found.append(sum(float(row[loss]) for row in late) / len(late))
    return found


def _tables(results: Results) -> str:
    theirs, rows = results.published, []
    base = {loss: _last(results, "adain", loss, "training") for loss in ("style", "content")}
    for decoder, text in DECODERS.items():
        cells = [text]
        for loss in ("style", "content"):
            trained = _last(results, decoder, loss, "training")
            cells += [mean_of(trained), mean_of(_last(results, decoder, loss, "held out"))]
            ratio = ""
            if trained and base[loss]:
                ratio = f"{(sum(trained) / len(trained)) / (sum(base[loss]) / len(base[loss])):.2f}"
            paper = theirs[loss][PAPERS[decoder]] / theirs[loss]["adain"]
            cells += [ratio, f"{paper:.2f}"]
        rows.append(cells)
    head = ["decoder"]
    for loss in ("style", "content"):
        head += [loss, "held out", "x AdaIN's", "the paper's x (f)"]
    steps = results.settings["steps"]
    return (
        f"Losses over the last fifth of the {steps} steps, on six held-out preview styles and "
        "three held-out preview photographs, and relative to those of AdaIN; the last column is "
        f"the ratio in the paper's figure after 30,000 steps:\n\n{table(head, rows)}"
    )


def _plot(results: Results) -> Image.Image:
    lines = []
    for loss in ("style", "content"):
        for decoder in DECODERS:
            rows = results.where(decoder=decoder, seed=0, pictures="training")
            points = [(float(row["step"]), float(row[loss])) for row in rows]
            weight = 0.1 if loss == "style" else 1.0
            points = [(step, weight * value) for step, value in points]
            if points:
                name = f"{decoder}, {loss}"
                lines.append(Line(name, _smooth(points), dashed=loss == "content"))
    title = "Fig. 6: losses in training (style x 0.1, its weight)"
    return line_plot(lines, title=title, x="step", y="loss")


def _smooth(points: list[tuple[float, float]], width: int = 5) -> list[tuple[float, float]]:
    """Running means over a few lines of a log."""
    return [
        (x, sum(v for _, v in near) / len(near))
        for i, (x, _) in enumerate(points)
        if (near := points[max(0, i - width + 1) : i + 1])
    ]


EXPERIMENT = Experiment(
    name="fig6",
    title="Fig. 6: what AdaIN is worth, and layers that must not be in the decoder",
    about=(
        "Four decoders trained with the paper's recipe, which differ in one thing: AdaIN; features "
        "of content and style side by side, so that the decoder has to mix them; AdaIN with batch "
        "or instance normalization in the decoder, which pulls pictures towards one style. The "
        "paper shows 30,000 steps of 8 crops of 256 px. A shorter run should show the same order: "
        "concatenation has the lowest style loss and by far the highest content loss, and "
        "normalization in the decoder increases the style loss."
    ),
    settings=Settings,
    smoke=Settings(steps=2, crop=32, resize=64, batch=2, preview=0),
    keys=("decoder", "seed"),
    columns=("pictures", "step", "style", "content"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
