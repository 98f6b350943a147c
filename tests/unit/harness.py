"""What the unit tests share: live kernels on scripted ones, and waiting for what they report."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import hypothesis
import zmq
import zmq.asyncio

from kernels.runtime.collector import OutputSink
from kernels.runtime.connection import Connection
from kernels.runtime.incarnation import KernelOptions
from kernels.runtime.live import LiveKernel
from kernels.runtime.readiness import wait_until_ready
from kernels.runtime.starters import FreshStarter
from kernels.runtime.states import KernelState
from kernels.runtime.types import Channel, ExecutionResult, RunRequest
from kernels.runtime.wire import Message
from tests.scripted_cell import Script
from tests.scripted_kernel import ScriptedKernel, ScriptedLauncher, Start

T = TypeVar("T")

#: Seconds after which a test has waited in vain.
LIMIT = 5.0
#: For properties: no deadline, which would measure the machine, and the same examples every time,
#: so that a failure is a change.
PROPERTY = hypothesis.settings(deadline=None, derandomize=True, database=None)


async def soon(awaitable: Awaitable[T], limit: float = LIMIT) -> T:
    """Await, but not for ever."""
    async with asyncio.timeout(limit):
        return await awaitable


async def run(
    kernel: LiveKernel, code: str, timeout: float = LIMIT, sink: OutputSink | None = None
) -> ExecutionResult:
    """Execute code, in bounded time."""
    return await soon(kernel.execute(RunRequest(code, timeout), sink), timeout + LIMIT)


class CountingContext(zmq.asyncio.Context):
    """A ZMQ context that knows which of its sockets are open."""

    _made: list[zmq.asyncio.Socket]

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["_made"] = []

    def socket(self, *args: Any, **kwargs: Any) -> zmq.asyncio.Socket:
        """Make a socket, and remember it."""
        made = super().socket(*args, **kwargs)
        self._made.append(made)
        return made

    @property
    def open_sockets(self) -> int:
        """How many sockets were not closed."""
        return sum(not socket.closed for socket in self._made)


class Steps:
    """A listener that remembers the steps of a kernel."""

    def __init__(self) -> None:
        self.taken: list[tuple[KernelState, KernelState, str]] = []
        self._on_step: list[tuple[KernelState, Callable[[], None]]] = []

    def __call__(
        self, kernel: LiveKernel, previous: KernelState, wanted: KernelState, why: str
    ) -> None:
        """Take one step; called by the kernel."""
        self.taken.append((previous, wanted, why))
        for state, callback in self._on_step:
            if state is wanted:
                callback()

    @property
    def states(self) -> list[KernelState]:
        """The states that it came to, in order."""
        return [wanted for _, wanted, _ in self.taken]

    def next(self, state: KernelState) -> Awaitable[bool]:
        """Wait for the next step to ``state``; to be asked for before it is taken."""
        taken = asyncio.Event()
        self._on_step.append((state, taken.set))
        return soon(taken.wait())


class Bench:
    """One live kernel and all that it stands on."""

    def __init__(self) -> None:
        self.context = CountingContext()
        self.scripts: dict[str, Script] = {}
        self.launcher = ScriptedLauncher(self.context, self.scripts)
        self.steps = Steps()
        self._made: list[LiveKernel] = []

    @property
    def processes(self) -> list[ScriptedKernel]:
        """Every process that was started, the newest last."""
        return self.launcher.kernels

    def kernel(self, *starts: Start, lost_because: str | None = None, **options: Any) -> LiveKernel:
        """A kernel that is not started yet; its first starts go as said."""
        self.launcher.starts.extend(starts)
        given = KernelOptions(**options)
        starter = FreshStarter(self.launcher, self.context, given)
        kernel = LiveKernel("k1", starter, given, self.steps, lost_because=lost_because)
        self._made.append(kernel)
        return kernel

    async def started(self, *starts: Start, **options: Any) -> LiveKernel:
        """A kernel that runs."""
        kernel = self.kernel(*starts, **options)
        await soon(kernel.start())
        return kernel

    async def close(self) -> None:
        """End everything; fails the test if a socket was left open."""
        for kernel in self._made:
            await soon(kernel.destroy())
        await self.launcher.close()
        left = self.context.open_sockets
        self.context.destroy(linger=0)
        assert left == 0, f"{left} sockets were left open"


class Heard:
    """A message handler that remembers what it was given."""

    def __init__(self) -> None:
        self.messages: list[tuple[Channel, Message]] = []
        self._more = asyncio.Event()

    def __call__(self, channel: Channel, message: Message) -> None:
        """Take one message; called by a connection."""
        self.messages.append((channel, message))
        self._more.set()

    @property
    def types(self) -> list[str]:
        """The types of all messages, in order."""
        return [message.msg_type for _, message in self.messages]

    @property
    def texts(self) -> list[str]:
        """What streams carried, in order."""
        return [m.content["text"] for _, m in self.messages if m.msg_type == "stream"]

    async def until(self, happened: Callable[[Heard], bool]) -> None:
        """Return when the messages so far are as wanted."""
        async with asyncio.timeout(LIMIT):
            while not happened(self):
                self._more.clear()
                await self._more.wait()


class Line:
    """A scripted kernel and a connection to it, with no live kernel between."""

    def __init__(self, kernel: ScriptedKernel, connection: Connection) -> None:
        self.kernel = kernel
        self.connection = connection

    @classmethod
    async def open(cls, bench: Bench, *, ready: bool = True, start: Start | None = None) -> Line:
        """Connect to a new kernel, and wait until it answers."""
        if start is not None:
            bench.launcher.starts.append(start)
        kernel = await bench.launcher.launch()
        line = cls(kernel, Connection(kernel.info, bench.context))
        if ready:
            await soon(wait_until_ready(line.connection))
        return line

    async def send(self, code: str) -> tuple[str, Heard]:
        """Have code executed; returns the ``msg_id`` and what will be heard of it."""
        heard = Heard()
        content = {"code": code, "silent": False, "store_history": True}
        msg_id = await self.connection.request(Channel.SHELL, "execute_request", content, heard)
        return msg_id, heard
