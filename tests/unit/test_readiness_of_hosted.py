"""A kernel of the host runs when it is connected to: it is heard as soon as it says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from jupyter_client.session import Session

from kernels.runtime.connection import Connection
from kernels.runtime.readiness import NUDGE_INTERVAL, wait_until_subscribed
from tests.unit.harness import Bench, soon
from tests.unit.hosted_kernel import HostedLauncher


@pytest.fixture
async def launcher(bench: Bench) -> AsyncIterator[HostedLauncher]:
    """Launches kernels of the host."""
    made = HostedLauncher(bench)
    yield made
    await made.close()


async def test_a_kernel_that_welcomes_is_ready_without_a_question(
    bench: Bench, launcher: HostedLauncher
) -> None:
    kernel = await launcher.launch()
    connection = Connection(kernel.info, bench.context)
    assert not connection.subscribed.is_set()
    await soon(wait_until_subscribed(connection))
    assert connection.received == 1
    assert kernel.asked == []
    connection.close()


async def test_a_kernel_that_does_not_welcome_is_asked(
    bench: Bench, launcher: HostedLauncher
) -> None:
    launcher.welcomes = False
    kernel = await launcher.launch()
    connection = Connection(kernel.info, bench.context)
    begun = asyncio.get_running_loop().time()
    await soon(wait_until_subscribed(connection))
    assert asyncio.get_running_loop().time() - begun >= NUDGE_INTERVAL
    assert kernel.asked == ["kernel_info_request"]
    assert not connection.subscribed.is_set()
    connection.close()


async def test_a_welcome_that_the_kernel_has_not_signed_is_none(
    bench: Bench, launcher: HostedLauncher
) -> None:
    launcher.welcomes = False
    kernel = await launcher.launch()
    connection = Connection(kernel.info, bench.context)
    await soon(wait_until_subscribed(connection))
    forger = Session(key=b"another key")
    await kernel.publish("iopub_welcome", {"subscription": ""}, session=forger)
    await kernel.publish("iopub_welcome", {"subscription": ""})
    await soon(connection.subscribed.wait())
    assert connection.refused == 1
    connection.close()


async def test_a_kernel_of_the_host_starts_without_a_question(
    launcher: HostedLauncher,
) -> None:
    spare = await soon(launcher.start(startup_cells=("1+1",), mending_cells=("mend()",)))
    assert spare.is_hosted
    [kernel] = launcher.kernels
    assert kernel.asked == ["execute_request"]
    assert kernel.codes == ["1+1"]
    await soon(spare.end())
    assert kernel.released
