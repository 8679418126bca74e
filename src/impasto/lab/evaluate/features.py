"""Distances of a picture to content and style in VGG features; one number per pair.

Features are maps by layer, each (C, h, w) or (1, C, h, w), as :class:`impasto.lab.nets.vgg.VGG`
returns them. The statistics needed of a style's features are computed once in a
:class:`StyleFacts`, so that several pictures can be compared with them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.lab.losses import CONTENT_LAYER, STYLE_LAYERS, content_loss, gram
from impasto.lab.losses.transport import directions, projections, sliced_wasserstein
from impasto.lab.nets.fast_moments import fast_mean_std


@dataclass(frozen=True, eq=False)
class LayerFacts:
    """Statistics of one layer of a picture, without positions.

    Attributes:
        mean: (C,) float32.
        std: (C,) float32, biased.
        gram: (C, C) float32, ``F F^T / (h w)``.
        projections: (K, h w) float32, sorted projections.
    """

    mean: Tensor
    std: Tensor
    gram: Tensor
    projections: Tensor


StyleFacts = Mapping[str, LayerFacts]


def style_facts(features: Mapping[str, Tensor]) -> dict[str, LayerFacts]:
    """Return the facts of every layer in ``features`` that the style loss uses."""
    return {layer: _facts(features[layer]) for layer in STYLE_LAYERS if layer in features}


def _facts(features: Tensor) -> LayerFacts:
    # As fast_mean_std expects them: a batch, channels last if they already were.
    batch = features if features.ndim == 4 else features[None]
    mean, std = fast_mean_std(batch)
    points = batch[0].flatten(1).float()
    return LayerFacts(
        mean=mean.flatten(),
        std=std.flatten(),
        gram=gram(batch)[0],
        projections=projections(points, directions(len(points))),
    )


def content_distances(features: Tensor, target: Tensor, content: Tensor) -> dict[str, float]:
    """Return the distances of a picture's relu4_1 to its target and to the content's own features.

    ``content``: mean square distance to the AdaIN target (Huang & Belongie 2017, eq. 12, squared
    and averaged as in the authors' code and in the PyTorch port, which agree here).
    ``content_kept``: the same to the content's own features. ``content_norm``: eq. 12 as printed,
    the 2-norm over the whole map, which grows with the picture; divided by ``sqrt(C h w)`` it is
    the root of ``content``.
    """
    # In float32 here, whatever precision training uses: an evaluation should not round.
    features, target, content = features.float(), target.float(), content.float()
    loss = float(content_loss(features, target))
    return {
        "content": loss,
        "content_kept": float(content_loss(features, content)),
        "content_norm": math.sqrt(loss * features.numel()),
    }


def style_distances(found: StyleFacts, wanted: StyleFacts) -> dict[str, float]:
    """Return style losses by layer and summed, in mean units, the paper's, and un-squared norms.

    With d the differences of the C means and of the C deviations of a layer (Huang & Belongie 2017,
    eq. 13)::

        style_LAYER = mean d_mean^2 + mean d_std^2          mean units, those of the PyTorch port
        style       = sum over layers
        style_paper = sum over layers and channels of d^2   the authors' code
        style_norm  = sum over layers of |d_mean|_2 + |d_std|_2     as printed; its ln is in Fig. 3
    """
    distances: dict[str, float] = {}
    total = paper = norm = 0.0
    for layer, goal in wanted.items():
        have = found[layer]
        squares = [
            float((a - b).square().mean(dtype=torch.float64))
            for a, b in ((have.mean, goal.mean), (have.std, goal.std))
        ]
        channels = len(goal.mean)
        distances[f"style_{layer}"] = sum(squares)
        total += sum(squares)
        paper += sum(squares) * channels
        norm += sum(math.sqrt(square * channels) for square in squares)
    return distances | {"style": total, "style_paper": paper, "style_norm": norm}


def gram_distances(found: StyleFacts, wanted: StyleFacts) -> dict[str, float]:
    """Return distances of Gram matrices by layer, relative to the style's, and their mean ``gram``.

    ``|G - A|_F / |A|_F`` with the Gram matrices G = F F^T / (h w) of the picture and A of the
    style: the root of Gatys et al. 2016, eq. 4, without its unit: 0 means equal, 1 as far as no
    features at all. Gram matrices show which features occur together; the training loss uses each
    channel alone.
    """
    distances = {
        f"gram_{layer}": float(
            torch.linalg.matrix_norm(found[layer].gram - goal.gram)
            / torch.linalg.matrix_norm(goal.gram).clamp(min=1e-12)
        )
        for layer, goal in wanted.items()
    }
    return distances | {"gram": sum(distances.values()) / len(distances)}


def wasserstein_distances(found: StyleFacts, wanted: StyleFacts) -> dict[str, float]:
    """Return sliced Wasserstein distances of order 2 by layer, and their mean ``wasserstein``.

    They are between the clouds of feature vectors of picture and style, along fixed directions
    (:func:`impasto.lab.losses.transport.sliced_wasserstein`), in the unit of the features (in the
    normalised VGG every channel's mean over photographs is 1). They compare the whole distribution,
    whereas the training loss compares mean and deviation of each channel.
    """
    distances = {
        f"wasserstein_{layer}": sliced_wasserstein(found[layer].projections, goal.projections)
        for layer, goal in wanted.items()
    }
    return distances | {"wasserstein": sum(distances.values()) / len(distances)}


__all__ = [
    "CONTENT_LAYER",
    "STYLE_LAYERS",
    "LayerFacts",
    "StyleFacts",
    "content_distances",
    "gram_distances",
    "style_distances",
    "style_facts",
    "wasserstein_distances",
]
