"""An ASGI application that does nothing: what HTTP itself costs with this client and uvicorn."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from benchmarks.peers.http_session import Caller, sessions
from benchmarks.peers.process import folder, started
from benchmarks.peers.session import Open
from tests.server import free_port

NAME = "ASGI application that does nothing"
ROOT = Path(__file__).parents[2]
ANSWER = b'{"status":"success","output":"","stderr":"","error":null,"return_value":"2"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """The same answer to every request."""
    await receive()
    await send(
        {"type": "http.response.start", "status": 200, "headers": HEADERS, "trailers": False}
    )
    await send({"type": "http.response.body", "body": ANSWER, "more_body": False})


@contextlib.contextmanager
def serving() -> Iterator[Open]:
    """Start it under uvicorn as our server runs."""
    port = free_port()
    options = {
        "--app-dir": str(ROOT),
        "--port": str(port),
        "--loop": "uvloop",
        "--http": "httptools",
        "--lifespan": "off",
        "--log-level": "warning",
    }
    command = [sys.executable, "-m", "uvicorn", f"{__name__}:application"]
    command += [word for option in options.items() for word in option]
    with (
        folder() as home,
        contextlib.closing(Caller(port)) as caller,
        started(command, {}, home, lambda: caller.request("GET", "/")),
    ):
        yield sessions(port)
