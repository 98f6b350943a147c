"""Executions that take too long, kernels that are interrupted, and kernels that die."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from tests.live.conftest import Run, eventually
from tests.server import Server

TOO_LONG = {
    "a sleep": "import time\nprint('begun')\ntime.sleep(60)",
    "a busy loop": "print('begun')\nwhile True: pass",
    "an await": "import asyncio\nprint('begun')\nawait asyncio.sleep(60)",
    "a child process": "print('begun')\n!sleep 60",
    "bash": "%%bash\necho begun\nsleep 60",
}


@pytest.mark.parametrize("code", TOO_LONG.values(), ids=TOO_LONG.keys())
def test_at_its_limit_an_execution_is_interrupted_and_the_variables_stay(
    run: Run, code: str
) -> None:
    run("kept = 'still here'")
    result = run(code, timeout=1)
    assert result["status"] == "timeout"
    assert result["output"].startswith("begun")
    assert result["state_lost"] is False
    assert result["duration_ms"] < 2_500
    assert run("kept")["return_value"] == "'still here'"


def test_a_kernel_that_does_not_heed_is_replaced_and_the_result_says_so(run: Run) -> None:
    run("gone = 1")
    stubborn = (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('begun')\n"
        "while True: pass"
    )
    result = run(stubborn, timeout=0.5)
    assert (result["status"], result["output"]) == ("timeout", "begun\n")
    assert result["state_lost"] is True
    assert "did not heed" in result["state_lost_reason"]
    after = run("gone")
    assert (after["error"]["ename"], after["state_lost"]) == ("NameError", False)


def test_an_interrupt_ends_what_runs_and_what_waits_goes_on(
    server: Server, client: httpx.Client, run: Run
) -> None:
    run("x = 1")
    with ThreadPoolExecutor(2) as pool, server.client() as other:
        sleeping = pool.submit(run, "import time\ntime.sleep(60)")
        eventually(lambda: client.get("/sessions/demo").json()["kernel"]["busy"])
        waiting = pool.submit(run, "x + 1")
        eventually(lambda: client.get("/sessions/demo").json()["kernel"]["queue_length"] == 1)
        assert other.post("/sessions/demo/interrupt").json() == {"interrupted": True}
        assert sleeping.result(10)["status"] == "interrupted"
        assert waiting.result(10)["return_value"] == "2"
    assert client.post("/sessions/demo/interrupt").json() == {"interrupted": False}


DEATHS = {
    "SIGKILL": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "SIGSEGV": "import ctypes\nctypes.string_at(0)",
    "code 7": "import os\nos._exit(7)",
}


@pytest.mark.parametrize(("how", "code"), DEATHS.items(), ids=DEATHS.keys())
def test_a_kernel_that_dies_in_a_cell_ends_the_call_within_half_a_second(
    run: Run, how: str, code: str
) -> None:
    run("x = 1")
    begun = time.monotonic()
    result = run(f"import time\nprint('last words', flush=True)\ntime.sleep(0.1)\n{code}")
    took = time.monotonic() - begun
    assert result["status"] == "dead"
    assert how in result["error"]["evalue"]
    assert result["output"] == "last words\n"
    assert took < 0.1 + 0.5
    after = run("x")
    assert (after["error"]["ename"], after["state_lost"]) == ("NameError", True)
    assert how in after["state_lost_reason"]
    assert run("1")["state_lost"] is False


def test_a_kernel_killed_while_idle_is_seen_and_brought_back(
    client: httpx.Client, run: Run
) -> None:
    pid = int(run("import os\nos.getpid()")["return_value"])
    before = client.get("/sessions/demo").json()["kernel"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: client.get("/kernels/demo").json()["kernel"]["status"] == "dead", limit=0.5)
    assert client.get("/kernels/demo").json()["alive"] is False
    result = run("1 + 1")
    assert (result["return_value"], result["state_lost"]) == ("2", True)
    after = client.get("/sessions/demo").json()["kernel"]
    assert (after["kernel_id"], after["status"]) == (before["kernel_id"], "running")


def test_a_client_that_goes_away_changes_nothing(client: httpx.Client, run: Run) -> None:
    run("import time\ncount = 0")
    code = "time.sleep(0.5)\ncount += 1\nprint('done')"
    with pytest.raises(httpx.ReadTimeout):
        client.post("/sessions/demo/execute", json={"code": code}, timeout=0.1)
    assert run("count")["return_value"] == "1"
    newest = client.get("/executions", params={"session": "demo", "search": "sleep(0.5)"}).json()
    assert [(e["status"], e["output"]) for e in newest["results"]] == [("success", "done\n")]


def test_restart_and_destroy_end_what_runs(client: httpx.Client, run: Run) -> None:
    run("x = 1")
    for method, path in (("POST", "/kernels/demo/restart"), ("DELETE", "/kernels/demo")):
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(run, "import time\ntime.sleep(60)")
            eventually(lambda: client.get("/kernels/demo").json()["kernel"]["busy"])
            assert client.request(method, path).status_code == 200
            result = running.result(10)
        assert (result["status"], result["state_lost"]) == ("interrupted", True)
    assert run("1 + 1")["return_value"] == "2"


def test_grandchildren_of_the_kernels_group_end_with_it(client: httpx.Client, run: Run) -> None:
    pid = int(run("import subprocess\nsubprocess.Popen(['sleep', '600']).pid")["return_value"])
    assert psutil.pid_exists(pid)
    client.delete("/kernels/demo").raise_for_status()
    eventually(lambda: not psutil.pid_exists(pid) or is_zombie(pid))


def is_zombie(pid: int) -> bool:
    """Whether a process has ended, and only its parent has not looked yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
