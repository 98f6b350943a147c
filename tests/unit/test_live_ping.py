"""Whether a kernel lives: what is asked of an idle one, a busy one, and one that is gone."""

from __future__ import annotations

import asyncio

from kernels.runtime.connection import Connection
from kernels.runtime.incarnation import PING_LIMIT
from tests.scripted_cell import Gate
from tests.unit.harness import Bench, Line, run, soon


async def test_an_idle_kernel_is_alive_when_it_answers(bench: Bench) -> None:
    kernel = await bench.started()
    assert await soon(kernel.ping())


async def test_a_busy_kernel_is_alive_without_an_answer(bench: Bench) -> None:
    gate = bench.scripts["long"] = Gate()
    kernel = await bench.started()
    call = asyncio.create_task(run(kernel, "long"))
    await soon(gate.entered.wait())
    assert await soon(kernel.ping(), PING_LIMIT / 2)
    gate.opened.set()
    await call


async def test_a_kernel_that_was_not_started_is_not_alive(bench: Bench) -> None:
    assert not await soon(bench.kernel().ping())


async def test_a_kernel_that_died_is_not_alive(bench: Bench) -> None:
    kernel = await bench.started()
    await run(kernel, "os._exit(3)")
    assert not await soon(kernel.ping())


async def test_a_kernel_that_dies_while_it_is_asked_is_not_alive_and_it_is_said_at_once(
    bench: Bench,
) -> None:
    gate = bench.scripts["stuck"] = Gate()
    kernel = await bench.started()
    # Kept busy by somebody else, so that this kernel is idle and yet does not answer.
    other = Line(bench.processes[0], Connection(bench.processes[0].info, bench.context))
    await other.send("stuck")
    await soon(gate.entered.wait())
    asyncio.get_running_loop().call_later(0.05, bench.processes[0].die)
    assert not await soon(kernel.ping(), PING_LIMIT / 2)
    other.connection.close()
