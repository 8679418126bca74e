"""Fine-tuning of an included model on a collection."""

from __future__ import annotations

from pathlib import Path

from impasto.errors import OptionError
from impasto.lab.methods.compact.config import CompactData, TaughtLoss
from impasto.lab.nets.weights import find_vgg
from impasto.lab.training.config import StyleOptimizer, TrainConfig


def finetune_config(
    photographs: str | Path,
    paintings: str | Path,
    *,
    vgg: str | Path | None = None,
    model: str = "quality",
    iterations: int = 1500,
) -> TrainConfig:
    """Return the config that fine-tunes ``model`` on a collection.

    It makes few and small steps: the model is already trained, and should learn the collection's
    palette and strokes without losing its drawing.  Every picture is used four times, in other
    pairs each time, which halves the time (``batches``).  It takes about ten minutes for 40
    paintings on two processor cores.

    Args:
        photographs: folder, shard or pattern of shards; a few hundred are enough.
        paintings: the same; 20 or more.
        vgg: file of the normalised VGG-19, the judge; by default that of ``$IMPASTO_VGG``.
        model: ``quality`` or ``fast``.
        iterations: steps of 4 pairs.

    Returns:
        A config for ``train``.

    Raises:
        ModelError: if there is no VGG file.
        OptionError: for a model that is not included.

    Example:
        >>> finetune_config("photos", "paintings", vgg="vgg.pth")           # doctest: +SKIP
    """
    judge = find_vgg(vgg, normalised=True)
    if model not in ("quality", "fast"):
        raise OptionError(f"model {model!r} is not included; fine-tune 'quality' or 'fast'")
    return TrainConfig(
        network=model,
        start=model,
        vgg=str(judge),
        data=CompactData(
            contents={str(photographs): 1.0},
            styles={str(paintings): 1.0},
            crop=192,
            repeats=4,
            style_jitter=0.1,
        ),
        loss=TaughtLoss({"content": 10.0, "style": 20.0, "identity": 20.0, "mesh": 2.0}),
        optimizer=StyleOptimizer(
            learning_rate=4e-4, style_rate=0.1, final_rate=0.03, warmup=20, ema=0.99
        ),
        iterations=iterations,
        batch=4,
        preview_every=100,
    )
