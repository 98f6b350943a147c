"""Fixtures of the unit tests: no database, no process, real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.harness import Bench, Line


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Everything for live kernels; fails the test that leaves a socket open."""
    made = Bench()
    yield made
    await made.close()


@pytest.fixture
async def line(bench: Bench) -> AsyncIterator[Line]:
    """A connection to a scripted kernel that answers."""
    opened = await Line.open(bench)
    yield opened
    opened.connection.close()
