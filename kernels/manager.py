"""Maps the rows of kernels to the live kernels of this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import zmq
import zmq.asyncio
from django.db import DatabaseError, InterfaceError, OperationalError

from kernels import rows
from kernels.conf import KernelSettings
from kernels.database import DatabaseThread
from kernels.ids import new_id
from kernels.models import Kernel
from kernels.runtime.errors import (
    KernelBoxError,
    KernelExists,
    KernelLimitReached,
    ServiceStopping,
)
from kernels.runtime.incarnation import Incarnation, KernelOptions
from kernels.runtime.languages import PYTHON, Language, Languages
from kernels.runtime.live import LiveKernel
from kernels.runtime.starters import Starter
from kernels.runtime.states import ALIVE_STATES, KernelState
from kernels.sources import HostSource, LauncherFactory, LauncherSource, Source

log = logging.getLogger(__name__)

T = TypeVar("T")

#: ZMQ sockets in this process: two to four for each of several thousand kernels.
MAX_SOCKETS = 65_536
#: Seconds for a stopping server to end its kernels.
STOP_LIMIT = 15.0
#: Seconds between attempts to record a step while the database is locked or away, and for which
#: whoever took the step waits.
RECORD_AGAIN_AFTER = 0.1
RECORD_LIMIT = 5.0
PROCESS_GONE = "The kernel has no process."
SERVER_STOPPED = "The server was stopped, and its kernels with it."


@dataclass(frozen=True, slots=True)
class _LimitedStarter:
    """Starts no process while too many kernels are alive or starting."""

    starter: Starter
    check: Callable[[], None]

    async def start(self) -> Incarnation:
        self.check()
        return await self.starter.start()


class KernelManager:
    """Starts, finds, restarts, interrupts and destroys the kernels of this process.

    One a process, made at its start and :meth:`close`\\ d at its end. Kernels are identified by id
    or by name, everywhere.
    """

    def __init__(
        self, settings: KernelSettings, launcher_factory: LauncherFactory | None = None
    ) -> None:
        """``launcher_factory`` starts the processes in place of the kernel host."""
        self.settings = settings
        self.languages = Languages(settings.kernel_type)
        self._database = DatabaseThread("kernel-rows")
        self._context = zmq.asyncio.Context()
        self._context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)
        self.source: Source = (
            HostSource(settings, self._context)
            if launcher_factory is None
            else LauncherSource(settings, self._context, launcher_factory)
        )
        self._live: dict[str, LiveKernel] = {}
        self._owned: set[asyncio.Task[Any]] = set()
        self._steps: asyncio.Queue[Callable[[], bool]] = asyncio.Queue()
        self._recorder: asyncio.Task[None] | None = None
        self._stopping = False

    # -- the manager's own life -------------------------------------------------------------

    async def open(self) -> None:
        """Make ready to start kernels; what an earlier server left is marked dead."""
        left = await self._database.run(rows.mark_left_behind, SERVER_STOPPED)
        if left:
            log.info("kernels of an earlier server are dead", extra={"count": left})
        self._recorder = asyncio.create_task(self._record_steps(), name="record kernel steps")
        self.source.open()

    async def close(self) -> None:
        """End every kernel of this process and record it. Their names and ids stay.

        Executions that run are told that their kernel is gone, and have time to be recorded. A
        second call does nothing.
        """
        if self._stopping:
            return
        self._stopping = True
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await asyncio.gather(*(kernel.destroy() for kernel in self._live.values()))
                await asyncio.gather(*self._owned, return_exceptions=True)
                await self._recorded()
        except TimeoutError:
            log.error("kernels did not end in time")
        if self._recorder is not None:
            await _cancel({self._recorder, *self._owned})
        await self.source.close()
        await self._database.close()
        self._context.destroy(linger=0)

    # -- finding ----------------------------------------------------------------------------

    @property
    def alive(self) -> int:
        """How many kernels are alive, starts under way included."""
        return sum(kernel.state in ALIVE_STATES for kernel in self._live.values())

    def live(self, kernel_id: str) -> LiveKernel | None:
        """The live kernel with that id, without a look at the database."""
        return self._live.get(kernel_id)

    async def ask_database(self) -> None:
        """Return if the database answers; raises what Django raises if it does not."""
        await self._database.run(rows.ask_database)

    async def find(self, identifier: str) -> Kernel:
        """The row of a kernel; raises :class:`KernelNotFound`."""
        return await self._database.run(rows.find, identifier)

    async def all(self, *, refresh: bool = False) -> list[Kernel]:
        """The rows of all kernels that are not destroyed; ``refresh`` asks each whether it lives."""
        kernels = await self._database.run(rows.existing)
        if refresh:
            await asyncio.gather(*(self.ping(kernel) for kernel in kernels))
            await self._recorded()
            kernels = await self._database.run(rows.existing)
        return kernels

    async def ping(self, kernel: Kernel) -> bool:
        """Whether a kernel lives and, when idle, answers."""
        live = self._live.get(kernel.kernel_id)
        return live is not None and await live.ping()

    def live_for(self, kernel: Kernel) -> LiveKernel:
        """The live kernel of a row; of one whose process is gone, a dead one that can come back."""
        live = self._live.get(kernel.kernel_id)
        if live is None:
            language = Language(kernel.language, kernel.kernelspec)
            live = self._make_live(kernel.kernel_id, language, kernel.status_reason or PROCESS_GONE)
        return live

    # -- doing ------------------------------------------------------------------------------

    async def create(
        self,
        name: str | None = None,
        session_name: str | None = None,
        tags: dict[str, str] | None = None,
        language: Language | None = None,
    ) -> Kernel:
        """Start a kernel and return its row.

        Raises :class:`KernelExists`, :class:`KernelLimitReached` and :class:`KernelStartFailed`. A
        caller that goes away does not stop the start.
        """
        language = language or self.languages.resolve(PYTHON)
        kernel = Kernel(
            id=new_id(),
            name=name,
            session_name=session_name,
            tags=tags or {},
            language=language.name,
            kernelspec=language.kernelspec,
        )
        return await self.owned(self._create(kernel, language))

    async def named(self, name: str) -> Kernel | None:
        """The row of the kernel of that name, or of the session of that name."""
        return await self._database.run(rows.named, name)

    async def _create(self, kernel: Kernel, language: Language) -> Kernel:
        self._check_limit(room_for=1)
        live = self._make_live(kernel.kernel_id, language)
        try:
            await self._free_name(kernel)
            await self._database.run(rows.insert, kernel)
        except (DatabaseError, InterfaceError, KernelBoxError):
            del self._live[kernel.kernel_id]
            raise
        try:
            await live.start()
        except KernelBoxError:
            await self._discard(live)
            raise
        await self._recorded()
        return await self.find(kernel.kernel_id)

    async def restart(self, identifier: str) -> Kernel:
        """Restart a kernel: same id, no variables."""
        kernel = await self.find(identifier)
        await self.owned(self.live_for(kernel).restart())
        await self._recorded()
        return await self.find(kernel.kernel_id)

    async def interrupt(self, identifier: str) -> Kernel:
        """Interrupt what a kernel runs now, if it runs anything."""
        kernel = await self.find(identifier)
        await self.live_for(kernel).interrupt()
        return kernel

    async def destroy(self, identifier: str) -> Kernel:
        """End a kernel for good; its name is free again."""
        kernel = await self.find(identifier)
        await self.owned(self._discard(self.live_for(kernel)))
        return kernel

    async def destroy_all(self) -> list[str]:
        """End every kernel; returns their ids."""
        kernels = await self.all()
        await asyncio.gather(*(self._discard(self.live_for(kernel)) for kernel in kernels))
        return [kernel.kernel_id for kernel in kernels]

    async def owned(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work`` in a task of the manager's: a caller that is cancelled does not stop it."""
        if self._stopping:
            work.close()
            raise ServiceStopping
        task = asyncio.create_task(work)
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():  # by close()
                raise ServiceStopping from None
            task.add_done_callback(_log_unseen)
            raise

    # -- inside -----------------------------------------------------------------------------

    def _make_live(
        self, kernel_id: str, language: Language, lost_because: str | None = None
    ) -> LiveKernel:
        options = self._options(language)
        starter = _LimitedStarter(self.source.starter(language, options), self._check_limit)
        live = LiveKernel(kernel_id, starter, options, self._on_step, lost_because=lost_because)
        self._live[kernel_id] = live
        return live

    def _options(self, language: Language) -> KernelOptions:
        settings = self.settings
        has_startup_code = settings.startup_code and language.name == PYTHON
        return KernelOptions(
            limits=settings.limits,
            start_timeout=settings.start_timeout,
            queue_limit=settings.queue_limit,
            startup_cells=(settings.startup_code,) if has_startup_code else (),
        )

    def _check_limit(self, room_for: int = 0) -> None:
        """Raise when the kernels alive or starting, and ``room_for`` more, are over the limit."""
        if self.alive + room_for > self.settings.max_kernels:
            raise KernelLimitReached(self.settings.max_kernels)

    async def _free_name(self, kernel: Kernel) -> None:
        """Take the names that a new kernel wants from kernels that are dead.

        Raises :class:`KernelExists` for one that lives: no name may mean two kernels, be it one's
        own name and the other's session.
        """
        for name in filter(None, {kernel.name, kernel.session_name}):
            holder = await self._database.run(rows.named, name)
            if holder is None:
                continue
            live = self.live_for(holder)
            if live.state is not KernelState.DEAD:
                raise KernelExists(name)
            await self._discard(live)

    async def _discard(self, live: LiveKernel) -> None:
        await live.destroy()
        # Whoever read the row before it said so must find this kernel, and not make a dead one of
        # it that can be brought back.
        await self._recorded()
        self._live.pop(live.kernel_id, None)

    def _on_step(
        self, kernel: LiveKernel, current: KernelState, wanted: KernelState, why: str
    ) -> None:
        if wanted is KernelState.DESTROYED and self._stopping:
            # The process ends with the server; the kernel keeps its name and may come back.
            wanted, why = KernelState.DEAD, SERVER_STOPPED
            if current is KernelState.DEAD:
                return
        connection_file = kernel.connection_file if wanted is KernelState.RUNNING else ""

        def move() -> bool:
            return rows.step(
                kernel.kernel_id, current, wanted, why, connection_file=connection_file
            )

        self._steps.put_nowait(move)

    async def _record_steps(self) -> None:
        """Write the steps of kernels to their rows, in the order in which they happened."""
        while True:
            move = await self._steps.get()
            try:
                await self._record(move)
            except DatabaseError:
                log.exception("a kernel's step was refused")
            finally:
                self._steps.task_done()

    async def _record(self, move: Callable[[], bool]) -> None:
        """Write one step, once the database takes it: a row that misses one never moves again."""
        while True:
            try:
                moved = await self._database.run(move)
            except (OperationalError, InterfaceError) as error:
                log.warning("a kernel's step is not recorded yet", extra={"why": str(error)})
                await asyncio.sleep(RECORD_AGAIN_AFTER)
            else:
                if not moved:
                    log.warning("a kernel's row was no longer in the state it left")
                return

    async def _recorded(self) -> None:
        """Wait until every step so far is in the database, but not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RECORD_LIMIT):
                await self._steps.join()


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _log_unseen(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("nobody waited for this failure", extra={"why": str(error)})
