"""The process of a host: alone at its socket, private, and gone without a trace."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from kernels.host.__main__ import ALREADY_SERVED
from tests.unit.host.conftest import NewHost
from tests.unit.host.harness import MODULE, RunningHost, eventually, has_ended, is_gone
from tests.unit.host.nest import Nest
from tests.unit.host.peer import LIMIT


def run_host(socket: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A host that ends by itself."""
    command = [sys.executable, *MODULE, "--socket", str(socket), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_host_and_its_kernels_and_leaves_no_file(
    new_host: NewHost, number: signal.Signals
) -> None:
    host = new_host()
    (host.folder / "host.log").touch()
    with closing(Nest(host)) as nest:
        pids = [nest.fork().pid, nest.execute().pid]
        assert {path.name for path in host.folder.glob("host.*")} == {
            "host.sock",
            "host.lock",
            "host.log",
        }
        host.process.send_signal(number)
        assert host.wait() == 0
        assert all(map(is_gone, pids))
    assert [path.name for path in host.folder.iterdir()] == ["stderr"]


def test_a_signal_ends_a_host_that_does_not_serve_yet(tmp_path: Path) -> None:
    socket = tmp_path / "host.sock"
    process = subprocess.Popen([sys.executable, *MODULE, "--socket", str(socket)])
    try:
        status, terminate = Path(f"/proc/{process.pid}/status"), 1 << (signal.SIGTERM - 1)

        def is_prepared() -> bool:
            caught = re.search(r"SigCgt:\t(\w+)", status.read_text())
            return caught is not None and bool(int(caught.group(1), 16) & terminate)

        eventually(is_prepared)
        process.terminate()
        assert process.wait(LIMIT) == 0
    finally:
        process.kill()
        process.wait()
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_is_killed_takes_its_kernels_along_within_a_second(new_host: NewHost) -> None:
    host = new_host()
    with closing(Nest(host)) as nest:
        pids = [nest.fork().pid, nest.execute().pid, nest.shell("exec /bin/sleep 1000").pid]
        host.process.kill()
        host.process.wait()
        eventually(lambda: all(map(has_ended, pids)), limit=1.0)


def test_a_second_host_at_a_socket_leaves_it_to_the_first(new_host: NewHost) -> None:
    host = new_host()
    with closing(Nest(host)) as nest:
        kernel = nest.execute()
        second = run_host(host.socket)
        assert second.returncode == ALREADY_SERVED == 3
        assert f"another one serves {host.socket}" in second.stderr
        assert nest.peer.kernels() == {kernel.name: kernel.pid}
    assert host.peer().greeting["pid"] == host.process.pid


def test_of_hosts_that_start_at_once_exactly_one_serves(new_host: NewHost) -> None:
    first = new_host("--grace", "0.1", lease=False)
    assert first.wait() == 0
    command = [sys.executable, *MODULE, "--socket", str(first.socket), "--grace", "10"]
    started = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(3)]
    try:
        eventually(lambda: sum(process.poll() is None for process in started) == 1)
        [serving] = (process for process in started if process.poll() is None)
        eventually(first.socket.exists)
        assert {process.returncode for process in started if process is not serving} == {3}
        serving.terminate()
        assert serving.wait(LIMIT) == 0
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_host_takes_over_from_one_that_was_killed(new_host: NewHost) -> None:
    killed = new_host()
    killed.process.kill()
    killed.process.wait()
    assert killed.socket.exists()
    successor = new_host(folder=killed.folder)
    assert successor.peer().greeting["pid"] == successor.process.pid != killed.process.pid


def test_a_host_makes_its_folder_for_its_user_alone(new_host: NewHost, tmp_path: Path) -> None:
    host = new_host()
    socket = host.folder / "new" / "one" / "host.sock"
    process = subprocess.Popen([sys.executable, *MODULE, "--socket", str(socket)])
    try:
        eventually(socket.exists)
        modes = [path.stat().st_mode & 0o777 for path in (socket.parent, socket)]
        assert modes == [0o700, 0o700]
        assert socket.with_suffix(".lock").stat().st_mode & 0o777 == 0o600
    finally:
        process.terminate()
        process.wait(LIMIT)


def test_a_host_can_be_told_by_its_name(new_host: NewHost) -> None:
    assert psutil.Process(new_host().process.pid).name() == "kernel-host"


def test_a_host_has_one_thread_and_nothing_of_a_server(host: RunningHost) -> None:
    process = psutil.Process(host.process.pid)
    assert process.num_threads() == 1
    assert process.children() == []
    mapped = {Path(part.path).name for part in process.memory_maps()}
    assert not any(name.startswith(("_sqlite3", "uvloop", "psycopg")) for name in mapped)


def test_a_host_that_cannot_listen_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 107)
    failed = run_host(folder / "host.sock")
    assert failed.returncode == 1
    assert "AF_UNIX path too long" in failed.stderr
    assert os.listdir(folder) == []


def test_a_host_without_a_socket_says_how_it_is_used() -> None:
    command = [sys.executable, *MODULE]
    said = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert said.returncode == 2
    assert "--socket" in said.stderr
