"""Training setup of compact networks: their eye, and crops of two sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from impasto.errors import ModelError, OptionError
from impasto.lab.data.pictures import Sampler
from impasto.lab.methods.compact.batches import THIRD, TwoSizes
from impasto.lab.methods.compact.config import CompactData, EyeMethod
from impasto.lab.methods.compact.objective import WIDE
from impasto.lab.methods.compact.reading import eye_of, give_eye
from impasto.lab.nets.state import difference
from impasto.lab.training.batches import Batches, Lessons
from impasto.lab.training.config import TrainConfig
from impasto.lab.training.optimizers import in_bf16
from impasto.lab.training.setup import Setup, samplers

VIEWS, VIEWED = 128, 16
"""Number of batches, and crops in each, from which a reader computes its principal axes."""


@dataclass(frozen=True, eq=False)
class CompactSetup(Setup):
    """Setup of a compact network.

    Attributes:
        larger: the source of larger crops of photographs and styles, if any.
    """

    larger: tuple[Sampler, Sampler] | None = None

    def batches(
        self, config: TrainConfig, device: torch.device, *, rank: int = 0, count: int = 1
    ) -> Lessons:
        """Return the batches of every step, for the parts of process ``rank`` of ``count``."""
        batches = super().batches(config, device, rank=rank, count=count)
        if self.larger is None:
            return batches
        assert isinstance(batches, Batches)  # of one size, as ``Setup`` makes them
        # As many pixels per step as the others, and a block that ends with theirs.
        parts = batches.partition.count
        batch = config.batch * (config.data.crop / self.larger[0].crops.side) ** 2
        batch = max(round(batch / parts), 1) * parts
        block = max(batches.size // (THIRD - 1), 1)
        larger = Batches(
            self.objective,
            *self.larger,
            options=replace(batches.options, batch=batch, block=block),
            partition=batches.partition,
            device=device,
        )
        return TwoSizes(batches, larger)


def open_compact(
    setup: Setup, config: TrainConfig, device: torch.device, *, begun: bool
) -> CompactSetup:
    """Load the eye of a new network's reader, and open the larger crops.

    Args:
        setup: of any network.
        config: all settings that determine the result.
        device: the training device.
        begun: whether the weights will come from the run's own checkpoint.

    Raises:
        ModelError, OptionError: for faults of the config.
    """
    if config.weight("rim") and config.data.crop <= WIDE:
        raise OptionError(
            f"crop = {config.data.crop}; with rim {config.network} needs crops larger than its "
            f"margin of {WIDE} px"
        )
    data, method = config.data, config.method
    assert isinstance(data, CompactData) and isinstance(method, EyeMethod)  # by its row
    larger = None
    if data.larger:
        # With another seed, to avoid repeating the same crops.
        other = replace(
            config, data=replace(data, crop=data.larger, larger=0), seed=config.seed + 10
        )
        photographs, paintings = setup.loaded
        larger = samplers(other, photographs, paintings, device)
    learned: Any = setup.learned
    if method.eye and not begun:
        give = partial(give_eye, learned, bf16=in_bf16(config, device))
        drawn = setup.styles.state()
        crops = (setup.styles.batch(VIEWED, range(VIEWED), device=device) for _ in range(VIEWS))
        give(_fitting_eye(method.eye, config.network, learned.reader.eye), crops)
        setup.styles.restore(drawn)  # training draws the same with and without an eye
    if config.start or method.eye:
        # A given eye stays fixed: the reader's training depends on it.
        learned.reader.eye.requires_grad_(False)
    moving = [each for each in learned.parameters() if each.requires_grad]
    return CompactSetup(**{**vars(setup), "moving": moving}, larger=larger)


def open_reader(setup: Setup, config: TrainConfig, device: torch.device, *, begun: bool) -> Setup:
    """Start the trained eye from the one named by the config.

    The arguments are those of :func:`open_compact`.

    Raises:
        ModelError: if it does not fit.
    """
    method = config.method
    assert isinstance(method, EyeMethod)  # by its row
    if method.eye and not begun:
        setup.learned.load_state_dict(_fitting_eye(method.eye, config.network, setup.learned))
    return setup


def _fitting_eye(source: str, network: str, own: nn.Module) -> dict[str, torch.Tensor]:
    eye = eye_of(source)
    if differing := difference(own.state_dict(), eye):
        raise ModelError(f"the eye of {source} does not fit {network}: {differing}")
    return eye
