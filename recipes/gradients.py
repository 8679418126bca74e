"""Gradients of the terms of the loss, compared: a diagnosis before a long run.

    python recipes/gradients.py recipes/configs/large-crops.toml --set loss.colors=9000

A small term of the loss may dominate its gradient, and an optimizer with steps of normalized size
then learns that term and little else. Curves of the losses do not show this, so run this script
before a long run, and whenever a weight is changed.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from impasto.errors import ImpastoError, OptionError
from impasto.lab.training.config import TrainConfig, read_config
from impasto.lab.training.networks import find_network
from impasto.lab.training.processes import join_processes
from impasto.lab.training.setup import open_setup


@dataclass(frozen=True)
class TermGradient:
    """Loss and gradient of one term, times its weight in the config; means over the batches.

    Attributes:
        name: of the term.
        loss: its part of the loss.
        norm: of its gradient (2-norm over all trained parameters).
        share: its part of the whole gradient, ``g . G / |G|^2``; all shares sum to 1, and one
            below 0 counteracts the others.
        agreement: cosine between its gradients in two batches, which is small for gradients that
            are mostly noise. None with one batch.
        cosines: cosine between its gradient and that of each term, in the same batch.
    """

    name: str
    loss: float
    norm: float
    share: float
    agreement: float | None
    cosines: Mapping[str, float]


def term_gradients(config: TrainConfig, *, batches: int = 4) -> list[TermGradient]:
    """Measure the gradients of the terms at the initial weights of ``config``, without training.

    Args:
        config: of a run; with ``start`` for trained weights.
        batches: number of batches, drawn as in the run, of ``config.batch`` pairs each.

    Returns:
        The terms whose weight is not 0, the one with the largest share first.

    Raises:
        OptionError: for fewer than one batch, and for faults of the config.
        ImageError, ModelError: as :func:`impasto.lab.training.loop.train`.

    Example:
        >>> config = read_config("recipes/configs/large-crops.toml")        # doctest: +SKIP
        >>> [(each.name, each.share) for each in term_gradients(config)]    # doctest: +SKIP
        [('colors', 0.83), ('style', 0.12), ...]
    """
    if batches < 1:
        raise OptionError(f"batches is {batches}; it must be 1 or more")
    if config.repeats > 1:  # no pair twice
        config = replace(config, data=replace(config.data, repeats=1))
    torch.manual_seed(config.seed)
    with join_processes(config.device) as processes:
        return _measure(config, batches, processes.device)


def _measure(config: TrainConfig, count: int, device: torch.device) -> list[TermGradient]:
    setup = open_setup(config, find_network(config.network), device)
    batches = setup.batches(config, device)
    objective = setup.objective.at(0)
    losses: list[dict[str, float]] = []
    gradients: list[dict[str, Tensor]] = []
    for step in range(count):
        loss: dict[str, float] = {}
        gradient: dict[str, Tensor] = {}
        for batch in batches.at(step):
            for name, term in objective(setup.learned, batch)[1].items():
                part = config.weight(name) * term / config.accumulate
                # A term has no gradient with weight 0, or in a part of a batch without such pairs.
                if config.weight(name) and part.requires_grad:
                    loss[name] = loss.get(name, 0.0) + float(part.detach())
                    found = _gradient(part, setup.moving)
                    gradient[name] = gradient[name] + found if name in gradient else found
        losses.append(loss)
        gradients.append(gradient)
    return _summarize(losses, gradients)


def _gradient(term: Tensor, parameters: Sequence[torch.nn.Parameter]) -> Tensor:
    parts = torch.autograd.grad(
        term, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return torch.cat([part.detach().flatten().float() for part in parts])


def _summarize(
    losses: Sequence[Mapping[str, float]], gradients: Sequence[Mapping[str, Tensor]]
) -> list[TermGradient]:
    found = []
    wholes = [torch.stack(list(each.values())).sum(0) for each in gradients]
    for name in gradients[0]:
        shares = [
            float(each[name] @ whole / (whole @ whole).clamp(min=1e-30))
            for each, whole in zip(gradients, wholes, strict=True)
        ]
        pairs = [_cosine(one[name], two[name]) for one, two in combinations(gradients, 2)]
        found.append(
            TermGradient(
                name=name,
                loss=fmean(each[name] for each in losses),
                norm=fmean(float(each[name].norm()) for each in gradients),
                share=fmean(shares),
                agreement=fmean(pairs) if pairs else None,
                cosines={
                    other: fmean(_cosine(each[name], each[other]) for each in gradients)
                    for other in gradients[0]
                },
            )
        )
    return sorted(found, key=lambda term: -term.share)


def _cosine(one: Tensor, two: Tensor) -> float:
    return float(one @ two / (one.norm() * two.norm()).clamp(min=1e-30))


def gradients_table(terms: Sequence[TermGradient]) -> str:
    """Format a Markdown table of the result of :func:`term_gradients`."""
    names = [term.name for term in terms]
    lines = [
        "| term | loss | norm | share | agreement |" + "".join(f" with {name} |" for name in names),
        "| --- |" + " ---: |" * (4 + len(names)),
    ]
    for term in terms:
        agreement = "" if term.agreement is None else f"{term.agreement:.2f}"
        cells = [f"{term.loss:.3g}", f"{term.norm:.4g}", f"{term.share:.0%}", agreement]
        cells += ["" if name == term.name else f"{term.cosines[name]:.2f}" for name in names]
        lines.append(f"| {term.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table for the config named on the command line."""
    parser = argparse.ArgumentParser(
        description="Print the share of each term of the loss in the gradient, before a long run.",
        epilog="One row per term, weighted as in the loss: its part of the loss, the norm of its "
        "gradient, its share of the whole gradient (the shares sum to 100 %%), the cosine between "
        "the gradients of two batches, and the cosine with every other term.",
    )
    add = parser.add_argument
    add("config", type=Path)
    add(
        "--batches",
        type=int,
        default=inspect.signature(term_gradients).parameters["batches"].default,
        help="number of batches (default: %(default)s)",
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
    try:
        config = read_config(options.config, settings=options.settings)
        print(gradients_table(term_gradients(config, batches=options.batches)))
    except ImpastoError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
