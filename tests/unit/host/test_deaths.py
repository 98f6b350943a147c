"""How a kernel's death is told: at once, to everybody, and with all that is known of it."""

from __future__ import annotations

import os
import signal
import statistics
import time
from pathlib import Path

import psutil
import pytest

from kernels.host.nursery import DEATHS_KEPT, HEAD_KEPT, TAIL_KEPT
from tests.unit.host.conftest import NewHost
from tests.unit.host.harness import RunningHost, eventually, is_gone, paused
from tests.unit.host.nest import Nest

MIB = 1024 * 1024

#: What a cell does, and the exit code and the signal that are told.
ENDINGS = {
    "exits": ("import os; os._exit(7)", 7, None),
    "exits well": ("import os; os._exit(0)", 0, None),
    "is killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", None, 9),
    "is terminated": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", None, 15),
    "aborts": ("import os; os.abort()", None, signal.SIGABRT),
    "crashes": ("import ctypes; ctypes.string_at(0)", None, signal.SIGSEGV),
    "is not told to": ("import os, signal; os.kill(os.getpid(), signal.SIGALRM)", None, 14),
}


@pytest.mark.parametrize(("code", "exit_code", "number"), ENDINGS.values(), ids=ENDINGS)
def test_a_death_is_told_with_exit_code_or_signal_and_memory(
    nest: Nest, code: str, exit_code: int | None, number: int | None
) -> None:
    kernel = nest.fork()
    death = kernel.dies_of(code)
    assert death.keys() == {"death", "pid", "exit_code", "signal", "peak_memory", "stderr"}
    assert (death["pid"], death["exit_code"], death["signal"]) == (kernel.pid, exit_code, number)
    assert 10 * MIB < death["peak_memory"] < 500 * MIB


def test_a_kernel_that_is_asked_to_shut_down_exits_with_0(nest: Nest) -> None:
    kernel = nest.fork()
    kernel.notebook.request("shutdown_request", {"restart": False}, channel="control")
    death = kernel.death()
    assert (death["exit_code"], death["signal"], death["stderr"]) == (0, None, "")


def test_an_exit_handler_runs_when_a_kernel_is_asked_to_shut_down(
    nest: Nest, tmp_path: Path
) -> None:
    kernel = nest.fork(working_dir=tmp_path)
    kernel.notebook.run("import atexit, pathlib\natexit.register(pathlib.Path('left').touch)")
    kernel.notebook.request("shutdown_request", {"restart": False}, channel="control")
    assert kernel.death()["exit_code"] == 0
    assert (tmp_path / "left").exists()


def test_a_crash_says_where_the_code_was(nest: Nest) -> None:
    said = nest.fork().dies_of("import ctypes; ctypes.string_at(0)")["stderr"]
    assert "Current thread" in said
    assert "ctypes/__init__.py" in said
    assert "in run_cell" in said


def test_a_crash_says_what_it_was(nest: Nest) -> None:
    said = nest.fork().dies_of("import ctypes; ctypes.string_at(0)")["stderr"]
    assert said.startswith("Fatal Python error: Segmentation fault")


def test_last_words_are_those_of_the_process_and_not_of_its_cells(nest: Nest) -> None:
    cell = "import os, sys; print('by the cell', file=sys.stderr); os.abort()"
    said = nest.fork().dies_of(cell)["stderr"]
    assert "in run_cell" in said
    assert "by the cell" not in said


def test_what_an_executed_program_said_last_is_told(nest: Nest) -> None:
    death = nest.shell("echo 'no such thing as käse' >&2; exit 3").death()
    assert (death["exit_code"], death["signal"]) == (3, None)
    assert death["stderr"] == "no such thing as käse"


def test_of_much_stderr_the_end_is_told_and_nobody_is_blocked(nest: Nest) -> None:
    lines = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done >&2; kill -9 $$"
    death = nest.shell(lines).death()
    assert death["signal"] == 9
    assert death["stderr"].endswith("line 19998\nline 19999")
    assert HEAD_KEPT + TAIL_KEPT - 20 < len(death["stderr"]) <= HEAD_KEPT + TAIL_KEPT + 5


