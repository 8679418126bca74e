"""The paper's losses on held-out pairs, for a card: the same pairs for any network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.lab.data.pictures import held_out_squares
from impasto.lab.losses import CONTENT_LAYER, STYLE_LAYERS, content_loss, style_loss
from impasto.lab.nets.network import Network, stylize
from impasto.lab.nets.normalization import adain
from impasto.lab.nets.vgg import VGG


@dataclass(frozen=True)
class Scores:
    """Means over pairs, of pictures clipped to [0, 1]; losses in mean units (``style_loss``)."""

    content: float
    """Mean square distance at relu4_1 to the AdaIN target."""
    style: float
    """Loss of mean and standard deviation at relu1_1 to relu4_1, summed over the layers."""
    identity_psnr: float
    """PSNR in dB between the photograph and its picture at alpha = 0; median, higher is closer."""
    pairs: int
    size: int

    def losses(self) -> dict[str, float]:
        """Return the losses as stored in a card."""
        return {
            f"held_out_content_{self.size}": round(self.content, 3),
            f"held_out_style_{self.size}": round(self.style, 3),
            f"held_out_identity_psnr_{self.size}": round(self.identity_psnr, 2),
        }


def held_out_pairs(
    contents: Mapping[str, float], styles: Mapping[str, float], *, n: int, size: int, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Draw ``n`` photographs and ``n`` paintings (N, 3, size, size) from the held-out tenth.

    Folders have shares as in a training config; each picture is cropped to its largest square; the
    draw is by ``seed``.
    """
    return (
        held_out_squares(contents, n=n, size=size, seed=seed),
        held_out_squares(styles, n=n, size=size, seed=seed + 1),
    )


@torch.no_grad()
def evaluate(
    network: Network,
    judge: VGG,
    contents: Tensor,
    styles: Tensor,
    *,
    margin: int = 0,
    batch: int = 4,
) -> Scores:
    """Return the scores of ``network`` on the pairs (N, 3, H, W) in [0, 1], judged by ``judge``.

    ``margin``: the reflected border in pixels that the studio adds to pictures for it.
    """
    content_sum = style_sum = 0.0
    psnr = []
    for content, style in zip(contents.split(batch), styles.split(batch), strict=True):
        n = len(content)
        pictures = stylize(network, content, style, unaligned=n, margin=margin).float().clamp(0, 1)
        wanted = judge(style, STYLE_LAYERS)
        target = adain(judge(content, [CONTENT_LAYER])[CONTENT_LAYER], wanted[CONTENT_LAYER])
        got = judge(pictures[:n], STYLE_LAYERS)
        content_sum += float(content_loss(got[CONTENT_LAYER], target)) * n
        style_sum += float(style_loss(got, wanted)) * n
        squares = F.mse_loss(pictures[n:], content, reduction="none").mean(dim=(1, 2, 3))
        psnr += [-10 * math.log10(max(float(s), 1e-10)) for s in squares]
    count = len(contents)
    return Scores(
        content=content_sum / count,
        style=style_sum / count,
        identity_psnr=sorted(psnr)[count // 2],
        pairs=count,
        size=contents.shape[-1],
    )
