"""Process in which one engine paints a tiny picture with every model: trial.py ENGINE MODEL...

It prints each result at once as a line of JSON, so that a later crash loses none.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

SIDE = 64
"""Height and width of the picture and of its style, in pixels."""

# A picture is wrong if it differs from the photograph by less than the first, or from what the same
# model painted before in another precision by more than the second; means of values in [0, 1].
_LEAST, _MOST = 0.01, 0.05


def main(engine: str, models: Sequence[str]) -> int:
    """Paint, and report each picture; the exit code is 0, whatever the pictures are."""
    from impasto.errors import one_line
    from impasto.models.engines import ENGINES

    (row,) = [each for each in ENGINES if each.name == engine]
    try:
        module: Any = importlib.import_module(row.module)
        usable = module.supported()
        _tell({"devices": module.devices()})
    except Exception as error:  # a broken library may raise anything
        _tell({"problem": f"does not start: {type(error).__name__}: {one_line(error)}"})
        return 0
    for model in models:
        before = None  # its picture in the most exact precision, which comes first
        for precision in sorted(row.precisions, key=lambda each: each != "fp32"):
            if precision not in usable or (precision == "int8" and not _has_int8(model)):
                continue
            try:
                before, facts = _paint(model, engine, precision, before)
            except Exception as error:  # as above
                facts = {"problem": f"{type(error).__name__}: {one_line(error)}"}
            _tell({"problem": "", **facts, "model": model, "precision": precision})
    return 0


def _has_int8(model: str) -> bool:
    from impasto.models.table import find_bundle

    return bool(find_bundle(model).card.int8)


def _paint(model: str, engine: str, precision: str, before: Any) -> tuple[Any, dict[str, Any]]:
    import numpy as np

    from impasto.stylizer import load

    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    photograph = np.stack([x, y, 0.5 + 0.4 * np.sin(9 * x * y)], axis=-1).astype(np.float32)
    waves = [np.sin(40 * (x * a + 0.2 * np.sin(9 * y))) for a in (1.0, 0.7, 0.4)]
    style = (0.5 + 0.5 * np.stack(waves, axis=-1)).astype(np.float32)
    begin = perf_counter()
    loaded = load(model, engine=engine, precision=precision)
    ready = perf_counter()
    image = loaded.paint(photograph, loaded.style(style)).image
    facts: dict[str, Any] = {"load": ready - begin, "paint": perf_counter() - ready}
    if not np.isfinite(image).all():
        return before, {**facts, "problem": "the picture holds NaN or infinity"}
    moved = float(np.abs(image - photograph).mean())
    if moved < _LEAST or float(image.std()) < _LEAST:
        return before, {
            **facts,
            "problem": ("the picture is the unchanged photograph, or has only one color"),
        }
    if before is not None and (off := float(np.abs(image - before).mean())) > _MOST:
        return before, {**facts, "problem": f"the picture is off by {255 * off:.0f} of 255"}
    return image, facts


def _tell(facts: dict[str, Any]) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
