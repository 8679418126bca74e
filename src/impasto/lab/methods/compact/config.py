"""Config fields specific to compact networks and their eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from impasto.errors import OptionError
from impasto.lab.methods.compact.terms import COMPACT_TERMS, TEACHER
from impasto.lab.training.config import Method, MomentLoss, PairData


@dataclass(frozen=True)
class CompactData(PairData):
    """``[data]`` of ``fast`` and ``quality``."""

    larger: int = 0
    """Side of the crops of every third step, with correspondingly fewer pairs; 0: all have one
    size. Without small crops textures are lost, and without large ones large textures."""

    @property
    def reduced_to(self) -> int:
        """Shorter side to which larger pictures are reduced before cropping."""
        return max(super().reduced_to, 2 * self.larger)

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        super().__post_init__()
        if self.larger and (self.larger <= self.crop or self.larger % 16 or self.resize):
            raise OptionError(
                f"larger = {self.larger} with crop = {self.crop}, resize = {self.resize}; it "
                "must exceed crop, be a multiple of 16, and be used without resize"
            )


@dataclass(frozen=True)
class TaughtLoss(MomentLoss):
    """``[loss]`` with optional distillation of a teacher."""

    teacher: str = ""
    """File of an AdaIN decoder for ``vgg``, whose pictures are distilled; empty: no teacher."""

    files: ClassVar[tuple[str, ...]] = ("teacher",)

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range or a term without its teacher."""
        super().__post_init__()
        for term in COMPACT_TERMS:
            if term.needs == TEACHER and self.weights.get(term.name) and not self.teacher:
                raise OptionError(f'{term.name} needs a teacher; give loss.teacher = "DECODER"')


@dataclass(frozen=True)
class EyeMethod(Method):
    """``[reader]``, and the fields that ``[compact]`` shares with it."""

    eye: str = ""
    """Checkpoint of ``reader`` or of a compact network, bundle or model by name whose eye a reader
    gets, with new axes, instead of that of ``start``. In both cases a given eye stays fixed;
    ``reader``, which trains eyes, starts from it."""

    sources: ClassVar[tuple[str, ...]] = ("eye",)


@dataclass(frozen=True)
class CompactMethod(EyeMethod):
    """``[compact]``."""

    dilations: tuple[int, ...] = ()
    """Dilations of further residual blocks at 1/8, after the alignment. A model without them may be
    the start: they begin as identity."""
    combed: float = 0.0
    """Share of the mesh of 4 px that the comb filter of ``quality`` removes for styles that the
    reader predicts, from 0 to 1. Tuned styles have their own share."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        object.__setattr__(self, "dilations", tuple(self.dilations))  # a list in a file
        if any(dilation < 1 for dilation in self.dilations):
            raise OptionError(f"dilations = {list(self.dilations)}; each must be 1 or more")
        if not 0 <= self.combed <= 1:
            raise OptionError(f"combed = {self.combed}; it must be from 0 to 1")
