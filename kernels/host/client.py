"""The kernel host as a server sees it: asks, is answered, and is told of deaths."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernels.host.protocol import VERSION, Certificate, Decoder, ProtocolError, StartOrder, encode

#: Seconds for an answer to anything but a start, which its caller limits.
ANSWER_LIMIT = 10.0
READ_SIZE = 256 * 1024


class HostUnavailable(Exception):
    """The kernel host cannot be reached, or cannot be started; the message says why."""


class HostRefused(Exception):
    """The kernel host could not do what it was asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the host says of itself."""

    pid: int
    preloaded: tuple[str, ...] = ()
    #: Modules that were to be preloaded and are not, and why.
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Started:
    """A kernel's process: its pid and, in ticks since boot, when it was started."""

    pid: int
    started: int


class HostClient:
    """One connection to a kernel host; :meth:`close` it."""

    def __init__(
        self, path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.path = path
        self.greeting = Greeting(0)
        #: Leases that others held when the kernels were last asked for.
        self.other_leases = 0
        #: Set when the connection is gone: the host has ended, or this end was closed.
        self.gone = asyncio.Event()
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder()
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._deaths: dict[str, asyncio.Future[Certificate]] = {}
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, path: Path) -> HostClient:
        """Connect to the host at ``path``; raises OSError when nobody answers there."""
        async with asyncio.timeout(ANSWER_LIMIT):
            reader, writer = await asyncio.open_unix_connection(str(path))
            client = cls(path, reader, writer)
            try:
                await client._greet()
            except BaseException:
                writer.close()
                raise
        client._reading = asyncio.create_task(client._read(), name="read from the kernel host")
        _open[path] = client
        return client

    async def start(self, order: StartOrder) -> Started:
        """Start a kernel; its death is known from now on. Raises :class:`HostRefused`."""
        if order.kernel in self._deaths:
            raise HostRefused(f"there is a kernel {order.kernel} already")
        self._deaths[order.kernel] = asyncio.get_running_loop().create_future()
        try:
            answer = await self._ask(order.as_message())
        except (HostRefused, HostUnavailable):
            self.forget(order.kernel)
            raise
        except asyncio.CancelledError:  # Nobody waits for it any more.
            self.forget(order.kernel)
            self._tell({"op": "signal", "kernel": order.kernel, "signal": 9})
            raise
        return Started(answer["pid"], answer["started"])

    async def signal(self, kernel: str, number: int) -> bool:
        """Signal a kernel's process group; False when it is gone."""
        message = {"op": "signal", "kernel": kernel, "signal": int(number)}
        return bool((await self._ask_soon(message))["sent"])

    async def kernels(self) -> dict[str, Started]:
        """The kernels that live, by name; from now on their deaths are known."""
        answer = await self._ask_soon({"op": "list"})
        self.other_leases = int(answer["other_leases"])
        living = {k["kernel"]: Started(k["pid"], k["started"]) for k in answer["kernels"]}
        loop = asyncio.get_running_loop()
        for kernel in living:
            self._deaths.setdefault(kernel, loop.create_future())
        return living

    async def lease(self, seconds: float) -> None:
        """Hold the host and its kernels alive while connected, and for ``seconds`` after."""
        await self._ask_soon({"op": "lease", "seconds": seconds})

    async def stop(self) -> bool:
        """Give up the lease; whether the host ends, and its kernels with it."""
        return bool((await self._ask_soon({"op": "stop"}))["stopping"])

    def death_of(self, kernel: str) -> asyncio.Future[Certificate] | None:
        """Done when that kernel has died; None for one that this connection never knew.

        A host that ends takes its kernels along: they are known to have died, and not how.
        """
        return self._deaths.get(kernel)

    def forget(self, kernel: str) -> None:
        """Keep no more of a kernel that has died."""
        self._deaths.pop(kernel, None)

    async def close(self) -> None:
        """End the connection; nothing else changes."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._lose()  # A reader that had not begun to run has not done it.

    # -- inside -----------------------------------------------------------------------------

    async def _greet(self) -> None:
        greeting = await self._first_message()
        if greeting.get("protocol") != VERSION:
            raise HostUnavailable(
                f"the kernel host at {self.path} speaks version {greeting.get('protocol')} of the "
                f"protocol, and this server version {VERSION}: stop it"
            )
        self.greeting = Greeting(
            greeting["pid"], tuple(greeting["preloaded"]), dict(greeting["left_out"])
        )

    async def _first_message(self) -> dict[str, Any]:
        while data := await self._reader.read(READ_SIZE):
            for message in self._decoder.feed(data):
                return message
        raise ConnectionResetError("the kernel host ended before it said a word")

    async def _ask_soon(self, message: dict[str, Any]) -> dict[str, Any]:
        async with asyncio.timeout(ANSWER_LIMIT):
            return await self._ask(message)

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            if self.gone.is_set():
                raise HostUnavailable("the kernel host has ended")
            self._tell({"id": number} | message)
            content = await answer
        finally:
            del self._answers[number]
        if "error" in content:
            raise HostRefused(content["error"])
        return content

    def _tell(self, message: dict[str, Any]) -> None:
        if not self.gone.is_set():
            self._writer.write(encode(message))

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(READ_SIZE):
                for message in self._decoder.feed(data):
                    self._take(message)
        except (OSError, ProtocolError):
            pass
        finally:
            self._lose()

    def _take(self, message: dict[str, Any]) -> None:
        if "death" in message:
            death = self._deaths.get(str(message["death"]))
            if death is not None and not death.done():
                death.set_result(Certificate.from_message(message))
            return
        answer = self._answers.get(message.get("id", 0))
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _lose(self) -> None:
        """The connection is gone, and the host's kernels, as far as can be known, with it."""
        self.gone.set()
        if _open.get(self.path) is self:
            del _open[self.path]
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(HostUnavailable("the kernel host has ended"))
        for death in self._deaths.values():
            if not death.done():
                death.set_result(Certificate(0, stderr="The kernel host has ended."))
        with contextlib.suppress(OSError):
            self._writer.close()


#: The connections of this process, by socket: a provisioner finds the one it belongs to here.
_open: dict[Path, HostClient] = {}


def connected(path: Path) -> HostClient | None:
    """The open connection of this process to the host at ``path``."""
    return _open.get(path)
