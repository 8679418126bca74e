"""Small data sets for tests, and what is in a folder."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from impasto.dataset.making import Made, stylize_dataset
from impasto.dataset.options import DatasetOptions, Recipe

SIZES = ((40, 32), (32, 48), (36, 36))


def picture(
    number: int, format: str = "JPEG", size: tuple[int, int] | None = None, **settings: Any
) -> bytes:
    """The bytes of a picture that no other number has."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (6, 6, 3), np.uint8)
    size = size or SIZES[number % len(SIZES)]
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, format, **settings)
    return stream.getvalue()


def make(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a folder, and make those that they lie in."""
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def pictures(count: int) -> dict[str, bytes]:
    """Pictures in two classes, as ImageFolder has them."""
    return {f"{('cat', 'dog')[i % 2]}/{i:04d}.jpg": picture(i) for i in range(count)}


def slow_pictures(count: int) -> dict[str, bytes]:
    """The same, but the last is large: so a call is at work when a test looks, however late."""
    found = pictures(count)
    return {**found, max(found): picture(count, size=(2000, 1500))}


def make_styles(root: Path, count: int = 3) -> Path:
    """A folder of pictures of styles."""
    return make(root, {f"style{i}.png": picture(1000 + i, "PNG") for i in range(count)})


def contents(root: Path) -> dict[str, str]:
    """All files of a folder, hidden ones too, and what is in them."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def lines(out: Path) -> list[dict[str, Any]]:
    """The lines of a manifest."""
    text = (out / "manifest.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def size_of(data: bytes | Path) -> tuple[int, int]:
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as image:
        image.load()
        return image.size


def write_shard(path: Path, members: Sequence[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), 1_700_000_000, 0o640
            tar.addfile(info, io.BytesIO(data))


def read_shard(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]


def paint(
    source: str | Path,
    out: str | Path,
    styles: str | Path,
    model: Path,
    *,
    color: str | None = None,
    **options: Any,
) -> Made:
    """Make a data set with the tiny model, without processes if no executor is named."""
    from impasto.controls import Controls

    options.setdefault("executor", "inline")
    recipe = Recipe(model=model, engine="onnxruntime", controls=Controls(color=color))
    return stylize_dataset(source, out, str(styles), DatasetOptions(**options), recipe)
