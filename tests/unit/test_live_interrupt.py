"""Interrupts: what they stop, and how that is told from code that raises by itself."""

from __future__ import annotations

import asyncio

from kernels.runtime.types import ExecutionStatus
from tests.scripted_cell import Cell, CodeRaised, Gate
from tests.scripted_kernel import Start
from tests.unit.harness import Bench, run, soon


class Busy(Gate):
    """A cell that says when it has begun and runs until it is interrupted; then it does as told."""

    def __init__(self, raises: str = "", prints: str = "") -> None:
        super().__init__()
        self._raises = raises
        self._prints = prints

    async def __call__(self, cell: Cell) -> None:
        """Run as a script."""
        await cell.stdout("begun\n")
        self.entered.set()
        try:
            await cell.until_interrupted()
        except CodeRaised:
            await cell.stdout(self._prints)
            if self._raises:
                raise CodeRaised(self._raises) from None


async def test_an_interrupted_cell_says_so_and_the_state_stays(bench: Bench) -> None:
    busy = bench.scripts["busy()"] = Busy(raises="KeyboardInterrupt")
    kernel = await bench.started()
    call = asyncio.create_task(run(kernel, "busy()"))
    await soon(busy.entered.wait())
    assert await soon(kernel.interrupt())
    result = await call
    assert result.status is ExecutionStatus.INTERRUPTED
    assert result.error is not None
    assert (result.error.ename, result.output) == ("KeyboardInterrupt", "begun\n")
    assert not result.state_lost
    assert (await run(kernel, "1+1")).execution_count == 2


async def test_the_queue_goes_on_after_an_interrupt(bench: Bench) -> None:
    busy = bench.scripts["busy()"] = Busy(raises="KeyboardInterrupt")
    kernel = await bench.started()
    first = asyncio.create_task(run(kernel, "busy()"))
    second = asyncio.create_task(run(kernel, "1+1"))
    await soon(busy.entered.wait())
    await soon(kernel.interrupt())
    assert (await first).status is ExecutionStatus.INTERRUPTED
    assert (await second).return_value == "2"


async def test_with_nothing_that_runs_there_is_nothing_to_interrupt(bench: Bench) -> None:
    kernel = await bench.started()
    assert not await soon(kernel.interrupt())
    await run(kernel, "1+1")
    assert not await soon(kernel.interrupt())
    assert bench.processes[0].interrupts == 0


async def test_code_that_raises_keyboard_interrupt_by_itself_is_an_error(bench: Bench) -> None:
    kernel = await bench.started()
    result = await run(kernel, "raise KeyboardInterrupt")
    assert result.status is ExecutionStatus.ERROR


async def test_code_that_handles_its_interrupt_is_a_success(bench: Bench) -> None:
    busy = bench.scripts["busy()"] = Busy(prints="saved\n")
    kernel = await bench.started()
    call = asyncio.create_task(run(kernel, "busy()"))
    await soon(busy.entered.wait())
    await soon(kernel.interrupt())
    result = await call
    assert (result.status, result.output) == (ExecutionStatus.SUCCESS, "begun\nsaved\n")


async def test_code_that_answers_its_interrupt_by_another_exception_is_an_error(
    bench: Bench,
) -> None:
    busy = bench.scripts["busy()"] = Busy(raises="ValueError")
    kernel = await bench.started()
    call = asyncio.create_task(run(kernel, "busy()"))
    await soon(busy.entered.wait())
    await soon(kernel.interrupt())
    assert (await call).status is ExecutionStatus.ERROR


async def test_a_kernel_that_wants_a_message_is_interrupted_by_one(bench: Bench) -> None:
    busy = bench.scripts["busy()"] = Busy(raises="KeyboardInterrupt")
    kernel = await bench.started(Start(interrupts_by_message=True))
    call = asyncio.create_task(run(kernel, "busy()"))
    await soon(busy.entered.wait())
    assert await soon(kernel.interrupt())
    assert (await call).status is ExecutionStatus.INTERRUPTED
    assert bench.processes[0].requests == ["interrupt_request"]


async def test_a_kernel_that_wants_a_signal_is_sent_no_message(bench: Bench) -> None:
    kernel = await bench.started()
    result = await run(kernel, "while True: pass", timeout=0.05)
    assert result.status is ExecutionStatus.TIMEOUT
    assert (bench.processes[0].interrupts, bench.processes[0].requests) == (1, [])
