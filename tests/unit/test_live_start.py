"""How a kernel starts, how a start fails, and what is left then."""

from __future__ import annotations

import asyncio

import pytest

from kernels.runtime.connection import Connection
from kernels.runtime.errors import KernelGone, KernelStartFailed
from kernels.runtime.incarnation import KernelOptions
from kernels.runtime.live import LiveKernel
from kernels.runtime.process import KernelProcess
from kernels.runtime.starters import FreshStarter
from kernels.runtime.states import KernelState
from tests.scripted_cell import raises
from tests.scripted_kernel import Start
from tests.unit.harness import Bench, run, soon

S = KernelState


async def test_a_kernel_that_started_runs_and_shows_its_connection_file(bench: Bench) -> None:
    kernel = bench.kernel()
    assert (kernel.state, kernel.connection_file) == (S.STARTING, "")
    await soon(kernel.start())
    assert kernel.state is S.RUNNING
    assert kernel.connection_file == bench.processes[0].connection_file
    assert bench.steps.taken == [(S.STARTING, S.RUNNING, "")]
    assert await soon(kernel.ping())


async def test_a_launch_that_is_refused_is_a_failed_start(bench: Bench) -> None:
    kernel = bench.kernel(Start(refused="No more memory."))
    with pytest.raises(KernelStartFailed, match="No more memory"):
        await soon(kernel.start())
    assert bench.steps.taken == [(S.STARTING, S.DEAD, "No more memory.")]


async def test_a_process_that_ends_before_it_answers_is_told_with_what_it_said(
    bench: Bench,
) -> None:
    kernel = bench.kernel(Start(dies=1, stderr="ModuleNotFoundError: no ipykernel"))
    with pytest.raises(KernelStartFailed) as failure:
        await soon(kernel.start())
    assert str(failure.value) == (
        "The kernel ended before it was ready: exited with code 1. "
        "It said: ModuleNotFoundError: no ipykernel"
    )
    assert kernel.state is S.DEAD
    assert bench.processes[0].released


async def test_a_kernel_that_never_answers_is_given_up_after_its_limit(bench: Bench) -> None:
    kernel = bench.kernel(Start(mute=True), start_timeout=0.1)
    with pytest.raises(KernelStartFailed, match=r"not ready within 0\.1 s"):
        await soon(kernel.start())
    assert kernel.state is S.DEAD
    assert (bench.processes[0].killed, bench.processes[0].released) == (True, True)
    assert bench.context.open_sockets == 0


async def test_a_start_that_failed_may_be_tried_again_by_the_next_call(bench: Bench) -> None:
    kernel = bench.kernel(Start(refused="No more memory."))
    with pytest.raises(KernelStartFailed):
        await soon(kernel.start())
    result = await run(kernel, "1+1")
    assert (result.return_value, result.state_lost) == ("2", False)


async def test_an_error_of_the_launchers_own_is_a_failed_start_too(bench: Bench) -> None:
    class Unreachable(Exception):
        """What a provisioner of somebody else's may raise."""

    class Cluster:
        async def launch(self) -> KernelProcess:
            raise Unreachable("no route to the cluster")

    options = KernelOptions()
    starter = FreshStarter(Cluster(), bench.context, options)
    kernel = LiveKernel("k1", starter, options, bench.steps)
    with pytest.raises((Unreachable, KernelStartFailed), match="no route to the cluster"):
        await soon(kernel.start())
    assert kernel.state is S.DEAD


async def test_calls_that_come_while_the_kernel_starts_wait_for_it(bench: Bench) -> None:
    kernel = bench.kernel(Start(unheard=1))
    starting = asyncio.create_task(soon(kernel.start()))
    first, second = await asyncio.gather(run(kernel, "1+1"), run(kernel, "1+1"))
    await starting
    assert (first.execution_count, second.execution_count) == (1, 2)
    assert len(bench.processes) == 1


async def test_startup_cells_run_first_in_order_and_are_not_counted(bench: Bench) -> None:
    kernel = await bench.started(startup_cells=("import a", "import b"))
    assert (await run(kernel, "1+1")).execution_count == 1
    assert bench.processes[0].codes == ["import a", "import b", "1+1"]


async def test_startup_cells_run_in_every_new_process(bench: Bench) -> None:
    kernel = await bench.started(startup_cells=("import a",))
    await soon(kernel.restart())
    assert [process.codes for process in bench.processes] == [["import a"], ["import a"]]


async def test_a_startup_cell_that_raises_fails_the_start_and_is_named(bench: Bench) -> None:
    bench.scripts["import b"] = raises("ModuleNotFoundError", "no b")
    kernel = bench.kernel(startup_cells=("import a", "import b", "import c"))
    with pytest.raises(KernelStartFailed) as failure:
        await soon(kernel.start())
    assert str(failure.value) == (
        "The startup code (KERNELBOX_STARTUP_CODE) raised ModuleNotFoundError: no b"
    )
    assert kernel.state is S.DEAD
    assert bench.processes[0].codes == ["import a", "import b"]
    assert bench.processes[0].released


async def test_a_startup_cell_that_never_ends_is_given_up_after_the_limit(bench: Bench) -> None:
    kernel = bench.kernel(startup_cells=("while True: pass",), start_timeout=0.2)
    with pytest.raises(KernelStartFailed, match=r"not ready within 0\.2 s"):
        await soon(kernel.start())
    assert bench.processes[0].released


async def test_a_startup_cell_that_ends_the_kernel_fails_the_start(bench: Bench) -> None:
    kernel = bench.kernel(startup_cells=("os._exit(3)",))
    with pytest.raises(KernelStartFailed, match="exited with code 3"):
        await soon(kernel.start())
    assert kernel.state is S.DEAD


async def test_a_start_that_is_cancelled_does_not_block_the_kernel(bench: Bench) -> None:
    kernel = bench.kernel(Start(unheard=1))
    starting = asyncio.create_task(kernel.start())
    await soon(bench.launcher.launched.wait())
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert (await run(kernel, "1+1")).return_value == "2"
    *earlier, last = bench.processes
    assert not last.ended
    assert all(process.released for process in earlier)


async def test_a_kernel_destroyed_while_it_starts_is_gone(bench: Bench) -> None:
    kernel = bench.kernel(Start(unheard=1))
    starting = asyncio.create_task(soon(kernel.start()))
    waiting = asyncio.create_task(run(kernel, "1+1"))
    await soon(bench.launcher.launched.wait())
    await soon(kernel.destroy())
    outcomes = await asyncio.gather(starting, waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [KernelGone, KernelGone]
    assert bench.steps.states == [S.DESTROYED]
    assert bench.processes[0].released


async def test_a_kernel_can_be_reached_by_a_second_connection(bench: Bench) -> None:
    kernel = await bench.started()
    other = Connection(bench.processes[0].info, bench.context)
    try:
        assert (await run(kernel, "1+1")).return_value == "2"
    finally:
        other.close()
