"""One host for a module, and for every test connections and kernels of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.unit.host.harness import RunningHost
from tests.unit.host.nest import Nest
from tests.unit.host.peer import Peer
from tests.unit.host.stage import Stage

NewHost = Callable[..., RunningHost]


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    """One host for the module."""
    running = RunningHost()
    yield running
    running.close()


@pytest.fixture
def new_host() -> Iterator[NewHost]:
    """Starts hosts for this test alone."""
    started: list[RunningHost] = []

    def start(*options: str, **more: object) -> RunningHost:
        started.append(RunningHost(*options, **more))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for running in started:
        running.close()


@pytest.fixture
def peer(host: RunningHost) -> Iterator[Peer]:
    """A connection to the module's host."""
    connected = host.peer()
    yield connected
    connected.close()


@pytest.fixture
def nest(host: RunningHost) -> Iterator[Nest]:
    """Starts kernels; at the test's end they are gone, with all that was theirs."""
    opened = Nest(host)
    yield opened
    opened.close()


@pytest.fixture
def own_nest(new_host: NewHost) -> Iterator[Nest]:
    """As ``nest``, of a host for this test alone."""
    opened = Nest(new_host())
    yield opened
    opened.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A kernel's output without a kernel."""
    opened = Stage()
    yield opened
    opened.close()
