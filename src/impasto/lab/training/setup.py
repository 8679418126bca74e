"""Build everything that a training run needs from its config.

All differences between networks for any style and networks with built-in styles are here, so that
the loop is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from impasto.errors import ModelError, OptionError
from impasto.lab.data.cropping import Crops
from impasto.lab.data.pictures import Loaded, Sampler, load_collections
from impasto.lab.data.sources import LeftOut
from impasto.lab.nets.precision import channels_last
from impasto.lab.nets.vgg import VGG, load_vgg
from impasto.lab.training.batches import Batches, BatchOptions, Lessons, Partition
from impasto.lab.training.builtin import (
    BuiltInObjective,
    StyleDraws,
    clear_held,
    hold_styles,
    read_styles,
)
from impasto.lab.training.checkpoints import names_of, start_from
from impasto.lab.training.config import PairData, TrainConfig
from impasto.lab.training.journal import Preview
from impasto.lab.training.networks import BuiltInRow, NetworkRow
from impasto.lab.training.objective import Objective
from impasto.lab.training.optimizers import in_bf16

AHEAD = 2
"""Number of batches of crops prepared in advance."""


@dataclass(frozen=True, eq=False)
class Setup:
    """Network, objective and pictures of a training run.

    Attributes:
        learned: the network, or its trained part.
        moving: its trained parameters.
        objective: the training objective.
        contents: the source of photographs.
        styles: the source of styles.
        loaded: the collections behind both, which list the files they skip.
        before: the earlier training stages of the initial weights.
        preview: creates the preview of held-out pictures.
        names: of the built-in styles.
        held: number of them that stay unchanged.
        apart: parameters of styles, of which a step changes only the drawn ones.
    """

    learned: nn.Module
    moving: list[nn.Parameter]
    objective: Objective | BuiltInObjective
    contents: Sampler
    styles: Sampler | StyleDraws
    loaded: tuple[Loaded, ...]
    before: list[dict[str, Any]]
    preview: Callable[[], Preview]
    names: tuple[str, ...] = ()
    held: int = 0
    apart: tuple[nn.Parameter, ...] = ()

    @property
    def left_out(self) -> list[LeftOut]:
        """Every file skipped so far, with the reason."""
        return [row for loaded in self.loaded for row in loaded.left_out]

    def batches(
        self, config: TrainConfig, device: torch.device, *, rank: int = 0, count: int = 1
    ) -> Lessons:
        """Return the batches of every step, for the parts of process ``rank`` of ``count``."""
        own = config.accumulate
        return Batches(
            self.objective,
            self.contents,
            self.styles,
            options=BatchOptions(batch=config.batch, repeats=config.repeats, seed=config.seed),
            partition=Partition(count=own * count, own=range(rank * own, (rank + 1) * own)),
            device=device,
        )

    def settle(self) -> None:
        """Adjust the computed gradients as the method requires."""
        self.objective.balance(self.learned)
        if self.held:
            clear_held(self.moving, self.held)


def open_setup(
    config: TrainConfig, row: NetworkRow | BuiltInRow, device: torch.device, *, begun: bool = False
) -> Setup:
    """Build the setup of a config: read pictures, initialize or load weights.

    Args:
        config: all settings that determine the result.
        row: the network that it names.
        device: the training device.
        begun: whether weights and their earlier stages will come from the run's own checkpoint,
            so that ``start`` may be missing (except with ``add_styles``, which reads the names
            of its styles from ``start``).

    Raises:
        ImageError, ModelError, OptionError: for faults of the config.
    """
    if isinstance(row, BuiltInRow):
        return _built_in(config, row, device, begun)
    if config.data.crop <= row.margin:
        raise OptionError(
            f"crop = {config.data.crop}; {row.name} needs crops larger than its margin of "
            f"{row.margin} px"
        )
    objective = _objective(config, row, device)
    photographs, paintings = _read(config)
    contents, styles = samplers(config, photographs, paintings, device)
    learned = channels_last(row.build(config.method), device)
    before = []
    if config.start and not begun:
        before = start_from(learned, config.start, part=row.part)
    setup = Setup(
        learned=learned,
        moving=[each for each in learned.parameters() if each.requires_grad],
        objective=objective,
        contents=contents,
        styles=styles,
        loaded=(photographs, paintings),
        before=before,
        preview=lambda: Preview(config, device),
    )
    if row.opened is None:
        return setup
    opened: Setup = row.opened(setup, config, device, begun=begun)
    return opened


def _built_in(config: TrainConfig, row: BuiltInRow, device: torch.device, begun: bool) -> Setup:
    pictures = read_styles(config)
    earlier = names_of(config.start) if config.add_styles else ()
    names = (*earlier, *(each.name for each in pictures))
    _check_styles(config, row, earlier, names)
    photographs = _collections(config, config.data.contents)
    contents = _sampler(
        config, photographs, config.data.contents, config.data.content_scale, device
    )
    tensors = [each.tensor(device) for each in pictures]
    objective = row.objective(
        config, _judge(config, device), row.layers, tensors, held=len(earlier)
    )
    # PyTorch's types do not know the attributes that a network adds to a module.
    learned: Any = row.build(config.method, len(names))
    if config.data.crop % learned.multiple:
        raise OptionError(
            f"crop = {config.data.crop}; {row.name} needs pictures whose side is a multiple of "
            f"{learned.multiple}"
        )
    before = []
    if config.start and not begun:
        before = start_from(learned, config.start, held=len(earlier))
    channels_last(learned, device)
    if config.compile:
        learned.compile()
    return Setup(
        learned=learned,
        moving=hold_styles(learned) if earlier else list(learned.parameters()),
        objective=objective,
        contents=contents,
        styles=StyleDraws(
            [each.share for each in pictures], first=len(earlier), seed=config.seed + 2
        ),
        loaded=(photographs,),
        before=before,
        preview=lambda: Preview(config, device, pictures=tensors, first=len(earlier)),
        names=names,
        held=len(earlier),
        apart=tuple(learned.style_parameters()) if objective.styles_apart else (),
    )


def _check_styles(
    config: TrainConfig, row: BuiltInRow, earlier: tuple[str, ...], names: tuple[str, ...]
) -> None:
    if row.single and len(names) > 1:
        raise OptionError(
            f"{row.name} learns one style, but [data.styles] has {len(names)} pictures "
            f"({', '.join(names[:3])}{', ...' if len(names) > 3 else ''}); name one file"
        )
    if twice := set(earlier) & set(names[len(earlier) :]):
        raise OptionError(
            f"{config.start} already has a style {min(twice)!r}; rename the new picture"
        )


def _judge(config: TrainConfig, device: torch.device) -> VGG:
    dtype = torch.bfloat16 if in_bf16(config, device) else torch.float32
    return load_vgg(config.vgg).to(device, dtype)


def _objective(config: TrainConfig, row: NetworkRow, device: torch.device) -> Objective:
    """Return the objective of a config, with the judge in its precision."""
    judge = _judge(config, device)
    if not judge.is_normalized:
        raise ModelError(
            f"{config.vgg}: is a {judge.layout.network} whose activations are not normalized, but "
            f"the losses of {row.name} need normalized ones; make them with `impasto lab normalize "
            f"{config.vgg} PHOTOGRAPHS`"
        )
    paint: Any = row.painted
    if config.compile:  # once for every crop size
        paint = torch.compile(paint, dynamic=False)
        judge.compile(dynamic=False)
    return row.objective(config, judge, paint=paint, features=row.layer(config.method))


def _collections(config: TrainConfig, places: dict[str, float]) -> Loaded:
    """Load pictures, except those that would have to be enlarged too much for a crop."""
    return load_collections(
        places,
        shorter=config.data.reduced_to,
        smallest=config.data.least_side,
        memory=config.data.memory,
    )


def _read(config: TrainConfig) -> tuple[Loaded, Loaded]:
    """Read photographs and paintings."""
    photographs, paintings = (
        _collections(config, config.data.contents),
        _collections(config, config.data.styles),
    )
    least = Objective.least_styles
    if len(paintings) < least:
        raise OptionError(
            f"{', '.join(config.data.styles)}: {len(paintings)} usable painting, but a network for "
            f"any style needs at least {least} (better 20): with one it would learn to ignore the "
            "given style; add paintings"
        )
    return photographs, paintings


def samplers(
    config: TrainConfig, photographs: Loaded, paintings: Loaded, device: torch.device
) -> tuple[Sampler, Sampler]:
    """Return samplers of photographs and of styles for a config."""
    data = config.data
    assert isinstance(data, PairData)  # of a network for any style
    return (
        _sampler(config, photographs, data.contents, data.content_scale, device),
        _sampler(
            config,
            paintings,
            data.styles,
            data.style_scale,
            device,
            jitter=data.style_jitter,
            collage=data.style_collage,
            seed=2,
        ),
    )


def _sampler(
    config: TrainConfig,
    loaded: Loaded,
    places: dict[str, float],
    scale: float,
    device: torch.device,
    *,
    jitter: float = 0.0,
    collage: float = 0.0,
    seed: int = 1,
) -> Sampler:
    return Sampler(
        loaded.collections,
        list(places.values()),
        crops=Crops(
            side=config.data.crop,
            smallest=scale,
            resize=config.data.resize,
            enlarge=config.data.enlarge,
            flip=config.data.flip,
            jitter=jitter,
            collage=collage,
        ),
        seed=config.seed + seed,
        ahead=AHEAD,
        # A device trains faster than one CPU process cuts crops for it.
        on_device=device.type == "cuda",
    )
