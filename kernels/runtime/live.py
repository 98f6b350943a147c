"""One kernel over its life: a process, a connection, a queue of executions, a state.

The object outlives its process: a kernel that was restarted, or that died and was brought back, is
the same kernel with the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import zmq.asyncio

from kernels.runtime.collector import OutputSink
from kernels.runtime.connection import Connection
from kernels.runtime.errors import KernelBoxError, KernelGone, KernelStartFailed, QueueFull
from kernels.runtime.execution import End, Execution
from kernels.runtime.process import KernelProcess, Launcher
from kernels.runtime.readiness import answers, wait_until_ready
from kernels.runtime.states import KernelState, check_step
from kernels.runtime.types import (
    Channel,
    Death,
    ErrorInfo,
    ExecutionResult,
    ExecutionStatus,
    Limits,
    RunRequest,
)
from kernels.runtime.wire import Message

log = logging.getLogger(__name__)

#: Seconds a kernel has to heed an interrupt before it is killed and started again.
HEED_LIMIT = 2.0
UNHEEDED = (
    f"The kernel did not heed an interrupt within {HEED_LIMIT:g} s, was killed and "
    "started again: its variables are gone."
)
#: Seconds at most, and between looks, to read what a kernel sent before it died.
DRAIN_LIMIT = 0.3
DRAIN_STEP = 0.02
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


#: Told of every step of a kernel: from, to, and why.
StepListener = Callable[["LiveKernel", KernelState, KernelState, str], None]


class LiveKernel:
    """A kernel that can be asked to run code, one execution at a time, first come first served."""

    def __init__(
        self,
        kernel_id: str,
        launcher: Launcher,
        context: zmq.asyncio.Context,
        options: KernelOptions,
        on_step: StepListener,
        *,
        lost_because: str | None = None,
    ) -> None:
        """A new kernel, or with ``lost_because`` one whose process is gone, as a dead one."""
        self.kernel_id = kernel_id
        self.last_used_at = time.time()
        self._launcher = launcher
        self._context = context
        self._options = options
        self._on_step = on_step
        self._state = KernelState.STARTING if lost_because is None else KernelState.DEAD
        self._lost_because = lost_because
        self._settled = asyncio.Event()
        if lost_because is not None:
            self._settled.set()
        self._process: KernelProcess | None = None
        self._connection: Connection | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._current: Execution | None = None
        self._death = Death()
        self._changes: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._lifecycle = asyncio.Lock()
        self._waiting = 0

    # -- what it is -------------------------------------------------------------------------

    @property
    def state(self) -> KernelState:
        """Where the kernel is in its life."""
        return self._state

    @property
    def busy(self) -> bool:
        """Whether an execution runs now."""
        return self._current is not None

    @property
    def waiting(self) -> int:
        """How many executions wait for their turn."""
        return self._waiting

    @property
    def connection_file(self) -> str:
        """The path of the connection file, or an empty string while there is no process."""
        return self._process.connection_file if self._process else ""

    async def ping(self) -> bool:
        """Whether it lives: an idle kernel must answer, a busy one's process must exist."""
        if self._state is not KernelState.RUNNING or self._connection is None:
            return False
        if self.busy or self._watcher is None:
            return True
        asking = asyncio.create_task(answers(self._connection, PING_LIMIT), name="ping kernel")
        await asyncio.wait({asking, self._watcher}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():  # It died before it could answer.
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            return False
        return asking.result()

    # -- its life ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the first process; on failure the kernel is dead and the error is raised."""
        await self._to_its_end(self._start())

    async def _start(self) -> None:
        async with self._lifecycle:
            await self._launch()

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Change the process in a task of its own: a caller that is cancelled does not stop it.

        Half-way, the kernel would have no process and a state in which everybody waits.
        """
        task = asyncio.create_task(work, name=f"change kernel {self.kernel_id}")
        self._changes.add(task)
        task.add_done_callback(self._changed)
        await asyncio.shield(task)

    def _changed(self, task: asyncio.Task[None]) -> None:
        self._changes.discard(task)
        if not task.cancelled():
            task.exception()  # Seen: whoever asked may have gone away.

    async def restart(self, why: str = "The kernel was restarted.") -> None:
        """End the process and start another: same id, no variables. A running cell is interrupted.

        A dead kernel is brought back.
        """
        await self._to_its_end(self._restart(why))

    async def _restart(self, why: str) -> None:
        async with self._lifecycle:
            self._step(KernelState.RESTARTING, why)
            self._end_current(End.RESTARTED)
            self._lost_because = why if self._waiting else None
            await self._drop_process()
            await self._launch()

    async def interrupt(self) -> bool:
        """Interrupt the execution that runs; False when none does. The queue goes on."""
        if self._current is None:
            return False
        self._current.interrupted = True
        await self._send_interrupt()
        return True

    async def destroy(self) -> None:
        """End the process for good; executions that run or wait are told so."""
        if self._state is KernelState.DESTROYED:
            return
        self._step(KernelState.DESTROYED, "The kernel was destroyed.")
        self._settled.set()
        self._end_current(End.DESTROYED)
        async with self._lifecycle:
            await self._drop_process()

    # -- running code -----------------------------------------------------------------------

    async def execute(
        self,
        request: RunRequest,
        sink: OutputSink | None = None,
        on_start: Callable[[], None] | None = None,
    ) -> ExecutionResult:
        """Run code when its turn comes, and return what came of it.

        ``on_start`` is called when nothing stands between the code and the kernel any more.
        Raises :class:`QueueFull`, :class:`KernelStartFailed` (it had died and could not be brought
        back) and :class:`KernelGone` (it was destroyed). Code that fails raises nothing.
        """
        queued_at = time.perf_counter()
        async with self._in_turn():
            queued_ms = round((time.perf_counter() - queued_at) * 1000)
            await self._be_running()
            self.last_used_at = time.time()
            if on_start is not None:
                on_start()
            try:
                return await self._run(request, sink, queued_ms)
            finally:
                self.last_used_at = time.time()

    @contextlib.asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        if self._waiting >= self._options.queue_limit:
            raise QueueFull(self._options.queue_limit)
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    async def _be_running(self) -> None:
        """Wait for a restart that is under way; bring a dead kernel back."""
        while self._state is not KernelState.RUNNING:
            if self._state is KernelState.DESTROYED:
                raise KernelGone
            if self._state is KernelState.DEAD:
                await self._to_its_end(self._revive())
            else:
                await self._settled.wait()

    async def _revive(self) -> None:
        async with self._lifecycle:
            if self._state is KernelState.DEAD:
                self._step(KernelState.RESTARTING, "Brought back for an execution.")
                await self._launch()

    async def _run(
        self, request: RunRequest, sink: OutputSink | None, queued_ms: int
    ) -> ExecutionResult:
        connection = self._connection
        if connection is None:
            raise KernelGone
        execution = Execution(request, self._options.limits, sink)
        self._current = execution
        lost: str | None = None
        msg_id = ""
        try:
            msg_id = await execution.send(connection)
            if not request.silent:
                lost, self._lost_because = self._lost_because, None
            await asyncio.wait([execution.ended], timeout=request.timeout)
            if not execution.ended.done():
                await self._stop_overdue(execution)
        finally:
            self._current = None
            connection.forget(msg_id)
        return self._result(execution, queued_ms, lost)

    async def _stop_overdue(self, execution: Execution) -> None:
        """Interrupt an execution that ran into its limit; kill the kernel if it does not heed."""
        execution.timed_out = True
        await self._send_interrupt()
        await asyncio.wait([execution.ended], timeout=HEED_LIMIT)
        if not execution.ended.done():
            execution.end(End.RESTARTED)
            with contextlib.suppress(KernelBoxError):  # It is dead then; the next call tries again.
                await self._to_its_end(self._replace_unheeding())

    async def _replace_unheeding(self) -> None:
        async with self._lifecycle:
            if self._state is KernelState.RUNNING:
                self._step(KernelState.RESTARTING, "It did not heed an interrupt.")
                self._lost_because = UNHEEDED if self._waiting else None
                await self._drop_process()
                await self._launch()

    def _result(self, execution: Execution, queued_ms: int, lost: str | None) -> ExecutionResult:
        why = execution.ended.result()
        failure: ErrorInfo | None = None
        if why is End.DIED:
            sentence = f"The kernel died while it ran this code: {self._death}."
            failure, lost = ErrorInfo("KernelDied", sentence), sentence
        elif why is End.DESTROYED:
            sentence = "The kernel was destroyed while it ran this code."
            failure, lost = ErrorInfo("KernelDestroyed", sentence), sentence
        elif execution.timed_out:
            sentence = f"The code ran into its limit of {execution.request.timeout:g} s."
            if why is End.RESTARTED:
                lost = UNHEEDED
            failure = ErrorInfo("ExecutionTimeout", sentence)
        elif why is End.RESTARTED:
            sentence = "The kernel was restarted while it ran this code."
            failure, lost = ErrorInfo("KernelRestarted", sentence), sentence
        return execution.result(queued_ms=queued_ms, failure=failure, state_lost=lost)

    async def _send_interrupt(self) -> None:
        if self._process is None or self._connection is None:
            return
        if not self._process.interrupts_by_message:
            await self._process.interrupt()
            return
        msg_id = await self._connection.request(Channel.CONTROL, "interrupt_request", {}, _ignore)
        self._connection.forget(msg_id)

    # -- processes --------------------------------------------------------------------------

    async def _launch(self) -> None:
        """Start a process and talk to it until it is ready; the caller holds the lifecycle lock."""
        try:
            async with asyncio.timeout(self._options.start_timeout):
                self._process = await self._launcher.launch()
                self._watcher = asyncio.create_task(
                    self._watch(self._process), name=f"watch kernel {self.kernel_id}"
                )
                self._connection = Connection(self._process.info, self._context)
                await self._get_ready(self._connection, self._watcher)
                if self._watcher.done():  # It died between its last answer and now.
                    raise KernelStartFailed(self._describe_failed_start())
        except (TimeoutError, KernelBoxError) as error:
            await self._give_up(error)
        except BaseException as error:  # cancelled, or a launcher's own error
            await self._drop_process()
            if self._state is not KernelState.DESTROYED:
                self._step(KernelState.DEAD, f"The start ended: {error!r}")
            raise
        if self._state is KernelState.DESTROYED:
            await self._drop_process()
            raise KernelGone
        self._step(KernelState.RUNNING, "")

    async def _get_ready(self, connection: Connection, watcher: asyncio.Task[None]) -> None:
        preparing = asyncio.create_task(self._prepare(connection), name="prepare kernel")
        try:
            await asyncio.wait({preparing, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if not preparing.done():
                raise KernelStartFailed(self._describe_failed_start())
            preparing.result()
        finally:
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)

    async def _prepare(self, connection: Connection) -> None:
        await wait_until_ready(connection)
        for cell in self._options.startup_cells:
            request = RunRequest(cell, self._options.start_timeout, store_history=False)
            execution = Execution(request, self._options.limits)
            msg_id = await execution.send(connection)
            try:
                await execution.ended
            finally:
                connection.forget(msg_id)
            result = execution.result(queued_ms=0)
            if result.status is not ExecutionStatus.SUCCESS and result.error is not None:
                raise KernelStartFailed(
                    "The startup code (KERNELBOX_STARTUP_CODE) raised "
                    f"{result.error.ename}: {result.error.evalue}"
                )

    def _describe_failed_start(self) -> str:
        tail = self._process.stderr_tail if self._process else ""
        return f"The kernel ended before it was ready: {self._death}." + (
            f" It said: {tail}" if tail else ""
        )

    async def _give_up(self, error: TimeoutError | KernelBoxError) -> None:
        await self._drop_process()
        if self._state is KernelState.DESTROYED:
            raise KernelGone from error
        failure = (
            error
            if isinstance(error, KernelBoxError)
            else KernelStartFailed(
                f"The kernel was not ready within {self._options.start_timeout:g} s."
            )
        )
        self._step(KernelState.DEAD, str(failure))
        raise failure from error

    async def _drop_process(self) -> None:
        """Kill the process if there is one, and free everything that belongs to it."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            if self._process is not None:
                watcher.cancel()
            # else it is cleaning up after a death: to cancel it would leave sockets and files.
            await asyncio.gather(watcher, return_exceptions=True)
        process, self._process = self._process, None
        if process is not None:
            await self._kill(process)
        await self._close_connection()
        if process is not None:
            await process.release()

    async def _kill(self, process: KernelProcess) -> None:
        try:
            await process.kill()
        except TimeoutError:  # It hangs in the operating system: nothing here can end it.
            log.error("kernel does not end", extra={"kernel_id": self.kernel_id})

    async def _close_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _watch(self, process: KernelProcess) -> None:
        """Wait for the process to end by itself; the owner of this task is the process's user."""
        self._death = await process.wait()
        log.warning("kernel died", extra={"kernel_id": self.kernel_id, "death": str(self._death)})
        if self._state is not KernelState.RUNNING:
            return  # Whoever starts it sees that this task has ended.
        await self._drain()
        if self._state is KernelState.RUNNING:
            self._lost_because = f"The kernel died: {self._death}."
            self._step(KernelState.DEAD, self._lost_because)
            self._end_current(End.DIED)
            self._process = None
            await self._close_connection()
            await process.release()

    async def _drain(self) -> None:
        """Read what the kernel had sent before it ended."""
        connection = self._connection
        if connection is None or self._current is None:
            return
        seen = -1
        for _ in range(round(DRAIN_LIMIT / DRAIN_STEP)):
            if connection.received == seen:
                return
            seen = connection.received
            await asyncio.sleep(DRAIN_STEP)

    # -- states -----------------------------------------------------------------------------

    def _step(self, wanted: KernelState, why: str) -> None:
        check_step(self._state, wanted)
        previous, self._state = self._state, wanted
        if wanted is KernelState.RESTARTING:
            self._settled.clear()
        else:
            self._settled.set()
        self._on_step(self, previous, wanted, why)

    def _end_current(self, why: End) -> None:
        if self._current is not None:
            self._current.end(why)


def _ignore(channel: Channel, message: Message) -> None:
    """A handler for answers that nobody needs."""
