"""How many kernels there may be, how many executions may wait, in which order they run."""

from __future__ import annotations

import asyncio

import httpx

from tests.api.conftest import Api, OpenApi, answered, soon
from tests.scripted_cell import Gate, raises
from tests.scripted_kernel import Start

AT_THE_LIMIT = (
    "{} kernels are alive or starting, which is the limit (KERNELBOX_MAX_KERNELS). "
    "Destroy one, or try again later."
)


def told_to_wait(response: httpx.Response) -> str:
    """What is said to a client that may try again, which must be a 429."""
    detail: str = answered(response, 429)["detail"]
    assert response.headers["retry-after"] == "1"
    return detail


async def test_past_the_limit_of_kernels_it_is_a_429_until_one_is_destroyed(
    open_api: OpenApi,
) -> None:
    async with open_api(max_kernels=2) as api:
        await api.create(name="mine")
        await api.run("demo", "1+1")
        for refused in (
            await api.client.post("/kernels"),
            await api.client.post("/sessions/other"),
            await api.execute("other", "1+1"),
        ):
            assert told_to_wait(refused) == AT_THE_LIMIT.format(2)
        assert len((await api.get("/kernels"))["kernels"]) == 2
        assert len((await api.get("/sessions"))["sessions"]) == 1
        assert (await api.run("demo", "1+1"))["status"] == "success"
        await api.client.delete("/kernels/mine")
        assert (await api.run("other", "1+1"))["status"] == "success"


async def test_starts_under_way_count_as_kernels(open_api: OpenApi) -> None:
    async with open_api(max_kernels=1) as api:
        api.starts.append(Start(mute=True))
        starting = asyncio.create_task(api.client.post("/kernels", json={"name": "slow"}))
        process = await api.starting()
        assert told_to_wait(await api.client.post("/kernels")) == AT_THE_LIMIT.format(1)
        process.die()
        assert (await soon(starting)).status_code == 503
        await api.create()


async def test_of_many_starts_at_once_no_more_than_the_limit_succeed(open_api: OpenApi) -> None:
    async with open_api(max_kernels=3) as api:
        responses = await asyncio.gather(*(api.execute(f"s{n}", "1+1") for n in range(10)))
        statuses = [response.status_code for response in responses]
        assert sorted(statuses) == [200] * 3 + [429] * 7
        assert len(api.kernels) == 3


async def test_a_dead_kernel_does_not_count_and_its_way_back_does(open_api: OpenApi) -> None:
    async with open_api(max_kernels=1) as api:
        await api.run("first", "1+1")
        await api.kill("first")
        await api.run("second", "1+1")
        assert told_to_wait(await api.execute("first", "1+1")) == AT_THE_LIMIT.format(1)
        await api.client.delete("/kernels/second")
        assert (await api.run("first", "1+1"))["state_lost"] is True


async def test_a_dead_kernel_is_not_restarted_past_the_limit(open_api: OpenApi) -> None:
    async with open_api(max_kernels=1) as api:
        await api.create(name="first")
        await api.kill("first")
        await api.create(name="second")
        refused = await api.client.post("/kernels/first/restart")
        assert told_to_wait(refused) == AT_THE_LIMIT.format(1)
        assert (await api.get("/kernels/first"))["kernel"]["status"] == "dead"
        await api.client.delete("/kernels/second")
        assert (await api.post("/kernels/first/restart"))["status"] == "running"


async def test_past_the_limit_of_the_queue_it_is_a_429(open_api: OpenApi) -> None:
    async with open_api(queue_limit=2) as api:
        gate = api.scripts["long"] = Gate()
        running = [api.begin("demo", "long")]
        await soon(gate.entered.wait())
        running += [api.begin("demo", "1+1"), api.begin("demo", "1+1")]
        await api.waiting("demo", 2)
        for path in (
            "/sessions/demo/execute",
            "/kernels/demo/execute",
            "/kernels/demo/execute/retry",
        ):
            refused = await api.client.post(path, json={"code": "1+1"})
            assert told_to_wait(refused) == (
                "2 executions already wait for this kernel, which is the limit "
                "(KERNELBOX_QUEUE_LIMIT). Try again later."
            )
        gate.opened.set()
        for response in await soon(asyncio.gather(*running)):
            assert answered(response)["status"] == "success"
        assert (await api.run("demo", "1+1"))["execution_count"] == 4
        assert len(await api.history()) == 4


