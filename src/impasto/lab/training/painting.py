"""Painting with a training run in PyTorch, also for networks that a bundle cannot hold."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.errors import OptionError
from impasto.images.photo import Photo, Picture, read_photo
from impasto.lab.nets.precision import channels_last
from impasto.lab.nets.vgg import load_vgg
from impasto.lab.training.checkpoints import CHECKPOINT, start_from
from impasto.lab.training.networks import BuiltInRow, find_network
from impasto.lab.training.objective import Objective
from impasto.lab.training.places import run_config, with_vgg

_MULTIPLE = 16


@dataclass(frozen=True, eq=False)
class RunPainter:
    """A painter with the averaged weights of a run, always in single precision.

    Attributes:
        name: of the run folder.
        network: name of the network, as in its config.
        identity: hash of the checkpoint, 16 hexadecimal digits.
        iterations: training steps of the weights.
        learned: the trained module.
        objective: encodes pictures with VGG, and paints with the network.
    """

    name: str
    network: str
    identity: str
    iterations: int
    learned: nn.Module
    objective: Objective

    @torch.no_grad()
    def stylize(self, content: Picture | Photo, style: Picture | Photo) -> NDArray[np.float32]:
        """Paint ``content`` in ``style``.

        Args:
            content: the photograph, of any size.
            style: the style; for ``adain-concat``, which concatenates features, of the same size.

        Returns:
            (H, W, 3) in [0, 1].

        Raises:
            ImageError: if a picture cannot be read.
            OptionError: if ``adain-concat`` gets pictures of different sizes.
        """
        photo, painting = (_tensor(each) for each in (content, style))
        height, width = photo.shape[2:]
        padded = _padded(photo)
        seen = _padded(painting)
        if self.network == "adain-concat" and seen.shape != padded.shape:
            raise OptionError(
                f"adain-concat concatenates the features of content and style, which needs "
                f"one size: the content is {width} x {height} px, the style "
                f"{painting.shape[3]} x {painting.shape[2]}"
            )
        batch = self.objective.prepare(padded, seen)
        picture = self.objective.pictures(self.learned, batch)[:1, :, :height, :width]
        return picture[0].permute(1, 2, 0).clamp(0, 1).numpy()


def open_run(folder: str | Path, *, vgg: str | Path | None = None) -> RunPainter:
    """Open a run folder as a painter, on the CPU.

    Args:
        folder: the run, finished or not.
        vgg: a file of the normalized VGG; by default that of the run's config, or the result of
            :func:`impasto.lab.nets.weights.find_vgg`.

    Raises:
        ModelError: if there is no checkpoint or no VGG.
        OptionError: for a network with built-in styles, or one that does not paint.

    Example:
        >>> open_run("runs/adain-concat").stylize("a.jpg", "b.jpg")         # doctest: +SKIP
    """
    folder = Path(folder)
    config = with_vgg(run_config(folder), None if vgg is None else Path(vgg))
    row = find_network(config.network)
    if isinstance(row, BuiltInRow) or not row.objective.paints:
        raise OptionError(
            f"{folder}: {row.name} cannot paint arbitrary styles; "
            + ("export it (impasto lab export)" if isinstance(row, BuiltInRow) else row.remark)
        )
    learned = row.build(config.method)
    stages = start_from(learned, folder / CHECKPOINT)
    exact = replace(config, precision="fp32")  # the same picture on every machine
    judge = load_vgg(config.vgg)
    channels_last(learned.eval()).requires_grad_(False)
    objective = row.objective(exact, judge, paint=row.painted, features=row.layer(config.method))
    with (folder / CHECKPOINT).open("rb") as file:
        identity = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return RunPainter(
        folder.resolve().name, row.name, identity, stages[-1]["iterations"], learned, objective
    )


def is_run(folder: str | Path) -> bool:
    """Return True for the folder of a run that has a checkpoint."""
    return (Path(folder) / CHECKPOINT).is_file()


def _tensor(picture: Picture | Photo) -> Tensor:
    photo = picture if isinstance(picture, Photo) else read_photo(picture)
    return torch.from_numpy(np.ascontiguousarray(photo.image)).permute(2, 0, 1)[None]


def _padded(image: Tensor) -> Tensor:
    """Pad to a multiple by reflection on the right and below."""
    missing = [-side % _MULTIPLE for side in image.shape[2:]]
    return F.pad(image, (0, missing[1], 0, missing[0]), mode="reflect") if any(missing) else image
