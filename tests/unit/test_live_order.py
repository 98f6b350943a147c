"""One kernel runs one cell at a time, first come first served, from a bounded queue."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from kernels.runtime.errors import QueueFull
from kernels.runtime.types import ErrorInfo, ExecutionStatus, OutputItem, RunRequest
from tests.scripted_cell import Gate, answers
from tests.unit.harness import Bench, run, soon


async def test_a_kernel_says_what_came_of_the_code(bench: Bench) -> None:
    kernel = await bench.started()
    result = await run(kernel, "1+1")
    assert result.status is ExecutionStatus.SUCCESS
    assert (result.return_value, result.execution_count) == ("2", 1)
    assert result.outputs == (OutputItem("execute_result", "2", None, {"text/plain": "2"}),)


async def test_code_that_raises_is_an_error_and_the_kernel_goes_on(bench: Bench) -> None:
    kernel = await bench.started()
    result = await run(kernel, "1/0")
    traceback = ("ZeroDivisionError: division by zero",)
    assert result.status is ExecutionStatus.ERROR
    assert result.error == ErrorInfo("ZeroDivisionError", "division by zero", traceback)
    assert (await run(kernel, "1+1")).execution_count == 2


async def test_cells_run_one_at_a_time_in_the_order_in_which_they_came(bench: Bench) -> None:
    gates = {code: Gate() for code in ("a", "b", "c", "d")}
    bench.scripts.update(gates)
    kernel = await bench.started()
    calls = [asyncio.create_task(run(kernel, code)) for code in gates]
    for place, gate in enumerate(gates.values(), 1):
        await soon(gate.entered.wait())
        assert bench.processes[0].codes == list(gates)[:place]
        assert (kernel.busy, kernel.waiting) == (True, len(gates) - place)
        gate.opened.set()
    results = await asyncio.gather(*calls)
    assert [result.execution_count for result in results] == [1, 2, 3, 4]
    assert (kernel.busy, kernel.waiting) == (False, 0)


async def test_the_wait_is_told_apart_from_the_run(bench: Bench) -> None:
    kernel = await bench.started()
    first, second = await asyncio.gather(
        run(kernel, "while True: pass", timeout=0.15), run(kernel, "1+1")
    )
    assert first.queued_ms < 100 <= first.duration_ms
    assert second.duration_ms < 100 <= second.queued_ms


async def test_the_limit_of_a_cell_does_not_run_while_it_waits(bench: Bench) -> None:
    gate = bench.scripts["long"] = Gate()
    kernel = await bench.started()
    first = asyncio.create_task(run(kernel, "long"))
    second = asyncio.create_task(run(kernel, "1+1", timeout=0.05))
    await soon(gate.entered.wait())
    asyncio.get_running_loop().call_later(0.1, gate.opened.set)
    assert (await first).succeeded
    assert (await second).succeeded


async def test_a_full_queue_refuses_and_names_its_limit(bench: Bench) -> None:
    gate = bench.scripts["long"] = Gate()
    kernel = await bench.started(queue_limit=2)
    calls = [asyncio.create_task(run(kernel, code)) for code in ("long", "1+1", "1+1")]
    await soon(gate.entered.wait())
    with pytest.raises(QueueFull, match=r"^2 executions already wait"):
        await run(kernel, "too many")
    gate.opened.set()
    assert all(result.succeeded for result in await asyncio.gather(*calls))
    assert (await run(kernel, "1+1")).succeeded
    assert bench.processes[0].codes == ["long", "1+1", "1+1", "1+1"]


async def test_a_call_that_is_cancelled_while_it_waits_gives_up_its_place(bench: Bench) -> None:
    gate = bench.scripts["long"] = Gate()
    kernel = await bench.started()
    first, second, third = (
        asyncio.create_task(run(kernel, code)) for code in ("long", "given up", "1+1")
    )
    await soon(gate.entered.wait())
    second.cancel()
    gate.opened.set()
    await first
    assert (await third).return_value == "2"
    assert second.cancelled()
    assert kernel.waiting == 0
    assert bench.processes[0].codes == ["long", "1+1"]


async def test_the_caller_is_told_when_its_turn_has_come(bench: Bench) -> None:
    gate = bench.scripts["long"] = Gate()
    kernel = await bench.started()
    began: list[str] = []
    calls = [
        asyncio.create_task(
            soon(kernel.execute(RunRequest(code, 5.0), on_start=partial(began.append, code)))
        )
        for code in ("long", "1+1")
    ]
    await soon(gate.entered.wait())
    assert began == ["long"]
    gate.opened.set()
    await asyncio.gather(*calls)
    assert began == ["long", "1+1"]


async def test_two_kernels_run_at_the_same_time(bench: Bench) -> None:
    gates = {"a": Gate(), "b": Gate()}
    bench.scripts.update(gates)
    kernels = [await bench.started(), await bench.started()]
    calls = [
        asyncio.create_task(run(kernel, code)) for kernel, code in zip(kernels, gates, strict=True)
    ]
    for gate in gates.values():
        await soon(gate.entered.wait())
    for gate in gates.values():
        gate.opened.set()
    assert all(result.succeeded for result in await asyncio.gather(*calls))


async def test_a_silent_cell_is_not_counted(bench: Bench) -> None:
    kernel = await bench.started()
    await soon(kernel.execute(RunRequest("quiet", 5.0, silent=True)))
    assert (await run(kernel, "1+1")).execution_count == 1


async def test_the_execution_id_comes_back_with_the_result(bench: Bench) -> None:
    kernel = await bench.started()
    result = await soon(kernel.execute(RunRequest("1+1", 5.0, "e-7")))
    assert result.execution_id == "e-7"


async def test_code_that_cannot_be_sent_leaves_the_kernel_free(bench: Bench) -> None:
    kernel = await bench.started()
    with pytest.raises(TypeError, match="surrogates"):
        await run(kernel, "print('\ud800')")
    assert not kernel.busy
    assert not await soon(kernel.interrupt())
    assert (await run(kernel, "1+1")).return_value == "2"


async def test_a_listener_that_raises_does_not_cost_the_result(bench: Bench) -> None:
    def fail(*event: object) -> None:
        raise ValueError(event)

    bench.scripts["f()"] = answers("7")
    kernel = await bench.started()
    assert (await run(kernel, "f()", sink=fail)).return_value == "7"
    assert (await run(kernel, "1+1")).return_value == "2"
