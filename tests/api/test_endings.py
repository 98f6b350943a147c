"""How an execution ends: in time or not, with its kernel or without; never mistaken for another."""

from __future__ import annotations

import signal

from tests.api.conftest import Api, OpenApi, answered, soon
from tests.scripted_cell import Cell, dies
from tests.scripted_kernel import Start


async def prints_and_runs_on(cell: Cell) -> None:
    """Code that would never end."""
    await cell.stdout("before\n")
    await cell.until_interrupted()


async def test_a_timeout_ends_the_cell_and_the_next_one_runs_at_once(api: Api) -> None:
    api.scripts["long"] = prints_and_runs_on
    await api.run("demo", "1+1")
    late = await api.run("demo", "long", timeout=0.1)
    assert (late["status"], late["output"]) == ("timeout", "before\n")
    assert late["error"]["ename"] == "ExecutionTimeout"
    assert late["error"]["evalue"] == "The code ran into its limit of 0.1 s."
    assert 100 <= late["duration_ms"] < 2_000
    assert (late["state_lost"], api.kernels[0].interrupts) == (False, 1)
    after = await api.run("demo", "1+1")
    assert (after["status"], after["execution_count"]) == ("success", 3)
    assert len(api.kernels) == 1


async def test_the_limit_comes_from_the_settings_when_the_call_does_not_say(
    open_api: OpenApi,
) -> None:
    async with open_api(execution_timeout=0.1) as api:
        for fields in ({}, {"timeout": None}):
            late = await api.run("demo", "while True: pass", **fields)
            assert late["error"]["evalue"] == "The code ran into its limit of 0.1 s."
        assert (await api.run("demo", "1+1", timeout=5))["status"] == "success"


async def test_a_dead_kernel_does_not_look_like_a_timeout(api: Api) -> None:
    api.scripts["boom"] = dies(-signal.SIGKILL, after="before\n")
    dead = await api.run("demo", "boom", timeout=20)
    assert (dead["status"], dead["output"]) == ("dead", "before\n")
    assert dead["error"]["ename"] == "KernelDied"
    assert dead["error"]["evalue"] == ("The kernel died while it ran this code: killed by SIGKILL.")
    assert (dead["state_lost"], dead["duration_ms"] < 2_000) == (True, True)


async def test_a_kernel_that_ends_itself_says_with_which_code(api: Api) -> None:
    dead = await api.run("demo", "os._exit(3)")
    assert dead["error"]["evalue"].endswith("exited with code 3.")
    assert (await api.run("demo", "1+1"))["state_lost"] is True


async def test_the_first_call_does_not_miss_its_end(api: Api) -> None:
    api.starts.append(Start(unheard=1))
    result = await api.run("demo", "print('hello')", timeout=20)
    assert (result["status"], result["output"]) == ("success", "hello\n")
    assert result["duration_ms"] < 2_000


async def test_a_server_that_is_stopping_says_so(api: Api) -> None:
    await api.run("demo", "1+1")
    await soon(api.manager.close())
    code = {"code": "1+1"}
    for method, path, body in (
        ("POST", "/sessions/demo/execute", code),
        ("POST", "/sessions/other/execute", code),
        ("POST", "/kernels/demo/execute", code),
        ("POST", "/kernels", {}),
        ("POST", "/kernels/demo/restart", {}),
        ("DELETE", "/kernels/demo", {}),
        ("GET", "/kernels", {}),
    ):
        response = await api.client.request(method, path, json=body)
        assert answered(response, 503) == {"detail": "The server is shutting down."}, path
        assert response.headers["retry-after"] == "1"
    assert len(await api.history()) == 1


async def test_an_error_keeps_what_came_before_it(api: Api) -> None:
    async def fails(cell: Cell) -> None:
        await cell.stdout("out\n")
        await cell.stderr("err\n")
        await cell.error("ValueError", "no", ["line 1", "line 2"])

    api.scripts["fail"] = fails
    result = await api.run("demo", "fail")
    assert (result["status"], result["output"], result["stderr"]) == ("error", "out\n", "err\n")
    assert result["error"] == {
        "ename": "ValueError",
        "evalue": "no",
        "traceback": ["line 1", "line 2"],
    }
    assert (result["return_value"], result["state_lost"]) == (None, False)
    assert (await api.run("demo", "1+1"))["execution_count"] == 2
