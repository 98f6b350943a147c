"""The data that passes between a kernel and whoever asked it to run something."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ExecutionStatus(StrEnum):
    """What came of an execution; ``running`` and ``unknown`` exist in the history alone."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    DEAD = "dead"
    MAX_ATTEMPTS_EXCEEDED = "max_attempts_exceeded"
    RUNNING = "running"
    UNKNOWN = "unknown"


class Channel(StrEnum):
    """The four ZMQ channels of a kernel that a client reads."""

    SHELL = "shell"
    IOPUB = "iopub"
    STDIN = "stdin"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what a kernel sends is kept."""

    #: Characters of each stream, of the last value and of plain-text displays.
    output_chars: int = 10_000
    #: Bytes of rich display data (images, HTML) of one execution.
    rich_bytes: int = 8 * 1024 * 1024
    #: Characters of one traceback.
    traceback_chars: int = 100_000
    #: Displays of one execution.
    displays: int = 1_000


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One piece of code for one kernel; ``timeout`` in seconds, from the moment it is sent."""

    code: str
    timeout: float
    execution_id: str = ""
    silent: bool = False
    store_history: bool = True


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An exception as the kernel reported it; traceback lines may hold ANSI colours."""

    ename: str
    evalue: str
    traceback: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputItem:
    """One output in the order it came: a stream's text, a display, the result, an error."""

    kind: str
    text: str | None = None
    name: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt of an execution with retry came to."""

    attempt: int
    code: str
    status: ExecutionStatus
    output: str
    stderr: str
    error: ErrorInfo | None


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """What came of one execution; times in milliseconds."""

    status: ExecutionStatus
    output: str = ""
    stderr: str = ""
    error: ErrorInfo | None = None
    return_value: str | None = None
    execution_count: int | None = None
    duration_ms: int = 0
    queued_ms: int = 0
    outputs: tuple[OutputItem, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    truncated: bool = False
    state_lost: bool = False
    state_lost_reason: str | None = None
    execution_id: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the code ran to its end without an exception."""
        return self.status is ExecutionStatus.SUCCESS


@dataclass(frozen=True, slots=True)
class Death:
    """How a kernel's process ended: an exit code, or the number of a signal."""

    exit_code: int | None = None
    signal_number: int | None = None
    #: Bytes of memory at its peak, where that is known.
    peak_memory: int | None = None
    #: The last of what the process itself wrote to stderr.
    last_words: str = ""

    @classmethod
    def from_return_code(cls, code: int) -> Death:
        """Read :attr:`subprocess.Popen.returncode`, where a negative number is a signal."""
        return cls(signal_number=-code) if code < 0 else cls(exit_code=code)

    def __str__(self) -> str:
        if self.signal_number is not None:
            return f"killed by {signal_name(self.signal_number)}"
        if self.exit_code is not None:
            return f"exited with code {self.exit_code}"
        return self.last_words.rstrip(".") or "ended"


def signal_name(number: int) -> str:
    """The name of a signal (``SIGKILL``), or ``signal 99`` for one that has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class EventKind(StrEnum):
    """What can happen while an execution runs, as watchers of a session see it."""

    STARTED = "started"
    STREAM = "stream"
    DISPLAY = "display"
    UPDATE_DISPLAY = "update_display"
    CLEAR_OUTPUT = "clear_output"
    RESULT = "result"
    ERROR = "error"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in an execution."""

    kind: EventKind
    execution_id: str
    payload: dict[str, Any]
