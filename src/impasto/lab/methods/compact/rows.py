"""Training rows of the compact networks and of their readers' eye."""

from __future__ import annotations

from dataclasses import replace

from impasto.errors import OptionError
from impasto.lab.methods.compact.config import CompactData, CompactMethod, EyeMethod, TaughtLoss
from impasto.lab.methods.compact.network import FAST, QUALITY, Compact
from impasto.lab.methods.compact.objective import MARGIN, CompactObjective, paint_batch
from impasto.lab.methods.compact.reader import EYE, Eye
from impasto.lab.methods.compact.reading import READER_TERMS, ReadingObjective
from impasto.lab.methods.compact.scales import CompactShape
from impasto.lab.methods.compact.setup import open_compact, open_reader
from impasto.lab.methods.compact.terms import COMPACT_TERMS
from impasto.lab.training.config import StyleOptimizer, Tables, UnitLoss
from impasto.lab.training.networks import NetworkRow


def _compact(name: str, title: str, shape: CompactShape) -> NetworkRow:
    return NetworkRow(
        name=name,
        title=title,
        architecture=(
            f"pixel unshuffle, {len(shape.channels)} levels of {shape.channels} channels, "
            f"residual blocks {shape.encoder_blocks} down and {shape.decoder_blocks} up, "
            "further ones with dilations {dilations} at the coarsest, "
            + ("a comb filter of 4 px, " if shape.comb else "")
            + f"styles read with an eye of {shape.eye} channels"
        ),
        tables=Tables(
            COMPACT_TERMS, CompactData, TaughtLoss, StyleOptimizer, CompactMethod, title="compact"
        ),
        build=lambda method: _built(name, shape, method),
        paint=paint_batch,
        objective=CompactObjective,
        opened=open_compact,
        margin=MARGIN,
    )


def _built(name: str, shape: CompactShape, method: CompactMethod) -> Compact:
    if method.combed and not shape.comb:
        raise OptionError(f"combed = {method.combed}, but {name} has no comb filter; omit it")
    return Compact(replace(shape, dilations=method.dilations, combed=method.combed))


FAST_ROW = _compact("fast", "Compact network for real time", FAST)
QUALITY_ROW = _compact(
    "quality", "Compact network, better pictures for four times the work", QUALITY
)
READER_ROW = NetworkRow(
    name="reader",
    title="The eye that the compact networks read styles with",
    architecture=f"features of {EYE} channels that tell the maps of VGG-19",
    tables=Tables(READER_TERMS, loss=UnitLoss, method=EyeMethod, title="reader"),
    build=lambda _: Eye(EYE),
    paint=paint_batch,
    assembled=None,
    objective=ReadingObjective,
    opened=open_reader,
    remark="it paints nothing; a config of a compact network names its checkpoint as its eye",
)
