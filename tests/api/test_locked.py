"""The database is locked: the answer waits for a while, then says why, and the service goes on."""

from __future__ import annotations

import asyncio

from tests.api.conftest import Api, OpenApi, answered, soon
from tests.api.databases import WRITER, impatient_writer, locked_history, watched_connections
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
    async with locked_history():
        running = api.begin("demo", "code")
        await soon(ran.wait())
        assert await asyncio.wait([running], timeout=1) == (set(), {running})
        assert [row["code"] for row in await api.history()] == ["1+1"]
    assert answered(await soon(running))["status"] == "success"
    assert [row["status"] for row in await api.history()] == ["success", "success"]


async def test_the_writer_tries_again_while_the_database_is_locked(open_api: OpenApi) -> None:
    with impatient_writer(), watched_connections() as seen:
        async with open_api() as api:
            await api.run("demo", "1+1")
            async with locked_history():
                seen.forget()
                running = api.begin("demo", "1+1")
                assert await seen.wait_for(statements=3)
                assert seen.threads == {f"{WRITER}_0"}
                assert not running.done()
            assert answered(await soon(running))["execution_count"] == 2


async def test_past_its_patience_it_is_a_503_and_the_next_call_is_as_ever(
    open_api: OpenApi,
) -> None:
    with impatient_writer():
        async with open_api(try_for=0.1) as api:
            await api.run("demo", "1+1")
            async with locked_history():
                response = await soon(api.execute("demo", "1+1"))
                assert answered(response, 503) == {"detail": NOT_WRITTEN}
                assert response.headers["retry-after"] == "1"
            after = await api.run("demo", "1+1")
            assert (after["status"], after["execution_count"]) == ("success", 3)
            assert [row["execution_count"] for row in await api.history()] == [3, 1]


async def test_an_end_that_could_not_be_written_is_unknown_to_the_next_server(
    open_api: OpenApi,
) -> None:
    with impatient_writer():
        async with open_api(try_for=0.1) as api:
            gate = api.scripts["long"] = Gate()
            running = api.begin("demo", "long")
            await soon(gate.entered.wait())
            await api.run("other", "1+1")  # Rows are written in order: the start is there now.
            async with locked_history():
                gate.opened.set()
                assert answered(await soon(running), 503) == {"detail": NOT_WRITTEN}
            assert [row["status"] for row in await api.history(session="demo")] == ["running"]
    async with open_api() as api:
        assert [row["status"] for row in await api.history(session="demo")] == ["unknown"]


async def test_the_history_can_be_read_while_it_is_locked(api: Api) -> None:
    await api.run("demo", "1+1")
    async with locked_history():
        assert len(await soon(api.history())) == 1
        assert (await soon(api.get("/health")))["status"] == "ok"
        assert (await soon(api.get("/sessions/demo")))["name"] == "demo"
