"""The training loop, from top to bottom."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from impasto.errors import ModelError, OptionError
from impasto.lab.export import weights_of
from impasto.lab.methods.adain import decoder_from
from impasto.lab.methods.compact import FAST, QUALITY, Compact
from impasto.lab.train.config import TrainConfig, write_config
from impasto.lab.train.data import Sampler, held_out_squares, load_collections
from impasto.lab.train.lessons import Lessons
from impasto.lab.train.muon import Muon
from impasto.lab.train.objective import Objective, stylize
from impasto.lab.vgg import load_vgg, read_weights
from impasto.models.bundle import read_bundle

NETWORKS = {"fast": FAST, "quality": QUALITY}


def train(config: TrainConfig, folder: str | Path) -> Path:
    """Train as ``config`` says, in ``folder``; a folder with a checkpoint is gone on with.

    The folder gets ``config.toml``, ``log.csv``, ``checkpoint.pt`` (everything to resume) and
    ``preview-*.png`` on held-out pictures.  Ctrl-C writes a checkpoint and stops.  Returns the
    checkpoint.  Raises ``ImageError``, ``ModelError`` or ``OptionError`` before it begins.

    >>> train(read_config("configs/fast.toml"), "runs/fast")            # doctest: +SKIP
    """
    if config.network not in NETWORKS:
        raise OptionError(f"no network {config.network!r}; there are {sorted(NETWORKS)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_config(config, folder / "config.toml")
    torch.manual_seed(config.seed)

    judge = load_vgg(config.vgg).to(torch.bfloat16)
    teacher = None
    if config.teacher:
        teacher = decoder_from(read_weights(config.teacher))
        teacher.to(torch.bfloat16).requires_grad_(False)
    objective = Objective(config, judge, teacher)
    contents = _sampler(config.contents, config, config.content_scale, 0.0, config.seed + 1)
    styles = _sampler(
        config.styles, config, config.style_scale, config.style_jitter, config.seed + 2
    )
    lessons = Lessons(
        objective,
        contents,
        styles,
        batch=config.batch,
        repeats=config.repeats,
        seed=config.seed,
    )
    preview = _Preview(config, folder)

    network = Compact(NETWORKS[config.network]).to(memory_format=torch.channels_last)
    before = start_from(network, config.start) if config.start else []
    average = AveragedModel(network, multi_avg_fn=_moving_average(config.ema))
    optimizer = Muon(network.parameters(), lr=config.learning_rate)
    checkpoint = folder / "checkpoint.pt"
    step = 0
    if checkpoint.exists():
        saved = read_checkpoint(checkpoint)
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        lessons.restore(saved["lessons"])
        step = saved["step"]
        before = saved["stages"][:-1]

    def save() -> None:
        _write(
            checkpoint,
            {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "lessons": lessons.state(step),
                "step": step,
                "stages": [*before, _stage(config, step)],
            },
        )

    saved_at = time.monotonic()
    log = _Log(folder / "log.csv", config.log_every)
    bar = tqdm(total=config.iterations, initial=step, unit="step", smoothing=0.05)
    try:
        while step < config.iterations:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(config, step)
            loss, terms = objective(network, lessons.at(step))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip)
            # A step that is not finite would spoil weights and averages for good.
            if torch.isfinite(norm):
                optimizer.step()
                average.update_parameters(network)
            step += 1
            bar.update()
            log.add(step, {"loss": loss.detach(), "gradient": norm, **terms})
            if step % config.preview_every == 0 or step == config.iterations:
                preview.draw(average.module, step)
            if time.monotonic() - saved_at > config.checkpoint_seconds:
                save()
                saved_at = time.monotonic()
    except KeyboardInterrupt:
        bar.write(f"stopped at step {step}")
    finally:
        bar.close()
        save()
    return checkpoint


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine down to ``final_rate`` of ``learning_rate``."""
    rise = min((step + 1) / max(config.warmup, 1), 1.0)
    along = min(step / max(config.iterations, 1), 1.0)
    fall = config.final_rate + (1 - config.final_rate) * (1 + math.cos(math.pi * along)) / 2
    return config.learning_rate * rise * fall


