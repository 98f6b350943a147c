"""The writer of the history: few transactions, and no row goes for another's fault."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from kernels.database import DatabaseThread
from kernels.models import Kernel
from kernels.runtime.errors import HistoryUnavailable
from kernels.runtime.plain import plain_result
from kernels.runtime.types import (
    Attempt,
    ErrorInfo,
    ExecutionResult,
    ExecutionStatus,
    OutputItem,
)
from sessions_app.audit import BATCH, ExecutionWriter
from sessions_app.models import Execution, Session
from sessions_app.statements import KernelUse, end_row, start_row, whole_row, write, write_uses
from tests.api.conftest import Api, answered, soon, until
from tests.api.databases import HISTORY, Seen, locked, watched_connections
from tests.scripted_cell import Cell

INSERTS = 'INSERT INTO "sessions_app_execution"'
UPDATES = 'UPDATE "sessions_app_execution"'
SUCCESS = ExecutionResult(ExecutionStatus.SUCCESS, output="out\n", execution_count=1)


@pytest.fixture
def seen() -> Iterator[Seen]:
    """What is said to the database from here on."""
    with watched_connections() as watched:
        yield watched


@pytest.fixture
async def reader(transactional_db: None) -> AsyncIterator[DatabaseThread]:
    """Another connection."""
    thread = DatabaseThread("reader")
    yield thread
    await soon(thread.close())


@pytest.fixture
async def writer(reader: DatabaseThread, seen: Seen) -> AsyncIterator[ExecutionWriter]:
    """A writer with nothing to write yet."""
    made = ExecutionWriter()
    yield made
    await soon(made.close())


def execution(**fields: Any) -> Execution:
    """An execution that is about to be sent."""
    defaults = {"kernel_id": uuid.uuid4(), "code": "1+1", "status": "running"}
    return Execution(**defaults | fields)


async def statuses(reader: DatabaseThread) -> list[str]:
    """The status of every row, the oldest first."""
    return await reader.run(lambda: [row.status for row in Execution.objects.order_by("id")])


async def test_what_is_at_hand_goes_in_one_transaction(
    writer: ExecutionWriter, reader: DatabaseThread, seen: Seen
) -> None:
    executions = [execution() for _ in range(40)]
    await soon(asyncio.gather(*(writer.start(one) for one in executions)))
    assert await statuses(reader) == ["running"] * 40
    assert len(seen.starting_with(INSERTS)) == 1
    await soon(asyncio.gather(*(writer.end(one, SUCCESS) for one in executions)))
    assert await statuses(reader) == ["success"] * 40
    assert len(seen.starting_with(UPDATES)) == 1


async def test_a_batch_is_bounded(writer: ExecutionWriter, seen: Seen) -> None:
    executions = [execution() for _ in range(2 * BATCH + 1)]
    await soon(asyncio.gather(*(writer.start(one) for one in executions)))
    assert len(seen.starting_with(INSERTS)) == 3


async def test_an_execution_that_ends_at_once_is_written_once(
    writer: ExecutionWriter, reader: DatabaseThread, seen: Seen
) -> None:
    one = execution()
    started = writer.start(one)
    await soon(asyncio.gather(started, writer.end(one, SUCCESS)))
    assert await statuses(reader) == ["success"]
    assert len(seen.starting_with(INSERTS)) == 1
    assert seen.starting_with(UPDATES) == []


async def test_an_execution_that_goes_on_is_in_the_history_before_its_end(
    writer: ExecutionWriter, reader: DatabaseThread, seen: Seen
) -> None:
    one, quick = execution(), execution()
    await soon(writer.start(one))
    assert await statuses(reader) == ["running"]
    writer.start(quick)
    await soon(asyncio.gather(writer.end(quick, SUCCESS), writer.end(one, SUCCESS)))
    assert await statuses(reader) == ["success", "success"]
    assert len(seen.starting_with(INSERTS)) == 2
    assert len(seen.starting_with(UPDATES)) == 1


async def test_executions_at_once_take_fewer_transactions_than_there_are_executions(
    seen: Seen, api: Api
) -> None:
    sessions = [f"s{number}" for number in range(16)]
    await asyncio.gather(*(api.run(session, "1+1") for session in sessions))
    seen.forget()
    async with locked(HISTORY):
        running = [api.begin(session, "1+1") for session in sessions]
        assert await asyncio.wait(running, timeout=0.2) == (set(), {*running})
    for response in await soon(asyncio.gather(*running)):
        assert answered(response)["status"] == "success"
    assert len(seen.starting_with(INSERTS)) <= 4
    assert len(seen.starting_with(UPDATES)) <= 4
    assert await api.database(Execution.objects.filter(status="success").count) == 32


Fault = Callable[[ExecutionWriter, Execution], asyncio.Future[None]]


def starts_under_an_id_that_is_taken(
    writer: ExecutionWriter, taken: Execution
) -> asyncio.Future[None]:
    """A second start of an execution."""
    return writer.start(execution(id=taken.id))


def starts_without_code(writer: ExecutionWriter, taken: Execution) -> asyncio.Future[None]:
    """A start that lacks what every row has."""
    return writer.start(execution(code=None))


def ends_after_an_eternity(writer: ExecutionWriter, taken: Execution) -> asyncio.Future[None]:
    """An end with a number that no database holds, and SQLite's driver itself refuses."""
    return writer.end(taken, ExecutionResult(ExecutionStatus.SUCCESS, duration_ms=2**70))


