"""Sessions: got or created by name, one kernel each, brought back when the kernel has died."""

from __future__ import annotations

import asyncio
import signal

import pytest

from kernels.manager import SERVER_STOPPED
from kernels.models import Kernel
from kernels.runtime.types import EventKind
from sessions_app.models import Session
from tests.api.conftest import Api, OpenApi, answered, heard, soon
from tests.scripted_cell import Cell, Gate
from tests.scripted_kernel import Start

KILLED = "The kernel died: killed by SIGKILL."


async def test_32_first_calls_at_once_to_one_name_start_one_kernel(api: Api) -> None:
    results = await asyncio.gather(*(api.run("one", "1+1") for _ in range(32)))
    assert {result["status"] for result in results} == {"success"}
    assert sorted(result["execution_count"] for result in results) == [*range(1, 33)]
    assert len(api.kernels) == 1
    assert await api.database(Session.objects.count) == 1
    assert await api.database(Kernel.objects.count) == 1


async def test_32_first_calls_at_once_to_32_names_start_32_kernels(api: Api) -> None:
    results = await asyncio.gather(*(api.run(f"s{n}", "1+1") for n in range(32)))
    assert {(r["status"], r["execution_count"]) for r in results} == {("success", 1)}
    assert len(api.kernels) == 32
    sessions = (await api.get("/sessions"))["sessions"]
    assert {session["name"] for session in sessions} == {f"s{n}" for n in range(32)}
    assert len({session["kernel"]["kernel_id"] for session in sessions}) == 32


async def test_calls_of_all_kinds_at_once_to_a_new_name_share_its_kernel(api: Api) -> None:
    first, *results, last = await asyncio.gather(
        api.post("/sessions/one"),
        api.run("one", "1+1"),
        api.post("/sessions/one/execute_with_retry", code="1+1"),
        api.run("one", "ls", language="bash"),
        api.post("/sessions/one"),
    )
    assert len(api.kernels) == 1
    assert first["kernel_id"] == last["kernel_id"]
    assert sorted(result["execution_count"] for result in results) == [1, 2, 3]


async def test_sessions_are_apart_from_each_other(api: Api) -> None:
    for expected in (1, 2):
        for name in ("a", "b"):
            assert (await api.run(name, "1+1"))["execution_count"] == expected
    assert [kernel.codes[-2:] for kernel in api.kernels] == [["1+1", "1+1"]] * 2


async def test_a_session_that_runs_long_does_not_hold_up_another(api: Api) -> None:
    gate = api.scripts["long"] = Gate()
    running = api.begin("a", "long")
    await soon(gate.entered.wait())
    assert (await api.run("b", "1+1"))["status"] == "success"
    assert not running.done()
    gate.opened.set()
    assert answered(await soon(running))["status"] == "success"


async def test_bash_goes_through_the_session_s_python_kernel(api: Api) -> None:
    await api.run("demo", "x = 1")
    for language in ("bash", "BASH", "sh"):
        assert (await api.run("demo", "ls -l", language=language))["status"] == "success"
    assert (await api.run("demo", "x"))["execution_count"] == 5
    assert api.kernels[0].codes[-5:] == ["x = 1", *["%%bash\nls -l"] * 3, "x"]
    assert [row["code"] for row in await api.history()] == ["x", *["ls -l"] * 3, "x = 1"]
    assert (await api.get("/sessions/demo"))["language"] == "python"


async def test_a_session_keeps_the_language_of_its_first_call(api: Api, julia: str) -> None:
    assert (await api.run("demo", "1+1", language="Julia"))["status"] == "success"
    assert (await api.get("/sessions/demo"))["language"] == julia
    sentence = (
        "Session 'demo' runs julia: its language is that of its first call. "
        "Use another session name for python."
    )
    for refused in (
        await api.execute("demo", "1+1"),
        await api.execute("demo", "ls", language="bash"),
        await api.client.post("/sessions/demo/execute_with_retry", json={"code": "1+1"}),
        await api.client.post("/sessions/demo"),
        await api.client.post("/kernels/demo/execute", json={"code": "1+1"}),
    ):
        assert answered(refused, 409) == {"detail": sentence}
    assert (await api.run("demo", "1+1", language="julia"))["execution_count"] == 2
    kernel = await api.database(Kernel.objects.get, name="demo")
    assert (kernel.language, kernel.kernelspec) == ("julia", "julia-1")


