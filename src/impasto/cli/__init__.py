"""The command ``impasto``.

Only click is imported at the top, so that ``impasto --help`` answers at once: large modules are
imported by the commands that need them. Defaults are those of the library.
Other packages plug in commands by entry points of the group ``impasto.commands``, which name
click commands; they are imported only when they are called.
"""

from __future__ import annotations

import glob
import importlib
import io
import os
import shlex
import signal
import sys
import warnings
from contextlib import suppress
from typing import Any

import click
from click.shell_completion import CompletionItem

from impasto import __version__
from impasto.cli.groups import WordedGroup, say_option
from impasto.cli.lines import say
from impasto.cli.signals import Signals, stopping
from impasto.errors import ImpastoError, escaped, interruption

FAILED, PIPE_CLOSED = 2, 1
"""Exit codes of the command."""

GROUP = "impasto.commands"
"""Group of entry points for commands of other packages."""

# The module and the first line of help of each command: importing all of them for the help would
# take longer than everything else.
_COMMANDS = {
    "stylize": (
        "impasto.cli.stylize:stylize",
        "Paint photographs in the style of a picture, or of several.",
    ),
    "video": (
        "impasto.cli.video:video",
        "Paint a film in the style of a picture, keeping its sound, timing and colors.",
    ),
    "dataset": (
        "impasto.cli.dataset:dataset",
        "Paint a data set: each picture in its own style, with labels kept.",
    ),
    "live": (
        "impasto.cli.live:live",
        "Paint a live camera, shown on a page in the browser.",
    ),
    "serve": (
        "impasto.cli.serve:serve",
        "Serve a web page for painting, and an API for programs.",
    ),
    "page": (
        "impasto.cli.page:page",
        "Build the web page that paints in the visitors' browsers.",
    ),
    "grid": (
        "impasto.cli.figures:grid",
        "Draw a grid that blends four styles, one at each corner.",
    ),
    "strip": (
        "impasto.cli.figures:strip",
        "Draw a photograph at several strengths of a style, from none to full.",
    ),
    "style": (
        "impasto.cli.styles:style",
        "Save styles under a name, for use in place of style pictures.",
    ),
    "styles": (
        "impasto.cli.styles:styles",
        "List the named styles: your own and those of the gallery.",
    ),
    "models": (
        "impasto.cli.models:models",
        "List the models and engines, or describe .impasto files.",
    ),
    "doctor": (
        "impasto.cli.doctor:doctor",
        "Check the installation and report problems; use it for bug reports too.",
    ),
    "completion": (
        "impasto.cli.shells:completion_command",
        "Print the shell completion script for this command.",
    ),
}


# Words that users may type for a command, and the command that is meant.
_WORDS = {
    **dict.fromkeys(
        ("paint", "transfer", "apply", "run", "convert", "process", "mix", "blend"),
        "impasto stylize",
    ),
    **dict.fromkeys(("film", "movie", "clip", "animate", "gif"), "impasto video"),
    **dict.fromkeys(("camera", "webcam", "stream"), "impasto live"),
    **dict.fromkeys(("datasets", "data", "imagefolder", "augment"), "impasto dataset"),
    **dict.fromkeys(("website", "site", "html", "publish"), "impasto page build"),
    **dict.fromkeys(("server", "web", "gui", "ui", "api", "http"), "impasto serve"),
    **dict.fromkeys(("list", "ls", "gallery", "list-styles"), "impasto styles"),
    **dict.fromkeys(("model", "engines", "engine", "list-models", "info"), "impasto models"),
    "add": "impasto style add",
    "remove": "impasto style remove",
    "show": "impasto style show",
    "help": "impasto --help",
    "version": "impasto --version",
    **dict.fromkeys(("check", "diagnose", "debug", "env", "report", "test"), "impasto doctor"),
    **dict.fromkeys(("complete", "completions", "autocomplete"), "impasto completion"),
    **{
        name: f"impasto lab {name}"
        for name in (
            "train", "finetune", "tune", "evaluate", "export", "import", "decoder", "fetch",
            "methods",
        )
    },
}  # fmt: skip


