"""Restarts: the same kernel in a new process, and what those who ran or waited are told."""

from __future__ import annotations

import asyncio

import pytest

from kernels.runtime.errors import IllegalStep, KernelStartFailed
from kernels.runtime.states import KernelState
from kernels.runtime.types import ErrorInfo, ExecutionStatus
from tests.scripted_cell import Gate
from tests.scripted_kernel import Start
from tests.unit.harness import Bench, run, soon

S = KernelState
RESTARTED = "The kernel was restarted while it ran this code."


async def test_a_restarted_kernel_is_the_same_in_a_new_process(bench: Bench) -> None:
    kernel = await bench.started()
    await run(kernel, "1+1")
    await soon(kernel.restart())
    assert (kernel.kernel_id, kernel.state) == ("k1", S.RUNNING)
    assert (await run(kernel, "1+1")).execution_count == 1
    first, second = bench.processes
    assert (first.killed, first.released, second.ended) == (True, True, False)
    assert kernel.connection_file == second.connection_file


async def test_a_cell_that_runs_when_the_kernel_is_restarted_is_told(bench: Bench) -> None:
    gate = bench.scripts["long"] = Gate(before="half\n")
    kernel = await bench.started()
    call = asyncio.create_task(run(kernel, "long"))
    await soon(gate.entered.wait())
    await soon(kernel.restart())
    result = await call
    assert result.status is ExecutionStatus.INTERRUPTED
    assert result.error == ErrorInfo("KernelRestarted", RESTARTED)
    assert (result.state_lost, result.state_lost_reason) == (True, RESTARTED)


async def test_what_a_cell_had_printed_before_a_restart_is_kept(bench: Bench) -> None:
    gate = bench.scripts["long"] = Gate(before="half\n")
    kernel = await bench.started()
    printed = asyncio.Event()
    call = asyncio.create_task(run(kernel, "long", sink=lambda *event: printed.set()))
    await soon(printed.wait())
    assert gate.entered.is_set()
    await soon(kernel.restart())
    assert (await call).output == "half\n"


async def test_a_call_that_waits_runs_in_the_new_process_and_is_told(bench: Bench) -> None:
    gate = bench.scripts["long"] = Gate()
    kernel = await bench.started()
    first = asyncio.create_task(run(kernel, "long"))
    second = asyncio.create_task(run(kernel, "1+1"))
    await soon(gate.entered.wait())
    await soon(kernel.restart("Restarted by hand."))
    await first
    result = await second
    assert (result.return_value, result.execution_count) == ("2", 1)
    assert result.state_lost_reason == "Restarted by hand."


async def test_a_call_that_waits_is_told_also_when_the_one_before_it_was_told_of_a_loss(
    bench: Bench,
) -> None:
    gate = bench.scripts["long"] = Gate()
    kernel = bench.kernel(lost_because="The server was stopped.")
    first = asyncio.create_task(run(kernel, "long"))
    second = asyncio.create_task(run(kernel, "1+1"))
    await soon(gate.entered.wait())
    await soon(kernel.restart("Restarted by hand."))
    assert (await first).state_lost
    assert (await second).state_lost_reason == "Restarted by hand."


async def test_whoever_asked_for_the_restart_is_not_told_of_it_again(bench: Bench) -> None:
    kernel = await bench.started()
    await soon(kernel.restart())
    assert not (await run(kernel, "1+1")).state_lost


async def test_a_call_that_comes_during_a_restart_waits_for_it(bench: Bench) -> None:
    kernel = await bench.started(Start(), Start(unheard=1))
    restarting = asyncio.create_task(soon(kernel.restart()))
    await bench.steps.next(S.RESTARTING)
    assert (await run(kernel, "1+1")).execution_count == 1
    await restarting
    assert len(bench.processes) == 2


async def test_a_dead_kernel_is_brought_back_by_a_restart(bench: Bench) -> None:
    kernel = await bench.started()
    await run(kernel, "os._exit(3)")
    await soon(kernel.restart())
    assert kernel.state is S.RUNNING
    assert bench.steps.states == [S.RUNNING, S.DEAD, S.RESTARTING, S.RUNNING]


async def test_two_restarts_at_once_are_two_restarts(bench: Bench) -> None:
    kernel = await bench.started()
    await soon(asyncio.gather(kernel.restart(), kernel.restart()))
    assert kernel.state is S.RUNNING
    assert [process.released for process in bench.processes] == [True, True, False]


async def test_a_restart_that_fails_leaves_a_dead_kernel(bench: Bench) -> None:
    kernel = await bench.started(Start(), Start(refused="No more memory."))
    with pytest.raises(KernelStartFailed, match="No more memory"):
        await soon(kernel.restart())
    assert kernel.state is S.DEAD
    assert (await run(kernel, "1+1")).return_value == "2"


@pytest.mark.parametrize("begun", ["before it has begun", "while the new process starts"])
async def test_a_restart_that_is_cancelled_does_not_block_the_kernel(
    bench: Bench, begun: str
) -> None:
    kernel = await bench.started(Start(), Start(unheard=1))
    bench.launcher.launched.clear()
    restarting = asyncio.create_task(kernel.restart())
    if begun.startswith("while"):
        await soon(bench.launcher.launched.wait())
    else:
        await bench.steps.next(S.RESTARTING)
    restarting.cancel()
    await asyncio.gather(restarting, return_exceptions=True)
    assert (await run(kernel, "1+1")).return_value == "2"
    *earlier, last = bench.processes
    assert not last.ended
    assert all(process.released for process in earlier)


async def test_a_destroyed_kernel_cannot_be_restarted(bench: Bench) -> None:
    kernel = await bench.started()
    await soon(kernel.destroy())
    with pytest.raises(IllegalStep, match="A kernel that is destroyed cannot become restarting"):
        await soon(kernel.restart())
    assert len(bench.processes) == 1


async def test_a_kernel_restarted_while_it_starts_starts_twice(bench: Bench) -> None:
    kernel = bench.kernel()
    await soon(asyncio.gather(kernel.start(), kernel.restart()))
    assert bench.steps.states == [S.RUNNING, S.RESTARTING, S.RUNNING]
    assert len(bench.processes) == 2
