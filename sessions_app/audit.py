"""Writes executions to the history: one transaction for all that are at hand, before they answer.

An execution costs one insert, written while the kernel works, and one update, which its answer
waits for.
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
from itertools import islice

from django.db import DatabaseError, InterfaceError, OperationalError

from kernels.database import DatabaseThread
from kernels.runtime.errors import HistoryUnavailable
from kernels.runtime.types import ExecutionResult
from sessions_app.models import Execution
from sessions_app.statements import KernelUse, Row, end_row, start_row, write, write_uses

log = logging.getLogger(__name__)

#: Rows of one transaction; more wait for the next.
BATCH = 200
#: Seconds for which a batch is tried again while the database is locked or away, and between tries.
TRY_FOR = 5.0
TRY_AGAIN_AFTER = 0.1
#: Seconds between writes of last use and number of runs, which nobody waits for.
USE_INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class _Write:
    """The values of one statement, and the future of whoever waits for the commit."""

    row: Row
    is_start: bool
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
        return self._put(start_row(execution), is_start=True)

    def end(self, execution: Execution, result: ExecutionResult) -> asyncio.Future[None]:
        """Write what an execution came to; resolves at its commit, as :meth:`start` does."""
        if result.attempts:
            self._use_of(execution).attempts += len(result.attempts)
        return self._put(end_row(execution.id, result), is_start=False)

    async def close(self) -> None:
        """Commit what is at hand and end the thread."""
        self._closing = True
        self._wake.set()
        await self._task
        await self._database.close()

    def _put(self, row: Row, *, is_start: bool) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Whoever asked may be gone by then; a failure nobody looks at is in the log.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._queue.append(_Write(row, is_start, done))
        self._wake.set()
        return done

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
        starts = [one.row for one in batch if one.is_start]
        ends = [one.row for one in batch if not one.is_start]
        give_up_at = time.monotonic() + self._try_for
        while True:
            try:
                await self._database.run(write, starts, ends)
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