class Commands(WordedGroup):
    """Click group that imports a command only when it is called, and paints if none is named."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with: stylize for pictures, video for films."""
        name = args[0]
        if name not in self.list_commands(ctx) and not self.hint(ctx, name) and _is_picture(name):
            args = ["video" if _is_film(name) else "stylize", *args]
            if not ctx.resilient_parsing and not {"-q", "--quiet"} & {*args}:
                say(f"impasto: running impasto {shlex.join(args)}", err=True)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands, without importing them, and of pictures."""
        found: list[CompletionItem] = click.Command.shell_complete(self, ctx, incomplete)
        if incomplete.startswith("-"):
            return found
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        lines = {name: line for name, (_, line) in _COMMANDS.items()}
        found += [CompletionItem(name, help=lines.get(name)) for name in names]
        if found:
            return found
        from impasto.cli.completion import pictures_and_films

        return pictures_and_films(ctx, self.params[0], incomplete)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, those of other packages last."""
        return list(dict.fromkeys([*_COMMANDS, *sorted(plugged_in())]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Raises:
            ImpastoError: if it is plugged in and its package cannot be imported.
        """
        if cmd_name in _COMMANDS:
            module, _, name = _COMMANDS[cmd_name][0].partition(":")
            command: click.Command = getattr(importlib.import_module(module), name)
            return command
        from importlib.metadata import entry_points

        for plugin in entry_points(group=GROUP, name=cmd_name):
            try:
                command = plugin.load()
            except ImportError as error:
                raise ImpastoError(
                    f"{cmd_name!r} needs {error.name or 'another package'}: "
                    f"pip install '{plugged_in()[cmd_name]}'"
                ) from error
            return command
        return None

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; click would write an empty line when it is interrupted."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise click.Abort from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line of help for each command, without importing it."""
        rows = [(name, line) for name, (_, line) in _COMMANDS.items()]
        for name, package in sorted(plugged_in().items()):
            if name not in _COMMANDS:
                rows.append((name, f"Command of {package}; see impasto {name} --help."))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _is_picture(name: str) -> bool:
    """True for a name that can only be a photograph: a path, a pattern, an address."""
    return (
        os.path.lexists(name)
        or os.path.splitext(name)[1] != ""  # noqa: PTH122
        or os.sep in name
        or glob.has_magic(name)
    )


def _is_film(name: str) -> bool:
    from impasto.video.options import is_film

    return is_film(name)


@click.group(cls=Commands, words=_WORDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Paint a photograph, or a film, in the style of another picture, offline.

    \b
    impasto stylize street.jpg wave.jpg
    impasto street.jpg wave.jpg             (the same)
    impasto video clip.mp4 -s munch-scream
    """


def plugged_in(group: str = GROUP) -> dict[str, str]:
    """Return the plug-ins of other packages, each with the requirement that pip installs for it.

    Args:
        group: group of entry points.

    The files of metadata are read directly: importing importlib.metadata takes as long as all the
    rest of ``impasto --help``.
    """
    found: dict[str, str] = {}
    for folder in sys.path:
        for file in glob.iglob(os.path.join(folder, "*.dist-info", "entry_points.txt")):  # noqa: PTH118, PTH207
            with open(file, encoding="utf-8") as stream:  # noqa: PTH123
                _, _, section = stream.read().partition(f"[{group}]\n")
            package = os.path.basename(os.path.dirname(file)).partition("-")[0]  # noqa: PTH119, PTH120
            for line in section.partition("\n[")[0].splitlines():
                name, _, place = line.partition("=")
                extras = place.partition("[")[1:]
                found.setdefault(name.strip(), package + "".join(extras).replace(" ", ""))
    found.pop("", None)
    return found


def main() -> None:
    """Run the command and exit.

    The exit code is 0 if all is done, 1 if the output was closed, 2 if something failed, and 128
    and the number of a signal that stopped it: 130 for Ctrl-C.
    """
    with stopping() as signals:
        code = _run(signals)
    sys.exit(code)


def _run(signals: Signals) -> int:
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115, PTH123
        elif isinstance(stream, io.TextIOWrapper) and name != "stdin":
            stream.reconfigure(errors="backslashreplace")  # for names that cannot be encoded
    if not sys.warnoptions:  # libraries' warnings about odd files do not help a user
        warnings.simplefilter("ignore")
    if "_IMPASTO_COMPLETE" in os.environ:  # a shell requests completions
        from impasto.cli.shells import register

        register()
    try:
        code: int | None = cli.main(prog_name="impasto", standalone_mode=False)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return _interrupted(signals)
    except Exception as error:
        # A signal may surface as an error of a library that was being loaded, or of a terminal that
        # closed with it.
        if interruption(error) or (signals.number and isinstance(error, OSError)):
            return _interrupted(signals)
        return _tell(error)
    return code or 0


def _tell(error: Exception) -> int:
    """Write the line of an error and return the exit code; raise it again if it is a bug."""
    if isinstance(error, click.NoSuchOption):
        error = say_option(error)
    if isinstance(error, click.ClickException):
        vars(error)["message"] = escaped(error.message)  # which may contain a file name
        error.show()
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        _close_stdout()
        return PIPE_CLOSED
    if isinstance(error, MemoryError):
        say("impasto: not enough memory for a picture of this size", err=True)
    elif isinstance(error, ImpastoError):
        say(f"impasto: {str(error).strip()}", err=True)
    elif isinstance(error, OSError):
        # Those of files are reported by their readers and writers; without a name it is a stream's.
        name = error.filename or "standard output"
        say(f"impasto: {name}: {error.strerror or error}", err=True)
        _close_stdout()
    else:
        raise error
    return FAILED


def _interrupted(signals: Signals) -> int:
    with suppress(OSError):  # a closed terminal takes no more lines
        if sys.stderr.isatty():
            say(err=True)  # the row has a progress bar or ^C
        say(f"impasto: {signals.line()}", err=True)
    try:
        sys.stdout.flush()
    except OSError:
        _close_stdout()
    return 128 + (signals.number or signal.SIGINT)


def _close_stdout() -> None:
    # Python flushes once more on exit; without a null device that would fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
