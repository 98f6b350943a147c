"""Fixtures of the unit tests: no database, no process, real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import hypothesis
import pytest

from tests.unit.harness import Bench, Line

# No deadline: it would measure the machine. The same examples every time: a failure is a change.
hypothesis.settings.register_profile("unit", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("unit")


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
    await opened.connection.close()
