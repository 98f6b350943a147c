"""One kernel over its life: one process after another, a queue of executions, a state.

The object outlives its processes: a kernel that was restarted, or that died and was brought back, is
the same kernel with the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from kernels.runtime.collector import OutputSink
from kernels.runtime.errors import KernelBoxError, KernelGone, QueueFull
from kernels.runtime.execution import End, Execution
from kernels.runtime.incarnation import Incarnation, KernelOptions
from kernels.runtime.starters import Starter
from kernels.runtime.states import KernelState, check_step
from kernels.runtime.types import Death, ExecutionResult, RunRequest
from kernels.runtime.verdict import HEED_LIMIT, UNHEEDED, verdict_on

log = logging.getLogger(__name__)

#: Told of every step of a kernel: from, to, and why.
StepListener = Callable[["LiveKernel", KernelState, KernelState, str], None]


class LiveKernel:
    """A kernel that can be asked to run code, one execution at a time, first come first served."""

    def __init__(
        self,
        kernel_id: str,
        starter: Starter,
        options: KernelOptions,
        on_step: StepListener,
        *,
        lost_because: str | None = None,
    ) -> None:
        """A new kernel, or with ``lost_because`` one whose process is gone, as a dead one."""
        self.kernel_id = kernel_id
        self.last_used_at = time.time()
        self._starter = starter
        self._options = options
        self._on_step = on_step
        self._state = KernelState.STARTING if lost_because is None else KernelState.DEAD
        self._settled = asyncio.Event()
        if lost_because is not None:
            self._settled.set()
        #: Why the variables of before are gone, until an execution was told.
        self._lost_because = lost_because
        self._incarnation: Incarnation | None = None
        self._starting: asyncio.Task[Incarnation] | None = None
        self._death = Death()
        self._current: Execution | None = None
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._lifecycle = asyncio.Lock()
        self._changes: set[asyncio.Task[None]] = set()

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
        return self._incarnation.connection_file if self._incarnation else ""

    async def ping(self) -> bool:
        """Whether it lives: an idle kernel must answer, a busy one's process must exist."""
        if self._state is not KernelState.RUNNING or self._incarnation is None:
            return False
        return self.busy or await self._incarnation.answers()

    # -- its life ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the first process; on failure the kernel is dead and the error is raised."""
        await self._to_its_end(self._start())

    async def restart(self, why: str = "The kernel was restarted.") -> None:
        """End the process and start another: same id, no variables. A running cell is interrupted.

        A dead kernel is brought back.
        """
        await self._to_its_end(self._restart(why))

    async def interrupt(self) -> bool:
        """Interrupt the execution that runs; False when none does. The queue goes on."""
        execution = self._current
        if execution is None:
            return False
        execution.interrupted = True
        await self._interrupt(execution)
        return True

    async def destroy(self) -> None:
        """End the process for good; executions that run or wait, and a start, are told so."""
        if self._state is KernelState.DESTROYED:
            return
        self._step(KernelState.DESTROYED, "The kernel was destroyed.")
        self._end_current(End.DESTROYED)
        if self._starting is not None:
            self._starting.cancel()
        async with self._lifecycle:
            await self._drop_incarnation()
        await asyncio.gather(*self._changes, return_exceptions=True)

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

    async def _run(
        self, request: RunRequest, sink: OutputSink | None, queued_ms: int
    ) -> ExecutionResult:
        if self._incarnation is None:
            raise KernelGone
        connection = self._incarnation.connection
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
        verdict = verdict_on(execution, self._death)
        return execution.result(
            queued_ms=queued_ms,
            failure=verdict.failure,
            state_lost=verdict.state_lost or lost,
        )

    async def _interrupt(self, execution: Execution) -> None:
        """Interrupt the kernel, unless the execution that it is meant for has ended by then."""
        await execution.wait_until_interruptible()
        if self._incarnation is not None and not execution.ended.done():
            await self._incarnation.interrupt()

    async def _stop_overdue(self, execution: Execution) -> None:
        """Interrupt an execution that ran into its limit; kill the kernel if it does not heed."""
        execution.timed_out = True
        await self._interrupt(execution)
        await asyncio.wait([execution.ended], timeout=HEED_LIMIT)
        if not execution.ended.done():
            execution.end(End.RESTARTED)
            with contextlib.suppress(KernelBoxError):  # It is dead then; the next call tries again.
                await self._to_its_end(self._replace_unheeding())

    # -- changes of the process, one at a time ----------------------------------------------

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Change the process in a task of its own: a caller that is cancelled does not stop it.

        Half-way, the kernel would have no process and a state in which everybody waits.
        """
        await asyncio.shield(self._own(work))

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"change kernel {self.kernel_id}")
        self._changes.add(task)
        task.add_done_callback(self._changed)
        return task

    def _changed(self, task: asyncio.Task[None]) -> None:
        self._changes.discard(task)
        if not task.cancelled():
            task.exception()  # Seen: whoever asked may have gone away.

    async def _start(self) -> None:
        async with self._lifecycle:
            await self._launch()

    async def _restart(self, why: str) -> None:
        async with self._lifecycle:
            self._step(KernelState.RESTARTING, why)
            self._end_current(End.RESTARTED)
            self._lost_because = why if self._waiting else None
            await self._drop_incarnation()
            await self._launch()

    async def _revive(self) -> None:
        async with self._lifecycle:
            if self._state is KernelState.DEAD:
                self._step(KernelState.RESTARTING, "Brought back for an execution.")
                await self._launch()

    async def _replace_unheeding(self) -> None:
        async with self._lifecycle:
            if self._state is KernelState.RUNNING:
                self._step(KernelState.RESTARTING, "It did not heed an interrupt.")
                self._lost_because = UNHEEDED if self._waiting else None
                await self._drop_incarnation()
                await self._launch()

    async def _launch(self) -> None:
        """Start a process; the caller holds the lifecycle lock. On any failure the kernel is dead."""
        try:
            if self._is_destroyed():
                raise KernelGone
            name = f"start kernel {self.kernel_id}"
            self._starting = asyncio.create_task(self._starter.start(), name=name)
            self._incarnation = await self._starting
        except BaseException as error:  # cancelled, or a launcher's own error
            if self._is_destroyed():
                raise KernelGone from error
            known = isinstance(error, KernelBoxError)
            self._step(KernelState.DEAD, str(error) if known else f"The start ended: {error!r}")
            raise
        finally:
            self._starting = None
        if self._is_destroyed():
            await self._drop_incarnation()
            raise KernelGone
        self._step(KernelState.RUNNING, "")
        incarnation = self._incarnation
        incarnation.death.add_done_callback(lambda _: self._on_death(incarnation))

    async def _drop_incarnation(self) -> None:
        incarnation, self._incarnation = self._incarnation, None
        if incarnation is not None:
            try:
                await incarnation.end()
            except TimeoutError:  # It hangs in the operating system: nothing here can end it.
                log.error("kernel does not end", extra={"kernel_id": self.kernel_id})

    # -- death ------------------------------------------------------------------------------

    def _on_death(self, incarnation: Incarnation) -> None:
        if self._incarnation is incarnation and not incarnation.death.cancelled():
            self._own(self._bury(incarnation))

    async def _bury(self, incarnation: Incarnation) -> None:
        """Say that the process has died, once what it had sent is read."""
        death = incarnation.death.result()
        log.warning("kernel died", extra={"kernel_id": self.kernel_id, "death": str(death)})
        if self.busy:
            await incarnation.drain()
        if self._incarnation is not incarnation or self._state is not KernelState.RUNNING:
            return  # It was restarted or destroyed meanwhile, which ended it.
        self._death = death
        self._lost_because = f"The kernel died: {death}."
        self._step(KernelState.DEAD, self._lost_because)
        self._end_current(End.DIED)
        await self._drop_incarnation()

    # -- states -----------------------------------------------------------------------------

    def _step(self, wanted: KernelState, why: str) -> None:
        check_step(self._state, wanted)
        previous, self._state = self._state, wanted
        if wanted is KernelState.RESTARTING:
            self._settled.clear()
        else:
            self._settled.set()
        self._on_step(self, previous, wanted, why)

    def _is_destroyed(self) -> bool:
        return self._state is KernelState.DESTROYED

    def _end_current(self, why: End) -> None:
        if self._current is not None:
            self._current.end(why)
