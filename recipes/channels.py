"""Dead channels within the residual blocks of a network, counted over a few pairs of pictures.

    python recipes/channels.py quality
    python recipes/channels.py runs/quality --photographs photos/ --paintings paintings/

A channel behind a ReLU that is 0 for every picture has no gradient and never comes back, and what
goes around the blocks keeps the losses falling: only looking at the channels tells.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from impasto.errors import ImageError, ImpastoError
from impasto.lab.data.sources import find_sources, read
from impasto.lab.nets.blocks import Residual
from impasto.lab.nets.network import stylize
from impasto.lab.training.checkpoints import CHECKPOINT, start_from
from impasto.lab.training.config import read_config
from impasto.lab.training.networks import find_network

EXAMPLES = Path(__file__).parents[1] / "examples"
SIDE = 256
"""Of the crops that a network is shown, in pixels."""
DEAD = 0.01
"""A channel that says less than this share of what the strongest of its block says is dead."""


@contextmanager
def watched(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """What the channels within the residual blocks of ``network`` say while it runs.

    Yields a row of numbers for each block that has run, by its name: for every channel between the
    two convolutions its deviation over places and pictures times the norm of the weights that are
    its way out, the largest over all passes.
    """
    said: dict[str, Tensor] = {}

    def note(name: str, block: Residual, within: Tensor) -> None:
        deviation = within.detach().float().std(dim=(0, 2, 3), correction=0)
        # (out, in, 3, 3): what a channel says leaves by all kernels that take it in.
        way_out = block.second.weight.detach().float().square().sum(dim=(0, 2, 3)).sqrt()
        says = deviation * way_out
        said[name] = torch.maximum(said[name], says) if name in said else says

    hooks = [
        block.second.register_forward_pre_hook(
            lambda _, given, name=name, block=block: note(name, block, given[0])
        )
        for name, block in network.named_modules()
        if isinstance(block, Residual)
    ]
    try:
        yield said
    finally:
        for hook in hooks:
            hook.remove()


def dead_channels(said: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Which channels are dead (bool, one a channel), for each block of what :func:`watched` saw.

    >>> import torch
    >>> dead_channels({"block": torch.tensor([2.0, 0.5, 0.01])})["block"].tolist()
    [False, False, True]
    """
    return {name: says <= DEAD * says.max() for name, says in said.items()}


def dead_share(said: Mapping[str, Tensor]) -> float | None:
    """The share of all channels that are dead, from 0 to 1; None where no block has run.

    >>> import torch
    >>> dead_share({"block": torch.tensor([2.0, 0.5, 0.01, 0.0])})
    0.5
    """
    if not said:
        return None
    return float(torch.cat(list(dead_channels(said).values())).float().mean())


def look_at(
    source: str | Path, photographs: Path, paintings: Path, *, network: str = "", count: int = 4
) -> dict[str, Tensor]:
    """Run a trained network on a few pairs, and give what its channels say as :func:`watched` does.

    Args:
        source: a run folder, a checkpoint, a bundle or the name of a model that ships.
        photographs: a place of pictures (``sources.find_sources``).
        paintings: another one.
        network: name of the network in ``networks``; empty: that of the run folder's config, else
            ``source`` is the name.
        count: how many pairs, of the first pictures of both places that can be used.

    Raises:
        ImageError: for a place with fewer pictures of 256 px than that.
        ModelError, OptionError: if there is no such source or network, or they do not fit.
    """
    folder = Path(source)
    if (folder / CHECKPOINT).exists():
        network = network or read_config(folder / "config.toml").network
        source = folder / CHECKPOINT
    row = find_network(network or str(source))
    learned = row.learned()
    start_from(learned, source, part=row.part)
    contents, styles = (_crops(place, count) for place in (photographs, paintings))
    with torch.no_grad(), watched(learned) as said:
        stylize(learned, contents, styles)
    return said


def _crops(place: Path, count: int) -> Tensor:
    """The top left corners (N, 3, 256, 256) of the first pictures of ``place``."""
    pictures = (read(source, shorter=2 * SIDE, smallest=SIDE) for source in find_sources(place)[0])
    usable = (picture for picture in pictures if not isinstance(picture, str))
    corners = [picture[:SIDE, :SIDE] for picture in islice(usable, count)]
    if len(corners) < count:
        raise ImageError(
            f"{place}: {len(corners)} pictures of {SIDE} px or more, and --count is {count}; give "
            "more pictures or a smaller count"
        )
    return torch.from_numpy(np.stack(corners)).movedim(3, 1).float() / 255


def channels_table(said: Mapping[str, Tensor]) -> str:
    """A Markdown table of what :func:`watched` saw: a row a block, and all together."""
    lines = ["| block | channels | dead |", "| --- | ---: | ---: |"]
    for name, dead in dead_channels(said).items():
        lines.append(f"| {name} | {len(dead)} | {int(dead.sum())} |")
    share = dead_share(said)
    if share is not None:
        lines.append(f"| all | {sum(map(len, said.values()))} | {share:.1%} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table for the network that the command line names."""
    parser = argparse.ArgumentParser(
        description="Count the channels within residual blocks that say nothing of any picture."
    )
    add = parser.add_argument
    add("source", metavar="RUN|MODEL", help="a run folder, a checkpoint, a bundle or a model")
    add("--network", default="", help="of a checkpoint or a bundle: fast or quality")
    add("--photographs", type=Path, default=EXAMPLES / "photos", help="default: the examples")
    add("--paintings", type=Path, default=EXAMPLES / "styles", help="default: the examples")
    add("--count", type=int, default=4, help="pairs to look at (default: %(default)s)")
    options = parser.parse_args()
    try:
        said = look_at(
            options.source,
            options.photographs,
            options.paintings,
            network=options.network,
            count=options.count,
        )
    except ImpastoError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(channels_table(said))


if __name__ == "__main__":
    main()
