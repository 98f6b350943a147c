"""A kernel is called by its id or its name, everywhere; a name belongs to one kernel at a time."""

from __future__ import annotations

import asyncio
import uuid
from urllib.parse import quote

import pytest

from kernels.runtime.types import EventKind
from tests.api.conftest import Api, answered, heard, soon
from tests.scripted_cell import Gate
from tests.scripted_kernel import Start


@pytest.mark.parametrize("by", ["id", "dashed id", "name", "session name"])
async def test_every_path_of_a_kernel_takes_its_id_or_a_name(api: Api, by: str) -> None:
    kernel_id = (await api.create(name="mine", session_name="demo"))["kernel_id"]
    called = {
        "id": kernel_id,
        "dashed id": str(uuid.UUID(kernel_id)),
        "name": "mine",
        "session name": "demo",
    }[by]
    assert (await api.get(f"/kernels/{called}"))["kernel"]["kernel_id"] == kernel_id
    for path in ("interrupt", "restart"):
        kernel = answered(await api.client.post(f"/kernels/{called}/{path}"))
        assert kernel["kernel_id"] == kernel_id, path
    for path in ("execute", "execute/retry"):
        result = await api.post(f"/kernels/{called}/{path}", code="1+1")
        execution = await api.get(f"/executions/{result['execution_id']}")
        assert execution["kernel_id"] == kernel_id, path
    assert answered(await api.client.delete(f"/kernels/{called}")) == {"destroyed": True}


async def test_an_unknown_kernel_is_a_404_with_a_sentence(api: Api) -> None:
    body = {"code": "1+1"}
    for called in ("nobody", uuid.uuid4().hex, "a\0b", "a\nb", "x" * 500, "*", "%"):
        path = f"/kernels/{quote(called, safe='')}"
        for response in (
            await api.client.get(path),
            await api.client.delete(path),
            await api.client.post(f"{path}/restart"),
            await api.client.post(f"{path}/interrupt"),
            await api.client.post(f"{path}/execute", json=body),
            await api.client.post(f"{path}/execute/retry", json=body),
        ):
            assert answered(response, 404) == {"detail": f"Unknown kernel: {called}"}
    assert api.launchers == []


async def test_an_unknown_session_is_a_404_with_a_sentence(api: Api) -> None:
    for response in (
        await api.client.get("/sessions/nobody"),
        await api.client.delete("/sessions/nobody"),
        await api.client.post("/sessions/nobody/interrupt"),
    ):
        assert answered(response, 404) == {"detail": "Unknown session: nobody"}


async def test_an_unknown_execution_is_a_404_with_a_sentence(api: Api) -> None:
    for execution_id in ("nothing", uuid.uuid4().hex, "a%00b"):
        told = answered(await api.client.get(f"/executions/{execution_id}"), 404)
        assert told["detail"].startswith("Unknown execution: ")


@pytest.mark.parametrize("first", ["name", "session_name"])
@pytest.mark.parametrize("second", ["name", "session_name"])
async def test_a_taken_name_is_a_409(api: Api, first: str, second: str) -> None:
    await api.create(**{first: "mine"})
    refused = answered(await api.client.post("/kernels", json={second: "mine"}), 409)
    assert refused == {"detail": "Kernel name already exists: mine"}
    assert len((await api.get("/kernels"))["kernels"]) == 1
    assert len(api.kernels) == 1


async def test_the_name_of_a_kernel_that_is_starting_is_taken(api: Api) -> None:
    api.starts.append(Start(mute=True))
    starting = asyncio.create_task(api.client.post("/kernels", json={"name": "mine"}))

    async def try_again() -> int:
        return (await api.client.post("/kernels", json={"name": "mine"})).status_code

    process = await api.starting()
    assert await try_again() == 409
    process.die()
    assert (await soon(starting)).status_code == 503
    assert await try_again() == 201


async def test_of_many_who_want_a_name_at_once_one_gets_it(api: Api) -> None:
    wants = (api.client.post("/kernels", json={"name": "mine"}) for _ in range(8))
    statuses = [response.status_code for response in await asyncio.gather(*wants)]
    assert sorted(statuses) == [201] + [409] * 7
    assert len(api.kernels) == 1


@pytest.mark.parametrize("field", ["name", "session_name"])
async def test_the_name_of_a_dead_kernel_is_free_again(api: Api, field: str) -> None:
    dead = await api.create(**{field: "mine"})
    await api.kill("mine")
    alive = await api.create(**{field: "mine"})
    assert alive["kernel_id"] != dead["kernel_id"]
    [listed] = (await api.get("/kernels"))["kernels"]
    assert listed["kernel_id"] == alive["kernel_id"]
    assert (await api.client.get(f"/kernels/{dead['kernel_id']}")).status_code == 404


async def test_the_name_of_a_destroyed_kernel_is_free_again(api: Api) -> None:
    destroyed = await api.create(name="mine")
    await api.client.delete("/kernels/mine")
    assert (await api.create(name="mine"))["kernel_id"] != destroyed["kernel_id"]


async def test_kernels_without_a_name_are_as_many_as_one_likes(api: Api) -> None:
    ids = {(await api.create())["kernel_id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("field", ["name", "session_name"])
async def test_the_kernel_of_a_name_is_the_one_that_the_session_of_that_name_uses(
    api: Api, field: str
) -> None:
    kernel = await api.create(**{field: "demo"})
    await api.post("/kernels/demo/execute", code="1+1")
    result = await api.run("demo", "1+1")
    assert result["execution_count"] == 2
    session = await api.get("/sessions/demo")
    assert session["kernel"]["kernel_id"] == kernel["kernel_id"]
    assert session["kernel"]["session_name"] == "demo"
    assert len(api.kernels) == 1


async def test_a_session_s_kernel_has_the_session_s_name(api: Api) -> None:
    kernel = await api.post("/sessions/demo")
    assert (kernel["name"], kernel["session_name"]) == ("demo", "demo")
    result = await api.post("/kernels/demo/execute", code="1+1")
    assert (await api.get(f"/executions/{result['execution_id']}"))["session_name"] == "demo"


async def test_a_name_may_hold_anything_but_slashes_and_control_characters(api: Api) -> None:
    names = ("a b", "näme", "日本", "🦊", "50%", "a?b#c", "..x", "x" * 128, "é" * 128)
    for place, name in enumerate(names, 1):
        path = quote(name, safe="")
        assert (await api.create(name=name))["name"] == name
        result = await api.post(f"/sessions/{path}/execute", code="1+1")
        assert (result["status"], len(api.kernels)) == ("success", place)
        assert (await api.history(session=name))[0]["session_name"] == name
        assert answered(await api.client.delete(f"/sessions/{path}")) == {"destroyed": True}


async def test_a_kernel_that_is_destroyed_while_it_runs_tells_its_caller(api: Api) -> None:
    api.scripts["long"] = Gate("before\n")
    with api.services.watchers.watching("demo") as watcher:
        running = api.begin("demo", "long")
        await heard(watcher, EventKind.STREAM)
    waiting = api.begin("demo", "1+1")
    await api.waiting("demo", 1)
    await api.client.delete("/kernels/demo")
    ran = answered(await soon(running))
    assert (ran["status"], ran["output"], ran["state_lost"]) == ("interrupted", "before\n", True)
    assert ran["error"]["ename"] == "KernelDestroyed"
    never_ran = answered(await soon(waiting), 409)
    assert "destroyed" in never_ran["detail"]
    assert [execution["code"] for execution in await api.history()] == ["long"]
