"""One process of a kernel, from its launch to its end. A kernel that is restarted has another."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import zmq.asyncio

from kernels.runtime.connection import Connection
from kernels.runtime.errors import KernelStartFailed
from kernels.runtime.execution import Execution
from kernels.runtime.process import KernelProcess, Launcher
from kernels.runtime.readiness import answers, wait_until_ready, wait_until_subscribed
from kernels.runtime.types import Channel, Death, ExecutionStatus, Limits, RunRequest
from kernels.runtime.wire import ConnectionInfo, Message

#: Seconds at most, and between looks, to read what a kernel sent before it died.
DRAIN_LIMIT = 0.3
DRAIN_STEP = 0.02
#: Seconds between two looks for the sockets of a process that is starting.
LOOK_AGAIN_AFTER = 0.01
#: Seconds an idle kernel has to answer a ping.
PING_LIMIT = 2.0


@dataclass(frozen=True, slots=True)
class KernelOptions:
    """What one kernel is run with; times in seconds."""

    limits: Limits = field(default_factory=Limits)
    start_timeout: float = 60.0
    queue_limit: int = 100
    #: Run silently in every new process, in this order; one that raises fails the start.
    startup_cells: tuple[str, ...] = ()
    #: Run before those in a process that is not the kernel host's own.
    mending_cells: tuple[str, ...] = ()


class Incarnation:
    """A process and the connection to it; :meth:`end` it, whether it still lives or has died."""

    def __init__(self, process: KernelProcess) -> None:
        #: Done when the process has ended by itself.
        self.death: asyncio.Task[Death] = asyncio.create_task(process.wait(), name="watch kernel")
        self._process = process
        self._connection: Connection | None = None

    @classmethod
    async def start(
        cls, launcher: Launcher, context: zmq.asyncio.Context, options: KernelOptions
    ) -> Incarnation:
        """Launch a process and talk to it until it is ready; on failure nothing of it is left.

        Raises :class:`KernelStartFailed`, and whatever else the launcher raises.
        """
        incarnation: Incarnation | None = None
        try:
            async with asyncio.timeout(options.start_timeout):
                incarnation = cls(await launcher.launch())
                await incarnation._unless_it_dies(incarnation._get_ready(context, options))
        except BaseException as error:
            if incarnation is not None:
                await incarnation.end()
            if isinstance(error, TimeoutError):
                raise KernelStartFailed(_not_ready(options)) from error
            raise
        return incarnation

    @property
    def connection(self) -> Connection:
        """The connection to a kernel that has been ready."""
        if self._connection is None:
            raise KernelStartFailed("The kernel is not connected.")
        return self._connection

    @property
    def is_hosted(self) -> bool:
        """Whether the kernel host has made it, so that :meth:`settle` is understood."""
        return self._process.is_hosted

    async def settle(self, workplace: Mapping[str, Any], options: KernelOptions) -> None:
        """Make a process that was started ahead the kernel of a session.

        ``workplace``: environment, working folder and limits. Raises :class:`KernelStartFailed`.
        """
        try:
            async with asyncio.timeout(options.start_timeout):
                await self._unless_it_dies(self._settle(workplace, options))
        except TimeoutError as error:
            raise KernelStartFailed(_not_ready(options)) from error

    @property
    def connection_file(self) -> str:
        """The path of the connection file."""
        return self._process.connection_file

    async def answers(self) -> bool:
        """Whether the kernel, which must be idle, answers; False at once if it dies meanwhile."""
        asking = asyncio.create_task(answers(self.connection, PING_LIMIT), name="ping kernel")
        try:
            await asyncio.wait({asking, self.death}, return_when=asyncio.FIRST_COMPLETED)
            return asking.done() and asking.result()
        finally:
            await _cancel(asking)

    async def interrupt(self) -> None:
        """Interrupt what it runs: by a signal, or by a message where its kernelspec wants one."""
        if not self._process.interrupts_by_message:
            await self._process.interrupt()
            return
        msg_id = await self.connection.request(Channel.CONTROL, "interrupt_request", {}, _ignore)
        self.connection.forget(msg_id)

    async def drain(self) -> None:
        """Read what the kernel had sent before it died."""
        seen = -1
        for _ in range(round(DRAIN_LIMIT / DRAIN_STEP)):
            if self.connection.received == seen:
                return
            seen = self.connection.received
            await asyncio.sleep(DRAIN_STEP)

    async def end(self) -> None:
        """Kill the process and what is left of its group, and free all that belongs to it."""
        await _cancel(self.death)
        await self._process.kill()
        if self._connection is not None:
            self._connection.close()
        await self._process.release()

    async def _unless_it_dies(self, work: Coroutine[Any, Any, None]) -> None:
        """Await ``work``; raises :class:`KernelStartFailed` as soon as the process is dead."""
        working = asyncio.create_task(work, name="prepare kernel")
        try:
            await asyncio.wait({working, self.death}, return_when=asyncio.FIRST_COMPLETED)
            if self.death.done():
                raise KernelStartFailed(self._describe_early_death())
            working.result()
        finally:
            await _cancel(working)

    async def _get_ready(self, context: zmq.asyncio.Context, options: KernelOptions) -> None:
        self._connection = await _connect(self._process.info, context)
        if self.is_hosted:
            await wait_until_subscribed(self._connection)
        else:
            await wait_until_ready(self._connection)
            await self._run_cells(options.mending_cells, options)
        await self._run_cells(options.startup_cells, options)

    async def _settle(self, workplace: Mapping[str, Any], options: KernelOptions) -> None:
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def on_message(channel: Channel, message: Message) -> None:
            if channel is Channel.SHELL and not reply.done():
                reply.set_result(message)

        content = dict(workplace)
        msg_id = await self.connection.request(Channel.SHELL, "settle_request", content, on_message)
        try:
            said = (await reply).content
        finally:
            self.connection.forget(msg_id)
        if said.get("status") != "ok":
            raise KernelStartFailed(f"The kernel could not be settled: {said.get('evalue')}")
        await self._run_cells(options.startup_cells, options)

    async def _run_cells(self, cells: Iterable[str], options: KernelOptions) -> None:
        for cell in cells:
            request = RunRequest(cell, options.start_timeout, store_history=False)
            execution = Execution(request, options.limits)
            msg_id = await execution.send(self.connection)
            try:
                await execution.ended
            finally:
                self.connection.forget(msg_id)
            result = execution.result(queued_ms=0)
            if result.status is not ExecutionStatus.SUCCESS and result.error is not None:
                raise KernelStartFailed(
                    "The startup code (KERNELBOX_STARTUP_CODE) raised "
                    f"{result.error.ename}: {result.error.evalue}"
                )

    def _describe_early_death(self) -> str:
        tail = self._process.stderr_tail
        said = f" It said: {tail}" if tail else ""
        return f"The kernel ended before it was ready: {self.death.result()}.{said}"


def _not_ready(options: KernelOptions) -> str:
    return f"The kernel was not ready within {options.start_timeout:g} s."


async def _connect(info: ConnectionInfo, context: zmq.asyncio.Context) -> Connection:
    """Connect as soon as there are sockets; the caller sets the limit."""
    while True:
        try:
            return Connection(info, context)
        except FileNotFoundError:
            await asyncio.sleep(LOOK_AGAIN_AFTER)


async def _cancel(task: asyncio.Task[Death] | asyncio.Task[bool] | asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _ignore(channel: Channel, message: Message) -> None:
    """A handler for answers that nobody needs."""
