"""Which processes, files and descriptors belong to a server, its kernel host and its kernels."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from tests.server import Server

#: On the command line of a kernel host, beside a path in the server's runtime folder.
HOST = "kernels.host"
MIB = 1024 * 1024


def host_of(server: Server) -> psutil.Process | None:
    """The kernel host of a server, or None where kernels are started without one.

    It need be no descendant of the server. What it forks has the same command line as itself, so it
    is the one whose parent has not.
    """
    found = {process.pid: process for process in psutil.process_iter() if _is_host(process, server)}
    for process in found.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.ppid() not in found:
                return process
    return None


def _is_host(process: psutil.Process, server: Server) -> bool:
    try:
        arguments = process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
    return HOST in arguments and str(server.runtime_dir) in " ".join(arguments)


def descendants(server: Server) -> list[psutil.Process]:
    """All processes below a server and its kernel host, and the host itself."""
    host = host_of(server)
    found: set[psutil.Process] = {host} if host else set()
    for root in (psutil.Process(server.process.pid), host):
        if root is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.update(root.children(recursive=True))
    return [*found]


def is_zombie(process: psutil.Process) -> bool:
    """Whether a process has ended and nobody has looked."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended, looked at or not."""
    return not process.is_running() or is_zombie(process)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a server and its kernel host hold at one moment; memory in MiB."""

    processes: int
    zombies: int
    files: int
    server_descriptors: int
    host_descriptors: int
    server_memory: int
    host_memory: int

    @classmethod
    def of(cls, server: Server) -> Holdings:
        """What they hold now."""
        host = host_of(server)
        own = psutil.Process(server.process.pid)
        below = descendants(server)
        return cls(
            processes=len(below),
            zombies=sum(map(is_zombie, below)),
            files=sum(1 for _ in server.runtime_dir.rglob("*")),
            server_descriptors=own.num_fds(),
            host_descriptors=host.num_fds() if host else 0,
            server_memory=own.memory_info().rss // MIB,
            host_memory=host.memory_info().rss // MIB if host else 0,
        )

    def more_than(self, before: Holdings, descriptors: int, memory: int) -> dict[str, int]:
        """By how much this is more, where it is more than it may be; empty is good."""
        allowed = {
            "processes": 0,
            "zombies": 0,
            "files": 0,
            "server_descriptors": descriptors,
            "host_descriptors": descriptors,
            "server_memory": memory,
            "host_memory": memory,
        }
        grown = {name: getattr(self, name) - getattr(before, name) for name in allowed}
        return {name: by for name, by in grown.items() if by > allowed[name]}


def settled(look: Callable[[], object], limit: float = 20.0, quiet: float = 0.5) -> None:
    """Return once what is looked at has not changed for ``quiet`` seconds."""
    give_up_at = time.monotonic() + limit
    last, since = look(), time.monotonic()
    while time.monotonic() - since < quiet:
        assert time.monotonic() < give_up_at, f"still changes after {limit:g} s: {last}"
        time.sleep(0.02)
        if (now := look()) != last:
            last, since = now, time.monotonic()
