"""The end of a kernel: what is freed, and what those who ran or waited are told."""

from __future__ import annotations

import asyncio

import pytest

from kernels.runtime.errors import KernelGone
from kernels.runtime.states import KernelState
from kernels.runtime.types import ErrorInfo, ExecutionStatus
from tests.scripted_cell import Gate
from tests.unit.harness import Bench, run, soon

S = KernelState
DESTROYED = "The kernel was destroyed while it ran this code."


async def test_a_destroyed_kernel_leaves_nothing_behind(bench: Bench) -> None:
    before = asyncio.all_tasks()
    kernel = await bench.started()
    await run(kernel, "1+1")
    await soon(kernel.destroy())
    (process,) = bench.processes
    assert (process.killed, process.released, process.folder.exists()) == (True, True, False)
    assert (kernel.state, kernel.connection_file) == (S.DESTROYED, "")
    assert bench.context.open_sockets == 0
    assert asyncio.all_tasks() == before


async def test_a_cell_that_runs_when_the_kernel_is_destroyed_is_told(bench: Bench) -> None:
    gate = bench.scripts["long"] = Gate()
    kernel = await bench.started()
    call = asyncio.create_task(run(kernel, "long"))
    await soon(gate.entered.wait())
    await soon(kernel.destroy())
    result = await call
    assert result.status is ExecutionStatus.INTERRUPTED
    assert result.error == ErrorInfo("KernelDestroyed", DESTROYED)
    assert (result.state_lost, result.state_lost_reason) == (True, DESTROYED)


async def test_calls_that_wait_when_the_kernel_is_destroyed_are_told_it_is_gone(
    bench: Bench,
) -> None:
    gate = bench.scripts["long"] = Gate()
    kernel = await bench.started()
    calls = [asyncio.create_task(run(kernel, code)) for code in ("long", "1+1", "1+1")]
    await soon(gate.entered.wait())
    await soon(kernel.destroy())
    first, *others = await asyncio.gather(*calls, return_exceptions=True)
    assert not isinstance(first, BaseException)
    assert [type(other) for other in others] == [KernelGone, KernelGone]
    assert bench.processes[0].codes == ["long"]
    assert kernel.waiting == 0


async def test_a_call_to_a_destroyed_kernel_is_told_it_is_gone(bench: Bench) -> None:
    kernel = await bench.started()
    await soon(kernel.destroy())
    with pytest.raises(KernelGone):
        await run(kernel, "1+1")
    assert not await soon(kernel.ping())
    assert not await soon(kernel.interrupt())
    assert len(bench.processes) == 1


async def test_a_kernel_destroyed_twice_is_destroyed_once(bench: Bench) -> None:
    kernel = await bench.started()
    await soon(asyncio.gather(kernel.destroy(), kernel.destroy()))
    assert bench.steps.states == [S.RUNNING, S.DESTROYED]


async def test_a_dead_kernel_can_be_destroyed(bench: Bench) -> None:
    kernel = await bench.started()
    await run(kernel, "os._exit(3)")
    await soon(kernel.destroy())
    assert bench.steps.states == [S.RUNNING, S.DEAD, S.DESTROYED]
    assert bench.processes[0].released


async def test_a_kernel_destroyed_during_a_restart_is_not_left_running(bench: Bench) -> None:
    kernel = await bench.started()
    restarting = asyncio.create_task(soon(kernel.restart()))
    await bench.steps.next(S.RESTARTING)
    await soon(kernel.destroy())
    with pytest.raises(KernelGone):
        await restarting
    assert kernel.state is S.DESTROYED
    assert all(process.released for process in bench.processes)


async def test_every_step_is_told_in_order_and_with_its_reason(bench: Bench) -> None:
    kernel = await bench.started()
    await soon(kernel.restart("By hand."))
    dead = bench.steps.next(S.DEAD)
    bench.processes[-1].die(1)
    await dead
    await run(kernel, "1+1")
    await soon(kernel.destroy())
    assert bench.steps.taken == [
        (S.STARTING, S.RUNNING, ""),
        (S.RUNNING, S.RESTARTING, "By hand."),
        (S.RESTARTING, S.RUNNING, ""),
        (S.RUNNING, S.DEAD, "The kernel died: exited with code 1."),
        (S.DEAD, S.RESTARTING, "Brought back for an execution."),
        (S.RESTARTING, S.RUNNING, ""),
        (S.RUNNING, S.DESTROYED, "The kernel was destroyed."),
    ]
