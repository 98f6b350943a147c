"""This project's server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from benchmarks.measure import Caller
from tests.server import running_server

NAME = "KernelBox on Django"


@contextlib.contextmanager
def serving(settings: dict[str, str] | None = None) -> Iterator[int]:
    """Start it; yields its port."""
    with running_server(settings) as server:
        yield server.port


def caller(port: int) -> Caller:
    """A client for it."""
    return Caller(port)
