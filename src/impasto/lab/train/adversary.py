"""The adversarial term: a critic that learns, beside the network, to tell paintings from pictures
that the network makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from impasto.lab.losses import adversarial_loss, critic_loss
from impasto.lab.nets.blocks import PatchDiscriminator
from impasto.lab.train.config import TrainConfig
from impasto.lab.train.optimizers import precision

RATE, BETAS = 2e-4, (0.5, 0.999)
"""Of the critic's Adam, as in section 3.3 of Isola et al. 2017."""


class Adversary:
    """A critic and its optimizer; ``state`` and ``restore`` are for an exact resume."""

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self.config = config
        with torch.random.fork_rng(devices=[]):  # the network starts as it would without
            torch.manual_seed(config.seed + 5)
            critic = PatchDiscriminator()
        # In training mode the spectral norm would be found anew at every look: see `step`.
        self.critic = critic.to(device, memory_format=torch.channels_last).eval()
        self.optimizer = torch.optim.Adam(critic.parameters(), RATE, BETAS)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The critic's."""
        return list(self.critic.parameters())

    def __call__(self, pictures: Tensor, paintings: Tensor) -> Tensor:
        """The term of one part of a batch, of ``pictures`` and ``paintings`` (N, 3, H, W).

        The gradients of the critic's own loss are added to those it has.
        """
        self.critic.requires_grad_(False)
        term = adversarial_loss(self._verdicts(pictures))
        self.critic.requires_grad_(True)
        real, fake = self._verdicts(torch.cat([paintings, pictures.detach()])).chunk(2)
        (critic_loss(real, fake) / self.config.accumulate).backward()
        return term

    def step(self) -> None:
        """Move the critic along its gradients, once those of all parts and processes are there."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if torch.isfinite(nn.utils.get_total_norm(gradients)):
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        # Once a step, so that it does not matter in how many parts a batch is learned.
        self.critic.train()
        for layer in (*self.critic.steps, self.critic.verdict):
            _ = layer.weight  # looking at it is a step of the power iteration
        self.critic.eval()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"critic": self.critic.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self.critic.load_state_dict(state["critic"])
        self.optimizer.load_state_dict(state["optimizer"])

    def _verdicts(self, pictures: Tensor) -> Tensor:
        with precision(self.config, pictures):
            verdicts: Tensor = self.critic(2 * pictures - 1)
        return verdicts.float()
