"""One server for a module, and a session in it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import ClientConnection

from tests.live.websocket.talk import (
    open_socket,
    run,
)
from tests.server import Server, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for the module; it may have failed at nothing in the end."""
    with running_server() as server:
        yield server
        assert "Traceback" not in server.log()
        assert "never retrieved" not in server.log()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """An HTTP client for it."""
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def shared(server: Server) -> str:
    """The name of a session that has a kernel, for tests that leave nothing behind in it."""
    with open_socket(server, "shared") as socket:
        run(socket, "1")
    return "shared"


@pytest.fixture
def socket(server: Server, shared: str) -> Iterator[ClientConnection]:
    """A connection to that session."""
    with open_socket(server, shared) as opened:
        yield opened
