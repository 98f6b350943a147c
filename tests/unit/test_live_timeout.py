"""A cell that runs into its limit: interrupted, and if it does not heed that, killed."""

from __future__ import annotations

import asyncio

from kernels.runtime.states import KernelState
from kernels.runtime.types import ErrorInfo, ExecutionStatus
from kernels.runtime.verdict import HEED_LIMIT
from tests.scripted_cell import Cell, CodeRaised
from tests.scripted_kernel import Start
from tests.unit.harness import Bench, run, soon

S = KernelState
LIMIT_REACHED = ErrorInfo("ExecutionTimeout", "The code ran into its limit of 0.05 s.")


async def test_a_cell_over_its_limit_is_interrupted_and_the_state_stays(bench: Bench) -> None:
    async def count(cell: Cell) -> None:
        await cell.stdout("counting\n")
        await cell.until_interrupted()

    bench.scripts["count()"] = count
    kernel = await bench.started()
    result = await run(kernel, "count()", timeout=0.05)
    assert (result.status, result.error) == (ExecutionStatus.TIMEOUT, LIMIT_REACHED)
    assert (result.output, result.state_lost) == ("counting\n", False)
    assert 50 <= result.duration_ms < HEED_LIMIT * 1_000
    after = await run(kernel, "1+1")
    assert (after.execution_count, after.state_lost) == (2, False)
    assert [process.interrupts for process in bench.processes] == [1]


async def test_what_a_cell_prints_after_its_interrupt_is_kept(bench: Bench) -> None:
    async def tidy(cell: Cell) -> None:
        try:
            await cell.until_interrupted()
        except CodeRaised:
            await cell.stdout("cleaned up\n")

    bench.scripts["tidy()"] = tidy
    kernel = await bench.started()
    result = await run(kernel, "tidy()", timeout=0.05)
    assert (result.status, result.output) == (ExecutionStatus.TIMEOUT, "cleaned up\n")
    assert not result.state_lost


async def test_a_cell_that_ignores_its_interrupt_costs_the_state(bench: Bench) -> None:
    kernel = await bench.started()
    result = await run(kernel, "ignore interrupts", timeout=0.05)
    assert (result.status, result.error) == (ExecutionStatus.TIMEOUT, LIMIT_REACHED)
    assert result.state_lost
    assert "did not heed an interrupt within 2 s" in (result.state_lost_reason or "")
    assert HEED_LIMIT * 1_000 <= result.duration_ms < HEED_LIMIT * 1_000 + 500
    first, second = bench.processes
    assert (first.interrupts, first.killed, first.released) == (1, True, True)
    assert not second.ended
    after = await run(kernel, "1+1")
    assert (after.execution_count, after.state_lost) == (1, False)


async def test_whoever_waited_behind_such_a_cell_is_told_even_if_the_replacement_fails(
    bench: Bench,
) -> None:
    kernel = await bench.started(Start(), Start(refused="No more memory."))
    overdue, waited = await asyncio.gather(
        run(kernel, "ignore interrupts", timeout=0.05), run(kernel, "1+1")
    )
    assert (overdue.status, overdue.state_lost) == (ExecutionStatus.TIMEOUT, True)
    assert bench.steps.states == [S.RUNNING, S.RESTARTING, S.DEAD, S.RESTARTING, S.RUNNING]
    assert (waited.status, waited.execution_count) == (ExecutionStatus.SUCCESS, 1)
    assert waited.state_lost


async def test_a_kernel_that_is_destroyed_while_it_is_replaced_still_has_a_result(
    bench: Bench,
) -> None:
    kernel = await bench.started(Start(), Start(mute=True), start_timeout=0.3)
    replacing = bench.steps.next(S.RESTARTING)
    call = asyncio.create_task(run(kernel, "ignore interrupts", timeout=0.05))
    await replacing
    await soon(kernel.destroy())
    result = await call
    assert result.status is ExecutionStatus.TIMEOUT
    assert result.state_lost
    assert all(process.released for process in bench.processes)
