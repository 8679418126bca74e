"""Batches that are ended by signals at random moments, and what the next call finds.

``make kills`` runs 40 of them: ``python tests/killed_calls.py [ROUNDS] [SEED]``. In each, one or
two calls paint a folder into another; one gets a signal, sometimes twice. Whatever has a result's
name then must be the picture, byte for byte, that a call without a signal paints, and after the
next call everything must be there and nothing else.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

_FAST = ("--model", "fast", "--engine", "onnxruntime")


@dataclass
class Round:
    """What happened to a call."""

    number: signal.Signals
    code: int
    done: int
    """Results that were there."""
    hidden: int
    """Hidden files that were left until the next call."""


def prepare(folder: Path, *, side: int, count: int) -> None:
    """Make photographs, in a folder and one below it, and two styles."""
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = rng.integers(0, 256, (side // 16, side // 16, 3), np.uint8)
        image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
        name = f"{'sub/' if i % 3 == 2 else ''}{i}{('.png', '.jpg', '.tif', '.gif')[i % 4]}"
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    for i in range(2):
        pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"style{i}.png")


def command(out: str, model: Sequence[str], *more: str) -> list[str]:
    """The call: every photograph in both styles, in tiles, so that writing takes its time."""
    styles = ("-s", "style0.png", "-s", "style1.png", "--all-pairs")
    words = ("stylize", "in", *styles, "-o", out, "--tile", "128", "--threads", "1")
    return [sys.executable, "-m", "impasto", *words, *model, *more]


def one_round(
    rng: random.Random,
    number: signal.Signals,
    folder: Path,
    wanted: dict[str, bytes],
    model: Sequence[str],
    seconds: float,
) -> Round:
    """End a call, look at what is there, and let the next call go on.

    Args:
        number: the signal.
        folder: where :func:`prepare` has made pictures.
        wanted: the results of a call without a signal.
        model: options of the model.
        seconds: that such a call takes, from the moment when it handles signals.
    """
    out = folder / f"out-{rng.getrandbits(40):x}"
    more = rng.choice([("--resume",), ("--overwrite",), ()])
    call = command(out.name, model, *more)
    stopped = subprocess.Popen(call, cwd=folder, stdout=-1, stderr=-1, preexec_fn=_as_in_front)
    beside = None
    if more and rng.random() < 0.4:  # else each has names of its own
        beside = subprocess.Popen(
            command(out.name, model, "--resume"), cwd=folder, stdout=-1, stderr=-1
        )
    _wait_for_handlers(stopped)
    time.sleep(rng.uniform(0, 0.9 * seconds))
    for _ in range(rng.choice([1, 1, 2])):
        stopped.send_signal(number)
    said = stopped.communicate(timeout=120)[1].decode()
    assert stopped.returncode in (0, 128 + number, -number), (stopped.returncode, said)
    if stopped.returncode == 128 + number:
        line = "interrupted" if number == signal.SIGINT else f"stopped by {number.name}"
        assert said == f"impasto: {line}\n", said
    if beside is not None:
        said = beside.communicate(timeout=120)[1].decode()
        assert beside.returncode == 0, said
    done, hidden = _look(out, wanted)
    next_call = subprocess.run(
        command(out.name, model, "--resume"), cwd=folder, capture_output=True, timeout=120
    )
    assert next_call.returncode == 0, next_call.stderr.decode()
    assert _look(out, wanted) == (len(wanted), 0), sorted(out.rglob("*"))
    return Round(number, stopped.returncode, done, hidden)


def _as_in_front() -> None:
    # A shell that starts us in the background has Ctrl-C ignored, which children inherit.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _wait_for_handlers(process: subprocess.Popen[bytes]) -> None:
    """Wait until a call handles signals: before that, Python itself is being loaded."""
    mask = 1 << (signal.SIGTERM - 1)
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if int(status.partition("SigCgt:")[2].split()[0], 16) & mask:
            return
        time.sleep(0.005)


def _look(out: Path, wanted: dict[str, bytes]) -> tuple[int, int]:
    """Check that all results are whole; count them, and the hidden files."""
    done = hidden = 0
    for path in out.rglob("*"):
        if path.name.startswith("."):
            hidden += 1
        elif path.is_file():
            name = str(path.relative_to(out))
            assert path.read_bytes() == wanted[name], f"{name} is not what it should be"
            done += 1
    return done, hidden


def check(
    rounds: int,
    seed: int,
    *,
    model: Sequence[str] = _FAST,
    side: int = 256,
    count: int = 8,
) -> Iterator[Round]:
    """End as many calls, each with another signal than the one before.

    Raises:
        AssertionError: if anything is not as it should be.
    """
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, side=side, count=count)
        process = subprocess.Popen(command("whole", model), cwd=folder, stdout=subprocess.DEVNULL)
        _wait_for_handlers(process)
        start = time.monotonic()
        assert process.wait(timeout=300) == 0
        seconds = time.monotonic() - start
        whole = folder / "whole"
        wanted = {
            str(path.relative_to(whole)): path.read_bytes()
            for path in whole.rglob("*")
            if path.is_file()
        }
        assert len(wanted) == 2 * count
        for i in range(rounds):
            number = SIGNALS[i % len(SIGNALS)]
            yield one_round(rng, number, folder, wanted, model, seconds)


def main() -> None:
    """Run rounds and tell of each."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    ended: Counter[str] = Counter()
    for row in check(rounds, seed):
        print(
            f"{row.number.name}: exit code {row.code}, {row.done} results, {row.hidden} hidden",
            flush=True,
        )
        ended["before" if row.code == 0 else "stopped"] += 1
    print(f"{rounds} calls: {ended['stopped']} stopped, {ended['before']} were through before")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
