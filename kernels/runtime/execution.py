"""One execution in flight: which messages belong to it, when it has ended, what it came to."""

from __future__ import annotations

import asyncio
import contextlib
import time
from enum import Enum, auto
from typing import Any

from kernels.runtime.collector import (
    OutputCollector,
    OutputSink,
    execution_count,
    stream_text,
)
from kernels.runtime.connection import Connection
from kernels.runtime.types import (
    Channel,
    ErrorInfo,
    ExecutionResult,
    ExecutionStatus,
    Limits,
    OutputItem,
    RunRequest,
)
from kernels.runtime.wire import Message

#: Seconds without a message, after the reply, until a missing ``idle`` is taken as lost: ZMQ drops
#: iopub messages when a kernel floods faster than they are read.
IDLE_GRACE = 1.0
#: Seconds for a kernel to say that it runs the code, and from then until the code itself runs.
BEGIN_LIMIT = 1.0
SETTLE = 0.05
#: What an interrupt raises: in code that runs, and in an ``await``.
INTERRUPTIONS = frozenset(["KeyboardInterrupt", "CancelledError"])


class End(Enum):
    """Why an execution is over."""

    FINISHED = auto()
    DIED = auto()
    RESTARTED = auto()
    DESTROYED = auto()


class Execution:
    """Collects the messages of one ``execute_request`` until its reply and ``idle`` were seen."""

    def __init__(self, request: RunRequest, limits: Limits, sink: OutputSink | None = None) -> None:
        self.request = request
        self.interrupted = False
        self.timed_out = False
        self._collector = OutputCollector(limits, sink)
        self._reply: dict[str, Any] | None = None
        self._idle = False
        self._last_message_at = 0.0
        self._lost_idle = False
        self._grace: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._started_at = time.perf_counter()
        self._ended_at = self._started_at
        self.ended: asyncio.Future[End] = self._loop.create_future()
        #: Set when the kernel has said that it runs the code.
        self.begun = asyncio.Event()
        self._begun_at = 0.0

    async def send(self, connection: Connection) -> str:
        """Send the code; returns the ``msg_id``. The clock of ``duration_ms`` starts here."""
        self._started_at = time.perf_counter()
        return await connection.request(
            Channel.SHELL,
            "execute_request",
            {
                "code": self.request.code,
                "silent": self.request.silent,
                "store_history": self.request.store_history,
                "user_expressions": {},
                "allow_stdin": False,
                # One execution at a time is sent, so there is no queue in the kernel to abort; with
                # True, ipykernel aborts whatever arrives just after an error.
                "stop_on_error": False,
            },
            self.on_message,
        )

    def on_message(self, channel: Channel, message: Message) -> None:
        """Take one message that answers this execution."""
        self._last_message_at = self._loop.time()
        if channel is Channel.SHELL and message.msg_type == "execute_reply":
            self._reply = message.content
            if not self._idle:
                self._grace = self._loop.call_later(IDLE_GRACE, self._check_grace)
        elif channel is Channel.IOPUB and message.msg_type == "status":
            self._idle = self._idle or message.content.get("execution_state") == "idle"
        elif channel is Channel.IOPUB:
            if message.msg_type == "execute_input":
                self._begun_at = self._loop.time()
                self.begun.set()
            self._collector.feed(message.msg_type, message.content)
        if self._idle and self._reply is not None:
            self.end(End.FINISHED)

    async def wait_until_interruptible(self) -> None:
        """Return when a signal would reach the code itself, or the execution has ended.

        One that comes before is lost in the kernel's own code, or takes the kernel along.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_LIMIT):
                await self.begun.wait()
        settled_in = self._begun_at + SETTLE - self._loop.time()
        if settled_in > 0:
            await asyncio.wait([self.ended], timeout=settled_in)

    def end(self, why: End) -> None:
        """Say that it is over; only the first reason counts."""
        if self._grace is not None:
            self._grace.cancel()
        if not self.ended.done():
            self._ended_at = time.perf_counter()
            self.ended.set_result(why)
            self.begun.set()

    def _check_grace(self) -> None:
        silent = self._loop.time() - self._last_message_at
        if silent >= IDLE_GRACE:
            self._lost_idle = True
            self.end(End.FINISHED)
        else:
            self._grace = self._loop.call_later(IDLE_GRACE - silent, self._check_grace)

    def result(
        self, *, queued_ms: int, failure: ErrorInfo | None = None, state_lost: str | None = None
    ) -> ExecutionResult:
        """What it came to.

        ``failure`` is what the kernel could not tell itself (its death, a timeout) and stands in
        place of its error; ``state_lost`` is the reason why the variables are gone.
        """
        error = failure or self._collector.error or self._reply_error()
        outputs = self._collector.outputs()
        if failure is not None:
            outputs = (*outputs, _failure_item(failure))
        return ExecutionResult(
            status=self._status(error),
            output=stream_text(outputs, "stdout"),
            stderr=stream_text(outputs, "stderr"),
            error=error,
            return_value=self._collector.return_value,
            execution_count=self._execution_count(),
            duration_ms=round((self._ended_at - self._started_at) * 1000),
            queued_ms=queued_ms,
            outputs=outputs,
            truncated=self._collector.truncated or self._lost_idle,
            state_lost=state_lost is not None,
            state_lost_reason=state_lost,
            execution_id=self.request.execution_id,
        )

    def _status(self, error: ErrorInfo | None) -> ExecutionStatus:
        why = self.ended.result() if self.ended.done() else End.FINISHED
        if why is End.DIED:
            return ExecutionStatus.DEAD
        if self.timed_out:
            return ExecutionStatus.TIMEOUT
        if why in (End.RESTARTED, End.DESTROYED):
            return ExecutionStatus.INTERRUPTED
        if error is None:
            return ExecutionStatus.SUCCESS
        if self.interrupted and error.ename in INTERRUPTIONS:
            return ExecutionStatus.INTERRUPTED
        return ExecutionStatus.ERROR

    def _reply_error(self) -> ErrorInfo | None:
        reply = self._reply
        if reply is None or reply.get("status") == "ok":
            return None
        return self._collector.error_from({"ename": "ExecutionAborted"} | reply)

    def _execution_count(self) -> int | None:
        return execution_count(self._reply or {}, self._collector.execution_count)


def _failure_item(failure: ErrorInfo) -> OutputItem:
    data = {"ename": failure.ename, "evalue": failure.evalue, "traceback": []}
    return OutputItem("error", f"{failure.ename}: {failure.evalue}", None, data)
