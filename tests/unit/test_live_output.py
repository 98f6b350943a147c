"""Output of a live kernel, from the socket to the result."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_client.session import Session

from kernels.runtime.execution import IDLE_GRACE
from kernels.runtime.types import EventKind, ExecutionStatus, Limits
from tests.scripted_cell import Cell, Gate, prints
from tests.unit.harness import Bench, run, soon


async def test_all_kinds_of_output_come_in_order(bench: Bench) -> None:
    async def report(cell: Cell) -> None:
        await cell.stdout("1\n")
        await cell.stderr("2\n")
        await cell.display({"text/plain": "3", "text/html": "<b>3</b>"}, display_id="bar")
        await cell.stdout("4\n")
        await cell.update_display({"text/plain": "3 of 3"}, display_id="bar")
        await cell.result("5")

    bench.scripts["report()"] = report
    kernel = await bench.started()
    result = await run(kernel, "report()")
    assert [(item.kind, item.text) for item in result.outputs] == [
        ("stream", "1\n"),
        ("stream", "2\n"),
        ("display_data", "3 of 3"),
        ("stream", "4\n"),
        ("execute_result", "5"),
    ]
    assert (result.output, result.stderr, result.return_value) == ("1\n4\n", "2\n", "5")


async def test_cleared_output_is_gone(bench: Bench) -> None:
    async def progress(cell: Cell) -> None:
        for n in range(5):
            await cell.clear(wait=True)
            await cell.stdout(f"{n}\n")

    bench.scripts["progress()"] = progress
    kernel = await bench.started()
    assert (await run(kernel, "progress()")).output == "4\n"


async def test_output_is_told_while_the_cell_still_runs(bench: Bench) -> None:
    gate = bench.scripts["long"] = Gate(before="half\n")
    kernel = await bench.started()
    told: asyncio.Queue[tuple[EventKind, dict[str, Any]]] = asyncio.Queue()
    call = asyncio.create_task(run(kernel, "long", sink=lambda *event: told.put_nowait(event)))
    event = await soon(told.get())
    assert event == (EventKind.STREAM, {"name": "stdout", "text": "half\n"})
    assert not call.done()
    gate.opened.set()
    await call


async def test_output_over_the_limit_is_cut_and_the_result_says_so(bench: Bench) -> None:
    bench.scripts["flood()"] = prints(*(f"{n:099}\n" for n in range(1_000)))
    kernel = await bench.started(limits=Limits(output_chars=1_000))
    result = await run(kernel, "flood()")
    assert result.truncated
    assert len(result.output) <= 1_000
    assert result.output.startswith("0" * 99)
    assert result.output.endswith("999\n")


async def test_output_of_another_cell_does_not_come_into_this_one(bench: Bench) -> None:
    kernel = await bench.started()
    requests: list[dict[str, Any]] = []

    async def keep(cell: Cell) -> None:
        requests.append(cell.request)

    async def late(cell: Cell) -> None:
        content = {"name": "stdout", "text": "from a thread of the first cell"}
        await bench.processes[0].publish("stream", content, parent=requests[0])
        await cell.stdout("mine\n")

    bench.scripts |= {"first": keep, "second": late}
    await run(kernel, "first")
    assert (await run(kernel, "second")).output == "mine\n"


async def test_forged_output_is_not_believed(bench: Bench) -> None:
    async def forged(cell: Cell) -> None:
        content = {"name": "stdout", "text": "forged"}
        forger = Session(key=b"another key")
        await bench.processes[0].publish("stream", content, parent=cell.request, session=forger)
        await cell.stdout("true\n")

    bench.scripts["f()"] = forged
    kernel = await bench.started()
    assert (await run(kernel, "f()")).output == "true\n"


async def test_a_cell_whose_idle_is_lost_ends_and_is_said_to_be_incomplete(bench: Bench) -> None:
    async def lose(cell: Cell) -> None:
        await cell.stdout("kept\n")
        cell.says_idle = False

    bench.scripts["lose()"] = lose
    kernel = await bench.started()
    result = await run(kernel, "lose()")
    assert (result.status, result.output) == (ExecutionStatus.SUCCESS, "kept\n")
    assert result.truncated
    assert IDLE_GRACE * 1_000 - 10 <= result.duration_ms < IDLE_GRACE * 1_000 + 500
    assert not (await run(kernel, "1+1")).truncated


async def test_a_display_that_is_too_deep_does_not_cost_the_result(bench: Bench) -> None:
    async def show(cell: Cell) -> None:
        session = Session(key=bench.processes[0].info.key)
        message = session.msg("display_data", parent=cell.request)
        # orjson reads 1,023 levels and writes 254.
        message["content"] = b'{"data": {"application/json": ' + b"[" * 300 + b"]" * 300 + b"}}"
        await cell.kernel.publish_frames(session.serialize(message))
        await cell.stdout("after\n")

    bench.scripts["show()"] = show
    kernel = await bench.started()
    assert (await run(kernel, "show()")).output == "after\n"
    assert (await run(kernel, "1+1")).return_value == "2"
