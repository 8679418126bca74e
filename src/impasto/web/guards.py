"""Guards of a local page: which requests are accepted, and the headers of every answer.

A page of any other site can send requests to this machine, and its own name can be made to resolve
to it (DNS rebinding). So a request must use our name, and one that is sent by a page must come from
our page.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.errors import OptionError

__all__ = ["Guard", "Token", "check_token", "refusal"]

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

_TOKEN = re.compile(r"[A-Za-z0-9._~-]{8,200}")

_POLICY_VIOLATION = 1008

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Guard:
    """Application around an application: refuses what :func:`refusal` refuses, adds the headers."""

    def __init__(self, app: ASGIApp, *, loopback: bool = True, policy: str = "") -> None:
        """Guard an application.

        Args:
            app: application that is guarded.
            loopback: it is served to this machine only.
            policy: Content-Security-Policy of its pages; "" for that of :data:`HEADERS`.
        """
        self._app, self._loopback = app, loopback
        self._headers = {**HEADERS, **({"Content-Security-Policy": policy} if policy else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI request."""
        if scope["type"] not in ("http", "websocket"):
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        # A WebSocket begins as a GET request, which no page can make without its origin.
        method = scope.get("method", "GET")
        line = refusal(method, Headers(scope=scope), loopback=self._loopback)
        if not line:
            await self._app(scope, receive, with_headers)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await PlainTextResponse(line + "\n", 403)(scope, receive, with_headers)


class Token:
    """Application around an application: requests need a token.

    Programs send ``Authorization: Bearer TOKEN``. A browser opens the page as ``/?token=TOKEN``
    and gets it as a cookie, so that it is in no address, and pictures and sockets send it too.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Guard an application by a token of :func:`check_token`."""
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI request."""
        if scope["type"] not in ("http", "websocket"):
            return
        asked, server = HTTPConnection(scope), scope.get("server") or ("", 0)
        cookie = f"impasto-{server[1]}"  # cookies ignore ports
        scheme, _, word = asked.headers.get("authorization", "").partition(" ")
        if self._is_it(asked.cookies.get(cookie, "")) or (
            scheme.lower() == "bearer" and self._is_it(word.strip())
        ):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        answer: Response
        if self._is_it(QueryParams(scope["query_string"]).get("token", "")):
            answer = RedirectResponse(quote(scope["path"], safe="/"), 303)
            answer.set_cookie(cookie, self._token, httponly=True, samesite="lax")
        else:
            line = "this server needs a token: open the address that it printed, or send "
            answer = JSONResponse(
                {"error": f"{line}the header Authorization: Bearer TOKEN"},
                401,
                headers={"WWW-Authenticate": "Bearer"},
            )
        await answer(scope, receive, send)

    def _is_it(self, word: str) -> bool:
        return hmac.compare_digest(word.encode(), self._token.encode())


def check_token(token: str) -> str:
    """Check a token, and return it: 8 letters and digits or more.

    Raises:
        OptionError: with the rule for tokens.

    Example:
        >>> check_token("open-sesame")
        'open-sesame'
    """
    if not _TOKEN.fullmatch(token):
        raise OptionError(
            "a token must be 8 or more letters (a to z), digits and - . _ ~, so that it can be "
            "part of an address"
        )
    return token


def refusal(method: str, headers: Mapping[str, str], *, loopback: bool = True) -> str:
    """Return the reason why a request is refused; "" if it is not.

    Args:
        method: method of HTTP.
        headers: headers of the request, by names in lower case.
        loopback: only names of this machine are accepted. Else numeric addresses are accepted too,
            since nobody else can make one resolve here, and the machine's own name.

    Example:
        >>> refusal("GET", {"host": "localhost:8484"})
        ''
        >>> refusal("GET", {"host": "evil.example:8484"})
        "unknown host 'evil.example:8484': open the page by the address that was printed"
    """
    host = headers.get("host", "")
    if not _is_ours(host, loopback=loopback):
        return f"unknown host {host!r}: open the page by the address that was printed"
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        return f"requests from other pages ({origin}) are refused"
    site = headers.get("sec-fetch-site", "none")
    opened = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    if site not in ("none", "same-origin") and not opened:  # a link may lead here
        return f"requests from other pages ({site}) are refused"
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
