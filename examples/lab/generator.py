"""Train a small generator whose codes enter only through AdaIN, with noise in each layer.

The layers are those of Karras, Laine & Aila, "A style-based generator architecture for generative
adversarial networks" (CVPR 2019, arXiv 1812.04948): a learned constant, and after every convolution
noise and then ``StyleCode``.  It is trained without an adversary.  A small encoder gives each
painting a code, and the generator learns the distribution of paintings with that code by the
*energy score* (Gneiting & Raftery, "Strictly proper scoring rules, prediction, and estimation",
JASA 2007) of two samples with different noise.  New codes are drawn from a normal distribution.

python examples/lab/generator.py paintings/ -o generator.safetensors --minutes 60
python examples/lab/generator.py --load trained/generator.safetensors --sheet samples.png
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.lab import Noise, StyleCode

SIDE, CODE = 64, 32
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
CHANNELS = (64, 64, 64, 48, 32)
"""Of the features at 4, 8, 16, 32 and 64 px."""


class Layer(nn.Module):
    """A convolution, noise, a leaky ReLU and AdaIN from the code, the one place where it enters."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.noise, self.style = Noise(outputs), StyleCode(outputs, code=CODE)
        nn.init.constant_(self.noise.strength, 0.3)  # from 0 the energy score could not raise it

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return features (N, outputs, H, W) of features (N, inputs, H, W) and codes (N, CODE)."""
        return self.style(F.leaky_relu(self.noise(self.convolution(x)), 0.2), code)


class Generator(nn.Module):
    """From codes (N, CODE) to pictures (N, 3, 64, 64) in [0, 1], with new noise in every call."""

    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(1, CHANNELS[0], 4, 4))
        self.first = Layer(CHANNELS[0], CHANNELS[0])
        sizes = list(pairwise(CHANNELS))
        self.ups = nn.ModuleList(nn.Conv2d(coarse, fine, 3, padding=1) for coarse, fine in sizes)
        self.layers = nn.ModuleList(Layer(fine, fine) for _, fine in sizes)
        self.colors = nn.Conv2d(CHANNELS[-1], 3, 1)
        self.register_buffer("spread", torch.eye(CODE))  # turns normal numbers into codes

    def forward(self, code: Tensor) -> Tensor:
        """Return pictures of codes."""
        x = self.first(self.constant.expand(len(code), -1, -1, -1), code)
        for up, layer in zip(self.ups, self.layers, strict=True):
            x = layer(F.interpolate(up(x), scale_factor=2.0, mode="nearest"), code)
        return torch.sigmoid(self.colors(x))

    def draw_codes(self, count: int) -> Tensor:
        """Draw codes (count, CODE) with the covariance of those of the paintings."""
        return torch.randn(count, CODE) @ self.spread.T


def make_encoder() -> nn.Sequential:
    """Return the network that gives paintings (N, 3, 64, 64) their codes, of mean 0, variance 1."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 48), (48, 64), (64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(64 * 4 * 4, CODE), nn.BatchNorm1d(CODE, affine=False)
    )


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean Euclidean distance of patches of 4 x 4, at five scales of two pictures."""
    difference, total = one - other, torch.zeros(())
    for _ in range(5):
        squares = difference.square().sum(1, keepdim=True)
        patches = F.avg_pool2d(squares, min(4, squares.shape[-1]), stride=2)
        total = total + (patches + 1e-6).sqrt().mean()
        difference = F.avg_pool2d(difference, 2)
    return total


def energy_score(painting: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Return the energy score of two samples; it is least if they and the painting are alike.

    The first two distances ask for pictures near the painting, and the third for two that differ
    as much as they do from the painting: what the code does not say is left to the noise.
    """
    near = distance(one, painting) + distance(other, painting)
    return (near - distance(one, other)) / 2


def read_squares(folder: Path) -> Tensor:
    """Return the middle square of each picture in a folder, (N, 3, 64, 64) in [0, 255]."""
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES)
    if len(files) < 2:
        raise SystemExit(f"{folder}: there are fewer than two pictures in it")
    squares = np.empty((len(files), 3, SIDE, SIDE), np.uint8)
    for square, file in zip(squares, files, strict=True):
        with Image.open(file) as picture:
            picture.draft("RGB", (2 * SIDE, 2 * SIDE))
            side = min(picture.size)
            left, top = ((length - side) // 2 for length in picture.size)
            box = (left, top, left + side, top + side)
            small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX, box)
        square[:] = np.asarray(small).transpose(2, 0, 1)
    return torch.from_numpy(squares)


