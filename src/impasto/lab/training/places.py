"""Paths named by a config, and the run folder: made absolute, and protected from overwriting."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from impasto.errors import ModelError, OptionError
from impasto.lab.nets.weights import find_vgg
from impasto.lab.training.config import TrainConfig, config_text, read_config, tables_of
from impasto.models import MODELS

CONFIG = "config.toml"
"""Name of the config in a run folder."""


def anchored(config: TrainConfig, base: Path) -> TrainConfig:
    """Return the config with absolute paths, so that it is valid in every folder.

    Args:
        config: its paths may be relative.
        base: the folder that they are relative to.

    Example:
        >>> anchored(config, Path.cwd()).vgg                                # doctest: +SKIP
        '/home/me/vgg_normalised.pth'
    """

    def whole(place: str) -> str:
        return place and os.path.abspath(base / place)  # noqa: PTH100 - a pattern stays one

    def source(place: str) -> str:
        return place if place in {row.name for row in MODELS} else whole(place)

    def style(place: str) -> str:
        name, mark, file = place.partition("=")  # NAME=FILE names a style
        return f"{name}={whole(file)}" if mark and not (base / place).exists() else whole(place)

    data, loss, method = config.data, config.loss, config.method
    changes: dict[str, Any] = {
        "data": replace(
            data,
            contents={whole(place): share for place, share in data.contents.items()},
            styles={style(place): share for place, share in data.styles.items()},
        )
    }
    changes["loss"] = _with_fields(loss, loss.files, whole)
    changes["method"] = _with_fields(method, sources_of(method), source)
    return replace(config, vgg=whole(config.vgg), start=source(config.start), **changes)


def sources_of(method: object) -> tuple[str, ...]:
    """Return fields of a method's table that name a checkpoint, a bundle or an included model."""
    found: tuple[str, ...] = getattr(method, "sources", ())
    return found


def _with_fields(table: Any, names: Iterable[str], change: Callable[[str], str]) -> Any:
    return replace(table, **{name: change(getattr(table, name)) for name in names})


def with_vgg(config: TrainConfig, file: Path | None) -> TrainConfig:
    """Return the config with another VGG file, if one is given or its own is missing.

    Args:
        config: its paths as in the file.
        file: the user's, or None: if the config's own is missing, a file that
            :func:`impasto.lab.nets.weights.find_vgg` finds.

    Raises:
        ModelError: if there is none.
    """
    if file is None and Path(config.vgg).is_file():
        return config
    try:
        return replace(config, vgg=str(find_vgg(file, normalised=True)))
    except ModelError as error:
        if file is not None:
            raise
        raise ModelError(f"{config.vgg}: no such file (vgg in the config); {error}") from error


def run_config(run: Path) -> TrainConfig:
    """Return the config of a run folder, with absolute paths.

    Older runs with relative paths started in the working folder or in one above the run's.

    Raises:
        OptionError: if it is not a run folder.
    """
    if not run.is_dir():
        raise OptionError(f"{run}: no such folder; give the folder of a run")
    if not (run / CONFIG).exists():
        raise OptionError(f"{run}: is not a run folder, because it has no {CONFIG}")
    config = read_config(run / CONFIG)
    bases = (Path.cwd(), *run.resolve().parents)
    return anchored(config, next((b for b in bases if (b / config.vgg).exists()), bases[0]))


def check_fresh(folder: Path, result: Path) -> None:
    """Reject a folder in which a new run would overwrite files that are not part of a run.

    Args:
        folder: the run folder, without a checkpoint; it need not exist.
        result: the bundle that the run will write.

    Raises:
        OptionError: naming the file.
    """
    path = folder / CONFIG
    if path.exists() and not _is_ours(path):
        raise OptionError(
            f"{path}: the config of the run would overwrite it; give another run folder with -o"
        )
    if result.exists():
        raise OptionError(
            f"{result}: already exists, and the run would overwrite it; give another run folder "
            "with -o"
        )


def check_start(config: TrainConfig, file: Path) -> None:
    """Reject a config that starts from a missing run, and name the command that creates it.

    Args:
        config: its paths as in the file.
        file: its path; recipes that build on each other are in one folder.

    Raises:
        OptionError: naming the field and the command.
    """
    shipped = {row.name for row in MODELS}
    named = [("start", config.start)]
    named += [(field, getattr(config.method, field)) for field in sources_of(config.method)]
    for field, value in named:
        if not value or value in shipped or Path(value).exists():
            continue
        recipe = file.with_name(f"{Path(value).parent.name}.toml")
        name = field if field == "start" else f"{tables_of(config.network).title}.{field}"
        mend = f"give another file with --set {name}=FILE"
        if recipe != file and recipe.exists():
            mend = f"make it first: impasto lab train {recipe}; or {mend}"
        raise OptionError(f"{file}: {field} = {value!r}, but this file does not exist; {mend}")


def _is_ours(path: Path) -> bool:
    """Return True for a config written by a run, which ended before its first checkpoint."""
    try:
        return path.read_text() == config_text(read_config(path))
    except (OSError, UnicodeDecodeError, OptionError):
        return False
