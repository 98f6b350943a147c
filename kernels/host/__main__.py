"""The kernel host's process: ``python -m kernels.host --socket PATH``.

A server starts one when none answers at its socket; this is for starting one by hand.
"""

from __future__ import annotations

import argparse
import fcntl
import functools
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NoReturn

from kernels.environment import kernel_environment
from kernels.host import linux

log = logging.getLogger("kernels.host")

#: Exit codes: another host holds the lock; the kernel host cannot work here.
ALREADY_SERVED = 3
UNFIT = 4
BACKLOG = 128
#: Seconds without a lease after which it ends.
DEFAULT_GRACE = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a kernel, preload, then serve until no lease is held; returns the exit code."""
    options = _parse(arguments)
    _drop_secrets()
    os.umask(0o077)
    _log_to_stderr()
    options.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _lock(options.socket.with_suffix(".lock"))
    if lock is None:
        print(f"kernel host: another one serves {options.socket}", file=sys.stderr)
        return ALREADY_SERVED
    signal.signal(signal.SIGTERM, lambda *_: _end_at_once(options.socket))  # until it serves
    code = 1
    try:
        code = _serve(options)
    finally:
        _clean_up(options.socket, said_why=code != 0)
    return code


def _end_at_once(path: Path) -> NoReturn:
    """End before there is any kernel. Not by an exception: IPython shows and forgets every one."""
    _clean_up(path, said_why=False)
    os._exit(0)


def _clean_up(path: Path, *, said_why: bool) -> None:
    """Remove the socket and the lock, and the log unless it says why the host has failed."""
    suffixes = [".sock", ".lock"] if said_why else [".sock", ".lock", ".log"]
    for file in {path, *(path.with_suffix(suffix) for suffix in suffixes)}:
        file.unlink(missing_ok=True)


def _serve(options: argparse.Namespace) -> int:
    # Not before the environment is clean: these read it.
    from kernels.host.child import ipykernel_parts
    from kernels.host.child.kernel_app import KernelApp
    from kernels.host.nursery import Nursery
    from kernels.host.preload import LeavesThread, preload, start_over_without
    from kernels.host.server import Host

    if (reason := ipykernel_parts.wrong_version()) is not None:
        print(f"kernel host: {reason}", file=sys.stderr)
        return UNFIT
    linux.adopt_orphans()
    linux.name_process("kernel-host")
    # A kernel finds modules in its own working folder, and not in that of the host.
    sys.path[:] = [path for path in sys.path if path not in ("", os.getcwd())]
    app = KernelApp.instance()
    app.build()
    try:
        preloaded = preload(options.preload, options.left_out)
    except LeavesThread as error:
        start_over_without(error.module)
    for module, why in preloaded.left_out.items():
        log.warning("%s is not preloaded: %s", module, why)
    with _listen(options.socket) as listener:
        host = Host(listener, functools.partial(Nursery, app), options.grace)
        host.preloaded = preloaded
        # What is there by now is shared by all kernels for as long as nobody writes to it, and
        # the collector would, in every object that it looks at.
        gc.collect()
        gc.disable()
        gc.freeze()
        log.info("serving %s, preloaded: %s", options.socket, ", ".join(preloaded.modules))
        host.serve()
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m kernels.host", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="path of its Unix socket")
    parser.add_argument(
        "--preload", type=_names, default=(), help="modules to import once for all kernels"
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=DEFAULT_GRACE,
        help="seconds without a lease after which it ends (%(default)g)",
    )
    parser.add_argument(
        "--left-out", type=_reason, action="append", default=[], help=argparse.SUPPRESS
    )
    options = parser.parse_args(arguments)
    options.left_out = dict(options.left_out)
    return options


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _reason(text: str) -> tuple[str, str]:
    module, _, why = text.partition("=")
    return module, why


def _log_to_stderr() -> None:
    """The host's own log: a handler at the root would be every kernel's too."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def _drop_secrets() -> None:
    """Begin anew without the variables that kernels have no use for.

    They would stay in ``/proc/<pid>/environ`` if they were only deleted.
    """
    kept = kernel_environment(os.environ)
    if kept.keys() != os.environ.keys():
        os.execve(sys.executable, sys.orig_argv, kept)  # noqa: S606


def _lock(path: Path) -> IO[str] | None:
    """Hold the lock of this socket until the end of the process; None when another does."""
    while True:
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        except BlockingIOError:
            lock.close()
            return None
        except FileNotFoundError:  # Its last holder has just removed it.
            pass
        lock.close()


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # Of a host that was killed; the lock says that none lives.
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(BACKLOG)
    return listener


if __name__ == "__main__":
    sys.exit(main())
