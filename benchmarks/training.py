"""Speed of our training loop and of a plain one, in images a second, for the same run.

    python benchmarks/training.py [--steps N] [--batch N] [--crop N] [--threads N]

The plain loop is written as in the popular PyTorch port of the paper: single precision, eager, no
special memory format, ``var`` and ``mean`` for the statistics, Adam, one step after the other. Ours
is that of ``impasto lab train configs/adain-paper.toml``: batches with precomputed features of
VGG-19, bfloat16, channels last, fast moments, clipped gradients, averaged weights. Both train the
paper's decoder from the same random weights for the same VGG (random too: nothing is downloaded) on
pictures in memory; neither reads files. The two take turns, and each gets the median of its turns:
other load on the machine then affects both alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from impasto.lab.data.cropping import Crops
from impasto.lab.data.pictures import Collection, Sampler
from impasto.lab.nets.vgg import CONVOLUTIONS, LAYOUTS, VGG
from impasto.lab.training.batches import Batches, BatchOptions
from impasto.lab.training.config import TrainConfig, parse_config
from impasto.lab.training.networks import find_network
from impasto.lab.training.optimizers import (
    OPTIMIZERS,
    clip_gradients,
    in_bf16,
    update_average,
)

PAPER = parse_config(
    {
        "network": "adain",
        "vgg": "",
        "data": {
            "contents": {},
            "styles": {},
            "resize": 512,
            "flip": 0.0,
            "style_jitter": 0.0,
        },
        "loss": {"style": 0.1, "identity": 0.0, "style_units": "sum"},
        "optimizer": {
            "name": "adam",
            "learning_rate": 1e-4,
            "schedule": "inverse",
            "warmup": 0,
            "clip": 0.0,
            "ema": 0.0,
        },
    }
)


def weights() -> dict[str, Tensor]:
    """Make random weights (He) of VGG-19 up to relu4_1, with the names in a file of the port."""
    random = torch.Generator().manual_seed(0)
    made = {"0.weight": torch.eye(3).reshape(3, 3, 1, 1) * 2, "0.bias": torch.full((3,), -1.0)}
    for (_, inputs, outputs), key in zip(CONVOLUTIONS[:9], LAYOUTS[0].keys, strict=False):
        scale = (2 / (9 * inputs)) ** 0.5
        made[f"{key}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=random) * scale
        made[f"{key}.bias"] = torch.zeros(outputs)
    return made


def pictures(seed: int) -> Collection:
    """Make a collection of twenty random pictures, 384 x 288."""
    random = np.random.default_rng(seed)
    made = [random.integers(0, 256, (9, 12, 3), np.uint8).repeat(32, 0).repeat(32, 1)]
    made += [np.roll(made[0], 17 * i, (0, 1)) for i in range(1, 20)]
    return Collection("squares", tuple(made))


def samplers(config: TrainConfig) -> tuple[Sampler, Sampler]:
    """Make the samplers of contents and of styles, the same for both loops."""
    data = config.data
    crops = Crops(side=data.crop, smallest=1.0, resize=data.resize, flip=data.flip)
    content, style = (
        Sampler([pictures(seed)], [1.0], crops=crops, seed=seed, ahead=2) for seed in (1, 2)
    )
    return content, style


def block(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3), nn.ReLU()]


def pool() -> nn.Module:
    return nn.MaxPool2d(2, 2, 0, ceil_mode=True)


def up() -> nn.Module:
    return nn.Upsample(scale_factor=2, mode="nearest")


class Port(nn.Module):
    """Network and losses of the popular port, reimplemented."""

    def __init__(self, vgg: dict[str, Tensor]) -> None:
        super().__init__()
        encoder = nn.Sequential(
            nn.Conv2d(3, 3, 1), *block(3, 64), *block(64, 64), pool(), *block(64, 128),
            *block(128, 128), pool(), *block(128, 256), *block(256, 256), *block(256, 256),
            *block(256, 256), pool(), *block(256, 512),
        )  # fmt: skip
        encoder.load_state_dict(vgg)
        cuts = (0, 4, 11, 18, 31)
        self.stages = nn.ModuleList(encoder[a:b] for a, b in pairwise(cuts))
        self.stages.requires_grad_(False)
        self.decoder = nn.Sequential(
            *block(512, 256), up(), *block(256, 256), *block(256, 256), *block(256, 256),
            *block(256, 128), up(), *block(128, 128), *block(128, 64), up(), *block(64, 64),
            *block(64, 3)[:2],
        )  # fmt: skip
        self.square = nn.MSELoss()

    def encode(self, x: Tensor) -> list[Tensor]:
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    @staticmethod
    def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
        n, channels = x.shape[:2]
        std = (x.view(n, channels, -1).var(dim=2) + 1e-5).sqrt().view(n, channels, 1, 1)
        return x.view(n, channels, -1).mean(dim=2).view(n, channels, 1, 1), std

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        styles = self.encode(style)
        features = self.encode(content)[-1]
        mean, std = self.statistics(features)
        style_mean, style_std = self.statistics(styles[-1])
        target = (features - mean) / std * style_std + style_mean
        got = self.encode(self.decoder(target))
        loss: Tensor = self.square(got[-1], target)
        for mine, wanted in zip(got, styles, strict=True):
            for a, b in zip(self.statistics(mine), self.statistics(wanted), strict=True):
                loss = loss + 10 * self.square(a, b)
        return loss


def plain(config: TrainConfig) -> Iterator[float]:
    """Run the training loop of the port, one step per iteration."""
    torch.manual_seed(0)
    network = Port(weights())
    optimizer = torch.optim.Adam(network.decoder.parameters(), lr=config.optimizer.learning_rate)
    contents, styles = samplers(config)
    while True:
        content, style = contents.batch(config.batch), styles.batch(config.batch)
        loss = network(content, style)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def ours(config: TrainConfig) -> Iterator[float]:
    """Run the training loop of ``train``, one step per iteration."""
    torch.manual_seed(0)
    row = find_network(config.network)
    vgg = VGG(weights(), LAYOUTS[0]).eval()
    if in_bf16(config, torch.device("cpu")):
        vgg = vgg.to(torch.bfloat16)
    objective = row.objective(config, vgg, paint=row.painted, features=row.layer(config.method))
    contents, styles = samplers(config)
    options = BatchOptions(batch=config.batch, repeats=1, seed=0)
    batches = Batches(objective, contents, styles, options=options)
    learned: Any = row.build(row.tables.method()).to(memory_format=torch.channels_last)
    average = AveragedModel(learned).eval()
    parameters = list(learned.parameters())
    optimizer = OPTIMIZERS[config.optimizer.name](parameters, config.optimizer.learning_rate)
    step = 0
    while True:
        optimizer.zero_grad(set_to_none=True)
        (batch,) = batches.at(step)
        loss, _ = objective(learned, batch)
        loss.backward()
        clip_gradients(parameters, config.optimizer.clip)
        optimizer.step()
        update_average(average, learned, config.optimizer.ema)
        step += 1
        yield float(loss.detach())


def main() -> None:
    """Measure both loops and print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--steps", type=int, default=5, help="turns of each loop")
    parser.add_argument("--batch", type=int, default=PAPER.batch)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--threads", type=int, help="of PyTorch")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    data = replace(PAPER.data, crop=chosen.crop, resize=2 * chosen.crop)
    config = replace(PAPER, batch=chosen.batch, data=data)
    loops: dict[str, Callable[[TrainConfig], Iterator[float]]] = {
        "plain, fp32": plain,
        "ours, bf16": ours,
        "ours, fp32": lambda c: ours(replace(c, precision="fp32")),
    }
    running = {name: loop(config) for name, loop in loops.items()}
    for steps in running.values():
        next(steps)  # the first is slower
    seconds: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(chosen.steps):
        for name, steps in running.items():
            started = time.perf_counter()
            next(steps)
            seconds[name].append(time.perf_counter() - started)
    rates = {name: config.batch / statistics.median(each) for name, each in seconds.items()}
    print(
        f"batches of {config.batch} pairs at {config.data.crop} px, "
        f"{torch.get_num_threads()} threads, "
        f"medians of {chosen.steps} turns"
    )
    for name, rate in rates.items():
        print(f"{name:12} {rate:8.3f} images/s   x {rate / rates['plain, fp32']:.2f}")


if __name__ == "__main__":
    main()
