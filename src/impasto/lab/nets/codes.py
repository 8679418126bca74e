"""Style by AdaIN from a code, and noise: the two inputs of a style-based generator's layers.

Karras, Laine & Aila, "A style-based generator architecture for generative adversarial networks",
CVPR 2019, arXiv 1812.04948: the code enters the network only through the affine pair of AdaIN (eq.
1), and every layer gets its own noise, scaled for each channel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from impasto.controls.moments import EPS
from impasto.errors import OptionError
from impasto.lab.nets.normalization import check_channels, instance_norm


class StyleCode(nn.Module):
    """AdaIN whose pair is a linear map of a code: ``(1 + A w) * (x - mu) / sigma + B w``.

    Statistics are those of instance normalization. A and B are random at first, so that a normal
    code changes every gain by about 1.

    Args:
        channels: C.
        code: D, the length of a code.
        eps: added to the variance.

    Example:
        >>> layer = StyleCode(8, code=16)
        >>> layer(torch.randn(4, 8, 16, 16), torch.randn(4, 16)).shape
        torch.Size([4, 8, 16, 16])
    """

    def __init__(self, channels: int, *, code: int, eps: float = EPS) -> None:
        super().__init__()
        self.channels, self.eps = channels, eps
        self.map = nn.Linear(code, 2 * channels)
        nn.init.normal_(self.map.weight, std=code**-0.5)
        nn.init.zeros_(self.map.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return features (N, C, H, W) in the style of a code (N, D), or one for all (1, D).

        Raises:
            OptionError: if features or codes have other shapes.
        """
        check_channels(x, self.channels)
        if code.ndim != 2 or code.shape[1] != self.map.in_features or len(code) not in (1, len(x)):
            raise OptionError(
                f"codes must be ({len(x)}, {self.map.in_features}) or one of them, not "
                f"{tuple(code.shape)}"
            )
        gain, beta = self.map(code)[:, :, None, None].chunk(2, dim=1)
        return instance_norm(x, 1 + gain, beta, self.eps)

    def extra_repr(self) -> str:
        """Return the settings, for ``print``."""
        return f"{self.channels}, code={self.map.in_features}, eps={self.eps}"


class Noise(nn.Module):
    """Noise, the same in all channels, times a learned number for each channel: ``x + s * n``.

    Args:
        channels: C.

    Example:
        >>> layer = Noise(8)
        >>> layer(torch.zeros(1, 8, 4, 4)).abs().max().item()  # it begins without any
        0.0
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return features (N, C, H, W) with noise (N, 1, H, W), drawn anew if there is none.

        Raises:
            OptionError: if the noise has another shape.
        """
        if noise is None:
            noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=x.dtype)
        elif noise.shape[1:] != (1, *x.shape[2:]) or len(noise) not in (1, len(x)):
            raise OptionError(
                f"noise for features {tuple(x.shape)} must be ({len(x)}, 1, {x.shape[2]}, "
                f"{x.shape[3]}) or one of them, not {tuple(noise.shape)}"
            )
        return x + self.strength[:, None, None] * noise

    def extra_repr(self) -> str:
        """Return the settings, for ``print``."""
        return f"{len(self.strength)}"
