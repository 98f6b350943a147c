"""This project's server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from benchmarks.peers.http_session import sessions
from benchmarks.peers.session import Open
from tests.server import running_server

NAME = "KernelBox on Django"


@contextlib.contextmanager
def serving(settings: Mapping[str, str] | None = None) -> Iterator[Open]:
    """Start it."""
    with running_server(settings) as server:
        yield sessions(server.port)
