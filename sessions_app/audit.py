"""Writes executions to the history: one transaction for all that are at hand, before they answer.

An execution costs one insert, written while the kernel works, and one update, which its answer
waits for; one that ends within a few milliseconds, the insert alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import islice

from django.db import DatabaseError, InterfaceError, OperationalError

from kernels.database import DatabaseThread
from kernels.runtime.errors import HistoryUnavailable
from kernels.runtime.types import ExecutionResult
from sessions_app.models import Execution
from sessions_app.statements import KernelUse, Row, end_row, start_row, whole_row, write, write_uses

log = logging.getLogger(__name__)

#: Seconds for which a start waits for its end: one that was quick is written once. It is as long as
#: the history does not yet show an execution that runs.
START_DELAY = 0.005
#: Rows of one transaction; more wait for the next.
BATCH = 200
#: Seconds for which a batch is tried again while the database is locked or away, and between tries.
TRY_FOR = 5.0
TRY_AGAIN_AFTER = 0.1
#: Seconds between writes of last use and number of runs, which nobody waits for.
USE_INTERVAL = 1.0


class _Kind(Enum):
    """What of an execution a row holds."""

    START = auto()
    END = auto()
    WHOLE = auto()


@dataclass(frozen=True, slots=True)
class _Write:
    """The values of one statement, and the future of whoever waits for the commit."""

    row: Row
    kind: _Kind
    done: asyncio.Future[None]

    def settle(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
            return
        self.done.set_exception(
            HistoryUnavailable(
                f"The history could not be written ({type(error).__name__}). "
                "The code may have run; what came of it was not kept."
            )
        )


class ExecutionWriter:
    """Takes starts and ends of executions in order, and commits them in batches on its own thread."""

    def __init__(self, try_for: float = TRY_FOR) -> None:
        """``try_for``: seconds for which a locked database is tried again."""
        self._try_for = try_for
        self._database = DatabaseThread("execution-writer")
        self._queue: deque[_Write] = deque()
        #: Starts that wait for their ends, and until when.
        self._held: dict[uuid.UUID, tuple[_Write, asyncio.TimerHandle]] = {}
        self._kernel_uses: dict[uuid.UUID, KernelUse] = {}
        self._session_uses: dict[uuid.UUID, datetime] = {}
        self._uses_due_at = 0.0
        self._wake = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._work(), name="write executions")

    def start(self, execution: Execution) -> asyncio.Future[None]:
        """Insert the row of an execution that is about to be sent; resolves at its commit.

        The future raises :class:`HistoryUnavailable` when the database does not take the row.
        """
        self._use_of(execution).runs += 1
        if execution.session_id is not None:
            self._session_uses[execution.session_id] = execution.started_at
        start = _Write(start_row(execution), _Kind.START, _new_future())
        timer = asyncio.get_running_loop().call_later(START_DELAY, self._release, execution.id)
        self._held[execution.id] = start, timer
        return start.done

    def end(self, execution: Execution, result: ExecutionResult) -> asyncio.Future[None]:
        """Write what an execution came to; resolves at its commit, as :meth:`start` does."""
        if result.attempts:
            self._use_of(execution).attempts += len(result.attempts)
        row = end_row(execution.id, result)
        held = self._held.pop(execution.id, None)
        if held is None:
            return self._put(_Write(row, _Kind.END, _new_future()))
        start, timer = held
        timer.cancel()
        return self._put(_Write(whole_row(start.row, row), _Kind.WHOLE, start.done))

    async def close(self) -> None:
        """Commit what is at hand and end the thread."""
        self._closing = True
        for execution_id in [*self._held]:
            self._release(execution_id)
        self._wake.set()
        await self._task
        await self._database.close()

    def _put(self, write: _Write) -> asyncio.Future[None]:
        self._queue.append(write)
        self._wake.set()
        return write.done

    def _release(self, execution_id: uuid.UUID) -> None:
        """Write a start whose end is still to come."""
        start, timer = self._held.pop(execution_id)
        timer.cancel()
        self._put(start)

    def _use_of(self, execution: Execution) -> KernelUse:
        use = self._kernel_uses.setdefault(execution.kernel_id, KernelUse(execution.started_at))
        use.last_used_at = max(use.last_used_at, execution.started_at)
        return use

    async def _work(self) -> None:
        while self._queue or not self._closing:
            await self._wait()
            batch = list(islice(self._queue, BATCH))
            if batch:
                await self._commit(batch)
                for _ in batch:
                    self._queue.popleft()
            elif self._kernel_uses and (self._closing or time.monotonic() >= self._uses_due_at):
                await self._commit_uses()
        await self._commit_uses()

    async def _wait(self) -> None:
        """Wait for rows, or until it is time to write what is nice to know."""
        if self._queue or self._closing:
            return
        self._wake.clear()
        limit = max(self._uses_due_at - time.monotonic(), 0.0) if self._kernel_uses else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._wake.wait()

    async def _commit(self, batch: list[_Write]) -> None:
        error = await self._try(batch)
        if (
            error is None
            or isinstance(error, (OperationalError, InterfaceError))
            or len(batch) == 1
        ):
            for one in batch:
                one.settle(error)
            return
        for one in batch:  # A row that the database refuses must not take the others with it.
            one.settle(await self._try([one]))

    async def _try(self, batch: list[_Write]) -> Exception | None:
        """Commit a batch, again for a while when the database is locked or away.

        Returns the error for which it gave up. The writer itself outlives every error: all
        executions wait for it.
        """
        rows = [[one.row for one in batch if one.kind is kind] for kind in _Kind]
        give_up_at = time.monotonic() + self._try_for
        while True:
            try:
                await self._database.run(write, *rows)
            except (OperationalError, InterfaceError) as error:
                if time.monotonic() >= give_up_at:
                    log.exception("executions were not recorded", extra={"rows": len(batch)})
                    return error
                await asyncio.sleep(TRY_AGAIN_AFTER)
            except Exception as error:  # the driver's own, for values that it cannot convert, too
                log.exception("the database refused executions", extra={"rows": len(batch)})
                return error
            else:
                return None

    async def _commit_uses(self) -> None:
        kernels, self._kernel_uses = self._kernel_uses, {}
        sessions, self._session_uses = self._session_uses, {}
        self._uses_due_at = time.monotonic() + USE_INTERVAL
        try:
            await self._database.run(write_uses, kernels, sessions)
        except (DatabaseError, InterfaceError):
            log.exception("last uses were not recorded", extra={"kernels": len(kernels)})


def _new_future() -> asyncio.Future[None]:
    """A future whose failure nobody has to look at: whoever asked may be gone, and it is in the log."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.add_done_callback(lambda future: future.cancelled() or future.exception())
    return done
