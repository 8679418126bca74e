"""A run packed into a folder of its own, to be carried to another machine and trained there.

    python recipes/pack.py recipes/configs/device.toml -o packed --megabytes 40
    cd packed && impasto lab train config.toml -o ../runs/there

An accelerator is often somewhere else, for a short time and behind a thin line.  What a run reads,
brought down to what it needs of it, is a tenth of what lies on the disk: pictures no larger than
crops are cut from, as WebP, as many as there is room for, and weights in half precision.
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
from impasto.lab.nets.vgg import read_weights
from impasto.lab.training.checkpoints import names_of, weights_from, write_checkpoint
from impasto.lab.training.config import TrainConfig, read_config, write_config
from impasto.lab.training.networks import BuiltInRow, find_network
from impasto.lab.training.reading import eye_of

MEGABYTES = 50.0
"""Of pictures."""
QUALITY = 70
"""Of WebP: what it takes away is finer than what crops that are enlarged show."""
CONTENTS = 1 / 3
"""What photographs get of the room: of styles a network has to know more."""
TRIED = 24
"""Pictures of a place that tell how large the others will be."""
SMALL = 10_000
"""Numbers in a tensor that is kept as it is: offsets and the like, which half precision would
round to steps of 0.1."""


@dataclass(frozen=True)
class Packed:
    """What was taken of a place: ``kept`` pictures out of ``found``, in so many ``bytes``."""

    place: str
    kept: int
    found: int
    bytes: int


def pack_run(
    config: TrainConfig,
    folder: str | Path,
    *,
    megabytes: float = MEGABYTES,
    quality: int = QUALITY,
) -> list[Packed]:
    """Put all that a run reads into ``folder``, with a ``config.toml`` that is trained from there.

    Only pictures of the training side of the held-out split are taken, under names that are on it
    too, so a network that was trained there is judged here as any other; previews, which ask for
    held-out pictures, are switched off. Where there is not room for all, a third is for photographs
    and the rest for styles, among places by how often they are drawn from; pictures are drawn by
    the seed.

    Args:
        config: of the run, for a network that takes any style.
        folder: a new one.
        megabytes: what pictures may take; weights come beside it, 7 MB of the VGG and a few of
            ``start``.
        quality: of WebP, 1 to 100: at 45 twice as many pictures find room as at 70.

    Returns:
        What was taken of each place, in the order of the config.

    Raises:
        OptionError: for a network with built-in styles, a folder that holds a packed run already,
            a quality out of its range, and less room than a picture of each place takes.
        ImageError, ModelError: as for training.

    Example:
        >>> config = read_config("recipes/configs/device.toml")             # doctest: +SKIP
        >>> pack_run(config, "packed", megabytes=40)                        # doctest: +SKIP
    """
    folder = Path(folder)
    if isinstance(find_network(config.network), BuiltInRow):
        raise OptionError(f"{config.network} has its styles built in: copy those few pictures")
    if (folder / "config.toml").exists():
        raise OptionError(f"{folder / 'config.toml'} exists; name another folder")
    if not megabytes > 0:
        raise OptionError(f"megabytes is {megabytes}; pictures need some room")
    if not 1 <= quality <= 100:
        raise OptionError(f"quality is {quality}; WebP has 1 to 100")
    encoded = partial(_encoded, config=config, quality=quality)
    folder.mkdir(parents=True, exist_ok=True)
    packed_config = _pack_weights(config, folder)
    packed: list[Packed] = []
    room, places = megabytes * 1e6, {}
    for name, share in (("contents", CONTENTS), ("styles", 1.0)):
        drawn_from = {place: often for place, often in getattr(config.data, name).items() if often}
        rows = _pack_pictures(drawn_from, config.seed, encoded, folder / name, room * share)
        room -= sum(row.bytes for row in rows)  # styles have what photographs leave
        places[name] = {f"{name}-{i}": often for i, often in enumerate(drawn_from.values(), 1)}
        packed += rows
    data = replace(config.data, **places)
    write_config(replace(packed_config, data=data, preview_every=0), folder / "config.toml")
    return packed


def _pack_weights(config: TrainConfig, folder: Path) -> TrainConfig:
    """Write the weights that a config names; the config that names those."""
    config_there = replace(config, vgg=_write_weights(folder / "vgg.safetensors", config.vgg))
    if config.teacher:
        teacher = _write_weights(folder / "teacher.safetensors", config.teacher)
        config_there = replace(config_there, loss=replace(config.loss, teacher=teacher))
    part = getattr(find_network(config.network), "part", "")
    if config.start:
        weights, stages = weights_from(config.start, part=part)
        about = {"stages": stages, "names": list(names_of(config.start))}
        start = _write_start(folder / "start.pt", weights, about)
        config_there = replace(config_there, start=start)
    if config.eye:
        eye = _write_start(folder / "eye.pt", eye_of(config.eye), {"stages": []})
        config_there = replace(config_there, method=replace(config.method, eye=eye))
    return config_there


def _write_weights(path: Path, source: str) -> str:
    from safetensors.torch import save

    made = save({k: _half(v).contiguous() for k, v in read_weights(source).items()})
    write_whole(path, made, overwrite=True)
    return path.name


def _write_start(path: Path, weights: dict[str, Tensor], about: dict[str, Any]) -> str:
    average = {f"module.{name}": _half(each) for name, each in weights.items()}
    write_checkpoint(path, {"average": average, "step": 0, **about})
    return path.name


def _half(weights: Tensor) -> Tensor:
    large = weights.is_floating_point() and weights.numel() > SMALL
    return weights.to(torch.float16) if large else weights


Encoded = Callable[[Sequence[Source]], Iterator[tuple[Source, bytes]]]
"""Gives those of some pictures that can be used, each with its bytes."""


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
            raise OptionError(f"{place}: none of {TRIED} pictures can be used; leave it out")
    wanted = [np.mean([*map(len, t)]) * len(d) for t, d in zip(tried, drawn, strict=True)]
    rows, shares = [], [*places.values()]
    for i, place in enumerate(places):
        # Anew for those that are left: how much one takes is known when it is packed.
        given = min(_shared_out(room, shares[i:], wanted[i:])[0], room)
        sizes = _write_pictures(encoded(drawn[i]), Path(f"{folder}-{i + 1}"), given)
        if not sizes:
            raise OptionError(
                f"{place}: {given / 1e6:.2g} MB are left for it, too few for one picture; give "
                "more megabytes"
            )
        rows.append(Packed(place, len(sizes), len(drawn[i]), sum(sizes)))
        room -= rows[-1].bytes
    return rows


def _shared_out(room: float, shares: Sequence[float], wanted: Sequence[float]) -> list[float]:
    """Room by shares; what one place does not need is shared among the others."""
    given = [0.0] * len(shares)
    open_ = {i for i, share in enumerate(shares) if share}
    while open_:
        whole = sum(shares[i] for i in open_)
        full = {i for i in open_ if wanted[i] <= room * shares[i] / whole}
        if not full:
            for i in open_:
                given[i] = room * shares[i] / whole
            break
        for i in full:
            given[i] = float(wanted[i]) * 1.1  # an estimate
            room -= wanted[i]
        open_ -= full
    return given


def _write_pictures(
    encoded: Iterator[tuple[Source, bytes]], folder: Path, room: float
) -> list[int]:
    """Write pictures as long as there is room; the sizes of those that found some."""
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
    """A name that is free, and on the training side of the split as the picture is."""
    tries = (f"{stem}{'_' * i}.webp" for i in count())
    return next(name for name in tries if name not in taken and not is_held_out(name))


def _encoded(
    sources: Sequence[Source], *, config: TrainConfig, quality: int
) -> Iterator[tuple[Source, bytes]]:
    """Pictures that can be used, as WebP, a few at a time: most of them may not be wanted."""
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
    """Pack the run of the config that the command line names."""
    parser = argparse.ArgumentParser(
        description="Pack what the run of a config reads into a folder, to train on another "
        "machine."
    )
    add = parser.add_argument
    add("config", type=Path)
    add("-o", "--out", type=Path, required=True, help="the new folder")
    add(
        "--megabytes",
        type=float,
        default=MEGABYTES,
        help="what pictures may take; weights come beside it (default: %(default)s)",
    )
    add("--quality", type=int, default=QUALITY, help="of WebP, 1 to 100 (default: %(default)s)")
    add(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="another value for a field of the config, such as iterations=500; may be repeated",
    )
    options = parser.parse_args()
    out = options.out
    try:
        config = read_config(options.config, settings=options.settings)
        rows = pack_run(config, out, megabytes=options.megabytes, quality=options.quality)
    except ImpastoError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    for row in rows:
        print(f"{row.place}: {row.kept} of {row.found} pictures, {row.bytes / 1e6:.1f} MB")
    whole = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"{out}: {whole / 1e6:.1f} MB with the weights")


if __name__ == "__main__":
    main()
