"""Optimization of pixels by L-BFGS or Adam, coarse to fine, with stop and resume."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import ModelError, OptionError, one_line
from impasto.images.files import write_whole
from impasto.lab.nets.state import read_pickle
from impasto.painting import Progress, Watch

Objective: TypeAlias = Callable[[Tensor, int], Mapping[str, Tensor]]
"""The weighted losses by name of a picture (1, 3, H, W) at a step of its stage; their sum is
minimized."""

RANGE = "range"
"""The loss that keeps the pixels in [0, 1]."""

_RANGE_WEIGHT = 10.0
_SAVE_EVERY = 25


@dataclass(frozen=True)
class Stage:
    """One size of a coarse-to-fine optimization.

    Attributes:
        size: height and width.
        steps: number of steps.
        prepare: builds the objective; called when the stage begins or is resumed. It may store
            tensors needed for resuming in the table it receives.
    """

    size: tuple[int, int]
    steps: int
    prepare: Callable[[dict[str, Tensor]], Objective]


@dataclass(frozen=True)
class Checkpoint:
    """The file of a run, from which a later call can resume.

    Attributes:
        path: the file.
        fingerprint: a hash of pictures and options; a file with another one is rejected.
    """

    path: Path
    fingerprint: str


def halved(size: tuple[int, int], times: int, *, multiple: int) -> tuple[int, int]:
    """Return a size halved ``times`` times, in whole multiples, at least two of them to a side.

    >>> halved((512, 336), 1, multiple=16)
    (256, 176)
    """
    height, width = (
        max(2, -(-side // (multiple << times))) * multiple if times else side for side in size
    )
    return height, width


def descend(
    start: Tensor,
    stages: Sequence[Stage],
    *,
    optimizer: str = "lbfgs",
    rate: float = 0.02,
    watch: Watch | None = None,
    checkpoint: Checkpoint | None = None,
) -> Tensor:
    """Minimize the last stage's losses over the pixels, for the given steps.

    Args:
        start: (1, 3, H, W), scaled to the first stage's size.
        stages: coarse first; between them the picture is enlarged.
        optimizer: ``lbfgs`` (Gatys et al.) or ``adam``.
        rate: Adam's step, in units of the pixels; L-BFGS determines its own.
        watch: called after every step, with the losses of the picture before it, weighted, and
            the picture after it, smaller in an early stage; if it returns True, the optimization
            ends.
        checkpoint: a file to resume from, written when stopped, interrupted or done. A larger
            number of steps continues it.

    Returns:
        (1, 3, H, W) float32 of the last stage's size, not clipped. If stopped in an early stage,
        the current picture is enlarged to it.

    Raises:
        OptionError: if there is no such optimizer, or the checkpoint is of another run.
        ModelError: if the file cannot be read or written.
    """
    if optimizer not in METHODS:
        raise OptionError(f"there is no optimizer {optimizer!r}; choose {' or '.join(METHODS)}")
    total = sum(stage.steps for stage in stages)
    image = start.float()
    first, done, rule = 0, 0, METHODS[optimizer](rate)
    notes: dict[str, Tensor] = {}
    if checkpoint is not None and checkpoint.path.exists():
        first, done, image, notes = _resume(checkpoint, rule, device=start.device)
        first = min(first, len(stages) - 1)
    passed = sum(stage.steps for stage in stages[:first])
    for number, stage in enumerate(stages):
        if number < first:
            continue
        if tuple(image.shape[2:]) != stage.size:
            image = _scaled(image, stage.size)
            rule, done, notes = METHODS[optimizer](rate), 0, {}
        objective = stage.prepare(notes) if done < stage.steps else None
        stopped = False
        try:
            while done < stage.steps and not stopped and objective is not None:
                image, losses = _step(image, objective, done, rule)
                done += 1
                if watch is not None:
                    progress = Progress(passed + done, total, losses, partial(to_array, image))
                    stopped = watch(progress) is True
                if checkpoint is not None and done % _SAVE_EVERY == 0:
                    _save(checkpoint, number, done, image, notes, rule)
        finally:  # for KeyboardInterrupt too: a step is complete or not made
            if checkpoint is not None:
                _save(checkpoint, number, done, image, notes, rule)
        if stopped:
            break
        passed += stage.steps
        if number + 1 < len(stages):
            rule, done, notes = METHODS[optimizer](rate), 0, {}
    return _scaled(image, stages[-1].size)


def to_array(image: Tensor) -> NDArray[np.float32]:
    """Convert a picture (1, 3, H, W) to an array (H, W, 3), clipped to [0, 1]."""
    array: NDArray[np.float32] = image[0].detach().float().permute(1, 2, 0).cpu().numpy()
    return np.clip(array, 0, 1)


class Rule(Protocol):
    """An update rule with its state, ``memory``."""

    memory: dict[str, Any]

    def next(self, x: Tensor, gradient: Tensor, loss: float) -> Tensor:
        """Return the next point, a new tensor."""
        ...


@dataclass
class LBFGS:
    """L-BFGS of Liu & Nocedal 1989, two-loop recursion, one gradient per step.

    It has no line search, as usual for pictures; but the first step changes the pixels by 1/100,
    none by more than 1/10 (root mean square), and a step that increases the loss by half is reduced
    to a quarter, with the memory cleared. PyTorch's own makes a first step of length 1 over all
    pixels together, which is lost in rounding for large pictures, and stops for gradients as small
    as those of mean losses.
    """

    rate: float  # of Adam; all rules are created alike
    memory: dict[str, Any] = field(default_factory=dict)

    LENGTH = 20

    def next(self, x: Tensor, gradient: Tensor, loss: float) -> Tensor:
        memory = self.memory
        before: Tensor | None = memory.get("x")
        rose = before is not None and not loss <= 1.5 * memory["loss"] + 1e-12
        if rose and before is not None:
            # Reject the step: retry at a quarter of its length with the history cleared.
            memory["moves"], memory["turns"] = [], []
            return before + (x - before) / 4
        g = gradient.flatten()
        moves, turns = memory.get("moves", []), memory.get("turns", [])
        if before is not None:
            move, turn = x.flatten() - before.flatten(), g - memory["gradient"]
            # The pair shows positive curvature only if the slope grew along the move.
            if float(move @ turn) > 1e-8 * float(move.norm() * turn.norm()):
                moves, turns = [*moves[1 - self.LENGTH :], move], [*turns[1 - self.LENGTH :], turn]
        self.memory = {"x": x, "gradient": g, "loss": loss, "moves": moves, "turns": turns}
        direction = -self._bent(g, moves, turns)
        if not moves or float(direction @ g) >= 0:
            size = float(g.square().mean().sqrt())
            direction = g * (-0.01 / max(size, 1e-30))
        size = float(direction.square().mean().sqrt())
        return x + (direction * min(1.0, 0.1 / max(size, 1e-30))).reshape(x.shape)

    @staticmethod
    def _bent(g: Tensor, moves: Sequence[Tensor], turns: Sequence[Tensor]) -> Tensor:
        """Multiply ``g`` by the approximate inverse Hessian (two-loop recursion)."""
        q, factors = g.clone(), []
        for move, turn in zip(reversed(moves), reversed(turns), strict=True):
            factor = (move @ q) / (move @ turn)
            factors.append(factor)
            q -= factor * turn
        if moves:
            q *= (moves[-1] @ turns[-1]) / turns[-1].square().sum()
        for move, turn, factor in zip(moves, turns, reversed(factors), strict=True):
            q += (factor - (turn @ q) / (move @ turn)) * move
        return q


@dataclass
class Adam:
    """Kingma & Ba 2015, algorithm 1, with its usual constants."""

    rate: float
    memory: dict[str, Any] = field(default_factory=dict)

    def next(self, x: Tensor, gradient: Tensor, loss: float) -> Tensor:
        zero = torch.zeros_like(x)
        m: Tensor = self.memory.get("m", zero) * 0.9 + gradient * 0.1
        v: Tensor = self.memory.get("v", zero) * 0.999 + gradient.square() * 0.001
        t: int = self.memory.get("t", 0) + 1
        self.memory = {"m": m, "v": v, "t": t}
        return x - self.rate * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-12)


METHODS: Mapping[str, Callable[[float], Rule]] = {"lbfgs": LBFGS, "adam": Adam}


def _step(
    image: Tensor, objective: Objective, step: int, rule: Rule
) -> tuple[Tensor, dict[str, float]]:
    with torch.enable_grad():
        x = image.detach().requires_grad_()
        outside = (x - x.clamp(0, 1)).square().mean()
        losses = {**objective(x, step), RANGE: _RANGE_WEIGHT * outside}
        loss = torch.stack(tuple(losses.values())).sum()
        # In units of a pixel, since a mean over many pixels has tiny gradients.
        (gradient,) = torch.autograd.grad(loss * image.numel(), x)
    # A kink or half precision may leave single pixels without a gradient: they do not change.
    gradient = gradient.nan_to_num(0.0, 0.0, 0.0)
    found = rule.next(x.detach(), gradient, float(loss.detach()))
    return found, {name: float(value.detach()) for name, value in losses.items()}


def _scaled(image: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(image.shape[2:]) == size:
        return image
    return F.interpolate(image, size=size, mode="bilinear", antialias=True, align_corners=False)


def _save(
    checkpoint: Checkpoint,
    stage: int,
    done: int,
    image: Tensor,
    notes: Mapping[str, Tensor],
    rule: Rule,
) -> None:
    kept = {
        "format": 1,
        "story": checkpoint.fingerprint,
        "stage": stage,
        "done": done,
        "image": image,
        "notes": dict(notes),
        "memory": rule.memory,
    }
    encoded = io.BytesIO()
    torch.save(kept, encoded)
    try:
        write_whole(checkpoint.path, encoded.getvalue(), overwrite=True)
    except (OSError, ValueError) as error:
        reason = one_line(error)
        raise ModelError(
            f"{checkpoint.path}: the checkpoint cannot be written ({reason})"
        ) from error


def _resume(
    checkpoint: Checkpoint, rule: Rule, *, device: torch.device
) -> tuple[int, int, Tensor, dict[str, Tensor]]:
    wanted = "a kept run"
    kept = read_pickle(checkpoint.path, wanted, device=device)
    try:
        known = kept["format"] == 1
        names = ("story", "stage", "done", "image", "notes")
        story, stage, done, image, notes = (kept[name] for name in names)
        rule.memory = kept["memory"]
    except (KeyError, TypeError, IndexError) as error:
        raise ModelError(
            f"{checkpoint.path}: is a PyTorch file, but not {wanted}; give another file"
        ) from error
    if not known or story != checkpoint.fingerprint:
        raise OptionError(
            f"{checkpoint.path}: is a run with other pictures or options; give another file, or "
            "delete it to start again"
        )
    return stage, done, image, notes
