"""What `impasto stylize` asks of methods of the lab, which paint by optimization."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from impasto.cli.options import given
from impasto.errors import OptionError

if TYPE_CHECKING:
    from tqdm import tqdm

C = TypeVar("C", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)

_OPTIONS = (
    click.option(
        "--vgg",
        type=_FILE,
        help="A file of VGG-19, for methods of the lab  [default: what $IMPASTO_VGG names, or "
        "`impasto lab fetch vgg19` has fetched]",
    ),
    click.option(
        "--steps", type=int, metavar="N", help="Steps of a method of the lab  [default: its own]"
    ),
    click.option(
        "--set",
        "changes",
        metavar="NAME=VALUE",
        multiple=True,
        help="An option of a method of the lab; `impasto lab methods` lists them.",
    ),
    click.option(
        "--preview", type=_FILE, metavar="FILE", help="Write the picture so far, every 25th step."
    ),
    click.option(
        "--checkpoint",
        type=_FILE,
        metavar="FILE",
        help="Keep a run of a method of the lab, and go on from there if it was stopped.",
    ),
)

_PREVIEW_EVERY = 25


@dataclass(frozen=True)
class MethodOptions:
    """What these options say."""

    vgg: Path | None
    steps: int | None
    changes: tuple[str, ...]
    preview: Path | None
    checkpoint: Path | None

    def check(
        self, model: str | None, pictures: int, *, tile: int | None, memory: int | None
    ) -> None:
        """Refuse them for a model that is no method of the lab, and what a method cannot do.

        Raises:
            OptionError: naming the options.
        """
        from impasto.models import MODELS, lab_module

        asked = given(
            vgg=self.vgg,
            steps=self.steps,
            set=self.changes or None,
            preview=self.preview,
            checkpoint=self.checkpoint,
        )
        if model is None or lab_module(model) is None:
            if asked:
                names = ", ".join(row.name for row in MODELS if row.lab)
                raise OptionError(
                    f"--{next(iter(asked))} is for methods of the lab: give --model, one of {names}"
                )
            return
        for name in given(tile=tile, memory=memory):
            raise OptionError(
                f"{model} looks at a picture as a whole and cannot paint in tiles: leave --{name} "
                "out, and give a smaller --size if memory is scarce"
            )
        if pictures > 1 and (self.checkpoint or self.preview):
            raise OptionError(
                f"--checkpoint and --preview are for one picture, not for {pictures}; paint them "
                "one by one, or leave it out"
            )

    def of(self, model: str | None) -> dict[str, Any]:
        """What the method's ``paint`` takes; nothing for other models."""
        from impasto.models import lab_module

        if model is None or lab_module(model) is None:
            return {}
        import importlib

        read: Any = importlib.import_module("impasto.lab.optimize.settings").read_settings
        return given(
            steps=self.steps,
            options=read(self.changes) or None,
            checkpoint=self.checkpoint,
        )

    def watcher(self, bar: tqdm[Any]) -> Callable[[Any], None]:
        """Shows the steps and losses on the bar, and writes the preview."""

        def watch(progress: Any) -> None:
            losses = " ".join(f"{name} {value:.3g}" for name, value in progress.losses.items())
            bar.set_description_str(f"{progress.step}/{progress.steps} {losses}")
            last = progress.step == progress.steps
            if self.preview is not None and (progress.step % _PREVIEW_EVERY == 0 or last):
                from impasto.images.options import SaveOptions
                from impasto.images.photo import write_image

                image = progress.image[0].clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()
                write_image(image, self.preview, save=SaveOptions(overwrite=True))

        return watch


def method_options(command: C) -> C:
    """The options of methods, after the command's own; it gets them as ``method``."""

    @functools.wraps(command)
    def with_method(**options: Any) -> Any:
        method = {each.name: options.pop(each.name) for each in fields(MethodOptions)}
        return command(**options, method=MethodOptions(**method))

    wrapped = cast(C, with_method)
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
