"""What tests run in processes of their own: each returns what is to be looked at, as JSON."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from kernels.host import linux
from kernels.host.workplace import Workplace

IDLE = ["/bin/sleep", "1000"]


def in_a_child(work: Callable[[], object]) -> int:
    """The exit code, or the negative signal, of a fork that does something and exits with 0."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def descriptors_left(kept: list[int]) -> list[int]:
    """The descriptors that are open after all but some were closed, of many."""
    for number in (*range(3, 30), 100, 900):
        os.dup2(2, number)
    linux.close_all_but(set(kept))
    return [number for number in range(1_000) if _is_open(number)]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def children_seen() -> list[list[int]]:
    """What has been started, and what is seen: first all, then all but the first, then none."""
    started = [subprocess.Popen(IDLE) for _ in range(3)]
    looks = []
    for count in range(len(started) + 1):
        looks += [[process.pid for process in started[count:]], sorted(linux.children())]
        if count < len(started):
            started[count].kill()
            started[count].wait()
    return looks


def orphan_adopted() -> bool:
    """Whether the child of a child that has ended becomes this process's own."""
    linux.adopt_orphans()
    script = "/bin/sleep 1000 > /dev/null 2>&1 & echo $!"
    orphan = int(subprocess.check_output(["/bin/sh", "-c", script]))
    adopted = linux.children() == [orphan]
    os.kill(orphan, 9)
    os.waitpid(orphan, 0)
    return adopted


def exit_code_without_its_parent() -> int:
    """How a process ends that finds its parent gone as it begins."""
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    return in_a_child(lambda: linux.die_with_parent(gone.pid))


def signal_that_ends_it_with_its_parent() -> bool:
    """Whether a process is killed when its parent, a child of this one, ends."""
    linux.adopt_orphans()
    read, write = os.pipe()
    parent = os.fork()
    if parent == 0:
        me = os.getpid()
        child = os.fork()
        if child == 0:
            linux.die_with_parent(me)
            os.write(write, b"ready")
            time.sleep(1_000)
        os.read(read, 5)
        os._exit(0)
    os.waitpid(parent, 0)
    return os.waitstatus_to_exitcode(os.wait()[1]) == -9


def named(name: str) -> list[Any]:
    """The name of this process after it was set, and whether its start time is still found."""
    before = linux.start_time(os.getpid())
    linux.name_process(name)
    with open("/proc/self/comm") as comm:
        return [comm.read().strip(), linux.start_time(os.getpid()) == before, before is not None]


def threads_counted() -> list[int]:
    """The threads of this process: alone, with two more, and alone again."""
    alone, stop = linux.threads(), threading.Event()
    more = [threading.Thread(target=stop.wait) for _ in range(2)]
    for thread in more:
        thread.start()
    together = linux.threads()
    stop.set()
    for thread in more:
        thread.join()
    return [alone, together, linux.threads()]


def entered(workplace: dict[str, Any]) -> dict[str, Any]:
    """What a process is like after it has entered a workplace."""
    Workplace.from_mapping(workplace).enter()
    return {
        "environment": dict(os.environ),
        "of_its_children": subprocess.check_output(["/usr/bin/env"], text=True).splitlines(),
        "working_dir": os.getcwd(),
        "nofile": list(resource.getrlimit(resource.RLIMIT_NOFILE)),
        "time_zone": list(time.tzname),
    }


def not_entered(workplace: dict[str, Any]) -> str:
    """The error of a workplace that cannot be entered."""
    try:
        Workplace.from_mapping(workplace).enter()
    except (OSError, ValueError) as error:
        return type(error).__name__
    return ""


def drawn_by_siblings(renewed: bool) -> list[list[str]]:
    """What two forks of one process draw by chance, after each has renewed its state or not.

    ``random`` renews itself; a key of multiprocessing does not, nor does numpy where it is installed.
    """
    from kernels.host.child import randomness

    with contextlib.suppress(ImportError):
        importlib.import_module("numpy.random")
    return [_drawn_by_child(randomness.renew if renewed else int) for _ in range(2)]


