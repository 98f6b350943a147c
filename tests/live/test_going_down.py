"""Servers that stop, are killed, or do not start: nothing is left behind, and the reason is told."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.live.conftest import eventually
from tests.server import ROOT, clean_environment, running_server, stop


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_stopped_takes_its_kernels_along(how: signal.Signals) -> None:
    with running_server() as server, server.client() as client, ThreadPoolExecutor(1) as pool:
        client.post("/sessions/idle/execute", json={"code": "1"})
        client.post("/sessions/busy/execute", json={"code": "import time"})
        kernels = psutil.Process(server.process.pid).children()
        body = {"code": "time.sleep(60)"}
        busy = pool.submit(client.post, "/sessions/busy/execute", json=body)
        eventually(lambda: client.get("/kernels/busy").json()["kernel"]["busy"])
        server.process.send_signal(how)
        result = busy.result(10).json()
        assert (result["status"], result["state_lost"]) == ("interrupted", True)
        assert server.process.wait(15) in (0, -how)
        assert not any(kernel.is_running() for kernel in kernels)
        assert not list(server.runtime_dir.iterdir())
        assert "Traceback" not in server.log()


def test_the_kernels_of_a_killed_server_end_by_themselves() -> None:
    with running_server() as server, server.client() as client:
        client.post("/sessions/demo/execute", json={"code": "1"})
        kernels = psutil.Process(server.process.pid).children()
        server.process.kill()
        server.process.wait(5)
        eventually(lambda: not any(kernel.is_running() for kernel in kernels))


def test_after_a_restart_sessions_say_that_their_state_is_lost(tmp_path: Path) -> None:
    home = {"KERNELBOX_HOME": str(tmp_path)}
    with running_server(home) as server, server.client() as client:
        first = client.post("/sessions/demo/execute", json={"code": "x = 1"}).json()
        kernel_id = client.get("/kernels/demo").json()["kernel"]["kernel_id"]
        same_database = dict(server.settings)
        stop(server.process)
        with running_server(same_database) as again, again.client() as client_again:
            result = client_again.post("/sessions/demo/execute", json={"code": "x"}).json()
            assert (result["error"]["ename"], result["state_lost"]) == ("NameError", True)
            assert "stopped" in result["state_lost_reason"]
            kernel = client_again.get("/kernels/demo").json()["kernel"]
            assert kernel["kernel_id"] == kernel_id
            stored = client_again.get(f"/executions/{first['execution_id']}").json()
            assert stored["status"] == "success"


BAD_SETTINGS = {
    "a timeout that is no number": ({"KERNELBOX_EXECUTION_TIMEOUT": "soon"}, "KERNELBOX_EXECUTION_TIMEOUT must be"),
    "an address without a token": ({"KERNELBOX_HOST": "0.0.0.0"}, "there is no KERNELBOX_TOKEN"),
    "a database that is none": ({"DATABASE_URL": "mysql://u:secret@h/d"}, "DATABASE_URL must name Postgres or SQLite"),
    "a home that is a file": ({"KERNELBOX_HOME": __file__}, "cannot be used: File exists"),
    "a runtime folder that is too long": ({"KERNELBOX_RUNTIME_DIR": "/tmp/" + "x" * 90}, "KERNELBOX_RUNTIME_DIR must be at most"),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "sentence"), BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_a_setting_that_cannot_be_used_is_a_sentence_and_no_start(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    done = _serve(tmp_path, settings)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "secret" not in done.stderr


def test_a_port_that_is_taken_is_a_sentence_and_no_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = _serve(tmp_path, {"KERNELBOX_PORT": port})
    assert done.returncode != 0
    assert f"127.0.0.1:{port} cannot be listened on" in done.stderr


def test_a_second_server_in_the_same_folder_is_a_sentence_and_no_start(tmp_path: Path) -> None:
    with running_server() as server, server.client() as client:
        client.post("/sessions/demo/execute", json={"code": "x = 1"}).raise_for_status()
        done = _serve(tmp_path, {"KERNELBOX_HOME": str(server.home)})
        assert done.returncode != 0
        assert f"another server already uses {server.home}" in done.stderr
        result = client.post("/sessions/demo/execute", json={"code": "x"}).json()
        assert (result["return_value"], result["state_lost"]) == ("1", False)


def test_a_setting_that_is_misspelt_is_pointed_out() -> None:
    with running_server({"KERNELBOX_MAX_KERNEL": "3"}) as server:
        assert "KERNELBOX_MAX_KERNEL is no setting" in server.log()


def _serve(tmp_path: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kernelbox_site"],
        cwd=ROOT,
        env=clean_environment(tmp_path / "h", Path("/tmp") / tmp_path.name[:20], **settings),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
