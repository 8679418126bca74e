"""Packing of a run's config, pictures and weights into a folder, for training on another machine.

    python recipes/pack.py recipes/configs/device.toml -o packed --megabytes 40
    cd packed && impasto lab train config.toml -o ../runs/there

An accelerator is often remote, available for a short time and behind a slow connection. The packed
run is about a tenth of the data on the disk: pictures reduced to the size that crops are cut from,
as WebP, as many as fit, and weights in half precision.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from impasto.errors import ImpastoError, OptionError
from impasto.images.files import write_whole
from impasto.lab.data.pictures import THREADS
from impasto.lab.data.sources import Source, find_sources, is_held_out, read, split
from impasto.lab.methods.compact.reading import eye_of
from impasto.lab.nets.state import read_weights
from impasto.lab.training.checkpoints import names_of, weights_from, write_checkpoint
from impasto.lab.training.config import TrainConfig, read_config, write_config
from impasto.lab.training.networks import BuiltInRow, find_network

MEGABYTES = 50.0
"""Default size of the packed pictures."""
QUALITY = 70
"""Quality of WebP: its losses are finer than the detail of enlarged crops."""
CONTENTS = 1 / 3
"""Share of photographs in the size: a network needs more styles than photographs."""
TRIED = 24
"""Number of pictures of a path from which the size of the others is estimated."""
SMALL = 10_000
"""Size up to which tensors stay in full precision: offsets and the like, which half precision would
round to steps of 0.1."""


@dataclass(frozen=True)
class Packed:
    """Count and size of the pictures of a path: ``packed`` out of ``available``, in ``bytes``."""

    place: str
    packed: int
    available: int
    bytes: int


def pack_run(
    config: TrainConfig,
    folder: str | Path,
    *,
    megabytes: float = MEGABYTES,
    quality: int = QUALITY,
) -> list[Packed]:
    """Pack all inputs of a run into ``folder``, with a ``config.toml`` that is trained from there.

    Only pictures of the training side of the held-out split are packed, under names that are on it
    too, so a network trained there is evaluated here like any other; previews, which need held-out
    pictures, are switched off. If not all pictures fit, a third of the size is for photographs and
    the rest for styles, divided among paths by their weights in the config; pictures are drawn by
    the seed.

    Args:
        config: of the run, for a network that takes any style.
        folder: a new one.
        megabytes: size of the pictures; weights come on top, 7 MB for VGG-19 and a few for
            ``start``.
        quality: of WebP, 1 to 100: at 45 twice as many pictures fit as at 70.

    Returns:
        Count and size of the pictures of each path, in the order of the config.

    Raises:
        OptionError: for a network with built-in styles, a folder that holds a packed run already,
            a quality out of its range, and a size too small for a picture of each path.
        ImageError, ModelError: as for training.

    Example:
        >>> config = read_config("recipes/configs/device.toml")             # doctest: +SKIP
        >>> pack_run(config, "packed", megabytes=40)                        # doctest: +SKIP
    """
    folder = Path(folder)
    if isinstance(find_network(config.network), BuiltInRow):
        raise OptionError(f"{config.network} has built-in styles; copy its style pictures instead")
    if (folder / "config.toml").exists():
        raise OptionError(f"{folder / 'config.toml'} already exists; give another folder")
    if not megabytes > 0:
        raise OptionError(f"megabytes is {megabytes}; it must be above 0")
    if not 1 <= quality <= 100:
        raise OptionError(f"quality is {quality}; it must be 1 to 100")
    encoded = partial(_encode, config=config, quality=quality)
    folder.mkdir(parents=True, exist_ok=True)
    packed_config = _pack_weights(config, folder)
    packed: list[Packed] = []
    room, places = megabytes * 1e6, {}
    for name, share in (("contents", CONTENTS), ("styles", 1.0)):
        drawn_from = {place: often for place, often in getattr(config.data, name).items() if often}
        rows = _pack_pictures(drawn_from, config.seed, encoded, folder / name, room * share)
        room -= sum(row.bytes for row in rows)  # styles get the rest
        places[name] = {f"{name}-{i}": often for i, often in enumerate(drawn_from.values(), 1)}
        packed += rows
    data = replace(config.data, **places)
    write_config(replace(packed_config, data=data, preview_every=0), folder / "config.toml")
    return packed


def _pack_weights(config: TrainConfig, folder: Path) -> TrainConfig:
    """Write the weights that a config names; return the config with the new names."""
    config_there = replace(config, vgg=_write_weights(folder / "vgg.safetensors", config.vgg))
    if teacher := getattr(config.loss, "teacher", ""):
        teacher = _write_weights(folder / "teacher.safetensors", teacher)
        config_there = replace(config_there, loss=replace(config.loss, teacher=teacher))
    part = getattr(find_network(config.network), "part", "")
    if config.start:
        weights, stages = weights_from(config.start, part=part)
        metadata = {"stages": stages, "names": list(names_of(config.start))}
        start = _write_start(folder / "start.pt", weights, metadata)
        config_there = replace(config_there, start=start)
    if eye := getattr(config.method, "eye", ""):
        eye = _write_start(folder / "eye.pt", eye_of(eye), {"stages": []})
        config_there = replace(config_there, method=replace(config.method, eye=eye))
    return config_there


def _write_weights(path: Path, source: str) -> str:
    from safetensors.torch import save

    made = save({k: _half(v).contiguous() for k, v in read_weights(source).items()})
    write_whole(path, made, overwrite=True)
    return path.name


def _write_start(path: Path, weights: dict[str, Tensor], metadata: dict[str, Any]) -> str:
    average = {f"module.{name}": _half(each) for name, each in weights.items()}
    write_checkpoint(path, {"average": average, "step": 0, **metadata})
    return path.name


def _half(weights: Tensor) -> Tensor:
    large = weights.is_floating_point() and weights.numel() > SMALL
    return weights.to(torch.float16) if large else weights


Encoded = Callable[[Sequence[Source]], Iterator[tuple[Source, bytes]]]
"""Function that encodes the usable ones of some pictures, each with its bytes."""


def _pack_pictures(
    places: dict[str, float], seed: int, encoded: Encoded, folder: Path, room: float
) -> list[Packed]:
    random = np.random.default_rng(seed)
    drawn: list[list[Source]] = []
    for place in places:
        sources = split(find_sources(place)[0], held_out=False)
        drawn.append([sources[i] for i in random.permutation(len(sources))])
    tried = [[each for _, each in encoded(sources[:TRIED])] for sources in drawn]
    for place, found in zip(places, tried, strict=True):
        if not found:
            raise OptionError(
                f"{place}: none of {TRIED} pictures can be used; remove it from the config"
            )
    wanted = [np.mean([*map(len, t)]) * len(d) for t, d in zip(tried, drawn, strict=True)]
    rows, shares = [], [*places.values()]
    for i, place in enumerate(places):
        # Divided again after each path, since its exact size is known only now.
        limit = min(_divide(room, shares[i:], wanted[i:])[0], room)
        sizes = _write_pictures(encoded(drawn[i]), Path(f"{folder}-{i + 1}"), limit)
        if not sizes:
            raise OptionError(
                f"{place}: {limit / 1e6:.2g} MB are left for it, too little for one picture; give "
                "more megabytes"
            )
        rows.append(Packed(place, len(sizes), len(drawn[i]), sum(sizes)))
        room -= rows[-1].bytes
    return rows


def _divide(room: float, shares: Sequence[float], wanted: Sequence[float]) -> list[float]:
    """Divide room by shares; room that one path does not need is divided among the others."""
    parts = [0.0] * len(shares)
    open_ = {i for i, share in enumerate(shares) if share}
    while open_:
        whole = sum(shares[i] for i in open_)
        full = {i for i in open_ if wanted[i] <= room * shares[i] / whole}
        if not full:
            for i in open_:
                parts[i] = room * shares[i] / whole
            break
        for i in full:
            parts[i] = float(wanted[i]) * 1.1  # slightly more, since wanted is an estimate
            room -= wanted[i]
        open_ -= full
    return parts


def _write_pictures(
    encoded: Iterator[tuple[Source, bytes]], folder: Path, room: float
) -> list[int]:
    """Write pictures until the room is used up; return their sizes."""
    folder.mkdir(exist_ok=True)
    taken: dict[str, int] = {}
    for source, data in encoded:
        if len(data) > room:
            break
        name = _name(source.path.stem, taken)
        write_whole(folder / name, data, overwrite=True)
        taken[name] = len(data)
        room -= len(data)
    return list(taken.values())


def _name(stem: str, taken: Container[str]) -> str:
    """Return a free name on the training side of the held-out split, as the picture is."""
    tries = (f"{stem}{'_' * i}.webp" for i in count())
    return next(name for name in tries if name not in taken and not is_held_out(name))


def _encode(
    sources: Sequence[Source], *, config: TrainConfig, quality: int
) -> Iterator[tuple[Source, bytes]]:
    """Encode the usable pictures as WebP, lazily: most of them may not be needed."""
    webp = partial(_webp, config=config, quality=quality)
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(sources), 4 * THREADS):
            some = sources[start : start + 4 * THREADS]
            for source, data in zip(some, pool.map(webp, some), strict=True):
                if data:
                    yield source, data


def _webp(source: Source, *, config: TrainConfig, quality: int) -> bytes:
    picture = read(source, shorter=config.data.reduced_to, smallest=config.data.least_side)
    if isinstance(picture, str):
        return b""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def main() -> None:
    """Pack the run of the config named on the command line."""
    parser = argparse.ArgumentParser(
        description="Pack all inputs of a config into a folder, for training on another machine."
    )
    add = parser.add_argument
    add("config", type=Path)
    add("-o", "--out", type=Path, required=True, help="the new folder")
    add(
        "--megabytes",
        type=float,
        default=MEGABYTES,
        help="size of the pictures, without the weights (default: %(default)s)",
    )
    add(
        "--quality", type=int, default=QUALITY, help="WebP quality, 1 to 100 (default: %(default)s)"
    )
    add(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of the config, such as iterations=500; may be repeated",
    )
    options = parser.parse_args()
    out = options.out
    try:
        config = read_config(options.config, settings=options.settings)
        rows = pack_run(config, out, megabytes=options.megabytes, quality=options.quality)
    except ImpastoError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    for row in rows:
        print(f"{row.place}: {row.packed} of {row.available} pictures, {row.bytes / 1e6:.1f} MB")
    whole = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"{out}: {whole / 1e6:.1f} MB with the weights")


if __name__ == "__main__":
    main()
