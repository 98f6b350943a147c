"""From the host to a process of a kernel's own: a fork, and then the kernel or another program."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kernels.host import linux
from kernels.host.child.kernel_app import KernelApp
from kernels.host.protocol import StartOrder

#: What a child writes when it can be connected to. Anything else it writes is why it cannot.
READY = b"\0"
#: Signals that the host handles, and a kernel does not.
HOST_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: What Python ignores, and another program would go on to ignore.
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


@dataclass(frozen=True, slots=True)
class Forked:
    """A child as it is right after the fork."""

    pid: int
    #: Says :data:`READY`, says why not, or is closed without a word: by ``exec``, or by an end.
    ready: int
    #: Reads what the process itself writes to stderr.
    stderr: int


def fork(order: StartOrder, app: KernelApp) -> Forked:
    """Start a kernel; raises OSError when the system has no room for a process."""
    host = os.getpid()
    _own_modules()
    with contextlib.ExitStack() as on_failure:
        stderr_read, stderr_write = _pipe(on_failure)
        ready_read, ready_write = _pipe(on_failure)
        pid = os.fork()
        on_failure.pop_all()
    if pid == 0:
        _become_kernel(order, app, host, ready_write, (stderr_read, stderr_write))
    os.close(stderr_write)
    os.close(ready_write)
    for descriptor in (stderr_read, ready_read):
        os.set_blocking(descriptor, False)
    return Forked(pid, ready_read, stderr_read)


def _pipe(on_failure: contextlib.ExitStack) -> tuple[int, int]:
    read, write = os.pipe()
    on_failure.callback(os.close, read)
    on_failure.callback(os.close, write)
    return read, write


def _become_kernel(
    order: StartOrder, app: KernelApp, host: int, ready: int, stderr: tuple[int, int]
) -> NoReturn:
    """In the child: never returns into the host's code."""
    code = 1
    try:
        _leave_the_host(host, ready, stderr)
        if order.fork:
            code = _run_kernel(order, app, ready, stderr)
        else:
            _execute(order)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must not go up the stack
        _report(ready, error)
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)


def _leave_the_host(host: int, ready: int, stderr: tuple[int, int]) -> None:
    """Take nothing along but what a kernel needs: a group, signals and descriptors of its own."""
    os.setpgid(0, 0)
    linux.die_with_parent(host)
    linux.adopt_orphans()
    signal.set_wakeup_fd(-1)
    for number in HOST_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(stderr[1], 2)
    linux.close_all_but({0, 1, 2, ready, *stderr})


def _run_kernel(order: StartOrder, app: KernelApp, ready: int, stderr: tuple[int, int]) -> int:
    """Run the kernel that the host has built; returns its exit code."""
    gc.enable()
    linux.name_process("kernel")
    app.settle(order.workplace)
    app.connect(Path(order.connection_file), stderr)
    _hide_the_host()
    app.run_startup_files()
    os.write(ready, READY)
    os.close(ready)
    app.serve()
    app.finish()
    return 0


def _execute(order: StartOrder) -> NoReturn:
    """Become the program of a kernelspec; the descriptor ``ready`` is closed by that."""
    order.workplace.enter()
    for number in IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(order.argv[0], list(order.argv), dict(order.workplace.environment))  # noqa: S606


def _hide_the_host() -> None:
    """Let a user's own ``kernels.py`` be found, and no command line of the host's."""
    for name in _own_modules():
        sys.modules.pop(name, None)
    sys.argv = [""]


@functools.cache
def _own_modules() -> list[str]:
    """The host's own modules; asked for before the fork, as a look through all of them makes 2 MiB
    of memory a kernel's own.
    """
    return [name for name in sys.modules if name.partition(".")[0] == "kernels"]


def _report(ready: int, error: BaseException) -> None:
    try:
        os.write(ready, f"{type(error).__name__}: {error}".encode()[:4_000])
    except OSError:
        return  # It was ready before: whoever waited has been told.
