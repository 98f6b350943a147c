"""What a kernel has started ends with it, however it was started and however the kernel died."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.unit.host.conftest import NewHost
from tests.unit.host.harness import eventually, has_ended, is_gone
from tests.unit.host.nest import Kernel, Nest

#: Starts a child, one in a session of its own, and a daemon by the book.
FAMILY = """
import subprocess
subprocess.Popen(["/bin/sleep", "1000"])
subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
subprocess.run(["/bin/sh", "-c", "setsid /bin/sh -c '/bin/sleep 1000 & /bin/sleep 1000' &"])
"""
IN_SHELL = (
    "/bin/sleep 1000 & setsid /bin/sleep 1000 & "
    "setsid /bin/sh -c '(/bin/sleep 1000 &) & exec /bin/sleep 1000' & "
)
SLEEPERS = 4

BY_ITSELF = {
    "it exits": "import os; os._exit(7)",
    "it is killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "it crashes": "import ctypes; ctypes.string_at(0)",
    "it aborts": "import os; os.abort()",
}


def sleepers(kernel: Kernel, count: int = SLEEPERS) -> list[int]:
    """The pids of a kernel's family, once all of it is there; it is not one group."""

    def found() -> list[int]:
        below = psutil.Process(kernel.pid).children(recursive=True)
        return [process.pid for process in below if process.name() == "sleep"]

    eventually(lambda: len(found()) == count)
    assert {os.getpgid(pid) for pid in found()} - {kernel.pid}
    return found()


def with_family(nest: Nest) -> tuple[Kernel, list[int]]:
    """A forked kernel that has started others."""
    kernel = nest.fork()
    kernel.notebook.run(FAMILY)
    return kernel, sleepers(kernel)


@pytest.mark.parametrize("code", BY_ITSELF.values(), ids=BY_ITSELF)
def test_the_family_of_a_kernel_ends_with_it_when(nest: Nest, code: str) -> None:
    kernel, family = with_family(nest)
    kernel.dies_of(code)
    eventually(lambda: all(map(is_gone, family)))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_family_of_a_kernel_ends_with_it_when_it_is_sent(nest: Nest, number: int) -> None:
    kernel, family = with_family(nest)
    assert nest.peer.ask("signal", kernel=kernel.name, signal=number)["sent"] is True
    assert kernel.death()["signal"] == number
    eventually(lambda: all(map(is_gone, family)))


def test_what_left_the_group_of_a_kernel_ends_with_it_when_it_is_shut_down(nest: Nest) -> None:
    kernel = nest.fork()
    kernel.notebook.run(FAMILY.replace("subprocess.Popen", "id", 1))
    family = sleepers(kernel, SLEEPERS - 1)
    kernel.notebook.request("shutdown_request", {"restart": False}, channel="control")
    assert kernel.death()["exit_code"] == 0
    eventually(lambda: all(map(is_gone, family)))


def test_the_family_of_an_executed_program_ends_with_it_when_it_is_killed(nest: Nest) -> None:
    kernel = nest.shell(IN_SHELL + "wait")
    family = sleepers(kernel)
    kernel.signal(signal.SIGKILL)
    assert kernel.death()["signal"] == signal.SIGKILL
    eventually(lambda: all(map(is_gone, family)))


def test_the_family_of_an_executed_program_ends_with_it_when_it_exits(
    nest: Nest, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "go")
    kernel = nest.shell(IN_SHELL + f"read line < {tmp_path}/go; exit 3")
    family = sleepers(kernel)
    (tmp_path / "go").write_text("go\n")
    assert kernel.death()["exit_code"] == 3
    eventually(lambda: all(map(is_gone, family)))


def test_the_family_of_another_kernel_is_left_alone(nest: Nest) -> None:
    dying, family = with_family(nest)
    living, others = with_family(nest)
    dying.signal(signal.SIGKILL)
    dying.death()
    eventually(lambda: all(map(is_gone, family)))
    assert not any(map(has_ended, others))
    assert living.notebook.run("1+1").value == "2"


def test_all_families_end_with_their_host(new_host: NewHost) -> None:
    host = new_host()
    nest = Nest(host)
    families = [with_family(nest)[1] for _ in range(2)]
    host.process.terminate()
    assert host.wait() == 0
    assert all(is_gone(pid) for family in families for pid in family)
    nest.close()


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="nobody looks after adopted orphans")
def test_an_orphan_that_ends_leaves_no_zombie_in_a_kernel_that_lives(nest: Nest) -> None:
    kernel = nest.fork()
    kernel.notebook.run("import os; os.system('(/bin/true &)')")
    eventually(lambda: not psutil.Process(kernel.pid).children(), limit=1.0)