@pytest.mark.parametrize(
    "fault", [starts_under_an_id_that_is_taken, starts_without_code, ends_after_an_eternity]
)
async def test_a_row_that_the_database_refuses_does_not_take_the_others_with_it(
    writer: ExecutionWriter, reader: DatabaseThread, fault: Fault
) -> None:
    taken, *good = (execution() for _ in range(4))
    await soon(writer.start(taken))
    futures = [writer.start(good[0]), writer.start(good[1])]
    refused = fault(writer, taken)
    futures += [writer.start(good[2]), writer.end(good[0], SUCCESS)]
    await soon(asyncio.gather(*futures))
    with pytest.raises(HistoryUnavailable, match="The history could not be written"):
        await soon(refused)
    assert await statuses(reader) == ["running", "success", "running", "running"]
    await soon(writer.end(taken, SUCCESS))
    assert (await statuses(reader)).count("success") == 2


@pytest.mark.parametrize("at_once", [True, False], ids=["whole", "start and end"])
async def test_everything_that_came_of_an_execution_is_written(
    reader: DatabaseThread, at_once: bool
) -> None:
    error = ErrorInfo("Boom", "it went", ("line 1", "line 2"))
    result = ExecutionResult(
        status=ExecutionStatus.MAX_ATTEMPTS_EXCEEDED,
        output="out\n",
        stderr="err\n",
        error=error,
        return_value="42",
        execution_count=7,
        duration_ms=12,
        queued_ms=34,
        outputs=(OutputItem("display_data", "<b>", None, {"text/html": "<b>"}, {"a": 1}),),
        attempts=(Attempt(1, "1/0", ExecutionStatus.ERROR, "o", "e", error),),
        truncated=True,
        state_lost=True,
        state_lost_reason="It was lost.",
    )
    sent = execution(kernel_name="mine", session_name="demo", door="websocket", asked_by="::1")
    start, end = start_row(sent), end_row(sent.id, result)
    if at_once:
        await soon(reader.run(write, [], [], [whole_row(start, end)]))
    else:
        await soon(reader.run(write, [start], [end], []))
    row = await reader.run(Execution.objects.get, pk=sent.id)
    for name, value in plain_result(result).items():
        if name != "execution_id":
            assert getattr(row, name) == value, name
    for name in ("kernel_id", "kernel_name", "session_name", "door", "asked_by", "started_at"):
        assert getattr(row, name) == getattr(sent, name), name
    assert row.finished_at is not None
    assert row.finished_at >= row.started_at


async def test_code_that_sets_the_count_to_anything_stops_nobody(api: Api) -> None:
    async def sets_the_count(cell: Cell) -> None:
        cell.reply["execution_count"] = 2**63

    api.scripts["get_ipython().execution_count = 2**63"] = sets_the_count
    ran = await soon(api.run("demo", "get_ipython().execution_count = 2**63"))
    assert ran["status"] == "success"
    assert (await soon(api.run("other", "1+1")))["status"] == "success"
    assert [row["execution_count"] for row in await api.history()] == [1, 1]


async def test_uses_are_added_to_those_before(reader: DatabaseThread) -> None:
    kernel = Kernel(kernelspec="python3", runs=10, attempt_count=5)
    session = Session(name="demo", kernel=kernel)
    await reader.run(kernel.save)
    await reader.run(session.save)
    at = datetime(2030, 1, 1, tzinfo=UTC)
    use = KernelUse(at, runs=3, attempts=2)
    await soon(reader.run(write_uses, {kernel.id: use, uuid.uuid4(): use}, {session.id: at}))
    await reader.run(kernel.refresh_from_db)
    await reader.run(session.refresh_from_db)
    assert (kernel.runs, kernel.attempt_count, kernel.last_used_at) == (13, 7, at)
    assert session.last_used_at == at


async def test_a_session_and_its_kernel_tell_when_they_were_last_used(api: Api) -> None:
    before = await api.post("/sessions/demo")
    await api.run("demo", "1+1")

    async def noted() -> bool:
        session = await api.get("/sessions/demo")
        kernel = session["kernel"]
        return bool(
            kernel["runs"] == 1
            and kernel["last_used_at"] > before["last_used_at"]
            and session["last_used_at"] > session["created_at"]
        )

    await until(noted)


async def test_what_is_at_hand_is_written_before_the_end(
    reader: DatabaseThread,
) -> None:
    writer = ExecutionWriter()
    one = execution()
    futures = [writer.start(one), writer.end(one, SUCCESS)]
    await soon(writer.close())
    assert all(future.done() and future.exception() is None for future in futures)
    assert await statuses(reader) == ["success"]
