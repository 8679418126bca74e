"""Similarity of two pictures, as pure functions of pixels; one number per picture.

Pictures are (N, 3, H, W), RGB in [0, 1], sRGB as stored, unless a function says otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.lab.losses.transport import directions, projections, sliced_wasserstein

LUMA = (0.299, 0.587, 0.114)
"""Weights of ITU-R BT.601, which the authors of SSIM use for gray."""
WINDOW, SIGMA = 11, 1.5
"""Side in pixels and deviation of the Gaussian window of SSIM."""
K1, K2 = 0.01, 0.03
EDGE_CONSTANT = 170 / 255**2
"""Constant of the gradient magnitude similarity, for pictures in [0, 1]."""
COLOR_DIRECTIONS = 32
PEAK_MSE = 1e-10
"""Mean square below which two pictures count as equal: 100 dB."""
HALF_STEP = 0.5 / 255
"""Half a step of 8 bits: a value closer to [0, 1] than this is rounded into it without loss."""
BAND = 16
"""Side in pixels of the windows for checkerboard energy."""


def luma(image: Tensor) -> Tensor:
    """Return gray (N, 1, H, W) in float64."""
    weights = torch.tensor(LUMA, dtype=torch.float64, device=image.device).reshape(1, 3, 1, 1)
    return (image.double() * weights).sum(dim=1, keepdim=True)


def ssim(image: Tensor, other: Tensor) -> Tensor:
    """Return the mean structural similarity (N,) of the gray of two pictures; 1 for equal ones.

    With means mu, deviations sigma and covariance under a Gaussian window of 11 x 11, sigma 1.5::

        SSIM = (2 mu_x mu_y + C1) (2 cov + C2) / ((mu_x^2 + mu_y^2 + C1)(s_x^2 + s_y^2 + C2))

    C1 = 0.01^2, C2 = 0.03^2. Wang et al., "Image quality assessment: from error visibility to
    structural similarity" (IEEE TIP 2004), eq. 13. The mean is over windows inside the picture; the
    pictures are not downscaled first, as the authors' later code does with large ones.
    """
    x, y = luma(image), luma(other)
    offsets = torch.arange(WINDOW, dtype=torch.float64, device=x.device) - WINDOW // 2
    line = torch.exp(-offsets.square() / (2 * SIGMA**2))
    line = line / line.sum()
    down, across = (_windows(length, line) for length in x.shape[2:])

    def blurred(plane: Tensor) -> Tensor:
        return down @ plane @ across.T

    mean_x, mean_y = blurred(x), blurred(y)
    var_x = blurred(x * x) - mean_x.square()
    var_y = blurred(y * y) - mean_y.square()
    covariance = blurred(x * y) - mean_x * mean_y
    light = (2 * mean_x * mean_y + K1**2) / (mean_x.square() + mean_y.square() + K1**2)
    structure = (2 * covariance + K2**2) / (var_x + var_y + K2**2)
    return (light * structure).mean(dim=(1, 2, 3))


def _windows(length: int, line: Tensor, *, stride: int = 1) -> Tensor:
    """Return a matrix with one row per window inside ``length`` pixels, holding ``line`` there.

    Two products with such matrices filter a picture, several times faster in float64 than a
    convolution.
    """
    starts = torch.arange(0, length - len(line) + 1, stride)
    matrix = torch.zeros(len(starts), length, dtype=line.dtype)
    columns = starts[:, None] + torch.arange(len(line))
    return matrix.scatter_(1, columns, line.expand(len(starts), -1)).to(line.device)


def edge_similarity(image: Tensor, other: Tensor) -> Tensor:
    """Return the mean gradient magnitude similarity (N,) of the gray of two pictures; 1: equal.

    With m the length of the Prewitt gradient, ``(2 m_x m_y + c) / (m_x^2 + m_y^2 + c)``, averaged.
    Xue et al., "Gradient magnitude similarity deviation" (IEEE TIP 2014), eq. 4; like SSIM here
    without downscaling the pictures first. It measures whether edges are kept, independent of light
    and color.
    """
    x, y = _edges(luma(image)), _edges(luma(other))
    similarity = (2 * x * y + EDGE_CONSTANT) / (x.square() + y.square() + EDGE_CONSTANT)
    return similarity.mean(dim=(1, 2, 3))


def _edges(gray: Tensor) -> Tensor:
    step = torch.tensor([1.0, 0.0, -1.0], dtype=gray.dtype, device=gray.device)
    mean = torch.full_like(step, 1 / 3)
    across = torch.outer(mean, step).reshape(1, 1, 3, 3)
    kernel = torch.cat([across, across.transpose(2, 3)])
    return F.conv2d(gray, kernel).square().sum(dim=1, keepdim=True).sqrt()


def psnr(image: Tensor, other: Tensor) -> Tensor:
    """Return the PSNR (N,) of two pictures, ``-10 log10(mean square)``; 100 for equal ones."""
    square = (image.double() - other.double()).square().mean(dim=(1, 2, 3))
    return -10 * square.clamp(min=PEAK_MSE).log10()


def clipped_share(raw: Tensor) -> Tensor:
    """Return the share (N,) of pixels that change when ``raw``, a decoder's picture, is clipped.

    A pixel counts if any of its channels lies outside [0, 1] by more than half a step of 8 bits.
    A large share is visible as spots of pure color.
    """
    outside = (raw < -HALF_STEP) | (raw > 1 + HALF_STEP)
    return outside.any(dim=1).double().mean(dim=(1, 2))


def checkerboard_energy(image: Tensor) -> Tensor:
    """Return the energy (N,) of the gray of ``image`` near the highest frequencies of the grid.

    Those are (1/2, 0), (0, 1/2) and (1/2, 1/2) cycles per pixel: stripes and checks one pixel wide,
    the artifacts of faulty up-sampling. Gray is multiplied by (-1)^x, (-1)^y or (-1)^(x + y), which
    moves the frequency in question to 0, averaged under Hann windows of 16 x 16 pixels, half
    overlapping, and squared; the three are added. Frequencies further than 1/8 cycle per pixel away
    count less than a thousandth, and a linear gradient counts 0.
    """
    gray = luma(image)
    line = torch.hann_window(BAND, periodic=True, dtype=gray.dtype)
    line = line / line.sum()
    plain, moved = [], []
    for length in gray.shape[2:]:
        windows = _windows(length, line, stride=BAND // 2).to(gray.device)
        carrier = 1.0 - 2 * (torch.arange(length, device=gray.device) % 2)
        plain.append(windows)
        moved.append(windows * carrier)
    (down, across), (down_moved, across_moved) = plain, moved
    energy = torch.zeros(len(gray), dtype=gray.dtype, device=gray.device)
    for rows, columns in ((down, across_moved), (down_moved, across), (down_moved, across_moved)):
        energy += (rows @ gray @ columns.T).square().mean(dim=(1, 2, 3))
    return energy


def rounding_energy() -> float:
    """Return the :func:`checkerboard_energy` of rounding to 8 bits alone, about 1.5e-8.

    Rounding is noise of variance 1 / (12 * 255^2) in every channel, white over the frequencies.
    """
    line = torch.hann_window(BAND, periodic=True, dtype=torch.float64)
    passed = float(line.square().sum() / line.sum().square()) ** 2
    return 3 * passed * sum(weight**2 for weight in LUMA) / (12 * 255**2)


def checkerboard_excess(image: Tensor, content: Tensor) -> Tensor:
    """Return the checkerboard energy (N,) of ``image`` relative to ``content``, in dB; 0: equal.

    Both are floored at the energy of rounding to 8 bits: less is invisible, and an upscaled
    photograph has none there.
    """
    floor = rounding_energy()
    have, had = (checkerboard_energy(each) + floor for each in (image, content))
    return 10 * (have / had).log10()


def to_lab(image: Tensor) -> Tensor:
    """Convert sRGB to CIELAB (N, 3, H, W) float32, white of D65.

    L is in 0..100; one unit is about one just noticeable difference. IEC 61966-2-1 for sRGB, CIE 15
    for Lab.
    """
    values = image.float().clamp(0, 1)
    linear = torch.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    matrix = linear.new_tensor(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = torch.einsum("ij,njhw->nihw", matrix / matrix.sum(dim=1, keepdim=True), linear)
    edge = 6 / 29
    cubes = torch.where(
        xyz > edge**3, xyz.clamp(min=edge**3).pow(1 / 3), xyz / (3 * edge**2) + 4 / 29
    )
    x, y, z = cubes.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def color_distance(image: Tensor, style: Tensor) -> Tensor:
    """Return distances (N,) of the colors of ``image`` to those of ``style`` in CIELAB.

    Sliced Wasserstein distance of order 1 between the two clouds of colors, without positions: the
    mean distance, in units of color difference, that colors must move along 32 directions; about
    half of the true distance. It was chosen over a difference of histograms because it has no bins,
    compares colors rather than channels alone, and distinguishes near misses from far ones.
    """
    along = directions(3, count=COLOR_DIRECTIONS)
    found = [
        sliced_wasserstein(projections(a, along), projections(b, along), order=1)
        for a, b in zip(to_lab(image).flatten(2), to_lab(style).flatten(2), strict=True)
    ]
    return torch.tensor(found, dtype=torch.float64)