async def test_a_python_session_refuses_another_language(api: Api, julia: str) -> None:
    await api.run("demo", "1+1")
    refused = answered(await api.execute("demo", "1+1", language=julia), 409)
    assert refused["detail"].startswith("Session 'demo' runs python: ")
    assert len(api.kernels) == 1


async def test_of_first_calls_at_once_in_two_languages_one_is_told_of_the_other(
    api: Api, julia: str
) -> None:
    responses = await asyncio.gather(
        api.execute("demo", "1+1"), api.execute("demo", "1+1", language=julia)
    )
    assert sorted(response.status_code for response in responses) == [200, 409]
    assert len(api.kernels) == 1


async def test_a_deleted_session_begins_anew(api: Api, julia: str) -> None:
    first = await api.post("/sessions/demo", tags={"task": "eda"})
    await api.run("demo", "1+1")
    await api.client.delete("/sessions/demo")
    result = await api.run("demo", "1+1", language=julia)
    assert (result["execution_count"], result["state_lost"]) == (1, False)
    session = await api.get("/sessions/demo")
    assert (session["tags"], session["language"]) == ({}, julia)
    assert session["kernel"]["kernel_id"] != first["kernel_id"]


async def test_a_session_whose_kernel_was_destroyed_begins_anew(api: Api) -> None:
    await api.run("demo", "1+1")
    await api.client.delete("/kernels/demo")
    assert (await api.get("/sessions/demo"))["kernel"] is None
    assert (await api.run("demo", "1+1"))["execution_count"] == 1
    assert (await api.get("/sessions/demo"))["kernel"]["status"] == "running"


async def test_a_deleted_session_ends_what_it_runs(api: Api) -> None:
    gate = api.scripts["long"] = Gate()
    running = api.begin("demo", "long")
    await soon(gate.entered.wait())
    assert answered(await api.client.delete("/sessions/demo")) == {"destroyed": True}
    assert answered(await soon(running))["error"]["ename"] == "KernelDestroyed"


async def test_an_interrupt_with_nothing_running_does_nothing(api: Api) -> None:
    await api.run("demo", "1+1")
    assert await api.post("/sessions/demo/interrupt") == {"interrupted": False}
    assert api.kernels[0].interrupts == 0
    assert (await api.run("demo", "1+1"))["execution_count"] == 2


async def test_an_interrupt_ends_what_runs_and_leaves_what_waits(api: Api) -> None:
    gate = Gate()

    async def runs_long(cell: Cell) -> None:
        gate.entered.set()
        await cell.until_interrupted()

    api.scripts["long"] = runs_long
    running = api.begin("demo", "long")
    await soon(gate.entered.wait())
    waiting = api.begin("demo", "1+1")
    await api.waiting("demo", 1)
    assert await api.post("/sessions/demo/interrupt") == {"interrupted": True}
    interrupted = answered(await soon(running))
    assert interrupted["status"] == "interrupted"
    assert interrupted["error"]["ename"] == "KeyboardInterrupt"
    assert interrupted["state_lost"] is False
    assert answered(await soon(waiting))["execution_count"] == 2


async def test_a_dead_kernel_comes_back_and_tells_once_that_the_state_was_lost(api: Api) -> None:
    kernel = await api.post("/sessions/demo")
    await api.run("demo", "1+1")
    await api.kill("demo")
    dead = (await api.get("/sessions/demo"))["kernel"]
    assert (dead["status"], dead["status_reason"]) == ("dead", KILLED)
    back = await api.run("demo", "1+1")
    assert (back["status"], back["execution_count"]) == ("success", 1)
    assert (back["state_lost"], back["state_lost_reason"]) == (True, KILLED)
    again = await api.run("demo", "1+1")
    assert (again["state_lost"], again["state_lost_reason"]) == (False, None)
    alive = (await api.get("/sessions/demo"))["kernel"]
    assert (alive["kernel_id"], alive["status"]) == (kernel["kernel_id"], "running")
    assert [row["state_lost"] for row in await api.history()] == [False, True, False]


