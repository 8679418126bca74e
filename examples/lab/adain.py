"""Train the decoder of AdaIN in one file, from pictures to weights.

Huang & Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization", ICCV
2017 (arXiv 1703.06868), with the numbers of the authors' code.  Nothing but PyTorch, NumPy and
Pillow; ``impasto lab train`` does the same with checkpoints, previews, several processes and data
in shards, and a test compares the two step by step.

python examples/lab/adain.py photographs/ paintings/ --vgg vgg_normalised.pth -o decoder.pth
impasto lab import vgg_normalised.pth decoder.pth -o mine.impasto
impasto stylize me.jpg wave.jpg --model mine.impasto
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

# --- data: random squares of pictures whose shorter side was made 512 pixels long ---


def random_squares(folder: Path, *, resize: int, crop: int, seed: int) -> Iterator[Tensor]:
    """Yield squares (3, crop, crop) in [0, 1] of the pictures in a folder, without end."""
    files = sorted(
        file for file in folder.rglob("*") if file.suffix.lower() in {".jpg", ".jpeg", ".png"}
    )
    if not files:
        raise SystemExit(f"{folder}: there is no JPEG or PNG file in it")
    draw = random.Random(seed)
    while True:
        with Image.open(draw.choice(files)) as picture:
            picture = picture.convert("RGB")
        scale = resize / min(picture.size)
        width, height = (max(resize, round(side * scale)) for side in picture.size)
        pixels = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
        top, left = draw.randint(0, height - crop), draw.randint(0, width - crop)
        square = torch.from_numpy(pixels[top : top + crop, left : left + crop].copy())
        yield square.permute(2, 0, 1).float() / 255


def pair_batches(
    photographs: Iterator[Tensor], paintings: Iterator[Tensor], batch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield photographs and paintings, each (batch, 3, H, W)."""
    while True:
        contents, styles = (
            torch.stack([next(source) for _ in range(batch)]) for source in (photographs, paintings)
        )
        yield contents, styles


# --- networks: numbered as in vgg_normalised.pth and decoder.pth, so that those files load ---


def convolution(inputs: int, outputs: int) -> list[nn.Module]:
    """Return the modules of a 3x3 convolution with reflection padding, and its ReLU."""
    return [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3), nn.ReLU()]


def make_encoder() -> nn.Sequential:
    """Return the normalized VGG-19 up to relu4_1; its first convolution prepares colors."""
    layers: list[nn.Module] = [nn.Conv2d(3, 3, 1), *convolution(3, 64), *convolution(64, 64)]
    for inputs, outputs, more in ((64, 128, 1), (128, 256, 3)):
        layers += [nn.MaxPool2d(2), *convolution(inputs, outputs)]
        layers += [each for _ in range(more) for each in convolution(outputs, outputs)]
    return nn.Sequential(*layers, nn.MaxPool2d(2), *convolution(256, 512))


RELUS = (3, 10, 17, 30)
"""Where relu1_1, relu2_1, relu3_1 and relu4_1 stand in the encoder."""


def make_decoder() -> nn.Sequential:
    """Return the encoder mirrored: up-sampling for pooling, no ReLU behind the last layer."""
    layers = convolution(512, 256)
    for inputs, outputs, more in ((256, 128, 3), (128, 64, 1)):
        layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
        layers += [each for _ in range(more) for each in convolution(inputs, inputs)]
        layers += convolution(inputs, outputs)
    layers += [nn.Upsample(scale_factor=2, mode="nearest"), *convolution(64, 64)]
    return nn.Sequential(*layers, *convolution(64, 3)[:-1])


def read_encoder(file: Path) -> nn.Sequential:
    """Return the encoder with the weights of ``vgg_normalised.pth``, which stay as they are."""
    encoder = make_encoder()
    weights = torch.load(file, weights_only=True)
    encoder.load_state_dict({key: weights[key] for key in encoder.state_dict()})
    return encoder.eval().requires_grad_(False)


def features(encoder: nn.Sequential, image: Tensor) -> list[Tensor]:
    """Return relu1_1, relu2_1, relu3_1 and relu4_1 of pictures (N, 3, H, W) in [0, 1]."""
    found = []
    for place, layer in enumerate(encoder):
        image = layer(image)
        if place in RELUS:
            found.append(image)
    return found


# --- AdaIN and its losses ---


def mean_std(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, (N, C, 1, 1): eqs. 5 and 6."""
    variance, mean = torch.var_mean(x, dim=(2, 3), keepdim=True, correction=0)
    return mean, (variance + 1e-5).sqrt()


def adain(content: Tensor, style: Tensor) -> Tensor:
    """Return the content's features with the style's mean and deviation: eq. 8."""
    (mean, std), (style_mean, style_std) = mean_std(content), mean_std(style)
    return style_std * (content - mean) / std + style_mean


def losses(
    encoder: nn.Sequential, decoder: nn.Module, contents: Tensor, styles: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the content loss, eq. 12, and the style loss, eq. 13.

    Squares, as in the authors' code. The content loss is a mean over the elements of relu4_1; the
    style loss sums over the channels of each layer and is a mean over the batch.
    """
    with torch.no_grad():
        wanted = features(encoder, styles)
        target = adain(features(encoder, contents)[-1], wanted[-1])
    seen = features(encoder, decoder(target))
    style = torch.zeros(())
    for ours, theirs in zip(seen, wanted, strict=True):
        for one, other in zip(mean_std(ours), mean_std(theirs), strict=True):
            style = style + (one - other).square().sum() / len(contents)
    return F.mse_loss(seen[-1], target), style


def train(
    encoder: nn.Sequential,
    decoder: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    learning_rate: float = 1e-4,
    decay: float = 5e-5,
    style_weight: float = 0.1,
) -> Iterator[float]:
    """Train a decoder, a step for each batch, and yield the loss of every step: eq. 11."""
    optimizer = torch.optim.Adam(decoder.parameters(), lr=learning_rate)
    for step, (contents, styles) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate / (1 + decay * step)
        content, style = losses(encoder, decoder, contents, styles)
        loss = content + style_weight * style
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def main() -> None:
    """Train on two folders and save the decoder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("paintings", type=Path)
    parser.add_argument("--vgg", type=Path, required=True, help="vgg_normalised.pth")
    parser.add_argument("-o", "--out", type=Path, default=Path("decoder.pth"))
    parser.add_argument("--steps", type=int, default=160_000, help="the paper's: 160000")
    parser.add_argument("--batch", type=int, default=8, help="pairs a step; the paper's: 8")
    parser.add_argument("--resize", type=int, default=512, help="shorter side of pictures")
    parser.add_argument("--crop", type=int, default=256, help="side of squares, a multiple of 8")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    photographs, paintings = (
        random_squares(folder, resize=options.resize, crop=options.crop, seed=options.seed + number)
        for number, folder in enumerate((options.photographs, options.paintings))
    )
    batches = pair_batches(photographs, paintings, options.batch)
    encoder, decoder = read_encoder(options.vgg), make_decoder()
    steps = zip(range(1, options.steps + 1), train(encoder, decoder, batches), strict=False)
    for step, loss in steps:
        if step % 100 == 0 or step in (1, options.steps):
            print(f"step {step}: loss {loss:.4g}", flush=True)
            torch.save(decoder.state_dict(), options.out)


if __name__ == "__main__":
    main()
