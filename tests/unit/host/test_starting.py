"""How a host starts kernels, forked or executed, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from kernels.host import linux
from tests.unit.host.conftest import NewHost
from tests.unit.host.harness import CHANNELS, RunningHost, eventually
from tests.unit.host.nest import Nest


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def test_a_forked_kernel_runs_code_as_soon_as_its_start_is_answered(nest: Nest) -> None:
    notebook = nest.fork().notebook
    assert notebook.welcome["msg_type"] == "iopub_welcome"
    cell = notebook.send("1+1")
    said = notebook.until_idle(cell)
    assert (said.value, said.error) == ("2", "")
    assert said.types == ["status", "execute_input", "execute_result", "status"]
    assert notebook.reply(cell)["content"]["execution_count"] == 1


def test_a_forked_kernel_has_nothing_of_the_cells_that_warmed_it(nest: Nest) -> None:
    notebook = nest.fork().notebook
    assert notebook.value("_, __, ___, len(In), dict(Out)") == ("", "", "", 2, {})
    assert (
        notebook.value("[name for name in dir() if name in ('_f', 'display_html', 'HTML')]") == []
    )
    assert notebook.value("import sys; hasattr(sys, 'last_value')") is False


def test_a_forked_kernel_is_a_child_of_the_host_in_a_group_of_its_own(
    host: RunningHost, nest: Nest
) -> None:
    kernel = nest.fork()
    asked = "import os, sys; os.getpid(), os.getppid(), os.getpgid(0), sys.argv"
    assert kernel.notebook.value(asked) == (kernel.pid, host.process.pid, kernel.pid, [""])
    assert psutil.Process(kernel.pid).name() == "kernel"


def test_kernels_know_nothing_of_each_other(nest: Nest) -> None:
    first, second = nest.fork(), nest.fork()
    first.notebook.run("x = 1")
    assert second.notebook.run("x").error == "NameError: name 'x' is not defined"
    drawn = (
        "import random, multiprocessing as m; random.random(), bytes(m.current_process().authkey)"
    )
    mine, theirs = first.notebook.value(drawn), second.notebook.value(drawn)
    assert mine[0] != theirs[0]
    assert mine[1] != theirs[1]


def test_a_forked_kernel_may_listen_on_tcp(host: RunningHost, nest: Nest) -> None:
    order = host.order(fork=True)
    info = json.loads(Path(order.connection_file).read_text())
    info |= dict(zip((f"{name}_port" for name in CHANNELS), free_ports(5), strict=True))
    Path(order.connection_file).write_text(
        json.dumps(info | {"transport": "tcp", "ip": "127.0.0.1"})
    )
    assert nest.start(order).notebook.run("1+1").value == "2"


def test_an_executed_program_is_what_was_ordered(nest: Nest) -> None:
    kernel = nest.execute("/bin/sleep", "1000")
    process = psutil.Process(kernel.pid)
    assert process.cmdline() == ["/bin/sleep", "1000"]
    assert os.getpgid(kernel.pid) == kernel.pid


def test_a_program_is_looked_for_in_the_path_that_was_ordered(nest: Nest, tmp_path: Path) -> None:
    program = tmp_path / "my-kernel"
    program.write_text("#!/bin/sh\nexec /bin/sleep 1000\n")
    program.chmod(0o700)
    kernel = nest.execute("my-kernel", environment={"PATH": f"/nowhere:{tmp_path}"})
    eventually(lambda: psutil.Process(kernel.pid).cmdline() == ["/bin/sleep", "1000"])


@pytest.mark.parametrize("fork", [True, False])
def test_a_start_says_which_process_it_is(nest: Nest, fork: bool) -> None:
    kernel = nest.fork() if fork else nest.execute()
    assert kernel.started == linux.start_time(kernel.pid)
    listed = {"kernel": kernel.name, "pid": kernel.pid, "started": kernel.started}
    assert nest.peer.ask("list")["kernels"] == [listed]


def test_a_signal_reaches_the_kernels_whole_group(nest: Nest) -> None:
    kernel = nest.shell("/bin/sleep 1000 & exec /bin/sleep 1000")
    eventually(lambda: len(kernel.children()) == 1)
    group = [kernel.pid, *kernel.children()]
    assert {os.getpgid(pid) for pid in group} == {kernel.pid}
    assert nest.peer.ask("signal", kernel=kernel.name, signal=signal.SIGSTOP)["sent"] is True
    stopped = psutil.STATUS_STOPPED
    eventually(lambda: {psutil.Process(pid).status() for pid in group} == {stopped})


def test_a_signal_interrupts_a_cell(nest: Nest) -> None:
    kernel = nest.fork()
    cell = kernel.notebook.send("print('now', flush=True); import time; time.sleep(60)")
    kernel.notebook.wait_for_text("now")
    assert nest.peer.ask("signal", kernel=kernel.name, signal=signal.SIGINT)["sent"] is True
    assert kernel.notebook.until_idle(cell).error == "KeyboardInterrupt: "


def test_a_signal_to_one_that_is_gone_is_not_sent(nest: Nest) -> None:
    kernel = nest.execute("/bin/true")
    kernel.death()
    for name in (kernel.name, "never-was"):
        assert nest.peer.ask("signal", kernel=name, signal=signal.SIGKILL)["sent"] is False


def test_what_a_startup_file_does_is_there_before_the_first_cell(
    new_host: NewHost, tmp_path: Path
) -> None:
    startup = tmp_path / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "50-mine.py").write_text("from_startup = 41\n")
    host = new_host(environment={"PATH": os.defpath, "IPYTHONDIR": str(tmp_path)})
    with closing(Nest(host)) as nest:
        assert nest.fork().notebook.value("from_startup + 1") == 42
