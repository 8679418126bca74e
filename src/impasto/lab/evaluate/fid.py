"""FID and ArtFID: distance of all pictures of a model together to all styles.

Heusel et al., "GANs trained by a two time-scale update rule" (NeurIPS 2017), eq. 6; Wright & Ommer,
"ArtFID: quantitative evaluation of neural style transfer" (GCPR 2022): (1 + LPIPS)(1 + FID).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from impasto.lab.evaluate.inception import FEATURES, Inception
from impasto.lab.evaluate.painters import Judged
from impasto.lab.evaluate.pairs import Pair, look_at
from impasto.lab.evaluate.report import Summary

Matrix = NDArray[np.float64]


class Cloud:
    """Mean and covariance of feature vectors, accumulated one by one in constant memory."""

    def __init__(self, channels: int = FEATURES) -> None:
        self.count = 0
        self._mean = np.zeros(channels)
        self._squares = np.zeros((channels, channels))
        self._few: list[Matrix] = []

    def add(self, vector: NDArray[np.floating]) -> None:
        """Add a (C,) vector (Welford's update)."""
        self.count += 1
        before = vector - self._mean
        self._mean = self._mean + before / self.count
        self._squares += np.outer(before, vector - self._mean)
        self._few.append(vector.astype(np.float64))
        if self.count > len(self._mean):  # no longer few
            self._few = []

    @property
    def mean(self) -> Matrix:
        """(C,)"""
        return self._mean

    @property
    def covariance(self) -> Matrix:
        """(C, C), divided by n - 1."""
        return self._squares / max(self.count - 1, 1)

    def root(self) -> Matrix:
        """A matrix R, (n, C) or (C, C), where ``R^T R`` is the covariance."""
        if 1 < self.count == len(self._few):
            few: Matrix = (np.stack(self._few) - self._mean) / np.sqrt(self.count - 1)
            return few
        values, vectors = np.linalg.eigh(self.covariance)
        root: Matrix = np.sqrt(np.clip(values, 0, None))[:, None] * vectors.T
        return root


def frechet_distance(one: Cloud, two: Cloud) -> float:
    """Return the squared Frechet distance of normal distributions with the moments of two clouds.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2)``. With C = R^T R the trace of the root is the sum
    of the singular values of ``R1 R2^T``: nothing becomes complex, and few vectors are fast.
    """
    inner = np.linalg.svd(one.root() @ two.root().T, compute_uv=False)
    apart = float(np.square(one.mean - two.mean).sum())
    spread = float(np.trace(one.covariance) + np.trace(two.covariance))
    return apart + spread - 2 * float(inner.sum())


def summarize_fid(
    painters: Sequence[Judged],
    pairs: Sequence[Pair],
    sizes: Sequence[int],
    inception: Inception,
    summary: Sequence[Summary],
    reference: str | None,
    progress: bool = False,
) -> list[Summary]:
    """Return rows ``fid``, and ``artfid`` where ``summary`` has LPIPS, for every model and size.

    Each pair counts once: its painted picture on one side and its style on the other, both at the
    size of the evaluation, as 8-bit pictures in [0, 1]. This is a separate pass, since FID is
    defined for all pairs together only.

    """
    rows: list[Summary] = []
    for size in sizes:
        goal = Cloud()
        clouds = {painter.label: Cloud() for painter in painters}
        for pair in tqdm(pairs, unit="pair", desc=f"FID {size} px", disable=not progress):
            look = look_at(pair, size)
            goal.add(_features(inception, look.style))
            for painter in painters:
                raw = painter.paint(look, unaligned=False).raw
                clouds[painter.label].add(_features(inception, raw))
        distances = {label: frechet_distance(cloud, goal) for label, cloud in clouds.items()}
        for name in ("fid", "artfid"):
            values = {}
            for label, distance in distances.items():
                if name == "fid":
                    values[label] = distance
                    continue
                lpips = [
                    s.mean for s in summary
                    if (s.model, s.size, s.metric) == (label, size, "lpips")
                ]  # fmt: skip
                if lpips:
                    values[label] = (1 + lpips[0]) * (1 + distance)
            for label, value in values.items():
                ratio = None
                if reference in values and label != reference:
                    ratio = value / values[reference]
                rows.append(
                    Summary(label, size, name, "", "lower", value, None, ratio, None, None,
                            len(pairs))
                )  # fmt: skip
    return rows


def _features(inception: Inception, image: NDArray[np.float32]) -> NDArray[np.float32]:
    seen = np.rint(np.clip(image, 0, 1) * 255).astype(np.float32) / 255
    batch = torch.from_numpy(seen).permute(2, 0, 1)[None]
    return inception(batch)[0].numpy()
