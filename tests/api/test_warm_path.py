"""A call to a live session reads no database, opens no socket, and waits for one commit alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Api, OpenApi, until
from tests.api.databases import WRITER, Seen, watched_connections
from tests.scripted_cell import Gate


@pytest.fixture
def seen() -> Iterator[Seen]:
    """What is said to the database from here on."""
    with watched_connections() as watched:
        yield watched


@pytest.fixture
async def warm(seen: Seen, open_api: OpenApi) -> AsyncIterator[Api]:
    """A service with a live session, ``demo``, whose statements so far are forgotten."""
    async with open_api() as api:
        for _ in range(2):
            await api.run("demo", "1+1")
        seen.forget()
        yield api


def open_sockets() -> list[str]:
    """The sockets of this process: of Unix, TCP, and ZMQ's own signalling."""
    descriptors = Path("/proc/self/fd").iterdir()
    targets = [str(one.readlink()) for one in descriptors if one.is_symlink()]
    return sorted(one for one in targets if one.startswith(("socket:", "anon_inode:[eventfd]")))


async def test_nothing_is_read_from_the_database(warm: Api, seen: Seen) -> None:
    for _ in range(20):
        assert (await warm.run("demo", "1+1"))["status"] == "success"
    assert seen.starting_with("SELECT") == []
    assert "SELECT" not in " ".join(sql.upper() for _, sql in seen.statements)
    assert len(seen.starting_with("INSERT")) == 20


async def test_only_the_writer_s_thread_speaks_to_the_database(warm: Api, seen: Seen) -> None:
    await asyncio.gather(*(warm.run("demo", code) for code in ("1+1", "1/0", "print('hello')")))
    await warm.post("/sessions/demo/execute_with_retry", code="1/0", on_error_code="1+1")
    await warm.run("demo", "ls", language="bash")
    assert seen.threads == {f"{WRITER}_0"}


async def test_the_watch_would_see_a_read(warm: Api, seen: Seen) -> None:
    await warm.get("/kernels/demo")
    await warm.get("/executions")
    assert len(seen.starting_with("SELECT")) >= 2
    assert seen.threads == {"kernel-rows_0", "history_0"}


async def test_a_quick_execution_costs_one_insert_and_one_that_goes_on_an_update_too(
    warm: Api, seen: Seen
) -> None:
    await warm.run("demo", "1+1")
    ours = [sql for _, sql in seen.statements if "sessions_app_execution" in sql]
    assert [sql.split()[0] for sql in ours] == ["INSERT"]
    gate = warm.scripts["work()"] = Gate()
    seen.forget()
    running = warm.begin("demo", "work()")

    async def is_written() -> bool:
        await asyncio.sleep(0)
        return bool(seen.starting_with("INSERT"))

    await until(is_written)
    gate.opened.set()
    await running
    ours = [sql for _, sql in seen.statements if "sessions_app_execution" in sql]
    assert [sql.split()[0] for sql in ours] == ["INSERT", "UPDATE"]


async def test_no_socket_is_opened(warm: Api) -> None:
    before = open_sockets()
    assert len(before) >= 8
    for _ in range(20):
        assert (await warm.run("demo", "1+1"))["status"] == "success"
    assert open_sockets() == before


async def test_the_watch_would_see_a_socket(warm: Api) -> None:
    before = open_sockets()
    await warm.create()
    assert len(open_sockets()) >= len(before) + 8


async def test_a_destroyed_kernel_leaves_no_socket(warm: Api) -> None:
    before = open_sockets()
    for _ in range(3):
        await warm.create(name="mine")
        await warm.client.delete("/kernels/mine")

    async def gone() -> bool:
        await asyncio.sleep(0.01)  # ZMQ closes them in a thread of its own.
        return len(open_sockets()) <= len(before)

    await until(gone)
