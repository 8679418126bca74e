"""Files and folders that a config names, and the run folder: found from anywhere, not replaced."""

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
    """The same config with whole paths, so that it holds in every folder.

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
    """Fields of a method's table that name a checkpoint, a bundle or a model that ships."""
    found: tuple[str, ...] = getattr(method, "sources", ())
    return found


def _with_fields(table: Any, names: Iterable[str], change: Callable[[str], str]) -> Any:
    return replace(table, **{name: change(getattr(table, name)) for name in names})


def with_vgg(config: TrainConfig, file: Path | None) -> TrainConfig:
    """The config with another file of VGG, where one is given or its own is not there.

    Args:
        config: its paths as they are in the file.
        file: what a user gives, or None: where the config's own is not there, a file that
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
        raise ModelError(f"{config.vgg}: no such file (vgg of the config), and {error}") from error


def run_config(run: Path) -> TrainConfig:
    """The config of a run folder, its paths whole.

    Runs of before paths were kept whole began in the working folder or in one above the run's.

    Raises:
        OptionError: if it is no run folder.
    """
    if not run.is_dir():
        raise OptionError(f"{run}: no such folder; give the folder of a run")
    if not (run / CONFIG).exists():
        raise OptionError(f"{run}: is no folder of a run, for there is no such file as {CONFIG}")
    config = read_config(run / CONFIG)
    bases = (Path.cwd(), *run.resolve().parents)
    return anchored(config, next((b for b in bases if (b / config.vgg).exists()), bases[0]))


def check_fresh(folder: Path, result: Path) -> None:
    """Refuse a folder in which a new run would replace what is no part of a run.

    Args:
        folder: the run folder, without a checkpoint; it need not exist.
        result: the bundle that the run will leave.

    Raises:
        OptionError: naming the file.
    """
    path = folder / CONFIG
    if path.exists() and not _is_ours(path):
        raise OptionError(
            f"{path}: would be replaced by the config of the run; give another run folder with -o"
        )
    if result.exists():
        raise OptionError(
            f"{result}: exists already, and the run would replace it at its end; give another run "
            "folder with -o"
        )


def check_start(config: TrainConfig, file: Path) -> None:
    """Refuse a config that starts from a run which is not there, and say what makes that.

    Args:
        config: its paths as they are in the file.
        file: where it stands; recipes that build on each other lie side by side.

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
        raise OptionError(f"{file}: {field} = {value!r}, and there is no such file; {mend}")


def _is_ours(path: Path) -> bool:
    """True for a config as a run writes it: one of a run that ended before its first checkpoint."""
    try:
        return path.read_text() == config_text(read_config(path))
    except (OSError, UnicodeDecodeError, OptionError):
        return False
