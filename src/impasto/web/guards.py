"""Guards of a local page: who may ask, and what browsers are told about every answer.

A page of any other site can send requests to this machine, and a name of its own can be made to
lead here (DNS rebinding). So a request must name us as we are called, and one that comes from a
page must come from ours.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard", "refusal"]

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
"""Headers of every answer that does not set them itself."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Guard:
    """Application around an application: refuses what :func:`refusal` refuses, adds the headers."""

    def __init__(self, app: ASGIApp, *, loopback: bool = True) -> None:
        """Guard an application.

        Args:
            app: that is guarded.
            loopback: it is served to this machine alone.
        """
        self._app, self._loopback = app, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        if scope["type"] != "http":  # there are no sockets of the web here
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        line = refusal(scope["method"], Headers(scope=scope), loopback=self._loopback)
        answer = PlainTextResponse(line + "\n", 403) if line else self._app
        await answer(scope, receive, with_headers)


def refusal(method: str, headers: Mapping[str, str], *, loopback: bool = True) -> str:
    """The line that says why a request is refused; "" if it is not.

    Args:
        method: of HTTP.
        headers: of the request, by names in lower case.
        loopback: only names of this machine are taken. Else any number of an address is taken too,
            since no one else can make a number lead here, and the machine's own name.

    Example:
        >>> refusal("GET", {"host": "localhost:8484"})
        ''
        >>> refusal("GET", {"host": "evil.example:8484"})
        "this page is not called 'evil.example:8484': open it by the address that was printed"
    """
    host = headers.get("host", "")
    if not _is_ours(host, loopback=loopback):
        return f"this page is not called {host!r}: open it by the address that was printed"
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        return f"requests of other pages ({origin}) are not answered"
    site = headers.get("sec-fetch-site", "none")
    opened = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    if site not in ("none", "same-origin") and not opened:  # a link may lead here
        return f"requests of other pages ({site}) are not answered"
    return ""


def _is_ours(host: str, *, loopback: bool) -> bool:
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name = host
    name = name.lower()
    if name in _LOOPBACK:
        return True
    if loopback:
        return False
    with suppress(ValueError):
        ipaddress.ip_address(name.strip("[]"))
        return True
    own = socket.gethostname().lower()
    return name in {own, f"{own}.local", own.partition(".")[0]}
