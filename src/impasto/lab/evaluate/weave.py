"""Weave: a pattern that repeats with a network's strides, in the smooth areas of a picture.

A network that halves a picture three times paints in cells of 8 pixels, and its artifacts in empty
areas repeat with them: every 4 or 8 pixels, or every 16 where one cell is dark and the next one
light. Strokes have all periods. So a weave shows as lines in the spectrum, and is measured by their
prominence over the surrounding frequencies.
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.lab.evaluate.pictures import luma

PERIODS = (4, 8, 16)
"""Periods in pixels: those of the strides, and of alternating cells of 8."""
SIDE = 64
"""Side in pixels of the Hann windows of the spectra; a multiple of every period, so that all lines
fall on frequencies of the windows, and do not leak to those two steps away."""
HOP = 16
"""Distance from one window to the next, in pixels."""
SMOOTH = 8 / 255
"""Largest deviation of gray under a window of the photograph that counts as smooth."""
FEWEST = 16
"""Smallest number of smooth windows for a spectrum: about a square of 112 pixels."""
HIGHEST = 0.25
"""Highest harmonics used, in cycles per pixel. Those above belong to the finest pattern
(:func:`impasto.lab.evaluate.pictures.checkerboard_excess`)."""
AWAY = 2
"""Steps of 1/64 cycle from a line to the frequencies it is compared with."""
UNSEEN = (0.5 / 255) ** 2 / 4
"""Energy of a wave whose amplitude is half a step of 8 bits, which is invisible: it is added to
both sides of every comparison."""


def smooth_places(content: Tensor) -> Tensor:
    """Return the smooth windows (N, rows, columns) of photographs, as booleans.

    A window is smooth where the deviation of gray under it is at most ``SMOOTH``: skies, walls,
    areas out of focus.

    Args:
        content: (N, 3, H, W) in [0, 1].
    """
    line = _line(content.device)
    gray = luma(content)
    mean, square = (_windows(each) @ line @ line for each in (gray, gray.square()))
    return (square - mean.square()).clamp(min=0).sqrt() <= SMOOTH


def spectra(image: Tensor, places: Tensor | None = None) -> Tensor:
    """Return mean power spectra (N, 64, 64) of the gray of pictures.

    They are the squares of windowed complex exponentials: a wave of amplitude a has a^2 / 4 at its
    frequency.

    Args:
        image: (N, 3, H, W) in [0, 1].
        places: windows to use, (N, rows, columns), or (1, rows, columns) for all pictures; None for
            every window.

    Returns:
        Spectra with the frequency 0 first on both axes; NaN where there are fewer than ``FEWEST``
        windows.
    """
    line, found = _line(image.device), []
    # In float32, whose error is a thousandth of the visible threshold.
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
    """Return the frequencies (down, across) of the lines of a period, in steps of 1/64 cycle.

    They are all multiples of 1 / period up to ``HIGHEST``, except those of half the period; one of
    each opposite pair.

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
    """Return the prominence (N,) in dB of the lines of a period in spectra (N, 64, 64).

    It is ``10 log10`` of the mean over the lines of ``(E + u) / (C + u)``: E is the energy of the
    line, C the geometric mean of its neighbors', and u the invisible energy. Horizontal and
    vertical lines have two neighbors, before and after them, since horizontal and vertical edges
    have energy there as well; any other line has sixteen. It is 0 for noise of any color, a
    photograph, strokes.
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
    """Return the weave (N,) in dB by period: in smooth areas of the photograph, minus the style's.

    It is the :func:`prominence` of the lines in ``image`` where ``content`` is smooth, minus that
    of the whole ``style``, whose canvas may have a weave of its own. The style need not be smooth
    anywhere: strokes do not count.

    Args:
        image: painted pictures, (N, 3, H, W) in [0, 1].
        content: the photographs, of the same size; or one for all.
        style: the styles, (N, 3, h, w); or one for all.

    Returns:
        0 for no more than the style has; NaN where a photograph has too few smooth windows.

    Example:
        >>> ramp = torch.linspace(0.3, 0.5, 256).expand(1, 3, 256, 256)
        >>> waves = 0.01 * torch.cos(torch.arange(256) * torch.pi / 4).expand(1, 3, 256, 256)
        >>> round(weave(ramp + waves, ramp, ramp)[8].item(), 1)
        6.3
    """
    found, own = spectra(image, smooth_places(content)), spectra(style)
    return {p: prominence(found, p) - prominence(own, p) for p in PERIODS}


def _windows(gray: Tensor) -> Tensor:
    """Return windows (N, rows, columns, 64, 64) of gray (N, 1, H, W); none where it is smaller."""
    if min(gray.shape[2:]) < SIDE:
        return gray.new_zeros(len(gray), 0, 0, SIDE, SIDE)
    return gray[:, 0].unfold(1, SIDE, HOP).unfold(2, SIDE, HOP)


def _line(device: torch.device) -> Tensor:
    line = torch.hann_window(SIDE, periodic=True, dtype=torch.float64, device=device)
    return line / line.sum()