def _drawn_by_child(prepare: Callable[[], object]) -> list[str]:
    with tempfile.TemporaryFile("w+") as told:

        def draw() -> None:
            prepare()
            told.write(bytes(multiprocessing.current_process().authkey).hex())
            if (numpy := sys.modules.get("numpy")) is not None:
                told.write(f" {numpy.random.random()}")
            told.flush()

        assert in_a_child(draw) == 0
        told.seek(0)
        return told.read().split()


def preloaded(
    names: list[str], left_out: dict[str, str], folder: str = "", hidden: list[str] | None = None
) -> dict[str, Any]:
    """What comes of preloading modules; some of a folder, and some as if they were not installed."""
    from kernels.host.preload import ONE_THREAD, LeavesThread, preload

    sys.path.append(folder)
    for name in hidden or []:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        done = preload(names, left_out)
    except LeavesThread as error:
        return {"leaves_thread": error.module}
    one_thread = [os.environ.get(name) for name in ONE_THREAD]
    return {**done.as_mapping(), "imported": list(sys.modules), "one_thread": one_thread}


def built() -> dict[str, Any]:
    """What a kernel is like that was built and not yet forked."""
    from kernels.host.child import ipykernel_parts as parts
    from kernels.host.child.kernel_app import KernelApp

    before = sys.stdout, sys.stderr
    app = KernelApp.instance()
    app.build()
    kernel, shell = app.kernel, app.kernel.shell
    links = [_link(number) for number in range(1_000)]
    return {
        "instance_parts": [name for name in parts.INSTANCE_PARTS if hasattr(kernel, name)],
        "threads": linux.threads(),
        "sockets": [link for link in links if link.startswith("socket:")],
        "debuggers": [name for name in sys.modules if name.partition(".")[0] == "debugpy"],
        "subshells": kernel._supports_kernel_subshells,
        "execution_count": shell.execution_count,
        "cells": list(shell.history_manager.input_hist_raw),
        "results": dict(shell.history_manager.output_hist),
        "last": [shell.displayhook._, shell.displayhook.__, shell.displayhook.___],
        "names": list(shell.user_ns),
        "last_error": hasattr(sys, "last_value"),
        "streams_restored": (sys.stdout, sys.stderr) == before,
    }


def _link(number: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return ""


def redirected() -> list[list[str]]:
    """What is published of a process whose own descriptors 1 and 2 are captured."""
    from tests.unit.host.stage import Stage

    stage = Stage(targets={"stdout": 1, "stderr": 2})
    sys.stdout, sys.stderr = stage.stdout, stage.stderr
    sys.stdout.write("printed\n")
    subprocess.run(["/bin/sh", "-c", "echo by a shell; echo to stderr >&2"], check=True)
    sys.stdout.write("again\n")
    subprocess.run(["/bin/echo", "by a program"], check=True)
    subprocess.run(["/bin/echo", "handed over"], stdout=sys.stdout.fileno(), check=True)
    sys.stderr.write("the end\n")
    sys.stdout.flush()
    return [list(text) for text in stage.heard()]


def printed_by_forks() -> list[list[str]]:
    """What is published of a process that forks while text waits, and of its child."""
    from tests.unit.host.stage import Stage

    stage = Stage()
    for told in (stage.publisher.after_fork, stage.output.after_fork):
        os.register_at_fork(after_in_child=told)
    stage.stdout.write("before ")

    def write_in_child() -> None:
        stage.stdout.write("by the child \ud800")
        stage.stdout.flush()
        stage.publisher.send_multipart([b"not sent"])

    assert in_a_child(write_in_child) == 0
    stage.stdout.write(" after")
    stage.output.flush()
    return [list(text) for text in stage.heard()]