def test_bytes_that_are_no_text_can_be_told_too(nest: Nest) -> None:
    death = nest.shell(r"printf '\377\303\251' >&2").death()
    assert death["stderr"] == "\ufffdé"


def test_stderr_that_an_orphan_keeps_open_holds_up_no_death(nest: Nest) -> None:
    kernel = nest.shell("echo last words >&2; setsid /bin/sleep 1000 & exit 4")
    death = kernel.death()
    assert (death["exit_code"], death["stderr"]) == (4, "last words")


def test_a_death_is_told_to_every_client(host: RunningHost, nest: Nest) -> None:
    others = [host.peer() for _ in range(3)]
    kernel = nest.fork()
    told = [kernel.dies_of("import os; os._exit(7)")]
    told += [other.death_of(kernel.name) for other in others]
    assert told == [told[0]] * 4


def test_a_death_is_told_within_a_tenth_of_a_second(host: RunningHost, nest: Nest) -> None:
    others = [host.peer() for _ in range(3)]
    took = []
    for _ in range(5):
        kernel = nest.execute()
        begun = time.monotonic()
        kernel.signal(signal.SIGKILL)
        for peer in (nest.peer, *others):
            peer.death_of(kernel.name)
        took.append(time.monotonic() - begun)
    assert statistics.median(took) < 0.1


def test_memory_is_that_of_the_process_at_its_peak(nest: Nest) -> None:
    ends = "import os; os._exit(0)"
    plain = nest.fork().dies_of(ends)["peak_memory"]
    large = nest.fork().dies_of(f"x = b'x' * {100 * MIB}; del x; {ends}")["peak_memory"]
    assert 90 * MIB < large - plain < 130 * MIB
    small = nest.execute("/bin/true").death()["peak_memory"]
    assert 0 < small < plain


def test_deaths_are_remembered_for_who_comes_later(host: RunningHost, nest: Nest) -> None:
    deaths = [nest.shell(f"echo {code} >&2; exit {code}").death() for code in (1, 2, 3)]
    late = host.peer()
    assert late.ask("list")["deaths"][-3:] == deaths
    assert late.kernels() == {}


def test_only_so_many_deaths_are_remembered(new_host: NewHost) -> None:
    host = new_host()
    peer = host.peer()
    for _ in range(DEATHS_KEPT + 4):
        order = host.order()
        os.kill(peer.start(order)["pid"], signal.SIGKILL)
        assert peer.death_of(order.kernel)["signal"] == signal.SIGKILL
    kept = [death["death"] for death in peer.ask("list")["deaths"]]
    assert kept == [f"kernel-{n}" for n in range(5, DEATHS_KEPT + 5)]


def test_what_a_dead_kernel_leaves_on_disk_is_removed(host: RunningHost, nest: Nest) -> None:
    kernel, living = nest.fork(), nest.fork()
    assert sorted(path.name for path in host.folder.glob(f"{kernel.name}*")) == [
        *(f"{kernel.name}-ipc-{n}" for n in range(1, 5)),
        f"{kernel.name}.json",
    ]
    kernel.signal(signal.SIGKILL)
    kernel.death()
    assert list(host.folder.glob(f"{kernel.name}*")) == []
    assert living.notebook.run("1+1").value == "2"


def test_no_zombie_is_left_of_kernels_that_died(host: RunningHost, nest: Nest) -> None:
    kernels = [nest.execute() for _ in range(10)] + [nest.fork() for _ in range(5)]
    with paused(host):
        for kernel in kernels:
            os.kill(kernel.pid, signal.SIGKILL)
    for kernel in kernels:
        assert kernel.death()["signal"] == signal.SIGKILL
    assert psutil.Process(host.process.pid).children() == []
    eventually(lambda: all(is_gone(kernel.pid) for kernel in kernels))


def test_descriptors_of_dead_kernels_are_given_back(host: RunningHost, nest: Nest) -> None:
    process = psutil.Process(host.process.pid)
    before = process.num_fds()
    for kernel in [nest.fork(), nest.execute()]:
        kernel.signal(signal.SIGKILL)
        kernel.death()
    assert process.num_fds() == before
