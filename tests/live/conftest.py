"""Real servers with real kernels; after every test nothing of it may be left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest

from tests.server import Server, running_server

#: Kernels that wait for a session, if the settings do not say otherwise.
SPARES = 2
#: Seconds for a condition that follows from what was done to come true.
SOON = 10.0


def eventually(condition: Callable[[], bool], limit: float = SOON) -> None:
    """Return once ``condition`` holds; fail if it does not within ``limit`` seconds."""
    give_up_at = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < give_up_at, f"did not come true within {limit:g} s"
        time.sleep(0.01)


def kernel_processes(server: Server, client: httpx.Client) -> int:
    """How many kernels run, those that wait for a session left out."""
    [host] = psutil.Process(server.process.pid).children()
    return len(host.children()) - int(client.get("/health").json()["spares"])


class Leftovers:
    """What a server holds while it has no kernel: any more than that is left over."""

    def __init__(self, server: Server) -> None:
        self._process = psutil.Process(server.process.pid)
        self._runtime_dir = server.runtime_dir
        self._allowed = self._held()

    def _held(self) -> tuple[int, int, int]:
        """Processes that it started, the kernel host among them; files; descriptors."""
        processes = len(self._process.children(recursive=True))
        return processes, len(list(self._runtime_dir.iterdir())), self._process.num_fds()

    def none(self) -> bool:
        """Whether nothing is left over."""
        return all(now <= most for now, most in zip(self._held(), self._allowed, strict=True))


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """The server's settings; a module may have its own."""
    return {}


@pytest.fixture(scope="module")
def running(settings: dict[str, str]) -> Iterator[tuple[Server, Leftovers]]:
    """One server for a module, after it has had its first kernel."""
    with running_server(settings) as server:
        with server.client() as client:
            client.post("/sessions/first/execute", json={"code": "1"}).raise_for_status()
            client.get("/executions").raise_for_status()
            client.delete("/kernels").raise_for_status()
            eventually(lambda: client.get("/health").json()["spares"] == SPARES)
        yield server, Leftovers(server)


@pytest.fixture
def server(running: tuple[Server, Leftovers]) -> Iterator[Server]:
    """The module's server. After the test its kernels are destroyed, and nothing of them is left."""
    server, leftovers = running
    yield server
    with server.client() as client:
        for session in client.get("/sessions").json()["sessions"]:
            client.delete(f"/sessions/{session['name']}").raise_for_status()
        client.delete("/kernels").raise_for_status()
    eventually(leftovers.none)


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """An HTTP client for the server."""
    with server.client() as client:
        yield client


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(client: httpx.Client) -> Run:
    """Run code in a session, ``demo`` unless another is named, and return the result."""

    def run_code(code: str, session: str = "demo", **fields: Any) -> dict[str, Any]:
        response = client.post(f"/sessions/{session}/execute", json={"code": code} | fields)
        assert response.status_code == 200, response.text
        result: dict[str, Any] = response.json()
        return result

    return run_code