async def test_a_restart_tells_those_who_wait_that_the_state_was_lost(api: Api) -> None:
    api.scripts["long"] = Gate("before\n")
    with api.services.watchers.watching("demo") as watcher:
        running = api.begin("demo", "long")
        await heard(watcher, EventKind.STREAM)
    waiting = api.begin("demo", "1+1")
    await api.waiting("demo", 1)
    await api.post("/kernels/demo/restart")
    ran, waited = answered(await soon(running)), answered(await soon(waiting))
    assert (ran["status"], ran["output"]) == ("interrupted", "before\n")
    assert (ran["error"]["ename"], ran["state_lost"]) == ("KernelRestarted", True)
    assert (waited["status"], waited["execution_count"]) == ("success", 1)
    assert waited["state_lost_reason"] == "The kernel was restarted."


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (Start(refused="No kernel today."), "No kernel today."),
        (
            Start(dies=-signal.SIGKILL, stderr="no memory"),
            "The kernel ended before it was ready: killed by SIGKILL. It said: no memory",
        ),
    ],
)
async def test_a_failed_start_is_a_503_and_the_next_call_tries_again(
    api: Api, start: Start, why: str
) -> None:
    for path in ("/sessions/demo", "/sessions/demo/execute", "/kernels"):
        api.starts.append(start)
        response = await api.client.post(path, json={"code": "1+1"})
        assert answered(response, 503) == {"detail": why}
        assert response.headers["retry-after"] == "1"
        assert (await api.get("/kernels"))["kernels"] == []
    assert await api.history() == []
    assert (await api.run("demo", "1+1"))["state_lost"] is False


async def test_all_who_wait_for_a_start_that_fails_are_told_so(api: Api) -> None:
    api.starts.append(Start(dies=1, stderr="no\0memory"))
    responses = await asyncio.gather(*(api.execute("demo", "1+1") for _ in range(8)))
    assert [response.status_code for response in responses] == [503] * 8
    assert "no\0memory" in responses[0].json()["detail"]
    assert len(api.kernels) == 1
    assert (await api.run("demo", "1+1"))["status"] == "success"


async def test_a_caller_that_goes_away_during_the_start_does_not_stop_it(api: Api) -> None:
    api.starts.append(Start(unheard=1))
    first = api.begin("demo", "1+1")
    await api.starting()
    second = api.begin("demo", "1+1")
    first.cancel()
    assert answered(await soon(second))["status"] == "success"
    assert len(api.kernels) == 1


async def test_a_dead_kernel_that_cannot_come_back_is_tried_again_by_the_next_call(
    api: Api,
) -> None:
    kernel = await api.post("/sessions/demo")
    await api.kill("demo")
    api.starts.append(Start(refused="No kernel today."))
    assert answered(await api.execute("demo", "1+1"), 503) == {"detail": "No kernel today."}
    back = await api.run("demo", "1+1")
    assert (back["state_lost"], back["state_lost_reason"]) == (True, KILLED)
    session = await api.get("/sessions/demo")
    assert session["kernel"]["kernel_id"] == kernel["kernel_id"]
    assert len(await api.history()) == 1


async def test_a_start_that_takes_too_long_is_a_503(open_api: OpenApi) -> None:
    async with open_api(start_timeout=0.1) as api:
        api.starts.append(Start(mute=True))
        refused = answered(await api.execute("demo", "1+1"), 503)
        assert refused == {"detail": "The kernel was not ready within 0.1 s."}
        assert (api.kernels[0].killed, api.kernels[0].released) == (True, True)


async def test_a_session_outlives_the_server_without_its_variables(open_api: OpenApi) -> None:
    async with open_api() as api:
        kernel = await api.post("/sessions/demo", tags={"task": "eda"})
        await api.run("demo", "1+1")
    async with open_api() as api:
        session = await api.get("/sessions/demo")
        assert session["tags"] == {"task": "eda"}
        assert session["kernel"]["kernel_id"] == kernel["kernel_id"]
        assert session["kernel"]["status"] == "dead"
        back = await api.run("demo", "1+1")
        assert (back["execution_count"], back["state_lost_reason"]) == (1, SERVER_STOPPED)
        assert not (await api.run("demo", "1+1"))["state_lost"]


async def test_a_restart_after_the_server_s_own_is_a_new_process(open_api: OpenApi) -> None:
    async with open_api() as api:
        kernel = await api.create(name="mine")
        await api.post("/kernels/mine/execute", code="1+1")
    async with open_api() as api:
        restarted = await api.post("/kernels/mine/restart")
        assert (restarted["kernel_id"], restarted["status"]) == (kernel["kernel_id"], "running")
        assert len(api.kernels) == 1
        assert (await api.post("/kernels/mine/execute", code="1+1"))["execution_count"] == 1
