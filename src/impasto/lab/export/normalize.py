"""Normalization of VGG weights with photographs, to a file for training."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import safetensors.torch
from torch import Tensor
from tqdm import tqdm

from impasto.errors import ImageError, ModelError, OptionError, one_line
from impasto.images.files import write_whole
from impasto.images.writing import check_target
from impasto.lab.data.cropping import Crops
from impasto.lab.data.pictures import Sampler, load_collections
from impasto.lab.nets.vgg import load_vgg, normalized

_BATCH = 4


def publish_normalized(
    vgg: str | Path,
    photographs: str | Path,
    target: str | Path,
    *,
    count: int = 300,
    size: int = 224,
    overwrite: bool = False,
) -> None:
    """Write weights scaled so that every filter has a mean activation of 1 over photographs.

    The method is that of Gatys et al. 2016; see :func:`impasto.lab.nets.vgg.normalized`.

    Args:
        vgg: plain weights of VGG-19 or VGG-16, of torchvision or Caffe; all layers in the file are
            normalized.
        photographs: a folder, a shard or a pattern of shards.
        target: the file, ``NAME.safetensors``.
        count: number of photographs, drawn at random but the same in every call.
        size: side in pixels of the square cropped from each.
        overwrite: whether an existing file is replaced.

    Raises:
        ModelError: if the weights cannot be read, or the file cannot be written.
        ImageError: if there are no photographs.
        OptionError: for invalid numbers, weights that are already normalized, or a name that has
            another suffix or is taken.

    Example:
        >>> publish_normalized("vgg19.pth", "photographs", "vgg.safetensors")  # doctest: +SKIP
    """
    target = Path(target)
    if count < 1 or size < 32:
        raise OptionError(f"count = {count}, size = {size}; the minimums are 1 and 32")
    if target.suffix != ".safetensors":
        raise OptionError(f"{target}: normalized weights must be saved as NAME.safetensors")
    try:
        if target.parent.is_dir():
            check_target(target, overwrite=overwrite)
    except ImageError as error:
        raise OptionError(str(error)) from error
    network = load_vgg(vgg)
    if network.is_normalized:
        raise OptionError(f"{vgg}: is already normalized; use it directly")
    loaded = load_collections([photographs], shorter=size, memory=0.0)
    crops = Crops(side=size, smallest=1.0)
    sampler = Sampler(loaded.collections, [1.0], crops=crops, seed=0)

    def batches() -> Iterator[Tensor]:
        with tqdm(total=count, unit=" photographs", disable=not sys.stderr.isatty()) as bar:
            for start in range(0, count, _BATCH):
                batch = sampler.batch(min(_BATCH, count - start))
                yield batch
                bar.update(len(batch))

    table = normalized(network, batches())
    about = {
        "notes": f"{network.layout.network} ({network.layout.name}), normalized by "
        f"{count} photographs of {size} px"
    }
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, safetensors.torch.save(table, about), overwrite=overwrite)
    except OSError as error:
        raise ModelError(f"{target}: cannot be written ({one_line(error)})") from error
