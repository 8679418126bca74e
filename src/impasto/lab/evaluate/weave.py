"""Weave: a pattern that repeats with the strides of a network, on the smooth places of a picture.

A network that halves a picture three times paints in cells of 8 pixels, and what it leaves where it
has nothing to say repeats with them: every 4 or 8 pixels, or every 16 where one cell is dark and
the next one light. Strokes have all periods. So a weave is told by the lines that it has in the
spectrum, and measured by how far they stand out of the frequencies around them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.lab.evaluate.pictures import luma

PERIODS = (4, 8, 16)
"""In pixels: those of the strides, and of cells of 8 that alternate."""
SIDE = 64
"""Side in pixels of the Hann windows that spectra are taken in; a multiple of every period, so that
all lines fall on frequencies of the windows, and do not reach those that are two steps away."""
HOP = 16
"""From one window to the next, in pixels."""
SMOOTH = 8 / 255
"""Deviation of gray under a window of the photograph up to which the place is smooth."""
FEWEST = 16
"""Smooth windows that a spectrum is made of at least: about a square of 112 pixels."""
HIGHEST = 0.25
"""Cycles a pixel: the highest harmonics that are looked at. Those above are of the finest pattern
(:func:`impasto.lab.evaluate.pictures.checkerboard_excess`)."""
AWAY = 2
"""Steps of 1/64 cycle from a line to the frequencies that it is compared with."""
UNSEEN = (0.5 / 255) ** 2 / 4
"""Energy of a wave whose amplitude is half a step of 8 bits, which nobody sees: it is added to both
sides of every comparison."""


def smooth_places(content: Tensor) -> Tensor:
    """Windows (N, rows, columns) of a photograph that are smooth, as booleans.

    Smooth is where the deviation of its gray under the window is at most ``SMOOTH``: skies, walls,
    what lies out of focus.

    Args:
        content: (N, 3, H, W) in [0, 1].
    """
    line = _line(content.device)
    gray = luma(content)
    mean, square = (_windows(each) @ line @ line for each in (gray, gray.square()))
    return (square - mean.square()).clamp(min=0).sqrt() <= SMOOTH


def spectra(image: Tensor, places: Tensor | None = None) -> Tensor:
    """Mean power spectra (N, 64, 64) of the gray of pictures.

    The square of windowed complex exponentials: a wave of amplitude a has a^2 / 4 at its frequency.

    Args:
        image: (N, 3, H, W) in [0, 1].
        places: windows that are looked at, (N, rows, columns), or (1, rows, columns) for all
            pictures; None for every window.

    Returns:
        Spectra with the frequency 0 first on both axes; NaN where there are fewer than ``FEWEST``
        windows.
    """
    line, found = _line(image.device), []
    # In float32, which is exact to a thousandth of what is not seen.
    weights = torch.outer(line, line).float()
    for i, windows in enumerate(_windows(luma(image).float())):
        chosen = windows.flatten(0, 1) if places is None else windows[places[i % len(places)]]
        if len(chosen) < FEWEST:
            found.append(torch.full_like(line, torch.nan).expand(SIDE, SIDE))
            continue
        chosen = chosen - (chosen * weights).sum(dim=(1, 2), keepdim=True)
        power = torch.view_as_real(torch.fft.fft2(chosen * weights)).square().sum(dim=-1)
        found.append(power.double().mean(dim=0))
    return torch.stack(found)


def lines(period: int) -> list[tuple[int, int]]:
    """Frequencies down and across, in steps of 1/64 cycle, at which a pattern of a period has its
    lines, one of each two that lie opposite.

    All multiples of 1 / period up to ``HIGHEST``, but for those of a pattern of half the period.

    >>> lines(4)
    [(0, 16), (16, -16), (16, 0), (16, 16)]
    >>> [len(lines(period)) for period in PERIODS]
    [4, 8, 28]
    """
    step = SIDE // period
    most = round(HIGHEST * SIDE) // step
    return [
        (step * down, step * across)
        for down in range(most + 1)
        for across in range(-most, most + 1)
        if (down, across) > (0, 0) and (down % 2 or across % 2 or period == min(PERIODS))
    ]


def prominence(spectrum: Tensor, period: int) -> Tensor:
    """Decibels (N,) by which the lines of a period stand out of spectra (N, 64, 64).

    ``10 log10`` of the mean over the lines of ``(E + u) / (C + u)``: E the energy of the line, C
    the geometric mean of those around it, and u what is not seen. Around a line along or across are
    the two frequencies before and behind it, since edges along and across have energy there as
    well; around any other lie sixteen. 0 for noise of any color, a photograph, strokes.
    """
    ratios = []
    for down, across in lines(period):
        around = [
            (down + y, across + x)
            for y in range(-AWAY, AWAY + 1)
            for x in range(-AWAY, AWAY + 1)
            if max(abs(y), abs(x)) == AWAY and (down or not y) and (across or not x)
        ]
        near = torch.stack([spectrum[:, y % SIDE, x % SIDE] for y, x in around])
        base = (near + UNSEEN).log().mean(dim=0).exp()
        ratios.append((spectrum[:, down % SIDE, across % SIDE] + UNSEEN) / base)
    return 10 * torch.stack(ratios).mean(dim=0).log10()


def weave(image: Tensor, content: Tensor, style: Tensor) -> dict[int, Tensor]:
    """Decibels (N,) of weave, by period: on smooth places of the photograph, over the style's.

    The :func:`prominence` of the lines in ``image`` where ``content`` is smooth, less that of the
    whole ``style``, whose canvas may have a weave of its own. The style has no need to be smooth
    anywhere: strokes do not count.

    Args:
        image: painted pictures, (N, 3, H, W) in [0, 1].
        content: the photographs, of the same size; or one for all.
        style: the styles, (N, 3, h, w); or one for all.

    Returns:
        0 for no more than the style has; NaN where a photograph has too few smooth places.

    Example:
        >>> ramp = torch.linspace(0.3, 0.5, 256).expand(1, 3, 256, 256)
        >>> waves = 0.01 * torch.cos(torch.arange(256) * torch.pi / 4).expand(1, 3, 256, 256)
        >>> round(weave(ramp + waves, ramp, ramp)[8].item(), 1)
        6.3
    """
    found, own = spectra(image, smooth_places(content)), spectra(style)
    return {p: prominence(found, p) - prominence(own, p) for p in PERIODS}


def _windows(gray: Tensor) -> Tensor:
    """Windows (N, rows, columns, 64, 64) of gray (N, 1, H, W); none where it is smaller."""
    if min(gray.shape[2:]) < SIDE:
        return gray.new_zeros(len(gray), 0, 0, SIDE, SIDE)
    return gray[:, 0].unfold(1, SIDE, HOP).unfold(2, SIDE, HOP)


def _line(device: torch.device) -> Tensor:
    line = torch.hann_window(SIDE, periodic=True, dtype=torch.float64, device=device)
    return line / line.sum()
