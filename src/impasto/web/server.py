"""A server in a separate thread: it runs as long as its block, and is silent."""

from __future__ import annotations

import ipaddress
import logging
import socket
import time
from contextlib import suppress
from threading import Thread
from types import TracebackType

import uvicorn
from starlette.types import ASGIApp

from impasto.errors import WebError, one_line
from impasto.web import HOST, PORT
from impasto.web.guards import Guard

__all__ = ["PageServer"]

# Data on its way to a slow viewer is old when it arrives, so the buffer is small.
_SEND_BYTES = 32_768

# Each is an open file; this is the most that clients can hold open.
_CONNECTIONS = 250

_START_SECONDS, _STOP_SECONDS = 10.0, 5.0


class PageServer:
    """Server of an application from entering its block until leaving it.

    Attributes:
        address: address to open in a browser.
        loopback: whether only this machine can reach it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str = HOST,
        port: int | None = None,
        policy: str = "",
        live: bool = True,
        message_bytes: int = 0,
    ) -> None:
        """Take the port, without answering yet.

        Args:
            app: the application. It is guarded (:mod:`impasto.web.guards`).
            host: address of this machine to listen at, as a number or a name.
            port: 0 for any free one; None for PORT, or any free one if that is taken.
            policy: as for :class:`impasto.web.guards.Guard`.
            live: what is sent is live, so that little of it is buffered.
            message_bytes: the largest message of a WebSocket; 0: there are none.

        Raises:
            WebError: if the address or the port is not available.
        """
        self.loopback = _is_loopback(host)
        self._socket = _listening(host, port, _SEND_BYTES if live else None)
        number = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        if host in ("0.0.0.0", "::"):  # every address of this machine
            shown = "127.0.0.1" if host == "0.0.0.0" else "[::1]"
        self.address = f"http://{shown}:{number}/"
        config = uvicorn.Config(
            Guard(app, loopback=self.loopback, policy=policy),
            http="h11",
            ws="websockets-sansio" if message_bytes else "none",
            ws_max_size=message_bytes,
            ws_per_message_deflate=False,  # pictures are compressed already
            limit_concurrency=_CONNECTIONS,
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._thread = Thread(target=self._run, name="page", daemon=True)

    def __enter__(self) -> PageServer:
        self._thread.start()
        until = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                raise WebError(f"{self.address}: the page cannot be served; give another --port")
            time.sleep(0.005)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A viewer that no longer reads is cut off, which is not an error.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)

    def wait(self) -> None:
        """Wait until the server ends, which it does by itself only if something is wrong."""
        self._thread.join()

    def _run(self) -> None:
        with suppress(SystemExit):  # of uvicorn, if it cannot start
            self._server.run(sockets=[self._socket])


class _Server(uvicorn.Server):
    """Server that closes all connections at its end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:  # of a viewer that no longer reads
                transport.abort()


def _listening(host: str, port: int | None, send_bytes: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in (PORT, 0) if port is None else (port,):
        try:
            found = socket.create_server((host, number), family=family)
        except OverflowError as error:
            raise WebError(f"port {number} must be from 0 to 65535") from error
        except OSError as error:
            if port is None and number:
                continue
            raise WebError(
                f"{host}, port {number}, cannot be used ({one_line(error)}): give another --port, "
                "or omit it to use a free one"
            ) from error
        if send_bytes is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
        return found
    raise AssertionError("port 0 is free or an error")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
