"""Command ``impasto serve``: the page, painted by this machine, and its interface for programs."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import click

from impasto.cli.lines import say
from impasto.cli.options import ModelOptions, options_of
from impasto.errors import ModelError, OptionError
from impasto.images.options import option
from impasto.painting import Budget
from impasto.web import HOST, PORT, check_installed
from impasto.web.limits import Limits

# A server has several models, and chooses tiles itself.
_LEFT_OUT = ("budget.tile", "engine.model")


@dataclass(frozen=True, kw_only=True)
class ServeTask:
    """Options of the address and of what is served there.

    Attributes:
        host: host to listen at.
        port: port to listen at.
        model: names or files of models.
        token: token that requests must have.
        open: open the page in a browser.
        quiet: print errors only.
    """

    host: str = option(
        HOST,
        "Address to serve at; 0.0.0.0 for all addresses of this machine, so that other machines "
        "can paint here.",
        metavar="ADDRESS",
    )
    port: int | None = option(
        None,
        "Port; 0 for any free port.",
        metavar="N",
        shown=f"{PORT}, or any free port",
    )
    model: Sequence[str] = option(
        (),
        "Model to serve: a name from `impasto models`, or an .impasto file. If several are given, "
        "the first is the default.",
        metavar="NAME|FILE",
        complete="model",
        shown="all that ship with the package",
    )
    token: str = option(
        "",
        "Token that every request must contain: 8 or more letters and digits.",
        metavar="WORD",
    )
    open: bool = option(False, "Open the page in a browser.")
    quiet: bool = option(False, "Print errors only.", short="-q")


@click.command()
@options_of(task=ServeTask, limits=Limits, engine=ModelOptions, budget=Budget, leave_out=_LEFT_OUT)
def serve(task: ServeTask, limits: Limits, engine: ModelOptions, budget: Budget) -> int:
    """Serve a web page for painting, and an API for programs.

    Uploads are not stored, and no URLs are fetched. Only this machine can open the page, unless
    --host is given. Ctrl-C stops the server.

    Programs send forms to /api/stylize; /openapi.json describes the API.

    \b
    impasto serve --open
    impasto serve --host 0.0.0.0 --token open-sesame
    curl -F content=@street.jpg -F style=munch-scream http://127.0.0.1:8484/api/stylize -o out.jpg
    """
    check_installed("python_multipart", "websockets")
    from impasto.web.guards import check_token

    if task.token:
        check_token(task.token)
    from impasto.models.engine import available_cores
    from impasto.models.memory import share_memory
    from impasto.web.api import Api
    from impasto.web.frames import MAX_FRAME_BYTES
    from impasto.web.page import page_app
    from impasto.web.painting import Models, Served, Studio
    from impasto.web.places import Places
    from impasto.web.server import PageServer
    from impasto.web.site import POLICY

    share_memory()
    jobs, threads = _shared(engine.threads, available_cores())
    served = []
    for name in task.model or _shipped():
        options = replace(engine, model=name, threads=threads)
        bundle = options.bundle()
        if bundle is None:
            raise ModelError(f"{name!r} is a method without a bundle; only models can be served")
        served.append(Served(bundle.card, bundle.identity, options.load))
    models = Models(served)
    if engine != ModelOptions(threads=engine.threads):
        models.open(None)  # report errors now; by default models are loaded on first use
    places = Places(jobs, limits.queue, limits.seconds)
    studio = Studio(models, limits, memory=budget.memory, jobs=jobs)
    log = None if task.quiet else partial(say, err=True)
    app = page_app(Api(studio, limits, places), models, token=task.token, log=log)
    server = PageServer(
        app,
        host=task.host,
        port=task.port,
        policy=POLICY,
        live=False,
        message_bytes=MAX_FRAME_BYTES,
    )
    with server:
        address = server.address + (f"?token={task.token}" if task.token else "")
        if not task.quiet:
            say(f"{address} is the page; press Ctrl-C to stop")
            if not server.loopback and not task.token:
                say(
                    "impasto: anyone who can reach this machine can paint here; --token WORD "
                    "limits access to those who know the word",
                    err=True,
                )
        if task.open:
            import webbrowser

            webbrowser.open(address)
        try:
            server.wait()
        except KeyboardInterrupt as stopped:
            if getattr(stopped, "number", signal.SIGINT) != signal.SIGINT:
                raise
        finally:
            places.close()
    return 0


def _shared(threads: int | None, cores: int) -> tuple[int, int]:
    """Number of pictures painted at once, and threads of each.

    Several pictures, each in one thread, take less time than one after the other in all of them.
    """
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}; give 1 or more")
    each = threads or 1
    return max(1, cores // each), each


def _shipped() -> list[str]:
    """Models that ship, the default first."""
    from impasto.models import DEFAULT_MODEL, MODELS

    names = [row.name for row in MODELS if row.path is not None]
    return sorted(names, key=lambda name: name != DEFAULT_MODEL)
