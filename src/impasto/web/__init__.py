"""Local pages: a small web server whose pages come from this package alone.

====================  =========================================================================
:mod:`.server`        a socket and a thread that serve an application until its block ends
:mod:`.guards`        which requests are accepted: of our own pages, by our own name; headers
:mod:`.newest`        the newest picture, for any number of viewers, none of whom blocks it
:mod:`.live`          the page of ``impasto live``: its state, its controls, its stream
:mod:`.site`          the page for photographs as files and facts, the same with a server or without
:mod:`.packages`      third-party packages of a page of files, and their versions and sums
:mod:`.build`         the page as a folder of files, for `impasto page build`
:mod:`.page`          the same page as an application, for `impasto serve`
:mod:`.api`           its interface, for other programs too: forms in, pictures out
:mod:`.frames`        live frames over a WebSocket
:mod:`.forms`         fields of a request, generated from those of the option values
:mod:`.openapi`       the description of all this, generated from the same
:mod:`.painting`      requests through models, in threads, within limits of memory
:mod:`.places`        how much is painted at once, and waits; a client that leaves frees a place
:mod:`.limits`        the limits for all that
:mod:`.figures`       statistics of a server, without a name of any picture
``static/``           HTML, CSS and modules of JavaScript, without a byte from elsewhere
====================  =========================================================================

An application does not depend on films, cameras and pictures' files: it is given an object with a
small protocol, such as :class:`impasto.web.live.Stage`. Starlette and uvicorn are the extra
``web``; :func:`check_installed` is called before any of these modules is imported.
"""

from __future__ import annotations

from importlib.util import find_spec

from impasto.errors import WebError

__all__ = ["HOST", "PORT", "check_installed"]

HOST = "127.0.0.1"
"""The default address: this machine only."""

PORT = 8484
"""The port that is tried first if none is given."""


def check_installed(*others: str) -> None:
    """Raise an error if packages that pages need are missing.

    Args:
        others: modules that a page needs beside those that all pages need.

    Raises:
        WebError: with the command that installs them.

    Example:
        >>> check_installed()
    """
    needed = ("starlette", "uvicorn", *others)
    missing = [name.replace("_", "-") for name in needed if find_spec(name) is None]
    if missing:
        raise WebError(f"the page needs {' and '.join(missing)}: pip install 'impasto[web]'")