def _moving_average(decay: float) -> Any:
    """Exponential moving average whose decay rises to ``decay``: the first weights, which are
    random, are forgotten at once."""

    def update(averages: list[Tensor], values: list[Tensor], count: Tensor) -> None:
        now = min(decay, (1 + float(count)) / (10 + float(count)))
        for average, value in zip(averages, values, strict=True):
            average.lerp_(value, 1 - now)

    return torch.no_grad()(update)


def start_from(network: nn.Module, path: str | Path) -> list[dict[str, Any]]:
    """Load the averaged weights of a checkpoint, or those of a bundle, into ``network``.

    Returns the stages of training that made them, oldest first; none for a bundle.
    """
    stages: list[dict[str, Any]] = []
    if Path(path).suffix == ".impasto":
        weights = weights_of(read_bundle(path))
    else:
        saved = read_checkpoint(path)
        weights = {
            k.removeprefix("module."): v
            for k, v in saved["average"].items()
            if k.startswith("module.")
        }
        stages = saved["stages"]
    try:
        network.load_state_dict({k: v.float() for k, v in weights.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} does not fit the network: {reason}") from error
    return stages


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """A checkpoint as ``train`` writes it; ``ModelError`` where the file is none."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        if not {"average", "step", "stages"} <= set(saved):
            raise ValueError("not written by train()")
    except Exception as error:  # a damaged pickle may raise anything
        reason = str(error).split("\n")[0]
        raise ModelError(f"{path}: not a checkpoint of a training run ({reason})") from error
    return dict(saved)


def _stage(config: TrainConfig, step: int) -> dict[str, Any]:
    """What the card of a model says about one stage of its training."""
    return {
        "iterations": step,
        "batch": config.batch,
        "crop": config.crop,
        "distilled": bool(config.teacher),
    }


def _sampler(
    folders: dict[str, float], config: TrainConfig, scale: float, jitter: float, seed: int
) -> Sampler:
    loaded = load_collections(folders, shorter=max(288, 2 * config.crop))
    for file, reason in loaded.left_out:
        tqdm.write(f"left out {file}: {reason}")
    return Sampler(
        loaded.collections,
        list(folders.values()),
        crop=config.crop,
        smallest=scale,
        jitter=jitter,
        seed=seed,
    )


def _write(path: Path, value: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(value, temporary)
    temporary.replace(path)


class _Log:
    """Means over ``every`` steps, a line each, in CSV."""

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self.sums: dict[str, float] = {}
        self.count, self.since = 0, time.monotonic()

    def add(self, step: int, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
        self.count += 1
        if self.count < self.every:
            return
        row = {"step": float(step), **{k: v / self.count for k, v in self.sums.items()}}
        row["steps_per_second"] = self.count / (time.monotonic() - self.since)
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(row)
            writer.writerow([f"{v:.6g}" for v in row.values()])
        self.sums, self.count, self.since = {}, 0, time.monotonic()


class _Preview:
    """A contact sheet of held-out photographs (rows) in held-out styles (columns)."""

    side, rows, columns = 256, 3, 6

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        self.folder = folder
        self.contents = held_out_squares(
            config.contents, n=self.rows, size=self.side, seed=config.seed + 3
        )
        self.styles = held_out_squares(
            config.styles, n=self.columns, size=self.side, seed=config.seed + 4
        )

    @torch.no_grad()
    def draw(self, network: Any, step: int) -> None:
        rows = [torch.cat([torch.ones(1, 3, self.side, self.side), self.styles])]
        for content in self.contents:
            repeated = content.expand(self.columns, -1, -1, -1)
            rows.append(torch.cat([content[None], stylize(network, repeated, self.styles)]))
        sheet = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
        array = sheet.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(array).save(self.folder / f"preview-{step:06d}.png")
