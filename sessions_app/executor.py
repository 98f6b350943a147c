"""Runs code in a live kernel, records it, and tells who watches."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, replace
from typing import Any

from django.utils import timezone

from kernels.ids import new_id
from kernels.manager import KernelManager
from kernels.models import Kernel
from kernels.runtime.errors import KernelBoxError
from kernels.runtime.languages import Language
from kernels.runtime.live import LiveKernel
from kernels.runtime.plain import plain_result
from kernels.runtime.types import (
    Attempt,
    ErrorInfo,
    Event,
    EventKind,
    ExecutionResult,
    ExecutionStatus,
    RunRequest,
)
from sessions_app.audit import ExecutionWriter
from sessions_app.models import Door, Execution
from sessions_app.retry import RetryPolicy
from sessions_app.sessions import OpenSession
from sessions_app.watchers import Watchers


@dataclass(frozen=True, slots=True)
class Target:
    """Where code runs: a kernel, and the session that owns it if one does."""

    kernel: LiveKernel
    kernel_name: str | None
    session_id: uuid.UUID | None
    session_name: str | None

    @classmethod
    def of_session(cls, session: OpenSession) -> Target:
        """The kernel of an open session."""
        return cls(session.kernel, session.kernel_name, uuid.UUID(session.id), session.name)

    @classmethod
    def of_kernel(cls, row: Kernel, live: LiveKernel) -> Target:
        """A kernel by itself."""
        return cls(live, row.name, None, row.session_name)


@dataclass(frozen=True, slots=True)
class Order:
    """What to run, in which language, for how many seconds, and who wants it."""

    code: str
    language: Language
    language_name: str
    timeout: float
    door: Door
    asked_by: str


@dataclass(frozen=True, slots=True)
class Retries:
    """How often to try, and what to run after a failure."""

    max_attempts: int
    policy: RetryPolicy


class Executor:
    """Sends orders to kernels; every one that was sent is in the history before it is answered."""

    def __init__(self, manager: KernelManager, writer: ExecutionWriter, watchers: Watchers) -> None:
        self._manager = manager
        self._writer = writer
        self._watchers = watchers

    async def run(
        self, target: Target, order: Order, retries: Retries | None = None
    ) -> ExecutionResult:
        """Run an order and return what came of it, once that is committed.

        A caller that goes away changes nothing: the execution goes on and is recorded. Raises what
        :meth:`LiveKernel.execute` raises, and :class:`HistoryUnavailable`.
        """
        recording = _Recording(target, order, self._writer, self._watchers)
        return await self._manager.owned(self._run(recording, retries))

    async def _run(self, recording: _Recording, retries: Retries | None) -> ExecutionResult:
        try:
            if retries is None:
                result = await recording.attempt(recording.order.code)
            else:
                result = await self._run_with_retries(recording, retries)
        except KernelBoxError as error:
            await recording.fail(error)
            raise
        await recording.finish(result)
        return result

    @staticmethod
    async def _run_with_retries(recording: _Recording, retries: Retries) -> ExecutionResult:
        """Attempts until one succeeds or is interrupted."""
        code = recording.order.code
        for number in range(1, retries.max_attempts + 1):
            result = await recording.attempt(code)
            recording.attempts.add(code, result)
            if result.succeeded or result.status is ExecutionStatus.INTERRUPTED:
                break
            code = retries.policy.code_after(number, code)
        else:
            result = replace(result, status=ExecutionStatus.MAX_ATTEMPTS_EXCEEDED)
        return recording.attempts.together(result)


class _Attempts:
    """What the attempts of one execution came to; times and a lost state are those of all."""

    def __init__(self) -> None:
        self._made: list[Attempt] = []
        self._duration_ms = 0
        self._queued_ms = 0
        self._lost_because: str | None = None

    def add(self, code: str, result: ExecutionResult) -> None:
        """Note what the next attempt, which ran ``code``, came to."""
        number = len(self._made) + 1
        self._made.append(
            Attempt(number, code, result.status, result.output, result.stderr, result.error)
        )
        self._duration_ms += result.duration_ms
        self._queued_ms += result.queued_ms
        self._lost_because = result.state_lost_reason or self._lost_because

    def together(self, last: ExecutionResult) -> ExecutionResult:
        """The result of the last attempt, with what is true of all of them."""
        return replace(
            last,
            attempts=tuple(self._made),
            duration_ms=self._duration_ms,
            queued_ms=self._queued_ms,
            state_lost=self._lost_because is not None,
            state_lost_reason=self._lost_because,
        )


class _Recording:
    """One execution on its way through the kernel, the history and the watchers."""

    def __init__(
        self, target: Target, order: Order, writer: ExecutionWriter, watchers: Watchers
    ) -> None:
        self.order = order
        self.attempts = _Attempts()
        self._target = target
        self._writer = writer
        self._watchers = watchers
        self._started: asyncio.Future[None] | None = None
        self._row = Execution(
            id=new_id(),
            kernel_id=uuid.UUID(target.kernel.kernel_id),
            kernel_name=target.kernel_name,
            session_id=target.session_id,
            session_name=target.session_name,
            door=order.door.value,
            asked_by=order.asked_by,
            language=order.language_name,
            code=order.code,
            status=ExecutionStatus.RUNNING.value,
        )

    async def attempt(self, code: str) -> ExecutionResult:
        """Run one piece of code; the first that reaches the kernel begins the row."""
        request = RunRequest(
            code=self.order.language.prefix + code,
            timeout=self.order.timeout,
            execution_id=self._row.id.hex,
        )
        return await self._target.kernel.execute(request, self._publish, self._begin)

    async def finish(self, result: ExecutionResult) -> None:
        """Commit what came of it, and tell the watchers."""
        ended = self._writer.end(self._row, result)
        await asyncio.gather(*filter(None, (self._started, ended)))
        self._publish(EventKind.DONE, plain_result(result))

    async def fail(self, error: KernelBoxError) -> None:
        """End a row that was begun, when a later attempt found no kernel to run on."""
        if self._started is not None:
            info = ErrorInfo(type(error).__name__, str(error))
            result = ExecutionResult(
                ExecutionStatus.ERROR, error=info, execution_id=self._row.id.hex
            )
            await self.finish(self.attempts.together(result))

    def _begin(self) -> None:
        if self._started is not None:
            return
        order = self.order
        self._row.started_at = timezone.now()
        self._started = self._writer.start(self._row)
        self._publish(EventKind.STARTED, {"code": order.code, "language": order.language_name})

    def _publish(self, kind: EventKind, payload: dict[str, Any]) -> None:
        if self._target.session_name is not None:
            event = Event(kind, self._row.id.hex, payload)
            self._watchers.publish(self._target.session_name, event)
