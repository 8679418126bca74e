"""Averaged weights of runs with a common start: one network that combines what each learned.

    python recipes/mix.py runs/large=2 runs/small -o runs/mixed
    impasto lab export runs/mixed -o mixed.impasto

Runs that start from the same trained weights end in one basin of the loss, and the average of their
final weights is about as good as each at its own objective, or better (model soups, Wortsman et al.
2022): with two sizes of crops, with two weights of the content loss, with two seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto.errors import ImpastoError, ModelError, OptionError
from impasto.lab.methods.compact.reader import PREFIX
from impasto.lab.training.builtin import split_styles
from impasto.lab.training.checkpoints import (
    CHECKPOINT,
    STYLES,
    names_of,
    weights_from,
    write_checkpoint,
)
from impasto.lab.training.config import read_config, write_config
from impasto.lab.training.networks import BuiltInRow, find_network

_AXES = f"{PREFIX}axes."


def mix_runs(sources: Sequence[tuple[str | Path, float]], folder: str | Path) -> Path:
    """Average the weights of runs into a new run folder, which can be exported or started from.

    Each weight is the mean of those of the sources, by their shares:
    ``w = sum(share_i * w_i) / sum(share_i)``.

    Args:
        sources: run folders, checkpoints, bundles or names of included models, each with its share.
            The config of the first run folder among them determines the network and the description
            of the data on the card; its stages come first on the card.
        folder: the new run folder.

    Returns:
        The checkpoint in it.

    Raises:
        OptionError: for fewer than two sources, for shares that are below 0 or all 0, where none of
            the sources is a run folder, and where ``folder`` has a checkpoint already.
        ModelError: if there is no such source, or if their weights do not match.

    Example:
        >>> mix_runs([("runs/large", 2), ("runs/small", 1)], "runs/mixed")  # doctest: +SKIP
        PosixPath('runs/mixed/checkpoint.pt')
    """
    folder = Path(folder)
    shares = [share for _, share in sources]
    if len(sources) < 2 or min(shares) < 0 or not 0 < sum(shares) < float("inf"):
        raise OptionError(
            f"a mixture needs two or more sources with shares of 0 or more that are not all 0; "
            f"there are {len(sources)} with {shares}"
        )
    if (folder / CHECKPOINT).exists():
        raise OptionError(f"{folder / CHECKPOINT} already exists; give another folder")
    configs = [
        Path(source) / "config.toml"
        for source, _ in sources
        if (Path(source) / "config.toml").exists()
    ]
    if not configs:
        raise OptionError(
            "none of the sources is a run folder with a config.toml; the export of a mixture needs "
            "one"
        )
    config = read_config(configs[0])
    row = find_network(config.network)
    part = getattr(row, "part", "")

    files = [_file(source) for source, _ in sources]
    weights, histories = zip(*(weights_from(file, part=part) for file in files), strict=True)
    names = [names_of(file) for file in files]
    if isinstance(row, BuiltInRow):
        network = row.build(config.method, len(names[0]))
        for each in weights:
            if (styles := each.pop(STYLES, None)) is not None:  # of a bundle, in one table
                each |= split_styles(network, styles)
    for (source, _), those, styles in zip(sources, weights, names, strict=True):
        _check_alike(source, those, weights[0])
        if styles != names[0]:
            raise ModelError(f"{source} and {sources[0][0]} have different built-in styles")
    mixed = {
        name: sum(each[name].double() * share for each, share in zip(weights, shares, strict=True))
        for name in weights[0]
    }
    stages: list[dict[str, Any]] = []
    for run in histories:
        stages += [stage for stage in run if stage not in stages]  # common stages once
    proportion = " : ".join(f"{share:g}" for share in shares)
    folder.mkdir(parents=True, exist_ok=True)
    write_config(config, folder / "config.toml")
    write_checkpoint(
        folder / CHECKPOINT,
        {
            "average": {f"module.{k}": (v / sum(shares)).float() for k, v in mixed.items()},
            "step": 0,
            "stages": [*stages, {"iterations": 0, "mixed": proportion}],
            "names": list(names[0]),
        },
    )
    return folder / CHECKPOINT


def _file(source: str | Path) -> str | Path:
    return Path(source) / CHECKPOINT if Path(source).is_dir() else source


def _check_alike(source: str | Path, weights: dict[str, Tensor], first: dict[str, Tensor]) -> None:
    shapes, wanted = ({name: each.shape for name, each in of.items()} for of in (weights, first))
    if shapes != wanted:
        other = sorted(set(shapes.items()) ^ set(wanted.items()))[0][0]
        raise ModelError(f"{source} is a different network from the first: {other} differs")
    for name in first:
        # Numbers along different axes cannot be averaged. (The tolerance is for bundles, which have
        # half precision.)
        if name.startswith(_AXES) and not torch.allclose(
            weights[name], first[name], rtol=1e-2, atol=1e-3
        ):
            raise ModelError(f"the reader of {source} has different axes from the first one")


def main() -> None:
    """Mix the runs named on the command line."""
    parser = argparse.ArgumentParser(
        description="Average the weights of runs with a common start into one network that "
        "combines what each of them learned."
    )
    add = parser.add_argument
    add(
        "sources",
        nargs="+",
        type=_source,
        metavar="RUN[=SHARE]",
        help="a run folder, a checkpoint, a bundle or the name of an included model; SHARE is 1 "
        "by default",
    )
    add("-o", "--out", type=Path, required=True, help="the new run folder")
    options = parser.parse_args()
    try:
        print(mix_runs(options.sources, options.out))
    except ImpastoError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _source(text: str) -> tuple[str, float]:
    name, mark, share = text.rpartition("=")
    try:
        return (name, float(share)) if mark else (text, 1.0)
    except ValueError:
        return text, 1.0  # a name that contains "="


if __name__ == "__main__":
    main()
