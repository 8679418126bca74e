"""``impasto lab gallery``: the included named styles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from impasto.cli import completion
from impasto.cli.lines import say
from impasto.cli.options import overwrite_option
from impasto.errors import one_line
from impasto.lab.cli.tune import Tuning, tuning_options

if TYPE_CHECKING:
    from impasto.lab.export.gallery import Progress
    from impasto.lab.tuning.files import Result

_FILE = click.Path(path_type=Path)

WORK = Path("runs/gallery")
"""Default folder of unfinished tuned styles."""


@click.command()
@click.argument("paintings", type=_FILE)
@click.option(
    "--model",
    "models",
    metavar="NAME|FILE",
    multiple=True,
    shell_complete=completion.models,
    help="Make styles for this model only; may be repeated  [default: all included models]",
)
@click.option("--works", type=_FILE, help="Table of works to use instead of the included one.")
@click.option("-o", "--out", type=_FILE, help="Folder of the gallery  [default: in the package]")
@tuning_options(
    "Tune the styles on these photographs, as `impasto lab tune` does; may be repeated.",
    required=False,
)
@click.option(
    "--work",
    type=_FILE,
    metavar="FOLDER",
    default=WORK,
    show_default=True,
    help="Folder for tuned styles in progress, one file per style.",
)
@overwrite_option("Replace existing styles, and delete those that are not in the table.")
def gallery(
    paintings: Path,
    models: tuple[str, ...],
    works: Path | None,
    out: Path | None,
    tuning: Tuning,
    work: Path,
    overwrite: bool,
) -> None:
    """Make the included styles from works in the folder PAINTINGS.

    The table lab/export/gallery.toml lists the works. With --overwrite, styles of works that are
    no longer in it are deleted.

    With --photographs every style is tuned, which takes minutes per style. After an interruption,
    run the same command again to resume. It also repeats styles that were made for another model,
    from another picture or with other settings. The gallery changes only when all styles are done.
    """
    from impasto.lab.export.gallery import WORKS, make_gallery, make_tuned_gallery, read_works
    from impasto.styles.places import GALLERY

    table, folder = read_works(works or WORKS), out or GALLERY
    if tuning.photographs:
        with tuning.judge() as judge:
            made = make_tuned_gallery(
                paintings,
                judge,
                work=work,
                models=models or None,
                works=table,
                folder=folder,
                overwrite=overwrite,
                watch=_tell,
            )
    else:
        for name, value in vars(tuning).items():
            if value not in (None, ()):
                option = "set" if name == "settings" else name
                raise click.UsageError(
                    f"--{option} applies only to tuned styles; give the photographs to tune on: "
                    "--photographs PLACE"
                )
        made = make_gallery(
            paintings, models=models or None, works=table, folder=folder, overwrite=overwrite
        )
    for shelf in dict.fromkeys(path.parent for path in made):
        sizes = [path.stat().st_size for path in made if path.parent == shelf]
        say(f"{shelf}: {len(sizes)} styles, {sum(sizes) / 1000:.0f} kB")


def _tell(result: Result, progress: Progress) -> None:
    """Print a finished style and the overall progress, in a line."""
    place = f"{progress.done} of {progress.count}"
    if progress.seconds:
        place += f", {_duration(progress.seconds)} left"
    model, name = result.style.model_name, result.job.name
    seconds = "" if result.seconds is None else f" ({result.seconds:.0f} s)"
    say(f"{model}, {one_line(name)}: {result.style.tuned}{seconds}; {place}")


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"about {minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
