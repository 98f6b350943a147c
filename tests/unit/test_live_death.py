"""Kernels that die: what the call is told, and how the next one gets a kernel."""

from __future__ import annotations

import asyncio
import signal

import pytest

from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.states import KernelState
from kernels.runtime.types import ErrorInfo, ExecutionStatus
from tests.scripted_cell import Cell, Gate, dies, prints
from tests.scripted_kernel import Start
from tests.unit.harness import Bench, run, soon

KILLED = "The kernel died: killed by SIGKILL."


async def test_a_kernel_killed_while_idle_is_seen_within_a_tenth_of_a_second(bench: Bench) -> None:
    kernel = await bench.started()
    dead = bench.steps.next(KernelState.DEAD)
    begun = asyncio.get_running_loop().time()
    bench.processes[0].die(-signal.SIGKILL)
    await dead
    assert asyncio.get_running_loop().time() - begun < 0.1
    assert kernel.state is KernelState.DEAD
    assert not await soon(kernel.ping())


async def test_a_dead_kernel_is_brought_back_for_the_next_call(bench: Bench) -> None:
    kernel = await bench.started()
    dead = bench.steps.next(KernelState.DEAD)
    bench.processes[0].die(-signal.SIGKILL)
    await dead
    result = await run(kernel, "1+1")
    assert (result.status, result.execution_count) == (ExecutionStatus.SUCCESS, 1)
    assert (result.state_lost, result.state_lost_reason) == (True, KILLED)
    assert len(bench.processes) == 2


async def test_the_loss_of_the_state_is_told_once(bench: Bench) -> None:
    kernel = await bench.started()
    dead = bench.steps.next(KernelState.DEAD)
    bench.processes[0].die()
    await dead
    assert (await run(kernel, "1+1")).state_lost
    assert not (await run(kernel, "1+1")).state_lost


async def test_a_kernel_whose_process_was_lost_earlier_starts_as_a_dead_one(bench: Bench) -> None:
    kernel = bench.kernel(lost_because="The server was stopped.")
    assert (kernel.state, kernel.connection_file) == (KernelState.DEAD, "")
    result = await run(kernel, "1+1")
    assert (result.return_value, result.state_lost_reason) == ("2", "The server was stopped.")


async def test_a_cell_in_which_the_kernel_dies_ends_at_once_with_what_it_had_printed(
    bench: Bench,
) -> None:
    bench.scripts["boom()"] = dies(-signal.SIGSEGV, after="before\n")
    kernel = await bench.started()
    result = await run(kernel, "boom()")
    sentence = "The kernel died while it ran this code: killed by SIGSEGV."
    assert (result.status, result.error) == (
        ExecutionStatus.DEAD,
        ErrorInfo("KernelDied", sentence),
    )
    assert (result.output, result.duration_ms < 500) == ("before\n", True)
    assert (result.state_lost, result.state_lost_reason) == (True, sentence)


async def test_a_kernel_that_ends_itself_tells_its_exit_code(bench: Bench) -> None:
    kernel = await bench.started()
    result = await run(kernel, "os._exit(3)")
    assert result.error is not None
    assert result.error.evalue.endswith("exited with code 3.")


async def test_nothing_that_was_printed_before_a_death_is_lost(bench: Bench) -> None:
    lines = [f"line {n}\n" for n in range(500)]

    async def talk_and_die(cell: Cell) -> None:
        await prints(*lines)(cell)
        await cell.die()

    bench.scripts["talk()"] = talk_and_die
    kernel = await bench.started()
    assert (await run(kernel, "talk()")).output == "".join(lines)


async def test_the_call_after_a_death_in_a_cell_is_told_of_it(bench: Bench) -> None:
    kernel = await bench.started()
    await run(kernel, "os._exit(3)")
    result = await run(kernel, "1+1")
    assert (result.status, result.execution_count) == (ExecutionStatus.SUCCESS, 1)
    assert result.state_lost_reason == "The kernel died: exited with code 3."


async def test_whoever_waits_when_the_kernel_dies_runs_in_a_new_one_and_is_told(
    bench: Bench,
) -> None:
    kernel = await bench.started()
    first, second = await asyncio.gather(run(kernel, "os._exit(3)"), run(kernel, "1+1"))
    assert first.status is ExecutionStatus.DEAD
    assert (second.return_value, second.state_lost) == ("2", True)
    assert [process.codes for process in bench.processes] == [["os._exit(3)"], ["1+1"]]


async def test_a_kernel_that_dies_twice_in_a_row_is_told_each_time(bench: Bench) -> None:
    kernel = await bench.started()
    results = [await run(kernel, code) for code in ("os._exit(3)", "os._exit(3)", "1+1")]
    assert [result.status.value for result in results] == ["dead", "dead", "success"]
    assert [result.state_lost for result in results] == [True, True, True]


async def test_a_dead_kernel_that_cannot_be_brought_back_fails_the_call_and_may_be_tried_again(
    bench: Bench,
) -> None:
    kernel = await bench.started(Start(), Start(refused="No more memory."))
    await run(kernel, "os._exit(3)")
    with pytest.raises(KernelStartFailed, match="No more memory"):
        await run(kernel, "1+1")
    assert kernel.state is KernelState.DEAD
    assert (await run(kernel, "1+1")).state_lost


async def test_a_call_that_is_cancelled_while_it_brings_the_kernel_back_does_not_block_the_next(
    bench: Bench,
) -> None:
    kernel = await bench.started(Start(), Start(unheard=1))
    await run(kernel, "os._exit(3)")
    starting = bench.steps.next(KernelState.RESTARTING)
    call = asyncio.create_task(run(kernel, "1+1"))
    await starting
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert (await run(kernel, "1+1")).return_value == "2"


async def test_a_dead_process_leaves_no_file_behind(bench: Bench) -> None:
    kernel = await bench.started()
    await run(kernel, "os._exit(3)")
    await run(kernel, "1+1")
    first, second = bench.processes
    assert (first.released, first.folder.exists()) == (True, False)
    assert (second.released, second.folder.exists()) == (False, True)


async def test_a_kernel_destroyed_right_after_its_death_leaves_nothing_behind(
    bench: Bench,
) -> None:
    kernel = await bench.started()
    dead = bench.steps.next(KernelState.DEAD)
    bench.processes[0].die()
    await dead
    await soon(kernel.destroy())
    assert bench.context.open_sockets == 0
    assert bench.processes[0].released


async def test_a_kernel_restarted_right_after_its_death_leaves_nothing_behind(
    bench: Bench,
) -> None:
    kernel = await bench.started()
    dead = bench.steps.next(KernelState.DEAD)
    bench.processes[0].die()
    await dead
    await soon(kernel.restart())
    assert bench.context.open_sockets == 6  # four of the kernel, two to it
    assert bench.processes[0].released


async def test_a_cell_that_ends_as_its_kernel_dies_is_not_lost(bench: Bench) -> None:
    gate = bench.scripts["last"] = Gate(before="done\n")
    kernel = await bench.started()
    call = asyncio.create_task(run(kernel, "last"))
    await soon(gate.entered.wait())
    gate.opened.set()
    assert (await call).output == "done\n"
    dead = bench.steps.next(KernelState.DEAD)
    bench.processes[0].die()
    await dead
    assert (await run(kernel, "1+1")).state_lost_reason == KILLED