def train(squares: Tensor, *, batch: int, seed: int) -> Iterator[tuple[float, Generator]]:
    """Train without end; yield the loss of each step and the average of the generators so far."""
    torch.manual_seed(seed)
    generator, average, encoder = Generator(), Generator(), make_encoder()
    average.load_state_dict(generator.state_dict())
    both = nn.ModuleList([generator, encoder])
    optimizer = torch.optim.Adam(both.parameters(), lr=2e-3, betas=(0.9, 0.99))
    covariance = torch.eye(CODE)
    while True:
        chosen = squares[torch.randint(len(squares), (batch,))].float() / 255
        chosen = torch.where(torch.rand(batch, 1, 1, 1) < 0.5, chosen, chosen.flip(3))
        code = encoder(chosen)
        covariance = 0.99 * covariance + 0.01 * (code.detach().T @ code.detach() / batch)
        code = code + 0.2 * torch.randn_like(code)  # so that near codes give pictures alike
        one, other = generator(code.repeat(2, 1)).chunk(2)
        loss = energy_score(chosen, one, other)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for kept, new in zip(average.parameters(), generator.parameters(), strict=True):
                kept.lerp_(new, 0.01)
            average.spread.copy_(torch.linalg.cholesky(covariance + 0.04 * torch.eye(CODE)))
        yield loss.item(), average


@torch.no_grad()
def sample(generator: Generator, codes: int, noises: int, *, seed: int) -> Tensor:
    """Return pictures (codes, noises, 3, 64, 64): a row has one code, and a column one noise."""
    torch.manual_seed(seed)
    rows = []
    for code in generator.draw_codes(codes).split(1):
        columns = []
        for noise in range(noises):
            torch.manual_seed(seed + 1 + noise)
            columns.append(generator(code))
        rows.append(torch.cat(columns))
    return torch.stack(rows)


def movements(samples: Tensor) -> tuple[float, float]:
    """Return how far samples with other codes, and with other noise, are apart, of 255.

    Both are roots of the mean square over pixels; everything else is the same in both samples.
    """
    codes = (samples[1:] - samples[:-1]).square().mean().sqrt()
    noises = (samples[:, 1:] - samples[:, :-1]).square().mean().sqrt()
    return 255 * codes.item(), 255 * noises.item()


def save_sheet(samples: Tensor, file: Path) -> None:
    """Write samples as one picture, a row for each code."""
    rows = torch.cat(list(samples.unbind(1)), dim=3)
    sheet = torch.cat(list(rows), dim=1).mul(255).round().byte()
    Image.fromarray(sheet.permute(1, 2, 0).numpy()).save(file, quality=90)


def main() -> None:
    """Train on a folder, or draw samples from what was trained."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("paintings", type=Path, nargs="?", help="folder to train on")
    parser.add_argument("-o", "--out", type=Path, default=Path("generator.safetensors"))
    parser.add_argument("--load", type=Path, help="draw from this file instead of training")
    parser.add_argument("--sheet", type=Path, help="picture of samples; a row has one code")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = Generator()
    if options.load:
        weights = load_file(options.load)
        generator.load_state_dict({name: value.float() for name, value in weights.items()})
    elif options.paintings:
        squares, began, losses = read_squares(options.paintings), time.monotonic(), []
        for loss, generator in train(squares, batch=options.batch, seed=options.seed):
            losses.append(loss)
            over = time.monotonic() - began >= 60 * options.minutes
            if over or len(losses) % 100 == 0:
                print(f"step {len(losses)}: loss {np.mean(losses[-100:]):.4f}", flush=True)
                weights = {name: value.half() for name, value in generator.state_dict().items()}
                save_file(weights, options.out)
            if over:
                break
    else:
        parser.error("give a folder of paintings, or --load FILE")
    samples = sample(generator, 8, 8, seed=options.seed)
    code, noise = movements(samples)
    print(f"another code moves a picture by {code:.1f} of 255, other noise by {noise:.1f}")
    if options.sheet:
        save_sheet(samples, options.sheet)


if __name__ == "__main__":
    main()
