"""One server for a module, and for every test as many sessions of its own as it wants."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.live.host.session import Session
from tests.server import Server, running_server

_numbers = itertools.count(1)

OpenSession = Callable[[], Session]


@pytest.fixture(scope="module")
def server(settings: dict[str, str]) -> Iterator[Server]:
    """One server for the module."""
    with running_server(settings) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """An HTTP client for it."""
    with server.client() as client:
        yield client


@pytest.fixture
def open_session(client: httpx.Client) -> Iterator[OpenSession]:
    """Gives sessions that are new, each with a kernel of its own; the test's end destroys them."""
    opened: list[Session] = []

    def open_one() -> Session:
        opened.append(Session(client, f"notebook-{next(_numbers)}"))
        return opened[-1]

    yield open_one
    for session in opened:
        session.destroy()


@pytest.fixture
def session(open_session: OpenSession) -> Session:
    """A new session."""
    return open_session()
