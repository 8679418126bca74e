"""Pages on the own machine: a small web server whose pages come from this package alone.

====================  =========================================================================
:mod:`.server`        a socket and a thread that serve an application until its block ends
:mod:`.guards`        who may ask: our own pages, by our own name; headers of every answer
:mod:`.newest`        the newest picture, for any number of viewers, none of whom holds it up
:mod:`.live`          the page of ``impasto live``: its state, its controls, its stream
:mod:`.site`          the page for photographs as files and facts, the same with a server or without
:mod:`.packages`      packages of others that a page of files has, and their versions and sums
:mod:`.build`         the page as a folder of files, for `impasto page build`
:mod:`.page`          the same page as an application, for `impasto serve`
:mod:`.api`           what it asks, and other programs too: forms in, pictures out
:mod:`.frames`        live frames over a WebSocket
:mod:`.forms`         fields of a request, generated from those of the option values
:mod:`.openapi`       the description of all this, generated from the same
:mod:`.painting`      requests through models, in threads, within limits of memory
:mod:`.places`        how much is painted at once, and waits; who leaves frees a place
:mod:`.limits`        the numbers of all that
:mod:`.figures`       what a server has done, without a name of any picture
``static/``           HTML, CSS and modules of JavaScript, without a byte from elsewhere
====================  =========================================================================

An application knows nothing of films, cameras and pictures' files: it is given an object with a
small protocol, such as :class:`impasto.web.live.Stage`. Starlette and uvicorn are the extra
``web``; :func:`check_installed` comes before the import of any of these modules.
"""

from __future__ import annotations

from importlib.util import find_spec

from impasto.errors import WebError

__all__ = ["HOST", "PORT", "check_installed"]

HOST = "127.0.0.1"
"""The default address: this machine alone."""

PORT = 8484
"""The port that is tried first if none is asked for."""


def check_installed(*others: str) -> None:
    """Refuse to go on without the packages that pages need.

    Args:
        others: modules that a page needs beside those that all need.

    Raises:
        WebError: with the command that installs them.

    Example:
        >>> check_installed()
    """
    needed = ("starlette", "uvicorn", *others)
    missing = [name.replace("_", "-") for name in needed if find_spec(name) is None]
    if missing:
        raise WebError(f"the page needs {' and '.join(missing)}: pip install 'impasto[web]'")
