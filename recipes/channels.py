"""Dead channels within the residual blocks of a network, counted over a few pairs of pictures.

    python recipes/channels.py quality
    python recipes/channels.py runs/quality --photographs photos/ --paintings paintings/

A channel behind a ReLU that is 0 for every picture has no gradient and never recovers. The losses
do not show it, since skip connections around the blocks keep them falling.
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
"""Side of the crops that the network is run on, in pixels."""
DEAD = 0.01
"""Threshold for dead channels: activity as a share of that of the strongest in the block."""


@contextmanager
def record_channels(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Record the activity of channels within the residual blocks of ``network`` while it runs.

    Yields a tensor for each block that has run, by its name: for every channel between the two
    convolutions its deviation over positions and pictures, times the norm of its outgoing weights,
    the largest over all passes.
    """
    activity: dict[str, Tensor] = {}

    def record(name: str, block: Residual, within: Tensor) -> None:
        deviation = within.detach().float().std(dim=(0, 2, 3), correction=0)
        # (out, in, 3, 3): all kernels with this channel as input.
        outgoing = block.second.weight.detach().float().square().sum(dim=(0, 2, 3)).sqrt()
        found = deviation * outgoing
        activity[name] = torch.maximum(activity[name], found) if name in activity else found

    hooks = [
        block.second.register_forward_pre_hook(
            lambda _, inputs, name=name, block=block: record(name, block, inputs[0])
        )
        for name, block in network.named_modules()
        if isinstance(block, Residual)
    ]
    try:
        yield activity
    finally:
        for hook in hooks:
            hook.remove()


def dead_channels(activity: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Test channels for being dead, (C,) bool for each block, from :func:`record_channels`.

    >>> import torch
    >>> dead_channels({"block": torch.tensor([2.0, 0.5, 0.01])})["block"].tolist()
    [False, False, True]
    """
    return {name: found <= DEAD * found.max() for name, found in activity.items()}


def dead_share(activity: Mapping[str, Tensor]) -> float | None:
    """Return the share of dead channels, from 0 to 1; None if no block has run.

    >>> import torch
    >>> dead_share({"block": torch.tensor([2.0, 0.5, 0.01, 0.0])})
    0.5
    """
    if not activity:
        return None
    return float(torch.cat(list(dead_channels(activity).values())).float().mean())


def measure_channels(
    source: str | Path, photographs: Path, paintings: Path, *, network: str = "", count: int = 4
) -> dict[str, Tensor]:
    """Run a trained network on a few pairs and record its channels' activity.

    Args:
        source: a run folder, a checkpoint, a bundle or the name of an included model.
        photographs: folder or shards of contents (``sources.find_sources``).
        paintings: the same for styles.
        network: name of the network in ``networks``; empty: that of the run folder's config, else
            ``source`` is the name.
        count: number of pairs, of the first usable pictures of both paths.

    Returns:
        The activity of the channels, as :func:`record_channels` yields it.

    Raises:
        ImageError: for a path with fewer pictures of 256 px than that.
        ModelError, OptionError: if there is no such source or network, or they do not fit.
    """
    folder = Path(source)
    if (folder / CHECKPOINT).exists():
        network = network or read_config(folder / "config.toml").network
        source = folder / CHECKPOINT
    row = find_network(network or str(source))
    learned = row.build(row.tables.method())
    start_from(learned, source, part=row.part)
    contents, styles = (_crops(place, count) for place in (photographs, paintings))
    with torch.no_grad(), record_channels(learned) as activity:
        stylize(learned, contents, styles)
    return activity


def _crops(place: Path, count: int) -> Tensor:
    """Read the top left corners (N, 3, 256, 256) of the first pictures of ``place``."""
    pictures = (read(source, shorter=2 * SIDE, smallest=SIDE) for source in find_sources(place)[0])
    usable = (picture for picture in pictures if not isinstance(picture, str))
    corners = [picture[:SIDE, :SIDE] for picture in islice(usable, count)]
    if len(corners) < count:
        raise ImageError(
            f"{place}: {len(corners)} pictures of {SIDE} px or more, but --count is {count}; give "
            "more pictures or a smaller count"
        )
    return torch.from_numpy(np.stack(corners)).movedim(3, 1).float() / 255


def channels_table(activity: Mapping[str, Tensor]) -> str:
    """Format a Markdown table of dead channels: a row per block, and one for all."""
    lines = ["| block | channels | dead |", "| --- | ---: | ---: |"]
    for name, dead in dead_channels(activity).items():
        lines.append(f"| {name} | {len(dead)} | {int(dead.sum())} |")
    share = dead_share(activity)
    if share is not None:
        lines.append(f"| all | {sum(map(len, activity.values()))} | {share:.1%} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table for the network named on the command line."""
    parser = argparse.ArgumentParser(
        description="Count the channels within residual blocks that are inactive for every picture."
    )
    add = parser.add_argument
    add("source", metavar="RUN|MODEL", help="a run folder, a checkpoint, a bundle or a model")
    add("--network", default="", help="network of a checkpoint or bundle: fast or quality")
    add("--photographs", type=Path, default=EXAMPLES / "photos", help="default: the examples")
    add("--paintings", type=Path, default=EXAMPLES / "styles", help="default: the examples")
    add("--count", type=int, default=4, help="number of pairs (default: %(default)s)")
    options = parser.parse_args()
    try:
        activity = measure_channels(
            options.source,
            options.photographs,
            options.paintings,
            network=options.network,
            count=options.count,
        )
    except ImpastoError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(channels_table(activity))


if __name__ == "__main__":
    main()
