"""When a kernel may be spoken to, and whether it still answers."""

from __future__ import annotations

import asyncio

import pytest

from kernels.runtime.readiness import NUDGE_INTERVAL, answers, wait_until_ready
from tests.scripted_cell import Gate
from tests.scripted_kernel import Start
from tests.unit.harness import Bench, Line, soon


async def test_a_kernel_that_answers_on_both_channels_is_ready_at_once(bench: Bench) -> None:
    line = await Line.open(bench, ready=False)
    begun = asyncio.get_running_loop().time()
    await soon(wait_until_ready(line.connection))
    assert asyncio.get_running_loop().time() - begun < NUDGE_INTERVAL
    line.connection.close()


async def test_a_kernel_that_is_not_heard_on_iopub_is_asked_again(bench: Bench) -> None:
    line = await Line.open(bench, ready=False, start=Start(unheard=1))
    begun = asyncio.get_running_loop().time()
    await soon(wait_until_ready(line.connection))
    assert asyncio.get_running_loop().time() - begun >= NUDGE_INTERVAL
    # The reply alone of the first question; of the second, what iopub has first.
    assert line.connection.received >= 2
    line.connection.close()


async def test_a_kernel_that_never_answers_is_never_ready(bench: Bench) -> None:
    line = await Line.open(bench, ready=False, start=Start(mute=True))
    with pytest.raises(TimeoutError):
        await soon(wait_until_ready(line.connection), 1.2 * NUDGE_INTERVAL)
    assert line.connection.received == 0
    line.connection.close()


async def test_an_idle_kernel_answers(line: Line) -> None:
    assert await soon(answers(line.connection, 5.0))


async def test_a_kernel_that_is_stuck_does_not_answer(bench: Bench, line: Line) -> None:
    gate = bench.scripts["stuck"] = Gate()
    await line.send("stuck")
    await soon(gate.entered.wait())
    assert not await soon(answers(line.connection, 0.05))


async def test_a_dead_kernel_does_not_answer(line: Line) -> None:
    line.kernel.die()
    assert not await soon(answers(line.connection, 0.05))
