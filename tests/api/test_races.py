"""Calls that cross: whatever wins, no process is left that no kernel in the list owns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from tests.api.conftest import Api, answered, soon

Call = Callable[[Api], Coroutine[Any, Any, httpx.Response]]
CALLS: dict[str, Call] = {
    "execute in the session": lambda api: api.execute("demo", "1+1"),
    "execute in the kernel": lambda api: api.client.post(
        "/kernels/demo/execute", json={"code": "1+1"}
    ),
    "restart": lambda api: api.client.post("/kernels/demo/restart"),
    "get or create": lambda api: api.client.post("/sessions/demo"),
    "create a kernel": lambda api: api.client.post("/kernels", json={"name": "demo"}),
    "destroy the kernel": lambda api: api.client.delete("/kernels/demo"),
    "destroy the session": lambda api: api.client.delete("/sessions/demo"),
    "destroy everything": lambda api: api.client.delete("/kernels"),
}
DESTROY = [name for name in CALLS if name.startswith("destroy")]
OTHERS = [name for name in CALLS if not name.startswith("destroy")]


async def processes_and_kernels(api: Api) -> tuple[set[str], set[str]]:
    """The connection files of the processes that live, and of the kernels that are listed."""
    living = {process.connection_file for process in api.kernels if not process.ended}
    listed = {kernel["connection_file"] for kernel in (await api.get("/kernels"))["kernels"]}
    return living, listed - {""}


@pytest.mark.parametrize("destroy", DESTROY)
async def test_a_kernel_that_is_called_while_it_is_destroyed_is_gone_or_listed(
    api: Api, destroy: str
) -> None:
    for other in OTHERS:
        for _ in range(3):
            await api.execute("demo", "1+1")
            crossing = (CALLS[other], CALLS[destroy], CALLS[other], CALLS[other])
            responses = await soon(asyncio.gather(*(call(api) for call in crossing)))
            statuses = {response.status_code for response in responses}
            assert statuses <= {200, 201, 404, 409}, (other, statuses)
            living, listed = await processes_and_kernels(api)
            assert living == listed, other
            assert len(living) <= 1, other
    answered(await api.client.delete("/kernels"))
    assert await processes_and_kernels(api) == (set(), set())
    assert all(process.released for process in api.kernels)
    assert answered(await api.execute("demo", "1+1"))["execution_count"] == 1


async def test_restarts_at_once_leave_one_process(api: Api) -> None:
    await api.create(name="mine")
    restarts = (api.client.post("/kernels/mine/restart") for _ in range(4))
    for response in await soon(asyncio.gather(*restarts)):
        assert response.status_code in (200, 409)
    living, listed = await processes_and_kernels(api)
    assert (len(living), living) == (1, listed)


async def test_a_kernel_that_is_destroyed_twice_at_once_is_destroyed(api: Api) -> None:
    await api.create(name="mine")
    destroyed = (api.client.delete("/kernels/mine") for _ in range(4))
    for response in await soon(asyncio.gather(*destroyed)):
        assert response.status_code in (200, 404)
    assert await processes_and_kernels(api) == (set(), set())
