"""Training of networks with built-in styles: their styles and their objective.

Every file of ``[data.styles]`` is a style, named after the file without its suffix, or by a key
``"NAME=FILE"``.  A batch has photographs and a style index for each; the styles' Gram matrices are
computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.errors import ImageError, ModelError, OptionError
from impasto.lab.data.sources import SMALLEST, find_sources, read
from impasto.lab.losses import gram
from impasto.lab.nets.vgg import VGG
from impasto.lab.optimize.method import check_layers
from impasto.lab.training.config import BuiltInMethod, GramLoss, StyleBankMethod, TrainConfig
from impasto.lab.training.objective import measured_terms, weighted
from impasto.lab.training.optimizers import precision
from impasto.lab.training.terms import BuiltInPainted, measure


@dataclass(frozen=True, eq=False)
class StylePicture:
    """A built-in style: its name, its picture (H, W, 3) and how often it is drawn."""

    name: str
    picture: NDArray[np.uint8]
    share: float

    def tensor(self, device: torch.device | str = "cpu") -> Tensor:
        """(1, 3, H, W) in [0, 1]."""
        pixels = torch.from_numpy(self.picture.copy()).to(device)
        return pixels.permute(2, 0, 1)[None].float().div_(255)


def read_styles(config: TrainConfig) -> tuple[StylePicture, ...]:
    """Read all pictures of ``[data.styles]``, in the order of the config and of names in a folder.

    Raises:
        ImageError: for a path that is missing or has no picture, or a picture that is damaged or
            too small: no requested style is skipped.
        OptionError: if two have one name.
    """
    found: list[StylePicture] = []
    for place, share in config.data.styles.items():
        named, mark, file = place.partition("=")
        if not mark or Path(place).exists():
            named, file = "", place
        sources, left_out = find_sources(file)
        if named and len(sources) > 1:
            raise OptionError(
                f"{place}: is {len(sources)} pictures, but only one can be named {named!r}"
            )
        if left_out or not sources:
            what, reason = left_out[0] if left_out else (file, "has no picture")
            raise ImageError(f"{what}: {reason}; give one picture file for each style")
        for source in sources:
            picture = read(source, shorter=_method(config).style_side, smallest=SMALLEST)
            if isinstance(picture, str):
                raise ImageError(f"{source.path}: cannot be used as a style: {picture}")
            found.append(StylePicture(named or source.path.stem, picture, share / len(sources)))
    names = [style.name for style in found]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"[data.styles]: two pictures are named {name!r}; rename one of them")
    return tuple(found)


class StyleDraws:
    """Indices of styles for the pairs of a batch; ``batch``, ``state`` and ``restore`` are those of
    a :class:`impasto.lab.data.pictures.Sampler`."""

    def __init__(self, shares: Sequence[float], *, first: int, seed: int) -> None:
        """Set up with how often each is drawn (``shares``) and the index of the ``first``."""
        if not shares or min(shares) < 0 or sum(shares) <= 0:
            raise OptionError(
                "[data.styles]: shares must be 0 or more, at least one of them above 0"
            )
        self.shares = np.asarray(shares, np.float64) / np.sum(shares)
        self.first = first
        self.random = np.random.default_rng(seed)

    def batch(
        self, n: int, only: Sequence[int] | None = None, *, device: torch.device | str = "cpu"
    ) -> Tensor:
        """Return (N,) indices; ``only`` as for pictures."""
        numbers = self.random.choice(len(self.shares), size=n, p=self.shares) + self.first
        return torch.from_numpy(numbers if only is None else numbers[list(only)]).to(device)

    def state(self) -> dict[str, object]:
        """Return the state of the random numbers."""
        return dict(self.random.bit_generator.state)

    def restore(self, state: dict[str, object]) -> None:
        """Go on from ``state``."""
        self.random.bit_generator.state = state


@dataclass(frozen=True)
class Layers:
    """Layers at which a paper measures content and style."""

    content: str
    style: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class BuiltInBatch:
    """Photographs (N, 3, H, W), their one-hot style weights (N, S, 1, 1), and the photographs'
    features at the content layer."""

    contents: Tensor
    weights: Tensor
    target: Tensor


class BuiltInObjective:
    """Perceptual losses against a fixed list of styles, with the interface of ``Objective``."""

    paints = True
    aim = "Gram matrices of its styles"
    styles_apart = False
    """True if a step changes only the parameters of the styles that it draws."""

    def __init__(
        self,
        config: TrainConfig,
        vgg: VGG,
        layers: Layers,
        pictures: Sequence[Tensor],
        *,
        held: int = 0,
    ) -> None:
        """``layers``: its paper's, unless the config sets others; ``pictures``: (1, 3, H, W) in [0,
        1] for each trained style; ``held``: number of earlier styles of the network, which are
        never drawn."""
        self.config, self.vgg = config, vgg
        loss = cast(GramLoss, config.loss)
        self.factors = loss.style_layers or dict.fromkeys(layers.style, 1.0)
        self.layers = layers = Layers(loss.content_layer or layers.content, tuple(self.factors))
        check_layers({layers.content: 1.0, **self.factors}, vgg, "layer")
        with torch.no_grad():
            seen = [vgg(picture, layers.style) for picture in pictures]
            self.wanted: Mapping[str, Tensor] = {
                layer: torch.cat([gram(each[layer]) for each in seen]) for layer in layers.style
            }
        self.held, self.styles = held, held + len(pictures)
        self.volumes = even_volumes(self.wanted, _method(config).even_styles)
        self.measured = measured_terms(config)

    @torch.no_grad()
    def prepare(
        self, contents: Tensor, styles: Tensor, *, part: int = 0, parts: int = 1, number: int = 0
    ) -> BuiltInBatch:
        """Prepare a batch of photographs and the (N,) indices of their styles."""
        weights = F.one_hot(styles, self.styles).float()[..., None, None]
        layer = self.layers.content
        return BuiltInBatch(contents, weights, self.vgg(contents, [layer])[layer])

    def paired(self, one: BuiltInBatch, other: BuiltInBatch) -> BuiltInBatch:
        """Pair the photographs of ``one`` with the styles of ``other``."""
        return replace(one, weights=other.weights)

    def at(self, step: int) -> BuiltInObjective:
        """Return the objective of a step."""
        return self

    def balance(self, learned: nn.Module) -> None:
        """Do nothing: there is one branch."""

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""

    def __call__(self, learned: Any, batch: BuiltInBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss to minimize, and each unweighted term."""
        return weighted(self.config, self.terms(self.pictures(learned, batch), batch))

    def pictures(self, learned: Any, batch: BuiltInBatch) -> Tensor:
        """Return the network's pictures of ``batch``, not clipped."""
        return self.run(learned, batch.contents, batch.weights)

    def run(self, called: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """Run the network in the precision of the config."""
        with precision(self.config, inputs[0]):
            pictures = called(*inputs)
        return pictures.float()

    def terms(self, pictures: Tensor, batch: BuiltInBatch) -> dict[str, Tensor]:
        """Return each unweighted loss term of such ``pictures``."""
        drawn = batch.weights[:, self.held :, 0, 0]
        painted = BuiltInPainted(
            output=pictures,
            features=self.vgg(pictures, {self.layers.content, *self.layers.style}),
            target=batch.target,
            content_layer=self.layers.content,
            grams={
                layer: torch.einsum("ns,sij->nij", drawn, wanted)
                for layer, wanted in self.wanted.items()
            },
            volume=(drawn @ self.volumes)[:, None, None],
            factors=self.factors,
        )
        return measure(self.measured, painted)


def even_volumes(wanted: Mapping[str, Tensor], evenness: float) -> Tensor:
    """Return factors for the Gram matrices (S, C, C) of each style before the comparison.

    The loss grows with the square of the matrices, a factor of 40 between a woodcut and a dim
    painting. The papers sum such losses unchanged (the authors of CIN have a coefficient per style
    in their code); with ``evenness`` e a style's loss is multiplied by ``(mean of the squares of
    all / of its own)^e``.

    >>> even_volumes({"relu1_1": torch.tensor([[[1.0]], [[3.0]]])}, 1.0) * torch.tensor([1.0, 3.0])
    tensor([2.2361, 2.2361])
    """
    squares = torch.stack([grams.square().mean((1, 2)) for grams in wanted.values()]).sum(0)
    return (squares.mean() / squares.clamp(min=1e-12)) ** (evenness / 2)


class TwoBranches(BuiltInObjective):
    """Objective of StyleBank: T steps on the branch with the banks, one on the auto-encoder.

    Chen et al. 2017, algorithm 1.  ``||gK||`` is the norm of the gradient that encoder and decoder
    received from the loss L_K of the last step with the banks; in an auto-encoder step theirs is

        gI  <-  lambda ||gK|| / ||gI|| gI
    """

    styles_apart = True
    reconstructs = False
    norm = 0.0

    def at(self, step: int) -> TwoBranches:
        """Return this objective, set to the branch of a step, counted from 0."""
        every = cast(StyleBankMethod, self.config.method).banks_every
        # New banks are trained with encoder and decoder fixed: there is one branch then.
        self.reconstructs = not self.config.add_styles and step % (every + 1) == every
        return self

    def __call__(self, learned: Any, batch: BuiltInBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of the branch of this step."""
        if not self.reconstructs:
            return super().__call__(learned, batch)
        again = self.run(learned.reconstruct, batch.contents)
        # L_I, eq. 1: the mean square, where `identity` of other networks is an L1 distance. Its
        # weight is set only by the balance of the gradients.
        loss = F.mse_loss(again, batch.contents)
        return loss, {"identity": loss.detach()}

    def balance(self, learned: nn.Module) -> None:
        """Store ``||gK||``, or scale the gradient of the auto-encoder's branch by it."""
        shared = _shared_gradients(learned)
        if not shared:
            return
        norm = nn.utils.get_total_norm(shared)
        if not self.reconstructs:
            self.norm = float(norm)
        elif norm > 0:
            balance = cast(StyleBankMethod, self.config.method).balance
            torch._foreach_mul_(shared, balance * self.norm / float(norm))

    def state(self) -> dict[str, Any]:
        """Return ``||gK||`` of the last step with the banks."""
        return {"norm": self.norm}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self.norm = float(state["norm"])


def _shared_gradients(learned: Any) -> list[Tensor]:
    """Return the gradients of encoder and decoder."""
    own = {id(parameter) for parameter in learned.style_parameters()}
    return [p.grad for p in learned.parameters() if id(p) not in own and p.grad is not None]


def hold_styles(learned: Any) -> list[nn.Parameter]:
    """Freeze a network except for the parameters of styles, which are returned.

    In those tensors :func:`clear_held` protects the rows of earlier styles.
    """
    learned.requires_grad_(False)
    moving: list[nn.Parameter] = learned.style_parameters()
    for parameter in moving:
        parameter.requires_grad_(True)
    return moving


def clear_held(moving: Sequence[nn.Parameter], held: int) -> None:
    """Set the gradients of the first ``held`` styles to 0, so that Adam does not change them."""
    for parameter in moving:
        if parameter.grad is not None:
            parameter.grad[:held] = 0


def style_names(learned: Any) -> list[str]:
    """Return names of the weights that belong to styles, in the order of ``style_parameters``."""
    if not hasattr(learned, "style_parameters"):
        return []
    names = {id(parameter): name for name, parameter in learned.named_parameters()}
    return [names[id(parameter)] for parameter in learned.style_parameters()]


def split_styles(learned: Any, values: Tensor) -> dict[str, Tensor]:
    """Return the weights of styles by name, from the rows (S, P) stored in a bundle.

    Raises:
        ModelError: if P is not the number of those of ``learned``.
    """
    own = {name: learned.get_parameter(name) for name in style_names(learned)}
    sizes = [each[0].numel() for each in own.values()]
    if sum(sizes) != values.shape[1]:
        raise ModelError(
            f"a style has {values.shape[1]:,} numbers but the network has {sum(sizes):,}"
        )
    parts = values.split(sizes, dim=1)
    return {
        name: part.reshape(len(values), *each.shape[1:])
        for (name, each), part in zip(own.items(), parts, strict=True)
    }


def spread_styles(
    learned: Any, weights: Mapping[str, Tensor], held: int, source: str
) -> dict[str, Tensor]:
    """Return weights of a network with ``held`` styles, followed by the new styles of ``learned``.

    A new style starts from the mean of the existing ones.

    Raises:
        ModelError: if the numbers of styles do not fit.
    """
    found = dict(weights)
    for name in style_names(learned):
        if name in found:
            parameter, earlier = learned.get_parameter(name), found[name]
            if len(earlier) != held:
                raise ModelError(f"{source} has {len(earlier)} styles but {held} names")
            more = earlier.mean(0, keepdim=True).expand(len(parameter) - held, *earlier.shape[1:])
            found[name] = torch.cat([earlier, more])
    return found


def _method(config: TrainConfig) -> BuiltInMethod:
    """Return the method table of the config of a network with built-in styles."""
    return cast(BuiltInMethod, config.method)
