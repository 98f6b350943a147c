"""The database is locked: the answer waits for a while, then says why, and the service goes on."""

from __future__ import annotations

import asyncio

from kernels.models import Kernel
from tests.api.conftest import Api, OpenApi, answered, soon, until
from tests.api.databases import (
    HISTORY,
    KERNELS,
    ROWS,
    WRITER,
    impatient,
    locked,
    watched_connections,
)
from tests.scripted_cell import Cell, Gate

NOT_WRITTEN = (
    "The history could not be written (OperationalError). "
    "The code may have run; what came of it was not kept."
)


async def test_the_answer_waits_for_a_database_that_is_locked(api: Api) -> None:
    await api.run("demo", "1+1")
    ran = asyncio.Event()

    async def script(cell: Cell) -> None:
        ran.set()

    api.scripts["code"] = script
    async with locked(HISTORY):
        running = api.begin("demo", "code")
        await soon(ran.wait())
        assert await asyncio.wait([running], timeout=1) == (set(), {running})
        assert [row["code"] for row in await api.history()] == ["1+1"]
    assert answered(await soon(running))["status"] == "success"
    assert [row["status"] for row in await api.history()] == ["success", "success"]


async def test_the_writer_tries_again_while_the_database_is_locked(open_api: OpenApi) -> None:
    with impatient(WRITER), watched_connections() as seen:
        async with open_api() as api:
            await api.run("demo", "1+1")
            async with locked(HISTORY):
                seen.forget()
                running = api.begin("demo", "1+1")
                assert await seen.wait_for(statements=3)
                assert seen.threads == {f"{WRITER}_0"}
                assert not running.done()
            assert answered(await soon(running))["execution_count"] == 2


async def test_past_its_patience_it_is_a_503_and_the_next_call_is_as_ever(
    open_api: OpenApi,
) -> None:
    with impatient(WRITER):
        async with open_api(try_for=0.1) as api:
            await api.run("demo", "1+1")
            async with locked(HISTORY):
                response = await soon(api.execute("demo", "1+1"))
                assert answered(response, 503) == {"detail": NOT_WRITTEN}
                assert response.headers["retry-after"] == "1"
            after = await api.run("demo", "1+1")
            assert (after["status"], after["execution_count"]) == ("success", 3)
            assert [row["execution_count"] for row in await api.history()] == [3, 1]


async def test_an_end_that_could_not_be_written_is_unknown_to_the_next_server(
    open_api: OpenApi,
) -> None:
    with impatient(WRITER):
        async with open_api(try_for=0.1) as api:
            gate = api.scripts["long"] = Gate()
            running = api.begin("demo", "long")
            await soon(gate.entered.wait())
            await api.run("other", "1+1")  # Rows are written in order: the start is there now.
            async with locked(HISTORY):
                gate.opened.set()
                assert answered(await soon(running), 503) == {"detail": NOT_WRITTEN}
            assert [row["status"] for row in await api.history(session="demo")] == ["running"]
    async with open_api() as api:
        assert [row["status"] for row in await api.history(session="demo")] == ["unknown"]


async def test_the_history_can_be_read_while_it_is_locked(api: Api) -> None:
    await api.run("demo", "1+1")
    async with locked(HISTORY):
        assert len(await soon(api.history())) == 1
        assert (await soon(api.get("/health")))["status"] == "ok"
        assert (await soon(api.get("/sessions/demo")))["name"] == "demo"


async def test_a_kernel_s_step_is_noted_when_the_lock_is_gone(open_api: OpenApi) -> None:
    with impatient(ROWS), watched_connections() as seen:
        async with open_api() as api:
            await api.create(name="mine")
            async with locked(KERNELS):
                seen.forget()
                api.kernels[0].die()
                assert await seen.wait_for(statements=3)
                assert seen.threads == {f"{ROWS}_0"}
                kernel = (await soon(api.get("/kernels/mine")))["kernel"]
                assert (kernel["status"], kernel["status_reason"]) == ("dead", "")

            async def noted() -> bool:
                row = await api.database(Kernel.objects.get, name="mine")
                return (row.status, row.connection_file) == ("dead", "")

            await until(noted)
            await api.client.delete("/kernels/mine")
            assert (await api.get("/kernels"))["kernels"] == []


async def test_a_kernel_that_cannot_be_inserted_is_a_503_and_not_started(
    open_api: OpenApi,
) -> None:
    with impatient(ROWS):
        async with open_api() as api:
            async with locked(KERNELS):
                for path in ("/kernels", "/sessions/demo/execute"):
                    response = await soon(api.client.post(path, json={"code": "1+1"}))
                    assert answered(response, 503) == {
                        "detail": "The database did not answer (OperationalError). Try again later."
                    }
                    assert response.headers["retry-after"] == "1"
            assert api.kernels == []
            assert (await api.get("/health"))["kernels"] == 0
            assert (await api.run("demo", "1+1"))["status"] == "success"
