"""Many calls at one time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.live.conftest import Run, eventually, kernel_processes
from tests.server import Server

MANY = 32


def test_32_first_calls_to_one_name_start_one_kernel(
    server: Server, client: httpx.Client, run: Run
) -> None:
    run_code = "import os\nos.getpid()"
    with ThreadPoolExecutor(MANY) as pool:
        results = list(pool.map(lambda _: run(run_code, session="one"), range(MANY)))
    assert {result["status"] for result in results} == {"success"}
    assert len({result["return_value"] for result in results}) == 1
    assert sorted(result["execution_count"] for result in results) == list(range(1, MANY + 1))
    assert len(client.get("/kernels").json()["kernels"]) == 1
    eventually(lambda: kernel_processes(server, client) == 1)


def test_32_first_calls_to_32_names_start_32_kernels(client: httpx.Client, run: Run) -> None:
    with ThreadPoolExecutor(MANY) as pool:
        results = list(pool.map(lambda n: run(f"{n} * 2", session=f"s{n}"), range(MANY)))
    assert [result["return_value"] for result in results] == [str(n * 2) for n in range(MANY)]
    assert len(client.get("/kernels").json()["kernels"]) == MANY


def test_calls_to_one_session_run_in_turn_and_their_wait_is_told(run: Run) -> None:
    run("import time\norder = []")
    with ThreadPoolExecutor(8) as pool:
        code = "order.append('in')\ntime.sleep(0.05)\norder.append('out')"
        results = list(pool.map(lambda _: run(code, timeout=0.5), range(8)))
    assert {result["status"] for result in results} == {"success"}
    assert max(result["queued_ms"] for result in results) >= 7 * 50
    assert run("order == ['in', 'out'] * 8")["return_value"] == "True"


def test_sessions_do_not_wait_for_one_another(run: Run) -> None:
    run("import time", session="slow")
    run("1", session="quick")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(run, "time.sleep(3)\n'slept'", session="slow")
        assert run("1 + 1", session="quick")["return_value"] == "2"
        assert not slow.done()
        assert slow.result(10)["return_value"] == "'slept'"
