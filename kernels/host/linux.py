"""What Linux offers a parent of processes, and Python has no function for."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

#: ``prctl(2)``
SET_PDEATHSIG = 1
SET_NAME = 15
SET_CHILD_SUBREAPER = 36
#: Field of ``/proc/<pid>/stat`` after the name: start time in clock ticks since boot.
START_TIME = 19

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int | bytes) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent has ended, in place of init."""
    _prctl(SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have this process killed when ``parent``, which has just forked it, ends."""
    _prctl(SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It ended before it could be watched.
        os._exit(1)


def name_process(name: str) -> None:
    """The name that ``ps`` and ``top`` show; at most 15 bytes of it."""
    _prctl(SET_NAME, name.encode()[:15])


def threads() -> int:
    """How many threads this process has, those of libraries in C too."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def children() -> list[int]:
    """The processes whose parent this (single-threaded) process is."""
    pid = os.getpid()
    try:
        return [int(child) for child in Path(f"/proc/self/task/{pid}/children").read_text().split()]
    except FileNotFoundError:  # A kernel built without CONFIG_PROC_CHILDREN
        return [int(p.name) for p in Path("/proc").glob("[0-9]*") if _parent(p) == pid]


def start_time(pid: int) -> int | None:
    """When a process was started, in ticks since boot: with its pid, its identity."""
    fields = _stat(Path(f"/proc/{pid}"))
    return int(fields[START_TIME]) if fields else None


def _parent(process: Path) -> int | None:
    fields = _stat(process)
    return int(fields[1]) if fields else None


def _stat(process: Path) -> list[str]:
    """The fields after the name, which may itself hold blanks and brackets."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def close_all_but(kept: set[int]) -> None:
    """Close every descriptor but these."""
    after = 0
    for descriptor in sorted(kept):
        if after < descriptor:  # An empty range from 0 is taken for all there are.
            os.closerange(after, descriptor)
        after = descriptor + 1
    os.closerange(after, os.sysconf("SC_OPEN_MAX"))
