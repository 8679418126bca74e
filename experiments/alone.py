"""Paint one picture in a process of its own, and print its CPU seconds and peak memory as JSON.

``methods.py`` calls it, so that what a method needs is not mixed with what the judge needs::

    python experiments/alone.py '{"model": "fast", "content": "a.npy", "style": "b.npy", ...}'
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from time import process_time
from typing import Any


def main() -> None:
    """Read the job from the command line, paint and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("job", type=json.loads, help="a Job of methods.py, as JSON")
    print(json.dumps(paint(parser.parse_args().job)))


def paint(job: dict[str, Any]) -> dict[str, float]:
    """Load a model and paint.

    Args:
        job: ``model``, ``load`` (options of ``impasto.load``), ``settings`` (of a method),
            ``content``, ``style`` (a name, or a file of an array), ``out``, ``times`` that it is
            painted, after a first time that is not counted; 0 for once in all, counted.

    Returns:
        ``seconds`` of all threads, the mean, and ``peak`` in bytes.
    """
    import numpy as np

    import impasto

    content = np.load(job["content"])
    style = np.load(job["style"]) if job["style"].endswith(".npy") else job["style"]
    model = impasto.load(job["model"], **job["load"])
    if job["settings"]:
        model = model.with_settings(options=job["settings"])
    if job["times"]:
        model.stylize(content, style)  # an engine's first picture of a size takes longer
    begin = process_time()
    for _ in range(job["times"] or 1):
        painted = model.stylize(content, style)
    seconds = (process_time() - begin) / (job["times"] or 1)
    np.save(job["out"], np.asarray(painted, np.float32))  # floats in [0, 1], as it was given
    return {"seconds": seconds, "peak": peak_bytes()}


def peak_bytes() -> int:
    """The largest resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts what the parent held when it began this process, too
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
