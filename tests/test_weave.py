"""Weave and flat pictures: patterns of known amplitude, noise, strokes, places, frames."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="the lab needs PyTorch")

import torch
from lab_parts import vgg_weights
from torch import Tensor

from impasto.lab.evaluate import weave
from impasto.lab.evaluate.flat import deviation, ground_spread, shapes
from impasto.lab.evaluate.painters import Pictures
from impasto.lab.evaluate.run import JudgeOptions

SIDE = 192


def gray(plane: Tensor) -> Tensor:
    return plane.float().expand(1, 3, *plane.shape[-2:])


def grid() -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    return y, x


def array(image: Tensor) -> NDArray[np.float32]:
    """A picture as painters give it."""
    found: NDArray[np.float32] = image[0].permute(1, 2, 0).numpy()
    return found


def ramp() -> Tensor:
    """A smooth photograph: light that falls off."""
    y, x = grid()
    return gray(0.3 + 0.0005 * x + 0.0003 * y)


def waves(period: float, *, amplitude: float = 0.01, down: int = 0, across: int = 1) -> Tensor:
    y, x = grid()
    return gray(amplitude * torch.cos(2 * math.pi * (down * y + across * x) / period + 0.4))


def told(amplitude: float, *, lines: int) -> float:
    """Decibels of one wave on nothing, by hand: its energy a^2 / 4 over what is not seen."""
    unseen = (0.5 / 255) ** 2 / 4
    return 10 * math.log10(1 + amplitude**2 / 4 / unseen / lines)


@pytest.mark.parametrize(
    "period, lines, down, across",
    [(4, 4, 0, 1), (4, 4, 1, -1), (8, 8, 1, 0), (8, 8, 1, 2), (16, 28, 1, 1), (16, 28, 3, -3)],
)
def test_a_wave_of_known_amplitude(period: int, lines: int, down: int, across: int) -> None:
    for amplitude in (0.004, 0.02):
        image = ramp() + waves(period, amplitude=amplitude, down=down, across=across)
        found = weave.weave(image, ramp(), ramp())
        expected = told(amplitude, lines=lines)
        assert {p: v.item() for p, v in found.items()} == pytest.approx(
            {p: expected if p == period else 0 for p in weave.PERIODS}, abs=0.1
        )


def test_waves_between_the_lines_and_slopes_are_no_weave() -> None:
    for period in (64 / 6, 64 / 10, 64 / 14, 64 / 22):
        image = ramp() + waves(period, amplitude=0.03)
        assert max(v.item() for v in weave.weave(image, ramp(), ramp()).values()) <= 0.1
    steep = gray(torch.linspace(0, 1, SIDE).expand(SIDE, SIDE))
    for period in weave.PERIODS:
        assert weave.prominence(weave.spectra(steep), period).item() <= 0.1


def test_the_lines_are_all_multiples_that_half_the_period_has_not() -> None:
    for period in weave.PERIODS:
        signs = {(0, 0)}
        for y, x in weave.lines(period):
            assert (y, x) not in signs and (-y, -x) not in signs
            signs |= {(y, x), (-y, -x)}
        step = 64 // period
        multiples = range(-16, 17, step)
        wanted = {(y, x) for y in multiples for x in multiples}
        if period > 4:
            wanted -= {(y, x) for y in range(-16, 17, 2 * step) for x in range(-16, 17, 2 * step)}
        assert signs - {(0, 0)} == wanted - {(0, 0)}


def noise(side: int = 320) -> Tensor:
    return torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0))


def strokes(width: int, side: int = 320) -> Tensor:
    """Dashes of one width at chance places, half of them along and half across."""
    random, plane = np.random.default_rng(0), np.full((side, side), 0.5)
    for i in range(1200):
        y, x = random.integers(0, side, 2)
        sides = (width, 4 * width) if i % 2 else (4 * width, width)
        plane[y : y + sides[0], x : x + sides[1]] = random.uniform(0.2, 0.8)
    return gray(torch.from_numpy(plane))


@pytest.mark.parametrize("kind", ["white", "pink", "strokes of 4", "strokes of 8"])
def test_noise_and_strokes_are_no_weave(kind: str) -> None:
    image = gray(0.5 + 0.1 * noise())
    if kind == "pink":
        frequency = torch.fft.fftfreq(320)
        radius = (frequency[:, None] ** 2 + frequency[None] ** 2).sqrt().clamp(min=1 / 320)
        image = gray(0.5 + 0.01 * torch.fft.ifft2(torch.fft.fft2(noise()) / radius).real / 10)
    elif kind != "white":
        image = strokes(int(kind[-1]))
    spectrum = weave.spectra(image)
    for period in weave.PERIODS:
        found = weave.prominence(spectrum, period).item()
        # Dashes of one width have nothing at all at some frequencies.
        assert found < 0.7 and (found > -0.7 or kind.startswith("strokes")), period


def test_a_weave_in_noise_is_told_by_the_noise() -> None:
    """A line of energy a^2/4 over noise of variance s^2, whose energy is s^2 sum(w^2)."""
    deviation, amplitude = 0.02, 0.01
    y, x = torch.meshgrid(torch.arange(320), torch.arange(320), indexing="ij")
    image = gray(0.5 + deviation * noise() + amplitude * torch.cos(math.pi * x / 4 + y * 0))
    base = deviation**2 * (1.5 / 64) ** 2 + weave.UNSEEN
    expected = 10 * math.log10(1 + amplitude**2 / 4 / base / 8)
    assert weave.prominence(weave.spectra(image), 8).item() == pytest.approx(expected, abs=0.5)


def test_only_smooth_places_of_the_photograph_count() -> None:
    content, image = ramp().clone(), ramp() + 0
    content[..., SIDE // 2 :] += 0.2 * noise(SIDE)[..., SIDE // 2 :]
    image[..., SIDE // 2 :] += waves(8, amplitude=0.05)[..., SIDE // 2 :]
    places = weave.smooth_places(content)
    assert places.shape == (1, 9, 9) and places[0, :, :3].all() and not places[0, :, 4:].any()
    assert weave.weave(image, content, ramp())[8].item() == pytest.approx(0, abs=0.1)
    mirrored = weave.weave(image.flip(3), content, ramp())[8].item()
    assert mirrored == pytest.approx(told(0.05, lines=8), abs=0.3)


def test_a_photograph_that_is_smooth_nowhere_has_no_number() -> None:
    rough = gray(0.5 + 0.1 * noise(SIDE))
    assert all(v.isnan() for v in weave.weave(rough, rough, ramp()).values())
    small = ramp()[..., :40, :40]
    assert weave.spectra(small).isnan().all()
    both = weave.weave(
        torch.cat([ramp() + waves(4)] * 2), torch.cat([rough, ramp()]), torch.cat([ramp()] * 2)
    )
    assert both[4][0].isnan() and both[4][1].item() == pytest.approx(told(0.01, lines=4), abs=0.1)


def test_a_weave_that_the_style_has_is_none() -> None:
    canvas = ramp() + waves(4, amplitude=0.01)
    assert weave.weave(canvas, ramp(), canvas)[4].item() == pytest.approx(0, abs=0.01)
    stronger = ramp() + waves(4, amplitude=0.04)
    assert weave.weave(stronger, ramp(), canvas)[4].item() == pytest.approx(
        told(0.04, lines=4) - told(0.01, lines=4), abs=0.1
    )


def test_the_judge_gives_the_weave_where_there_are_smooth_places(tmp_path: Path) -> None:
    torch.save(vgg_weights(), tmp_path / "vgg.pth")
    judge = JudgeOptions(vgg=tmp_path / "vgg.pth", precision="fp32").load()
    content, style = ramp(), gray(0.5 + 0.1 * noise(SIDE))
    images = [content, content + waves(8, amplitude=0.02), content * torch.nan]
    made = [Pictures(array(image), clipped=True) for image in images]
    found = judge(array(content), array(style), made)
    for numbers, image in zip(found[:2], images, strict=False):
        for period, value in weave.weave(image, content, style).items():
            assert numbers[f"weave_{period}"] == pytest.approx(value.item(), abs=1e-6)
    assert found[1]["weave_8"] - found[0]["weave_8"] == pytest.approx(told(0.02, lines=8), abs=0.1)
    assert math.isnan(found[2]["weave_4"])  # broken, and not left out
    (rough,) = judge(array(style), array(content), [Pictures(array(style), clipped=True)])
    assert not {"weave_4", "weave_8", "weave_16"} & rough.keys() and "ssim" in rough


def test_deviation_of_flat_pictures() -> None:
    image = np.full((80, 96, 3), (0.2, 0.4, 0.6), np.float32)
    assert deviation(image).spread == deviation(image).ring == 0
    image[40, 48, 1] += 5 / 255  # in the middle: not of the ring
    image[20, 20, 1] -= 2 / 255
    assert (deviation(image).spread, deviation(image).ring) == (7, 0)
    image[:, 95, 2] -= 3 / 255
    image[0, 0, 0] += 4 / 255
    assert (deviation(image).spread, deviation(image).ring) == (7, 4)


def test_the_ground_is_white_and_far_from_the_shapes() -> None:
    image, ground = shapes(256)
    assert ground.sum() > 2000 and (image[ground] == 1).all()
    drawn = (image != 1).any(axis=-1)
    assert 0.1 < drawn.mean() < 0.4
    ys, xs = np.nonzero(drawn)
    for y, x in np.argwhere(ground)[::50]:
        assert np.abs(np.stack([ys - y, xs - x])).max(axis=0).min() >= 48
    image[ground] += np.linspace(0, 6 / 255, ground.sum(), dtype=np.float32)[:, None]
    assert ground_spread(image, ground) == pytest.approx(6, abs=1e-3)