async def test_a_kernel_tells_that_it_is_busy_and_how_many_wait(api: Api) -> None:
    gate = api.scripts["long"] = Gate()
    running = [api.begin("demo", "long")]
    await soon(gate.entered.wait())
    running.append(api.begin("demo", "1+1"))
    await api.waiting("demo", 1)
    told = await api.get("/kernels/demo")
    assert (told["alive"], told["kernel"]["busy"], told["kernel"]["status"]) == (
        True,
        True,
        "running",
    )
    gate.opened.set()
    await soon(asyncio.gather(*running))
    idle = (await api.get("/kernels/demo"))["kernel"]
    assert (idle["busy"], idle["queue_length"]) == (False, 0)


async def test_who_comes_first_is_served_first_and_is_told_how_long_it_waited(api: Api) -> None:
    gate = api.scripts["long"] = Gate()
    codes = [f"code {number}" for number in range(5)]
    clock = asyncio.get_running_loop().time
    running = [api.begin("demo", "long")]
    await soon(gate.entered.wait())
    begun_at = clock()
    for place, code in enumerate(codes, 1):
        running.append(api.begin("demo", code))
        await api.waiting("demo", place)
    all_wait_since = clock()
    done, _ = await asyncio.wait(running, timeout=0.1)
    assert done == set()
    held_ms = (clock() - all_wait_since) * 1000
    gate.opened.set()
    first, *others = [answered(one) for one in await soon(asyncio.gather(*running))]
    ended_ms = (clock() - begun_at) * 1000
    assert api.kernels[0].codes[-6:] == ["long", *codes]
    assert [other["execution_count"] for other in others] == [2, 3, 4, 5, 6]
    assert first["queued_ms"] < 100 <= first["duration_ms"]
    for other in others:
        assert held_ms - 1 <= other["queued_ms"] <= ended_ms + 1
    kept = await api.history()
    assert [row["queued_ms"] for row in reversed(kept)] == [
        result["queued_ms"] for result in (first, *others)
    ]


async def test_the_startup_code_runs_in_every_new_process(open_api: OpenApi) -> None:
    async with open_api(startup_code="import numpy as np") as api:
        prepared = ["import numpy as np"]
        result = await api.run("demo", "1+1")
        assert result["execution_count"] == 1
        await api.post("/kernels/demo/restart")
        await api.create()
        assert [kernel.codes for kernel in api.kernels] == [
            [*prepared, "1+1"],
            prepared,
            prepared,
        ]
        assert [row["code"] for row in await api.history()] == ["1+1"]


async def test_the_startup_code_is_python_and_not_for_other_languages(
    open_api: OpenApi, julia: str
) -> None:
    async with open_api(startup_code="import numpy as np") as api:
        await api.run("demo", "1+1", language=julia)
        assert api.kernels[0].codes == ["1+1"]


async def test_startup_code_that_raises_is_a_503_that_says_what_it_raised(
    open_api: OpenApi,
) -> None:
    async with open_api(startup_code="import nothing") as api:
        api.scripts["import nothing"] = raises("ModuleNotFoundError", "No module named 'nothing'")
        for response in (
            await api.client.post("/kernels", json={"name": "mine"}),
            await api.client.post("/sessions/demo"),
            await api.execute("demo", "1+1"),
        ):
            assert answered(response, 503) == {
                "detail": "The startup code (KERNELBOX_STARTUP_CODE) raised "
                "ModuleNotFoundError: No module named 'nothing'"
            }
            assert response.headers["retry-after"] == "1"
        assert all(kernel.killed and kernel.released for kernel in api.kernels)
        assert (await api.get("/kernels"))["kernels"] == []
        del api.scripts["import nothing"]
        assert (await api.run("demo", "1+1"))["status"] == "success"
