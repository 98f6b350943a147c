"""The kernels of a host: started, signalled, reaped, and their orphans ended."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kernels.host import linux
from kernels.host.child.kernel_app import KernelApp
from kernels.host.forking import READY, fork
from kernels.host.protocol import Certificate, StartOrder

#: Bytes of a kernel's own stderr that are kept, of its beginning and of its end.
HEAD_KEPT, TAIL_KEPT = 3_000, 1_500
#: Sockets of a kernel, numbered from 1.
CHANNELS = 5
#: Deaths that are remembered for who was not connected.
DEATHS_KEPT = 256

#: Told when a start has come to something: the child, or why there is none.
StartListener = Callable[["Child | str"], None]
DeathListener = Callable[[str, Certificate], None]


class LastWords:
    """The beginning and the end of what is said: a crash tells first what it was."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._cut = False

    def add(self, data: bytes) -> None:
        """More was said."""
        room = HEAD_KEPT - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        self._cut = self._cut or len(self._tail) > TAIL_KEPT
        self._tail = self._tail[-TAIL_KEPT:]

    def text(self) -> str:
        """What is kept of it."""
        between = b"\n[\xe2\x80\xa6]\n" if self._cut else b""
        return (self._head + between + self._tail).decode("utf-8", "replace").strip()


@dataclass(slots=True)
class Child:
    """A kernel's process."""

    kernel: str
    pid: int
    #: In ticks since boot; with the pid, who it is.
    started: int
    connection_file: Path
    stderr: int
    #: What was read of stderr so far; of a forked kernel nothing, as it reads that itself.
    said: LastWords = field(default_factory=lambda: LastWords(), repr=False)


@dataclass(frozen=True, slots=True)
class _Starting:
    """A child that has not yet said that it can be connected to, and who wants to know."""

    ready: int
    forks: bool
    on_start: StartListener


class Nursery:
    """Starts kernels, and knows all there are."""

    def __init__(
        self, app: KernelApp, selector: selectors.BaseSelector, on_death: DeathListener
    ) -> None:
        """``selector``: one whose keys' ``data`` is called when something is to be read."""
        self._app = app
        self._selector = selector
        self._on_death = on_death
        self._children: dict[str, Child] = {}
        self._by_pid: dict[int, Child] = {}
        self._starting: dict[str, _Starting] = {}
        #: The last deaths, the oldest first.
        self.deaths: deque[tuple[str, Certificate]] = deque(maxlen=DEATHS_KEPT)

    @property
    def children(self) -> list[Child]:
        """The kernels that live."""
        return list(self._children.values())

    def has(self, kernel: str) -> bool:
        """Whether there is a kernel of that name."""
        return kernel in self._children

    def start(self, order: StartOrder, on_start: StartListener) -> None:
        """Start one whose name is new; ``on_start`` is told once it can be connected to, or could
        not be started.
        """
        try:
            forked = fork(order, self._app)
        except OSError as error:
            on_start(f"no process could be started: {error}")
            return
        started = linux.start_time(forked.pid) or 0
        file = Path(order.connection_file)
        child = Child(order.kernel, forked.pid, started, file, forked.stderr)
        self._children[order.kernel] = self._by_pid[child.pid] = child
        self._starting[order.kernel] = _Starting(forked.ready, order.fork, on_start)
        self._selector.register(forked.ready, selectors.EVENT_READ, lambda: self._hear(child))
        if not order.fork:
            self._selector.register(
                child.stderr, selectors.EVENT_READ, lambda: self._read_stderr(child)
            )

    def signal(self, kernel: str, number: int) -> bool:
        """Signal a kernel's process group; False when there is no such kernel.

        Whoever is in here was not reaped, so that its number is still its own.
        """
        child = self._children.get(kernel)
        if child is None:
            return False
        for send in (os.killpg, os.kill):
            try:
                send(child.pid, number)
            except ProcessLookupError:  # Not yet a group, or only a zombie is left of it.
                continue
            return True
        return False

    def reap(self) -> None:
        """Take the end of every process that has ended, and end what dead kernels left behind."""
        while self._reap_one(os.WNOHANG):
            self._end_orphans()

    def close(self) -> None:
        """End all kernels and everything that they have started."""
        for child in self.children:
            self.signal(child.kernel, signal.SIGKILL)
        while self._reap_one(0):
            self._end_orphans()

    def _reap_one(self, options: int) -> bool:
        try:
            pid, status, usage = os.wait4(-1, options)
        except ChildProcessError:
            return False
        child = self._by_pid.get(pid)
        if child is not None:
            self._bury(child, status, usage.ru_maxrss * 1024)
        return pid != 0

    def _end_orphans(self) -> None:
        """Kill what is a child of the host and no kernel; its end is taken as any other.

        A kernel adopts the orphans among its own descendants, ``setsid`` or not; they come to the
        host when it has died itself.
        """
        for pid in linux.children():
            if pid not in self._by_pid:
                _kill(pid)

    def _hear(self, child: Child) -> None:
        """What a child that is starting has to say."""
        starting = self._starting[child.kernel]
        ready = starting.ready
        try:
            said = os.read(ready, 4_096)
        except BlockingIOError:
            return
        started = said == READY if starting.forks else not said
        if started:
            self._started(child.kernel, child)
        elif said:
            self._started(child.kernel, said.decode("utf-8", "replace"))
        elif ready in self._selector.get_map():  # It ended without a word: its death says why.
            self._selector.unregister(ready)

    def _started(self, kernel: str, result: Child | str) -> None:
        starting = self._starting.pop(kernel)
        if starting.ready in self._selector.get_map():
            self._selector.unregister(starting.ready)
        os.close(starting.ready)
        starting.on_start(result)

    def _read_stderr(self, child: Child) -> None:
        try:
            data = os.read(child.stderr, 64 * 1024)
        except BlockingIOError:
            return
        child.said.add(data)
        if not data:
            self._selector.unregister(child.stderr)

    def _bury(self, child: Child, status: int, peak_memory: int) -> None:
        del self._children[child.kernel], self._by_pid[child.pid]
        code = os.waitstatus_to_exitcode(status)
        certificate = Certificate(
            child.pid,
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            peak_memory=peak_memory,
            stderr=self._last_words(child),
        )
        _remove_files(child.connection_file)
        if child.kernel in self._starting:
            self._hear(child)
        if child.kernel in self._starting:
            self._started(child.kernel, f"it ended before it was ready. {certificate.stderr}")
        self.deaths.append((child.kernel, certificate))
        self._on_death(child.kernel, certificate)

    def _last_words(self, child: Child) -> str:
        """What is left in the pipe of stderr, after what was read of it."""
        if child.stderr in self._selector.get_map():
            self._selector.unregister(child.stderr)
        try:
            while data := os.read(child.stderr, 64 * 1024):
                child.said.add(data)
        except BlockingIOError:
            pass  # An orphan still holds the other end.
        os.close(child.stderr)
        return child.said.text()


def _remove_files(connection_file: Path) -> None:
    """A kernel that was killed leaves its sockets; its server may not be there to remove them."""
    stem = str(connection_file).removesuffix(".json")
    for path in (str(connection_file), *(f"{stem}-ipc-{n}" for n in range(1, CHANNELS + 1))):
        # What is there by now, and whether it can be removed, is in the kernel's hands.
        with contextlib.suppress(OSError, ValueError):
            os.remove(path)


def _kill(pid: int) -> None:
    for send in (os.killpg, os.kill):
        try:
            send(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
