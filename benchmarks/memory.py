"""Whose memory a session is: processes of kernels, and what of their memory is theirs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import psutil

from tests.server import Server

MIB = 1024 * 1024
HOST_MODULE = "kernels.host"


def pss(process: psutil.Process) -> float:
    """MiB of a process, its part of what it shares with others included; 0 if it is gone.

    https://docs.kernel.org/filesystems/proc.html#proc-pid-smaps-rollup
    """
    try:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = dict(line.split(":", 1) for line in rollup.splitlines()[1:])
    return int(fields["Pss"].removesuffix("kB")) / 1024


def hosts(server: Server) -> list[psutil.Process]:
    """The processes of a server's kernel host that are no kernels: these are forks of it."""
    matching = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if HOST_MODULE in command and str(server.runtime_dir) in command:
                matching[process.pid] = process.ppid()
    return [psutil.Process(pid) for pid, parent in matching.items() if parent not in matching]


def kernels(server: Server) -> list[psutil.Process]:
    """The processes of a server's kernels, spares included."""
    owners = hosts(server) or [psutil.Process(server.process.pid)]
    return [process for owner in owners for process in owner.children(recursive=True)]


def together(processes: Iterable[psutil.Process]) -> float:
    """MiB of several processes."""
    return sum(map(pss, processes))
